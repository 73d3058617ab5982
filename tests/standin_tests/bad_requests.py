"""Bad requests to the stand-in, each with the row that it breaks."""

from standin_tests.bad_tools import TOOL_CASES
from standin_tests.requests import (
    HOUR,
    JPEG,
    MARK,
    NEW,
    OLD,
    PDF,
    assistant,
    body,
    document,
    formatted,
    image,
    loop,
    png,
    result,
    schema,
    system,
    text,
    thought,
    tool,
    use,
    user,
)

TOOLS = [tool()]
CITY = schema(city={"type": "string"})
FORCED = {"type": "any"}
BUDGET = {"type": "tokens", "total": 20_000}
MANUAL = {"type": "enabled", "budget_tokens": 1024}
ADAPTIVE = {"type": "adaptive"}
CITATION = {
    "type": "char_location",
    "cited_text": "a",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}
SIGNED = {"type": "thinking", "thinking": "", "signature": "not.from.here"}


def two_turns(first=None, **second):
    """A second turn that replays the first one's thinking on a model that binds it."""
    asked = first or body(model="claude-opus-5-5", system="Be brief.")
    turns = [*asked["messages"], thought(asked), user("And then?")]
    return asked | {"messages": turns} | second


def prefill(words="So", **fields):
    model = fields.pop("model", "claude-haiku-4-5")
    return body(model=model, messages=[user("Hello"), assistant(words)], **fields)


def one(block, **fields):
    return body(messages=[user(block)], **fields)


def interleaved():
    """A replay with all thinking in front, of an answer that had some in between."""
    asked = body(
        model="claude-opus-4-8",
        messages=[user("STAND_IN_INTERLEAVED_THINKING: weather and time")],
        tools=[tool(), tool("get_time")],
        thinking=ADAPTIVE,
    )
    content = thought(asked)["content"]
    thinking = [block for block in content if block["type"] == "thinking"]
    calls = [block for block in content if block["type"] == "tool_use"]
    assert len(thinking) == len(calls) == 2
    results = [result(block["id"]) for block in calls]
    turns = [*asked["messages"], assistant(*thinking, *calls), user(*results)]
    return asked | {"messages": turns}


COMPACTING = {"type": "compact_20260112"}
SUMMARIZE = {"type": "summarize"}
COMPACTED = assistant({"type": "compaction", "content": "They said hello."})
CHANGED = {
    "signature": {"signature": "of.somebody.else"},
    "content": {"content": "They said good-bye."},
    "tool_changes": {"tool_changes": [{"type": "tool_removal"}]},
    "empty": {"content": "", "signature": None},
}
SUMMARY = NEW | {"anthropic-beta": "compact-2026-09-04"}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def searched(change):
    """A replay, changed, of an answer that thought, searched, thought and called."""
    words = "STAND_IN_INTERLEAVED_THINKING: search for the weather"
    asked = body(
        model="claude-opus-4-8",
        messages=[user(words)],
        tools=[tool(), SEARCH],
        thinking=ADAPTIVE,
    )
    content = thought(asked)["content"]
    kinds = [block["type"] for block in content]
    assert kinds == [
        "thinking", "server_tool_use", "web_search_tool_result", "text", "text", "text",
        "thinking", "tool_use",
    ]  # fmt: skip
    turns = [
        *asked["messages"],
        assistant(*change(content)),
        user(result(content[-1]["id"])),
    ]
    return asked | {"messages": turns}


def last_thought(request):
    """A conversation that ends with a message of nothing but thinking."""
    [first, *_] = thought(request)["content"]
    return request | {"messages": [*request["messages"], assistant(first), user("b")]}


BAD_HEADERS = [
    ("auth.missing", {"authorization": ""}),
    ("auth.missing", {"authorization": "Bearer "}),
    ("version.missing", {"anthropic-version": ""}),
    ("version.unknown", {"anthropic-version": "2024-01-01"}),
]

