"""The API calls, all of them. Each blocks: call it in a thread.

They need what manifests/refresher/rights/role.yaml allows, and nothing else; the pods
are listed and annotated only where the CR says `annotatePods`.
"""

import time
from datetime import datetime
from typing import Any, NamedTuple

from refresher.credentials import Credential
from refresher.operator import api, objects
from refresher.operator.api import ApiServer, ClusterError
from refresher.operator.events import Event
from refresher.operator.resource import (
    CONSUMER_LABEL,
    GROUP,
    KIND,
    PLURAL,
    REVISION_ANNOTATION,
    VERSION,
    Absent,
    ClaudeCredential,
    Publish,
    parse,
)
from refresher.settings import Settings

_AS_US = {"fieldManager": objects.FIELD_MANAGER}
_PAGE = 500
_LEAST_PODS = 10
"""Pods that are annotated in any case, however long it took to list them."""
_GROUPS = "APIGroupList"


class ForeignSecretError(ClusterError):
    """There is a Secret of that name, and it is not ours."""


class Annotated(NamedTuple):
    """What became of one pass over the consumers' pods."""

    new: int
    """Pods that did not have this revision yet."""
    more: bool
    """The pass ran out of time; another one goes on."""
    refused: list[ClusterError]
    """One error for each pod that could not be annotated."""


