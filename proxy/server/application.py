"""gunicorn's application object: our settings for it, each with its reason, and hooks.

One worker: a completion waits for Anthropic, not for a core. Preloaded, so that a killed
worker is back at once and the SDK's modules are loaded once. Nothing comes from gunicorn's
own command line, environment or configuration files (`proxy.__main__` drops the few
variables that it would read all the same).
"""

import errno
import faulthandler
import gc
import logging
import math
import os
import resource
import socket
import sys
from collections.abc import Mapping
from typing import Any

from gunicorn.app.base import BaseApplication
from msgspec import structs

from proxy import admission, app, log, settings
from proxy.server import health_listener, heap, status_page, threads
from proxy.server.master import Master, ignore_signals, release_signals
from proxy.server.worker import GRACE, Worker, pass_on_repeated_sigterm

logger = logging.getLogger("proxy")

DESCRIPTORS_A_REQUEST = 2  # the client's socket and Anthropic's
BACKLOG = 512
OTHER_DESCRIPTORS = 64  # listeners, pipes, files, and connections beside completions


def fitting(max_requests: int, descriptors: int) -> int:
    """How many completions fit in so many descriptors, at most ``max_requests``."""
    room = (descriptors - OTHER_DESCRIPTORS) // DESCRIPTORS_A_REQUEST
    return max(1, min(max_requests, room))


def connections(max_requests: int, descriptors: int) -> int:
    """How many client connections may be open.

    Twice the completions, and some: idle ones give way when there are more. Never so
    many that a completion could not open its connection to Anthropic.
    """
    return min(
        2 * max_requests + 64, descriptors - max_requests - OTHER_DESCRIPTORS // 2
    )


