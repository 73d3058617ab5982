"""The volume's loop: look at it every two seconds, start a try when one is due.

It reads the wall clock and the files anew each time, so a suspended node, a clock that
jumps, a person's `claude auth login` and another refresher's run are all just what the
next look finds. It makes no API call.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable

from refresher import credentials, decide, preflight, refresh
from refresher.operator import status
from refresher.operator.resource import Resource, Spec
from refresher.outcome import Kind, Outcome
from refresher.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

TICK = 2.0
"""Seconds between two looks: how long a person's login can go unnoticed."""

Tell = Callable[[status.Report, str | None], None]
"""Takes each look's report, and the manual request that was handled last."""
TellTry = Callable[[Outcome, float], None]
"""Takes the end of each try, and the seconds it took."""


class Scheduler:
    """One volume's loop. `run` it; `stop` ends it, a CLI that runs is waited for."""

    def __init__(self, settings: Settings, tell: Tell, tell_try: TellTry) -> None:
        self._settings = settings
        self._tell = tell
        self._tell_try = tell_try
        self._resource: Resource | None = None
        self._handled: str | None = None
        self._found: credentials.Found | None = None
        self._refused: Outcome | None = None
        self._not_before = 0.0
        self._trying: asyncio.Task[None] | None = None
        self._said: set[str] = set()
        self._wake = asyncio.Event()
        self._stopping = threading.Event()
        self.ticked_at: float | None = None
        """When a look was last done to its end, on the monotonic clock."""

    def see(self, resource: Resource | None) -> None:
        """Take the CR as the cluster has it now; None where there is none."""
        known = self._resource
        if resource and (known is None or known.uid != resource.uid):
            self._handled = resource.status.handled_refresh_request
        self._resource = resource
        self._wake.set()

    async def run(self) -> None:
        """Look, again and again, until `stop`; a CLI that runs then is waited for.

        A look that fails is logged, and told by liveness.
        """
        while not self._stopping.is_set():
            self._wake.clear()
            await self._tick()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._wake.wait()
        if self._trying:
            logger.info("a CLI that runs is let to finish first")
            await self._trying
        await self._tick()

    def stop(self) -> None:
        """Start nothing more, and let `run` end after a last look."""
        self._stopping.set()
        self._wake.set()

    async def _tick(self) -> None:
        try:
            await self._look()
        except Exception:
            logger.exception("a look at the volume failed")

    async def _look(self) -> None:
        """Look once, and start a try if one is due."""
        settings, bad_schedule = self._scheduled()
        request = self._request()
        view, blocked = await asyncio.to_thread(
            _look, settings, requested=bool(request)
        )
        if view.found != self._found:
            self._found, self._refused, self._not_before = view.found, None, 0.0
        if self._trying is None:
            self._act(settings, view, blocked, request)
        around = status.Around(
            spec=self._spec,
            blocked=blocked or (self._refused.reason if self._refused else None),
            bad_schedule=bad_schedule,
        )
        self._report(status.describe(settings, view, around))
        self.ticked_at = time.monotonic()

    @property
    def _spec(self) -> Spec:
        return self._resource.spec if self._resource else Spec()

    def _scheduled(self) -> tuple[Settings, str | None]:
        spec = self._spec
        if spec.schedule is None:
            return self._settings, None
        try:
            return self._settings.scheduled(spec.schedule, spec.time_zone), None
        except SettingsError as ex:
            return self._settings, str(ex)

    def _request(self) -> str | None:
        request = self._resource.request if self._resource else None
        return request if request != self._handled else None

    def _act(
        self,
        settings: Settings,
        view: decide.View,
        blocked: str | None,
        request: str | None,
    ) -> None:
        if self._resource is None or self._stopping.is_set():
            return
        due = isinstance(view.decision, decide.Run)
        if due and not blocked and not self._spec.suspend:
            if time.monotonic() >= self._not_before:
                self._trying = asyncio.create_task(self._try(settings, request))
            return
        if request and not _pausing(view.decision):
            logger.info("the request for a try was handled: nothing to start now")
            self._handled = request

    async def _try(self, settings: Settings, request: str | None) -> None:
        began = time.monotonic()
        try:
            outcome = await asyncio.to_thread(
                refresh.once, settings, stop=self._stopping, requested=bool(request)
            )
            logger.log(
                logging.INFO if outcome.exit_code == 0 else logging.WARNING,
                "%s",
                outcome,
            )
            self._said.add(str(outcome))
            self._tell_try(outcome, time.monotonic() - began)
            if outcome.kind in _REFUSALS:
                self._refused = outcome
                self._pause(settings)
            else:
                self._refused = None
        except Exception:
            logger.exception("a try failed in an unforeseen way")
            self._pause(settings)
        finally:
            self._handled = request or self._handled
            self._trying = None
            self._wake.set()

    def _pause(self, settings: Settings) -> None:
        self._not_before = time.monotonic() + settings.interval.total_seconds()

    def _report(self, report: status.Report) -> None:
        for now, bad in _worth_a_line(report):
            if now.message not in self._said:
                level = logging.WARNING if bad else logging.INFO
                logger.log(level, "%s: %s", now.reason, now.message)
        self._said = {now.message for now, _ in _worth_a_line(report)}
        self._tell(report, self._handled)


_REFUSALS = {Kind.BLOCKED, Kind.BUSY}
"""What the state file does not remember: no CLI was started."""


def _look(settings: Settings, *, requested: bool) -> tuple[decide.View, str | None]:
    view = refresh.look(settings, refresh.utc_now(), requested=requested)
    return view, preflight.inspect(settings)


def _pausing(decision: decide.Decision) -> bool:
    """Whether a wish for a try has to wait a little after a failure."""
    return (
        isinstance(decision, decide.Wait) and decision.outcome.kind is not Kind.NOT_DUE
    )


def _worth_a_line(report: status.Report) -> list[tuple[status.Said, bool]]:
    """Give what the log should hold, and whether it is a warning."""
    told = [(report.ready, report.ready.reason != status.VALID)]
    if (
        report.login_required.true
        and report.login_required.message != told[0][0].message
    ):
        told.append((report.login_required, True))
    if report.suspended.true:
        told.append((report.suspended, False))
    return told
