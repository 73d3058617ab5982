"""What each Claude model accepts: one data table, and how a name finds its row.

Sources (2026-11): the SDK's ``types/model.py`` and ``_data/deprecated_models.py``,
platform.claude.com's pages on effort, thinking, structured outputs, mid-conversation
system messages and the "what's new" pages of each generation. A live models list
(``with_live``) overrides effort levels, thinking types, structured outputs and token
limits, since every table-driven proxy was wrong within weeks of each release.
"""

import functools
import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, structs

ThinkingType = Literal["enabled", "adaptive", "disabled", "between_tools"]
ThinkingDefault = Literal["off", "on", "always"]

EFFORT_LEVELS = ("low", "medium", "high", "xhigh", "max")
"""Anthropic's effort words, weakest first."""

_ALL = frozenset(EFFORT_LEVELS)


class Model(Struct, frozen=True, kw_only=True):
    """One row. The defaults are the newest generation's, which unknown names get."""

    id: str = ""
    known: bool = True
    sampling: bool = False
    """Accepts ``temperature`` or ``top_p`` (one of them), under version 2023-06-01."""
    prefill: bool = False
    """Continues a history that ends with an assistant turn."""
    forced_tools: bool = True
    """Accepts ``tool_choice`` any and tool."""
    mid_system: bool = True
    """Accepts mid-conversation system messages: ``role: system`` after a user turn."""
    thinking: frozenset[ThinkingType] = frozenset({"adaptive"})
    thinking_default: ThinkingDefault = "on"
    effort: frozenset[str] = _ALL
    structured_outputs: bool = True
    max_tokens: int | None = 128_000
    """Longest response; ``None`` where it is not known (nothing is clamped)."""
    max_input_tokens: int | None = 1_000_000
    created: int = 0
    """The day of release in seconds since the epoch, for ``/v1/models`` when Anthropic
    cannot be reached. Anthropic's own date for Haiku 5.5, Opus 5, Sonnet 5, Fable 5 and
    Opus 4.5; the others are from public model catalogues, a Mythos dated as its Fable."""

    @property
    def adaptive(self) -> bool:
        """The model decides by itself how long it thinks (``thinking.type: adaptive``)."""
        return "adaptive" in self.thinking


_ADAPTIVE_OR_OFF = frozenset[ThinkingType]({"adaptive", "disabled"})
_MANUAL = frozenset[ThinkingType]({"enabled", "disabled"})
_FOUR_SIX = frozenset[ThinkingType]({"adaptive", "enabled", "disabled"})


def _always_on(id: str, *, forced_tools: bool, created: int) -> Model:  # noqa: A002 - wire word
    return Model(
        id=id, thinking_default="always", forced_tools=forced_tools, created=created
    )


def _four_five(id: str, *, effort: frozenset[str], created: int) -> Model:  # noqa: A002 - wire word
    return Model(
        id=id,
        sampling=True,
        prefill=True,
        mid_system=False,
        thinking=_MANUAL,
        thinking_default="off",
        effort=effort,
        max_tokens=64_000,
        max_input_tokens=200_000,
        created=created,
    )


def _four_six(id: str, created: int) -> Model:  # noqa: A002 - wire word
    return Model(
        id=id,
        sampling=True,
        mid_system=False,
        thinking=_FOUR_SIX,
        thinking_default="off",
        effort=_ALL - {"xhigh"},
        created=created,
    )


