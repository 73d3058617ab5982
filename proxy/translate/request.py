"""A chat completion request as the Messages request to send (b.1)."""

import hashlib
import re

from msgspec import Struct

from proxy import capabilities, errors, settings
from proxy.schema import anthropic, openai
from proxy.translate import (
    cache,
    messages,
    output_format,
    thinking,
    tools,
    warn,
)

CONTEXT_MANAGEMENT_BETA = "context-management-2025-06-27"
FAST_MODE_BETA = "fast-mode-2026-02-01"
MAX_USER_ID = 256
_PERSONAL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?[\d\s().-]{7,}")
_TIERS = {"auto": "auto", "default": "standard_only"}


class Translation(Struct, frozen=True, kw_only=True):
    """What goes upstream, and what the answer's translation must know."""

    request: anthropic.MessagesRequest
    version: str | None
    """The ``anthropic-version`` to send; ``None`` is the SDK's own."""
    betas: tuple[str, ...]
    """Words for the ``anthropic-beta`` header."""
    warnings: tuple[str, ...]
    strict: bool
    """``STRICT_PARAMS``: a repair may not change what was asked for either."""
    model: str
    """The name that was asked for, which the answer carries."""
    client_names: dict[str, str]
    """Anthropic's tool name -> the client's, where they differ."""
    legacy_functions: bool
    """The request used ``functions``: answer with ``function_call``."""
    stream: bool
    include_usage: bool


def to_anthropic_request(
    chat: openai.ChatRequest,
    config: settings.Settings,
    live: capabilities.Live | None = None,
) -> Translation:
    """Translate a request. Pure: equal arguments give equal bytes.

    Raises ``InvalidRequestError``, with ``param``, for what cannot be honoured.
    """
    _refuse_impossible(chat)
    warnings = warn.Warnings(strict=config.strict_params)
    asked_model = (chat.model or "").strip() or config.default_model
    model = capabilities.model_for(capabilities.to_anthropic_id(asked_model), live)
    model_id = capabilities.to_anthropic_id(asked_model)
    _tell_ignored(chat, warnings)
    limit = _limit(chat, model, warnings)
    ttl = cache.default_ttl(chat.prompt_cache_options)
    toolset = tools.to_tools(chat, model, ttl, warnings)
    output = output_format.to_output(chat, model, warnings)
    planned = thinking.plan(
        thinking.Asked(
            effort=chat.reasoning_effort,
            own_effort=chat.output_config.effort if chat.output_config else None,
            thinking=chat.thinking,
            max_tokens=limit or model.max_tokens or config.default_max_tokens,
            forced_tool=toolset.forced,
            unsigned_tool_turn=thinking.has_unsigned_tool_turn(chat.messages),
            display=config.reasoning_display,
        ),
        model,
        warnings,
    )
    conversation = messages.to_anthropic_messages(
        chat.messages,
        messages.Rules(
            model=model,
            keep_thinking=planned.on and not planned.between_tools,
            prefill=model.prefill and not planned.on and output.format is None,
            ttl=ttl,
        ),
        warnings,
    )
    config_thinking, binding = planned.config, False
    if conversation.replays_thinking:
        config_thinking, binding = thinking.bound(planned, model)
    sampling = _sampling(chat, model, warnings, thinks=planned.on)
    # Instructions of our own stand at the end of ``system``, those that a client keeps
    # constant first: they are part of the prefix that replayed thinking is bound to.
    injected = [text for text in (output.instruction, toolset.instruction) if text]
    system = [*conversation.system, *(anthropic.Text(text=text) for text in injected)]
    request = anthropic.MessagesRequest(
        model=model_id,
        max_tokens=limit or _default_limit(config, model, planned),
        stream=True,  # always: it can be cancelled, and no answer is too long for it
        tools=toolset.tools,
        tool_choice=toolset.choice,
        system=system or None,
        messages=conversation.messages,
        stop_sequences=_stop_sequences(chat, warnings),
        thinking=config_thinking,
        output_config=_output_config(planned.effort, output.format),
        cache_control=_own_mark(chat.cache_control),
        metadata=_metadata(chat),
        service_tier=_service_tier(chat, warnings),
        inference_geo=chat.inference_geo,
        speed=chat.speed,
        context_management=chat.context_management or None,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
    )
    request = cache.place(
        request, automatic=_automatic(chat, config), ttl=ttl, warnings=warnings
    )
    betas = (
        *((thinking.BINDING_BETA,) if binding else ()),
        *((CONTEXT_MANAGEMENT_BETA,) if chat.context_management else ()),
        *((FAST_MODE_BETA,) if chat.speed is not None else ()),
    )
    return Translation(
        request=request,
        version=anthropic.SAMPLING_VERSION if sampling.given else None,
        betas=betas,
        warnings=warnings.codes,
        strict=config.strict_params,
        model=asked_model,
        client_names=toolset.client_names,
        legacy_functions=bool(chat.functions) and not chat.tools,
        stream=bool(chat.stream),
        include_usage=bool(chat.stream_options and chat.stream_options.include_usage),
    )


# ------------------------------------------------------------------ refused, ignored


