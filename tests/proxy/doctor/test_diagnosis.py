"""What the doctor concludes from facts: one table."""

from typing import Any

import pytest
from msgspec import structs

from proxy.doctor import diagnosis
from proxy.doctor.facts import Call, Facts, Port

NOW = 1_796_000_000.0
DAY = 86400.0
CALL = Call(url="https://api.anthropic.com", status=200, seconds=0.3, skew=0.5)
WELL = Facts(
    now=NOW,
    ports=(Port("PORT", 8080, "free"), Port("HEALTH_PORT", 8081, "proxy")),
    source="the file /credentials",
    expires_at=NOW + 4 * 3600,
    login_ends_at=NOW + 20 * DAY,
    scopes=("user:inference", "user:profile"),
    call=CALL,
    descriptors=20000,
    max_body_bytes=32 << 20,
    memory_bytes=64 << 20,
    memory_limit=512 << 20,
)


def call(**changes: Any) -> dict[str, Call]:
    return {"call": structs.replace(CALL, **changes)}


def test_where_all_is_well_every_line_says_so() -> None:
    lines = diagnosis.examine(WELL)

    assert {line.verdict for line in lines} == {"ok"}
    assert not diagnosis.failed(lines)
    assert [line.check for line in lines] == [
        "settings", "port", "health port", "credential", "expiry", "scopes", "login",
        "network", "models list", "clock", "deadlines", "files", "memory",
    ]  # fmt: skip


def test_each_bad_variable_has_a_line() -> None:
    bad = ("PORT: must be …", "LOG_LEVEL: must be …")

    lines = diagnosis.examine(structs.replace(WELL, settings_errors=bad))

    assert [line.why for line in lines] == ["PORT: must be ….", "LOG_LEVEL: must be …."]
    assert diagnosis.failed(lines)


@pytest.mark.parametrize(
    ("changes", "check", "verdict", "words"),
    [
        ({"settings_errors": ("PORT: must be …",)}, "settings", "fail", "PORT: must be"),
        ({"ports": (Port("PORT", 80, "forbidden"),)}, "port", "fail", "may not listen"),
        ({"ports": (Port("PORT", 80, "other"),)}, "port", "fail", "Something other"),
        ({"keys_file": True, "keys_trouble": "It is empty"}, "keys", "fail", "It is empty."),
        ({"keys_file": True}, "keys", "ok", "holds keys"),
        ({"keys_file": True, "shortest_key": 16}, "keys", "ok", "holds keys"),
        ({"shortest_key": 15}, "keys", "warn", "can be guessed"),
        ({"token_trouble": "There is none."}, "credential", "fail", "There is none."),
        ({"expires_at": NOW - 61}, "expiry", "fail", "expired at 2026-11-30 00:52 UTC, 1 minute ago"),
        ({"expires_at": NOW - 59}, "expiry", "warn", "less than a minute ago"),
        ({"expires_at": NOW + 240}, "expiry", "warn", "expires at 2026-11-30 00:57 UTC, in 4 minutes"),
        ({"expires_at": NOW + 3600}, "expiry", "ok", "in 1 hour"),
        ({"scopes": ("user:profile",)}, "scopes", "fail", "lacks user:inference"),
        ({"login_ends_at": NOW + 2 * DAY}, "login", "warn", "in 2 days"),
        ({"login_ends_at": NOW - DAY}, "login", "warn", "ended at 2026-11-29 00:53 UTC, 1 day ago"),
        (call(obstacle="NAME_NOT_FOUND"), "DNS", "fail", "cannot be resolved"),
        (call(obstacle="REFUSED"), "connection", "fail", "refused"),
        (call(obstacle="NO_ROUTE"), "connection", "fail", "no route"),
        (call(obstacle="TIMEOUT"), "connection", "fail", "no response in time"),
        (call(obstacle="CLOSED"), "connection", "fail", "closed without"),
        (call(obstacle="TLS"), "TLS", "fail", "handshake failed."),
        (call(obstacle="TLS", tls_error="self-signed"), "TLS", "fail", ": self-signed."),
        (call(obstacle="NETWORK_PROXY"), "network proxy", "fail", "HTTPS_PROXY"),
        (call(obstacle="unreadable"), "connection", "fail", "does not speak HTTP"),
        (call(network_proxy=True), "network", "ok", "through a network proxy"),
        (call(url="http://gateway"), "network", "ok", "The connection works"),
        (call(status=401), "models list", "fail", "(401)"),
        (call(status=403), "models list", "fail", "(403)"),
        (call(status=404), "models list", "warn", "(404)"),
        (call(status=429), "models list", "warn", "(429)"),
        (call(status=529), "models list", "warn", "(529)"),
        (call(status=400), "models list", "fail", "(400)"),
        (call(skew=90.0), "clock", "warn", "90 s ahead of"),
        (call(skew=-90.0), "clock", "warn", "90 s behind"),
        (
            {"idle_timeout": 50.0},
            "deadlines",
            "warn",
            "until then .NET's HttpClient will",
        ),
        (
            {"idle_timeout": 150.0},
            "deadlines",
            "warn",
            "until then .NET's HttpClient, RockBot and Node's fetch will",
        ),
        ({"total_timeout": 300.0}, "deadlines", "warn", "TOTAL_TIMEOUT ends"),
        ({"fitting_requests": 100}, "files", "warn", "100 completions"),
        ({"memory_limit": 511 << 20}, "memory", "warn", "may need 512 MiB"),
        ({"memory_limit": None}, "memory", "ok", "no limit"),
    ],
)  # fmt: skip
def test_a_fact_leads_to_a_line(
    changes: dict[str, Any], check: str, verdict: str, words: str
) -> None:
    lines = diagnosis.examine(structs.replace(WELL, **changes))

    found = [line for line in lines if line.check == check and words in line.why]
    assert [line.verdict for line in found] == [verdict]
    assert bool(found[0].do) == (verdict != "ok"), "it says what to do, if anything"
    assert diagnosis.failed(lines) == (verdict == "fail")


