"""Requests, as Python data, translated in one call."""

import json
from typing import Any

import msgspec

from proxy import body, capabilities, errors, settings
from proxy.schema import chat_request
from proxy.translate import assemble, warn
from proxy.translate.chat import kept, request


def translate(
    given: bytes,
    live: capabilities.Live | None = None,
    turns: kept.Turns | None = None,
    **config: Any,
) -> tuple[assemble.Translation, request.ResponseContext]:
    """A body translated under these settings, and what its response depends on."""
    chat = body.decode(given, chat_request.DECODER)
    under = settings.Settings(**config)
    warnings = warn.Warnings(strict=under.strict_params)
    asked = request.to_ask(chat, under.default_model, warnings, turns)
    one = assemble.to_messages_request(asked, under, live, warnings)
    return one, request.response_context(chat, asked, one)


def translated(
    given: dict[str, Any],
    live: capabilities.Live | None = None,
    turns: kept.Turns | None = None,
    **config: Any,
) -> assemble.Translation:
    """A request, as Python data, translated under these settings.

    ``live`` is Anthropic's models list, where the table alone is not to decide, and
    ``turns`` what was kept of the request's history.
    """
    one, _ = translate(json.dumps(given).encode(), live, turns, **config)
    return one


def context_of(given: dict[str, Any], **config: Any) -> request.ResponseContext:
    """What the translation of the response to this request depends on."""
    _, context = translate(json.dumps(given).encode(), **config)
    return context


def sent(given: dict[str, Any], **config: Any) -> dict[str, Any]:
    """The body that goes to Anthropic, as Python data."""
    return json.loads(msgspec.json.encode(translated(given, **config).request))


def golden_text(given: bytes, **config: Any) -> str:
    """A translation as a golden file holds it: what is sent, or the refusal."""
    try:
        one, _ = translate(given, **config)
    except errors.ProxyError as ex:
        told: dict[str, Any] = {
            "refused": {
                "status": ex.status,
                "type": ex.type,
                "code": ex.code,
                "param": ex.param,
                "message": ex.message,
            }
        }
    else:
        headers = {
            "anthropic-version": one.version,
            "anthropic-beta": ",".join(one.betas) or None,
        }
        told = {
            "headers": {k: v for k, v in headers.items() if v is not None},
            "warnings": list(one.warnings),
            "body": json.loads(msgspec.json.encode(one.request)),
        }
        told = {name: value for name, value in told.items() if value}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"
