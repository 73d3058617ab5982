"""What the headers of Anthropic's responses say: when to try again, what is left (rows b6, b8)."""

from collections.abc import Mapping
from datetime import datetime
from email import utils

_RATE_LIMITS = tuple(
    (f"anthropic-ratelimit-{what}-{fact}", f"x-ratelimit-{fact}-{what}")
    for what in ("requests", "tokens")
    for fact in ("limit", "remaining", "reset")
)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from ``retry-after``: a number, as Anthropic's, or a gateway's HTTP date."""
    if (value := headers.get("retry-after")) is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (utils.parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):  # no date; one without a time zone
            return None
        seconds = max(0.0, seconds)
    return seconds if 0 <= seconds < float("inf") else None


def to_client(headers: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Rate limits in OpenAI's header names; a reset time becomes seconds from ``now``."""
    out = {}
    for theirs, ours in _RATE_LIMITS:
        value = headers.get(theirs)
        if value is None:
            continue
        if theirs.endswith("-reset"):
            value = _seconds_until(value, now)
        if value and value.isascii() and value.isprintable():
            out[ours] = value
    return out


def _seconds_until(when: str, now: datetime) -> str:
    try:
        seconds = (datetime.fromisoformat(when) - now).total_seconds()
    except (ValueError, TypeError):
        return ""
    return f"{max(0.0, seconds):.0f}s"
