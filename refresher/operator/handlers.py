"""The operator as kopf runs it: start, log in, hear of the CR, stop."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import kopf

from refresher.operator.cluster import Cluster, ClusterError
from refresher.operator.health import Health, Metrics
from refresher.operator.reporter import CrdGoneError, Reporter
from refresher.operator.resource import GROUP, PLURAL, VERSION, Resource, parse
from refresher.operator.scheduler import Scheduler
from refresher.operator.status import Report
from refresher.outcome import IN_ORDER, NEEDS_A_PERSON, TRY_AGAIN
from refresher.settings import Settings

logger = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Keep the login fresh until SIGTERM; gives the exit code.

    0 after a signal, 75 when the API server does not answer at the start or a part of
    the operator failed, 78 when it lacks what an admin must give it.
    """
    # Process 1 of a container is deaf to SIGTERM until it says otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(IN_ORDER))
    if not settings.pod_namespace:
        logger.error("POD_NAMESPACE is not set: name the ClaudeCredential's namespace")
        return NEEDS_A_PERSON
    try:
        cluster = Cluster(settings)
        resource = cluster.find()
    except ClusterError as ex:
        return _no_start(settings, ex)
    logging.getLogger("kopf").setLevel(
        logging.DEBUG if settings.log_level == "debug" else logging.WARNING
    )
    logger.info("keeping the login in %s fresh", settings.config_dir)
    if resource is None:
        logger.warning(
            "there is no ClaudeCredential %s in the namespace %s yet",
            settings.credential_name,
            settings.pod_namespace,
        )
    operator = _Operator(settings, cluster, resource)
    try:
        asyncio.run(operator.run())
    except Exception:
        logger.exception("the operator failed")
        return TRY_AGAIN
    return operator.exit_code


def _no_start(settings: Settings, ex: ClusterError) -> int:
    if ex.not_found:
        logger.error(
            "the CRD %s.%s is not in this cluster: an admin applies manifests/crd",
            PLURAL,
            GROUP,
        )
        return NEEDS_A_PERSON
    if ex.forbidden:
        logger.error(
            "%s; the Role of manifests/refresher allows it for the name %s",
            ex,
            settings.credential_name,
        )
        return NEEDS_A_PERSON
    logger.error("%s", ex)
    return TRY_AGAIN


class _Operator:
    """The parts, and who hears from whom."""

    def __init__(
        self, settings: Settings, cluster: Cluster, resource: Resource | None
    ) -> None:
        self.exit_code = IN_ORDER
        self._settings = settings
        self._metrics = Metrics()
        self._scheduler = Scheduler(settings, self._tell, self._metrics.count_try)
        self._reporter = Reporter(
            cluster, self._scheduler.see, self._metrics.count_publish
        )
        self._health = Health(self._metrics, lambda: self._scheduler.ticked_at)
        self._reporter.see(resource)
        # In the order of their end: the last look is still told.
        self._parts: list[Scheduler | Reporter] = [self._scheduler, self._reporter]
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def _tell(self, report: Report, handled: str | None) -> None:
        self._health.show(report)
        self._reporter.offer(report, handled)

    async def run(self) -> None:
        """Serve health, and run kopf until a signal or a part that failed."""
        try:
            await self._health.start(self._settings.health_port)
        except OSError as ex:
            logger.error("HEALTH_PORT cannot be used: %s", ex.strerror)  # noqa: TRY400
            self.exit_code = TRY_AGAIN
            return
        # kopf would ask for the user's name, which an arbitrary uid has not.
        os.environ.setdefault("POD_ID", self._settings.credential_name)
        await kopf.operator(
            registry=self._registry(),
            settings=_kopf_settings(self._settings),
            standalone=True,
            namespaces=[self._settings.pod_namespace],
            stop_flag=self._stop,
        )

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        once = kopf.ErrorsMode.PERMANENT  # kopf would try again, a minute apart
        kopf.on.startup(registry=registry, errors=once)(self._start)
        kopf.on.login(registry=registry)(_login)
        kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(self._hear)
        kopf.on.cleanup(registry=registry, errors=once)(self._end)
        return registry

    async def _start(self, **_: object) -> None:
        self._tasks = [
            asyncio.create_task(self._guard(part.run())) for part in self._parts
        ]

    async def _guard(self, loop: Coroutine[Any, Any, None]) -> None:
        """Let the whole operator end with a loop that fails: its pod starts anew."""
        try:
            await loop
        except CrdGoneError:
            logger.error("the CRD is gone, so there is nothing to do here")  # noqa: TRY400
            self.exit_code = NEEDS_A_PERSON
            self._stop.set()
        except Exception:
            logger.exception("a part of the operator failed")
            self.exit_code = TRY_AGAIN
            self._stop.set()

    async def _hear(self, event: kopf.RawEvent, **_: object) -> None:
        gone = event["type"] == "DELETED"
        self._reporter.see(None if gone else parse(event["object"]))

    async def _end(self, **_: object) -> None:
        for part, task in zip(self._parts, self._tasks, strict=True):
            part.stop()
            await task
        await self._health.stop()
        logger.info("the operator has ended")


def _login(**given: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - kopf's own
    return kopf.login_via_client(**given)


def _kopf_settings(settings: Settings) -> kopf.OperatorSettings:
    """Watch one object of one kind, and do nothing else.

    Without a field selector the Role, which names the object, would refuse the watch.
    The timeouts are for a connection that has died without a word.
    """
    chosen = kopf.OperatorSettings()
    chosen.scanning.disabled = True
    chosen.posting.enabled = False
    chosen.watching.field_selectors[f"{PLURAL}.{GROUP}"] = (
        f"metadata.name={settings.credential_name}"
    )
    chosen.watching.server_timeout = 300
    chosen.watching.connect_timeout = 10
    chosen.networking.connect_timeout = 10
    chosen.networking.request_timeout = 30
    return chosen
