"""An ask as the Messages request to send (rows b1)."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from proxy import capabilities, settings
from proxy.schema import common, messages_request
from proxy.translate import (
    ask,
    cache,
    conversation,
    fields,
    output_format,
    thinking,
    tools,
    warn,
)

CONTEXT_MANAGEMENT_BETA = "context-management-2025-06-27"
COMPACTING_EDIT = "compact_20260112"
COMPACTING_EDIT_BETA = "compact-2026-01-12"
COMPACTION_BETA = "compact-2026-09-04"
FAST_MODE_BETA = "fast-mode-2026-02-01"
TASK_BUDGET_BETA = "task-budgets-2026-03-13"


class Translation(Struct, frozen=True, kw_only=True):
    """What goes upstream, and what is known of it."""

    request: messages_request.MessagesRequest
    counts: bool = False
    """Only the tokens of its prompt are to be counted."""
    version: str | None
    """The ``anthropic-version`` to send; ``None`` for the SDK's own."""
    betas: tuple[str, ...]
    """Values of the ``anthropic-beta`` header."""
    warnings: tuple[str, ...]
    thinks: bool
    """The model thinks before it responds, and may ping for minutes meanwhile."""
    strict: bool
    """``STRICT_PARAMS``: a repair may not change what was asked for, either."""
    default_limit: bool
    """The client set no limit, so a repair may lower ours."""
    properties: Mapping[str, Mapping[str, str]]
    """Anthropic's tool name -> client's property -> Anthropic's, where changed."""

    @property
    def model(self) -> str:
        """The model, as Anthropic names it."""
        return self.request.model


def to_messages_request(
    asked: ask.Ask,
    config: settings.Settings,
    live: capabilities.Live | None,
    warnings: warn.Warnings,
    *,
    prefix_ttl: cache.Ttl = None,
) -> Translation:
    """Translate an ask. Pure: equal arguments give equal bytes.

    ``warnings`` holds what the front has changed so far, ``prefix_ttl`` is the lifetime
    of the first cache mark that is added.

    Raises ``InvalidRequestError``, with ``param``, for what cannot be honoured.
    """
    model_id = capabilities.to_anthropic_id(asked.model)
    model = capabilities.model_for(model_id, live)
    if asked.compact:
        asked = _to_be_compacted(asked)
    parts = _parts(asked, config, model, warnings)
    request = _assembled(
        asked, config, model_id, parts, warnings, prefix_ttl=prefix_ttl
    )
    return Translation(
        request=request,
        version=messages_request.SAMPLING_VERSION if parts.sampling.given else None,
        betas=tuple(dict.fromkeys(_betas(asked, bound=parts.bound))),
        warnings=warnings.codes,
        thinks=parts.thinks,
        strict=config.strict_params,
        default_limit=asked.limit is None,
        properties=parts.toolset.properties,
    )


def counted(translation: Translation) -> Translation:
    """The same request, whose tokens are to be counted instead of answered."""
    return structs.replace(translation, counts=True, thinks=False)


class _Parts(Struct, frozen=True, kw_only=True):
    """The interdependent parts of a request, decided in this order."""

    toolset: tools.Tools
    output: output_format.Output
    max_tokens: int
    effort: str | None
    thinks: bool
    thinking: messages_request.ThinkingConfig | None
    bound: bool
    """Replayed thinking may be dropped instead of failing, which takes a beta."""
    sampling: fields.Sampling
    conversation: conversation.Conversation


def _parts(
    asked: ask.Ask,
    config: settings.Settings,
    model: capabilities.Model,
    warnings: warn.Warnings,
) -> _Parts:
    limit = fields.limit(asked.limit, model, warnings)
    toolset = tools.to_tools(asked, model, warnings)
    output = output_format.to_output(asked.output, model, warnings)
    planned = thinking.plan(
        thinking.Asked(
            effort=asked.effort,
            own_effort=asked.own_effort,
            thinking=asked.thinking,
            budget=fields.whole(
                asked.thinking.budget_tokens if asked.thinking else None,
                "thinking.budget_tokens",
            ),
            max_tokens=limit or model.max_tokens or config.default_max_tokens,
            forced_tool=toolset.forced,
            unsigned_tool_turn=conversation.has_unsigned_tool_turn(asked.said),
            display=config.reasoning_display,
        ),
        model,
        warnings,
    )
    rules = conversation.Rules(
        model=model,
        keep_thinking=planned.on and not planned.between_tools,
        # what is only summarized is not continued
        prefill=asked.compact
        or (model.prefill and not planned.on and output.format is None),
        interleaved=not planned.manual,
        properties=toolset.properties,
        at=asked.at,
    )
    said = conversation.to_anthropic_messages(asked.said, rules, warnings)
    thinks, bound = planned.config, False
    if said.replays_thinking:
        thinks, bound = thinking.bound(planned, model)
    return _Parts(
        toolset=toolset,
        output=output,
        max_tokens=limit or fields.default_limit(config, model, planned),
        effort=planned.effort,
        thinks=planned.on,
        thinking=thinks,
        bound=bound,
        sampling=fields.sampling(asked, model, warnings, thinks=planned.on),
        conversation=said,
    )


