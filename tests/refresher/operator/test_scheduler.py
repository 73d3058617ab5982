"""The volume's loop, with a fake CLI and nobody's cluster."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from logins import age_last_attempt, login, make_settings
from refresher import credentials, files, refresh
from refresher.operator import scheduler
from refresher.operator.resource import Resource, Spec, Status
from refresher.outcome import Kind

CR = Resource(
    name="claude",
    namespace="here",
    uid="1",
    generation=1,
    spec=Spec(),
    status=Status(),
    request=None,
)


class Loop:
    """A scheduler over a volume, and what it told."""

    def __init__(self, volume, claude, resource=CR):
        settings = make_settings(volume, claude_bin=str(claude.path))
        self.volume, self.claude = volume, claude
        self.reports, self.tries, self.handled = [], [], None
        self.scheduler = scheduler.Scheduler(settings, self._tell, self._tell_try)
        self.scheduler.see(resource)

    def _tell(self, report, handled):
        self.reports.append(report)
        self.handled = handled

    def _tell_try(self, outcome, _seconds):
        self.tries.append(outcome.kind)

    @property
    def ready(self):
        return self.reports and self.reports[-1].ready.reason

    async def until(self, condition):
        async with asyncio.timeout(20):
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


def test_a_token_that_is_due_is_renewed_once(volume, fake, put):
    put(200)

    async def act(loop):
        await loop.until(lambda: loop.tries)
        await loop.until(lambda: loop.reports[-1].refreshes == 1)

    loop = Loop(volume, fake("ok"))
    loop.run(act)

    assert loop.tries == [Kind.REFRESHED]
    assert loop.ready == "TokenValid"
    assert len(loop.claude.calls) == 1


def test_a_persons_login_is_noticed(volume, fake, put):
    async def act(loop):
        await loop.until(lambda: loop.ready == "NoCredentials")
        put(28800)
        await loop.until(lambda: loop.ready == "TokenValid")

    Loop(volume, fake("ok")).run(act)


@pytest.mark.parametrize(
    "resource", [None, msgspec.structs.replace(CR, spec=Spec(suspend=True))]
)
def test_without_a_credential_or_suspended_nothing_is_started(
    volume, fake, put, resource
):
    put(-60)

    async def act(loop):
        await loop.until(lambda: len(loop.reports) > 3)

    loop = Loop(volume, fake("ok"), resource)
    loop.run(act)

    assert loop.claude.calls == []


def test_a_pause_is_kept_and_a_request_only_shortens_it(volume, fake, put):
    put(-86400)

    async def act(loop):
        await loop.until(lambda: len(loop.tries) == 1)
        age_last_attempt(volume, 61)
        await loop.until(lambda: len(loop.tries) == 2)
        seen = len(loop.reports)
        asked = msgspec.structs.replace(CR, request="now")
        loop.scheduler.see(asked)
        await loop.until(lambda: len(loop.reports) > seen + 3)
        assert len(loop.tries) == 2  # a minute since the last try is the least
        assert loop.handled is None
        age_last_attempt(volume, 61)
        await loop.until(lambda: len(loop.tries) == 3)
        await loop.until(lambda: loop.handled == "now")

    Loop(volume, fake("unchanged")).run(act)


def test_a_request_that_needs_no_try_is_handled_at_once(volume, fake, put):
    put(28800)

    async def act(loop):
        loop.scheduler.see(msgspec.structs.replace(CR, request="now"))
        await loop.until(lambda: loop.handled == "now")

    loop = Loop(volume, fake("ok"))
    loop.run(act)

    assert loop.claude.calls == []


def test_a_request_that_was_handled_before_a_restart_is_not_handled_again(
    volume, fake, put
):
    put(-60)
    handled = Status(handled_refresh_request="now")
    resource = msgspec.structs.replace(CR, request="now", status=handled)

    async def act(loop):
        await loop.until(lambda: loop.tries)

    loop = Loop(volume, fake("unchanged"), resource)
    loop.run(act)

    assert loop.handled == "now"
    assert len(loop.claude.calls) == 1  # it was due anyway


def test_what_only_a_write_finds_out_is_told_and_not_tried_every_second(
    volume, fake, put, monkeypatch
):
    put(200)
    full = "the volume cannot take a new token"
    monkeypatch.setattr(refresh.preflight, "probe", lambda _: full)

    async def act(loop):
        await loop.until(lambda: loop.ready == "Blocked")
        seen = len(loop.reports)
        await loop.until(lambda: len(loop.reports) > seen + 5)

    loop = Loop(volume, fake("ok"))
    loop.run(act)

    assert loop.tries == [Kind.BLOCKED]
    assert loop.reports[-1].ready.message == full
    assert loop.claude.calls == []


def test_a_look_that_fails_is_no_tick(volume, fake, put, monkeypatch):
    put(28800)
    looks = []

    def fail(*_, **__):
        looks.append(1)
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(refresh, "look", fail)

    async def act(loop):
        await loop.until(lambda: len(looks) > 2)

    loop = Loop(volume, fake("ok"))
    loop.run(act)

    assert loop.scheduler.ticked_at is None
