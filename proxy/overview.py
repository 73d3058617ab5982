"""What the status page shows: its JSON, from the history and the present state. Pure.

Everything in it is a number, a word of the proxy's own, or the id of a request.
"""

from typing import Literal

from msgspec import Struct

from proxy import gauges, history, limits, prices

SPAN = 900
"""Seconds of a bar in a chart."""

SPANS = 96
"""Bars: the last day."""

RECENT = 2
"""Bars that count as recent for the headline."""

NEARLY = 0.9
"""The share of a limit at which to take notice."""

LAST_DAYS = 3 * 86400.0
"""Seconds before the end of a login in which to log in again."""

WORDS = {
    "at_capacity": "Refused: as many completions were in flight as may be (MAX_REQUESTS).",
    "conflict": "Anthropic reported a conflict with another request.",
    "context_length_exceeded": "The conversation was too long for the model.",
    "credential_not_allowed": "Anthropic does not accept this login here.",
    "credentials_expired": "The access token had expired and was not renewed.",
    "credentials_refused": "Anthropic refused the access token; a new one is awaited.",
    "insufficient_quota": "Anthropic will not bill this: credit or a spending limit is used up.",
    "internal_error": "A fault in the proxy; its log says where.",
    "invalid_api_key": "Anthropic refused the proxy's own credential.",
    "model_not_found": "Anthropic does not know the model.",
    "no_credentials": "There was no credential.",
    "overloaded": "Anthropic was overloaded, the second try included.",
    "permission_denied": "Anthropic does not let the credential do this.",
    "rate_limit_exceeded": "A rate limit of Anthropic's was used up.",
    "request_timeout": "The client sent its request too slowly.",
    "request_too_large": "The request was too large.",
    "shutting_down": "The proxy was shutting down.",
    "stream_incomplete": "The response broke off before its end.",
    "upstream_error": "Anthropic failed, or sent something unreadable.",
    "upstream_timeout": "Anthropic did not answer in time, the second try included.",
    "upstream_unreachable": "Anthropic could not be reached.",
}
"""What an error means, by its code; the other codes are the client's mistakes."""

_MISTAKE = "The request was not valid."
_REPORTED = "Anthropic reported an error."


def words(code: str) -> str:
    """An error in words."""
    return WORDS.get(code) or (_REPORTED if code == "other" else _MISTAKE)


class Now(Struct, frozen=True, kw_only=True):
    """The present, beside what metrics know of it."""

    at: float
    state: gauges.State
    trouble: str | None
    """Why no completion can succeed now."""
    login_ends_at: float | None = None
    streams: int = 0
    version: str = ""


class Headline(Struct, frozen=True):
    """The one sentence at the top."""

    state: Literal["ok", "warn", "fail"]
    words: str


def headline(now: Now, recent: history.Span, requests: int) -> Headline:
    """The most important thing that there is to say.

    ``recent`` is the last half hour, ``requests`` the day's.
    """
    state = now.state
    if now.trouble is not None:
        return Headline("fail", now.trouble)
    if state.verdict is not None and state.verdict.status == "rejected":
        return Headline("fail", "Anthropic's limit is used up; see when it is reset.")
    if recent.troubles["full"]:
        return Headline("warn", "Requests were refused: MAX_REQUESTS is reached.")
    if recent.troubles["limited"]:
        return Headline("warn", "Anthropic is limiting requests; they may be slow.")
    if recent.troubles["stalled"]:
        return Headline("warn", "Anthropic stalls: some requests waited in vain.")
    if recent.troubles["broken"]:
        return Headline("warn", "Connections to Anthropic break.")
    if recent.troubles["overloaded"]:
        return Headline("warn", "Anthropic is overloaded; requests are tried again.")
    if now.login_ends_at is not None and now.login_ends_at < now.at + LAST_DAYS:
        return Headline("warn", "The login ends soon: log in again.")
    used = [w.utilization for w in state.windows.values() if w.utilization is not None]
    if max(used, default=0.0) >= NEARLY:
        return Headline("warn", "A limit of Anthropic's is nearly used up.")
    if recent.errors * 10 > recent.requests:
        return Headline("warn", "More than one request in ten failed lately.")
    if not requests:
        return Headline("ok", "Ready. No request has come yet.")
    return Headline("ok", "Everything works.")


def overview(now: Now, past: history.History, table: prices.Table) -> dict[str, object]:
    """The page's JSON. Times are seconds since the epoch, prices USD."""
    spans = past.spans(SPAN, SPANS)
    day, recent = history.Span(), history.Span()
    for span in spans:
        day.add(span)
    for span in spans[-RECENT:]:
        recent.add(span)
    first = (int(now.at // SPAN) - SPANS + 1) * SPAN
    return {
        "now": now.at,
        "started": past.started,
        "version": now.version,
        "headline": headline(now, recent, day.requests),
        "in_flight": now.state.in_flight,
        "streams": now.streams,
        "slots": now.state.slots,
        "prices": {"date": table.date, "source": table.source},
        "day": _day(day),
        "span": SPAN,
        "spans": [_bar(first + i * SPAN, span) for i, span in enumerate(spans)],
        "limits": [
            {"window": name, "used": window.utilization, "resets_at": window.resets_at}
            for name, window in sorted(
                now.state.windows.items(), key=lambda one: limits.WINDOWS.index(one[0])
            )
        ],
        "verdict": now.state.verdict,
        "credential": {
            "source": now.state.credential,
            "trouble": now.trouble,
            "expires_at": now.state.expires_at,
            "login_ends_at": now.login_ends_at,
            "refused_at": now.state.refused_at,
        },
        "errors": [
            {
                "at": failure.at,
                "words": words(failure.code),
                "code": failure.code,
                "reason": failure.reason,
                "status": failure.status,
                "model": failure.model,
                "request_id": failure.request_id,
            }
            for failure in past.failures()
        ],
    }


def _day(day: history.Span) -> dict[str, object]:
    whole = history.Model()
    for model in day.models.values():
        whole.add(model)
    by_cost = sorted(
        day.models.items(), key=lambda one: (-one[1].cost, -one[1].requests, one[0])
    )
    return {
        "requests": day.requests,
        "errors": day.errors,
        "left": day.left,
        "retries": day.retries,
        "lost": day.lost,
        "troubles": day.troubles,
        "total": whole,
        "first_p50": day.quantile(0.5),
        "first_p95": day.quantile(0.95),
        "models": [{"name": name, "share": model} for name, model in by_cost],
    }


def _bar(at: int, span: history.Span) -> dict[str, object]:
    return {
        "at": at,
        "requests": span.requests,
        "errors": span.errors,
        "troubles": span.troubles,
        "retries": span.retries,
        "cost": {name: model.cost for name, model in span.models.items()},
        "p50": span.quantile(0.5),
        "p95": span.quantile(0.95),
    }
