"""What the answer to a Responses request needs to know of that request.

The request side fills one ``Context``; the answer side (``response``, ``stream``) reads
it and nothing else of the request.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec
from msgspec import Raw, Struct, structs

from proxy.schema import responses_response
from proxy.translate import remembered

Kind = Literal[
    "function", "custom", "local_shell", "shell", "apply_patch", "tool_search"
]
"""What a tool is to the client; each kind has a call item of its own."""

KINDS: tuple[Kind, ...] = get_args(Kind)


class Client(Struct, frozen=True, kw_only=True):
    """What a client calls one of its tools."""

    kind: Kind = "function"
    name: str
    """Without its namespace."""
    namespace: str | None = None


class Context(Struct, frozen=True, kw_only=True):
    """A request, as far as its response depends on it.

    The response's id and its items' ids come from Anthropic's message id, the times from
    whoever asks for the translation.
    """

    model: str
    """The name that was asked for."""
    stream: bool = False
    echo: responses_response.Response = responses_response.Response()
    """The response object as far as the request decides it (see ``echo``)."""
    tools: Mapping[str, Client] = {}
    """Anthropic's tool name -> the client's tool. A call of any other name is passed on
    as a function's, under that name."""
    properties: Mapping[str, Mapping[str, str]] = {}
    """Anthropic's tool name -> Anthropic's property name -> the client's, where changed."""
    sources: bool = False
    """``include`` asks for ``web_search_call.action.sources``."""
    store: bool = False
    """The response is to be kept: until its end, ``store`` says so."""
    compact: bool = False
    """A compaction is asked for: without one there is no response."""
    removed: tuple[responses_response.InputTransformation, ...] = ()
    """Reasoning items of the input that were not sent (row r4.reported)."""
    replayed: Mapping[str, str] = {}
    """Path of a thinking block that was sent, in Anthropic's words
    (``messages.3.content.0``) -> the id of the item it came from, where it had one."""
    thoughts: Mapping[str, str] = {}
    """Signature of a thinking block of the input -> the id of the item it came from."""


# ------------------------------------------------------------------ the echo


class Echoed(Struct, frozen=True, kw_only=True):
    """The fields of a request that its response repeats, as they were sent.

    A body decodes to it directly. Fields are not checked here: the request side refuses
    what is wrong.
    """

    instructions: Raw = responses_response.NULL
    metadata: Raw = responses_response.NULL
    max_output_tokens: Raw = responses_response.NULL
    max_tool_calls: Raw = responses_response.NULL
    previous_response_id: Raw = responses_response.NULL
    prompt_cache_key: Raw = responses_response.NULL
    safety_identifier: Raw = responses_response.NULL
    user: Raw = responses_response.NULL
    tools: Raw = responses_response.NULL
    tool_choice: Raw = responses_response.NULL
    parallel_tool_calls: Raw = responses_response.NULL
    text: Raw = responses_response.NULL
    reasoning: Raw = responses_response.NULL


class _Text(Struct, frozen=True):
    format: Raw = Raw(b'{"type":"text"}')
    verbosity: Raw = Raw(b'"medium"')


class _Reasoning(Struct, frozen=True):
    effort: Raw = responses_response.NULL
    summary: Raw = responses_response.NULL


_SHAPES: dict[str, type[Struct]] = {"text": _Text, "reasoning": _Reasoning}
_OF_A_FUNCTION = ("description", "parameters", "strict")
_encode = msgspec.json.Encoder().encode

_memory: remembered.Memory[Raw] = remembered.Memory(8 * 1024 * 1024)
"""Lists of tools as they are repeated, by the client's own text. An agent sends the same
with every request: RockBot's thirty tools take 120 us to be made compact, and 15 to find."""


def echo(
    sent: Echoed, *, temperature: float | None = None, top_p: float | None = None
) -> responses_response.Response:
    """The response object with the keys that repeat the request (row r7.echo).

    ``temperature`` and ``top_p`` are what was sent upstream.
    """
    given: dict[str, Any] = {
        name: _compact(name, value)
        for name in sent.__struct_fields__
        if not _is_null(value := getattr(sent, name))
    }
    return with_sampling(responses_response.Response(**given), temperature, top_p)


def with_sampling(
    echoed: responses_response.Response,
    temperature: float | None,
    top_p: float | None,
) -> responses_response.Response:
    """The object with the sampling that was sent upstream, 1 for what was not."""
    return structs.replace(
        echoed,
        temperature=1.0 if temperature is None else temperature,
        top_p=1.0 if top_p is None else top_p,
    )


def _is_null(value: Raw) -> bool:
    return bytes(value) in {b"", b"null"}


def _one_line(value: Raw) -> Raw:
    return Raw(msgspec.json.format(bytes(value), indent=-1))


def _compact(name: str, value: Raw) -> Raw:
    if name == "tools":
        return _tools(bytes(value))
    if shape := _SHAPES.get(name):
        given = msgspec.json.decode(value, type=dict[str, Raw])
        known = {
            key: _one_line(given[key])
            for key in shape.__struct_fields__
            if not _is_null(given.get(key, Raw()))
        }
        return Raw(_encode(shape(**known)))
    return _one_line(value)


def _tools(given: bytes) -> Raw:
    known = _memory.get(given)
    if known is not None:
        return known
    tools = msgspec.json.decode(given, type=list[Raw])
    compact = Raw(_encode([_tool(tool) for tool in tools]))
    _memory.keep(given, compact, len(bytes(compact)))
    return compact


def _tool(tool: Raw) -> Raw:
    """A function with all keys that OpenAI's schema requires; any other as it is."""
    fields = msgspec.json.decode(tool, type=dict[str, Raw])
    if bytes(fields.get("type", b"")) != b'"function"':
        return _one_line(tool)
    for key in _OF_A_FUNCTION:
        fields.setdefault(key, responses_response.NULL)
    return _one_line(Raw(_encode(fields)))
