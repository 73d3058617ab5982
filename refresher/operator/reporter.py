"""The cluster's loop: make it say what the volume says.

Level-triggered: each round compares what should be there with what was last written, so
an API server that was away needs no code of its own. The parts of a round fail each on
its own, with a back-off of its own, and every trouble is logged once:

    credential   look the ClaudeCredential up; the watch usually reports it sooner
    Secret       first of what is written, since running agents wait for it
    pods         their annotation, a few seconds of it in each round
    status       what was written is remembered here, never read back: a CRD that is
                 older than this program drops fields
    events       what the status's changes mean
"""

import asyncio
import collections
import concurrent.futures
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

import msgspec

from refresher import refresh
from refresher.operator import events, status
from refresher.operator.api import ClusterError
from refresher.operator.backoff import Backoff
from refresher.operator.board import Board
from refresher.operator.cluster import Cluster, ForeignSecretError
from refresher.operator.observation import Observation, Statement
from refresher.operator.resource import (
    ClaudeCredential,
    CredentialStatus,
    Found,
    Publish,
    asked_for,
)

logger = logging.getLogger(__name__)

RESYNC = 300.0
"""Seconds after which everything is written again: that undoes what others changed."""
ABSENT = 15.0
"""Seconds between two looks for a CR that is not there; the watch is quicker."""
PODS_SECONDS = 5.0
"""How long one round annotates pods before the status gets its turn."""
LAST_ROUND = 20.0
"""Seconds for what is still to be written when the operator stops."""

_WRITES = ("Secret", "pods", "status", "events")
"""What a round writes, in this order."""

_T = TypeVar("_T")


