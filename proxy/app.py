"""``create_app``: construct, inject, route. The rim of errors and request ids."""

import logging
import os
import re
import uuid

import falcon
import msgspec

from proxy import (
    chat,
    credentials,
    errors,
    guard,
    health,
    inbound_auth,
    metrics,
    models,
    settings,
    transport,
    upstream,
)
from proxy.admission import Admission, Bodies
from proxy.schema import completion

logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
BODIES = 2
"""So many times MAX_BODY_BYTES may be on their way upstream at once: about 300 MiB."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Proxy:
    """The application and the parts of it that the server must reach."""

    def __init__(
        self,
        config: settings.Settings,
        source: credentials.Source | None = None,
        sender: transport.Transport | None = None,
    ) -> None:
        """Build everything; opens no connection, so it may happen before a fork.

        Raises ``settings.SettingsError`` for settings that cannot work.
        """
        self.config = config
        source = source or credentials.source_for(config)
        self.credential = credentials.Credential(source)
        base_url = config.base_url or source.base_url
        self._sender = sender or transport.create(
            base_url, os.environ, connect_timeout=config.connect_timeout
        )
        self.slots = Admission(config.max_requests)
        self.watch = guard.Watch(
            guard.Deadlines(
                header=config.header_timeout,
                progress=config.progress_timeout,
                total=config.total_timeout,
            )
        )
        self.measured = metrics.Metrics(
            in_flight=lambda: float(self.slots.in_flight),
            expires_at=self.credential.expires_at,
        )
        calls = upstream.Upstream(self.credential, self._sender)
        self.catalogue = models.Catalogue(
            models.fetcher(self.credential, calls, self._sender, self.watch)
        )
        self.wsgi = _routed(
            config,
            self.catalogue,
            chat.Services(
                config=config,
                calls=calls,
                slots=self.slots,
                bodies=Bodies(BODIES * config.max_body_bytes),
                watch=self.watch,
                measured=self.measured,
                live=self.catalogue.live,
            ),
        )

    def start(self) -> None:
        """Start the threads of a serving process; once, after the fork."""
        self.watch.start()

    def close(self) -> None:
        """Close the connections to Anthropic."""
        self._sender.close()


def _routed(
    config: settings.Settings, catalogue: models.Catalogue, services: chat.Services
) -> falcon.App[falcon.Request, falcon.Response]:
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App(
        media_type=falcon.MEDIA_JSON,
    )
    app.add_middleware(RequestId())
    app.add_middleware(inbound_auth.InboundAuth(config))
    app.add_error_handler(errors.ProxyError, _render)
    app.add_error_handler(Exception, _render_unexpected)
    app.set_error_serializer(_serialize)
    app.add_route("/health", health.Health())
    app.add_route("/v1/models", models.Models(catalogue))
    app.add_route("/v1/models/{name:path}", models.Model(catalogue))
    app.add_route("/v1/chat/completions", chat.ChatCompletions(services))
    return app


class RequestId:
    """``x-request-id``: the caller's, if it is one, or a new one."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        given = req.get_header("x-request-id") or ""
        request_id = (
            given if _REQUEST_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"
        )
        req.context.request_id = request_id
        resp.set_header("x-request-id", request_id)


def _envelope(error: completion.Error) -> bytes:
    return _encode(completion.ErrorResponse(error))


def _render(
    _req: falcon.Request,
    resp: falcon.Response,
    ex: errors.ProxyError,
    _params: dict[str, object],
) -> None:
    resp.status = ex.status
    resp.content_type = falcon.MEDIA_JSON
    for name, value in ex.headers.items():
        resp.set_header(name, value)
    resp.data = _envelope(
        completion.Error(message=ex.message, type=ex.type, param=ex.param, code=ex.code)
    )


def _render_unexpected(
    req: falcon.Request,
    resp: falcon.Response,
    ex: Exception,
    params: dict[str, object],
) -> None:
    """A fault of ours: its place goes to the log, its words to nobody."""
    if isinstance(ex, falcon.HTTPError):
        resp.status = ex.status
        resp.set_headers(ex.headers or {})
        _serialize(req, resp, ex)
        return
    logger.error("unexpected %s", type(ex).__name__, exc_info=ex)
    fault = errors.ProxyError(
        "The proxy failed; its log says where",
        status=500,
        type="server_error",
        code="internal_error",
        headers={"retry-after": "3"},  # else a .NET client asks three times at once
    )
    _render(req, resp, fault, params)


def _serialize(
    _req: falcon.Request, resp: falcon.Response, ex: falcon.HTTPError
) -> None:
    """Falcon's own 404, 405 … in OpenAI's envelope, whatever is accepted."""
    code = {404: "not_found", 405: "method_not_allowed"}.get(ex.status_code)
    message = {
        404: "There is nothing at this path",
        405: "This path does not take this method",
    }.get(ex.status_code, ex.title or "The request was refused")
    resp.content_type = falcon.MEDIA_JSON
    resp.data = _envelope(
        completion.Error(message=message, type="invalid_request_error", code=code)
    )
