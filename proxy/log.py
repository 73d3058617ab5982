"""Logging: JSON lines on stdout, or text; and the one line that each completion writes.

No prompt, no header, no key. Every text passes through ``redaction.printable``, also the
names that a client chooses; tracebacks are reduced to file names and lines, since an
exception's message may quote its input. Nobody waits for a line to be written
(``proxy.log_writer``).
"""

import functools
import logging
import operator
import time
import traceback
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from proxy import log_text, redaction, trail
from proxy.log_writer import Writer

STDOUT = 1
_encode = msgspec.json.Encoder().encode


class Completion(Struct, kw_only=True):
    """The facts of one completion: the fields of its log line.

    Times are milliseconds from the request's arrival; counts are tokens.
    """

    request_id: str
    upstream_request_id: str = ""
    api: str = "chat"
    """The interface that was called: ``front.Front.name``."""
    model: str = ""
    """As the client named it."""
    upstream_model: str = ""
    """As Anthropic named it in its response, else as it was asked for."""
    stream: bool = False
    status: int = 0
    code: str | None = None
    """The error's code, also for an error inside a stream."""
    reason: str = ""
    """What went wrong on the way to Anthropic, in one word: ``refused``, ``idle_timeout``."""
    finish_reason: str | None = None
    warnings: tuple[str, ...] = ()
    input_tokens: int = 0
    """Tokens are those that were billed, of all calls, received by the client or not."""
    output_tokens: int = 0
    thinking_tokens: int = 0
    """The part of ``output_tokens`` that was thinking, where Anthropic says so."""
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    """Of both lifetimes."""
    cache_write_1h_tokens: int = 0
    web_searches: int = 0
    """Searches of the web that Anthropic made for the response; each is billed."""
    cost_usd: float | None = None
    """By Anthropic's list prices; null where something has no price."""
    undelivered_tokens: int = 0
    """Tokens that were billed for responses that the client did not receive whole."""
    own_ms: float | None = None
    """What the proxy itself added before the first byte of the response."""
    first_event_ms: float | None = None
    duration_ms: float = 0.0
    calls: int = 0
    """Upstream calls, retries included."""
    skipped_events: int = 0
    """Events of types that this version does not know."""
    stored: bool = False
    """Whether the response was kept, so that its client can refer to it."""
    client_gone: bool = False
    joined: bool = False
    """It was a retry, and waited for the call of the request that it repeats."""
    unclaimed: bool = False
    """Its call went on after its client had left, and no retry took its outcome."""

    @property
    def failed(self) -> bool:
        """Whether it ended in an error. That a client left is none."""
        error = self.code is not None or self.status >= 400  # noqa: PLR2004 - errors begin there
        return error and not self.client_gone


def note_joined(record: Completion, joined: Completion) -> None:
    """Put into a retry's line what is known of the outcome that it took."""
    for name in _OF_AN_OUTCOME:
        setattr(record, name, getattr(joined, name))


_OF_AN_OUTCOME = (
    "upstream_request_id", "upstream_model", "finish_reason", "warnings",
    "skipped_events", "stored",
)  # fmt: skip


def note_bill(record: Completion, bill: trail.Bill) -> None:
    """Put what was billed into a completion's line."""
    total = bill.total
    record.input_tokens = total.input
    record.output_tokens = total.output + total.thinking
    record.thinking_tokens = total.thinking
    record.cache_read_tokens = total.cache_read
    record.cache_write_tokens = total.cache_write_5m + total.cache_write_1h
    record.cache_write_1h_tokens = total.cache_write_1h
    record.web_searches = total.web_searches
    record.cost_usd = None if bill.unpriced else round(bill.cost, 6)
    record.undelivered_tokens = sum(bill.lost.tokens.values())


def completed(facts: Completion) -> None:
    """Write the line of a completion.

    It is always written, and by no logger: a record costs four times the line.
    """
    facts = _printable(facts)
    now = time.time()
    if form.name == "json":  # one dictionary of all takes 2 us more
        head = f'{{"time":"{_moment(now)}","level":"info","message":"completion",'
        writer.write(head.encode() + _encode(facts)[1:] + b"\n")
    else:
        head_fields = {**_head("info", now), "message": "completion"}
        writer.write(_line({**head_fields, **msgspec.structs.asdict(facts)}))


class Handler(logging.Handler):
    """Writes one JSON object per record to stdout."""

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record written as a line."""
        try:
            writer.write(to_line(record))
        except Exception:  # noqa: BLE001 - logging must not fail its caller
            self.handleError(record)

    def flush(self) -> None:
        """Wait for the lines, for a second at most; logging calls it at exit."""
        writer.flush()


def to_line(record: logging.LogRecord) -> bytes:
    """One record as one line of JSON."""
    fields = {
        **_head(record.levelname.lower(), record.created),
        "logger": record.name,
        "message": redaction.printable(record.getMessage()),
    }
    if record.exc_info and record.exc_info[0] is not None:
        fields["exception"] = record.exc_info[0].__name__
        fields["where"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(record.exc_info[2])
        ]
    return _line(fields)


def _head(level: str, seconds: float) -> dict[str, Any]:
    """What every line begins with."""
    return {"time": _moment(seconds), "level": level}


def _moment(seconds: float) -> str:
    """``2026-11-29T22:05:54.123+00:00``, for seconds since the epoch."""
    whole, microseconds = divmod(round(seconds * 1e6), 1_000_000)
    return f"{_to_the_second(whole)}.{microseconds // 1000:03}+00:00"


@functools.lru_cache(1)  # formatted once a second
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


def _line(fields: dict[str, Any]) -> bytes:
    if form.name == "text":
        return log_text.to_text(fields, colour=form.colour).encode() + b"\n"
    return _encode(fields) + b"\n"


def _dropped(count: int) -> bytes:
    message = f"{count} log lines were dropped: stdout was not read in time"
    head = _head("warning", time.time())
    return _line({**head, "logger": __name__, "message": message})


writer = Writer(STDOUT, _dropped)
"""Writes all lines of this process."""


_TEXTS = tuple(
    field.name
    for field in msgspec.structs.fields(Completion)
    if field.type in {str, str | None}
)
_texts_of = operator.attrgetter(*_TEXTS)


def _printable(facts: Completion) -> Completion:
    """With texts for a log; one look at all of them, since most are clean."""
    texts = _texts_of(facts)
    whole = " ".join(filter(None, texts))
    if redaction.printable(whole) == whole:
        return facts
    printed = (one and redaction.printable(one) for one in texts)
    return msgspec.structs.replace(facts, **dict(zip(_TEXTS, printed, strict=True)))


class Form:
    """How lines are written: chosen once, at the start."""

    name: Literal["json", "text"] = "json"
    colour = False


form = Form()


def config(level: str) -> dict[str, Any]:
    """Configuration for ``logging.config.dictConfig`` and gunicorn's ``logconfig_dict``."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"stdout": {"()": Handler}},
        "root": {"level": "WARNING", "handlers": ["stdout"]},
        "loggers": {
            "proxy": {"level": level.upper()},
            "gunicorn.error": {
                "level": level.upper(),
                "handlers": ["stdout"],
                "propagate": False,
            },
        },
    }
