"""A scripted API server on loopback: enough of Kubernetes for one ClaudeCredential.

It holds what is written to it and says what a real one says, unless the script has
another response:

    server.credential = credential(...)              the CR; None where there is none
    server.script = lambda method, path: Response(503)    None: the real response

What only a real API server can decide (CEL, JSON Patch, server-side apply, RBAC) is
tested on the real one.
"""

import contextlib
import http.server
import json
import socket
import threading
import urllib.parse
from collections.abc import Callable  # noqa: TC003 - read by people
from http import HTTPStatus
from typing import Any, NamedTuple, Self

from quiet_server import QuietServer

OURS = "/apis/claude-proxy.internal/v1alpha1/namespaces/here/claudecredentials"
CORE = "/api/v1/namespaces/here"
JSON = "application/json"

Object = dict[str, Any]


class Response(NamedTuple):
    """One scripted response. Status 0 cuts the connection before any byte."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - of a NamedTuple, never changed
    silent: bool = False
    """Say nothing, and keep the connection open."""
    drip: bool = False
    """Send the body without an end, one byte a second."""


def failure(status: int, message: str = "no", **headers: str) -> Response:
    """Return an error as the API server words it."""
    body = {"kind": "Status", "apiVersion": "v1", "code": status, "message": message}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, json.dumps(body).encode(), named)


def credential(
    *, uid: str = "1", annotations: Object | None = None, **spec: Any
) -> Object:
    """Return a ClaudeCredential as the API server sends it."""
    return {
        "apiVersion": "claude-proxy.internal/v1alpha1",
        "kind": "ClaudeCredential",
        "metadata": {
            "name": "claude",
            "namespace": "here",
            "uid": uid,
            "generation": 1,
            "annotations": annotations or {},
        },
        "spec": spec,
        "status": {"observedGeneration": -1},
    }


class ApiServer:
    """The server, running while it is a context."""

    def __init__(self) -> None:
        self.credential: Object | None = None
        self.has_crd = True
        self.known_status: set[str] | None = None
        """The fields of the status that the CRD knows; None for all."""
        self.denied: set[tuple[str, str]] = set()
        """Verbs and resources that are not allowed when a review asks about them."""
        self.secrets: dict[str, Object] = {}
        self.pods: dict[str, Object] = {}
        self.events: list[Object] = []
        self.statuses: list[Object] = []
        """Every status that was written."""
        self.requests: list[tuple[str, str]] = []
        self.accepted: list[tuple[str, str]] = []  # path, Accept
        self.script: Callable[[str, str], Response | None] = lambda *_: None
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self._log: list[tuple[int, str, str]] = []  # version, type, object
        self._seen = "null"
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with self.changed:
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def put(self, body: Object | None) -> None:
        """Create, replace or delete the CR, and let watches see it."""
        with self.changed:
            old = self.credential
            if body and old and body["metadata"]["uid"] == old["metadata"]["uid"]:
                body["status"] = old["status"]
                if body["spec"] != old["spec"]:
                    body["metadata"]["generation"] = old["metadata"]["generation"] + 1
            self.credential = body
            self._note()

    def _note(self) -> None:
        """Let watches see what has become of the CR."""
        now = json.dumps(self.credential)
        for kind, text in _events(self._seen, now):
            self._log.append((len(self._log) + 1, kind, text))
        self._seen = now
        self.changed.notify_all()

    def events_after(self, version: int) -> list[tuple[int, str, str]]:
        """Wait for changes later than a version; none means that it is over."""
        with self.changed:
            while len(self._log) <= version and not self.closing.is_set():
                self.changed.wait()
            return [] if self.closing.is_set() else self._log[version:]

    def kubeconfig(self) -> Object:
        """Return the kubeconfig of a client without a name."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }

    # What a test asks.

    @property
    def status(self) -> Object:
        return (self.credential or {}).get("status", {})

    def condition(self, kind: str) -> tuple[str, str] | None:
        """(status, reason) of a condition."""
        for each in self.status.get("conditions", []):
            if each["type"] == kind:
                return each["status"], each["reason"]
        return None

    def message(self, kind: str) -> str:
        [found] = [each for each in self.status["conditions"] if each["type"] == kind]
        return found["message"]

    @property
    def reasons(self) -> list[str]:
        """The reasons of the events, oldest first."""
        return [each["reason"] for each in self.events]

    def count(self, method: str, part: str) -> int:
        """How often a path with this part was asked for."""
        return sum(m == method and part in path for m, path in self.requests)

    # What a client gets.

    def respond(
        self, method: str, path: str, body: Any, query: dict[str, str]
    ) -> Response:
        with self.changed:
            if (method, path) == ("GET", f"{CORE}/pods"):
                return self._page(int(query["limit"]), int(query.get("continue") or 0))
            return self._respond(method, path, body)

    def _page(self, limit: int, start: int) -> Response:
        pods, end = list(self.pods.values()), start + limit
        following = {"continue": str(end)} if end < len(pods) else {}
        items = pods[start:end] or None  # as a real one says of metadata
        return _ok({"kind": "PodList", "metadata": following, "items": items})

    def _respond(self, method: str, path: str, body: Any) -> Response:
        match method, path:
            case "GET", "/api":
                return _ok({"kind": "APIVersions", "versions": ["v1"]})
            case "GET", "/api/v1":
                return _ok(_resources("", "v1", Namespace=False, Event=True))
            case "GET", "/apis":
                groups = [_group("apiextensions.k8s.io", "v1")]
                if self.has_crd:
                    groups.append(_group("claude-proxy.internal", "v1alpha1"))
                return _ok({"kind": "APIGroupList", "groups": groups})
            case "GET", "/apis/apiextensions.k8s.io/v1":
                kind = {"CustomResourceDefinition": False}
                return _ok(_resources("apiextensions.k8s.io", "v1", **kind))
            case "GET", "/apis/claude-proxy.internal/v1alpha1" if self.has_crd:
                kind = {"ClaudeCredential": True}
                return _ok(_resources("claude-proxy.internal", "v1alpha1", **kind))
            case "GET", _ if path == OURS and self.has_crd:
                items = [self.credential] if self.credential else []
                return _ok(
                    {
                        "kind": "ClaudeCredentialList",
                        "apiVersion": "claude-proxy.internal/v1alpha1",
                        "metadata": {"resourceVersion": str(len(self._log))},
                        "items": items,
                    }
                )
            case "PATCH", _ if path == f"{OURS}/claude/status" and self.credential:
                return self._status(body["status"])
            case "PATCH", _ if path.startswith(f"{CORE}/secrets/"):
                return self._secret(path.rpartition("/")[2], body)
            case "PATCH", _ if path.startswith(f"{CORE}/pods/"):
                pod = self.pods[path.rpartition("/")[2]]
                pod["metadata"].setdefault("annotations", {}).update(
                    body["metadata"]["annotations"]
                )
                return _ok(pod)
            case "POST", _ if path == f"{CORE}/events":
                self.events.append(body)
                return _ok(body)
            case "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
                asked = body["spec"]["resourceAttributes"]
                allowed = (asked["verb"], asked["resource"]) not in self.denied
                return _ok({**body, "status": {"allowed": allowed}})
            case _:
                return Response(404, b"404 page not found\n")

    def _status(self, sent: Object) -> Response:
        kept = {
            name: value
            for name, value in sent.items()
            if value is not None
            and (self.known_status is None or name in self.known_status)
        }
        assert self.credential
        self.credential["status"] = kept
        self.statuses.append(kept)
        self._note()
        return _ok(self.credential)

    def _secret(self, name: str, body: Any) -> Response:
        old = self.secrets.get(name)
        if isinstance(body, list):  # the JSON Patch that tests our label
            if old is None:
                return failure(404, f'secrets "{name}" not found')
            label = (
                old["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by")
            )
            if label != body[0]["value"]:
                return failure(422, "the server rejected our request")
            return _ok(old)
        if old is None and "kind" not in body:  # a merge patch creates nothing
            return failure(404, f'secrets "{name}" not found')
        if old is None:
            body["metadata"]["uid"] = f"secret-{len(self.requests)}"
            self.secrets[name] = body
        else:
            old["data"] = old.get("data", {}) | body["data"]
            old["metadata"].update(body["metadata"])
        return _ok(self.secrets[name])