def test_without_a_token_the_network_is_judged_and_the_refusal_is_not() -> None:
    facts = structs.replace(
        WELL, token_trouble="None.", **call(authenticated=False, status=401)
    )

    checks = {line.check: line.verdict for line in diagnosis.examine(facts)}

    assert checks["network"] == "ok"
    assert "models list" not in checks


def test_what_is_not_known_has_no_line() -> None:
    facts = structs.replace(
        WELL, expires_at=None, scopes=(), login_ends_at=None, call=None
    )

    checks = {line.check for line in diagnosis.examine(facts)}

    unknown = {"expiry", "scopes", "login", "network", "models list", "clock"}
    assert not checks & unknown


@pytest.mark.parametrize(
    ("changes", "check", "advice"),
    [
        (call(status=401), "models list", "Check the key"),
        (
            {"kind": "api_key", "begins": "sk-ant-oat", **call(status=401)},
            "models list",
            "set CLAUDE_ACCESS_TOKEN",
        ),
        (
            {"kind": "access_token", "begins": "sk-ant-api", **call(status=401)},
            "models list",
            "set ANTHROPIC_API_KEY to it",
        ),
        (
            {"kind": "file", "begins": "sk-ant-api", **call(status=401)},
            "models list",
            "set ANTHROPIC_API_KEY to it",
        ),
        (call(obstacle="REFUSED"), "connection", "base URL's host and port"),
        (
            call(obstacle="REFUSED", network_proxy=True),
            "connection",
            "what HTTPS_PROXY names",
        ),
        (call(obstacle="TLS", network_proxy=True), "TLS", "SSL_CERT_FILE"),
        (
            call(obstacle="TLS", tls_error="WRONG_VERSION_NUMBER"),
            "TLS",
            "the scheme and the port",
        ),
    ],
)
def test_what_to_do_is_about_what_is_wrong(
    changes: dict[str, Any], check: str, advice: str
) -> None:
    lines = diagnosis.examine(structs.replace(WELL, **changes))

    [found] = [line for line in lines if line.check == check]
    assert advice in found.do
