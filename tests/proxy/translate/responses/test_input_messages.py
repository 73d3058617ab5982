"""Rows r2: messages of the input and their parts, one case or more for each."""

import pytest

from responses_requests import (
    MODEL,
    Case,
    assistant,
    called,
    check,
    output,
    parametrize,
    read,
    reasoning,
    refusal,
    said,
    sealed,
    sent,
    user,
)

PNG = "iVBORw0KGgo="
PDF = "JVBERi0="
PNG_URL = f"data:image/png;base64,{PNG}"
IMAGE = {"type": "image", "source": {
    "type": "base64", "media_type": "image/png", "data": PNG}}  # fmt: skip
MARK = {"cache_control": {"type": "ephemeral"}}


def text(words: str, **more: object) -> dict:
    return {"type": "text", **more, "text": words}


def part(words: str = "Hi", kind: str = "input_text", **more: object) -> dict:
    return {"type": kind, "text": words, **more}


def of(*parts: dict) -> dict:
    """A request with one user message of these parts."""
    return {"input": [user(list(parts))]}


def messages(*roles_and_blocks: tuple[str, list[dict]]) -> dict:
    return {
        "messages": [
            {"role": role, "content": blocks} for role, blocks in roles_and_blocks
        ]
    }


def one(*blocks: dict) -> dict:
    return messages(("user", list(blocks)))


def file(**more: object) -> dict:
    return {"type": "input_file", **more}


def image(**more: object) -> dict:
    return {"type": "input_image", **more}


GO_ON = ("user", [text("Continue.")])
HI = ("user", [text("Hi")])
CITATION = {"type": "url_citation", "url": "https://a.example", "title": "A",
            "start_index": 0, "end_index": 2, "cited_text": "It is so.",
            "encrypted_index": "E"}  # fmt: skip
CITED = {"type": "web_search_result_location", "url": "https://a.example", "title": "A",
         "encrypted_index": "E", "cited_text": "It is so."}  # fmt: skip
AFTER = [user("Thanks")]
THANKS = ("user", [text("Thanks")])

SHAPE = [
    Case("r2.shape", "a message without a type", {"input": [user()]}),
    Case("r2.shape", "ids, states and phases",
         {"input": [{"type": "message", "id": "msg_1", "status": "completed",
                     "phase": "commentary", **user()}]}),
    Case("r2.shape", "no object", {"input": [user(), "Hi"]},
         refused=("input[1]", "invalid_type")),
    Case("r2.shape", "an unknown type", {"input": [{"type": "agent_message"}]},
         refused=("input[0].type", "invalid_value")),
    Case("r2.shape", "a type that is no string", {"input": [{"type": 1}]},
         refused=("input[0].type", "invalid_type")),
    Case("r2.shape", "nothing that says what it is", {"input": [{"content": "Hi"}]},
         refused=("input[0].type", "missing_required_parameter")),
    Case("r2.shape", "an unknown role", {"input": [{"role": "tool", "content": "Hi"}]},
         refused=("input[0].role", "invalid_value")),
    Case("r2.system", "leading ones, one block a part",
         {"input": [{"role": "developer", "content": [part("A"), part("B")]},
                    {"role": "system", "content": "C"}, user()]},
         {"system": [text("A"), text("B"), text("C")]}),
    Case("r2.system", "a later one",
         {"input": [user(), {"role": "developer", "content": "A"}]},
         messages(HI, ("system", [text("A")]))),
    Case("r2.system", "nothing else", {"instructions": "I", "input": [
        {"role": "system", "content": "A"}]},
         {"system": [text("I")], **one(text("A"))}, warnings=("system_only_request",)),
    Case("r2.system", "nothing else, and blank", {"instructions": "I", "input": [
        {"role": "system", "content": " "}]}, refused=("input", None)),
    Case("r2.system", "an image", {"input": [
        {"role": "system", "content": [image(image_url=PNG_URL)]}, user()]},
         refused=("input[0].content[0]", "unsupported_value")),
    Case("r2.user", "blank text", of(part(" "), part("Hi"))),
    Case("r2.user", "a blank message before another",
         {"input": [user([part(" ")]), user()]}),
    Case("r2.user", "a blank message at the end", {"input": [user(), user([part(" ")])]},
         refused=("input[1].content", None)),
    Case("r2.user", "no content at the end", {"input": [user(None)]},
         refused=("input[0].content", None)),
    Case("r2.assistant", "one block a part, blank ones dropped",
         {"input": [user(), assistant([part("A", "output_text"), part(" ", "output_text"),
                                       {"type": "refusal", "refusal": "No."},
                                       part("B", "input_text")]), *AFTER]},
         messages(HI, ("assistant", [text("A"), text("No."), text("B")]), THANKS)),
    Case("r2.assistant", "a string", {"input": [user(), assistant(), *AFTER]},
         messages(HI, ("assistant", [text("Hello")]), THANKS)),
    Case("r2.assistant", "nothing", {"input": [user(), assistant(None), *AFTER]},
         messages(HI, THANKS)),
    *(Case("r2.assistant", one["type"], {"input": [user(), assistant([one]), *AFTER]},
           refused=("input[1].content[0]", "unsupported_value"))
      for one in (image(image_url=PNG_URL), file(file_data=PDF), {"type": "input_audio"},
                  {"type": "input_video"})),
    *(Case("r2.text", kind, {"input": [user([part("Hi", kind)])]})
      for kind in ("input_text", "output_text", "text")),
]  # fmt: skip

