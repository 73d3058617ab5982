"""Requests to the Responses API, as Python data, translated in one call."""

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from proxy import body, capabilities, errors, settings
from proxy.schema import responses_request
from proxy.translate import assemble, warn
from proxy.translate.responses import context, envelope, items, request
from standin import call, rules

NOT_SENT = object()
"""The value of a field that must not be in the body at all."""

MODEL = "claude-opus-5-5"


def thinking(text: str = "Hm.", signature: str = "sig") -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}


def sealed(*blocks: dict[str, Any]) -> str:
    """The envelope that a response holds these blocks in."""
    return envelope.sealed([msgspec.Raw(msgspec.json.encode(one)) for one in blocks])


def reasoning(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "reasoning",
        "summary": [],
        "encrypted_content": sealed(*(blocks or (thinking(),))),
        **more,
    }


def user(content: Any = "Hi") -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any = "Hello") -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def called(call_id: str = "c1", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f",
            "arguments": "{}", **more}  # fmt: skip


def output(call_id: str = "c1", **more: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "ok", **more}


def function(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, **more}


def earlier(
    before: list[dict[str, Any]] | None = None, **named: dict[str, Any]
) -> items.Earlier:
    """What a memory of earlier responses would give."""
    return items.Earlier(
        items=[raw(one) for one in before or ()],
        named={name: raw(one) for name, one in named.items()},
    )


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def read(
    given: dict[str, Any],
    live: capabilities.Live | None = None,
    known: items.Earlier = items.NOTHING,
    **config: Any,
) -> tuple[assemble.Translation, context.Context]:
    """A request translated under these settings, and the way back."""
    return read_bytes(json.dumps(given).encode(), live, known, **config)


def read_bytes(
    written: bytes,
    live: capabilities.Live | None = None,
    known: items.Earlier = items.NOTHING,
    **config: Any,
) -> tuple[assemble.Translation, context.Context]:
    """The same for a body as it is written."""
    decoded = body.decode(written, responses_request.DECODER)
    under = settings.Settings(**config)
    warnings = warn.Warnings(strict=under.strict_params)
    reading = request.to_ask(decoded, items.sent(decoded), under, warnings, known)
    one = assemble.to_messages_request(reading.ask, under, live, warnings)
    return one, request.response_context(decoded, written, reading, one)


def sent(given: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The body that goes to Anthropic, as Python data."""
    return as_data(read(given, **more)[0])


def as_data(one: assemble.Translation) -> dict[str, Any]:
    return json.loads(msgspec.json.encode(one.request))


def said(*given: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The messages that are sent for these items."""
    whole = {"model": MODEL, "input": list(given), **more}
    return sent(whole, prompt_caching="off")["messages"]


def refusal(given: dict[str, Any], **more: Any) -> errors.InvalidRequestError:
    """Why a request is refused."""
    with pytest.raises(errors.InvalidRequestError) as caught:
        read(given, **more)
    return caught.value


def broken(one: assemble.Translation) -> set[str]:
    """The rules of Anthropic's that a translation breaks, by the strict stand-in."""
    headers = {
        "anthropic-version": one.version or call.NEW_VERSION,
        "anthropic-beta": ",".join(one.betas),
        "x-api-key": "any",
    }
    return {v.rule for v in rules.violations(call.Call(as_data(one), headers))}


# ------------------------------------------------------------------ rows


@dataclass(frozen=True)
class Case:
    """One case of a row of the contract.

    ``given`` is laid over a request with one user message, and ``sent`` over the body
    that goes upstream for it; ``refused`` is (param, code) of a 400.
    """

    row: str
    says: str
    given: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    betas: tuple[str, ...] = ()
    version: str | None = None
    refused: tuple[str | None, str | None] | None = None
    config: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.row} {self.says}"

    @property
    def request(self) -> dict[str, Any]:
        whole = {"model": MODEL, "input": "Hi", **self.given}
        return {k: v for k, v in whole.items() if v is not NOT_SENT}


PLAIN = {
    "max_tokens": 16384,
    "stream": True,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
}
"""What is sent for a request with one user message, besides its model."""


def parametrize(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=str)


def check(case: Case) -> None:
    """Translate the case's request and compare the whole body with what it says.

    What is sent must also be what the strict stand-in takes.
    """
    config = {"prompt_caching": "off", **case.config}
    if case.refused is not None:
        why = refusal(case.request, **config)
        assert (why.param, why.code) == case.refused
        assert (why.status, why.type) == (400, "invalid_request_error")
        return
    one, _ = read(case.request, **config)
    expected = {"model": case.request.get("model"), **PLAIN, **case.sent}
    assert as_data(one) == {k: v for k, v in expected.items() if v is not NOT_SENT}
    assert one.warnings == case.warnings
    assert one.betas == case.betas
    assert one.version == case.version
    assert broken(one) <= {"model.unknown", "thinking.foreign", "compaction.signature"}
