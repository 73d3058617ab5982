"""The cluster's loop in this process: what waits for what, and what does not."""

import asyncio

import msgspec
import pytest

from logins import LONG
from refresher.operator import backoff, reporter
from refresher.operator.board import Board
from refresher.operator.check import Verdict
from refresher.operator.resource import Absent, ClaudeCredential, Publish, Spec
from tests.refresher.operator.api_server import CORE, credential, failure
from tests.refresher.operator.observed import ALIVE, checked, claude_credential, observe

SECRET = {"publish": {"secretName": "claude-access-token"}}
ACCEPTED = checked(ALIVE, Verdict.ACCEPTED)


def observed(**words):
    """What the scheduler observes for the CR of the scripted API server."""
    cr = claude_credential(uid="1", generation=1)
    return observe(ALIVE, **{"credential": cr, "check": ACCEPTED, **words})


@pytest.fixture
def run(cluster):
    """Let a reporter run while `act(board, until)` does; returns restarts of the watch."""

    def both(act):
        async def work():
            board, restarts = Board(), []
            loop = reporter.Reporter(
                cluster, board, lambda _: None, lambda: restarts.append(1)
            )
            running = asyncio.create_task(loop.run())

            async def until(condition):
                async with asyncio.timeout(LONG):
                    while not condition():  # noqa: ASYNC110 - of a thread's doing
                        await asyncio.sleep(0.005)

            await act(board, until)
            loop.stop()
            await running
            return restarts

        return asyncio.run(work())

    return both


def test_a_pause_that_the_server_asks_for_is_kept(server, run, monkeypatch):
    monkeypatch.setattr(backoff, "LONGEST", 0.0)  # no pause but that
    server.put(credential(**SECRET))
    server.script = lambda _, path: (
        failure(429, "not now", retry_after="3000") if "/secrets/" in path else None
    )

    async def act(board, until):
        for number in range(5):
            board.observation.set(observed(handled=str(number)))
            await until(lambda: len(server.statuses) > number)  # noqa: B023

    run(act)

    assert server.condition("Published") == ("False", "PublishFailed")
    assert server.count("PATCH", "/secrets/") == 1


def test_a_call_without_rights_does_not_hold_up_one_that_only_fails(server, run):
    left = [2]

    def script(_, path):
        if "/secrets/" in path:
            return failure(403, "no")
        if "/status" in path and left[0]:
            left[0] -= 1
            return failure(503)
        return None

    server.put(credential(**SECRET))
    server.script = script

    async def act(board, until):
        board.observation.set(observed())
        await until(lambda: server.condition("Published"))

    run(act)

    assert server.condition("Published") == ("False", "PublishForbidden")
    assert server.count("PATCH", "/secrets/") == 1


def test_a_secret_that_cannot_be_written_again_still_holds_the_token(
    server, run, monkeypatch
):
    monkeypatch.setattr(reporter, "RESYNC", 0.05)
    server.put(credential(**SECRET))

    async def act(board, until):
        board.observation.set(observed())
        await until(lambda: server.condition("Published"))
        server.script = lambda _, path: failure(503) if "/secrets/" in path else None
        before = server.count("PATCH", "/secrets/")
        await until(lambda: server.count("PATCH", "/secrets/") > before + 1)
        written = len(server.statuses)
        await until(lambda: len(server.statuses) > written)

    run(act)

    assert server.condition("Published") == ("True", "TokenPublished")


def test_a_look_that_is_older_than_the_watch_is_not_believed(server, run):
    server.put(credential())
    newer = claude_credential(uid="1", generation=7)

    def watch_is_quicker(_, path):
        if "fieldSelector" in path:
            loop.call_soon_threadsafe(shared.credential.set, newer)

    async def act(board, until):
        nonlocal loop, shared
        loop, shared = asyncio.get_running_loop(), board
        server.script = watch_is_quicker
        await until(lambda: board.credential.value == newer)
        await until(lambda: server.requests)
        await asyncio.to_thread(server.respond, "GET", "/apis", {}, {})

    loop = shared = None
    run(act)

    assert shared.credential.value == newer


def test_what_a_look_finds_and_the_watch_did_not_report_restarts_the_watch(
    server, run, monkeypatch
):
    monkeypatch.setattr(reporter, "ABSENT", 0.05)
    monkeypatch.setattr(reporter, "RESYNC", 0.05)

    async def act(board, until):
        await until(lambda: isinstance(board.credential.value, Absent))
        server.put(credential())
        await until(lambda: isinstance(board.credential.value, ClaudeCredential))
        looks = len(server.requests)
        await until(lambda: len(server.requests) > looks + 2)

    assert len(run(act)) == 2  # once for each change


