"""What is written to the cluster, besides the status. The refresh token is in none of it."""

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
    ClaudeCredential,
)

FIELD_MANAGER = "claude-refresher"

IS_OURS = [
    {
        "op": "test",
        "path": "/metadata/labels/app.kubernetes.io~1managed-by",
        "value": FIELD_MANAGER,
    }
]
"""A JSON Patch that changes nothing and fails on a Secret without our label: so it shows
whose a Secret is, without the right to read one."""


def secret(
    name: str, owner: ClaudeCredential, credential: Credential, uid: str | None
) -> dict[str, Any]:
    """Return the Secret for server-side apply: only what is ours, so other keys stay.

    Applied, it creates the Secret where there is none; it is deleted with the CR, its
    owner. With a `uid`, the API server refuses any Secret but that one.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            **({"uid": uid} if uid else {}),
            "labels": {"app.kubernetes.io/managed-by": FIELD_MANAGER},
            "annotations": {REVISION_ANNOTATION: credential.revision},
            "ownerReferences": [
                {
                    "apiVersion": f"{GROUP}/{VERSION}",
                    "kind": KIND,
                    "name": owner.name,
                    "uid": owner.uid,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "type": "Opaque",
        "data": _data(credential),
    }


def merge(credential: Credential) -> dict[str, Any]:
    """Return the merge patch that puts our two keys into a person's Secret."""
    return {**annotation(credential.revision), "data": _data(credential)}


def _data(credential: Credential) -> dict[str, str]:
    return {
        "access-token": _base64(credential.access_token),
        "expires-at": _base64(_time(credential.expires_at)),
    }


def annotation(revision: str) -> dict[str, Any]:
    """Return the patch that names the token; the kubelet then updates a pod at once."""
    return {"metadata": {"annotations": {REVISION_ANNOTATION: revision}}}


def event(about: ClaudeCredential, what: Event, at: datetime) -> dict[str, Any]:
    """Return an Event beside the CR. It is created once and never patched."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "generateName": f"{about.name}.",
            "namespace": about.namespace,
        },
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "name": about.name,
            "namespace": about.namespace,
            "uid": about.uid,
        },
        "type": what.type,
        "reason": what.reason,
        "message": what.message[:_LONGEST_MESSAGE],
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


def tokens(credential: Credential) -> tuple[str, ...]:
    """Return the texts that no message may repeat, whatever the API server sends back."""
    return credential.access_token, _base64(credential.access_token)
