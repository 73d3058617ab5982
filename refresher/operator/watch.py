"""kopf: the watch on the ClaudeCredential, in a thread with an event loop of its own.

kopf ends when the API server answers something that it does not understand, cancels
every task of its event loop when it ends, and does not notice a CRD that is installed
after its start. So it has nothing to do with the other loops but to report what it sees,
it is started once the CRD is known to be there, and it is started again whenever it
ends, or when a look at the API server found what the watch had not reported.

kopf's timers, daemons and create or update handlers are not used: they put a finalizer
and copies of the spec on the CR, and would need rights to patch it.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import kopf

from refresher.operator.backoff import LONGEST, Backoff
from refresher.operator.board import Board
from refresher.operator.resource import (
    GROUP,
    PLURAL,
    VERSION,
    Absent,
    ClaudeCredential,
    Found,
    parse,
)
from refresher.settings import Settings

logger = logging.getLogger(__name__)

_SETTLED = 60.0
"""Seconds after which a watch that ends counts as one that worked."""
_LONGEST_END = 10.0
"""Seconds that kopf gets to end before its thread is left behind."""


class Watch:
    """The watch. `run` it until `stop`; `restart` makes it begin anew."""

    def __init__(self, settings: Settings, board: Board) -> None:
        self._settings = settings
        self._board = board
        self._backoff = Backoff()
        self._stopping = False
        self._wake = asyncio.Event()
        self._ending = asyncio.Event()
        board.credential.subscribe(self._wake)
        # kopf would ask for the user's name, which an arbitrary uid does not have.
        os.environ.setdefault("POD_ID", settings.credential_name)

    async def run(self) -> None:
        """Watch, again and again, until `stop`."""
        while not self._stopping:
            self._wake.clear()
            if not _may_watch(self._board.credential.value):
                await self._wake.wait()
                continue
            began = time.monotonic()
            await self._watch()
            if time.monotonic() - began > _SETTLED:
                self._backoff.succeeded()
            self._backoff.failed(time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._backoff.pause(time.monotonic())):
                    while not self._stopping:
                        self._wake.clear()
                        await self._wake.wait()

    def restart(self) -> None:
        """Begin anew: the watch has missed something."""
        self._ending.set()

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping = True
        self._ending.set()
        self._wake.set()

    async def _watch(self) -> None:
        """Run kopf once, until it ends or has to."""
        self._ending.clear()
        if self._stopping:
            return
        loop = asyncio.get_running_loop()
        end, ended = threading.Event(), asyncio.Event()

        async def hear(event: kopf.RawEvent, **_: object) -> None:
            loop.call_soon_threadsafe(self._hear, event, end)

        def work() -> None:
            try:
                asyncio.run(_watch_once(self._settings, hear, end))
            except Exception as ex:  # noqa: BLE001 - whatever kopf makes of a response
                logger.debug("the watch ended: %s", type(ex).__name__)
            finally:
                with contextlib.suppress(RuntimeError):  # our loop has ended, too
                    loop.call_soon_threadsafe(ended.set)
                    loop.call_soon_threadsafe(self._ending.set)

        threading.Thread(target=work, name="kopf", daemon=True).start()
        await self._ending.wait()
        end.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_END):
                await ended.wait()

    def _hear(self, event: kopf.RawEvent, end: threading.Event) -> None:
        """Take what an event says over to the board, in the board's event loop."""
        if end.is_set():
            return  # of a watch that has been replaced
        try:
            found = parse(event["object"])
        except ValueError:
            return  # the next look at the API server says what is wrong with it
        ours = self._settings.credential_name, self._settings.pod_namespace
        if (found.name, found.namespace) != ours:
            return
        if event["type"] == "DELETED":
            text = f"the ClaudeCredential {found.name} was deleted"
            self._board.credential.set(Absent(text))
        else:
            self._board.credential.set(found)


def _may_watch(known: Found) -> bool:
    # kopf never notices a CRD that was not there when it started.
    return isinstance(known, ClaudeCredential) or (
        isinstance(known, Absent) and known.has_crd
    )


async def _watch_once(
    settings: Settings,
    hear: Callable[..., Coroutine[Any, Any, None]],
    end: threading.Event,
) -> None:
    asyncio.get_running_loop().set_exception_handler(_leave_it_at_a_line)
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login)
    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(hear)
    await kopf.operator(
        registry=registry,
        settings=_kopf_settings(settings),
        standalone=True,
        namespaces=[settings.pod_namespace],
        stop_flag=end,
    )


def _leave_it_at_a_line(
    _loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
    """Log what kopf's abandoned tasks died of, without asyncio's tracebacks.

    It looks at several kinds of the API at once. Where one look fails, the watch ends and
    says why; nobody asks what the others came to.
    """
    ex = context.get("exception")
    logger.debug("left behind by the watch: %s", type(ex).__name__)


def _login(**given: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - kopf's own
    return kopf.login_via_client(**given)


class _Endless:
    """Back-offs without an end: an outage of hours is no reason to give up."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1.0, 2.0, 4.0, 8.0)
        yield from itertools.repeat(LONGEST)


def _kopf_settings(settings: Settings) -> kopf.OperatorSettings:
    """Watch one object of one kind, and do nothing else.

    Without a field selector the Role, which names the object, would refuse the watch.
    The timeouts are for a connection that has died silently.
    """
    chosen = kopf.OperatorSettings()
    chosen.scanning.disabled = True
    chosen.posting.enabled = False
    chosen.process.ultimate_exiting_timeout = None  # it would kill the whole process
    chosen.watching.field_selectors[f"{PLURAL}.{GROUP}"] = (
        f"metadata.name={settings.credential_name}"
    )
    chosen.watching.server_timeout = 300
    chosen.watching.connect_timeout = 10
    chosen.networking.connect_timeout = 10
    chosen.networking.request_timeout = 30
    chosen.networking.error_backoffs = _Endless()
    return chosen
