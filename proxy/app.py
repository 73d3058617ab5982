"""``create_app``: construct, inject, route. Request ids; errors rendered in one place."""

import logging
import os
import random
import re
import ssl
import stat
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import falcon
import msgspec

from proxy import (
    cache_lifetime,
    cancellation,
    chat,
    credentials,
    errors,
    gauges,
    health,
    held_calls,
    history,
    inbound_auth,
    lease,
    log,
    messages,
    metrics,
    models,
    overview,
    prices,
    redaction,
    responses,
    settings,
    store,
    traces,
    transport,
    upstream,
    urls,
    watchdog,
)
from proxy.admission import Admission, Bodies
from proxy.relay import error as relay_error
from proxy.relay.headers import speaks_anthropic
from proxy.schema import openai
from proxy.services import Services
from proxy.translate.error import to_object

logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
BODIES = 2
"""How many times MAX_BODY_BYTES may be under way at once, which takes some 200 MiB."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Proxy:
    """The WSGI application, and the parts of it that the server has to reach."""

    def __init__(
        self,
        config: settings.Settings,
        credential: lease.Credential,
        sender: transport.Transport,
    ) -> None:
        """Build everything; opens no connection, so it may happen before a fork."""
        self.config = config
        self.credential = credential
        self.keys = inbound_auth.InboundKeys(config)
        redaction.remember(
            config.anthropic_api_key, config.claude_access_token, config.proxy_api_key
        )
        self._sender = sender
        self.slots = Admission(config.max_requests)
        self.watchdog = watchdog.Watchdog(
            cancellation.Deadlines(
                header=config.header_timeout,
                idle=config.idle_timeout,
                progress=config.progress_timeout,
                total=config.total_timeout,
            )
        )
        self.store = store.Store(config.memory_bytes)
        self.held = held_calls.HeldCalls(config.retry_grace, self.store.answers)
        self.metrics = metrics.Metrics(self._state)
        self.history = history.History()
        self._prices = prices.load(config.prices_file)
        self._traces = traces.Traces(os.environ)
        self.upstream = anthropic = upstream.Upstream(credential, sender, self.watchdog)
        self.catalogue = models.Catalogue(anthropic.models_list)
        self.wsgi = _routed(
            self.keys,
            self.metrics.refused,
            self.catalogue,
            Services(
                config=config,
                upstream=anthropic,
                slots=self.slots,
                held=self.held,
                bodies=Bodies(BODIES * config.max_body_bytes),
                watchdog=self.watchdog,
                metrics=self.metrics,
                history=self.history,
                traces=self._traces,
                prices=self._prices,
                lifetimes=cache_lifetime.Lifetimes(config.cache_ttl),
                troubles=anthropic.troubles,
                store=self.store,
                live=self.catalogue.live,
            ),
        )

    def start(self) -> None:
        """Start the threads of a serving process; once, after the fork."""
        self.watchdog.start()
        self._traces.start()
        self.keys.trouble()  # has it logged

    def trouble(self) -> str | None:
        """Why the proxy is not ready: its credential or its keys file; else ``None``."""
        return self.credential.trouble() or self.keys.trouble()

    def _state(self) -> gauges.State:
        """What is the case now, for the metrics."""
        now = time.time()
        return gauges.State(
            ready=self.trouble() is None,
            in_flight=self.slots.in_flight,
            held=self.held.alone,
            slots=self.slots.limit,
            windows=self.upstream.reported.windows(now),
            verdict=self.upstream.reported.verdict(now),
            credential=self.credential.source.kind,
            expires_at=self.credential.expires_at(),
            refused_at=self.credential.refused_at,
            log_lines_dropped=log.writer.dropped,
            remembered=self.store.figures(),
        )

    def overview(self) -> dict[str, object]:
        """What the status page shows."""
        now = overview.Now(
            at=time.time(),
            state=self._state(),
            trouble=self.trouble(),
            login_ends_at=self.credential.login_ends_at(),
            streams=self.metrics.streams_in_flight,
            version=version("claude-code-proxy"),
        )
        return overview.overview(now, self.history, self._prices)

    def drain(self, deadline: float) -> None:
        """Refuse new completions; cancel what still runs at ``deadline`` (monotonic).

        What runs for nobody is cancelled at once, since no retry can come any more.
        """
        self.slots.drain()
        self.held.drain()
        self.watchdog.drain(deadline)

    def close(self) -> None:
        """Close the connections to Anthropic."""
        self._sender.close()


def create_app(
    config: settings.Settings, environ: Mapping[str, str] | None = None
) -> Proxy:
    """The application for these settings; opens no connection.

    ``environ`` is where a network proxy may be named (``HTTPS_PROXY``, ``NO_PROXY``);
    by default the process's own. Raises ``settings.SettingsError`` for settings that
    cannot work.
    """
    source = credentials.source_for(config)
    urls.check_base_urls(config, source.base_url)
    urls.check_network_proxies(os.environ)
    try:
        _check_certificates(os.environ)
        sender = transport.create(
            config.base_url or source.base_url,
            os.environ if environ is None else environ,
            connect_timeout=config.connect_timeout,
        )
    except (OSError, ssl.SSLError):  # reading what they name
        raise settings.SettingsError(
            "SSL_CERT_FILE, SSL_CERT_DIR: must name a readable file or folder of "
            "certificates in PEM form"
        ) from None
    return Proxy(config, lease.Credential(source), sender)


def _check_certificates(environ: Mapping[str, str]) -> None:
    """Raise ``OSError`` for names that OpenSSL would take without a word.

    It says nothing about a folder that does not exist, and waits for a writer of a FIFO
    for ever.
    """
    for path in filter(None, environ.get("SSL_CERT_DIR", "").split(os.pathsep)):
        os.scandir(path).close()
    path = environ.get("SSL_CERT_FILE", "")
    if path and not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError("not a regular file")


def _routed(
    keys: inbound_auth.InboundKeys,
    refused: Callable[[str], None],
    catalogue: models.Catalogue,
    services: Services,
) -> falcon.App[falcon.Request, falcon.Response]:
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App(
        media_type=falcon.MEDIA_JSON,
    )
    app.add_middleware(RequestId())
    app.add_middleware(inbound_auth.InboundAuth(keys, refused))
    app.add_error_handler(errors.ProxyError, _render)
    app.add_error_handler(Exception, _render_unexpected)
    app.set_error_serializer(_serialize)
    app.add_route("/health", health.Health())
    app.add_route("/v1/models", models.Models(catalogue))
    app.add_route("/v1/models/{name:path}", models.Model(catalogue))
    app.add_route("/v1/chat/completions", chat.ChatCompletions(services))
    responses.add_routes(app, services)
    app.add_route("/v1/messages", messages.Messages(services))
    app.add_route("/v1/messages/count_tokens", messages.CountTokens(services))
    return app


class RequestId:
    """``x-request-id``: the caller's, if it is well formed, or a new one."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Leave the id in ``req.context.request_id`` and in the response's header."""
        given = req.env.get("HTTP_X_REQUEST_ID", "")
        request_id = (
            given
            if _REQUEST_ID.fullmatch(given)
            else f"req_{random.getrandbits(128):032x}"  # a name, no secret
        )
        req.context.request_id = request_id
        resp.set_header("x-request-id", request_id)


def _render(
    req: falcon.Request,
    resp: falcon.Response,
    ex: errors.ProxyError,
    _params: dict[str, object],
) -> None:
    """An error in the envelope of the API that was called."""
    resp.status = ex.status
    resp.content_type = falcon.MEDIA_JSON
    for name, value in ex.headers.items():
        resp.set_header(name, redaction.redacted(value))
    redaction.redact(ex)
    if speaks_anthropic(req.path, req.get_header("anthropic-version")):
        request_id = ex.upstream_request_id or req.context.request_id
        resp.set_header("request-id", request_id)
        resp.data = relay_error.to_envelope(ex, request_id)
        return
    resp.data = _encode(openai.ErrorResponse(to_object(ex)))


def _render_unexpected(
    req: falcon.Request,
    resp: falcon.Response,
    ex: Exception,
    params: dict[str, object],
) -> None:
    """A fault of ours: the log says where, the client learns nothing more."""
    if isinstance(ex, falcon.HTTPError):
        resp.status = ex.status
        resp.set_headers(ex.headers or {})
        _serialize(req, resp, ex)
        return
    logger.error("unexpected %s", type(ex).__name__, exc_info=ex)
    _render(req, resp, errors.internal(), params)


def _serialize(
    req: falcon.Request, resp: falcon.Response, ex: falcon.HTTPError
) -> None:
    """Falcon's own 404, 405 … in the API's envelope, whatever the client accepts."""
    code = {404: "not_found", 405: "method_not_allowed"}.get(ex.status_code)
    message = {
        404: "No such path",
        405: "This path does not support this method",
    }.get(ex.status_code, ex.title or "The request was rejected")
    rejected = errors.InvalidRequestError(message, code=code, status=ex.status_code)
    _render(req, resp, rejected, {})
