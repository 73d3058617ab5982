"""What is written to the cluster, besides the status. The refresh token is in nothing."""

import base64
from datetime import UTC, datetime
from typing import Any

from refresher.credentials import Credential
from refresher.operator.events import Event
from refresher.operator.resource import (
    GROUP,
    KIND,
    REVISION_ANNOTATION,
    VERSION,
    Resource,
)

FIELD_MANAGER = "claude-refresher"


def secret(name: str, resource: Resource, credential: Credential) -> dict[str, Any]:
    """Give the Secret as it is applied: only what is ours, so others' keys stay.

    Server-side apply creates it where there is none. It goes with the CR, its owner.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": resource.namespace,
            "labels": {"app.kubernetes.io/managed-by": FIELD_MANAGER},
            "annotations": {REVISION_ANNOTATION: credential.revision},
            "ownerReferences": [
                {
                    "apiVersion": f"{GROUP}/{VERSION}",
                    "kind": KIND,
                    "name": resource.name,
                    "uid": resource.uid,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "type": "Opaque",
        "data": {
            "access-token": _base64(credential.access_token),
            "expires-at": _base64(_time(credential.expires_at)),
        },
    }


def annotation(revision: str) -> dict[str, Any]:
    """Give the patch that tells a pod of a token; the kubelet then looks at once."""
    return {"metadata": {"annotations": {REVISION_ANNOTATION: revision}}}


def event(resource: Resource, told: Event, at: datetime) -> dict[str, Any]:
    """Give an Event beside the CR. It is created once and never patched."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "generateName": f"{resource.name}.",
            "namespace": resource.namespace,
        },
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "name": resource.name,
            "namespace": resource.namespace,
            "uid": resource.uid,
        },
        "type": told.type,
        "reason": told.reason,
        "message": told.message[:_LONGEST_MESSAGE],
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": _time(at),
        "lastTimestamp": _time(at),
        "count": 1,
    }


_LONGEST_MESSAGE = 1024
"""The API server refuses events with more."""


def _time(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
