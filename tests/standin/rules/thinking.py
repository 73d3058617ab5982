"""Rows about thinking: its modes, its effort, and the blocks that come back."""

from collections.abc import Iterator

from standin import thinking
from standin.call import Block, Call
from standin.rules.row import Row

_MIN_BUDGET = 1024


def _mode(call: Call) -> Iterator[str]:
    asked = (call.body.get("thinking") or {}).get("type")
    if asked is None or asked in call.model.thinking:
        return
    if asked == "adaptive":
        yield "adaptive thinking is not supported on this model"
    elif asked == "enabled":
        yield (
            '"thinking.type.enabled" is not supported for this model. Use '
            '"thinking.type.adaptive" and "output_config.effort" to control thinking '
            "behavior."
        )
    else:
        yield f'"thinking.type.{asked}" is not supported for this model.'


def _supported(call: Call, kind: str) -> bool:
    return call.thinking_type == kind and kind in call.model.thinking


def _off_with_effort(call: Call) -> Iterator[str]:
    effort = call.output_config.get("effort")
    off = _supported(call, "disabled") or _supported(call, "between_tools")
    if off and call.model.off_needs_effort_high and effort in ("xhigh", "max"):
        yield (
            f"output_config.effort '{effort}' is not supported when thinking is "
            f"{call.thinking_type} on this model. Use effort 'high' or below, or "
            "enable thinking."
        )


def _budget(call: Call) -> int | None:
    """Give the budget of manual thinking, None without it."""
    if not _supported(call, "enabled"):
        return None
    return int(call.body["thinking"]["budget_tokens"])


def _budget_small(call: Call) -> Iterator[str]:
    budget = _budget(call)
    if budget is not None and budget < _MIN_BUDGET:
        yield (
            "thinking.enabled.budget_tokens: "
            f"Input should be greater than or equal to {_MIN_BUDGET}"
        )


def _budget_large(call: Call) -> Iterator[str]:
    budget = _budget(call)
    most = call.body.get("max_tokens")
    if budget is not None and most is not None and _MIN_BUDGET <= most <= budget:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."


def _effort(call: Call) -> Iterator[str]:
    effort = call.output_config.get("effort")
    if effort is None or effort in call.model.efforts:
        return
    if call.model.efforts:
        yield (
            f"This model does not support effort level '{effort}'. "
            f"Supported levels: {', '.join(call.model.efforts)}."
        )
    else:
        yield "This model does not support the effort parameter."


def _binding_beta(call: Call) -> Iterator[str]:
    mode = call.body.get("thinking") or {}
    if "block_binding" in mode and thinking.BETA not in call.betas:
        yield (f"thinking.{mode['type']}.block_binding: Extra inputs are not permitted")


def _by_user(call: Call) -> Iterator[str]:
    for index, (role, content) in enumerate(call.messages):
        if role != "assistant" and any(b["type"] in thinking.KINDS for b in content):
            yield (
                f"messages.{index}: `thinking` blocks can only be in `assistant` "
                "messages"
            )


def _latest(call: Call) -> Iterator[tuple[int, list[Block]]]:
    """Give the last message of the assistant's, if there is one, with its place."""
    spoken = [
        (index, content)
        for index, (role, content) in enumerate(call.messages)
        if role == "assistant"
    ]
    yield from spoken[-1:]


def _moved(call: Call) -> Iterator[str]:
    if any(_foreign(call)):
        return
    for index, content in _latest(call):
        for place in thinking.moved(content):
            yield (
                f"messages.{index}.content.{place}: `thinking` or `redacted_thinking` "
                "blocks in the latest assistant message cannot be modified. These "
                "blocks must remain as they were in the original response."
            )


def _first_block(call: Call) -> Iterator[str]:
    for index, content in _latest(call):
        kinds = [block["type"] for block in content]
        manual = _supported(call, "enabled")
        if manual and "tool_use" in kinds and kinds[0] not in thinking.KINDS:
            yield (
                f"messages.{index}.content.0.type: Expected `thinking` or "
                f"`redacted_thinking`, but found `{kinds[0]}`. When `thinking` is "
                "enabled, a final `assistant` message must start with a thinking "
                "block. To avoid this requirement, disable `thinking`."
            )


def _last_block(call: Call) -> Iterator[str]:
    for index, (role, content) in enumerate(call.messages):
        if role == "assistant" and content and content[-1]["type"] in thinking.KINDS:
            yield (
                f"messages.{index}: The final block in an assistant message cannot be "
                "`thinking`."
            )


def _foreign(call: Call) -> Iterator[str]:
    for index, (_, content) in enumerate(call.messages):
        for place, block in enumerate(content):
            kind = block["type"]
            if kind in thinking.KINDS and not thinking.is_genuine(block):
                field = "signature" if kind == "thinking" else "data"
                yield (
                    f"messages.{index}.content.{place}: Invalid `{field}` in `{kind}` "
                    "block"
                )


def _unbound(call: Call) -> Iterator[str]:
    if call.drops_unbound_thinking or any(_foreign(call)):
        return
    for index, place, changed in thinking.unbound(call):
        yield (
            f"messages.{index}.content.{place}: Invalid `signature` in `thinking` "
            "block. The block is bound to a different conversation. Remove the block, "
            "or set `thinking.block_binding.prefix_mismatch_behavior` to "
            f'"drop_block". That setting requires the `{thinking.BETA}` value in the '
            f"`anthropic-beta` header. {changed}"
        )


ROWS = (
    Row("thinking.mode", _mode),
    Row("thinking.off_with_effort", _off_with_effort),
    Row("thinking.budget_small", _budget_small),
    Row("thinking.budget_large", _budget_large),
    Row("thinking.binding_beta", _binding_beta),
    Row("thinking.by_user", _by_user),
    Row("thinking.first_block", _first_block),
    Row("thinking.last_block", _last_block),
    Row("thinking.foreign", _foreign),
    Row("thinking.moved", _moved),
    Row("thinking.unbound", _unbound),
    Row("effort.model", _effort),
)
