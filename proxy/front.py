"""What differs between the APIs that a completion can be asked for by.

A ``Front`` is six functions and a name. ``proxy.completion`` does everything else.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import falcon
from msgspec import Struct

from proxy import admission, errors, event_stream, outgoing
from proxy.translate.assemble import Translation


class Asked(Protocol):
    """A decoded request, as far as every API's looks the same."""

    @property
    def model(self) -> str | None:
        """The model's name as the client sent it; ``None`` or blank for the default."""

    @property
    def stream(self) -> bool | None:
        """Whether the client wants server-sent events; ``None`` is no."""


class Facts(Protocol):
    """What the log line says of a response, known when it is complete."""

    @property
    def finish_reason(self) -> str | None:
        """How the response ended, in the word of the client's API; ``None`` until then."""

    @property
    def skipped(self) -> int:
        """Events that this version does not know."""

    @property
    def stored(self) -> bool:
        """Whether it was kept, so that the client can refer to it."""


class Whole(Facts, Protocol):
    """A response for a client that does not stream."""

    def feed(self, batch: event_stream.Batch) -> None:
        """Take events, in order."""

    def encoded(self) -> bytes:
        """The body, once all events are here."""


class Streamed(Facts, Protocol):
    """A response for a client that streams."""

    @property
    def complete(self) -> bool:
        """Whether the end of the response has been encoded."""

    def feed(self, batch: event_stream.Batch) -> bytes:
        """What these events are for the client; empty for none."""

    def keep_alive(self) -> bytes:
        """A sign of life that says nothing; sent between any two events."""

    def broken(self, error: errors.ProxyError) -> bytes:
        """The error that ends the stream; nothing follows it."""


R = TypeVar("R", bound=Asked)
W = TypeVar("W")


class Front(Struct, Generic[R, W], frozen=True, kw_only=True):
    """One API. ``R`` is its request, ``W`` its way back.

    The way back is all that a response depends on besides Anthropic's events: made by
    ``translate``, handed to ``whole`` or ``streamed``, and opaque in between.
    """

    name: str
    """As it stands in the log and in metrics."""
    decode: Callable[[bytes], R]
    """Raises ``InvalidRequestError`` for a body that does not fit."""
    content: Callable[[R], object]
    """What must be equal in a retry, as JSON data (``joining.name_of``)."""
    translate: Callable[[R, falcon.Request, admission.Body], tuple[outgoing.Sent, W]]
    """What goes upstream. Raises ``InvalidRequestError`` for what cannot be honoured.

    The request's body holds the room for what is decoded: the front takes more of it for
    what the request only refers to.
    """
    repaired: Callable[[W, Translation], W] = lambda way_back, _: way_back
    """The way back once a repaired request has been sent instead (rows b0)."""
    whole: Callable[[W, int], Whole]
    """The number is the time of the response, in seconds since the epoch."""
    streamed: Callable[[W, int], Streamed]
