"""The volume's loop: look at it every two seconds, start an attempt when one is due.

It reads the wall clock and the files anew each time, so a suspended node, a clock that
jumps, a person's `claude auth login` and another refresher's attempt are all just what
the next look finds. It makes no call to the API server and none to Anthropic: what those
say is on the board.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable

from refresher import credentials, decide, files, preflight, refresh
from refresher.operator import memory, observation
from refresher.operator.board import Board
from refresher.operator.check import Check, Verdict
from refresher.operator.observation import Circumstances, Observation, Statement
from refresher.operator.resource import (
    Absent,
    ClaudeCredential,
    Found,
    Spec,
    Unknown,
    asked_for,
)
from refresher.outcome import Kind, Outcome
from refresher.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

TICK = 2.0
"""Seconds between two looks: how long a person's login can go unnoticed."""

CountAttempt = Callable[[Outcome, float], None]
"""Takes the end of each attempt, and the seconds it took."""


class Scheduler:
    """One volume's loop. `run` it; `stop` ends it once a running CLI has finished."""

    def __init__(
        self,
        settings: Settings,
        board: Board,
        count_attempt: CountAttempt,
        *,
        log_in: str,
    ) -> None:
        """`log_in` says how a person logs in to this volume."""
        self._settings = settings
        self._board = board
        self._count_attempt = count_attempt
        self._log_in = log_in
        self._remembered: Found = board.credential.value
        self._uid: str | None = None
        self._handled: str | None = None
        self._found: credentials.Found | None = None
        self._refused: Outcome | None = None
        self._not_before = 0.0
        self._attempt: asyncio.Task[None] | None = None
        self._logged: set[str] = set()
        self._complaint = ""
        self._history_problem: str | None = None
        self._wake = asyncio.Event()
        self._stopping = threading.Event()
        self.ticked_at: float | None = None
        """When a look was last completed, on the monotonic clock."""
        board.credential.subscribe(self._wake)
        board.check.subscribe(self._wake)

    async def run(self) -> None:
        """Look, again and again, until `stop`; then wait for a CLI that is running.

        A look that fails is logged, and shows in liveness.
        """
        while not self._stopping.is_set():
            self._wake.clear()
            await self._tick()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._wake.wait()
        if self._attempt:
            logger.info("waiting for the running CLI to finish")
            await self._attempt
        await self._tick()

    def stop(self) -> None:
        """Start nothing more, and let `run` end after a last look."""
        self._stopping.set()
        self._wake.set()

    async def _tick(self) -> None:
        try:
            await self._look()
        except Exception as ex:
            if repr(ex) != self._complaint:
                self._complaint = repr(ex)
                logger.exception("a look at the volume failed")
        else:
            self._complaint = ""

    async def _look(self) -> None:
        """Look once, and start an attempt if one is due."""
        known = self._board.credential.value
        credential = known if isinstance(known, ClaudeCredential) else None
        await self._remember(known)
        if credential and credential.uid != self._uid:
            self._uid, self._handled = credential.uid, None
        if credential and self._handled is None:
            # What the volume remembers of a ClaudeCredential is without its status.
            self._handled = credential.status.handled_refresh_request
        settings, problems = self._timed(credential)
        await self._set_history_aside()
        request, check = self._request(credential), self._board.check.value
        view, blocked = await asyncio.to_thread(
            _look, settings, requested=bool(request), rejected=_rejected(check)
        )
        if view.found != self._found:
            self._found, self._refused, self._not_before = view.found, None, 0.0
        paused = credential is None or credential.spec.suspend or blocked is not None
        if credential and self._attempt is None and not self._stopping.is_set():
            if isinstance(view.decision, decide.Run) and not paused:
                self._begin(settings, request, check)
            elif request and _handled(view, check, request, paused=paused):
                logger.info("the request was handled: no refresh is due")
                self._handled = request
        around = Circumstances(
            managed=_managed(known),
            credential=credential,
            blocked=blocked or (self._refused.reason if self._refused else None),
            busy=blocked is None and self._is_busy,
            problems=tuple(problems),
            check=check,
            attempting=self._attempt is not None,
            handled=self._handled,
            log_in=self._log_in,
        )
        before = self._board.observation.value
        self._show(observation.observe(settings, view, around, before))
        self.ticked_at = time.monotonic()

    async def _set_history_aside(self) -> None:
        """Move a history that cannot be read out of the way, and say so once."""
        directory = self._settings.config_dir
        problem = await asyncio.to_thread(files.history_problem, directory)
        if problem and problem != self._history_problem:
            await asyncio.to_thread(files.set_history_aside, directory)
        self._history_problem = problem

    async def _remember(self, known: Found) -> None:
        """Keep the volume's own memory of the ClaudeCredential up to date."""
        if asked_for(known) == asked_for(self._remembered):
            return
        if isinstance(known, ClaudeCredential):
            await asyncio.to_thread(memory.remember, self._settings, known)
        elif isinstance(known, Absent):
            await asyncio.to_thread(memory.forget, self._settings)
        self._remembered = known

    def _timed(
        self, credential: ClaudeCredential | None
    ) -> tuple[Settings, list[Statement]]:
        """Return the settings that the spec asks for, and what is wrong with it."""
        settings, problems = self._settings, []
        spec = credential.spec if credential else Spec()
        if credential and credential.spec_problem:
            problems.append(_invalid("InvalidSpec", credential.spec_problem))
        if spec.renew_before is not None:
            try:
                settings = settings.renewing(spec.renew_before)
            except SettingsError as ex:
                problems.append(_invalid("InvalidSpec", f"spec.renewBefore: {ex}"))
        if spec.schedule is not None:
            try:
                settings = settings.scheduled(spec.schedule, spec.time_zone)
            except SettingsError as ex:
                problems.append(_invalid("InvalidSchedule", f"spec.{ex}"))
        return settings, problems

    @property
    def _is_busy(self) -> bool:
        return self._refused is not None and self._refused.kind is Kind.BUSY

    def _request(self, credential: ClaudeCredential | None) -> str | None:
        request = credential.request if credential else None
        return request if request != self._handled else None

    def _begin(
        self, settings: Settings, request: str | None, check: Check | None
    ) -> None:
        if time.monotonic() >= self._not_before:
            attempt = self._make_attempt(settings, request, _rejected(check))
            self._attempt = asyncio.create_task(attempt)

    async def _make_attempt(
        self, settings: Settings, request: str | None, rejected: str | None
    ) -> None:
        began = time.monotonic()
        try:
            outcome = await asyncio.to_thread(
                refresh.once,
                settings,
                stop=self._stopping,
                requested=bool(request),
                rejected=rejected,
            )
            level = logging.INFO if outcome.exit_code == 0 else logging.WARNING
            logger.log(level, "%s", outcome)
            self._logged.add(str(outcome))
            self._count_attempt(outcome, time.monotonic() - began)
            if outcome.kind in _REFUSALS:
                self._refused = outcome
                self._pause(settings)
            else:
                self._refused = None
        except Exception:
            logger.exception("an attempt failed unexpectedly")
            self._pause(settings)
        finally:
            self._handled = request or self._handled
            self._attempt = None
            self._wake.set()

    def _pause(self, settings: Settings) -> None:
        self._not_before = time.monotonic() + settings.interval.total_seconds()

    def _show(self, observed: Observation) -> None:
        for statement, level in _worth_a_line(observed):
            if statement.message not in self._logged:
                logger.log(level, "%s: %s", statement.reason, statement.message)
        self._logged = {each.message for each, _ in _worth_a_line(observed)}
        self._board.observation.set(observed)


