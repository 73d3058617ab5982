"""The operator's process: its parts, who stops them and when, and its exit code."""

import asyncio
import logging
import platform
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from refresher.operator import anthropic_api, memory
from refresher.operator.api import ApiServer, ClusterError
from refresher.operator.board import Board
from refresher.operator.checker import Checker
from refresher.operator.cluster import Cluster
from refresher.operator.health import Health, Metrics
from refresher.operator.reporter import Reporter
from refresher.operator.scheduler import Scheduler
from refresher.operator.watch import Watch
from refresher.outcome import IN_ORDER, NEEDS_A_PERSON, TRY_AGAIN
from refresher.settings import Settings

logger = logging.getLogger(__name__)

_LONGEST_END = 25.0
"""Seconds for the last report, once no CLI is running any more."""


def run(settings: Settings) -> int:
    """Keep the login fresh until SIGTERM or SIGINT; return the exit code.

    0 after a signal; 75 when the health port cannot be used, when there is neither a
    service account nor a kubeconfig, or when a part of the operator failed; 78 without
    POD_NAMESPACE. Nothing that an API server answers, or does not answer, ends it.
    """
    # Process 1 of a container ignores SIGTERM until it says otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(IN_ORDER))
    if not settings.pod_namespace:
        logger.error("POD_NAMESPACE: must be the namespace of the ClaudeCredential")
        return NEEDS_A_PERSON
    try:
        api_server = ApiServer()
    except ClusterError as ex:
        logger.error("%s", ex)  # noqa: TRY400 - the words are all there is to say
        return TRY_AGAIN
    # What matters of an outage is reported once, by us.
    quiet = logging.DEBUG if settings.log_level == "debug" else logging.CRITICAL
    logging.getLogger("kopf").setLevel(quiet)
    logger.info("keeping the login in %s fresh", settings.config_dir)
    try:
        return asyncio.run(_Operator(settings, Cluster(settings, api_server)).run())
    except Exception:
        logger.exception("the operator failed")
        return TRY_AGAIN


class _Operator:
    """The parts, which share a board and know nothing else of each other."""

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self._exit_code = IN_ORDER
        self._settings = settings
        self._board = board = Board(memory.recall(settings))
        metrics = Metrics()
        pod, namespace = platform.node(), settings.pod_namespace
        scheduler = Scheduler(
            settings,
            board,
            metrics.count_attempt,
            log_in=f"log in (`kubectl -n {namespace} exec -it {pod} -- "
            "claude auth login`)",
        )
        watch = Watch(settings, board)
        reporter = Reporter(cluster, board, metrics.count_publish, watch.restart)
        checker = Checker(board, anthropic_api.ask, metrics.count_check)
        self._scheduler = scheduler
        self._others: list[Checker | Watch | Reporter] = [checker, watch, reporter]
        self._health = Health(board, metrics, lambda: scheduler.ticked_at)
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Serve health and run the parts until a signal, or until one of them failed."""
        try:
            await self._health.start(self._settings.health_port)
        except OSError as ex:
            logger.error("HEALTH_PORT: cannot be used (%s)", ex.strerror)  # noqa: TRY400
            return TRY_AGAIN
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        refreshing = self._spawn(self._scheduler)
        others = [self._spawn(part) for part in self._others]
        await self._stop.wait()
        self._scheduler.stop()
        await refreshing  # its last look is still reported
        for part in self._others:
            part.stop()
        await asyncio.wait(others, timeout=_LONGEST_END)
        await self._health.stop()
        logger.info("the operator has ended")
        return self._exit_code

    def _spawn(
        self, part: Scheduler | Checker | Watch | Reporter
    ) -> asyncio.Task[None]:
        return asyncio.create_task(self._guard(part.run()))

    async def _guard(self, part: Coroutine[Any, Any, None]) -> None:
        """Let the whole operator end with a part that failed: its pod starts again."""
        try:
            await part
        except Exception:
            logger.exception("a part of the operator failed")
            self._exit_code = TRY_AGAIN
            self._stop.set()
