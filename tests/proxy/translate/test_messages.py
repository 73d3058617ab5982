"""b4: the conversation, row by row."""

import base64
import hashlib

import pytest

from proxy import errors
from request_translation import sent, translated
from row_cases import HI, NOT_SENT, Case, check, parametrize

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n____").decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0____").decode()
GIF = base64.b64encode(b"GIF89a____").decode()
WEBP = base64.b64encode(b"RIFF\x24\0\0\0WEBPVP8 ").decode()
PDF = base64.b64encode(b"%PDF-1.7 ____").decode()
TEXT = base64.b64encode("Grüße".encode()).decode()
MARK = {"type": "ephemeral"}
HOUR = {**MARK, "ttl": "1h"}
F = {"name": "f", "input_schema": {"type": "object", "properties": {}}}
OPERATOR = "[A message from the operator of this conversation, not from the user]\n"
NO_MID_SYSTEM = "claude-sonnet-4-6"
OFF = {"prompt_caching": "off"}  # breakpoints have rows of their own, below
FOR_THE_HISTORY = {
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "none"},
}
"""What row b5.history adds to a request whose history calls the tool ``f``."""


def text(value: str, **more: object) -> dict:
    return {"type": "text", "text": value, **more}


def user(*content: object) -> dict:
    return {"role": "user", "content": list(content)}


def assistant(*content: object) -> dict:
    return {"role": "assistant", "content": list(content)}


def system(*content: object) -> dict:
    return {"role": "system", "content": list(content)}


def said(role: str, content: object, **more: object) -> dict:
    return {"role": role, "content": content, **more}


def call(call_id: str = "c1", name: str = "f", arguments: object = "{}") -> dict:
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def calls(*all_calls: dict, **more: object) -> dict:
    return {"role": "assistant", "tool_calls": list(all_calls), **more}


def result(content: object = "ok", call_id: str = "c1", **more: object) -> dict:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **more}


def use(use_id: str = "c1", name: str = "f", given: object = None) -> dict:
    return {"type": "tool_use", "id": use_id, "name": name, "input": given or {}}


def answered(use_id: str = "c1", **more: object) -> dict:
    return {"type": "tool_result", "tool_use_id": use_id, **more}


def becomes(row: str, says: str, given: list, expected: list, **more: object) -> Case:
    """A message list and the messages that are sent for it."""
    model = more.pop("model", "claude-opus-5-5")
    has_calls = any(
        {"tool_calls", "function_call"} & message.keys() for message in given
    )
    tools = FOR_THE_HISTORY if has_calls else {}
    body = {"messages": expected, **tools, **more.pop("sent", {})}
    return Case(row, says, {"messages": given, "model": model}, body,
                config=OFF, **more)  # fmt: skip


def refused(row: str, says: str, given: list, param: str, code: object = None) -> Case:
    return Case(row, says, {"messages": given}, refused=(param, code))


def image(url: str) -> dict:
    return {"type": "image_url", "image_url": {"url": url, "detail": "high"}}


def file(**given: object) -> dict:
    return {"type": "file", "file": given}


def with_hash(clean: str, whole: str) -> str:
    return f"{clean}_{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


SECOND_TURN = [user(text("Hi")), assistant(text("A")), user(text("Hi"))]

