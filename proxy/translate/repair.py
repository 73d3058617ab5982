"""Repairs a request after one of six kinds of rejections by Anthropic (rows b0).

The capability table can be wrong about a model, and how long a prompt is only Anthropic
can count; a 400 costs nothing and says what was wrong. Any other rejection is relayed.

An agent sends what was rejected again with each turn. So what a repair has given up is
known by its `Mark`, and later requests go without it from the start (``anticipated``).
"""

import re
from collections.abc import Callable, Collection, Container, Hashable, Iterator

from msgspec import structs

from proxy.schema import messages_request
from proxy.translate import assemble, conversation, output_format, tools, warn

Change = Callable[[messages_request.MessagesRequest], messages_request.MessagesRequest]

Mark = int
"""A hash of what Anthropic may reject, and of all that decides whether it does."""

_FORCED = re.compile(
    r'tool_choice: type "tool" and "any"|when tool_choice forces tool use'
)
_SAMPLING = re.compile(r"`temperature`|`top_p`")
_PREFILL = re.compile(r"prefill")
_SIGNATURE = re.compile(
    r"Invalid `signature`|Invalid `data`|bound to a different conversation"
    r"|blocks in the latest assistant message cannot be modified"
)
_NO_ROOM = re.compile(
    r"input length and `max_tokens` exceed context limit: (\d+) \+ \d+ > (\d+)"
)
_STRICT = re.compile(
    r"Too many strict tools|too many optional|too many parameters with union types"
    r"|[Cc]ompiled grammar|Grammar compilation timed out|Schema is too complex"
    r"|^tools\.\d+\.custom: |^output_(?:config\.)?format\.schema: "
)
"""Too much for the grammar compiler, or a part of a schema that it does not take."""


def repaired(
    translation: assemble.Translation, message: str
) -> assemble.Translation | None:
    """The request without what a 400 with this message rejects, or ``None``.

    ``None`` also where nothing would change: the same request is never sent twice.
    """
    if fits := _NO_ROOM.search(message):
        return _with_less_room(translation, int(fits[2]) - int(fits[1]))
    for pattern, change, code in (
        (_FORCED, _unforced, "forced_tool_choice_downgraded"),
        (_SAMPLING, _unsampled, "temperature_ignored"),
        (_PREFILL, _continued, "prefill_unsupported"),
        (_SIGNATURE, _without_thinking, "thinking_skipped"),
        *_giving_way(translation.request, message),
    ):
        if pattern.search(message):
            repaired_request = change(translation.request)
            if repaired_request == translation.request:
                continue
            if translation.strict and warn.changes_response(code):
                return None
            return _sent_instead(translation, repaired_request, code)
    return None


def given_up(before: assemble.Translation, after: assemble.Translation) -> set[Mark]:
    """The marks of what a repair has given up. Lowering a limit to what fits has none."""
    still = {code for code, _ in _disputable(after.request)}
    return {hash(one) for one in _disputable(before.request) if one[0] not in still}


def anticipated(
    translation: assemble.Translation, known: Container[Mark]
) -> assemble.Translation | None:
    """The request without what was rejected before, or ``None`` for nothing known."""
    made = translation
    if not any(hash(one) in known for one in _disputable(made.request)):
        return None  # nearly always
    for code, change in _CHANGES.items():
        if translation.strict and warn.changes_response(code):
            continue
        request = made.request
        found = [
            what
            for one, what in _disputable(request)
            if one == code and hash((one, what)) in known
        ]
        if found:
            made = _sent_instead(made, change(request, found), code)
    return None if made is translation else made


def _disputable(
    sent: messages_request.MessagesRequest,
) -> Iterator[tuple[str, Hashable]]:
    """What may be rejected: a repair's warning, and all that the rejection depends on."""
    model, choice = sent.model, sent.tool_choice
    mode = sent.thinking.type if sent.thinking is not None else None
    if choice is not None and choice.type in {"any", "tool"}:
        yield "forced_tool_choice_downgraded", (model, mode, choice.type)
    sampled = sent.temperature, sent.top_p, sent.top_k
    if sampled != (None, None, None):
        yield "temperature_ignored", (model, mode, *sampled)
    wanted = sent.output_config.format if sent.output_config is not None else None
    schema = bytes(wanted.schema) if wanted is not None else None
    if sent.messages[-1].role == "assistant":
        yield "prefill_unsupported", (model, mode, schema is None)
    strict = [
        (tool.name, bytes(tool.input_schema))
        for tool in sent.tools or ()
        if isinstance(tool, messages_request.Tool) and tool.strict
    ]
    if strict:
        yield "strict_dropped", (model, *strict, schema)
    if schema is not None:
        yield "schema_not_enforced", (model, *strict, schema)
    for message in sent.messages:
        for block in message.content:
            if isinstance(block, _THINKING):
                yield "thinking_skipped", (model, _vouched(block))


def _sent_instead(
    translation: assemble.Translation, sent: messages_request.MessagesRequest, code: str
) -> assemble.Translation:
    sampled = (sent.temperature, sent.top_p, sent.top_k)
    return structs.replace(
        translation,
        request=sent,
        version=None if sampled == (None, None, None) else translation.version,
        warnings=tuple(dict.fromkeys((*translation.warnings, code))),
    )