class Cluster:
    """The calls, for one ClaudeCredential in one namespace."""

    def __init__(self, settings: Settings, api_server: ApiServer) -> None:
        self._api = api_server
        self._name = settings.credential_name
        self._namespace = settings.pod_namespace
        self._core = f"/api/v1/namespaces/{self._namespace}"
        self._ours = f"/apis/{GROUP}/{VERSION}/namespaces/{self._namespace}/{PLURAL}"

    def find(self) -> ClaudeCredential | Absent:
        """Look the CR up by its name; as a list, which needs one verb less.

        Only a list of the right kind says that there is no CR, and only the list of all
        API groups says that there is no CRD: a 404 alone may come from anywhere. Raises
        ClusterError.
        """
        query = {"fieldSelector": f"metadata.name={self._name}"}
        try:
            found = self._api.call(
                f"list {PLURAL}", "GET", self._ours, f"{KIND}List", query=query
            )
        except ClusterError as ex:
            if not ex.not_found:
                raise
            if not self._has_no_crd():
                raise ClusterError(0, str(ex)) from None
            text = (
                f"the CRD {PLURAL}.{GROUP} is not installed; a cluster admin applies "
                "manifests/crd"
            )
            return Absent(text, has_crd=False)
        items = found.get("items")
        if not isinstance(items, list):
            text = f"cannot list {PLURAL}: the response is not a list of them"
            raise ClusterError(0, text)
        try:
            parsed = [parse(item) for item in items]
        except ValueError as ex:
            raise ClusterError(0, f"cannot list {PLURAL}: {ex}") from None
        for each in parsed:
            if (each.name, each.namespace) == (self._name, self._namespace):
                return each
        return Absent(
            f"there is no ClaudeCredential {self._name} in the namespace "
            f"{self._namespace}"
        )

    def _has_no_crd(self) -> bool:
        found = self._api.call("list the API groups", "GET", "/apis", _GROUPS)
        groups = found.get("groups")
        if not isinstance(groups, list) or not groups:
            return False
        return not any(
            isinstance(each, dict) and each.get("name") == GROUP for each in groups
        )

    def write_status(self, status: dict[str, Any]) -> list[str]:
        """Replace the CR's status; return the names of fields that the CRD dropped.

        Raises ClusterError.
        """
        path = f"{self._ours}/{self._name}/status"
        send = (api.MERGE_PATCH, {"status": status})
        stored = self._api.call(
            "patch the status", "PATCH", path, KIND, query=_AS_US, send=send
        )
        kept = stored.get("status")
        kept = kept if isinstance(kept, dict) else {}
        return [
            name
            for name, value in status.items()
            if value is not None and name not in kept
        ]

    def publish(
        self, publish: Publish, owner: ClaudeCredential, credential: Credential
    ) -> None:
        """Make the Secret hold this token, also where someone has changed our keys.

        Raises ForeignSecretError where a Secret of that name is a person's and the CR
        does not say `Merge`, and ClusterError.
        """
        name = publish.secret_name or ""
        if publish.creation_policy == "Merge":
            send = (api.MERGE_PATCH, objects.merge(credential))
            self._patch_secret(f"merge into the Secret {name}", name, credential, send)
            return
        uid = self._uid_of_ours(name, credential)
        send = (api.APPLY_PATCH, objects.secret(name, owner, credential, uid))
        query = {"force": "true"} if uid else {}
        doing = f"apply the Secret {name}"
        self._patch_secret(doing, name, credential, send, query)

    def _uid_of_ours(self, name: str, credential: Credential) -> str | None:
        """Return the uid of our Secret; None where there is no Secret yet."""
        send = (api.JSON_PATCH, objects.IS_OURS)
        doing = f"look whose the Secret {name} is"
        try:
            found = self._patch_secret(doing, name, credential, send)
        except ClusterError as ex:
            if ex.not_found:
                return None
            if ex.unprocessable:
                text = (
                    f"the Secret {name} was not made by this refresher; delete it, "
                    "choose another spec.publish.secretName, or set "
                    "spec.publish.creationPolicy to Merge"
                )
                raise ForeignSecretError(ex.status, text) from None
            raise
        metadata = found.get("metadata")
        uid = metadata.get("uid") if isinstance(metadata, dict) else None
        if not isinstance(uid, str) or not uid:
            text = f"cannot {doing}: the response names no uid"
            raise ClusterError(0, text)
        return uid

    def _patch_secret(
        self,
        doing: str,
        name: str,
        credential: Credential,
        send: tuple[str, Any],
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            return self._api.call(
                doing,
                "PATCH",
                f"{self._core}/secrets/{name}",
                api.METADATA,
                query={**_AS_US, **(query or {})},
                send=send,
                secrets=objects.tokens(credential),
            )
        except ClusterError as ex:
            if ex.unprocessable and "immutable" in str(ex):
                again = "; delete it"
                if send[0] == api.MERGE_PATCH:
                    again += " and create it again without `immutable`"
                raise ClusterError(ex.status, f"{ex}{again}") from None
            raise

    def annotate_pods(self, revision: str, seconds: float) -> Annotated:
        """Write a token's revision on the consumers' pods, for about `seconds`.

        A pod that is refused holds up no other one, and a pod that ends meanwhile is no
        error. Raises ClusterError if the pods cannot be listed.
        """
        end = time.monotonic() + seconds
        new = 0
        refused: list[ClusterError] = []
        query = {"labelSelector": f"{CONSUMER_LABEL}=true", "limit": str(_PAGE)}
        while True:
            pods, following = self._list_pods(query)
            for pod in pods:
                done = new + len(refused)
                if done >= _LEAST_PODS and time.monotonic() >= end:
                    return Annotated(new, more=True, refused=refused)
                try:
                    new += self._annotate(pod, revision)
                except ClusterError as ex:
                    refused.append(ex)
            if not following:
                return Annotated(new, more=False, refused=refused)
            query["continue"] = following

    def _list_pods(self, query: dict[str, str]) -> tuple[list[dict[str, Any]], str]:
        found = self._api.call(
            "list pods",
            "GET",
            f"{self._core}/pods",
            api.METADATA_LIST,
            query=query,
        )
        items, metadata = found.get("items", ""), found.get("metadata")
        if items is None:  # which is how a list of metadata says that it is empty
            items = []
        if not isinstance(items, list):
            raise ClusterError(
                0, "cannot list pods: the response is not a list of them"
            )
        pods = [pod["metadata"] for pod in items if _is_pod(pod)]
        following = metadata.get("continue") if isinstance(metadata, dict) else None
        return pods, following if isinstance(following, str) else ""

    def _annotate(self, pod: dict[str, Any], revision: str) -> bool:
        annotations = pod.get("annotations")
        annotations = annotations if isinstance(annotations, dict) else {}
        if annotations.get(REVISION_ANNOTATION) == revision:
            return False
        if "deletionTimestamp" in pod:
            return False
        name = pod["name"]
        try:
            self._api.call(
                f"annotate the pod {name}",
                "PATCH",
                f"{self._core}/pods/{name}",
                api.METADATA,
                query=_AS_US,
                send=(api.MERGE_PATCH, objects.annotation(revision)),
            )
        except ClusterError as ex:
            if ex.not_found:
                return False
            raise
        return True

    def create_event(self, about: ClaudeCredential, event: Event, at: datetime) -> None:
        """Put an event beside the CR, where `kubectl describe` shows it."""
        send = (api.JSON, objects.event(about, event, at))
        path = f"{self._core}/events"
        self._api.call("create an event", "POST", path, "Event", send=send)


def _is_pod(item: object) -> bool:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
