"""Rows about the list of messages: roles, their order, text and prefill."""

import itertools
from collections.abc import Callable, Iterator

from standin import compaction
from standin.call import Block, Call
from standin.rules.row import Row

_ANYWHERE = (
    "the directive-only form (content: [] with output_config) is accepted at any "
    "position"
)


def _none(call: Call) -> Iterator[str]:
    if not call.messages:
        yield "messages: at least one message is required"


def _role(call: Call) -> Iterator[str]:
    for index, (role, _) in enumerate(call.messages):
        if role not in ("user", "assistant", "system"):
            yield f"messages.{index}.role: Input should be 'user' or 'assistant'"


def _system_unsupported(call: Call) -> Iterator[str]:
    if not call.model.mid_system:
        for index, (role, _) in enumerate(call.messages):
            if role == "system":
                yield (
                    f'messages.{index}: Unexpected role "system". The Messages API '
                    'accepts a top-level `system` parameter, not "system" as an '
                    "input message role."
                )


def _first(call: Call) -> Iterator[str]:
    match call.messages:
        case [("assistant", [{"type": "compaction"}]), *_]:
            return
        case [("assistant", _), *_]:
            yield 'messages: first message must use the "user" role'
        case [("system", _), *_] if call.model.mid_system:
            yield (
                "messages.0: use the top-level 'system' parameter for the initial "
                f"system prompt; {_ANYWHERE}"
            )


def _system_text(call: Call) -> Iterator[str]:
    for index, (role, content) in enumerate(call.messages):
        if role == "system" and any(block["type"] != "text" for block in content):
            yield f"messages.{index}: role 'system' takes `text` blocks only"


def _system_after_user(call: Call) -> Iterator[str]:
    for index, (before, here) in _pairs(call):
        if here == "system" and before == "assistant" and call.model.mid_system:
            yield f"messages.{index}: role 'system' must follow a 'user' message"


def _system_before_assistant(call: Call) -> Iterator[str]:
    for index, (here, after) in _pairs(call):
        if here == "system" and after != "assistant" and call.model.mid_system:
            yield (
                f"messages.{index - 1}: role 'system' must precede an 'assistant' "
                f"message or end the array; {_ANYWHERE}"
            )


def _pairs(call: Call) -> Iterator[tuple[int, tuple[str, str]]]:
    roles = [role for role, _ in call.messages]
    return enumerate(itertools.pairwise(roles), start=1)


def _empty_content(call: Call) -> Iterator[str]:
    last = len(call.messages) - 1
    for index, (role, content) in enumerate(call.messages):
        if not content and (index != last or role != "assistant"):
            yield (
                f"messages.{index}: all messages must have non-empty content except "
                "for the optional final assistant message"
            )


def _texts(call: Call) -> Iterator[tuple[str, Block]]:
    """Give every text block, with the part of the request that it stands in."""
    for path, block in (*call.system_blocks(), *call.message_blocks()):
        if block["type"] == "text":
            yield path.partition(".")[0], block


def _empty_text(call: Call) -> Iterator[str]:
    for where, block in _texts(call):
        if not block["text"] and not block.get("cache_control"):  # `marks.empty_text`
            yield f"{where}: text content blocks must be non-empty"


def _blank_text(call: Call) -> Iterator[str]:
    for where, block in _texts(call):
        if block["text"] and not block["text"].strip():
            yield f"{where}: text content blocks must contain non-whitespace text"


_GOES_ON = ("server_tool_use", "web_search_tool_result")


def _compaction_first(call: Call) -> Iterator[str]:
    for index, (role, content) in enumerate(call.messages):
        for place, block in enumerate(content):
            if block["type"] == "compaction" and (index or place or role == "system"):
                yield f"messages.{index}: `compaction` must be the first block"


def _compactions(code: str) -> Callable[[Call], Iterator[str]]:
    """Give the check for one fault of a compaction that comes back."""

    def check(call: Call) -> Iterator[str]:
        for path, block in call.message_blocks():
            if block["type"] == "compaction" and compaction.fault(block) == code:
                yield f"{path}: {code}"

    return check


def _compaction_empty(call: Call) -> Iterator[str]:
    for path, block in call.message_blocks():
        if block["type"] == "compaction" and block.get("content") == "":
            yield f"{path}.content: must not be empty"


def _incomplete_turn(call: Call) -> Iterator[str]:
    match call.messages:
        case [*_, ("assistant", [*_, {"type": kind}])] if call.compacts:
            if kind in _GOES_ON:
                yield "messages: the last `assistant` turn is not finished"


def _prefill_text(call: Call) -> str | None:
    """Give the text that a final assistant message ends with, None without one.

    A turn that was paused in the middle of a search is continued, and is no prefill. Nor
    is the last turn of a conversation that is to be summarized.
    """
    match call.messages:
        case _ if call.compacts:
            return None
        case [*_, ("assistant", [*_, {"type": kind}])] if kind in _GOES_ON:
            return None
        case [*_, ("assistant", [*_, {"type": "text", "text": text}])]:
            return str(text)
        case [*_, ("assistant", _)]:
            return ""
        case _:
            return None


def _prefill_model(call: Call) -> Iterator[str]:
    if _prefill_text(call) is not None and not call.model.prefill:
        yield (
            "This model does not support assistant message prefill. The conversation "
            "must end with a user message."
        )


def _prefill_space(call: Call) -> Iterator[str]:
    text = _prefill_text(call)
    if text and text.strip() and text != text.rstrip() and call.model.prefill:
        yield ("messages: final assistant content cannot end with trailing whitespace")


def _prefill_thinking(call: Call) -> Iterator[str]:
    thinks = call.thinking_type == "enabled" and call.model.prefill
    if thinks and _prefill_text(call) is not None:
        yield (
            "messages: prefilling assistant messages is not supported when thinking "
            "is enabled"
        )


def _prefill_format(call: Call) -> Iterator[str]:
    structured = call.output_schema is not None and call.model.prefill
    if structured and _prefill_text(call) is not None:
        yield (
            "messages: prefilling assistant messages is not supported with "
            "output_config.format"
        )


ROWS = (
    Row("messages.none", _none),
    Row("messages.role", _role),
    Row("messages.first", _first),
    Row(
        "messages.compaction_first",
        _compaction_first,
        error_code="compaction_block_misplaced",
    ),
    Row("compaction.empty", _compaction_empty),
    *(
        Row(f"compaction.{name}", _compactions(code), error_code=code)
        for name, code in (
            ("signature", "compaction_signature_invalid"),
            ("content", "compaction_content_mismatch"),
            ("tool_changes", "compaction_tool_changes_mismatch"),
        )
    ),
    Row(
        "compaction.incomplete_turn",
        _incomplete_turn,
        error_code="compaction_incomplete_turn",
    ),
    Row("system.model", _system_unsupported),
    Row("system.text_only", _system_text),
    Row("system.after_user", _system_after_user),
    Row("system.before_assistant", _system_before_assistant),
    Row("messages.empty_content", _empty_content),
    Row("text.empty", _empty_text),
    Row("text.blank", _blank_text),
    Row("prefill.model", _prefill_model),
    Row("prefill.trailing_space", _prefill_space),
    Row("prefill.thinking", _prefill_thinking),
    Row("prefill.format", _prefill_format),
)
