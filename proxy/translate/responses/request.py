"""A Responses request as an ask, and what its response depends on (rows r1, r4)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from proxy import errors, settings
from proxy.schema import messages_request, responses_request, responses_response
from proxy.schema import responses_items as wire
from proxy.translate import ask, assemble, fields, json_text, names, warn
from proxy.translate.responses import context, envelope, items, tools, turns

COMPACTING_EDIT = assemble.COMPACTING_EDIT

_echoed = msgspec.json.Decoder(context.Echoed).decode


class Reading(Struct, frozen=True, kw_only=True):
    """A request as an ask, and what the way back needs beside it."""

    ask: ask.Ask
    clients: Mapping[str, context.Client]
    """Full name -> the client's tool."""
    conversation: turns.Conversation
    own: list[items.Sent]
    """The request's own items, those that it refers to in their place."""


def to_ask(
    request: responses_request.ResponsesRequest,
    sent: Sequence[items.Sent],
    config: settings.Settings,
    warnings: warn.Warnings,
    earlier: items.Earlier = items.NOTHING,
    *,
    take: Callable[[int], None] = lambda _: None,
) -> Reading:
    """What a Responses request asks for.

    ``sent`` are its own items, ``earlier`` is what is known of the responses that it
    refers to; ``take`` takes room for what is packed in it, and raises where there is
    none. Raises ``InvalidRequestError``, with ``param``, for what cannot be honoured.
    """
    _reject_impossible(request)
    _warn_about_ignored(request, warnings)
    own_items = items.resolved(sent, earlier)
    given = list(items.placed(own_items, earlier))
    room = envelope.Room(config.max_body_bytes, take)
    conversation = turns.to_conversation(given, room, warnings)
    box = _toolbox(request, given, warnings)
    own = request.output_config
    at = "max_output_tokens"
    tokens = fields.whole(request.max_output_tokens, at)
    return Reading(
        ask=ask.Ask(
            model=(request.model or "").strip() or config.default_model,
            said=[*_instructions(request), *conversation.said],
            at="input",
            instructions=box.instructions,
            tools=box.offered,
            choice=tools.to_choice(request, box, warnings),
            search=box.search,
            search_at=box.search_at,
            effort=_effort(request, given, warnings),
            own_effort=own.effort if own is not None else None,
            thinking=request.thinking,
            output=_output(request, given),
            limit=None if tokens is None else ask.Limit(tokens=tokens, at=at),
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            user=request.safety_identifier or request.user,
            service_tier=request.service_tier,
            cache_options=request.prompt_cache_options,
            cache_control=request.cache_control,
            inference_geo=request.inference_geo,
            speed=request.speed,
            context_management=_management(request.context_management),
            compact=conversation.compact,
        ),
        clients=box.clients,
        conversation=conversation,
        own=own_items,
    )


def response_context(
    request: responses_request.ResponsesRequest,
    body: bytes,
    reading: Reading,
    sent: assemble.Translation,
) -> context.Context:
    """What the response to this request depends on; ``body`` is the request's JSON."""
    echoed = _echoed(json_text.whole_characters(body))
    upstream = sent.request
    return context.Context(
        model=reading.ask.model,
        stream=bool(request.stream),
        echo=context.echo(
            echoed, temperature=upstream.temperature, top_p=upstream.top_p
        ),
        tools={names.tool_name(full): one for full, one in reading.clients.items()},
        properties={
            tool: {ours: theirs for theirs, ours in changed.items()}
            for tool, changed in sent.properties.items()
        },
        sources="web_search_call.action.sources" in (request.include or ()),
        store=request.store is not False,
        compact=reading.conversation.compact,
        removed=reading.conversation.removed,
        replayed=_replayed(upstream, reading.conversation.thoughts),
        thoughts=reading.conversation.thoughts,
    )


def repaired_context(
    made: context.Context, upstream: messages_request.MessagesRequest
) -> context.Context:
    """The context once ``upstream``, a repaired request, has been sent instead (rows b0).

    Thinking that the repair has left out is reported as Anthropic itself reports what it
    drops because it does not fit what stands before it (row r4.reported).
    """
    replayed = _replayed(upstream, made.thoughts)
    still = set(replayed.values())
    removed = (
        responses_response.InputTransformation(id=item, reason="prefix_mismatch")
        for item in dict.fromkeys(made.replayed.values())
        if item not in still
    )
    return structs.replace(
        made,
        echo=context.with_sampling(made.echo, upstream.temperature, upstream.top_p),
        removed=(*made.removed, *removed),
        replayed=replayed,
    )


def _instructions(request: responses_request.ResponsesRequest) -> list[ask.Said]:
    """The first system block: its own, so that the prefix before the input is cached."""
    text = request.instructions
    if text is None or not text.strip():
        return []
    return [ask.System(blocks=[messages_request.Text(text=text)])]


def _toolbox(
    request: responses_request.ResponsesRequest,
    given: list[items.Placed],
    warnings: warn.Warnings,
) -> tools.Toolbox:
    """All tools: the request's, and then those of its input, in the order of the items."""
    max_uses = fields.whole(request.max_tool_calls, "max_tool_calls")
    box = tools.Toolbox(warnings, max_uses)
    box.add(request.tools or (), at="tools")
    for one in given:
        match one.item:
            case (
                wire.AdditionalTools(tools=list(late))
                | wire.ToolSearchOutput(tools=list(late), execution="client")
            ):
                box.add(late, at=f"{one.at}.tools", late=True)
            case _:
                pass
    return box


