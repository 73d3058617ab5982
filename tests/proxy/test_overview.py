"""What the status page says, from facts."""

import msgspec
import pytest
from msgspec import structs

from proxy import gauges, history, limits, metrics, overview, prices

NOW = 1_796_000_000.0
STATE = gauges.State(
    ready=True,
    in_flight=0,
    held=0,
    slots=512,
    windows={},
    verdict=None,
    credential="file",
    expires_at=None,
    refused_at=None,
    log_lines_dropped=0,
    remembered={},
)
WELL = overview.Now(at=NOW, state=STATE, trouble=None)


def with_state(**changes: object) -> overview.Now:
    return structs.replace(WELL, state=structs.replace(STATE, **changes))


def used(share: float | None) -> dict[str, limits.Window]:
    return {"5h": limits.Window(share, NOW + 60, NOW)}


def slowed(by: str) -> history.Span:
    return history.Span(requests=9, troubles=history.Counter({by: 1}))


QUIET = history.Span(requests=9)


@pytest.mark.parametrize(
    ("now", "recent", "state", "words"),
    [
        (WELL, QUIET, "ok", "Everything works."),
        (structs.replace(WELL, trouble="No login."), QUIET, "fail", "No login."),
        (with_state(verdict=limits.Verdict("rejected")), QUIET, "fail", "is used up"),
        (with_state(verdict=limits.Verdict("allowed")), QUIET, "ok", "works"),
        (WELL, slowed("full"), "warn", "MAX_REQUESTS"),
        (WELL, slowed("limited"), "warn", "limiting"),
        (WELL, slowed("stalled"), "warn", "stalls"),
        (WELL, slowed("broken"), "warn", "Connections"),
        (WELL, slowed("overloaded"), "warn", "overloaded"),
        (structs.replace(WELL, login_ends_at=NOW + 86400), QUIET, "warn", "log in"),
        (structs.replace(WELL, login_ends_at=NOW + 9 * 86400), QUIET, "ok", "works"),
        (with_state(windows=used(0.9)), QUIET, "warn", "nearly used up"),
        (with_state(windows=used(0.89)), QUIET, "ok", "works"),
        (with_state(windows=used(None)), QUIET, "ok", "works"),
        (WELL, history.Span(requests=9, errors=1), "warn", "one request in ten"),
        (WELL, history.Span(requests=10, errors=1), "ok", "works"),
    ],
)
def test_the_headline_is_the_most_important_thing(
    now: overview.Now, recent: history.Span, state: str, words: str
) -> None:
    told = overview.headline(now, recent, recent.requests)

    assert told.state == state
    assert words in told.words


def test_without_a_request_it_is_ready() -> None:
    assert overview.headline(WELL, history.Span(), 0).words.startswith("Ready.")


@pytest.mark.parametrize("code", sorted(metrics.CODES | {"other"}))
def test_every_code_is_an_error_in_words(code: str) -> None:
    said = overview.words(code)

    assert said.endswith(".")
    assert "_" not in said.replace("MAX_REQUESTS", "")


def test_an_empty_day_has_all_its_parts_and_is_json() -> None:
    past = history.History(now=lambda: NOW)

    shown = msgspec.json.decode(
        msgspec.json.encode(overview.overview(WELL, past, prices.BUILT_IN))
    )

    assert len(shown["spans"]) == overview.SPANS
    last = shown["spans"][-1]
    assert last["at"] <= NOW < last["at"] + shown["span"]
    assert shown["day"]["first_p50"] is None
    assert shown["limits"] == shown["errors"] == shown["day"]["models"] == []
    assert shown["prices"]["date"] == prices.BUILT_IN.date


def test_limits_come_in_the_order_of_their_windows() -> None:
    windows = {"7d": limits.Window(0.1, None, NOW), "5h": limits.Window(0.2, None, NOW)}
    past = history.History(now=lambda: NOW)

    shown = overview.overview(with_state(windows=windows), past, prices.BUILT_IN)

    assert [one["window"] for one in shown["limits"]] == ["5h", "7d"]
