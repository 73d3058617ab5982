"""The ClaudeCredential as a value, and the names that people see in the cluster."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

GROUP = "claude-proxy.internal"
VERSION = "v1alpha1"
KIND = "ClaudeCredential"
PLURAL = "claudecredentials"

REQUEST_ANNOTATION = f"{GROUP}/refresh-requested-at"
"""On the CR, set by a person: any new value requests a check and, if due, a refresh."""
REVISION_ANNOTATION = f"{GROUP}/token-revision"
"""On the Secret and on consumers' pods, set by us: which token they have."""
CONSUMER_LABEL = f"{GROUP}/consumer"
"""`"true"` on the pods that want the annotation."""

NEVER_OBSERVED = -1
"""`status.observedGeneration` of a CR that no refresher has looked at yet."""


class Publish(msgspec.Struct, frozen=True, rename="camel"):
    """Where the access token goes, besides the volume."""

    secret_name: str | None = None
    creation_policy: Literal["Owner", "Merge"] = "Owner"
    """`Owner`: a Secret of our own. `Merge`: our two keys in a Secret of a person's."""
    annotate_pods: bool = False


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    """What a person asks for; the CRD says what each field means."""

    renew_before: str | None = None
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


class CredentialStatus(msgspec.Struct, frozen=True, rename="camel"):
    """`status` of a ClaudeCredential. Times are whole seconds in UTC.

    A counter that is None was never written, or dropped by a CRD that is older than
    this program: nothing may be concluded from it.
    """

    observed_generation: int = NEVER_OBSERVED
    expires_at: datetime | None = None
    login_ends_at: datetime | None = None
    last_refresh_time: datetime | None = None
    next_refresh_time: datetime | None = None
    last_failure_time: datetime | None = None
    failed_attempts: int | None = None
    refreshes: int | None = None
    token_revision: str | None = None
    handled_refresh_request: str | None = None
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of a type, if there is one."""
        return next((each for each in self.conditions if each.type == kind), None)


class ClaudeCredential(msgspec.Struct, frozen=True, kw_only=True):
    """One ClaudeCredential as the cluster has it."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: Spec = Spec()
    spec_problem: str | None = None
    """What this program does not understand of the spec; `spec` is without it then."""
    status: CredentialStatus = CredentialStatus()
    request: str | None = None
    """The value of the annotation that requests a check and a refresh."""


class Absent(msgspec.Struct, frozen=True):
    """The API server says that there is none. `reason` says what is missing."""

    reason: str
    has_crd: bool = True


class Unknown(msgspec.Struct, frozen=True):
    """The API server has not said yet, and nothing is remembered."""


Found: TypeAlias = ClaudeCredential | Absent | Unknown


def asked_for(found: Found) -> Found:
    """Return what a person asks for, without what was reported back."""
    if isinstance(found, ClaudeCredential):
        return msgspec.structs.replace(found, status=CredentialStatus())
    return found


def parse(body: Mapping[str, Any]) -> ClaudeCredential:
    """Read a ClaudeCredential as the API server sends it.

    A status that is not ours (another version's, edited by hand) counts as none: it is
    replaced. Of a spec that a newer CRD allows and this program does not understand,
    `suspend` is honoured and the rest is left out. Raises ValueError for anything that
    is no ClaudeCredential.
    """
    try:
        metadata = msgspec.convert(body["metadata"], _Metadata)
    except (KeyError, TypeError, msgspec.ValidationError) as ex:
        raise ValueError(f"not a {KIND}") from ex
    spec, problem = _spec(body.get("spec") or {})
    try:
        status = msgspec.convert(body.get("status") or {}, CredentialStatus)
    except msgspec.ValidationError:
        status = CredentialStatus()
    return ClaudeCredential(
        name=metadata.name,
        namespace=metadata.namespace,
        uid=metadata.uid,
        generation=metadata.generation,
        spec=spec,
        spec_problem=problem,
        status=status,
        request=(metadata.annotations or {}).get(REQUEST_ANNOTATION),
    )


class _Metadata(msgspec.Struct):
    name: str
    namespace: str
    uid: str
    generation: int = 0
    annotations: dict[str, str] | None = None


def _spec(body: object) -> tuple[Spec, str | None]:
    try:
        return msgspec.convert(body, Spec), None
    except msgspec.ValidationError as ex:
        suspended = isinstance(body, Mapping) and body.get("suspend") is True
        text = (
            f"this version does not understand the spec ({ex}); upgrade the refresher"
        )
        return Spec(suspend=suspended), text