BAD_BODIES = [
    ("shape.required", body(max_tokens=...)),
    ("shape.required", body(model=...)),
    ("shape.required", body(messages=...)),
    ("shape.required", body(messages=[{"role": "user"}])),
    ("shape.required", one({"type": "thinking", "thinking": "Hm"})),
    ("shape.required", body(tools=[{"name": "a"}])),
    ("shape.required", body(thinking={"type": "enabled"})),
    ("shape.type", body(max_tokens="many")),
    ("shape.type", body(max_tokens=True)),
    ("shape.type", body(messages={})),
    ("shape.type", body(messages=["Hello"])),
    ("shape.type", body(stop_sequences="stop")),
    ("shape.type", body(stream="yes")),
    ("shape.type", body(messages=[user("Hello") | {"content": None}])),
    ("shape.type", loop(use() | {"input": "{}"})),
    ("shape.unknown_field", body(user="me")),
    ("shape.unknown_field", body(reasoning_effort="low")),
    ("shape.unknown_field", body(messages=[user("Hello") | {"name": "me"}])),
    ("shape.unknown_field", one(text("Hello", id="1"))),
    ("shape.unknown_field", body(tools=[tool(function={})])),
    ("shape.unknown_field", body(metadata={"session": "1"})),
    ("shape.unknown_field", body(output_config={"verbosity": "low"})),
    ("shape.unknown_field", body(cache_control=MARK | {"scope": "global"})),
    ("shape.unknown_field", body(thinking={"type": "disabled", "display": "omitted"})),
    (
        "shape.unknown_field",
        body(
            tools=TOOLS,
            tool_choice={"type": "none", "disable_parallel_tool_use": True},
        ),
    ),
    ("shape.unknown_field", two_turns(thinking={"type": "between_tools", "a": 1})),
    ("shape.unknown_field", loop(SIGNED | {"cache_control": MARK}, use())),
    ("shape.unknown_field", body(thinking=MANUAL | {"block_binding": {}})),
    ("shape.unknown_field", one(text("a", citations=[CITATION | {"file_id": "f"}]))),
    ("shape.word", body(service_tier="flex")),
    ("shape.word", body(output_config={"effort": "minimal"})),
    ("shape.word", body(thinking=ADAPTIVE | {"display": "full"})),
    ("shape.tag", one({"type": "image_url", "image_url": "https://a.b"})),
    ("shape.tag", body(tools=TOOLS, tool_choice={"type": "required"})),
    ("shape.tag", body(output_config={"format": {"type": "json_object"}})),
    ("shape.tag", body(thinking={"type": "on"})),
    ("shape.tag", body(cache_control={"type": "persistent"})),
    ("output.top_level_format", body(output_format={"type": "json_schema"})),
    ("output.task_budget_beta", body(output_config={"task_budget": BUDGET})),
    ("context_management.beta", body(context_management={"edits": []})),
    ("context_management.beta", body(context_management={"edits": [COMPACTING]})),
    ("compaction.beta", body(compaction=SUMMARIZE)),
    ("compaction.beta", body(messages=[COMPACTED, user("And then?")])),
    ("model.unknown", body(model="claude-none")),
    ("max_tokens.small", body(max_tokens=-1)),
    ("max_tokens.zero", body(max_tokens=0, stream=True)),
    ("max_tokens.zero", body(max_tokens=0, thinking=MANUAL)),
    ("max_tokens.zero", formatted(CITY, max_tokens=0)),
    ("max_tokens.zero", body(max_tokens=0, tools=TOOLS, tool_choice=FORCED)),
    ("max_tokens.large", body(max_tokens=128_001)),
    ("max_tokens.large", body(model="claude-haiku-4-5", max_tokens=64_001)),
    ("sampling.removed", body(temperature=1)),
    ("sampling.removed", body(top_p=0.99)),
    ("sampling.removed", body(top_k=None)),
    ("metadata.user_id_length", body(metadata={"user_id": "x" * 257})),
    ("metadata.user_id_personal", body(metadata={"user_id": "me@example.com"})),
    ("metadata.user_id_personal", body(metadata={"user_id": "+49 171 1234567"})),
    ("stop.blank", body(stop_sequences=["end", " \n"])),
    ("prompt.long", body(model="claude-haiku-4-5", messages=[user("x" * 800_004)])),
    ("messages.none", body(messages=[])),
    ("messages.role", body(messages=[user("Hello") | {"role": "developer"}])),
    ("messages.first", body(messages=[assistant("Hi"), user("Hello")])),
    (
        "messages.first",
        body(model="claude-opus-5", messages=[system("Be"), assistant("a"), user("b")]),
    ),
    ("system.model", body(messages=[user("Hello"), system("Be brief.")])),
    (
        "system.model",
        body(model="claude-sonnet-5", messages=[user("Hello"), system("Be brief.")]),
    ),
    (
        "system.text_only",
        body(
            model="claude-opus-5",
            messages=[user("a"), system([text("b"), png()])],
        ),
    ),
    (
        "system.after_user",
        body(
            model="claude-opus-5",
            messages=[
                user("a"),
                assistant("b"),
                system("c"),
                assistant("d"),
                user("e"),
            ],
        ),
    ),
    (
        "system.before_assistant",
        body(model="claude-opus-5", messages=[user("a"), system("b"), user("c")]),
    ),
    (
        "system.before_assistant",
        body(model="claude-opus-5", messages=[user("a"), system("b"), system("c")]),
    ),
    ("messages.empty_content", body(messages=[{"role": "user", "content": ""}])),
    ("messages.empty_content", body(messages=[{"role": "user", "content": []}])),
    ("text.empty", one(text(""))),
    ("text.empty", loop(text(""), use())),
    ("text.empty", body(system=[text("")])),
    ("text.blank", body(messages=[user(" \n")])),
    ("text.blank", body(system=" ")),
    ("text.blank", loop(text("\t"), use())),
    ("prefill.model", prefill(model="claude-sonnet-4-6")),
    ("prefill.model", prefill(model="claude-opus-5-5")),
    ("prefill.trailing_space", prefill("So ")),
    ("prefill.thinking", prefill(thinking=MANUAL)),
    ("prefill.format", prefill(output_config=formatted(CITY)["output_config"])),
    *TOOL_CASES,
    ("thinking.mode", body(model="claude-opus-4-8", thinking=MANUAL)),
    ("thinking.mode", body(model="claude-haiku-4-5", thinking=ADAPTIVE)),
    ("thinking.mode", body(model="claude-opus-5-5", thinking={"type": "disabled"})),
    ("thinking.mode", body(model="claude-opus-5", thinking={"type": "between_tools"})),
    (
        "thinking.off_with_effort",
        body(
            model="claude-opus-5",
            thinking={"type": "disabled"},
            output_config={"effort": "xhigh"},
        ),
    ),
    (
        "thinking.off_with_effort",
        body(
            model="claude-sonnet-5-5",
            thinking={"type": "between_tools"},
            output_config={"effort": "max"},
        ),
    ),
    ("thinking.budget_small", body(thinking=MANUAL | {"budget_tokens": 1023})),
    ("thinking.budget_large", body(thinking=MANUAL | {"budget_tokens": 4000})),
    ("thinking.binding_beta", body(thinking=ADAPTIVE | {"block_binding": {}})),
    ("thinking.by_user", one(thought(body(thinking=ADAPTIVE))["content"][0])),
    ("thinking.first_block", loop(thinking=MANUAL)),
    ("thinking.first_block", loop(text("Let me see."), use(), thinking=MANUAL)),
    ("thinking.foreign", loop(SIGNED, use())),
    ("thinking.foreign", loop({"type": "redacted_thinking", "data": "abc"}, use())),
    ("thinking.unbound", two_turns(system="Be verbose.")),
    ("thinking.unbound", two_turns(tools=TOOLS)),
    ("thinking.moved", interleaved()),
    ("thinking.moved", searched(lambda said: [said[0], *said[6:]])),
    ("thinking.moved", searched(lambda said: [*said[:3], *said[4:]])),
    ("thinking.moved", searched(lambda said: said[1:])),
    ("thinking.last_block", last_thought(body(thinking=ADAPTIVE))),
    ("server_tool.orphan", searched(lambda said: [said[0], *said[2:6], said[-1]])),
    ("server_tool.unanswered", searched(lambda said: [*said[:2], said[-1]])),
    ("effort.model", body(output_config={"effort": "xhigh"})),
    ("effort.model", body(model="claude-opus-4-5", output_config={"effort": "max"})),
    ("effort.model", body(model="claude-haiku-4-5", output_config={"effort": "low"})),
    ("image.media_type", one(png(media_type="image/bmp"))),
    (
        "document.media_type",
        one(document(type="base64", media_type="text/html", data=PDF)),
    ),
    (
        "document.media_type",
        one(document(type="text", media_type="text/html", data="hi")),
    ),
    ("image.bytes", one(png(JPEG))),
    ("image.bytes", one(png("aGVsbG8="))),
    (
        "image.bytes",
        loop(messages=[user("a"), assistant(use()), user(result(content=[png(JPEG)]))]),
    ),
    (
        "document.bytes",
        one(document(type="base64", media_type="application/pdf", data=JPEG)),
    ),
    ("media.base64", one(png("not base64!"))),
    ("media.base64", one(png(""))),
    ("media.url", one(image(type="url", url="http://a.b/c.png"))),
    ("media.url", one(document(type="url", url="ftp://a.b/c.pdf"))),
    (
        "document.assistant",
        body(
            messages=[
                user("a"),
                assistant(document(type="file", file_id="file_1")),
                user("b"),
            ]
        ),
    ),
    ("citations.user", one(text("a", citations=[CITATION]))),
    ("marks.too_many", body(messages=[user(*[text("a", cache_control=MARK)] * 5)])),
    (
        "marks.too_many",
        body(messages=[user(*[text("a", cache_control=MARK)] * 4)], cache_control=MARK),
    ),
    ("marks.ttl", body(cache_control=MARK | {"ttl": "30m"})),
    (
        "marks.ttl_order",
        one(text("a", cache_control=HOUR), system=[text("b", cache_control=MARK)]),
    ),
    ("marks.ttl_order", body(tools=[tool(cache_control=MARK)], cache_control=HOUR)),
    ("marks.two_lifetimes", one(text("a", cache_control=HOUR), cache_control=MARK)),
    ("marks.empty_text", one(text("", cache_control=MARK))),
]

