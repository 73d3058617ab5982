"""What probes and Prometheus get."""

import asyncio
import time
import types
import urllib.error
import urllib.request
from datetime import timedelta

import pytest

from logins import LONG, NOW, credential, make_settings
from ports import free_port
from refresher import credentials
from refresher.operator import board, health
from refresher.operator.observation import Statement
from refresher.outcome import Kind, Outcome, moment
from tests.refresher.operator.observed import failed, observe

ALIVE = credential(left=3600, login_ends_at=NOW + timedelta(days=9))


NONE = Statement(False, "NoClaudeCredential", "there is none")
LOST = observe(credentials.Blanked("empty"))


def answers(path, observed=None, *, ticked_at=None, metrics=None):
    """(status, text) of a path, where the last look observed this, then."""
    port = free_port()
    shared = board.Board()
    shared.observation.set(observed)
    served = health.Health(shared, metrics or health.Metrics(), lambda: ticked_at)

    def ask():
        try:
            url = f"http://127.0.0.1:{port}{path}"
            with urllib.request.urlopen(url, timeout=LONG) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as ex:
            with ex:
                return ex.code, ex.read().decode()

    async def serve():
        await served.start(port)
        try:
            return await asyncio.to_thread(ask)
        finally:
            await served.stop()

    return asyncio.run(serve())


@pytest.mark.parametrize(
    ("ago", "status"), [(None, 503), (0, 200), (29, 200), (31, 503)]
)
def test_liveness_is_that_the_volume_was_looked_at_lately(monkeypatch, ago, status):
    now = 1000.0
    clock = types.SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(health, "time", clock)
    ticked_at = None if ago is None else now - ago

    assert answers("/healthz", LOST, ticked_at=ticked_at)[0] == status


def test_readiness_is_that_the_token_works_and_says_why_not():
    assert answers("/readyz") == (503, "not observed yet\n")
    assert answers("/readyz", observe(ALIVE)) == (
        200,
        f"TokenValid: the access token is valid until {moment(ALIVE.expires_at)}\n",
    )
    status, text = answers("/readyz", LOST)
    assert status == 503
    assert text.startswith("LoginRequired: the login is lost: ")


def test_without_a_credential_it_is_alive_and_not_ready():
    unmanaged = observe(ALIVE, managed=NONE)

    assert answers("/healthz", unmanaged, ticked_at=time.monotonic())[0] == 200
    assert answers("/readyz", unmanaged) == (503, "NoClaudeCredential: there is none\n")
    assert "\nclaude_credential_managed 0.0\n" in answers("/metrics", unmanaged)[1]


def test_metrics_hold_the_ends_the_failures_and_the_attempts():
    metrics = health.Metrics()
    metrics.count_attempt(Outcome(Kind.REFRESHED, "well"), 1.5)
    metrics.count_publish("published")
    metrics.count_check("rejected")

    _, page = answers("/metrics", observe(ALIVE, failed(ALIVE, 3)), metrics=metrics)

    values = dict(line.rsplit(" ", 1) for line in page.splitlines() if line[0] != "#")
    opens = ALIVE.expires_at - make_settings().before
    expected = {
        "claude_credential_managed": 1,
        "claude_credential_expiration_timestamp_seconds": ALIVE.expires_at.timestamp(),
        "claude_login_expiration_timestamp_seconds": ALIVE.login_ends_at.timestamp(),
        "claude_credential_ready": 1,
        "claude_login_required": 0,
        "claude_refresh_next_timestamp_seconds": opens.timestamp(),
        "claude_refresh_consecutive_failures": 3,
        'claude_refresh_total{result="Refreshed"}': 1,
        'claude_refresh_total{result="NotRefreshed"}': 0,
        "claude_refresh_duration_seconds_sum": 1.5,
        'claude_token_publish_total{result="published"}': 1,
        'claude_token_publish_total{result="failed"}': 0,
        'claude_token_check_total{result="rejected"}': 1,
        'claude_token_check_total{result="accepted"}': 0,
    }
    assert {name: float(values[name]) for name in expected} == expected


def test_without_a_login_its_times_are_zero():
    _, page = answers("/metrics", LOST)

    assert "\nclaude_credential_expiration_timestamp_seconds 0.0\n" in page
    assert "\nclaude_credential_ready 0.0\n" in page
    assert "\nclaude_login_required 1.0\n" in page
