"""What Anthropic's rate-limit headers say, and for how long it counts."""

from datetime import UTC, datetime

import pytest

from proxy import limits

NOW = 1_796_000_000.0
RESET = datetime(2026, 11, 30, 1, tzinfo=UTC).timestamp()
KEY = {
    "anthropic-ratelimit-requests-limit": "4000",
    "anthropic-ratelimit-requests-remaining": "3000",
    "anthropic-ratelimit-requests-reset": "2026-11-30T01:00:00Z",
    "anthropic-ratelimit-input-tokens-limit": "2000000",
    "anthropic-ratelimit-input-tokens-remaining": "500000",
    "anthropic-ratelimit-input-tokens-reset": "2026-11-30T01:00:30.5+00:00",
}
SUBSCRIPTION = {
    "anthropic-ratelimit-unified-status": "allowed_warning",
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
    "anthropic-ratelimit-unified-overage-status": "rejected",
    "anthropic-ratelimit-unified-5h-utilization": "0.87",
    "anthropic-ratelimit-unified-5h-reset": f"{NOW + 3600:.0f}",
    "anthropic-ratelimit-unified-7d-utilization": "1.02",
    "anthropic-ratelimit-unified-7d-reset": f"{NOW + 86400:.0f}",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1796000000", 1796000000.0),
        ("1796000000.5", 1796000000.5),
        ("2026-11-30T01:00:00Z", RESET),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1e300", None),
        ("9999-99-99", None),
    ],
)
def test_a_reset_is_a_date_or_seconds(text: str, expected: float | None) -> None:
    assert limits.moment(text) == expected


def test_a_keys_limits_are_shares_of_what_a_minute_allows() -> None:
    found = limits.windows(KEY, NOW)

    assert {name: window.utilization for name, window in found.items()} == {
        "requests": 0.25,
        "input_tokens": 0.75,
    }
    assert found["requests"].resets_at == RESET


def test_a_subscriptions_limits_are_what_it_says_beyond_the_whole_too() -> None:
    found = limits.windows(SUBSCRIPTION, NOW)

    assert found == {
        "5h": limits.Window(0.87, NOW + 3600, NOW),
        "7d": limits.Window(1.02, NOW + 86400, NOW),
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"anthropic-ratelimit-requests-limit": "0",
         "anthropic-ratelimit-requests-remaining": "0"},
        {"anthropic-ratelimit-requests-limit": "many",
         "anthropic-ratelimit-requests-remaining": "1"},
        {"anthropic-ratelimit-unified-5h-utilization": "nan"},
        {"anthropic-ratelimit-unified-9d-utilization": "0.5"},
    ],
)  # fmt: skip
def test_what_was_not_reported_or_is_nonsense_is_absent(
    headers: dict[str, str],
) -> None:
    assert limits.windows(headers, NOW) == {}
    assert limits.verdict(headers) is None


def test_the_verdict_is_in_words_of_a_closed_set() -> None:
    assert limits.verdict(SUBSCRIPTION) == limits.Verdict(
        "allowed_warning", "five_hour", "rejected"
    )
    invented = {
        "anthropic-ratelimit-unified-status": "frobnicated",
        "anthropic-ratelimit-unified-representative-claim": "<script>",
    }
    assert limits.verdict(invented) == limits.Verdict("other", "other", "")


def test_the_latest_report_of_each_window_is_kept() -> None:
    latest = limits.Limits()
    latest.observe(SUBSCRIPTION, NOW)
    latest.observe({"anthropic-ratelimit-unified-5h-utilization": "0.9"}, NOW + 60)
    latest.observe({}, NOW + 120)

    now = latest.windows(NOW + 120)

    assert (now["5h"].utilization, now["7d"].utilization) == (0.9, 1.02)
    assert latest.verdict(NOW + 120) == limits.verdict(SUBSCRIPTION)


@pytest.mark.parametrize(
    ("later", "names"),
    [
        (limits.KEPT - 1, {"requests", "input_tokens"}),
        (limits.KEPT + 500, set()),
    ],
)
def test_a_report_counts_until_its_reset_and_five_minutes_at_least(
    later: float, names: set[str]
) -> None:
    latest = limits.Limits()
    latest.observe(KEY, NOW)

    assert set(latest.windows(NOW + later)) == names


def test_a_long_window_counts_to_its_end() -> None:
    latest = limits.Limits()
    latest.observe(SUBSCRIPTION, NOW)

    assert set(latest.windows(NOW + 3601)) == {"7d"}


@pytest.mark.parametrize(
    ("named", "until"),
    [
        ({"anthropic-ratelimit-unified-reset": f"{NOW + 1800:.0f}"}, NOW + 1800),
        ({}, NOW + 3600),  # that of the window that decides
        ({"anthropic-ratelimit-unified-representative-claim": ""}, NOW + limits.KEPT),
    ],
)
def test_a_verdict_counts_until_its_reset_and_five_minutes_at_least(
    named: dict[str, str], until: float
) -> None:
    latest = limits.Limits()
    latest.observe({**SUBSCRIPTION, **named}, NOW)

    assert latest.verdict(until - 1) is not None
    assert latest.verdict(until + 1) is None
