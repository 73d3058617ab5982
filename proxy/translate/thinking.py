"""``reasoning_effort`` and ``thinking``: whether, how hard, and how readable (rows b2)."""

from typing import Literal

from msgspec import Struct

from proxy import errors
from proxy.capabilities import EFFORT_LEVELS, Model
from proxy.schema import common, messages_request
from proxy.translate import ask, warn

MIN_BUDGET = 1024
BUDGETS = {
    "minimal": 1024,
    "low": 1024,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
    "max": 16384,
}
"""Thinking tokens for models that have no effort levels (Sonnet 4.5, Haiku 4.5)."""

DROP_BLOCK = "drop_block"
BINDING_BETA = "thinking-binding-controls-2026-08-01"
"""Lets an edited history lose its thinking blocks instead of failing."""

Display = Literal["", "summarized", "omitted"]


class Plan(Struct, frozen=True, kw_only=True):
    """Whether the model thinks, and what to send for it."""

    config: messages_request.ThinkingConfig | None = None
    effort: str | None = None
    on: bool = False
    """The model thinks: sampling is restricted, earlier thinking may be replayed."""

    @property
    def between_tools(self) -> bool:
        """Thinking whose blocks cannot be dropped: a changed prefix would be a 400."""
        return self.config is not None and self.config.type == "between_tools"

    @property
    def manual(self) -> bool:
        """Thinking with a budget, which precedes all of a turn's text and calls."""
        return self.config is not None and self.config.type == "enabled"


class Asked(Struct, frozen=True, kw_only=True):
    """What the decision depends on besides the model."""

    effort: ask.Effort
    own_effort: str | None
    """Anthropic's own ``output_config.effort``, which takes precedence."""
    thinking: common.Thinking | None
    """Anthropic's own ``thinking``, which takes precedence."""
    budget: int | None
    """Tokens, from ``thinking.budget_tokens``."""
    max_tokens: int
    forced_tool: bool
    unsigned_tool_turn: bool
    """The history has an assistant tool call without signed thinking blocks."""
    display: Display = ""

    @property
    def effort_field(self) -> str:
        """The field that names the effort which counts."""
        return self.effort.at if self.own_effort is None else "output_config.effort"

    @property
    def field(self) -> str:
        """The field that decides whether the model thinks."""
        return self.effort.at if self.thinking is None else "thinking"


