"""gunicorn's settings, each with its reason: ``gunicorn -c python:proxy.gunicorn_conf``.

One worker: a completion waits for Anthropic, not for a core. Preloaded, so that a
killed worker is back at once and the SDK's modules are loaded once.
"""

import faulthandler
import gc
import logging
import math
import os
import resource
import socket
import sys
from typing import Any

from proxy import app, health, log, metrics
from proxy import settings as proxy_settings
from proxy.worker import GRACE, Worker, pass_on_repeated_sigterm

logger = logging.getLogger("proxy")

DESCRIPTORS_A_REQUEST = 2  # the client's socket and Anthropic's
OTHER_DESCRIPTORS = 64  # listeners, pipes, files, and connections beside completions


def _descriptors() -> int:
    """How many descriptors this process may have, after asking for all it can."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


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


_available = _descriptors()
_asked = proxy_settings.Settings.from_environ(os.environ).max_requests
_fitting = fitting(_asked, _available)
if _fitting < _asked:  # the application reads its settings from there, too
    os.environ["MAX_REQUESTS"] = str(_fitting)
_config = proxy_settings.Settings.from_environ(os.environ)

wsgi_app = "proxy.wsgi:application"
bind = (
    f"[{_config.host}]:{_config.port}"
    if ":" in _config.host
    else (f"{_config.host}:{_config.port}")
)
workers = 1
worker_class = "proxy.worker.Worker"
worker_connections = connections(_config.max_requests, _available)
preload_app = True
timeout = 120  # the worker's heartbeat; never a limit for a request
graceful_timeout = math.ceil(_config.drain_timeout + GRACE) + 1  # ours ends first
keepalive = 75  # longer than any client keeps an idle connection
max_requests = 0  # a restart would stop accepting for as long as the longest stream
backlog = 512
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - the heartbeat's file, on no disk
control_socket_disable = True
http_protocols = "h1"
header_map = "drop"
forwarded_allow_ips = ""
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
accesslog = None  # each completion writes its own line, without secrets
logconfig_dict = log.config(_config.log_level)

welcome = ""  # for a person, when the port listens; no setting of gunicorn's
_health_socket: socket.socket | None = None


def on_starting(_server: Any) -> None:  # noqa: ANN401 - gunicorn is untyped
    """In the master, before the application is loaded."""
    global _health_socket  # noqa: PLW0603 - handed from the master to its workers
    _config.check_exposure()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump holds tokens
    if _config.health_port is not None:
        try:
            _health_socket = health.bind(_config.health_port)
        except OSError as ex:
            raise proxy_settings.SettingsError(
                f"HEALTH_PORT: cannot listen there ({ex.strerror})"
            ) from None


def when_ready(server: Any) -> None:  # noqa: ANN401 - gunicorn is untyped
    """Loaded and about to fork: what is there stays, so the collector skips it."""
    pass_on_repeated_sigterm(server)
    proxy = _proxy()
    if _fitting < _asked:
        logger.warning(
            "MAX_REQUESTS lowered from %d to %d: only %d file descriptors",
            _asked,
            _fitting,
            _available,
        )
    logger.info("credential: %s", proxy.credential.source.description)
    sys.stdout.write(welcome)
    sys.stdout.flush()
    gc.collect()
    gc.freeze()


def post_worker_init(worker: Worker) -> None:
    """In the worker, after the fork: threads, the listener, the drain."""
    proxy = _proxy()
    faulthandler.enable()  # a stuck worker's SIGABRT shows where it stands
    gc.set_threshold(50_000, 20, 100)  # a body of a million brackets costs 7x less
    proxy.start()
    if _health_socket is not None:
        listener = health.Listener(_health_socket, _pages(proxy))
        listener.start()
    worker.drain_timeout = proxy.config.drain_timeout

    def drain(deadline: float) -> None:
        proxy.slots.drain()
        proxy.watch.drain(deadline)

    worker.on_drain = drain


def _pages(proxy: app.Proxy) -> Any:  # noqa: ANN401 - see health.pages
    return health.pages(
        proxy.credential.trouble,
        lambda: (200, metrics.CONTENT_TYPE, proxy.measured.text()),
    )


def _proxy() -> app.Proxy:
    from proxy import wsgi  # noqa: PLC0415 - built once, by gunicorn's own import

    return wsgi.proxy
