"""What `claude-refresher doctor` asks the API server: is there a CR, and what may we do.

It asks about its own rights by SelfSubjectAccessReview, which every authenticated user
may create (the cluster's own role `system:basic-user`), so nothing has to be granted.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from refresher.facts import Cluster as Report
from refresher.operator import api
from refresher.operator.api import ApiServer, ClusterError
from refresher.operator.cluster import Cluster
from refresher.operator.resource import GROUP, PLURAL, Absent, ClaudeCredential, Publish
from refresher.settings import Settings

_KIND = "SelfSubjectAccessReview"
_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Right(NamedTuple):
    """One thing that the refresher has to be allowed to do in its namespace."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    name: str = ""

    def __str__(self) -> str:
        what = "/".join(filter(None, (self.resource, self.subresource)))
        return " ".join(filter(None, (self.verb, what, self.name)))


def needed(name: str, publish: Publish) -> Iterator[Right]:
    """Yield what a ClaudeCredential of this name needs. Pure."""
    yield Right("list", PLURAL, GROUP, name=name)
    yield Right("watch", PLURAL, GROUP, name=name)
    yield Right("patch", PLURAL, GROUP, "status", name)
    yield Right("create", "events")
    if secret := publish.secret_name:
        if publish.creation_policy == "Owner":
            yield Right("create", "secrets", name=secret)
        yield Right("patch", "secrets", name=secret)
    if publish.annotate_pods:
        yield Right("list", "pods")
        yield Right("patch", "pods")


def examine(settings: Settings) -> Report:
    """Ask the API server. Never raises; each call ends within half a minute."""
    try:
        server = ApiServer()
        found = Cluster(settings, server).find()
    except ClusterError as ex:
        return Report(trouble=str(ex))
    publish = Publish()
    report = Report(name=settings.credential_name)
    match found:
        case Absent(reason):
            report = Report(absent=reason)
        case ClaudeCredential():
            publish = found.spec.publish
            report = _of(found)
    try:
        missing = tuple(
            str(right)
            for right in needed(settings.credential_name, publish)
            if not _may(server, settings.pod_namespace, right)
        )
    except ClusterError as ex:
        return msgspec.structs.replace(report, unknown=str(ex))
    return msgspec.structs.replace(report, missing=missing)


def _of(found: ClaudeCredential) -> Report:
    ready = found.status.condition("Ready")
    if ready is None or ready.reason == "Pending":
        return Report(name=found.name, suspended=found.spec.suspend)
    return Report(
        name=found.name,
        suspended=found.spec.suspend,
        ready=(ready.status, ready.reason, ready.message),
    )


def _may(server: ApiServer, namespace: str, right: Right) -> bool:
    asked = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": _KIND,
        "spec": {
            "resourceAttributes": {
                "namespace": namespace,
                "verb": right.verb,
                "group": right.group,
                "resource": right.resource,
                "subresource": right.subresource,
                "name": right.name,
            }
        },
    }
    answer = server.call(
        "ask what this user may do", "POST", _PATH, _KIND, send=(api.JSON, asked)
    )
    status = answer.get("status")
    return isinstance(status, dict) and status.get("allowed") is True