def _with_less_room(
    translation: assemble.Translation, room: int
) -> assemble.Translation | None:
    """A limit that fits beside the prompt, where the limit was ours to choose.

    ``room`` is in tokens. A client that set the limit learns the sum instead, and trims.
    """
    sent = translation.request
    budget = (sent.thinking.budget_tokens if sent.thinking is not None else None) or 0
    if not translation.default_limit or not budget < room < sent.max_tokens:
        return None
    lowered = structs.replace(sent, max_tokens=room)
    return _sent_instead(translation, lowered, "max_tokens_clamped")


def _unforced(
    sent: messages_request.MessagesRequest,
) -> messages_request.MessagesRequest:
    if sent.tool_choice is None or sent.tool_choice.type not in {"any", "tool"}:
        return sent
    instruction = messages_request.Text(text=tools.instead_of(sent.tool_choice))
    return structs.replace(
        sent,
        tool_choice=structs.replace(sent.tool_choice, type="auto", name=None),
        system=[*(sent.system or ()), instruction],
    )


def _unsampled(
    sent: messages_request.MessagesRequest,
) -> messages_request.MessagesRequest:
    return structs.replace(sent, temperature=None, top_p=None, top_k=None)


def _continued(
    sent: messages_request.MessagesRequest,
) -> messages_request.MessagesRequest:
    if sent.messages[-1].role != "assistant":
        return sent
    return structs.replace(sent, messages=[*sent.messages, conversation.GO_ON])


_THINKING = messages_request.Thinking | messages_request.RedactedThinking


def _vouched(
    block: messages_request.Thinking | messages_request.RedactedThinking,
) -> str:
    """What no two thinking blocks have in common."""
    if isinstance(block, messages_request.Thinking):
        return block.signature
    return block.data


def _without_thinking(
    sent: messages_request.MessagesRequest, which: Collection[Hashable] | None = None
) -> messages_request.MessagesRequest:
    """Without replayed blocks, and without a budget, which wants them in a tool turn.

    All of them, or ``which``, by model and signature. Then the budget may stay, unless
    the last of the assistant's turns has lost its thinking.
    """

    def is_gone(block: messages_request.ContentBlock) -> bool:
        return isinstance(block, _THINKING) and (
            which is None or (sent.model, _vouched(block)) in which
        )

    turns = [one.content for one in sent.messages if one.role == "assistant"]
    manual = sent.thinking is not None and sent.thinking.type == "enabled"
    wants = which is None or any(map(is_gone, turns[-1]))
    return structs.replace(
        sent,
        thinking=None if manual and wants else sent.thinking,
        messages=[
            structs.replace(one, content=[b for b in one.content if not is_gone(b)])
            for one in sent.messages
        ],
    )


def _giving_way(
    sent: messages_request.MessagesRequest, message: str
) -> list[tuple[re.Pattern[str], Change, str]]:
    """What may make up for too much of a grammar, in the order in which it is tried.

    Strict tools and an output format are compiled to one. The part that the message
    names gives way, or else the larger one, for only one repair is made.
    """
    tools = [t for t in sent.tools or () if isinstance(t, messages_request.Tool)]
    strict = sum(len(bytes(one.input_schema)) for one in tools if one.strict)
    wanted = sent.output_config.format if sent.output_config is not None else None
    larger = wanted is not None and len(bytes(wanted.schema)) > strict
    ways: list[tuple[re.Pattern[str], Change, str]] = [
        (_STRICT, _lenient, "strict_dropped"),
        (_STRICT, _as_instruction, "schema_not_enforced"),
    ]
    named = message.startswith("output_")
    by_size = not message.startswith(("tools.", "Too many strict tools"))
    return ways[::-1] if named or (by_size and larger) else ways


def _lenient(
    sent: messages_request.MessagesRequest,
) -> messages_request.MessagesRequest:
    plain = [
        structs.replace(tool, strict=None)
        if isinstance(tool, messages_request.Tool)
        else tool
        for tool in sent.tools or ()
    ]
    return structs.replace(sent, tools=plain or None)


def _as_instruction(
    sent: messages_request.MessagesRequest,
) -> messages_request.MessagesRequest:
    """A schema that is too complex for a grammar, as an instruction instead."""
    config = sent.output_config
    if config is None or config.format is None:
        return sent
    rest = structs.replace(config, format=None)
    words = output_format.BY_SCHEMA + bytes(config.format.schema).decode()
    return structs.replace(
        sent,
        output_config=None if rest == messages_request.OutputConfig() else rest,
        system=[*(sent.system or ()), messages_request.Text(text=words)],
    )


_CHANGES: dict[
    str,
    Callable[
        [messages_request.MessagesRequest, Collection[Hashable]],
        messages_request.MessagesRequest,
    ],
] = {
    "forced_tool_choice_downgraded": lambda sent, _: _unforced(sent),
    "temperature_ignored": lambda sent, _: _unsampled(sent),
    "prefill_unsupported": lambda sent, _: _continued(sent),
    "strict_dropped": lambda sent, _: _lenient(sent),
    "schema_not_enforced": lambda sent, _: _as_instruction(sent),
    "thinking_skipped": _without_thinking,
}
"""The repairs that give up one thing, by their warnings: of a request, what it is."""
