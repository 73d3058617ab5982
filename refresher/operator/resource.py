"""The ClaudeCredential as a value, and the names that people see in the cluster."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

GROUP = "claude-proxy.internal"
VERSION = "v1alpha1"
KIND = "ClaudeCredential"
PLURAL = "claudecredentials"

REQUEST_ANNOTATION = f"{GROUP}/refresh-requested-at"
"""On the CR, set by a person: any new value asks for a try now."""
REVISION_ANNOTATION = f"{GROUP}/token-revision"
"""On the Secret and on consumers' pods, set by us: which token it is."""
CONSUMER_LABEL = f"{GROUP}/consumer"
"""`"true"` on the pods that want the annotation."""


class Publish(msgspec.Struct, frozen=True, rename="camel"):
    """Where the access token goes, besides the volume."""

    secret_name: str | None = None
    annotate_pods: bool = False


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    """What a person asks for; the CRD says what each field means."""

    schedule: str | None = None
    time_zone: str = "UTC"
    suspend: bool = False
    publish: Publish = Publish()


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    """One condition, as Kubernetes' API conventions have it."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int | None = None


class Status(msgspec.Struct, frozen=True, rename="camel"):
    """What the CR tells. Times are whole seconds in UTC."""

    observed_generation: int | None = None
    expires_at: datetime | None = None
    login_ends_at: datetime | None = None
    last_refresh_time: datetime | None = None
    next_refresh_time: datetime | None = None
    last_failure_time: datetime | None = None
    failed_attempts: int = 0
    refreshes: int = 0
    token_revision: str | None = None
    handled_refresh_request: str | None = None
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        """Give the condition of a type, if there is one."""
        return next((each for each in self.conditions if each.type == kind), None)


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One ClaudeCredential as the cluster has it."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: Spec
    status: Status
    request: str | None
    """The value of the annotation that asks for a try."""


def parse(body: Mapping[str, Any]) -> Resource:
    """Read a CR that the API server has checked against the CRD.

    A status that is not ours (another version's, edited by hand) counts as none: it is
    written anew. Raises `msgspec.ValidationError` on a spec that the CRD would refuse.
    """
    metadata = body["metadata"]
    try:
        status = msgspec.convert(body.get("status") or {}, Status)
    except msgspec.ValidationError:
        status = Status()
    return Resource(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        spec=msgspec.convert(body.get("spec") or {}, Spec),
        status=status,
        request=(metadata.get("annotations") or {}).get(REQUEST_ANNOTATION),
    )