def _group(name: str, version: str) -> Object:
    named = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [named], "preferredVersion": named}


def _resources(group: str, version: str, **namespaced: bool) -> Object:
    resources = [
        {
            "name": f"{kind.lower()}s",
            "singularName": kind.lower(),
            "namespaced": within,
            "kind": kind,
            "verbs": ["list", "watch", "patch"],
        }
        for kind, within in namespaced.items()
    ]
    where = f"{group}/{version}".lstrip("/")
    return {"kind": "APIResourceList", "groupVersion": where, "resources": resources}


def _ok(body: Object) -> Response:
    return Response(200, json.dumps(body).encode(), {"content-type": JSON})


class _Server(QuietServer):
    api: ApiServer


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _handle(self) -> None:
        api, url = self.server.api, urllib.parse.urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        api.requests.append((self.command, self.path))
        api.accepted.append((self.path, self.headers.get("accept", "")))
        scripted = api.script(self.command, self.path)
        if scripted is None and "watch=true" in url.query:
            self._watch(dict(urllib.parse.parse_qsl(url.query)))
            return
        query = dict(urllib.parse.parse_qsl(url.query))
        body = json.loads(data or b"{}")
        self._send(
            scripted
            or self._as_accepted(api.respond(self.command, url.path, body, query))
        )

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815

    def _as_accepted(self, response: Response) -> Response:
        """Say the kind that was asked for, as PartialObjectMetadata."""
        _, asked, rest = self.headers.get("accept", "").partition(";as=")
        if not asked or response.status != HTTPStatus.OK:
            return response
        body = {**json.loads(response.body), "kind": rest.partition(";")[0]}
        return _ok(body)

    def _send(self, response: Response) -> None:
        if response.silent:
            self.server.api.closing.wait()
        if response.silent or response.status == 0:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if not response.drip:
            self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)
        while response.drip and not self.server.api.closing.wait(1):
            self.wfile.write(b" ")

    def _watch(self, query: dict[str, str]) -> None:
        """Send each change of the CR since the version that was asked for."""
        self.send_response(200)
        self.send_header("content-type", JSON)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        version = int(query.get("resourceVersion") or 0)
        while events := self.server.api.events_after(version):
            version = events[-1][0]
            for _, kind, text in events:
                data = f'{{"type": "{kind}", "object": {text}}}\n'.encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _events(before: str, after: str) -> list[tuple[str, str]]:
    if after == before:
        return []
    if after == "null":
        return [("DELETED", before)]
    if before == "null":
        return [("ADDED", after)]
    if json.loads(before)["metadata"]["uid"] != json.loads(after)["metadata"]["uid"]:
        return [("DELETED", before), ("ADDED", after)]
    return [("MODIFIED", after)]
