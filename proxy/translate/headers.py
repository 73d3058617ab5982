"""What the headers of Anthropic's responses say: when to try again, what is left (rows b6, b8)."""

from collections.abc import Mapping
from datetime import datetime
from email import utils


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
    for what in ("requests", "tokens"):
        for fact in ("limit", "remaining", "reset"):
            value = headers.get(f"anthropic-ratelimit-{what}-{fact}", "")
            if fact == "reset":
                value = _seconds_until(value, now)
            if value.isascii() and value.isprintable() and value:
                out[f"x-ratelimit-{fact}-{what}"] = value
    return out


def _seconds_until(when: str, now: datetime) -> str:
    if not when:
        return ""
    try:
        seconds = (datetime.fromisoformat(when) - now).total_seconds()
    except (ValueError, TypeError):
        return ""
    return f"{max(0.0, seconds):.0f}s"
