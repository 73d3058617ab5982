"""A Messages request as it is sent: the client's own fields, two of them decided here."""

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from proxy import capabilities, errors

Endpoint = Literal["messages", "count_tokens"]

_THINKING = frozenset({"enabled", "adaptive", "between_tools"})

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class Asked(Struct, frozen=True, kw_only=True):
    """A request of the client's: every field as it came, and the two that matter here."""

    fields: Mapping[str, Raw]
    model: str | None
    stream: bool | None


class Relayed(Struct, frozen=True, kw_only=True):
    """What goes upstream."""

    endpoint: Endpoint
    body: bytes
    model: str
    version: str | None
    """The ``anthropic-version`` to send; ``None`` for the SDK's own."""
    betas: tuple[str, ...]
    """Values of the ``anthropic-beta`` header."""
    beta: bool
    """The client asked with ``?beta=true``, as SDKs before 2.0 do for ``client.beta``."""
    thinks: bool
    """The model thinks before it responds, and may ping for minutes meanwhile."""
    warnings: tuple[str, ...] = ()
    """Nothing is changed, so there are none."""

    @property
    def counts(self) -> bool:
        """Only the tokens of its prompt are to be counted."""
        return self.endpoint == "count_tokens"

    @property
    def path(self) -> str:
        """Path and query of the request to Anthropic."""
        path = "/v1/messages"
        if self.endpoint == "count_tokens":
            path += "/count_tokens"
        return f"{path}?beta=true" if self.beta else path


def to_asked(fields: Mapping[str, Raw], endpoint: Endpoint) -> Asked:
    """Look at a request's fields. A count of tokens never comes as a stream.

    Raises ``InvalidRequestError`` where ``model`` or ``stream`` is of the wrong type;
    all else is for Anthropic to judge.
    """
    return Asked(
        fields=fields,
        model=_read(fields, "model", str, "a string"),
        stream=(
            _read(fields, "stream", bool, "a boolean")
            if endpoint == "messages"
            else None
        ),
    )


def _read(fields: Mapping[str, Raw], name: str, kind: type[T], words: str) -> T | None:
    try:
        return msgspec.json.decode(fields.get(name, Raw(b"null")), type=kind | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise errors.InvalidRequestError(
            f"{name}: must be {words}", param=name, code="invalid_type"
        ) from None


def to_body(asked: Asked, model: str, endpoint: Endpoint) -> bytes:
    """The fields with this model's name, in the order in which they came.

    A message is always asked for as a stream: that can be cancelled, and no response is
    too long for it. Only a prompt that is to be cached and not answered
    (``max_tokens: 0``) is not, because Anthropic rejects the two together.
    """
    decided = {"model": Raw(_encode(model))}
    if endpoint == "messages":
        warming = bytes(asked.fields.get("max_tokens", b"")) == b"0"
        streamed = bool(asked.stream) or not warming
        decided["stream"] = Raw(_encode(streamed))
    fields = {**asked.fields, **decided}
    pieces: list[bytes | Raw] = []
    for name, value in fields.items():
        pieces += (b"," if pieces else b"{", _encode(name), b":", value)
    return b"".join((*pieces, b"}"))  # no copy of a field on the way


def thinks(fields: Mapping[str, Raw], model: capabilities.Model) -> bool:
    """Whether the model thinks before it responds; nonsense is for Anthropic to judge."""
    try:
        given = msgspec.json.decode(fields.get("thinking", Raw(b"null")), type=_Asks)
    except (msgspec.DecodeError, UnicodeDecodeError):
        given = None
    if given is None:
        return model.thinking_default != "off"
    return given.type in _THINKING


class _Thinking(Struct):
    type: str = ""


_Asks = _Thinking | None