_REFUSALS = {Kind.BLOCKED, Kind.BUSY}
"""What the history does not record: no CLI was started."""


def _look(
    settings: Settings, *, requested: bool, rejected: str | None
) -> tuple[decide.View, str | None]:
    view = refresh.look(
        settings, refresh.utc_now(), requested=requested, rejected=rejected
    )
    return view, preflight.inspect(settings)


def _invalid(reason: str, problem: str) -> Statement:
    return Statement(False, reason, problem, True)


def _rejected(check: Check | None) -> str | None:
    rejected = check is not None and check.verdict is Verdict.REJECTED
    return check.revision if check and rejected else None


def _handled(
    view: decide.View, check: Check | None, request: str, *, paused: bool
) -> bool:
    """Whether a request is answered though no attempt follows from it.

    It waits for the end of a pause after a failure, and for the check of the token.
    """
    found, decision = view.found, view.decision
    if isinstance(decision, decide.Wait) and decision.outcome.kind is not Kind.NOT_DUE:
        return False
    if paused or isinstance(decision, decide.Stop):
        return True
    if not isinstance(found, credentials.Credential) or found.expires_at <= view.now:
        return True
    if check is None:
        return False
    return (check.request, check.revision) == (request, found.revision)


def _managed(known: Found) -> Statement:
    match known:
        case ClaudeCredential():
            return Statement(True, "Managed", "a ClaudeCredential asks for it")
        case Absent(reason):
            return Statement(
                False, "NoClaudeCredential", f"{reason}, so nothing is refreshed"
            )
        case Unknown():
            return Statement(
                False,
                "WaitingForApiServer",
                "the API server has not yet said whether there is a ClaudeCredential, "
                "so nothing is refreshed",
            )


def _worth_a_line(observed: Observation) -> list[tuple[Statement, int]]:
    """Return what the log says about an observation, with the level."""
    lines = []
    if not observed.managed.true:
        absent = observed.managed.reason == "NoClaudeCredential"
        lines.append((observed.managed, logging.WARNING if absent else logging.INFO))
    ready, login = observed.ready, observed.login_required
    good = ready.reason == observation.VALID
    lines.append((ready, logging.INFO if good else logging.WARNING))
    if login.true and login.message != ready.message:
        lines.append((login, logging.WARNING))
    if observed.suspended.true:
        lines.append((observed.suspended, logging.INFO))
    return lines