PARTS = [
    Case("r2.annotations", "a search of ours",
         {"input": [user(), assistant([part("So.", "output_text",
                                            annotations=[CITATION])]), *AFTER]},
         messages(HI, ("assistant", [text("So.") | {"citations": [CITED]}]), THANKS)),
    Case("r2.annotations", "without what Anthropic needs",
         {"input": [user(), assistant([part("So.", "output_text", annotations=[
             {"type": "url_citation", "url": "https://a.example", "title": "A"},
             {"type": "file_path", "file_id": "f"}, 7])]), *AFTER]},
         messages(HI, ("assistant", [text("So.")]), THANKS)),
    Case("r2.annotations", "of blank text",
         {"input": [user(), assistant([part(" ", "output_text", annotations=[CITATION])]),
                    *AFTER]}, messages(HI, THANKS)),
    Case("r2.image", "inline", of(image(image_url=PNG_URL, detail="low")), one(IMAGE)),
    Case("r2.image", "a PDF in its place",
         of(image(image_url=f"data:application/pdf;base64,{PDF}")),
         one({"type": "document", "source": {
             "type": "base64", "media_type": "application/pdf", "data": PDF}})),
    Case("r2.image", "https", of(image(image_url="https://a.example/b.png")),
         one({"type": "image", "source": {"type": "url",
                                          "url": "https://a.example/b.png"}})),
    Case("r2.image", "http", of(part(), image(image_url="http://a.example/b.png")),
         refused=("input[0].content[1].image_url", "invalid_value")),
    Case("r2.image", "a file of Anthropic's", of(image(file_id="file_1")),
         one({"type": "image", "source": {"type": "file", "file_id": "file_1"}})),
    *(Case("r2.image", says, of(image(**given)),
           refused=("input[0].content[0]", "unsupported_value"))
      for says, given in (("a file of OpenAI's", {"file_id": "file-abc"}),
                          ("neither", {}))),
    Case("r2.file", "inline", of(file(file_data=PDF, filename="a.pdf")),
         one({"type": "document", "source": {
             "type": "base64", "media_type": "application/pdf", "data": PDF},
             "title": "a.pdf"})),
    Case("r2.file", "https", of(file(file_url="https://a.example/b.pdf")),
         one({"type": "document", "source": {"type": "url",
                                             "url": "https://a.example/b.pdf"}})),
    *(Case("r2.file", url, of(file(file_url=url)),
           refused=("input[0].content[0].file_url", "invalid_value"))
      for url in ("http://a.example/b.pdf", "https:// ")),
    Case("r2.file", "of Anthropic's", of(file(file_id="file_1")),
         one({"type": "document", "source": {"type": "file", "file_id": "file_1"}})),
    Case("r2.file", "of OpenAI's", of(file(file_id="file-abc")),
         refused=("input[0].content[0]", "unsupported_value")),
    Case("r2.file", "none of them", of(file()),
         refused=("input[0].content[0]", "unsupported_value")),
    Case("r2.file", "no base64", of(file(file_data="?")),
         refused=("input[0].content[0].file_data", "invalid_value")),
    *(Case("r2.other-parts", kind, of(part(), {"type": kind}),
           refused=("input[0].content[1]", "unsupported_value"))
      for kind in ("input_audio", "input_video")),
    Case("r2.other-parts", "unknown", of({"type": "hologram"}),
         refused=("input[0].content[0].type", "invalid_value")),
    Case("r2.other-parts", "no type", of({"text": "Hi"}),
         refused=("input[0].content[0].type", "missing_required_parameter")),
    Case("r2.other-parts", "no text", of({"type": "input_text"}),
         refused=("input[0].content[0].text", "missing_required_parameter")),
    *(Case("r2.think", says, {"input": [user(), assistant(given), *AFTER]},
           messages(HI, THANKS), warnings=("think_text_dropped",))
      for says, given in (("a string", "<think>\nplan\n</think>"),
                          ("a part", [part("<think></think>", "output_text")]))),
    *(Case("r2.think", says, {"input": [user(), assistant(given), *AFTER]},
           messages(HI, ("assistant", [text(given)]), THANKS))
      for says, given in (("with an answer", "<think>plan</think> Hello"),
                          ("two", "<think>a</think><think>b</think>"))),
    Case("r2.marks", "on parts and items",
         {"input": [user([part("A", **MARK), part("B")]),
                    assistant() | {"cache_control": {"type": "ephemeral", "ttl": "5m"}},
                    user([part(" ", **MARK), part("C")])]},
         messages(("user", [text("A", **MARK), text("B")]),
                  ("assistant", [text("Hello", **MARK)]),
                  ("user", [text("C")]))),
    Case("r2.marks", "on a message of which nothing is left",
         {"input": [user(), assistant(" ") | MARK, user("More")]},
         messages(("user", [text("Hi", **MARK)]), ("user", [text("More")]))),
    Case("r2.marks", "on calls and outputs",
         {"input": [user(), called() | MARK, output() | MARK]},
         {**messages(HI, ("assistant", [
             {"type": "tool_use", **MARK, "id": "c1", "name": "f", "input": {}}]),
             ("user", [{"type": "tool_result", **MARK, "tool_use_id": "c1",
                        "content": "ok"}])),
          "tools": [{"name": "f", "input_schema": {"type": "object"}}],
          "tool_choice": {"type": "none"}}),
    Case("r2.end", "an assistant at the end", {"input": [user(), assistant()]},
         messages(HI, ("assistant", [text("Hello")]), GO_ON),
         warnings=("prefill_unsupported",)),
    Case("r2.end", "an assistant at the beginning", {"input": [assistant(), *AFTER]},
         messages(("user", [text("[The conversation begins with the assistant.]")]),
                  ("assistant", [text("Hello")]), THANKS),
         warnings=("opening_added",)),
]  # fmt: skip