def _raise_descriptor_limit() -> int:
    """Raise this process's limit as far as it goes; returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn is untyped
    """Serves the proxy under gunicorn; ``run`` returns when it has stopped.

    ``welcome`` is printed once the port listens. ``environ`` may name a network proxy,
    see ``app.create_app``. Raises ``settings.SettingsError`` for settings that cannot
    work, before anything listens but the health port.
    """

    def __init__(
        self,
        config: settings.Settings,
        *,
        environ: Mapping[str, str] | None = None,
        welcome: str = "",
    ) -> None:
        config.check_exposure()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump holds tokens
        heap.give_back()
        self._descriptors = _raise_descriptor_limit()
        self._asked = config.max_requests
        self.config = structs.replace(
            config, max_requests=fitting(config.max_requests, self._descriptors)
        )
        log.form.name = config.log_format
        log.form.colour = sys.stdout.isatty()
        self.proxy = app.create_app(self.config, environ)
        self._socket = self.listen()
        self._health_socket = _bind_health(self.config.health_port)
        self._welcome = welcome
        super().__init__(prog="claude-proxy")

    def listen(self) -> socket.socket:
        """The API's socket. Raises ``SettingsError`` if it cannot listen there."""
        return _bind(self.config.host, self.config.port)

    def run(self) -> None:
        """Serve until stopped."""
        Master(self).run()

    def load_config(self) -> None:
        """Give gunicorn its settings (called by its constructor)."""
        for name, value in self.gunicorn_settings().items():
            self.cfg.set(name, value)

    def load(self) -> Any:  # noqa: ANN401 - gunicorn is untyped
        """The WSGI application (called by gunicorn, before it forks)."""
        return self.proxy.wsgi

    def gunicorn_settings(self) -> dict[str, Any]:
        """Gunicorn's settings by name; the others keep their defaults."""
        config = self.config
        return {
            "bind": f"fd://{self._socket.detach()}",
            "workers": 1,
            "worker_class": Worker,
            "worker_connections": connections(config.max_requests, self._descriptors),
            "preload_app": True,
            "timeout": 120,  # the worker's heartbeat; never a limit for a request
            # the worker's own deadline comes first
            "graceful_timeout": math.ceil(config.drain_timeout + GRACE) + 1,
            "keepalive": 75,  # longer than any client keeps an idle connection
            # a restart would stop accepting for as long as the longest stream
            "max_requests": 0,
            "backlog": BACKLOG,
            # the heartbeat's file, on no disk
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108
            "control_socket_disable": True,
            "http_protocols": "h1",
            "header_map": "drop",
            "forwarded_allow_ips": "",
            "limit_request_line": 4094,
            "limit_request_fields": 100,
            "limit_request_field_size": 8190,
            "accesslog": None,  # each completion writes its own line, without secrets
            "logconfig_dict": log.config(config.log_level),
            "when_ready": self.when_ready,
            "post_worker_init": self.post_worker_init,
        }

    def _metrics(self, asked: health_listener.Asked) -> health_listener.Page:
        exposed = self.proxy.metrics.exposition(as_openmetrics=asked.openmetrics)
        return health_listener.Page(200, *exposed)

    # gunicorn's hooks.

    def when_ready(self, arbiter: Any) -> None:  # noqa: ANN401 - gunicorn is untyped
        """In the master, listening and about to fork."""
        pass_on_repeated_sigterm(arbiter)
        if self.config.max_requests < self._asked:
            logger.warning(
                "MAX_REQUESTS lowered from %d to %d: only %d file descriptors",
                self._asked,
                self.config.max_requests,
                self._descriptors,
            )
        for sentence in self.config.longer_than_clients_wait():
            logger.warning("%s", sentence)
        logger.info("credential: %s", self.proxy.credential.source.description)
        sys.stdout.write(self._welcome)
        sys.stdout.flush()
        gc.collect()
        gc.freeze()  # what is loaded stays loaded, so the collector may skip it

    def post_worker_init(self, worker: Worker) -> None:
        """In the worker, after the fork: signals, threads, health listener, drain."""
        proxy = self.proxy
        ignore_signals()
        faulthandler.enable()  # a stuck worker's SIGABRT shows where it is
        threads.share_one_heap()
        gc.set_threshold(50_000, 20, 100)  # a body of a million brackets costs 7x less
        proxy.start()
        if self._health_socket is not None:
            is_open = self.config.status_page == "open"
            pages = {
                **health_listener.probes(proxy.trouble),
                **status_page.pages(proxy.overview, is_open=is_open),
                "/metrics": self._metrics,
            }
            health_listener.Listener(self._health_socket, pages).start()
        worker.drain_timeout = self.config.drain_timeout
        worker.body_timeout = admission.PATIENCE
        worker.on_drain = proxy.drain
        release_signals()


def listening_host(host: str) -> str:
    """The host to listen on: `0.0.0.0` for `::` where the kernel has no IPv6.

    The manifests say `::`, since a pod's address may be of either kind.
    """
    return "0.0.0.0" if host == "::" and not socket.has_dualstack_ipv6() else host  # noqa: S104 - meant


def _bind(host: str, port: int) -> socket.socket:
    """Listen on the first address of a host, before gunicorn would try for 5 s."""
    try:
        found = socket.getaddrinfo(
            listening_host(host),
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind, protocol)
        if address[0] == "::":  # IPv4 as well, whatever the system's default is
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as ex:
        # EADDRINUSE and EACCES are the port's fault, all else is the address's
        if isinstance(ex, socket.gaierror) or ex.errno not in _PORT_ERRORS:
            raise settings.SettingsError(
                f"HOST: must be an address of this machine ({ex.strerror})"
            ) from None
        raise settings.SettingsError(
            f"PORT: cannot listen on port {port} ({ex.strerror})"
        ) from None
    return sock


_PORT_ERRORS = (errno.EADDRINUSE, errno.EACCES, errno.EPERM)


def _bind_health(port: int | None) -> socket.socket | None:
    """The health port's socket, bound here so that a port in use stops the start."""
    if port is None:
        return None
    try:
        return health_listener.bind(port)
    except OSError as ex:
        raise settings.SettingsError(
            f"HEALTH_PORT: cannot listen on port {port} ({ex.strerror})"
        ) from None
