"""Bodies that grow, and a process that translates one of them in little room.

``python bombs.py NAME`` may take five times the largest body, which is what the proxy
reckons with, and prints what became of it.
"""

import base64
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

LARGEST = 32 * 1024 * 1024
ROOM = 5 * LARGEST
STRING = {"type": "string"}


def filled(before: str, unit: str, after: str, size: int = LARGEST) -> bytes:
    """A body of this size that repeats one piece of text."""
    left = size - len((before + after).encode())
    return (before + unit * (left // len(unit.encode())) + after).encode()


def text_of(unit: str) -> bytes:
    return filled('{"messages":[{"role":"user","content":"', unit, '"}]}')


def format_of(schema: dict) -> bytes:
    asked = {"type": "json_schema", "json_schema": {"schema": schema}}
    return with_hi(response_format=asked)


def strict_tool(schema: dict) -> bytes:
    function = {"name": "f", "strict": True, "parameters": schema}
    return with_hi(tools=[{"type": "function", "function": function}])


def with_hi(**fields: object) -> bytes:
    return json.dumps(
        {"messages": [{"role": "user", "content": "Hi"}], **fields}
    ).encode()


def closed(**properties: object) -> dict:
    names = list(properties)
    return {"type": "object", "properties": properties, "required": names,
            "additionalProperties": False}  # fmt: skip


def doubling() -> dict:
    """Each definition holds the next one twice, with a description of its own."""
    twice = {
        f"d{i}": closed(
            a={"$ref": f"#/$defs/d{i + 1}", "description": "A"},
            b={"$ref": f"#/$defs/d{i + 1}", "description": "B"},
        )
        for i in range(20)
    }
    return {**closed(a={"$ref": "#/$defs/d0"}), "$defs": {**twice, "d20": STRING}}


def copies() -> dict:
    """A thousand pointers to one long text."""
    pointers = {f"p{i}": {"$ref": "#/properties/long"} for i in range(1000)}
    return closed(long={**STRING, "description": "x" * 100_000}, **pointers)


TOOL = '"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","default":['
HI = '{"messages":[{"role":"user","content":"Hi"}],'
CALL = (
    '{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":'
    '[{"id":"c","function":{"name":"f","arguments":"{\\"a\\":['
)
DONE = ']}"}}]},{"role":"tool","tool_call_id":"c","content":"ok"}]}'
IMAGE = (
    '{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"'
)
FILE = '{"messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"'
WIDE = "\U0001f600".encode()

BOMBS: dict[str, Callable[[], bytes]] = {
    "definitions that double": lambda: format_of(doubling()),
    "definitions that double, strict": lambda: strict_tool(doubling()),
    "pointers to a long text": lambda: format_of(copies()),
    "pointers to a long text, strict": lambda: strict_tool(copies()),
    "semicolons": lambda: filled(IMAGE + "data:", ";", '"}}]}]}'),
    "an image": lambda: filled(
        IMAGE + "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n\0").decode(),
        "AAAA", '"}}]}]}'),
    "empty lists in a schema": lambda: filled(HI + TOOL, "[],", "[]]}}}]}"),
    "empty objects in a schema": lambda: filled(HI + TOOL, "{},", "{}]}}}]}"),
    "empty objects beside half a character": lambda: filled(
        '{"a":"\\ud83d","b":[', "{},", '{}],"messages":[]}'),
    "messages": lambda: filled('{"messages":[', '{"role":"user"},', '{"role":"user"}]}'),
    "stop words": lambda: filled(HI + '"stop":[', '"a",', '"a"]}'),
    "a context's edits": lambda: filled(
        HI + '"context_management":{"a":[', "{},", "{}]}}"),
    "arguments": lambda: filled(CALL, "[],", "[]" + DONE),
    "nesting": lambda: filled(HI + '"a":', "[", ""),
    "half characters": lambda: text_of("\\ud83d"),
    "line ends": lambda: text_of("\\n"),
    "commas": lambda: text_of(","),
    "quotes": lambda: text_of('\\"'),
    "a wide character": lambda: text_of("x").replace(b"xxxx", WIDE, 1),
    "escapes": lambda: text_of("\\u4e00"),
    "a wide character in arguments": lambda: filled(
        CALL.removesuffix("[") + '\\"', "x", '\\"' + DONE.removeprefix("]")
    ).replace(b"xxxx", WIDE, 1),
    "a wide character in a file": lambda: filled(
        FILE + base64.b64encode(b"xx" + WIDE).decode(), "AAAA", '"}}]}]}').replace(
            b"AAAA", b"eHh4"),
    "wide text": lambda: filled(
        '{"messages":[{"role":"user","content":"' + WIDE.decode(), "x", '"}]}', 8_000_000),
}  # fmt: skip


def main(name: str) -> None:
    import msgspec

    from proxy import admission, body, errors
    from request_translation import translate

    given = BOMBS[name]()
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    held = int(pages) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM, held + ROOM))
    try:
        with admission.Bodies(ROOM).under_way() as arriving:
            body.admit(given, arriving)
        one, _ = translate(given)
        size = len(msgspec.json.encode(one.request))
    except errors.InvalidRequestError as ex:
        sys.stdout.write(json.dumps({"param": ex.param, "code": ex.code}))
    else:
        sys.stdout.write(
            json.dumps({"warnings": one.warnings, "size": size, "of": len(given)})
        )


if __name__ == "__main__":
    main(sys.argv[1])
