"""b6 and b8: what the headers of Anthropic's responses say."""

from datetime import UTC, datetime

import pytest

from proxy.translate import headers


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("Sun, 01 Nov 2026 00:00:20 GMT", 20.0),
        ("Sat, 31 Oct 2026 23:00:00 GMT", 0.0),
        ("01 Nov 2026 00:00:20", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("", None),
    ],
)
def test_b8_retry_after_is_a_number_or_a_date(
    value: str, seconds: float | None
) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)

    assert headers.retry_after({"retry-after": value}, now) == seconds


def test_b6_headers_limits_that_anthropic_did_not_report_are_absent() -> None:
    assert headers.to_client({}, datetime(2026, 11, 1, tzinfo=UTC)) == {}


def test_b6_headers_rate_limits_are_passed_in_openais_names() -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)

    passed = headers.to_client(
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2026-11-01T00:01:30Z",
            "anthropic-ratelimit-tokens-reset": "soon",
            "anthropic-ratelimit-tokens-limit": "",
        },
        now,
    )

    assert passed == {
        "x-ratelimit-limit-requests": "50",
        "x-ratelimit-remaining-requests": "49",
        "x-ratelimit-reset-requests": "90s",
    }
