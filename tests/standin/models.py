"""Which models the stand-in knows, and what each of them accepts; the newest first.

The facts are those of the model pages in Anthropic's documentation and of the
`anthropic` package's `types/model.py` and `_data/deprecated_models.py` (2.14). The days
of release are Anthropic's own for Haiku 5.5, Opus 5, Sonnet 5, Fable 5 and Opus 4.5 (the
page says "Released"); the others are those of public model catalogues, and a Mythos is
taken to be as old as its Fable. The table is the stand-in's own: the proxy's table of
capabilities is compared with it, not derived from it.
"""

from dataclasses import dataclass
from typing import Any, Literal

EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What one model accepts.

    `created` is the day of the release. `thinking` holds the accepted `thinking.type`s;
    `thinking_default` is what a request gets that does not say: "off", "on", or
    "always" where it cannot be turned off either. `off_needs_effort_high` refuses to
    turn thinking off with an effort above high. `sampling` counts under
    `anthropic-version: 2023-06-01` only: "none" takes no sampling field, "one" takes
    `temperature` or `top_p`, "default" takes one of them at its default. What a `quiet`
    model has to say before it calls a tool it says in its thinking, not in a text. The
    limits are in tokens.
    """

    id: str
    name: str
    created: str
    thinking: tuple[str, ...] = ("adaptive",)
    thinking_default: Literal["off", "on", "always"] = "on"
    off_needs_effort_high: bool = False
    efforts: tuple[str, ...] = EFFORTS
    sampling: Literal["none", "one", "default"] = "none"
    prefill: bool = False
    structured_outputs: bool = True
    forced_tools: bool = True
    mid_system: bool = True
    binds_thinking: bool = False
    quiet: bool = False
    display: Literal["omitted", "summarized"] = "omitted"
    max_tokens: int = 128_000
    max_input_tokens: int = 1_000_000
    min_cacheable: int = 1024
    alias: str | None = None
    lifecycle: Literal["active", "deprecated"] = "active"


MODELS = (
    Model(
        id="claude-fable-5-2",
        name="Claude Fable 5.2",
        created="2026-11-09",
        thinking_default="always",
        forced_tools=False,
        binds_thinking=True,
        min_cacheable=512,
    ),
    Model(
        id="claude-mythos-5-2",
        name="Claude Mythos 5.2",
        created="2026-11-09",
        thinking_default="always",
        forced_tools=False,
        binds_thinking=True,
        min_cacheable=512,
    ),
    Model(
        id="claude-haiku-5-5",
        name="Claude Haiku 5.5",
        created="2026-10-07",
        thinking=("adaptive", "disabled"),
        off_needs_effort_high=True,
        sampling="default",
        binds_thinking=True,
    ),
    Model(
        id="claude-sonnet-5-5",
        name="Claude Sonnet 5.5",
        created="2026-09-28",
        thinking=("adaptive", "between_tools"),
        off_needs_effort_high=True,
        forced_tools=False,
        binds_thinking=True,
        quiet=True,
    ),
    Model(
        id="claude-opus-5-5",
        name="Claude Opus 5.5",
        created="2026-09-22",
        thinking_default="always",
        forced_tools=False,
        binds_thinking=True,
        quiet=True,
        min_cacheable=512,
    ),
    Model(
        id="claude-fable-5-1",
        name="Claude Fable 5.1",
        created="2026-09-01",
        thinking_default="always",
        forced_tools=False,
        binds_thinking=True,
        min_cacheable=512,
    ),
    Model(
        id="claude-mythos-5-1",
        name="Claude Mythos 5.1",
        created="2026-09-01",
        thinking_default="always",
        forced_tools=False,
        binds_thinking=True,
        min_cacheable=512,
    ),
    Model(
        id="claude-opus-5",
        name="Claude Opus 5",
        created="2026-07-24",
        thinking=("adaptive", "disabled"),
        off_needs_effort_high=True,
        min_cacheable=512,
    ),
    Model(
        id="claude-sonnet-5",
        name="Claude Sonnet 5",
        created="2026-06-30",
        thinking=("adaptive", "disabled"),
        mid_system=False,
    ),
    Model(
        id="claude-fable-5",
        name="Claude Fable 5",
        created="2026-06-09",
        thinking_default="always",
        min_cacheable=512,
    ),
    Model(
        id="claude-mythos-5",
        name="Claude Mythos 5",
        created="2026-06-09",
        thinking_default="always",
        min_cacheable=512,
    ),
    Model(
        id="claude-opus-4-8",
        name="Claude Opus 4.8",
        created="2026-05-28",
        thinking=("adaptive", "disabled"),
        thinking_default="off",
    ),
    Model(
        id="claude-opus-4-7",
        name="Claude Opus 4.7",
        created="2026-04-16",
        thinking=("adaptive", "disabled"),
        thinking_default="off",
        mid_system=False,
        min_cacheable=4096,
    ),
    Model(
        id="claude-mythos-preview",
        name="Claude Mythos Preview",
        created="2026-04-07",
        thinking=("adaptive", "enabled"),
        thinking_default="always",
        efforts=("low", "medium", "high", "max"),
        forced_tools=False,
        mid_system=False,
        lifecycle="deprecated",
        min_cacheable=4096,
    ),
    Model(
        id="claude-sonnet-4-6",
        name="Claude Sonnet 4.6",
        created="2026-02-17",
        thinking=("adaptive", "enabled", "disabled"),
        thinking_default="off",
        efforts=("low", "medium", "high", "max"),
        sampling="one",
        mid_system=False,
        display="summarized",
    ),
    Model(
        id="claude-opus-4-6",
        name="Claude Opus 4.6",
        created="2026-02-05",
        thinking=("adaptive", "enabled", "disabled"),
        thinking_default="off",
        efforts=("low", "medium", "high", "max"),
        sampling="one",
        mid_system=False,
        display="summarized",
        min_cacheable=4096,
    ),
    Model(
        id="claude-opus-4-5-20251101",
        alias="claude-opus-4-5",
        name="Claude Opus 4.5",
        created="2025-11-24",
        thinking=("enabled", "disabled"),
        thinking_default="off",
        efforts=("low", "medium", "high"),
        sampling="one",
        prefill=True,
        mid_system=False,
        display="summarized",
        max_tokens=64_000,
        max_input_tokens=200_000,
        min_cacheable=4096,
        lifecycle="deprecated",
    ),
    Model(
        id="claude-haiku-4-5-20251001",
        alias="claude-haiku-4-5",
        name="Claude Haiku 4.5",
        created="2025-10-15",
        thinking=("enabled", "disabled"),
        thinking_default="off",
        efforts=(),
        sampling="one",
        prefill=True,
        mid_system=False,
        display="summarized",
        max_tokens=64_000,
        max_input_tokens=200_000,
        min_cacheable=4096,
    ),
    Model(
        id="claude-sonnet-4-5-20250929",
        alias="claude-sonnet-4-5",
        name="Claude Sonnet 4.5",
        created="2025-09-29",
        thinking=("enabled", "disabled"),
        thinking_default="off",
        efforts=(),
        sampling="one",
        prefill=True,
        mid_system=False,
        display="summarized",
        max_tokens=64_000,
        max_input_tokens=200_000,
        lifecycle="deprecated",
    ),
)

_BY_NAME = {model.id: model for model in MODELS} | {
    model.alias: model for model in MODELS if model.alias
}


def find(name: object) -> Model | None:
    """Give the model of that id or alias, or None."""
    return _BY_NAME.get(name) if isinstance(name, str) else None


def info(model: Model) -> dict[str, Any]:
    """Give a model in the shape of the SDK's `ModelInfo`."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": f"{model.created}T00:00:00Z",
        "lifecycle": model.lifecycle,
        "line": model.id.split("-")[1],
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": model.max_tokens,
        "capabilities": _capabilities(model),
    }


def _capabilities(model: Model) -> dict[str, Any]:
    yes, no = {"supported": True}, {"supported": False}
    thinking_types = ("adaptive", "between_tools", "disabled", "enabled")
    return {
        "batch": yes,
        "citations": yes,
        "code_execution": no,
        "context_management": no,
        "effort": {"supported": bool(model.efforts)}
        | {effort: {"supported": effort in model.efforts} for effort in EFFORTS},
        "image_input": yes,
        "pdf_input": yes,
        "server_tools": no | {"code_execution": no, "web_search": no},
        "structured_outputs": {"supported": model.structured_outputs},
        "thinking": yes
        | {
            "types": {
                kind: {"supported": kind in model.thinking} for kind in thinking_types
            }
        },
    }
