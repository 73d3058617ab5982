"""What probes and Prometheus are told."""

import asyncio
import socket
import time
import urllib.error
import urllib.request
from datetime import timedelta

import pytest

from logins import NOW, credential
from refresher.operator import health
from refresher.operator.status import Report, Said
from refresher.outcome import Kind, Outcome

ALIVE = credential(left=3600, login_ends_at=NOW + timedelta(days=9))


def report(found=ALIVE, *, ready=True, failures=0):
    return Report(
        credential=found,
        ready=Said(ready, "TokenValid" if ready else "NoCredentials", "in words"),
        login_required=Said(not ready, "LoginAlive", "in words"),
        suspended=Said(False, "Active", "in words"),
        next_at=NOW,
        refreshed_at=None,
        failed_at=None,
        failures=failures,
        refreshes=0,
        renewing=False,
    )


def answers(path, *reports, ticked=0.0, metrics=None):
    """(status, text) of a path, after these reports, `ticked` seconds after a look."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    at = None if ticked is None else time.monotonic() - ticked
    served = health.Health(metrics or health.Metrics(), lambda: at)
    for each in reports:
        served.show(each)

    def ask():
        try:
            url = f"http://127.0.0.1:{port}{path}"
            with urllib.request.urlopen(url, timeout=5) as answer:
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
    ("ticked", "status"), [(None, 503), (0, 200), (29, 200), (31, 503)]
)
def test_liveness_is_that_the_volume_was_looked_at_lately(ticked, status):
    assert answers("/healthz", report(ready=False), ticked=ticked)[0] == status


def test_readiness_is_that_the_token_works_and_says_why_not():
    assert answers("/readyz") == (503, "not looked yet\n")
    assert answers("/readyz", report()) == (200, "TokenValid: in words\n")
    assert answers("/readyz", report(None, ready=False)) == (
        503,
        "NoCredentials: in words\n",
    )


def test_metrics_tell_the_ends_the_failures_and_the_tries():
    metrics = health.Metrics()
    metrics.count_try(Outcome(Kind.REFRESHED, "well"), 1.5)
    metrics.count_publish("published")

    _, page = answers("/metrics", report(failures=3), metrics=metrics)

    values = dict(line.rsplit(" ", 1) for line in page.splitlines() if line[0] != "#")
    expected = {
        "claude_credential_expiration_timestamp_seconds": ALIVE.expires_at.timestamp(),
        "claude_login_expiration_timestamp_seconds": ALIVE.login_ends_at.timestamp(),
        "claude_credential_ready": 1,
        "claude_login_required": 0,
        "claude_refresh_next_timestamp_seconds": NOW.timestamp(),
        "claude_refresh_consecutive_failures": 3,
        'claude_refresh_total{result="Refreshed"}': 1,
        'claude_refresh_total{result="NotRefreshed"}': 0,
        "claude_refresh_duration_seconds_sum": 1.5,
        'claude_token_publish_total{result="published"}': 1,
        'claude_token_publish_total{result="failed"}': 0,
    }
    assert {name: float(values[name]) for name in expected} == expected


def test_without_a_login_its_times_are_zero():
    _, page = answers("/metrics", report(), report(None, ready=False))

    assert "\nclaude_credential_expiration_timestamp_seconds 0.0\n" in page
    assert "\nclaude_credential_ready 0.0\n" in page
