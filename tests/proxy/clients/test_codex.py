"""Codex CLI in front of the proxy: it works as with OpenAI, and never asks twice."""

import base64

import pytest

import proxy_command
from clients.codex_cli import Codex
from clients.received import dropped
from openai_client import KEY
from standin import caching
from standin.call import Call
from waiting import until

OLDER, NEWEST = "claude-sonnet-4-6", "claude-opus-5-5"
THINKING = ("thinking", "redacted_thinking")
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
PATCH = """\
*** Begin Patch
*** Update File: calc.py
@@
 def add(a, b):
-    return a - b
+    return a + b
*** End Patch
"""
LONG_PROMPT = "What does add do? " + "0123456789abcde " * 46_000
"""184,000 tokens."""


def shell(command):
    return "exec_command", {"cmd": command}


@pytest.fixture
def binary(find_environment):
    package = find_environment("codex") / "node_modules" / "@openai"
    return next(package.glob("codex-linux-*/vendor/*/bin/codex"))


@pytest.fixture
def codex(binary, proxy, standin, environ, tmp_path, request):
    model = getattr(request, "param", OLDER)
    return Codex(binary, tmp_path, environ, proxy.url, model)


@pytest.fixture
def sent(standin):
    """The messages that reached Anthropic, each accepted with all of its thinking."""

    def messages():
        received = [one for one in standin.requests if one.path == "/v1/messages"]
        assert [one.rule for one in received] == [None] * len(received)
        assert [dropped(one) for one in received] == [[]] * len(received)
        return [one.body for one in received]

    return messages


def turns(body):
    return [x["content"] for x in body["messages"] if x["role"] == "assistant"]


def thoughts(body):
    """How many blocks of thinking each turn of a request has."""
    return [sum(block["type"] in THINKING for block in turn) for turn in turns(body)]


def results(body):
    """What the tools of a request's last turn gave, as text."""
    blocks = body["messages"][-1]["content"]
    return [str(x["content"]) for x in blocks if x["type"] == "tool_result"]


def prompt_tokens(received):
    return caching.prompt_tokens(Call(received.body, received.headers))


both = pytest.mark.parametrize("codex", [OLDER, NEWEST], indirect=True)


@both
def test_it_answers(codex, standin, sent):
    standin.say_next("Hello from the stand-in.")
    ended = codex.run("Say hello")
    assert ended.code == 0, ended
    assert ended.answer == "Hello from the stand-in."
    assert ended.items("error") == [], "Codex knows the model"
    assert "stand-in's thinking" in ended.items("reasoning")[0]["text"]
    assert ended.events[-1]["usage"]["output_tokens"] > 0
    assert len(sent()) == 1


def test_it_sends_the_inbound_key(binary, standin, environ, tmp_path):
    settings = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_API_BASE": standin.base_url}
    with proxy_command.running(
        tmp_path, PROXY_API_KEY="of-the-door", **settings
    ) as proxy:
        codex = Codex(binary, tmp_path, environ, proxy.url, OLDER, key="of-the-door")
        assert "stand-in, not Claude" in codex.run("Hello").answer
        until(lambda: proxy.completions)
        assert [line["status"] for line in proxy.completions] == [200]


@both
def test_it_runs_commands_and_its_thinking_comes_back(codex, standin, sent):
    standin.say_next("I look.", shell("cat calc.py"), shell("ls no-such-file"))
    standin.say_next("It subtracts.")
    ended = codex.run("What does add do?")
    assert ended.answer == "It subtracts."
    ran = {x["exit_code"]: x for x in ended.items("command_execution")}
    assert sorted(ran) == [0, 2]
    assert "return a - b" in ran[0]["aggregated_output"]
    _, second = sent()
    assert thoughts(second) == [1]
    assert "return a - b" in results(second)[0]


@both
def test_it_applies_a_patch(codex, standin, sent):
    standin.say_next("I mend it.", ("apply_patch", {"input": PATCH}))
    standin.say_next("Mended.")
    ended = codex.run("Mend add")
    assert codex.file.read_text() == "def add(a, b):\n    return a + b\n"
    assert ended.items("file_change")[0]["status"] == "completed"
    assert ended.answer == "Mended."
    first, second = sent()
    assert "apply_patch" in [tool["name"] for tool in first["tools"]]
    assert "Success" in results(second)[0]


def test_it_looks_at_an_image(codex, standin, sent):
    picture = codex.repository / "plot.png"
    picture.write_bytes(base64.b64decode(PIXEL))
    standin.say_next(("view_image", {"path": str(picture)}))
    standin.say_next("One dot.")
    assert codex.run("What is on the plot?").answer == "One dot."
    _, second = sent()
    (result,) = second["messages"][-1]["content"]
    assert [block["type"] for block in result["content"]] == ["image"]


