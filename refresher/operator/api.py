"""One API call: what goes out, and every way in which the response can be wrong.

A call blocks, so it belongs in a thread. It ends within about DEADLINE seconds, reads no
more than MOST_BYTES, follows no redirect, repeats nothing, and either returns the JSON
object it asked for or raises ClusterError.

The official client finds the API server, signs in, renews its service-account token and
speaks TLS. Its generated models stay out: importing them takes 94 MiB and a second of
CPU, for seven calls.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3
from kubernetes import config
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException

DEADLINE = 30.0
MOST_BYTES = 8 * 1024 * 1024
"""A page of 500 pods' metadata has about 1 MiB."""
_TIMEOUT = (5, 10)  # seconds to connect, and of silence
_LONGEST_WORDS = 300

_HTTP_OK = range(200, 300)
_HTTP_CLIENT_ERROR = range(400, 500)
_HTTP_FORBIDDEN = 403
_HTTP_NOT_FOUND = 404
_HTTP_UNPROCESSABLE = 422
_TEMPORARY = {401, 408, 409, 410, 425, 429}
"""A service-account token that has just expired, a conflict, too many calls at once."""

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML

METADATA = "PartialObjectMetadata"
METADATA_LIST = "PartialObjectMetadataList"
"""Kinds with no more than names and annotations: no pod's spec, no Secret's data."""


class ClusterError(Exception):
    """An API call that did not work, in words. No header and no object is in it."""

    def __init__(
        self, status: int, text: str, retry_after: float | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        """The HTTP status; 0 where there was no usable response."""
        self.retry_after = retry_after
        """Seconds, if the server asked for a pause."""

    @property
    def forbidden(self) -> bool:
        """The refresher lacks the right to this (403)."""
        return self.status == _HTTP_FORBIDDEN

    @property
    def not_found(self) -> bool:
        """The object, or its kind, is not there (404)."""
        return self.status == _HTTP_NOT_FOUND

    @property
    def unprocessable(self) -> bool:
        """The object is invalid, or a JSON Patch's `test` failed (422)."""
        return self.status == _HTTP_UNPROCESSABLE

    @property
    def refused(self) -> bool:
        """The API server has understood, and says no: repeating it soon is no use."""
        return self.status in _HTTP_CLIENT_ERROR and self.status not in _TEMPORARY


class ApiServer:
    """Where calls go, and who makes them."""

    def __init__(self) -> None:
        """Find the API server: the pod's service account, else a kubeconfig.

        Raises ClusterError where there is neither.
        """
        configuration = Configuration()
        # HTTPS_PROXY is for the CLI; kopf, too, connects directly.
        configuration.proxy = None
        # Repeating is the reporter's business; urllib3 would also log each repetition.
        configuration.retries = urllib3.Retry(0, redirect=0, raise_on_redirect=False)
        try:
            try:
                config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
            except config.ConfigException:
                config.load_kube_config(  # type: ignore[no-untyped-call]
                    client_configuration=configuration
                )
        except (config.ConfigException, OSError) as ex:
            text = "there is no service account and no valid kubeconfig here"
            raise ClusterError(0, text) from ex
        self._client = ApiClient(configuration)

    def call(
        self,
        doing: str,
        method: str,
        path: str,
        expect: str,
        *,
        query: Mapping[str, str] | None = None,
        send: tuple[str, Mapping[str, Any] | Sequence[Any]] | None = None,
        secrets: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Make a call and return the object that it gives, of the kind `expect`.

        `doing` completes "cannot …" in errors, `send` is a content type and a body, and
        of `secrets` nothing gets into an error. Raises ClusterError.
        """
        content_type, body = send or (JSON, None)
        accept = JSON
        if expect in {METADATA, METADATA_LIST}:
            accept = f"{JSON};as={expect};g=meta.k8s.io;v=v1"
        try:
            request = self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": accept, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = self._client.call_api(*request, _request_timeout=_TIMEOUT)
            data = _read(response.response, time.monotonic() + DEADLINE)
        except _TooMuchError as ex:
            raise ClusterError(0, f"cannot {doing}: {ex}") from None
        except (
            ApiException,
            urllib3.exceptions.HTTPError,
            OSError,
            ValueError,  # of a header or a chunk that is none
        ) as ex:
            text = f"cannot {doing}: no response from the API server ({_cause(ex)})"
            raise ClusterError(0, text) from None
        if response.status not in _HTTP_OK:
            words = _words(response.status, data, secrets)
            wait = _retry_after(response.headers.get("Retry-After"))
            raise ClusterError(response.status, f"cannot {doing}: {words}", wait)
        value = _object(data)
        if value is None or value.get("kind") != expect:
            text = f"cannot {doing}: the response is not a {expect}"
            raise ClusterError(0, text)
        return value


def _cause(ex: Exception) -> str:
    # No more than a name: the texts can hold headers and bodies.
    if isinstance(ex, urllib3.exceptions.MaxRetryError) and ex.reason:
        return type(ex.reason).__name__
    return type(ex).__name__


class _TooMuchError(Exception):
    """A response without an end, or with one that comes too late."""


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    data = bytearray()
    while chunk := response.read1(65536):
        data += chunk
        problem = None
        if len(data) > MOST_BYTES:
            problem = f"the response is longer than {MOST_BYTES} bytes"
        elif time.monotonic() > deadline:
            problem = f"no complete response within {DEADLINE:.0f} s"
        if problem:
            response.close()
            raise _TooMuchError(problem)
    response.release_conn()
    return bytes(data)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _words(status: int, data: bytes, secrets: Sequence[str]) -> str:
    """Return what the API server says is wrong: the user, verb, object or field."""
    message = (_object(data) or {}).get("message")
    if status not in _HTTP_CLIENT_ERROR or not isinstance(message, str) or not message:
        return f"HTTP {status}"
    if any(secret in message for secret in secrets):
        return f"HTTP {status}"
    words = "".join(each if each.isprintable() else " " for each in message)
    return words[:_LONGEST_WORDS]


def _retry_after(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdecimal() else None
