"""The cluster's loop: make it say what the volume says.

Level-triggered: each round compares what should be there with what was last written,
so an API server that was away, or a round that failed in its middle, needs no code of
its own. The Secret comes first, since running agents wait for it.
"""

import asyncio
import collections
import concurrent.futures
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

import msgspec

from refresher import refresh
from refresher.operator import events, status
from refresher.operator.cluster import Cluster, ClusterError
from refresher.operator.resource import Publish, Resource, Status
from refresher.operator.status import Said

logger = logging.getLogger(__name__)

RESYNC = 300.0
"""Seconds after which everything is written again: that mends what others changed."""
ABSENT = 15.0
"""Seconds between two looks for a CR that is not there; the watch tells sooner."""
FORBIDDEN = 60.0
"""Seconds until a refused call is tried again: rights do not come by themselves."""
LONGEST_PAUSE = 10.0

_T = TypeVar("_T")


class CrdGoneError(Exception):
    """The CRD was removed while the operator ran; it ends, and its pod starts anew."""


class _Secret(NamedTuple):
    """What the Secret was last made to hold, for which owner."""

    publish: Publish
    owner: str
    revision: str
    expires_at: datetime


class Reporter:
    """One CR's loop. `run` it; `see` and `offer` bring it news."""

    def __init__(
        self,
        cluster: Cluster,
        see: Callable[[Resource | None], None],
        tell_publish: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._pass_on = see
        self._tell_publish = tell_publish
        self._executor = concurrent.futures.ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="kubernetes-api"
        )
        self._resource: Resource | None = None
        self._report: status.Report | None = None
        self._handled: str | None = None
        self._written = Status()
        self._published: tuple[Said, _Secret | None] | None = None
        self._events: collections.deque[tuple[events.Event, datetime]] = (
            collections.deque(maxlen=32)
        )
        self._wake = asyncio.Event()
        self._stopping = False
        self._resync_at = 0.0
        self._failures = 0
        self._complaint = ""

    def see(self, resource: Resource | None) -> None:
        """Take the CR as the cluster has it now; None where there is none."""
        self._take(resource)
        self._wake.set()

    def _take(self, resource: Resource | None) -> None:
        known = self._resource
        if resource and (known is None or known.uid != resource.uid):
            self._written, self._published = resource.status, None
            self._events.clear()
        if resource is None and known is not None:
            logger.warning("the ClaudeCredential is gone: nothing is renewed")
        self._resource = resource
        self._pass_on(resource)

    def offer(self, report: status.Report, handled: str | None) -> None:
        """Take the scheduler's latest look; an unchanged one costs nothing."""
        if handled != self._handled:
            self._resync_at = 0.0  # who asks for a try may want the Secret back, too
        if (report, handled) != (self._report, self._handled):
            self._report, self._handled = report, handled
            self._wake.set()

    async def run(self) -> None:
        """Write what changed, at once; everything, every five minutes; until `stop`.

        Raises CrdGoneError.
        """
        while not self._stopping:
            self._wake.clear()
            pause = await self._round()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
        await self._round()
        self._executor.shutdown(wait=False)

    def stop(self) -> None:
        """Let `run` write once more what the last look found, and end."""
        self._stopping = True
        self._wake.set()

    async def _round(self) -> float:
        """Do one round; gives the seconds until the next one is due."""
        try:
            await self._write()
        except ClusterError as ex:
            return self._after(ex)
        self._failures, self._complaint = 0, ""
        if self._resource is None:
            return ABSENT
        return max(0.0, self._resync_at - time.monotonic())

    def _after(self, ex: ClusterError) -> float:
        if str(ex) != self._complaint:
            self._complaint = str(ex)
            logger.warning("%s", ex)
        if not ex.passing:
            return FORBIDDEN
        self._failures += 1
        return min(LONGEST_PAUSE, 0.5 * 2.0 ** min(self._failures, 10))

    async def _write(self) -> None:
        """Do each part although another one fails; raises what went wrong first."""
        troubles = []
        if self._resource is None or time.monotonic() >= self._resync_at:
            troubles.append(await self._resync())
        resource, report = self._resource, self._report
        if resource is not None and report is not None:
            troubles.append(await self._publish(resource, report))
            troubles.append(await self._tell(resource, report))
        for trouble in troubles:
            if trouble:
                raise trouble

    async def _resync(self) -> ClusterError | None:
        try:
            resource = await self._call(self._cluster.find)
        except ClusterError as ex:
            if ex.not_found:
                raise CrdGoneError from ex
            return ex
        self._take(resource)
        if resource:
            self._written, self._published = resource.status, None
            self._resync_at = time.monotonic() + RESYNC
        return None

    async def _publish(
        self, resource: Resource, report: status.Report
    ) -> ClusterError | None:
        """Bring the Secret up to date, and its consumers' pods."""
        publish, credential = resource.spec.publish, report.credential
        if publish.secret_name is None or credential is None:
            self._published = None  # a Secret that is there stays as it is
            return None
        wanted = _Secret(
            publish, resource.uid, credential.revision, credential.expires_at
        )
        if self._published and self._published[1] == wanted:
            return None
        name = publish.secret_name
        try:
            await self._call(self._cluster.apply_secret, name, resource, credential)
        except ClusterError as ex:
            self._tell_publish("failed")
            reason = "PublishForbidden" if ex.forbidden else "PublishFailed"
            self._published = Said(False, reason, str(ex)), None
            return ex
        self._tell_publish("published")
        text = f"the Secret {name} holds the token {credential.revision}"
        said, trouble = Said(True, status.PUBLISHED, text), None
        if publish.annotate_pods:
            said, trouble = await self._annotate(credential.revision, said)
        # What passes is tried again in a moment; missing rights wait for the resync.
        again = trouble is not None and trouble.passing
        self._published = said, None if again else wanted
        return trouble

    async def _annotate(
        self, revision: str, said: Said
    ) -> tuple[Said, ClusterError | None]:
        try:
            told = await self._call(self._cluster.annotate_pods, revision)
        except ClusterError as ex:
            text = f"{said.message}, but its pods were not told: {ex}"
            return Said(True, status.PODS_NOT_ANNOTATED, text), ex
        if told:
            logger.info("told %d pods of the token %s", told, revision)
        return said, None

    async def _tell(
        self, resource: Resource, report: status.Report
    ) -> ClusterError | None:
        """Bring the status up to date, and create the events that follow."""
        try:
            await self._write_status(resource, report)
            while self._events:
                event, at = self._events[0]
                await self._call(self._cluster.create_event, resource, event, at)
                if self._events and self._events[0] == (event, at):
                    self._events.popleft()
        except ClusterError as ex:
            return ex
        return None

    async def _write_status(self, resource: Resource, report: status.Report) -> None:
        said = self._published[0] if self._published else None
        if resource.spec.publish.secret_name and said is None:
            said = Said(False, status.NOTHING, "the volume holds no token to publish")
        now = refresh.utc_now()
        after = status.build(
            report,
            said,
            self._written,
            now,
            generation=resource.generation,
            handled=self._handled,
        )
        if after == self._written:
            return
        try:
            await self._call(self._cluster.write_status, msgspec.to_builtins(after))
        except ClusterError as ex:
            if not ex.not_found:
                raise
            self._take(None)
            return
        told = events.between(self._written, after, renewing=report.renewing)
        self._events.extend((event, now) for event in told)
        self._written = after

    async def _call(self, call: Callable[..., _T], *args: object) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, call, *args)