def test_many_pods_do_not_hold_up_the_status(server, run, monkeypatch):
    monkeypatch.setattr(reporter, "PODS_SECONDS", 0.0)
    for number in range(150):
        name = f"agent-{number}"
        server.pods[name] = {"metadata": {"name": name}}
    server.put(credential(publish={"annotatePods": True}))

    def annotated():
        return sum("annotations" in each["metadata"] for each in server.pods.values())

    async def act(board, until):
        board.observation.set(observed())
        await until(lambda: server.condition("Published") is not None)
        assert annotated() < 150
        await until(lambda: annotated() == 150)

    run(act)

    assert server.count("PATCH", f"{CORE}/pods/") == 150


def test_a_status_waits_for_the_judgement_of_a_new_spec_and_the_secret_does_not(
    server, run
):
    server.put(credential(**SECRET))
    old = observed(credential=claude_credential(uid="1", generation=0))

    async def act(board, until):
        board.observation.set(old)
        await until(lambda: server.secrets)
        assert server.statuses == []
        board.observation.set(observed())
        await until(lambda: server.statuses)

    run(act)

    assert {each["observedGeneration"] for each in server.statuses} == {1}


def test_a_new_token_is_published_at_once_and_reported_when_it_has_been_checked(
    server, run
):
    server.put(credential(**SECRET))

    async def act(board, until):
        board.observation.set(observed(check=None))
        await until(lambda: server.secrets)
        await until(lambda: server.count("POST", "/events"))
        assert server.statuses == []
        board.observation.set(observed())
        await until(lambda: server.statuses)

    run(act)

    assert server.reasons == ["TokenPublished"]


def test_an_event_that_is_not_wanted_does_not_hold_up_the_next_one(server, run):
    server.put(credential(**SECRET))
    refused = []

    def script(method, _):
        if method == "POST" and not refused:
            refused.append(1)
            return failure(422, "that one is invalid")
        return None

    async def act(board, until):
        server.script = script
        board.observation.set(observed())
        await until(lambda: refused)
        board.observation.set(observed(handled="now"))
        await until(lambda: "RefreshRequested" in server.reasons)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backoff, "REFUSED", 0.05)
        run(act)

    assert server.reasons == ["RefreshRequested"]


def test_an_observation_of_another_credential_is_not_written(server, run):
    server.put(credential(uid="2", **SECRET))

    async def act(board, until):
        board.observation.set(observed())
        await until(lambda: isinstance(board.credential.value, ClaudeCredential))
        await until(lambda: server.secrets)
        both = msgspec.structs.replace(board.observation.value, uid="2")
        board.observation.set(both)
        await until(lambda: server.statuses)

    run(act)

    assert len(server.statuses) == 1


def test_a_credential_that_is_deleted_while_calls_fail_leaves_a_calm_loop(
    server, run, monkeypatch
):
    monkeypatch.setattr(backoff, "LONGEST", 0.0)
    server.put(credential(**SECRET))
    server.script = lambda _, path: failure(503) if "/secrets/" in path else None

    async def act(board, until):
        board.observation.set(observed())
        await until(lambda: server.count("PATCH", "/secrets/") > 2)
        server.put(None)
        board.credential.set(Absent("it was deleted"))
        await until(lambda: server.statuses)
        rounds = await count_rounds(board)
        assert rounds < 10

    run(act)


def test_pods_that_wait_for_the_secret_leave_a_calm_loop(server, run, monkeypatch):
    monkeypatch.setattr(reporter, "RESYNC", 0.3)
    monkeypatch.setattr(backoff, "LONGEST", 30.0)
    server.put(credential(publish={"secretName": "mine", "annotatePods": True}))

    async def act(board, until):
        board.observation.set(observed())
        await until(lambda: server.condition("Published"))
        server.script = lambda _, path: failure(403) if "/secrets/" in path else None
        await until(lambda: server.condition("Published")[0] == "False")
        assert await count_rounds(board) < 30

    run(act)


async def count_rounds(board):
    """How often the loop looks at the observation within half a second."""
    rounds = 0

    class Counted(type(board.observation)):
        @property
        def value(self):
            nonlocal rounds
            rounds += 1
            return self._value

        @value.setter
        def value(self, new):
            self._value = new

    old = board.observation
    board.observation = Counted(old.value)
    await asyncio.sleep(0.5)
    board.observation = old
    return rounds


def test_a_status_from_before_the_restart_is_not_reported_again(
    server, run, monkeypatch
):
    server.put(credential(**SECRET))

    async def first(board, until):
        board.observation.set(observed())
        await until(lambda: server.reasons)

    async def second(board, until):
        server.script = lambda *_: failure(503)
        board.credential.set(remembered)  # as at a start without an API server
        board.observation.set(observed())
        await until(lambda: len(server.requests) > calls + 3)
        server.script = lambda *_: None
        await until(lambda: len(server.statuses) > written)

    run(first)
    remembered = claude_credential(
        Spec(publish=Publish(secret_name="claude-access-token")), uid="1", generation=1
    )
    calls, written = len(server.requests), len(server.statuses)
    monkeypatch.setattr(backoff, "LONGEST", 0.01)
    run(second)

    assert server.reasons == ["TokenPublished"]