@parametrize(SHAPE)
def test_a_message_is_translated_as_its_row_says(case: Case) -> None:
    check(case)


@parametrize(PARTS)
def test_a_part_is_translated_as_its_row_says(case: Case) -> None:
    check(case)


def test_r2_marks_in_an_output_move_to_it() -> None:
    parts = [part("A", **MARK), part("B")]

    [_, _, answer] = said(user(), called(), output(output=parts))

    assert answer["content"] == [
        {"type": "tool_result", **MARK, "tool_use_id": "c1",
         "content": [text("A"), text("B")]}
    ]  # fmt: skip


def test_r2_assistant_text_of_one_turn_keeps_its_blocks_apart() -> None:
    turn = [part("A", "output_text"), part("B", "output_text")]

    [_, spoken, _] = said(user(), reasoning(), assistant(turn), user())

    assert [block["type"] for block in spoken["content"]] == [
        "thinking",
        "text",
        "text",
    ]


@pytest.mark.parametrize("model", [MODEL, "claude-sonnet-4-6"])
def test_r2_system_text_in_the_middle_of_a_loop_goes_behind_its_results(
    model: str,
) -> None:
    later = {"role": "developer", "content": "A"}

    one = sent(
        {"model": model, "input": [user(), called(), later, output()]},
        prompt_caching="off",
    )

    kinds = [message["role"] for message in one["messages"]]
    last = "system" if model == MODEL else "user"
    assert kinds == ["user", "assistant", "user", last]


def test_r2_end_after_a_compaction_needs_no_opening() -> None:
    block = {"type": "compaction", "content": "They said hello."}
    compacted = {"type": "compaction", "encrypted_content": sealed(block)}

    one, _ = read({"model": MODEL, "input": [compacted, assistant(), user()]})

    assert one.warnings == ()


@pytest.mark.parametrize(
    ("given", "choices"),
    [
        ([{"type": "agent_message"}], ["message", "function_call", "item_reference"]),
        ([user([file()])], ["file_data", "file_url", "file_id"]),
    ],
    ids=["an item", "a file"],
)
def test_what_is_refused_is_told_its_choices(given: list, choices: list[str]) -> None:
    message = refusal({"input": given}).message

    assert [one for one in choices if one in message] == choices
