"""The calls to Anthropic's hosts: the only module that opens connections.

It speaks HTTP and nothing above it: a request's bytes go out, a reply's bytes come in,
and what went wrong on the way is told apart. Credentials, retries and meaning live in
``proxy.upstream``.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

import anthropic
import httpx2

from proxy import guard, settings

ERROR_BODY = 1 << 20
"""Bytes of an error's body that are read; more is nobody's error message."""


class TransportError(Exception):
    """The base of what can go wrong between here and there."""


class UnreachedError(TransportError):
    """No connection, or one that ended before the reply began."""


class CutError(TransportError):
    """The reply ended in the middle."""


class TimedOutError(TransportError):
    """The network was silent for too long."""


class Reply(Protocol):
    """One HTTP reply, while it arrives."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""

    def __iter__(self) -> Iterator[bytes]:
        """Body bytes; what arrives together comes together.

        Raises ``CutError``, ``TimedOutError``, and ``guard.Cancelled``.
        """

    def read(self) -> bytes:
        """The whole body of an error, up to ``ERROR_BODY``. Raises as iterating does."""

    def close(self) -> None:
        """Let go of the connection: kept if the reply was read whole, else closed."""


class Transport(Protocol):
    """What sends a request to Anthropic."""

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], watch: guard.Guard
    ) -> Reply:
        """Send one request and wait for the reply's headers.

        Raises ``UnreachedError``, ``TimedOutError``, and ``guard.Cancelled`` when
        ``watch`` ends the call.
        """

    def get(self, path: str, headers: Mapping[str, str]) -> Reply:
        """Fetch a resource (the models list). Raises as ``post`` does."""

    def close(self) -> None:
        """Close all connections."""


class SDKReply:
    """A reply of the SDK's own stack."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        try:
            if self._response.is_stream_consumed:
                yield self._response.content
            else:
                yield from self._response.iter_bytes()
        except httpx2.TimeoutException as ex:
            raise TimedOutError from ex
        except (httpx2.HTTPError, httpx2.StreamError) as ex:
            raise CutError from ex

    def read(self) -> bytes:
        body = b""
        for data in self:
            body += data
            if len(body) > ERROR_BODY:
                break
        return body[:ERROR_BODY]

    def close(self) -> None:
        self._response.close()


class SDKTransport:
    """Calls by the SDK's own stack: proxies, CA variables and IPv6 as its users know."""

    def __init__(self, config: settings.Settings, base_url: str | None) -> None:
        timeout = httpx2.Timeout(
            connect=config.connect_timeout,
            read=max(config.header_timeout, config.progress_timeout) + 1,
            write=config.header_timeout,
            pool=config.connect_timeout,
        )
        limits = httpx2.Limits(
            max_connections=config.max_requests + 8,
            max_keepalive_connections=32,
            keepalive_expiry=15,
        )
        self._client = anthropic.Anthropic(
            api_key="each call brings its own",
            base_url=base_url,
            max_retries=0,
            timeout=timeout,
            open_telemetry=False,
            http_client=anthropic.DefaultHttpxClient(
                timeout=timeout, limits=limits, follow_redirects=False
            ),
        )

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], watch: guard.Guard
    ) -> Reply:
        watch.check()
        try:
            stream = self._client.post(
                path,
                cast_to=object,
                content=body,
                stream=True,
                stream_cls=anthropic.Stream[object],
                options={"headers": {"content-type": "application/json", **headers}},
            )
        except anthropic.APIStatusError as ex:
            return SDKReply(ex.response)
        except anthropic.APITimeoutError as ex:
            raise TimedOutError from ex
        except anthropic.APIConnectionError as ex:
            raise UnreachedError from ex
        return SDKReply(stream.response)

    def get(self, path: str, headers: Mapping[str, str]) -> Reply:
        try:
            response = self._client.get(
                path, cast_to=httpx2.Response, options={"headers": dict(headers)}
            )
        except anthropic.APIStatusError as ex:
            return SDKReply(ex.response)
        except anthropic.APITimeoutError as ex:
            raise TimedOutError from ex
        except anthropic.APIConnectionError as ex:
            raise UnreachedError from ex
        return SDKReply(response)

    def close(self) -> None:
        self._client.close()
