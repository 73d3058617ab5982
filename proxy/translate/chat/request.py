"""A chat completion request as an ask, and what its response depends on (rows b1)."""

import operator

from msgspec import Struct

from proxy import errors
from proxy.schema import chat_request
from proxy.translate import ask, assemble, fields, warn
from proxy.translate.chat import kept, messages, response, tools


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


def asked_model(chat: chat_request.ChatRequest, default_model: str) -> str:
    """The model's name as the client wrote it, or the default."""
    return (chat.model or "").strip() or default_model


def to_ask(
    chat: chat_request.ChatRequest,
    default_model: str,
    warnings: warn.Warnings,
    turns: kept.Turns | None = None,
) -> ask.Ask:
    """What a chat request asks for; ``turns`` are those of its history that were kept.

    Raises ``InvalidRequestError``, with ``param``, for what cannot be honoured.
    """
    _reject_impossible(chat)
    _warn_about_ignored(chat, warnings)
    offered, search = tools.to_offered(chat), tools.search_of(chat)
    any_tools = bool(offered or search)
    config = chat.output_config
    return ask.Ask(
        model=asked_model(chat, default_model),
        said=messages.to_said(chat.messages, warnings, turns or {}),
        at="messages",
        tools=offered,
        choice=tools.to_choice(chat, warnings, any_tools=any_tools),
        search=search,
        search_at="web_search_options",
        effort=ask.Effort(word=chat.reasoning_effort, at="reasoning_effort"),
        own_effort=config.effort if config is not None else None,
        task_budget=config.task_budget if config is not None else None,
        thinking=chat.thinking,
        output=_output(chat),
        limit=_limit(chat),
        stop=[chat.stop] if isinstance(chat.stop, str) else chat.stop or [],
        temperature=chat.temperature,
        top_p=chat.top_p,
        top_k=chat.top_k,
        user=chat.safety_identifier or chat.user,
        service_tier=chat.service_tier,
        cache_options=chat.prompt_cache_options,
        cache_control=chat.cache_control,
        inference_geo=chat.inference_geo,
        speed=chat.speed,
        context_management=chat.context_management,
    )


def response_context(
    chat: chat_request.ChatRequest, asked: ask.Ask, sent: assemble.Translation
) -> ResponseContext:
    """What the response to this request depends on."""
    options = chat.stream_options
    return ResponseContext(
        model=asked.model,
        names=tools.client_names(chat, asked.tools, sent.properties),
        legacy_functions=bool(chat.functions) and not chat.tools,
        stream=bool(chat.stream),
        include_usage=bool(options is not None and options.include_usage),
    )


def _limit(chat: chat_request.ChatRequest) -> ask.Limit | None:
    """``max_completion_tokens`` before ``max_tokens``."""
    at = "max_tokens" if chat.max_completion_tokens is None else "max_completion_tokens"
    tokens = fields.whole(getattr(chat, at), at)
    return None if tokens is None else ask.Limit(tokens=tokens, at=at)


def _output(
    chat: chat_request.ChatRequest,
) -> ask.AnyJSONObject | ask.JSONOf | None:
    """Anthropic's own ``output_config.format`` wins over ``response_format``."""
    if chat.output_config is not None and chat.output_config.format is not None:
        schema = chat.output_config.format.schema
        return ask.JSONOf(schema=schema, at="output_config.format.schema")
    match chat.response_format:
        case chat_request.JSONObjectFormat():
            return ask.AnyJSONObject(at="response_format")
        case chat_request.JSONSchemaFormat(json_schema=given):
            at = "response_format.json_schema.schema"
            return ask.JSONOf(schema=given.schema, at=at)
        case chat_request.TextFormat() | None:
            return None


def _reject_impossible(chat: chat_request.ChatRequest) -> None:
    """Reject what no translation can satisfy; ignoring it would mislead the client."""
    if not chat.messages:
        raise errors.InvalidRequestError(
            "messages: must not be empty",
            param="messages",
            code="missing_required_parameter",
        )
    if chat.n is not None and chat.n != 1:
        raise _impossible("n", "must be 1")
    if "audio" in (chat.modalities or ()):
        raise _impossible("modalities", "must not include audio")
    if chat.audio is not None:
        raise _impossible("audio", "must be null; Claude has no audio output")
    if chat.stream_options is not None and not chat.stream:
        raise errors.InvalidRequestError(
            "stream_options: must be null unless stream is true",
            param="stream_options",
        )


def _impossible(param: str, why: str) -> Exception:
    return errors.InvalidRequestError(
        f"{param}: {why}", param=param, code="unsupported_value"
    )


_IGNORED = (
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
_ignored_of = operator.attrgetter(*_IGNORED)


def _warn_about_ignored(
    chat: chat_request.ChatRequest, warnings: warn.Warnings
) -> None:
    for field, value in zip(_IGNORED, _ignored_of(chat), strict=True):
        if value and value != "medium":
            warnings.add(f"{field}_ignored", param=field)