@both
def test_it_searches_the_web_and_goes_on(codex, standin, sent):
    searched = codex.run("Search for 'stand-in'")
    (search,) = searched.items("web_search")
    assert "it found one page" in searched.answer
    standin.say_next("As I found.")
    assert codex.run("Sure?", "resume", "--last").answer == "As I found."
    _, second = sent()
    (turn,) = turns(second)
    used = next(block for block in turn if block["type"] == "server_tool_use")
    assert used["input"] == {"query": search["query"]}
    assert "web_search_tool_result" in [block["type"] for block in turn]
    assert thoughts(second) == [1]


def test_it_calls_a_tool_of_an_mcp_server(codex, standin, sent):
    standin.say_next(("mcp__tickets__look_up", {"key": "ABC-1"}))
    standin.say_next("It subtracts.")
    ended = codex.run("What is ABC-1?")
    (call,) = ended.items("mcp_tool_call")
    assert (call["server"], call["tool"]) == ("tickets", "look_up")
    assert call["status"] == "completed"
    _, second = sent()
    assert "ABC-1: add() subtracts" in results(second)[0]


@both
def test_it_resumes(codex, standin, sent):
    standin.say_next(shell("cat calc.py"))
    standin.say_next("It subtracts.")
    standin.say_next("As I said.")
    codex.run("What does add do?")
    resumed = codex.run("Are you sure?", "resume", "--last")
    assert resumed.answer == "As I said."
    first, second, third = sent()
    said = unmarked(second["messages"])
    assert unmarked(third["messages"])[: len(said)] == said
    assert [thoughts(body) for body in (first, second, third)] == [[], [1], [1, 1]]


def unmarked(messages):
    """Messages without the cache breakpoints, which move on with each request."""
    return [
        message
        | {
            "content": [
                {name: part[name] for name in part if name != "cache_control"}
                for part in message["content"]
            ]
        }
        for message in messages
    ]


def test_it_lets_the_provider_compact(binary, proxy, standin, environ, tmp_path, sent):
    """Codex asks a provider of this name alone, with an item that it keeps."""
    model = "claude-haiku-4-5"
    codex = Codex(binary, tmp_path, environ, proxy.url, model, provider="OpenAI")
    standin.say_next(shell("cat calc.py"))
    standin.say_next("Not said, for a compaction is asked for.")
    standin.say_next("It subtracts.")
    ended = codex.run(LONG_PROMPT)
    assert ended.answer == "It subtracts."
    _, compaction, last = sent()
    assert compaction["compaction"] == {"type": "summarize"}
    assert last["messages"][0]["content"][0]["type"] == "compaction"


@both
def test_a_days_work_takes_one_call_a_step(codex, standin, sent):
    steps = [
        [("mcp__tickets__look_up", {"key": "ABC-1"})],
        ["I look.", shell("ls"), shell("cat calc.py")],
        ["I mend it.", ("apply_patch", {"input": PATCH})],
        [shell("python3 -c 'import calc; print(calc.add(2, 3))'")],
        [shell("python3 -m no_such_module")],
        [shell("git diff --stat")],
        [shell("git -c user.name=C -c user.email=c@example.com commit -qam Mend")],
        ["Mended and committed."],
        [shell("git log --oneline")],
        ["There are two commits."],
        [("mcp__tickets__look_up", {"key": "ABC-2"}), shell("cat calc.py")],
        ["Nothing else is open."],
    ]
    for step in steps:
        standin.say_next(*step)
    first = codex.run("Do ABC-1")
    second = codex.run("How many commits are there?", "resume", "--last")
    third = codex.run("What else is open?", "resume", "--last")

    answers = [run.answer for run in (first, second, third)]
    assert answers == [
        "Mended and committed.",
        "There are two commits.",
        "Nothing else is open.",
    ]
    assert "return a + b" in codex.file.read_text()
    ran = [item["exit_code"] for item in first.items("command_execution")]
    assert sorted(ran) == [0, 0, 0, 0, 0, 1]
    bodies = sent()
    assert len(bodies) == len(steps)
    assert [thoughts(body) for body in bodies] == [[1] * n for n in range(len(steps))]
    read = [
        one.usage["cache_read_input_tokens"] for one in standin.requests if one.usage
    ]
    assert all(count > 0 for count in read[1:]), "each step reads the cache"


@pytest.mark.parametrize(
    "codex", ["claude-haiku-4-5", "claude-haiku-4-5-20251001"], indirect=True
)
def test_it_compacts_before_the_window_is_full(codex, standin, sent):
    """Without the proxy's list of models Codex would wait for 245,000 tokens."""
    standin.say_next(shell("cat calc.py"))
    standin.say_next("SUMMARY: add subtracts.")
    standin.say_next("It subtracts.")
    ended = codex.run(LONG_PROMPT)
    assert ended.answer == "It subtracts."
    _, compaction, last = sent()
    asked = [one for one in standin.requests if one.path == "/v1/messages"]
    sizes = [prompt_tokens(one) for one in asked]
    assert 180_000 < sizes[0] < 200_000
    assert sizes[1] < 200_000
    assert "CHECKPOINT COMPACTION" in str(compaction["messages"][-1])
    assert "SUMMARY: add subtracts." in str(last["messages"])
    assert sizes[2] < 50_000