def _refuse_impossible(chat: openai.ChatRequest) -> None:
    """What no translation can satisfy; to ignore it would be a lie."""
    if not chat.messages:
        raise errors.InvalidRequestError(
            "messages: must not be empty",
            param="messages",
            code="missing_required_parameter",
        )
    impossible = {
        "n": chat.n is not None and chat.n != 1,
        "modalities": "audio" in (chat.modalities or ()),
        "audio": chat.audio is not None,
        "web_search_options": chat.web_search_options is not None,
    }
    for param, found in impossible.items():
        if found:
            raise errors.InvalidRequestError(
                f"{param}: Claude cannot do this through chat completions",
                param=param,
                code="unsupported_value",
            )
    if chat.stream_options is not None and not chat.stream:
        raise errors.InvalidRequestError(
            "stream_options: is only allowed when stream is true",
            param="stream_options",
        )


IGNORED = (
    "logprobs",
    "top_logprobs",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "prediction",
    "verbosity",
)
"""Fields without an equivalent: dropped, with ``<field>_ignored`` when they ask for
something (``null``, 0, ``{}``, false and the default verbosity do not)."""


def _tell_ignored(chat: openai.ChatRequest, warnings: warn.Warnings) -> None:
    for field in IGNORED:
        value = getattr(chat, field)
        if value and value != "medium":
            warnings.add_or_refuse(f"{field}_ignored", param=field)


# ------------------------------------------------------------------ field by field


def _limit(
    chat: openai.ChatRequest, model: capabilities.Model, warnings: warn.Warnings
) -> int | None:
    """``max_completion_tokens`` before ``max_tokens``, never above the model's own."""
    asked = chat.max_completion_tokens or chat.max_tokens
    if asked is None or model.max_tokens is None or asked <= model.max_tokens:
        return asked
    warnings.add("max_tokens_clamped")
    return model.max_tokens


def _default_limit(
    config: settings.Settings, model: capabilities.Model, planned: thinking.Plan
) -> int:
    """For a request that sets none: a thinking budget does not eat up the answer."""
    budget = planned.config.budget_tokens if planned.config is not None else None
    wanted = config.default_max_tokens + (budget or 0)
    return wanted if model.max_tokens is None else min(wanted, model.max_tokens)


def _stop_sequences(
    chat: openai.ChatRequest, warnings: warn.Warnings
) -> list[str] | None:
    asked = [chat.stop] if isinstance(chat.stop, str) else chat.stop or []
    kept = [stop for stop in asked if stop.strip()]
    if len(kept) < len(asked):  # Anthropic: each must contain non-white space
        warnings.add("stop_whitespace_dropped")
    return kept or None


class _Sampling(Struct, frozen=True, kw_only=True):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None

    @property
    def given(self) -> bool:
        return (self.temperature, self.top_p, self.top_k) != (None, None, None)


def _sampling(
    chat: openai.ChatRequest,
    model: capabilities.Model,
    warnings: warn.Warnings,
    *,
    thinks: bool,
) -> _Sampling:
    """Sampling for models that have it (4.6 and before), under API version 2023-06-01.

    Only one of ``temperature`` and ``top_p`` may be sent; OpenAI's defaults (both 1)
    ask for nothing. Thinking takes neither another temperature nor ``top_k``, and
    ``top_p`` only from 0.95 (extended thinking, limits).
    """
    temperature, top_p, top_k = chat.temperature, chat.top_p, chat.top_k
    if top_p == 1:
        top_p = None
    if temperature == 1 and (top_p is not None or not model.sampling):
        temperature = None
    allowed = {
        "temperature": model.sampling and not (thinks and temperature != 1),
        "top_p": model.sampling and not (thinks and (top_p or 1) < 0.95),  # noqa: PLR2004 - documented limit
        "top_k": model.sampling and not thinks,
    }
    given = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
    for field, value in given.items():
        if value is not None and not allowed[field]:
            warnings.add_or_refuse(f"{field}_ignored", param=field)
    temperature = temperature if allowed["temperature"] else None
    top_p = top_p if allowed["top_p"] else None
    if temperature is not None and top_p is not None:
        warnings.add("top_p_ignored")
        top_p = None
    if temperature is not None and temperature > 1:
        warnings.add("temperature_clamped")
        temperature = 1.0
    return _Sampling(
        temperature=temperature,
        top_p=top_p,
        top_k=top_k if allowed["top_k"] else None,
    )


def _output_config(
    effort: str | None, output: anthropic.JSONSchemaFormat | None
) -> anthropic.OutputConfig | None:
    if effort is None and output is None:
        return None
    return anthropic.OutputConfig(effort=effort, format=output)


def _own_mark(mark: openai.CacheControl | None) -> anthropic.CacheControl | None:
    return None if mark is None else anthropic.CacheControl(ttl=mark.ttl)


def _automatic(chat: openai.ChatRequest, config: settings.Settings) -> bool:
    """Whether marks are placed for a client that brings none."""
    options = chat.prompt_cache_options
    if options is not None and options.mode == "explicit":
        return False
    match config.prompt_caching:
        case "always":
            return True
        case "off":
            return False
        case "auto":
            return bool(chat.tools or chat.functions) or any(
                isinstance(message, openai.AssistantMessage)
                for message in chat.messages
            )


def _metadata(chat: openai.ChatRequest) -> anthropic.Metadata | None:
    """``metadata.user_id``: opaque, as the API forbids what identifies a person."""
    user = chat.safety_identifier or chat.user
    if not user:
        return None
    if len(user) > MAX_USER_ID or _PERSONAL.search(user):
        user = hashlib.sha256(user.encode()).hexdigest()
    return anthropic.Metadata(user_id=user)


def _service_tier(chat: openai.ChatRequest, warnings: warn.Warnings) -> str | None:
    if chat.service_tier is None:
        return None
    if chat.service_tier not in _TIERS:
        warnings.add("service_tier_ignored")
    return _TIERS.get(chat.service_tier)