def _assembled(
    asked: ask.Ask,
    config: settings.Settings,
    model_id: str,
    parts: _Parts,
    warnings: warn.Warnings,
    *,
    prefix_ttl: cache.Ttl,
) -> messages_request.MessagesRequest:
    # Our own instructions go to the end of ``system``, those that a client keeps
    # constant first: they are part of the prefix that replayed thinking is bound to.
    instructions = (
        *asked.instructions,
        parts.output.instruction,
        parts.toolset.instruction,
    )
    injected = [messages_request.Text(text=text) for text in instructions if text]
    request = messages_request.MessagesRequest(
        model=model_id,
        max_tokens=parts.max_tokens,
        stream=True,  # always: a stream can be cancelled, and no response is too long for it
        tools=parts.toolset.tools,
        tool_choice=parts.toolset.choice,
        system=[*parts.conversation.system, *injected] or None,
        messages=parts.conversation.messages,
        stop_sequences=fields.stop_sequences(asked.stop, warnings),
        thinking=parts.thinking,
        output_config=_output_config(parts, asked.task_budget),
        cache_control=_cache_control(asked.cache_control),
        metadata=fields.metadata(asked.user),
        service_tier=fields.service_tier(asked.service_tier, warnings),
        inference_geo=asked.inference_geo,
        speed=asked.speed,
        context_management=asked.context_management or None,
        compaction=messages_request.Compaction() if asked.compact else None,
        temperature=parts.sampling.temperature,
        top_p=parts.sampling.top_p,
        top_k=parts.sampling.top_k,
    )
    return cache.place(
        request,
        automatic=_automatic(asked, config),
        ttl=cache.default_ttl(asked.cache_options),
        prefix_ttl=prefix_ttl,
        warnings=warnings,
    )


def _to_be_compacted(asked: ask.Ask) -> ask.Ask:
    """Without what only shapes a reply, which the API rejects beside ``compaction``.

    The list is the SDK's own (``_without_compaction_incompatible_params``).
    """
    forced = asked.choice is not None and asked.choice.mode in {"any", "tool"}
    return structs.replace(
        asked,
        context_management=None,
        stop=[],
        output=None,
        choice=None if forced else asked.choice,
    )


def _betas(asked: ask.Ask, *, bound: bool) -> Iterator[str]:
    """What the request needs of Anthropic that is not generally available."""
    if bound:
        yield thinking.BINDING_BETA
    if asked.context_management:
        edits = asked.context_management.get("edits")
        kinds = [
            edit.get("type") if isinstance(edit, dict) else None
            for edit in (edits if isinstance(edits, list) else ())
        ]
        if not kinds or any(kind != COMPACTING_EDIT for kind in kinds):
            yield CONTEXT_MANAGEMENT_BETA
        if COMPACTING_EDIT in kinds:
            yield COMPACTING_EDIT_BETA
    if asked.compact:
        yield COMPACTION_BETA
    for one in asked.said:
        if type(one) is ask.Compacted:
            yield COMPACTION_BETA if one.signed else COMPACTING_EDIT_BETA
    if asked.speed is not None:
        yield FAST_MODE_BETA
    if asked.task_budget is not None:
        yield TASK_BUDGET_BETA


def _output_config(
    parts: _Parts, task_budget: dict[str, Any] | None
) -> messages_request.OutputConfig | None:
    config = messages_request.OutputConfig(
        effort=parts.effort, format=parts.output.format, task_budget=task_budget
    )
    return None if config == messages_request.OutputConfig() else config


def _cache_control(
    given: common.CacheControl | None,
) -> messages_request.CacheControl | None:
    return None if given is None else messages_request.CacheControl(ttl=given.ttl)


def _automatic(asked: ask.Ask, config: settings.Settings) -> bool:
    """Whether to add cache breakpoints for a client that sets none."""
    options = asked.cache_options
    if options is not None and options.mode == "explicit":
        return False
    match config.prompt_caching:
        case "always":
            return True
        case "off":
            return False
        case "auto":
            return bool(asked.tools) or any(
                type(one) in {ask.Assistant, ask.Compacted} for one in asked.said
            )