BAD_UNDER_THE_OLD_VERSION = [
    ("sampling.model", body(model="claude-opus-4-7", temperature=1)),
    ("sampling.model", body(model="claude-opus-5-5", top_k=5)),
    ("sampling.model", body(model="claude-haiku-5-5", temperature=0.5)),
    ("sampling.both", body(temperature=0.5, top_p=0.9)),
    ("sampling.range", body(temperature=1.5)),
    ("sampling.range", body(top_p=-0.1)),
    ("sampling.range", body(top_k=-1)),
    ("sampling.thinking", body(temperature=0.5, thinking=ADAPTIVE)),
    ("sampling.thinking", body(top_k=5, thinking=MANUAL)),
    ("sampling.thinking", body(top_p=0.9, thinking=MANUAL)),
]


def compacted(**changes):
    """A conversation that begins with a compaction of the stand-in's, changed."""
    block = thought(body(compaction=SUMMARIZE))["content"][0]
    return body(messages=[assistant(block | changes), user("And then?")])


PAUSED = assistant({"type": "server_tool_use", "id": "srvtoolu_1",
                    "name": "web_search", "input": {}})  # fmt: skip

BAD_WITH_COMPACTION = [
    *((f"compaction.{name}", compacted(**CHANGED[name])) for name in CHANGED),
    (
        "compaction.incomplete_turn",
        body(compaction=SUMMARIZE, messages=[user("Search"), PAUSED], tools=[SEARCH]),
    ),
    (
        "messages.compaction_first",
        body(messages=[user(text("A"), *COMPACTED["content"])]),
    ),
    ("compaction.alone", body(compaction=SUMMARIZE, stop_sequences=["END"])),
    (
        "compaction.alone",
        body(
            model="claude-opus-5",
            compaction=SUMMARIZE,
            tools=TOOLS,
            tool_choice={"type": "any"},
        ),
    ),
    (
        "messages.compaction_first",
        body(messages=[user("Hi"), COMPACTED, user("And then?")]),
    ),
]

EARLY = {
    "type": "compact_20260112",
    "trigger": {"type": "input_tokens", "value": 49_999},
}

CASES = [
    (
        "compaction.trigger",
        body(context_management={"edits": [EARLY]}),
        NEW | {"anthropic-beta": "compact-2026-01-12"},
    ),
    *((rule, bad, SUMMARY) for rule, bad in BAD_WITH_COMPACTION),
    *((rule, body(), NEW | headers) for rule, headers in BAD_HEADERS),
    *((rule, bad, NEW) for rule, bad in BAD_BODIES),
    *((rule, bad, OLD) for rule, bad in BAD_UNDER_THE_OLD_VERSION),
]