def plan(asked: Asked, model: Model, warnings: warn.Warnings) -> Plan:
    """Decide ``thinking`` and ``output_config.effort``.

    Raises ``InvalidRequestError`` for an effort level that OpenAI does not have.
    """
    effort = _effort(asked, model, warnings)
    if asked.thinking is not None:
        return _as_asked(asked, asked.thinking, effort, model, warnings)
    match asked.effort.word:
        case None if not (asked.effort.wanted and model.adaptive):
            return _by_default(asked, effort, model)
        case "none":
            return _switched_off(asked, effort, model, warnings)
        case _ if model.adaptive:
            config = messages_request.ThinkingConfig(
                type="adaptive", display=_shown(asked)
            )
            return Plan(config=config, effort=effort, on=True)
        case str(word) if not model.effort:
            budget = _fitting(BUDGETS[word], asked.max_tokens * 3 // 4)
            return _manual(budget, asked, model, warnings)
        case _:
            return Plan(effort=effort)  # Opus 4.5: effort without thinking


def _shown(asked: Asked) -> str:
    """A client that asks for reasoning can read it, unless its API or the setting omits it."""
    return asked.display or asked.effort.shown or "summarized"


def _effort(asked: Asked, model: Model, warnings: warn.Warnings) -> str | None:
    """The effort level to send, stepped down to what the model has."""
    for word, at, extra in (
        (asked.own_effort, "output_config.effort", ()),
        (asked.effort.word, asked.effort.at, ("none", "minimal")),
    ):
        if word is not None and word not in (*EFFORT_LEVELS, *extra):
            raise errors.InvalidRequestError(
                f"{at}: must be one of {', '.join((*extra, *EFFORT_LEVELS))}",
                param=at,
                code="invalid_value",
            )
    word = asked.own_effort or asked.effort.word
    if word is None or word == "none":
        return None
    if not model.effort:
        if asked.own_effort is not None or model.adaptive:  # there is no budget for it
            warnings.add("reasoning_effort_ignored", param=asked.effort_field)
        return None
    wanted = "low" if word == "minimal" else word
    level = _step_down(wanted, model)
    if level != wanted:
        warnings.add("reasoning_effort_lowered", param=asked.effort_field)
    return level


def _step_down(wanted: str, model: Model) -> str:
    weaker = EFFORT_LEVELS[: EFFORT_LEVELS.index(wanted) + 1]
    level = next((one for one in reversed(weaker) if one in model.effort), None)
    return level or next(one for one in EFFORT_LEVELS if one in model.effort)


def _by_default(asked: Asked, effort: str | None, model: Model) -> Plan:
    """Nothing asked for: the model's default, made readable if the setting says so."""
    on = model.thinking_default != "off"
    config = None
    if on and asked.display and model.adaptive:
        config = messages_request.ThinkingConfig(type="adaptive", display=asked.display)
    return Plan(config=config, effort=effort, on=on)


def _switched_off(
    asked: Asked, effort: str | None, model: Model, warnings: warn.Warnings
) -> Plan:
    if model.thinking_default == "off":
        return Plan(effort=effort)
    for word in ("disabled", "between_tools"):
        if word in model.thinking:
            if effort in {"xhigh", "max"}:  # neither allows more than high
                effort = "high"
                warnings.add("reasoning_effort_lowered", param=asked.effort_field)
            config = messages_request.ThinkingConfig(type=word)
            return Plan(config=config, effort=effort, on=word == "between_tools")
    warnings.add("thinking_always_on", param=asked.field)
    return Plan(effort=effort or "low", on=True)


def _fitting(budget: int, most: int) -> int:
    """The budget, or the largest of ``BUDGETS`` that is no more than ``most``.

    Another budget makes Anthropic read the whole conversation anew. Agents lower
    ``max_tokens`` a little with each turn, and in few steps the budget hardly changes.
    """
    if budget <= most:
        return budget
    return max((one for one in BUDGETS.values() if one <= most), default=MIN_BUDGET)


def _manual(budget: int, asked: Asked, model: Model, warnings: warn.Warnings) -> Plan:
    """A thinking budget, where the API would accept one."""
    rejected = asked.forced_tool or asked.unsigned_tool_turn
    rejected = rejected or not MIN_BUDGET <= budget < asked.max_tokens
    if rejected or "enabled" not in model.thinking:
        warnings.add("thinking_skipped", param=asked.field)
        return Plan()
    config = messages_request.ThinkingConfig(
        type="enabled",
        budget_tokens=budget,
        display=_manual_display(asked),
    )
    return Plan(config=config, on=True)


def _manual_display(asked: Asked) -> str | None:
    if asked.thinking is not None:
        return asked.thinking.display
    return asked.effort.shown and _shown(asked)


def _as_asked(
    asked: Asked,
    thinking: common.Thinking,
    effort: str | None,
    model: Model,
    warnings: warn.Warnings,
) -> Plan:
    """The client's own ``thinking``, as far as the model accepts it."""
    wants_to_read = (
        asked.effort.word is not None
        or asked.effort.wanted
        or thinking.type == "enabled"
    )
    display = thinking.display or (_shown(asked) if wants_to_read else asked.display)
    match thinking.type:
        case "disabled":
            return _switched_off(asked, effort, model, warnings)
        case "enabled" if "enabled" in model.thinking:
            budget = _fitting(asked.budget or 4096, asked.max_tokens - 1)
            manual = _manual(budget, asked, model, warnings)
            return Plan(config=manual.config, effort=effort, on=manual.on)
        case "between_tools" if "between_tools" in model.thinking:
            return _switched_off(asked, effort, model, warnings)
        case "enabled" if model.adaptive:
            # newer models choose their own budget
            warnings.add("thinking_budget_ignored", param="thinking")
        case "adaptive" if model.adaptive:
            pass
        case _:
            warnings.add("thinking_skipped", param=asked.field)
            return Plan(effort=effort, on=model.thinking_default != "off")
    config = messages_request.ThinkingConfig(type="adaptive", display=display or None)
    return Plan(config=config, effort=effort, on=True)


def bound(
    planned: Plan, model: Model
) -> tuple[messages_request.ThinkingConfig | None, bool]:
    """The thinking config when blocks are replayed, and whether it needs the beta.

    Preserved thinking is bound to everything before it; with ``drop_block`` a block
    whose prefix has changed is dropped where it would otherwise be a 400. It requires
    ``type: adaptive``, which changes nothing for a model that thinks by default.
    """
    config = planned.config
    if config is None and model.thinking_default != "off" and model.adaptive:
        config = messages_request.ThinkingConfig(type="adaptive")
    if config is None or config.type != "adaptive":
        return config, False
    return (
        messages_request.ThinkingConfig(
            type="adaptive",
            display=config.display,
            block_binding=messages_request.BlockBinding(
                prefix_mismatch_behavior=DROP_BLOCK
            ),
        ),
        True,
    )
