"""The handle on a running stand-in: what it received, and what a test scripts.

It is for tests in the same process; nothing of it can be reached over HTTP.
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from standin import caching, events, listing

_SECRET_HEADERS = ("authorization", "x-api-key", "cookie")

Item = bytes | str | dict[str, Any] | threading.Event


@dataclass(frozen=True, slots=True)
class Received:
    """A request that reached the stand-in.

    `headers` have lower-case names and hold no credential. `body` is the parsed JSON,
    None where there was none, and `raw` its bytes. `query` follows the path. `rule` is the id of the row that it broke, None for a
    good request. `usage` is the input side of the usage in the answer, None where an
    error or a script was the answer.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any = field(default=None, repr=False)
    rule: str | None = None
    usage: Mapping[str, Any] | None = None
    raw: bytes = field(default=b"", repr=False)
    query: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error to answer with: the envelope, or other bytes."""

    status: int
    body: bytes | Mapping[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Script:
    """Pieces of a stream to answer with."""

    items: tuple[Item, ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class Said:
    """What to answer with: a string is a text, a pair a call by its name and its input."""

    blocks: tuple[str | tuple[str, dict[str, Any]], ...]


@dataclass(slots=True)
class StandIn:
    """A running stand-in.

    `base_url` is what goes into `ANTHROPIC_BASE_URL`. `requests` holds the last 1000
    requests to any endpoint, the newest at the end. `accept_tokens` is the set of
    credentials that count as valid; None, the default, accepts any. `hangups` counts
    the answers that a client did not wait for.
    """

    base_url: str = ""
    requests: deque[Received] = field(default_factory=lambda: deque(maxlen=1000))
    accept_tokens: Iterable[str] | None = None
    hangups: int = 0
    cache: caching.Cache = field(default_factory=caching.Cache)
    scripted: deque[Failure | Script | Said] = field(default_factory=deque)

    def fail_next(
        self,
        *,
        status: int = 529,
        type: str = "overloaded_error",  # noqa: A002 - the envelope's own word
        message: str = "Overloaded",
        error_code: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        times: int = 1,
    ) -> None:
        """Answer the next good requests for a message with an error.

        `error_code` goes into `error.details`. `body` replaces the JSON envelope with
        other bytes (an HTML page, say; give its `content-type` in `headers`).
        """
        envelope = listing.error(type, message, error_code)
        failure = Failure(status, envelope if body is None else body, headers or {})
        self.scripted.extend([failure] * times)

    def answer_with(
        self, events: Iterable[Item] = (), *, cut: bool = False, times: int = 1
    ) -> None:
        """Answer the next good requests for a message with these pieces of a stream.

        They are streamed even if the request did not ask for a stream. A dict is one
        event, a string or bytes go out as they are, and at a `threading.Event` the
        stream waits until it is set or the client goes. With `cut` the connection
        closes without the last chunk of the body.
        """
        self.scripted.extend([Script(tuple(events), cut)] * times)

    def say_next(self, *said: str | tuple[str, dict[str, Any]]) -> None:
        """Answer the next good request for a message with these texts and calls.

        Thinking, ids, usage and limits are as in any other answer.
        """
        self.scripted.append(Said(said))

    def take_scripted(self) -> Failure | Script | Said | None:
        """Give what was scripted for this request, if anything."""
        try:
            return self.scripted.popleft()
        except IndexError:
            return None


def written(item: bytes | str | dict[str, Any]) -> bytes:
    """Write a scripted item as it goes over the wire."""
    if isinstance(item, bytes):
        return item
    return item.encode() if isinstance(item, str) else events.encode(item)


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """Copy headers without those that hold a credential."""
    return {n: v for n, v in headers.items() if n not in _SECRET_HEADERS}