CASES = [
    # ------------------------------------------------------------------ leading_system
    becomes("b4.leading_system", "leading system and developer messages, one block each, in order",
            [said("system", "A"), said("developer", [text("B"), text("C")]), *HI],
            [user(text("Hi"))], sent={"system": [text("A"), text("B"), text("C")]}),
    becomes("b4.leading_system", "empty ones are skipped",
            [said("system", " \n"), said("system", "A"), *HI],
            [user(text("Hi"))], sent={"system": [text("A")]}),
    becomes("b4.leading_system", "none at all is no field", [said("system", ""), *HI],
            [user(text("Hi"))], sent={"system": NOT_SENT}),
    # ------------------------------------------------------------------ mid_system
    becomes("b4.mid_system", "last, behind a user turn, it stays in place",
            [*HI, said("system", "S"), said("developer", "T")],
            [user(text("Hi")), system(text("S"), text("T"))],
            sent={"system": NOT_SENT}),
    becomes("b4.mid_system", "before an assistant turn it stays in place",
            [*HI, said("system", "S"), said("assistant", "A"), *HI],
            [user(text("Hi")), system(text("S")), assistant(text("A")),
             user(text("Hi"))]),
    becomes("b4.mid_system", "before a user message it slides behind that",
            [*HI, said("system", "S"), said("user", "U"), said("assistant", "A"), *HI],
            [user(text("Hi")), user(text("U")), system(text("S")),
             assistant(text("A")), user(text("Hi"))]),
    becomes("b4.mid_system", "after an assistant turn it slides behind the user's",
            [*HI, said("assistant", "A"), said("system", "S"), said("user", "U")],
            [user(text("Hi")), assistant(text("A")), user(text("U")),
             system(text("S"))]),
    becomes("b4.mid_system", "after an assistant turn and nothing else it is the user's text",
            [*HI, said("assistant", "A"), said("system", "S")],
            [user(text("Hi")), assistant(text("A")), user(text(OPERATOR + "S"))]),
    becomes("b4.mid_system", "between a call and its result it goes behind the result",
            [*HI, calls(call()), said("system", "S"), result(), said("assistant", "A"),
             *HI],
            [user(text("Hi")), assistant(use()), user(answered(content="ok")),
             system(text("S")), assistant(text("A")), user(text("Hi"))]),
    becomes("b4.mid_system", "other models get it in place, marked as the operator's",
            [*HI, said("system", "S"), said("user", "U")],
            [user(text("Hi")), user(text(OPERATOR + "S")), user(text("U"))],
            model=NO_MID_SYSTEM),
    becomes("b4.mid_system", "a blank one is nothing", [*HI, said("system", "  ")],
            [user(text("Hi"))]),
    # ------------------------------------------------------------------ system_only
    becomes("b4.system_only", "the last of only system messages is what the user says",
            [said("system", "A"), said("system", "B")], [user(text("B"))],
            sent={"system": [text("A")]}, warnings=("system_only_request",)),
    refused("b4.system_only", "none of them says anything",
            [said("system", " "), said("developer", "")], "messages"),
    # ------------------------------------------------------------------ user
    becomes("b4.user", "parts in order, blank text dropped",
            [said("user", [text("A"), text(" "), text("B")])],
            [user(text("A"), text("B"))]),
    becomes("b4.user", "a blank message is dropped where another follows",
            [said("user", ""), said("user", [text("\n")]), *HI], [user(text("Hi"))]),
    refused("b4.user", "a blank last message", [*HI, said("user", " ")],
            "messages[1].content"),
    refused("b4.user", "only blank messages", [said("user", ""), said("system", "")],
            "messages"),
    refused("b4.user", "an unknown part", [said("user", [{"type": "hologram"}])],
            "messages[0].content[0].type", "invalid_value"),
    refused("b4.user", "content of another type", [said("user", 7)],
            "messages[0].content", "invalid_type"),
    # ------------------------------------------------------------------ assistant
    becomes("b4.assistant", "text, then calls",
            [*HI, calls(call(), content="I'll look."), result(), *HI],
            [user(text("Hi")), assistant(text("I'll look."), use()),
             user(answered(content="ok")), user(text("Hi"))]),
    becomes("b4.assistant", "a refusal is text, as a part and as a field",
            [*HI, said("assistant", [{"type": "refusal", "refusal": "No."}]), *HI,
             said("assistant", None, refusal="Still no."), *HI],
            [user(text("Hi")), assistant(text("No.")), user(text("Hi")),
             assistant(text("Still no.")), user(text("Hi"))]),
    becomes("b4.assistant", "blank parts are dropped",
            [*HI, said("assistant", [text(" "), text("A")], refusal=" "), *HI],
            [user(text("Hi")), assistant(text("A")), user(text("Hi"))]),
    becomes("b4.assistant", "audio is dropped",
            [*HI, said("assistant", "A", audio={"id": "x"}), *HI],
            [user(text("Hi")), assistant(text("A")), user(text("Hi"))],
            warnings=("audio_ignored",)),
    becomes("b4.assistant", "an empty turn without calls is dropped",
            [*HI, said("assistant", ""), *HI], [user(text("Hi")), user(text("Hi"))]),
    becomes("b4.assistant", "a history may begin with the assistant",
            [said("assistant", "Welcome."), *HI],
            [user(text("[The conversation begins with the assistant.]")),
             assistant(text("Welcome.")), user(text("Hi"))],
            warnings=("opening_added",)),
    # ------------------------------------------------------------------ arguments
    *[
        becomes("b4.arguments", f"arguments {given!r} are an empty object",
                [*HI, calls(call(arguments=given)), result()],
                [user(text("Hi")), assistant(use()), user(answered(content="ok"))])
        for given in ("", "  ", "null", None, "{}", "[]")
    ],
    *[
        becomes("b4.arguments", f"arguments {given!r} are kept as invalid JSON",
                [*HI, calls(call(arguments=given)), result()],
                [user(text("Hi")), assistant(use(given={"INVALID_JSON": given})),
                 user(answered(content="ok"))],
                warnings=("tool_arguments_invalid_json",))
        for given in ('{"a": ', "[1]", '"text"', "17", "{'a': 1}", '{"a": 1e999}')
    ],
    refused("b4.arguments", "arguments of more than 100,000 values",
            [*HI, calls(call(arguments=f'{{"a": [{"0," * 100_000}0]}}')), result()],
            "messages[1].tool_calls[0].function.arguments", "invalid_value"),
    refused("b4.arguments", "a call without id", [*HI, calls(call(call_id="")), result()],
            "messages[1].tool_calls[0].id"),
    refused("b4.arguments", "a call without a name", [*HI, calls(call(name="")), result()],
            "messages[1].tool_calls[0].function.name"),
    refused("b4.arguments", "a legacy call without a name",
            [*HI, said("assistant", None, function_call={"name": ""})],
            "messages[1].function_call.name"),
    refused("b4.arguments", "a custom call",
            [*HI, calls({"id": "c1", "type": "custom", "custom": {}}), result()],
            "messages[1].tool_calls[0]", "unsupported_value"),
    becomes("b4.arguments", "a legacy function_call gets an id of its place",
            [*HI, said("assistant", None, function_call={"name": "f",
                                                         "arguments": '{"a":1}'}),
             {"role": "function", "name": "f", "content": "ok"}],
            [user(text("Hi")), assistant(use("call_1", given={"a": 1})),
             user(answered("call_1", content="ok"))]),
    # ------------------------------------------------------------------ results
    becomes("b4.results", "all results of a turn in one message, in the calls' order",
            [*HI, calls(call("a"), call("b")), result("2", "b"), result("1", "a"),
             said("user", "And?")],
            [user(text("Hi")), assistant(use("a"), use("b")),
             user(answered("a", content="1"), answered("b", content="2")),
             user(text("And?"))]),
    becomes("b4.results", "blank content is omitted", [*HI, calls(call()), result("")],
            [user(text("Hi")), assistant(use()), user(answered())]),
    becomes("b4.results", "parts are blocks",
            [*HI, calls(call()),
             result([text("see"), image(f"data:image/png;base64,{PNG}")])],
            [user(text("Hi")), assistant(use()), user(answered(content=[
                text("see"), {"type": "image", "source": {
                    "type": "base64", "media_type": "image/png", "data": PNG}}]))]),
    becomes("b4.results", "... a file too",
            [*HI, calls(call()), result([file(file_data=PDF, filename="a.pdf")])],
            [user(text("Hi")), assistant(use()), user(answered(content=[
                {"type": "document", "title": "a.pdf", "source": {
                    "type": "base64", "media_type": "application/pdf",
                    "data": PDF}}]))]),
    becomes("b4.results", "is_error is said, never guessed",
            [*HI, calls(call("a"), call("b")), result("Error: no", "a"),
             result("boom", "b", is_error=True)],
            [user(text("Hi")), assistant(use("a"), use("b")), user(
                answered("a", content="Error: no"),
                answered("b", content="boom", is_error=True))]),
    becomes("b4.arguments", "half a character in them is replaced, as in a body",
            [*HI, calls(call(arguments='{"a": "cut \\ud83d off"}')), result()],
            [user(text("Hi")), assistant(use(given={"a": "cut \ufffd off"})),
             user(answered(content="ok"))]),
    becomes("b4.results", "is_error beside no content is said in words",
            [*HI, calls(call()), result(" ", is_error=True)],
            [user(text("Hi")), assistant(use()),
             user(answered(content="The tool call failed.", is_error=True))]),
    becomes("b4.results", "is_error beside blank parts too",
            [*HI, calls(call()), result([text("")], is_error=True)],
            [user(text("Hi")), assistant(use()),
             user(answered(content=[text("The tool call failed.")], is_error=True))]),
    becomes("b4.results", "is_error beside an image is said in words alone",
            [*HI, calls(call()),
             result([text("x"), image(f"data:image/png;base64,{PNG}")], is_error=True)],
            [user(text("Hi")), assistant(use()), user(answered(content=[
                text("The tool call failed."), text("x"),
                {"type": "image", "source": {
                    "type": "base64", "media_type": "image/png", "data": PNG}}]))]),
    becomes("b4.results", "is_error beside text parts stays",
            [*HI, calls(call()), result([text("x"), text("y")], is_error=True)],
            [user(text("Hi")), assistant(use()),
             user(answered(content=[text("x"), text("y")], is_error=True))]),
    becomes("b4.results", "a lone text part is a string, so that a mark changes nothing",
            [*HI, calls(call()), result([text("x")])],
            [user(text("Hi")), assistant(use()), user(answered(content="x"))]),
    becomes("b4.assistant", "a refusal that is the content too is said once",
            [*HI, said("assistant", "No.", refusal="No."), *HI],
            [user(text("Hi")), assistant(text("No.")), user(text("Hi"))]),
    becomes("b4.results", "calls of a run of assistant messages stand in one turn",
            [*HI, calls(call("a"), content="A"), said("assistant", "B"),
             calls(call("b")), result("1", "a"), result("2", "b")],
            [user(text("Hi")), assistant(text("A"), text("B"), use("a"), use("b")),
             user(answered("a", content="1"), answered("b", content="2"))]),
    becomes("b4.results", "... also where two of them have one id",
            [*HI, calls(call()), calls(call()), result("1"), result("2")],
            [user(text("Hi")), assistant(use(), use("c1_2")),
             user(answered(content="1"), answered("c1_2", content="2"))]),
    # ------------------------------------------------------------------ orphans
    refused("b4.orphans", "a result that answers nothing", [*HI, result()], "messages[1]"),
    refused("b4.orphans", "a result of an unknown call",
            [*HI, calls(call()), result(), result("x", "c9")],
            "messages[3].tool_call_id"),
    refused("b4.orphans", "a call without its result",
            [*HI, calls(call("a"), call("b")), result("1", "a"), *HI], "messages[1]"),
    refused("b4.orphans", "a call at the end", [*HI, calls(call())], "messages[1]"),
    becomes("b4.orphans", "of two results for one call the last wins, in the first's place",
            [*HI, calls(call("a"), call("b")), result("1", "a"), result("2", "b"),
             result("3", "a")],
            [user(text("Hi")), assistant(use("a"), use("b")),
             user(answered("a", content="3"), answered("b", content="2"))],
            warnings=("tool_result_duplicate",)),
    # ------------------------------------------------------------------ ids
    becomes("b4.ids", "odd characters go, with a hash of the id",
            [*HI, calls(call("call:1/x")), result("ok", "call:1/x")],
            [user(text("Hi")), assistant(use(with_hash("call_1_x", "call:1/x"))),
             user(answered(with_hash("call_1_x", "call:1/x"), content="ok"))]),
    becomes("b4.ids", "a long one is shortened",
            [*HI, calls(call("x" * 65)), result("ok", "x" * 65)],
            [user(text("Hi")), assistant(use(with_hash("x" * 55, "x" * 65))),
             user(answered(with_hash("x" * 55, "x" * 65), content="ok"))]),
    Case("b4.assistant", "our own answer, echoed with every null, is accepted",
         {"messages": [*HI, {
             "role": "assistant", "content": None, "refusal": None, "audio": None,
             "annotations": [], "function_call": None, "reasoning_content": None,
             "tool_calls": [{**call(), "type": None, "index": 0}],
             "thinking_blocks": [
                 {"type": "thinking", "thinking": "A", "signature": None},
                 {"type": "redacted_thinking", "data": "ZGF0YQ==", "thinking": None,
                  "signature": None}]},
             result(name=None, is_error=None, cache_control=None)],
          "tools": None, "stream_options": None, "stop": None, "user": None},
         {"messages": [
             user(text("Hi")),
             assistant({"type": "redacted_thinking", "data": "ZGF0YQ=="}, use()),
             user(answered(content="ok"))],
          "thinking": {"type": "adaptive", "block_binding": {
              "prefix_mismatch_behavior": "drop_block"}},
          **FOR_THE_HISTORY},
         betas=("thinking-binding-controls-2026-08-01",), config=OFF),
    becomes("b4.ids", "an id used again in a later turn is told apart",
            [*HI, calls(call()), result("1"), calls(call()), result("2")],
            [user(text("Hi")), assistant(use()), user(answered(content="1")),
             assistant(use("c1_2")), user(answered("c1_2", content="2"))]),
    becomes("b4.ids", "... within the longest that is allowed",
            [*HI, calls(call("x" * 64)), result("1", "x" * 64),
             calls(call("x" * 64)), result("2", "x" * 64)],
            [user(text("Hi")), assistant(use("x" * 64)),
             user(answered("x" * 64, content="1")),
             assistant(use("x" * 62 + "_2")),
             user(answered("x" * 62 + "_2", content="2"))]),
    becomes("b4.ids", "an id used twice in one turn is paired by position",
            [*HI, calls(call(), call()), result("1"), result("2")],
            [user(text("Hi")), assistant(use(), use("c1_2")),
             user(answered(content="1"), answered("c1_2", content="2"))]),
    refused("b4.ids", "an id used twice in one turn, with one result",
            [*HI, calls(call(), call()), result()], "messages[1]"),
    # ------------------------------------------------------------------ prefill
    becomes("b4.prefill", "is continued by a model that can, without its trailing space",
            [*HI, said("assistant", "{ \n")],
            [user(text("Hi")), assistant(text("{"))], model="claude-haiku-4-5"),
    becomes("b4.prefill", "is asked on by a model that cannot",
            [*HI, said("assistant", "Once upon")],
            [user(text("Hi")), assistant(text("Once upon")), user(text("Continue."))],
            warnings=("prefill_unsupported",)),
    Case("b4.prefill", "is refused under STRICT_PARAMS",
         {"messages": [*HI, said("assistant", "A")]},
         refused=("messages", "unsupported_value"), config={"strict_params": True}),
    Case("b4.prefill", "is asked on where the model thinks",
         {"model": "claude-haiku-4-5", "reasoning_effort": "low",
          "messages": [*HI, said("assistant", "A")]},
         {"messages": [user(text("Hi")), assistant(text("A")), user(text("Continue."))],
          "thinking": {"type": "enabled", "budget_tokens": 1024},
          "max_tokens": 16384 + 1024},
         ("prefill_unsupported",), config=OFF),
    # ------------------------------------------------------------------ names
    becomes("b4.names", "the author's name is ignored",
            [said("user", "Hi", name="ada")], [user(text("Hi"))]),
    becomes("b4.names", "consecutive turns of one role stay apart",
            [*HI, *HI], [user(text("Hi")), user(text("Hi"))]),
    # ------------------------------------------------------------------ images
    *[
        becomes("b4.images", f"{given} inline is what its bytes say",
                [said("user", [image(f"data:{given};base64,{data}")])],
                [user({"type": "image", "source": {
                    "type": "base64", "media_type": kind, "data": data}})])
        for given, data, kind in (
            ("image/png", PNG, "image/png"), ("image/jpg", JPEG, "image/jpeg"),
            ("image/png", JPEG, "image/jpeg"), ("image/jpeg", PNG, "image/png"),
            ("IMAGE/WEBP", WEBP, "image/webp"), ("image/tiff", GIF, "image/gif"),
            ("application/pdf", PNG, "image/png"), ("", GIF, "image/gif"))
    ],
    becomes("b4.images", "a PDF inline",
            [said("user", [image(f"data:application/pdf;base64,{PDF}")])],
            [user({"type": "document", "source": {
                "type": "base64", "media_type": "application/pdf", "data": PDF}})]),
    becomes("b4.images", "an https URL, never fetched here",
            [said("user", [image("https://example.com/a.png")])],
            [user({"type": "image",
                   "source": {"type": "url", "url": "https://example.com/a.png"}})]),
    *[
        refused("b4.images", f"{url.split(',')[0]}", [said("user", [image(url)])],
                "messages[0].content[0].image_url.url", "invalid_value")
        for url in ("http://example.com/a.png", "http://169.254.169.254/", "file:///etc",
                    "ftp://x/y", "data:image/png,abc", f"data:image/png;base64,{TEXT}",
                    "data:" + ";" * 2000 + f";base64,{PNG}",
                    "data:image/png;base64,a?b=", "data:image/png;base64,abc", "")
    ],
    refused("b4.images", "audio", [said("user", [{"type": "input_audio", "input_audio": {}}])],
            "messages[0].content[0]", "unsupported_value"),
    # ------------------------------------------------------------------ files
    becomes("b4.files", "a PDF data URI with its name",
            [said("user", [file(file_data=f"data:application/pdf;base64,{PDF}",
                                filename="a.pdf")])],
            [user({"type": "document", "title": "a.pdf", "source": {
                "type": "base64", "media_type": "application/pdf", "data": PDF}})]),
    becomes("b4.files", "a PDF under another name",
            [said("user", [file(file_data=PDF, filename="a.docx")])],
            [user({"type": "document", "title": "a.docx", "source": {
                "type": "base64", "media_type": "application/pdf", "data": PDF}})]),
    becomes("b4.files", "an image",
            [said("user", [file(file_data=f"data:image/png;base64,{JPEG}")])],
            [user({"type": "image", "source": {
                "type": "base64", "media_type": "image/jpeg", "data": JPEG}})]),
    becomes("b4.files", "bare base64 is what its name says",
            [said("user", [file(file_data=TEXT, filename="notes.md")])],
            [user({"type": "document", "title": "notes.md", "source": {
                "type": "text", "media_type": "text/plain", "data": "Grüße"}})]),
    becomes("b4.files", "a data URI of no telling type is what its name says",
            [said("user", [file(file_data=f"data:application/json;base64,{TEXT}",
                                filename="a.json")])],
            [user({"type": "document", "title": "a.json", "source": {
                "type": "text", "media_type": "text/plain", "data": "Grüße"}})]),
    becomes("b4.files", "a file of Anthropic's Files API",
            [said("user", [file(file_id="file_011CN")])],
            [user({"type": "document",
                   "source": {"type": "file", "file_id": "file_011CN"}})]),
    refused("b4.files", "a file of OpenAI's", [said("user", [file(file_id="file-abc")])],
            "messages[0].content[0].file", "unsupported_value"),
    *[
        Case("b4.files", f"text of any name and label: {name}",
             {"messages": [said("user", [file(file_data=data, filename=name)])]},
             {"messages": [said("user", [
                 {"type": "document", "title": name,
                  "source": {"type": "text", "media_type": "text/plain", "data": "a: 1"}}
             ])]})
        for name, data in (("a.yaml", "YTogMQ=="), ("Makefile", "YTogMQ=="),
                           ("a.py", "data:application/octet-stream;base64,YTogMQ=="))
    ],
    refused("b4.files", "another kind of file",
            [said("user", [file(file_data="UEsDBA==", filename="a.docx")])],
            "messages[0].content[0].file.file_data", "unsupported_value"),
    *[
        refused("b4.files", f"a text file {what}",
                [said("user", [file(file_data=data, filename="a.txt")])],
                "messages[0].content[0].file.file_data", code)
        for what, data, code in (("that is not UTF-8", "/w==", "unsupported_value"),
                                 ("without text", "IAo=", "invalid_value"))
    ],
    refused("b4.files", "never in an assistant message",
            [*HI, said("assistant", [file(file_id="file_011CN")]), *HI],
            "messages[1].content[0].type", "invalid_value"),
    # ------------------------------------------------------------------ caching
    *[
        Case("b4.caching", f"a mark on a part that is dropped moves back: {what}",
             {"model": NO_MID_SYSTEM, "messages": given},
             {"messages": expected})
        for what, given, expected in (
            ("in a message", [said("user", [text("A"), text(" ", cache_control=MARK)])],
             [user(text("A", cache_control=MARK))]),
            ("to the message before",
             [said("user", "A"), said("user", [text("", cache_control=MARK), text("B")])],
             [user(text("A", cache_control=MARK)), user(text("B"))]),
            ("with its message",
             [said("user", "A"), said("user", " ", cache_control=MARK), *HI],
             [user(text("A", cache_control=MARK)), user(text("Hi"))]),
            ("of the assistant's",
             [*HI, said("assistant", [text("A"), text("", cache_control=MARK)]), *HI],
             [user(text("Hi")), assistant(text("A", cache_control=MARK)),
              user(text("Hi"))]),
            ("of a late system message",
             [*HI, said("system", "", cache_control=MARK), *HI],
             [user(text("Hi", cache_control=MARK)), user(text("Hi"))]),
        )
    ],
    Case("b4.caching", "a mark on a system message that is dropped moves back",
         {"messages": [said("system", "A"), said("system", "", cache_control=MARK), *HI]},
         {"messages": [user(text("Hi"))], "system": [text("A", cache_control=MARK)]}),
    Case("b4.caching", "a mark on a dropped part of a system message moves back",
         {"messages": [said("system", [text("A"), text("", cache_control=MARK)]), *HI]},
         {"messages": [user(text("Hi"))], "system": [text("A", cache_control=MARK)]}),
    Case("b4.caching", "a mark on a dropped part of a result is the result's",
         {"messages": [*HI, calls(call()),
                       result([text("", cache_control=MARK), text("x")])]},
         {**FOR_THE_HISTORY, "messages": [
             user(text("Hi")), assistant(use()),
             user(answered(content="x", cache_control=MARK))]}),
    Case("b4.caching", "an explicit mark on a part",
         {"messages": [said("user", [text("A", cache_control=MARK), text("B")])]},
         {"messages": [user(text("A", cache_control=MARK), text("B"))]}),
    Case("b4.caching", "an hour, and on string content, a tool and a call",
         {"messages": [
             said("system", "S", cache_control={**MARK, "ttl": "1h"}), *HI,
             calls({**call(), "cache_control": MARK}), result(cache_control=MARK)],
          "tools": [{"type": "function", "function": {"name": "f"},
                     "cache_control": {**MARK, "ttl": "1h"}}]},
         {"system": [text("S", cache_control={**MARK, "ttl": "1h"})],
          "tools": [{"name": "f", "cache_control": {**MARK, "ttl": "1h"},
                     "input_schema": {"type": "object", "properties": {}}}],
          "messages": [user(text("Hi")), assistant({**use(), "cache_control": MARK}),
                       user(answered(content="ok", cache_control=MARK))]}),
    Case("b4.caching", "OpenAI's own breakpoint",
         {"messages": [said("user", [
             text("A", prompt_cache_breakpoint={"mode": "explicit", "ttl": "30m"}),
             text("B", prompt_cache_breakpoint={"mode": "explicit"})])]},
         {"messages": [user(text("A", cache_control={**MARK, "ttl": "1h"}),
                            text("B", cache_control=MARK))]}),
    Case("b4.caching", "a breakpoint inherits the request's lifetime",
         {"prompt_cache_options": {"ttl": "30m"}, "messages": [said("user", [
             text("A", prompt_cache_breakpoint={"mode": "explicit"})])]},
         {"messages": [user(text("A", cache_control={**MARK, "ttl": "1h"}))]}),
    Case("b4.caching", "a mark inside a result belongs to the result",
         {"messages": [*HI, calls(call()), result([text("x", cache_control=MARK)])]},
         {"messages": [user(text("Hi")), assistant(use()),
                       user(answered(content="x", cache_control=MARK))],
          **FOR_THE_HISTORY}),
    Case("b4.caching", "of more than four the system's and the last ones stay",
         {"messages": [said("system", "S", cache_control=MARK),
                       said("user", [text(t, cache_control=MARK) for t in "ABCDE"])]},
         {"system": [text("S", cache_control=MARK)],
          "messages": [user(text("A"), text("B"),
                            *[text(t, cache_control=MARK) for t in "CDE"])]},
         ("cache_marks_dropped",)),
    Case("b4.caching", "... and the end of the conversation always has one",
         {"messages": [*[said("system", t, cache_control=MARK) for t in "ABCDE"],
                       said("user", "Hi", cache_control=MARK)]},
         {"system": [text("A"), text("B"),
                     *[text(t, cache_control=MARK) for t in "CDE"]],
          "messages": [user(text("Hi", cache_control=MARK))]},
         ("cache_marks_dropped",)),
    Case("b4.caching", "an hour behind five minutes is lowered",
         {"messages": [said("user", [
             text("A", cache_control=MARK),
             text("B", cache_control={**MARK, "ttl": "1h"})])]},
         {"messages": [user(text("A", cache_control=MARK),
                            text("B", cache_control=MARK))]},
         ("cache_ttl_lowered",)),
    Case("b4.caching", "automatic: the system prompt, the request before, its answer",
         {"messages": [said("system", "S"), said("system", "T"), *HI,
                       said("assistant", "A"), *HI]},
         {"system": [text("S", cache_control=MARK), text("T")],
          "messages": [user(text("Hi", cache_control=MARK)),
                       assistant(text("A", cache_control=MARK)), *SECOND_TURN[2:]],
          "cache_control": MARK}),
    Case("b4.caching", "... in a first request the end of the system prompt and the tools",
         {"messages": [said("system", t) for t in "STU"] + HI,
          "tools": [{"type": "function", "function": {"name": "f"}}]},
         {"tools": [F | {"cache_control": MARK}],
          "system": [text("S", cache_control=MARK), text("T"),
                     text("U", cache_control=MARK)], "cache_control": MARK}),
    Case("b4.caching", "... the results, before a reminder that the next request lacks",
         {"messages": [*HI, calls(call()), result(), said("user", "Time: 1"),
                       said("user", "Time: 2")],
          "tools": [{"type": "function", "function": {"name": "f"}}]},
         {"tools": [F | {"cache_control": MARK}],
          "messages": [user(text("Hi", cache_control=MARK)), assistant(use()),
                       user(answered(content="ok", cache_control=MARK)),
                       user(text("Time: 1")),
                       user(text("Time: 2"))], "cache_control": MARK}),
    Case("b4.caching", "automatic marks live as long as the request says",
         {"prompt_cache_options": {"ttl": "30m"},
          "messages": [said("system", "S"), *HI, said("assistant", "A"), *HI]},
         {"system": [text("S", cache_control=HOUR)],
          "messages": [user(text("Hi", cache_control=HOUR)),
                       assistant(text("A", cache_control=HOUR)), *SECOND_TURN[2:]],
          "cache_control": HOUR}),
    Case("b4.caching", "automatic needs tools or an earlier turn",
         {"messages": [said("system", "S"), *HI]},
         {"system": [text("S")], "cache_control": NOT_SENT}),
    Case("b4.caching", "... tools are enough",
         {"tools": [{"type": "function", "function": {"name": "f"}}]},
         {"tools": [F | {"cache_control": MARK}], "cache_control": MARK}),
    Case("b4.caching", "always", {}, {"cache_control": MARK},
         config={"prompt_caching": "always"}),
    Case("b4.caching", "off", {"messages": [*HI, said("assistant", "A"), *HI]},
         {"messages": SECOND_TURN, "cache_control": NOT_SENT}, config=OFF),
    Case("b4.caching", "a client's own mark switches it off",
         {"messages": [*HI, said("assistant", "A"),
                       said("user", [text("B", cache_control=MARK)])]},
         {"messages": [user(text("Hi")), assistant(text("A")),
                       user(text("B", cache_control=MARK))],
          "cache_control": NOT_SENT}),
    Case("b4.caching", "OpenAI's explicit mode switches it off",
         {"prompt_cache_options": {"mode": "explicit"},
          "messages": [*HI, said("assistant", "A"), *HI]},
         {"messages": SECOND_TURN, "cache_control": NOT_SENT}),
]  # fmt: skip


@parametrize(CASES)
def test_a_conversation_is_translated_as_its_row_says(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    "arguments",
    [
        '{"b": 1, "a": 2}',
        '{"n": 1.50, "k": 123456789012345678901234567890}',
        '{\n  "city": "Zürich \\u2603"\n}',
    ],
    ids=["key order", "number text", "white space and escapes"],
)
def test_b4_arguments_arguments_reach_the_model_as_the_client_wrote_them(
    arguments: str,
) -> None:
    given = {"messages": [*HI, calls(call(arguments=arguments)), result()]}

    block = translated(given).request.messages[1].content[0]

    assert bytes(block.input).decode() == arguments


def test_b4_arguments_of_a_custom_call_are_refused_without_tools_too() -> None:
    custom = {"id": "c1", "type": "custom", "custom": {"name": "f", "input": "x"}}

    with pytest.raises(errors.InvalidRequestError, match="only function"):
        sent({"messages": [*HI, calls(custom), result()]})


def test_b4_user_no_visible_text_is_ever_invented_for_blank_content() -> None:
    given = [said("user", " "), said("user", [text("")]), *HI]

    assert sent({"messages": given})["messages"] == [user(text("Hi"))]
