"""A chat completion request as the Messages request to send (rows b1)."""

from msgspec import Struct

from proxy import capabilities, settings
from proxy.schema import chat_request, messages_request
from proxy.translate import (
    cache,
    fields,
    messages,
    output_format,
    response,
    thinking,
    tools,
    turns,
    warn,
)

CONTEXT_MANAGEMENT_BETA = "context-management-2025-06-27"
FAST_MODE_BETA = "fast-mode-2026-02-01"


class ResponseContext(Struct, frozen=True, kw_only=True):
    """What translating the response depends on: all that is kept while it arrives."""

    model: str
    """The name that was asked for, which the response carries."""
    names: response.ClientNames
    """What the client calls what had to be renamed."""
    legacy_functions: bool
    """The request used ``functions``, so the response uses ``function_call``."""
    stream: bool
    include_usage: bool


class Translation(Struct, frozen=True, kw_only=True):
    """What goes upstream, and what translating the response depends on."""

    request: messages_request.MessagesRequest
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
    """The client set no ``max_tokens``, so a repair may lower ours."""
    context: ResponseContext

    @property
    def model(self) -> str:
        """The model, as Anthropic names it."""
        return self.request.model


def to_anthropic_request(
    chat: chat_request.ChatRequest,
    config: settings.Settings,
    live: capabilities.Live | None = None,
    *,
    prefix_ttl: cache.Ttl = None,
) -> Translation:
    """Translate a request. Pure: equal arguments give equal bytes.

    ``prefix_ttl`` is the lifetime of the first cache mark that is added.

    Raises ``InvalidRequestError``, with ``param``, for what cannot be honoured.
    """
    fields.reject_impossible(chat)
    warnings = warn.Warnings(strict=config.strict_params)
    fields.warn_about_ignored(chat, warnings)
    asked_model = (chat.model or "").strip() or config.default_model
    model_id = capabilities.to_anthropic_id(asked_model)
    model = capabilities.model_for(model_id, live)
    parts = _parts(chat, config, model, warnings)
    request = _assembled(chat, config, model_id, parts, warnings, prefix_ttl=prefix_ttl)
    betas = (
        *((thinking.BINDING_BETA,) if parts.bound else ()),
        *((CONTEXT_MANAGEMENT_BETA,) if chat.context_management else ()),
        *((FAST_MODE_BETA,) if chat.speed is not None else ()),
    )
    return Translation(
        request=request,
        version=messages_request.SAMPLING_VERSION if parts.sampling.given else None,
        betas=betas,
        warnings=warnings.codes,
        thinks=parts.thinks,
        strict=config.strict_params,
        default_limit=chat.max_completion_tokens is None and chat.max_tokens is None,
        context=ResponseContext(
            model=asked_model,
            names=parts.toolset.names,
            legacy_functions=bool(chat.functions) and not chat.tools,
            stream=bool(chat.stream),
            include_usage=bool(
                chat.stream_options and chat.stream_options.include_usage
            ),
        ),
    )


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
    conversation: messages.Conversation


def _parts(
    chat: chat_request.ChatRequest,
    config: settings.Settings,
    model: capabilities.Model,
    warnings: warn.Warnings,
) -> _Parts:
    limit = fields.limit(chat, model, warnings)
    toolset = tools.to_tools(chat, model, warnings)
    output = output_format.to_output(chat, model, warnings)
    planned = thinking.plan(
        thinking.Asked(
            effort=chat.reasoning_effort,
            own_effort=chat.output_config.effort if chat.output_config else None,
            thinking=chat.thinking,
            budget=fields.whole(
                chat.thinking.budget_tokens if chat.thinking else None,
                "thinking.budget_tokens",
            ),
            max_tokens=limit or model.max_tokens or config.default_max_tokens,
            forced_tool=toolset.forced,
            unsigned_tool_turn=thinking.has_unsigned_tool_turn(chat.messages),
            display=config.reasoning_display,
        ),
        model,
        warnings,
    )
    rules = turns.Rules(
        model=model,
        keep_thinking=planned.on and not planned.between_tools,
        prefill=model.prefill and not planned.on and output.format is None,
        interleaved=not planned.manual,
        properties=toolset.properties,
    )
    conversation = messages.to_anthropic_messages(chat.messages, rules, warnings)
    thinks, bound = planned.config, False
    if conversation.replays_thinking:
        thinks, bound = thinking.bound(planned, model)
    return _Parts(
        toolset=toolset,
        output=output,
        max_tokens=limit or fields.default_limit(config, model, planned),
        effort=planned.effort,
        thinks=planned.on,
        thinking=thinks,
        bound=bound,
        sampling=fields.sampling(chat, model, warnings, thinks=planned.on),
        conversation=conversation,
    )


def _assembled(
    chat: chat_request.ChatRequest,
    config: settings.Settings,
    model_id: str,
    parts: _Parts,
    warnings: warn.Warnings,
    *,
    prefix_ttl: cache.Ttl,
) -> messages_request.MessagesRequest:
    # Our own instructions go to the end of ``system``, those that a client keeps
    # constant first: they are part of the prefix that replayed thinking is bound to.
    instructions = (parts.output.instruction, parts.toolset.instruction)
    injected = [messages_request.Text(text=text) for text in instructions if text]
    request = messages_request.MessagesRequest(
        model=model_id,
        max_tokens=parts.max_tokens,
        stream=True,  # always: a stream can be cancelled, and no response is too long for it
        tools=parts.toolset.tools,
        tool_choice=parts.toolset.choice,
        system=[*parts.conversation.system, *injected] or None,
        messages=parts.conversation.messages,
        stop_sequences=fields.stop_sequences(chat, warnings),
        thinking=parts.thinking,
        output_config=_output_config(parts.effort, parts.output.format),
        cache_control=_cache_control(chat.cache_control),
        metadata=fields.metadata(chat),
        service_tier=fields.service_tier(chat, warnings),
        inference_geo=chat.inference_geo,
        speed=chat.speed,
        context_management=chat.context_management or None,
        temperature=parts.sampling.temperature,
        top_p=parts.sampling.top_p,
        top_k=parts.sampling.top_k,
    )
    return cache.place(
        request,
        automatic=_automatic(chat, config),
        ttl=cache.default_ttl(chat.prompt_cache_options),
        prefix_ttl=prefix_ttl,
        warnings=warnings,
    )


def _output_config(
    effort: str | None, output: messages_request.JSONSchemaFormat | None
) -> messages_request.OutputConfig | None:
    if effort is None and output is None:
        return None
    return messages_request.OutputConfig(effort=effort, format=output)


def _cache_control(
    given: chat_request.CacheControl | None,
) -> messages_request.CacheControl | None:
    return None if given is None else messages_request.CacheControl(ttl=given.ttl)


def _automatic(chat: chat_request.ChatRequest, config: settings.Settings) -> bool:
    """Whether to add cache breakpoints for a client that sets none."""
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
                isinstance(message, chat_request.AssistantMessage)
                for message in chat.messages
            )
