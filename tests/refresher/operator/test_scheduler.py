"""The volume's loop, with a fake CLI and no cluster."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from logins import LONG, age_last_attempt, credential, login, make_settings
from refresher import credentials, files, refresh
from refresher.operator import memory, scheduler
from refresher.operator.board import Board
from refresher.operator.check import Check, Verdict
from refresher.operator.resource import (
    Absent,
    ClaudeCredential,
    CredentialStatus,
    Spec,
    Unknown,
)
from refresher.outcome import Kind

CREDENTIAL = ClaudeCredential(name="claude", namespace="here", uid="1", generation=1)
REQUEST = msgspec.structs.replace(CREDENTIAL, request="now")


class Loop:
    """A scheduler over a volume and a board, and the attempts that it made."""

    def __init__(self, volume, claude, found=CREDENTIAL):
        self.settings = make_settings(
            volume, claude_bin=str(claude.path), pod_namespace="here"
        )
        self.volume, self.claude, self.attempts, self.looks = volume, claude, [], 0
        self.board = Board(memory.recall(self.settings))
        self.scheduler = scheduler.Scheduler(
            self.settings, self.board, self._count, log_in="log in there"
        )
        self.board.credential.set(found)

    def _count(self, outcome, _seconds):
        self.attempts.append(outcome.kind)

    @property
    def observed(self):
        return self.board.observation.value

    @property
    def ready(self):
        return self.observed and self.observed.ready.reason

    @property
    def handled(self):
        return self.observed and self.observed.handled

    async def look(self, times=1):
        """Wait for some more looks at the volume."""
        for _ in range(times):
            before = self.scheduler.ticked_at
            await self.until(lambda last=before: self.scheduler.ticked_at != last)

    def check(self, verdict, access="access-1", **words):
        """Put on the board what Anthropic says of a token."""
        revision = credential(left=0, access=access).revision
        given = {"request": None, "at": 0.0, **words}
        self.board.check.set(Check(revision=revision, verdict=verdict, **given))

    async def until(self, condition):
        async with asyncio.timeout(LONG):
            while not condition():  # noqa: ASYNC110 - of a thread's doing
                await asyncio.sleep(0.01)

    def run(self, act):
        """Let it run while `act(self)` does."""

        async def both():
            running = asyncio.create_task(self.scheduler.run())
            await act(self)
            self.scheduler.stop()
            await running

        asyncio.run(both())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(scheduler, "TICK", 0.02)


@pytest.fixture
def put(volume):
    def write(left, **words):
        expires_at = refresh.utc_now() + timedelta(seconds=left)
        data = login(expires_at=expires_at, **words)
        files.replace(volume / credentials.FILE_NAME, data)

    return write


def test_a_token_that_is_due_is_refreshed_once(volume, fake, put):
    put(200)

    async def act(loop):
        await loop.until(lambda: loop.attempts)
        await loop.until(lambda: loop.observed.refreshes == 1)

    loop = Loop(volume, fake("ok"))
    loop.run(act)

    assert loop.attempts == [Kind.REFRESHED]
    assert loop.ready == "TokenValid"
    assert len(loop.claude.calls) == 1


def test_a_persons_login_is_noticed(volume, fake, put):
    async def act(loop):
        await loop.until(lambda: loop.ready == "NoCredentials")
        put(28800)
        await loop.until(lambda: loop.ready == "TokenValid")

    Loop(volume, fake("ok")).run(act)


@pytest.mark.parametrize(
    ("found", "managed"),
    [
        (Unknown(), False),
        (Absent("there is none"), False),
        (msgspec.structs.replace(CREDENTIAL, spec=Spec(suspend=True)), True),
    ],
)
def test_without_a_credential_or_suspended_nothing_is_started(
    volume, fake, put, found, managed
):
    put(-60)

    async def act(loop):
        await loop.look(3)

    loop = Loop(volume, fake("ok"), found)
    loop.run(act)

    assert loop.claude.calls == []
    assert loop.observed.managed.true is managed


def test_a_pause_is_kept_and_a_request_only_shortens_it(volume, fake, put):
    put(-86400)

    async def act(loop):
        await loop.until(lambda: len(loop.attempts) == 1)
        age_last_attempt(volume, 61)
        await loop.until(lambda: len(loop.attempts) == 2)
        loop.board.credential.set(REQUEST)
        await loop.look(4)
        assert len(loop.attempts) == 2  # a minute since the last one is the least
        assert loop.handled is None
        age_last_attempt(volume, 61)
        await loop.until(lambda: len(loop.attempts) == 3)
        await loop.until(lambda: loop.handled == "now")

    Loop(volume, fake("unchanged")).run(act)


def test_a_request_is_handled_when_anthropic_has_been_asked_for_it(volume, fake, put):
    put(28800)

    async def act(loop):
        loop.check(Verdict.ACCEPTED)
        loop.board.credential.set(REQUEST)
        await loop.look(3)
        assert loop.handled is None
        loop.check(Verdict.ACCEPTED, request="now")
        await loop.until(lambda: loop.handled == "now")

    loop = Loop(volume, fake("ok"))
    loop.run(act)

    assert loop.claude.calls == []


def test_a_rejected_token_is_refreshed_early_on_request_and_not_before(
    volume, fake, put
):
    put(28800)

    async def act(loop):
        loop.check(Verdict.REJECTED)
        await loop.until(lambda: loop.ready == "TokenRejected")
        await loop.look(3)
        assert loop.attempts == []
        loop.board.credential.set(REQUEST)
        await loop.until(lambda: loop.attempts == [Kind.REFRESHED])
        await loop.until(lambda: loop.handled == "now")

    loop = Loop(volume, fake("ok"))
    loop.run(act)

    assert len(loop.claude.calls) == 1


def test_a_request_that_was_handled_before_a_restart_is_not_handled_again(
    volume, fake, put
):
    put(28800)
    handled = CredentialStatus(handled_refresh_request="now")
    found = msgspec.structs.replace(REQUEST, status=handled)

    async def act(loop):
        loop.check(Verdict.REJECTED)
        loop.board.credential.set(CREDENTIAL)  # as the volume remembers it
        await loop.look()
        loop.board.credential.set(found)
        await loop.until(lambda: loop.handled == "now")
        await loop.look(3)

    loop = Loop(volume, fake("ok"), Unknown())
    loop.run(act)

    assert loop.claude.calls == []


def test_what_only_a_write_finds_out_is_reported_and_not_tried_every_second(
    volume, fake, put, monkeypatch
):
    put(200)
    full = "the volume cannot take a new token"
    monkeypatch.setattr(refresh.preflight, "probe", lambda _: full)

    async def act(loop):
        await loop.until(lambda: loop.ready == "Blocked")
        await loop.look(5)

    loop = Loop(volume, fake("ok"))
    loop.run(act)

    assert loop.attempts == [Kind.BLOCKED]
    assert loop.observed.ready.message == full
    assert loop.claude.calls == []


def test_a_look_that_fails_shows_in_liveness_and_once_in_the_log(
    volume, fake, put, monkeypatch, caplog
):
    put(28800)
    looks = []

    def fail(*_, **__):
        looks.append(1)
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(refresh, "look", fail)

    async def act(loop):
        await loop.until(lambda: len(looks) > 3)

    loop = Loop(volume, fake("ok"))
    loop.run(act)

    assert loop.scheduler.ticked_at is None
    assert caplog.text.count("a look at the volume failed") == 1


def test_the_next_operator_knows_what_the_volume_is_for(volume, fake, put):
    put(28800)
    suspended = msgspec.structs.replace(CREDENTIAL, spec=Spec(suspend=True))

    async def act(loop):
        await loop.look(2)

    Loop(volume, fake("ok"), suspended).run(act)

    remembered = Loop(volume, fake("ok")).settings
    assert memory.recall(remembered) == suspended
    elsewhere = msgspec.structs.replace(remembered, pod_namespace="elsewhere")
    assert memory.recall(elsewhere) == Unknown()


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"7", b"[" * 100_000, b"\xff"])
def test_a_memory_that_cannot_be_read_is_none(volume, fake, data):
    (volume / memory.FILE_NAME).write_bytes(data)

    assert memory.recall(Loop(volume, fake("ok")).settings) == Unknown()


@pytest.mark.parametrize(
    ("spec", "attempts"),
    [
        (Spec(renew_before="6h"), [Kind.REFRESHED]),
        (Spec(schedule="* * * * *"), [Kind.REFRESHED]),
        (Spec(renew_before="4h"), []),
        (Spec(schedule="0 0 29 2 *"), []),
    ],
)
def test_the_spec_moves_the_next_refresh(volume, fake, put, spec, attempts):
    put(5 * 3600)

    async def act(loop):
        await loop.until(lambda: loop.attempts == attempts)
        await loop.look(3)

    loop = Loop(volume, fake("ok"), msgspec.structs.replace(CREDENTIAL, spec=spec))
    loop.run(act)

    assert loop.attempts == attempts


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        (Spec(renew_before="soon"), "InvalidSpec", "spec.renewBefore: `soon`: must be"),
        (Spec(renew_before="9h"), "InvalidSpec", "from 1m to 7h"),
        (Spec(schedule="61 * * * *"), "InvalidSchedule", "spec.schedule: `61 * * * *`"),
    ],
)
def test_what_the_spec_cannot_have_is_reported_and_the_login_kept_fresh(
    volume, fake, put, spec, reason, words
):
    put(200)

    async def act(loop):
        await loop.until(lambda: loop.observed and loop.observed.refreshes == 1)

    loop = Loop(volume, fake("ok"), msgspec.structs.replace(CREDENTIAL, spec=spec))
    loop.run(act)

    assert loop.ready == reason
    assert words in loop.observed.ready.message