def _replayed(
    upstream: messages_request.MessagesRequest, thoughts: Mapping[str, str]
) -> dict[str, str]:
    """Where the thinking of the input stands in what is sent, and the ids of its items."""
    if not thoughts:
        return {}
    return {
        path: thoughts[turns.signature(block)]
        for path, block in _thinking(upstream).items()
        if turns.signature(block) in thoughts
    }


def _thinking(
    upstream: messages_request.MessagesRequest,
) -> dict[str, messages_request.Thinking | messages_request.RedactedThinking]:
    """The thinking blocks of a request by their paths, in Anthropic's words."""
    kinds = messages_request.Thinking | messages_request.RedactedThinking
    return {
        f"messages.{m}.content.{c}": block
        for m, message in enumerate(upstream.messages)
        for c, block in enumerate(message.content)
        if isinstance(block, kinds)
    }


# ------------------------------------------------------------------ field by field


def _effort(
    request: responses_request.ResponsesRequest,
    given: list[items.Placed],
    warnings: warn.Warnings,
) -> ask.Effort:
    """``reasoning``, or the effort of the last ``configuration_update``."""
    reasoning = request.reasoning or wire.ReasoningConfig()
    if reasoning.context == "current_turn":
        warnings.add("reasoning_context_ignored", param="reasoning.context")
    if reasoning.mode not in {None, "standard"}:
        warnings.add("reasoning_mode_ignored", param="reasoning.mode")
    summary = reasoning.summary or reasoning.generate_summary
    word, at = reasoning.effort, "reasoning.effort"
    for one in given:
        match one.item:
            case wire.ConfigurationUpdate(
                reasoning=wire.ReasoningConfig(effort=str(later))
            ):
                word, at = later, f"{one.at}.reasoning.effort"
            case _:
                pass
    return ask.Effort(
        word=word,
        at=at,
        shown="omitted" if summary is None else "summarized",
        wanted=summary is not None,
    )


def _output(
    request: responses_request.ResponsesRequest, given: list[items.Placed]
) -> ask.AnyJSONObject | ask.JSONOf | None:
    """Anthropic's own format, the last update's, or the request's."""
    own = request.output_config
    if own is not None and own.format is not None:
        return ask.JSONOf(schema=own.format.schema, at="output_config.format.schema")
    form, at = request.text.format if request.text else None, "text.format"
    for one in given:
        match one.item:
            case wire.ConfigurationUpdate(text=wire.TextConfig(format=later)) if (
                later is not None
            ):
                form, at = later, f"{one.at}.text.format"
            case _:
                pass
    match form:
        case wire.JSONObjectFormat():
            return ask.AnyJSONObject(at=at)
        case wire.JSONSchemaFormat(schema=schema):
            return ask.JSONOf(schema=schema, at=f"{at}.schema")
        case wire.TextFormat() | None:
            return None


def _management(
    given: list[responses_request.ContextEdit] | dict[str, Any] | None,
) -> dict[str, Any] | None:
    """OpenAI's list of edits as Anthropic's object, which passes as it is."""
    if isinstance(given, list):
        return {"edits": [_edit(one, i) for i, one in enumerate(given)]}
    return given


def _edit(edit: responses_request.ContextEdit, i: int) -> dict[str, object]:
    """OpenAI's compaction as Anthropic's: a threshold is a trigger in input tokens."""
    at = f"context_management[{i}].compact_threshold"
    tokens = fields.whole(edit.compact_threshold, at)
    if tokens is None:
        return {"type": COMPACTING_EDIT}
    trigger = {"type": "input_tokens", "value": tokens}
    return {"type": COMPACTING_EDIT, "trigger": trigger}


_REFUSED = {
    "background": "must be false; this proxy keeps no response that nobody waits for",
    "conversation": "must be null; send the items, or previous_response_id",
    "prompt": "must be null; this proxy has no prompt templates",
    "prompt_cache_options.prewarm": "must be false; a cache is filled by a request",
    "stream_options": "must be null unless stream is true",
}
"""What must not be asked for, with what to send instead."""


def _reject_impossible(request: responses_request.ResponsesRequest) -> None:
    """Reject what no translation can satisfy; ignoring it would mislead the client."""
    options = request.prompt_cache_options
    asked = {
        "background": bool(request.background),
        "conversation": request.conversation is not None,
        "prompt": request.prompt is not None,
        "prompt_cache_options.prewarm": options is not None and bool(options.prewarm),
        "stream_options": request.stream_options is not None and not request.stream,
    }
    for param, found in asked.items():
        if found:
            code = None if param == "stream_options" else "unsupported_value"
            raise errors.InvalidRequestError(
                f"{param}: {_REFUSED[param]}", param=param, code=code
            )


def _warn_about_ignored(
    request: responses_request.ResponsesRequest, warnings: warn.Warnings
) -> None:
    """Report what is dropped and could have changed the response."""
    verbosity = request.text.verbosity if request.text is not None else None
    logprobs = "message.output_text.logprobs" in (request.include or ())
    if verbosity not in {None, "medium"}:
        warnings.add("verbosity_ignored", param="text.verbosity")
    if logprobs:
        warnings.add("logprobs_ignored", param="include")
    if request.top_logprobs:
        warnings.add("top_logprobs_ignored", param="top_logprobs")
    if request.truncation == "auto":
        warnings.add("truncation_ignored", param="truncation")
    if request.moderation:
        warnings.add("moderation_ignored", param="moderation")