class _Part:
    """One thing that a round does: its back-off, and what is wrong with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.backoff = Backoff()
        self._complaints: set[str] = set()

    def failed(self, ex: Exception) -> None:
        """Note a failure; each kind of it is logged once until the next success."""
        now, text = time.monotonic(), str(ex)
        if isinstance(ex, ClusterError):
            self.backoff.failed(now, refused=ex.refused, retry_after=ex.retry_after)
        else:
            self.backoff.failed(now, refused=True)
        if text in self._complaints:
            return
        self._complaints.add(text)
        if isinstance(ex, ClusterError):
            logger.warning("%s", ex)
        else:
            logger.error("the operator failed at the %s", self.name, exc_info=ex)

    def succeeded(self) -> None:
        self.backoff.succeeded()
        if self._complaints:
            self._complaints.clear()
            logger.info("%s: in order again", self.name)


class _Wanted(NamedTuple):
    """What the Secret is to hold, for which owner."""

    publish: Publish
    owner: str
    revision: str
    expires_at: datetime


class Reporter:
    """One CR's loop. `run` it until `stop`."""

    def __init__(
        self,
        cluster: Cluster,
        board: Board,
        count_publish: Callable[[str], None],
        restart_watch: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._board = board
        self._count_publish = count_publish
        self._restart_watch = restart_watch
        self._executor = concurrent.futures.ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="kubernetes-api"
        )
        self._look = _Part("credential")
        self._next_look = 0.0
        self._looked = False
        self._handled: str | None = None
        self._dropped: list[str] = []
        self._wake = asyncio.Event()
        self._stopping = False
        board.credential.subscribe(self._wake)
        board.observation.subscribe(self._wake)
        self._begin(None)

    def _begin(self, credential: ClaudeCredential | None) -> None:
        """Forget what was written for another CR."""
        self._writes = {name: _Part(name) for name in _WRITES}
        self._uid = credential.uid if credential else None
        self._written = credential.status if credential else CredentialStatus()
        self._status_is_stale = True
        self._secret: Statement | None = None
        self._published: _Wanted | None = None
        self._secret_is_stale = True
        self._pods: Statement | None = None
        self._annotated: str | None = None
        self._more_pods = False
        self._events: collections.deque[tuple[events.Event, datetime]] = (
            collections.deque(maxlen=32)
        )

    async def run(self) -> None:
        """Write what changed, at once; everything, every five minutes; until `stop`."""
        while not self._stopping:
            self._wake.clear()
            pause = await self._round()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_ROUND):
                await self._round()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Let `run` write once more what the last look found, and end."""
        self._stopping = True
        self._wake.set()

    async def _round(self) -> float:
        """Do what is due; return the seconds until something is."""
        now = time.monotonic()
        observed = self._board.observation.value
        if observed and observed.handled != self._handled:
            self._handled = observed.handled
            self._next_look = 0.0  # a request also writes the Secret again
        if now >= self._next_look:
            await self._do(self._look, self._look_up)
        known = self._board.credential.value
        credential = known if isinstance(known, ClaudeCredential) else None
        if credential is None or credential.uid != self._uid:
            self._begin(credential)
        if credential and observed:
            works = {
                "Secret": lambda: self._publish(credential, observed),
                "pods": lambda: self._annotate(credential, observed),
                "status": lambda: self._write_status(credential, observed),
                "events": lambda: self._create_events(credential),
            }
            for name, part in self._writes.items():
                await self._do(part, works[name])
        return self._pause()

    def _pause(self) -> float:
        now = time.monotonic()
        if self._more_pods:
            return 0.0
        failing = [each for each in self._writes.values() if each.backoff.failures]
        return min(
            max(0.0, self._next_look - now, self._look.backoff.pause(now)),
            *(each.backoff.pause(now) for each in failing),
            RESYNC,
        )

    async def _do(self, part: _Part, work: Callable[[], Awaitable[None]]) -> None:
        """Do one part, unless it has to wait; whatever goes wrong ends no round."""
        if part.backoff.pause(time.monotonic()) > 0:
            return
        try:
            await work()
        except Exception as ex:  # noqa: BLE001 - no response may end this loop
            part.failed(ex)
        else:
            part.succeeded()

    async def _look_up(self) -> None:
        before = self._board.credential.value
        found = await self._call(self._cluster.find)
        absent = not isinstance(found, ClaudeCredential)
        self._next_look = time.monotonic() + (ABSENT if absent else RESYNC)
        self._secret_is_stale = self._status_is_stale = True
        self._annotated = None
        if not self._looked:
            self._looked = True
            self._first_look(found)
        if self._board.credential.value != before:
            return  # the watch was quicker, and is never older than a list
        self._board.credential.set(found)
        if asked_for(found) != asked_for(before):
            self._restart_watch()  # it should have said so

    def _first_look(self, found: Found) -> None:
        """Begin anew where the ClaudeCredential came from the volume's memory so far."""
        if isinstance(found, ClaudeCredential):
            self._written = found.status
        self._writes = {name: _Part(name) for name in _WRITES}

    async def _publish(
        self, credential: ClaudeCredential, observed: Observation
    ) -> None:
        """Bring the Secret up to date."""
        publish, token = credential.spec.publish, observed.credential
        if publish.secret_name is None:
            self._secret = self._published = None  # a Secret that is there stays
            return
        if token is None:
            self._secret, self._published = status.NO_TOKEN, None
            return
        wanted = _Wanted(publish, credential.uid, token.revision, token.expires_at)
        if self._published == wanted and not self._secret_is_stale:
            return
        try:
            await self._call(self._cluster.publish, publish, credential, token)
        except ClusterError as ex:
            self._count_publish("failed")
            if ex.refused or self._published != wanted:
                self._secret = _unpublished(ex)
                self._published = None
            raise
        self._count_publish("published")
        text = f"the Secret {publish.secret_name} holds the token {token.revision}"
        self._secret = Statement(True, status.PUBLISHED, text)
        self._published, self._secret_is_stale = wanted, False

    async def _annotate(
        self, credential: ClaudeCredential, observed: Observation
    ) -> None:
        """Write the token's revision on the pods, once the Secret holds the token."""
        self._more_pods = False
        publish, token = credential.spec.publish, observed.credential
        if not publish.annotate_pods:
            self._pods = self._annotated = None
            return
        if token is None:
            self._pods, self._annotated = status.NO_TOKEN, ""
            return
        unpublished = publish.secret_name and not (self._secret and self._secret.true)
        if unpublished or self._annotated == token.revision:
            return
        try:
            done = await self._call(
                self._cluster.annotate_pods, token.revision, PODS_SECONDS
            )
        except ClusterError as ex:
            self._pods = _not_annotated(str(ex), refused=ex.refused)
            raise
        if done.new:
            logger.info("annotated %d pods with the token %s", done.new, token.revision)
        if done.refused:
            first = done.refused[0]
            text = f"{len(done.refused)} pods could not be annotated: {first}"
            self._pods = _not_annotated(text, refused=first.refused)
            raise ClusterError(first.status, text, first.retry_after)
        self._more_pods = done.more
        if done.more:
            text = f"pods are being annotated with the token {token.revision}"
            self._pods = Statement(True, status.PODS_ANNOTATED, text)
            return
        text = f"the pods are annotated with the token {token.revision}"
        self._pods = Statement(True, status.PODS_ANNOTATED, text)
        self._annotated = token.revision

    async def _write_status(
        self, credential: ClaudeCredential, observed: Observation
    ) -> None:
        judged = observed.uid, observed.generation
        if judged != (credential.uid, credential.generation) or not self._looked:
            return  # a new spec is about to be judged, or an old status to be read
        now = refresh.utc_now()
        published = status.join(self._secret, self._pods)
        after = status.build(observed, published, self._written, now)
        # Nobody is to see a new token as valid before Anthropic has been asked about it.
        held_back = observed.checking and not self._stopping
        if after == self._written and (held_back or not self._status_is_stale):
            return
        dropped = [] if held_back else await self._patch_status(after)
        new = events.between(self._written, after, attempting=observed.attempting)
        if dropped and not self._dropped:
            new.append(events.outdated_crd(dropped))
            logger.warning("%s", new[-1].message)
        self._dropped = dropped or self._dropped
        self._events.extend((event, now) for event in new)
        self._written, self._status_is_stale = after, held_back

    async def _patch_status(self, after: CredentialStatus) -> list[str]:
        try:
            return await self._call(
                self._cluster.write_status, msgspec.to_builtins(after)
            )
        except ClusterError as ex:
            if ex.not_found:
                self._next_look = 0.0  # the CR may be gone
            raise

    async def _create_events(self, credential: ClaudeCredential) -> None:
        while self._events:
            event, at = self._events[0]
            try:
                await self._call(self._cluster.create_event, credential, event, at)
            except ClusterError as ex:
                if ex.refused and not ex.forbidden:
                    self._events.popleft()  # this one is not wanted; others may be
                raise
            self._events.popleft()

    async def _call(self, call: Callable[..., _T], *args: object) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, call, *args)


def _unpublished(ex: ClusterError) -> Statement:
    if ex.forbidden or isinstance(ex, ForeignSecretError):
        return Statement(False, "PublishForbidden", str(ex), True)
    return Statement(False, "PublishFailed", str(ex), ex.refused)


def _not_annotated(text: str, *, refused: bool) -> Statement:
    return Statement(False, status.PODS_NOT_ANNOTATED, text, refused)
