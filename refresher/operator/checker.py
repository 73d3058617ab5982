"""Anthropic's loop: ask now and then whether the access token is accepted.

`check` decides when. Nothing waits for this loop but a person's request, and each of its
questions ends within 20 seconds.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from refresher import credentials, refresh
from refresher.operator import check
from refresher.operator.board import Board
from refresher.operator.check import Response, Verdict
from refresher.operator.resource import ClaudeCredential
from refresher.outcome import MEANINGS, Kind

logger = logging.getLogger(__name__)

Ask = Callable[[str], Awaitable[Response]]
"""Takes an access token; never raises."""


class Checker:
    """The loop over one board. `run` it until `stop`."""

    def __init__(
        self, board: Board, ask: Ask, count_check: Callable[[str], None]
    ) -> None:
        self._board = board
        self._ask = ask
        self._count_check = count_check
        self._stopping = False
        self._wake = asyncio.Event()
        board.credential.subscribe(self._wake)
        board.observation.subscribe(self._wake)

    def stop(self) -> None:
        """Let `run` end, after a question that is under way."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Check when `check` says so, until `stop`."""
        while not self._stopping:
            self._wake.clear()
            pause = await self._round()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _round(self) -> float | None:
        """Check if that is due; return the seconds until it is, None for never."""
        known = self._board.credential.value
        found = self._token()
        if found is None or not isinstance(known, ClaudeCredential):
            return None
        before, request = self._board.check.value, known.request
        now = time.monotonic()
        pause = check.pause(before, revision=found.revision, request=request, now=now)
        if pause > 0:
            return pause
        response = await self._ask(found.access_token)
        self._count_check(response.verdict.value)
        if response.verdict is Verdict.UNKNOWN:
            logger.info("the access token could not be checked: %s", response.detail)
        after = check.record(
            before,
            response,
            revision=found.revision,
            request=request,
            at=time.monotonic(),
        )
        self._board.check.set(after)
        return 0.0

    def _token(self) -> credentials.Credential | None:
        """Return the token to check: one that is used, and has not expired."""
        observed = self._board.observation.value
        if observed is None or observed.credential is None:
            return None
        if observed.suspended.reason == MEANINGS[Kind.SKIPPED].condition:
            return None
        expired = observed.credential.expires_at <= refresh.utc_now()
        return None if expired else observed.credential