MODELS: tuple[Model, ...] = (
    _always_on("claude-fable-5-2", forced_tools=False, created=1794182400),
    _always_on("claude-mythos-5-2", forced_tools=False, created=1794182400),
    _always_on("claude-fable-5-1", forced_tools=False, created=1788220800),
    _always_on("claude-mythos-5-1", forced_tools=False, created=1788220800),
    _always_on("claude-fable-5", forced_tools=True, created=1780963200),
    _always_on("claude-mythos-5", forced_tools=True, created=1780963200),
    _always_on("claude-opus-5-5", forced_tools=False, created=1790035200),
    Model(
        id="claude-sonnet-5-5",
        thinking=frozenset({"adaptive", "between_tools"}),
        forced_tools=False,
        created=1790553600,
    ),
    Model(id="claude-haiku-5-5", thinking=_ADAPTIVE_OR_OFF, created=1791331200),
    Model(id="claude-opus-5", thinking=_ADAPTIVE_OR_OFF, created=1784851200),
    Model(
        id="claude-sonnet-5",
        thinking=_ADAPTIVE_OR_OFF,
        mid_system=False,
        created=1782777600,
    ),
    Model(
        id="claude-opus-4-8",
        thinking=_ADAPTIVE_OR_OFF,
        thinking_default="off",
        created=1779926400,
    ),
    Model(
        id="claude-opus-4-7",
        thinking=_ADAPTIVE_OR_OFF,
        thinking_default="off",
        mid_system=False,
        created=1776297600,
    ),
    _four_six("claude-opus-4-6", created=1770249600),
    _four_six("claude-sonnet-4-6", created=1771286400),
    _four_five(
        "claude-opus-4-5",
        effort=frozenset({"low", "medium", "high"}),
        created=1763942400,
    ),
    _four_five("claude-haiku-4-5", effort=frozenset(), created=1760486400),
    _four_five("claude-sonnet-4-5", effort=frozenset(), created=1759104000),
    Model(
        id="claude-mythos-preview",
        thinking=frozenset({"adaptive", "enabled"}),
        thinking_default="always",
        forced_tools=False,
        mid_system=False,
        effort=_ALL - {"xhigh"},
        created=1775520000,
    ),
)

_BY_ID = {model.id: model for model in MODELS}
IDS = _BY_ID.keys()
"""The names of the models above, none of which has a date."""

_DATED = re.compile(r"-20\d{6}$")
_DOTTED = re.compile(r"(?<=\d)\.(?=\d)")

Live = Mapping[str, Model]
"""Anthropic's models list, by id and by id without its date; may be empty."""


@functools.lru_cache(256)
def undated(name: str) -> str:
    """``claude-haiku-4-5-20251001`` -> ``claude-haiku-4-5``, the name of the same model."""
    return _DATED.sub("", name)


@functools.lru_cache(256)  # asked for three times a request
def to_anthropic_id(name: str) -> str:
    """A router's spelling as Anthropic's id.

    ``anthropic/claude-haiku-4.5`` -> ``claude-haiku-4-5``. Other names pass unchanged:
    the upstream is the judge of what exists.
    """
    name = name.strip().removeprefix("anthropic/")
    return _DOTTED.sub("-", name) if name.startswith("claude-") else name


def model_for(name: str, live: Live | None = None) -> Model:
    """The row of a model name as Anthropic spells it.

    Looks for the live entry, then the exact id, then the id without its date
    (``claude-haiku-4-5-20251001``). Any other name is treated as the newest
    generation: no sampling, no prefill, adaptive thinking, nothing clamped.
    """
    if live and name in live:
        return live[name]
    known = _BY_ID.get(name) or _BY_ID.get(undated(name))
    if known is not None:
        return known
    return Model(id=name, known=False, max_tokens=None, max_input_tokens=None)


def with_live(
    name: str,
    *,
    effort: frozenset[str] | None = None,
    thinking: frozenset[str] | None = None,
    structured_outputs: bool | None = None,
    max_tokens: int | None = None,
    max_input_tokens: int | None = None,
    created: int = 0,
) -> Model:
    """The row of ``name`` with what Anthropic itself says of it (``ModelInfo``).

    What the live list does not say (sampling, prefill, forced tools, mid-conversation
    system messages, the thinking default) stays as in the table.
    """
    row = model_for(name)
    words: frozenset[ThinkingType] = frozenset(
        word
        for word in ("enabled", "adaptive", "disabled", "between_tools")
        if thinking is not None and word in thinking
    )
    return structs.replace(
        row,
        id=name,
        known=True,
        effort=row.effort if effort is None else effort & _ALL,
        thinking=words or row.thinking,
        structured_outputs=(
            row.structured_outputs if structured_outputs is None else structured_outputs
        ),
        max_tokens=max_tokens or row.max_tokens,
        max_input_tokens=max_input_tokens or row.max_input_tokens,
        created=created or row.created,
    )
