"""The only API calls. Each blocks: call it in a thread.

What is asked for is what manifests/refresher/rights/role.yaml allows, and nothing else; the
pods are asked for only where the CR says `annotatePods`.

The official client finds the API server, signs in, renews its token and speaks TLS. Its
generated models stay out: importing them takes 94 MiB and a second of CPU, for six calls.
"""

import json
from datetime import datetime
from typing import Any

import urllib3
from kubernetes import config
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException

from refresher.credentials import Credential
from refresher.operator import objects
from refresher.operator.events import Event
from refresher.operator.resource import (
    CONSUMER_LABEL,
    GROUP,
    PLURAL,
    REVISION_ANNOTATION,
    VERSION,
    Resource,
    parse,
)
from refresher.settings import Settings

_TIMEOUT = (5, 10)  # seconds to connect, and to read
_HTTP_OK = range(200, 300)
_HTTP_FORBIDDEN = 403
_HTTP_NOT_FOUND = 404
_HTTP_INTERNAL = 500
_PASSING = {0, 401, 408, 409, 410, 429}
"""No answer, a token of ours that has just ended, a conflict, too many at once."""

_JSON = "application/json"
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"  # JSON is YAML


class ClusterError(Exception):
    """An API call that did not work, in words. No header and no object is in it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        """The HTTP status; 0 where there was no answer."""

    @property
    def forbidden(self) -> bool:
        return self.status == _HTTP_FORBIDDEN

    @property
    def not_found(self) -> bool:
        return self.status == _HTTP_NOT_FOUND

    @property
    def passing(self) -> bool:
        """Whether asking again in a moment may work."""
        return self.status in _PASSING or self.status >= _HTTP_INTERNAL


class Cluster:
    """The calls, for one ClaudeCredential in one namespace."""

    def __init__(self, settings: Settings) -> None:
        """Find the API server: the pod's service account, else a kubeconfig.

        Raises ClusterError where there is neither.
        """
        configuration = Configuration()
        configuration.proxy = (
            None  # HTTPS_PROXY is for the CLI; kopf, too, asks directly
        )
        try:
            try:
                config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
            except config.ConfigException:
                config.load_kube_config(  # type: ignore[no-untyped-call]
                    client_configuration=configuration
                )
        except (config.ConfigException, OSError) as ex:
            raise ClusterError(0, "no service account and no kubeconfig here") from ex
        self._api = ApiClient(configuration)
        self._name = settings.credential_name
        self._core = f"/api/v1/namespaces/{settings.pod_namespace}"
        self._ours = (
            f"/apis/{GROUP}/{VERSION}/namespaces/{settings.pod_namespace}/{PLURAL}"
        )

    def find(self) -> Resource | None:
        """Look for the CR by its name; a list, so that one verb less is needed.

        Raises ClusterError; `not_found` means that the CRD is not there.
        """
        selector = {"fieldSelector": f"metadata.name={self._name}"}
        found = self._ask(f"list {PLURAL}", "GET", self._ours, selector)
        return next(map(parse, found["items"]), None)

    def write_status(self, status: dict[str, Any]) -> None:
        """Make `status` the CR's. Raises ClusterError; `not_found`: the CR is gone."""
        path, send = f"{self._ours}/{self._name}/status", (_MERGE, {"status": status})
        self._ask("patch the status", "PATCH", path, _AS_US, send)

    def apply_secret(
        self, name: str, resource: Resource, credential: Credential
    ) -> None:
        """Make the Secret hold this token, also where someone changed our keys."""
        path, query = f"{self._core}/secrets/{name}", {**_AS_US, "force": "true"}
        send = (_APPLY, objects.secret(name, resource, credential))
        self._ask(f"apply the Secret {name}", "PATCH", path, query, send)

    def annotate_pods(self, revision: str) -> int:
        """Tell the consumers' pods of a token; gives how many had not heard of it.

        A pod that ends meanwhile is no error.
        """
        path, query = f"{self._core}/pods", {"labelSelector": f"{CONSUMER_LABEL}=true"}
        pods = self._ask("list pods", "GET", path, query)["items"]
        return sum(self._annotate(pod["metadata"], revision) for pod in pods)

    def _annotate(self, pod: dict[str, Any], revision: str) -> bool:
        told = (pod.get("annotations") or {}).get(REVISION_ANNOTATION) == revision
        if told or "deletionTimestamp" in pod:
            return False
        path = f"{self._core}/pods/{pod['name']}"
        send = (_MERGE, objects.annotation(revision))
        try:
            self._ask(f"annotate {pod['name']}", "PATCH", path, _AS_US, send)
        except ClusterError as ex:
            if ex.not_found:
                return False
            raise
        return True

    def create_event(self, resource: Resource, event: Event, at: datetime) -> None:
        """Put an event beside the CR, where `kubectl describe` shows it."""
        send = (_JSON, objects.event(resource, event, at))
        self._ask("create an event", "POST", f"{self._core}/events", {}, send)

    def _ask(
        self,
        doing: str,
        method: str,
        path: str,
        query: dict[str, str],
        send: tuple[str, dict[str, Any]] = (_JSON, {}),
    ) -> Any:  # noqa: ANN401 - the JSON of whatever was asked for
        request = self._api.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": _JSON, "Content-Type": send[0]},
            body=send[1] or None,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._api.call_api(*request, _request_timeout=_TIMEOUT)
            data: bytes = answer.read()  # type: ignore[no-untyped-call]
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as ex:
            kind = type(ex).__name__  # their texts can hold headers and bodies
            text = f"cannot {doing}: no answer from the API server ({kind})"
            raise ClusterError(0, text) from None
        if answer.status not in _HTTP_OK:
            text = f"cannot {doing}: {_words(answer.status, data)}"
            raise ClusterError(answer.status, text)
        return json.loads(data)


_AS_US = {"fieldManager": objects.FIELD_MANAGER}


def _words(status: int, data: bytes) -> str:
    if status == _HTTP_FORBIDDEN:
        # It names the user, the verb and the object, which is what an admin needs.
        try:
            return str(json.loads(data)["message"])
        except (ValueError, TypeError, KeyError):
            pass
    return f"HTTP {status}"
