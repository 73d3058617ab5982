"""What the operator asks for, read in the audit log, and what it is refused."""

import collections
import urllib.parse

import pytest

from node import PATIENCE, until
from tests.cluster.operator.installation import SECRET

DISCOVERY = ("/api", "/apis", "/api/v1", "/apis/")
OURS = "/apis/claude-proxy.internal/v1alpha1/namespaces/{}/claudecredentials"


def asked(audit, installed):
    """{(verb, path): {codes}} of everything that the operator asked for by name."""
    user = f"system:serviceaccount:{installed.namespace}:claude-refresher"
    found = collections.defaultdict(set)
    for each in audit.entries(user):
        path = urllib.parse.urlsplit(each["requestURI"])
        if each["verb"] in {"list", "watch"} and "claudecredentials" in path.path:
            selector = urllib.parse.parse_qs(path.query)["fieldSelector"]
            assert selector == ["metadata.name=claude"]
        found[each["verb"], path.path].add(each["responseStatus"]["code"])
    return found


def in_namespaces(found):
    return {
        (verb, path): codes
        for (verb, path), codes in found.items()
        if "/namespaces" in path
    }


def test_it_asks_for_what_its_role_names_and_for_nothing_else(installed, fake, audit):
    installed.login_falls_due(fake("ok"))
    until(lambda: installed.status.get("refreshes") == 1)
    installed.becomes("Published", "True", "TokenPublished")
    installed.reports("Normal", "Refreshed")
    installed.operator.stop()

    ours, core = (
        OURS.format(installed.namespace),
        f"/api/v1/namespaces/{installed.namespace}",
    )
    until(lambda: ("watch", ours) in asked(audit, installed))  # logged at its end
    found = asked(audit, installed)
    assert in_namespaces(found).keys() == {
        ("list", ours),
        ("watch", ours),
        ("patch", f"{ours}/claude/status"),
        ("patch", f"{core}/secrets/{SECRET}"),
        ("create", f"{core}/events"),
    }
    assert found.pop(("patch", f"{core}/secrets/{SECRET}")) == {200, 201, 404}
    assert set.union(*in_namespaces(found).values()) <= {200, 201}
    rest = {path for verb, path in found if "/namespaces" not in path}
    assert all(path.startswith(DISCOVERY) for path in rest)
    assert all(verb == "get" for verb, path in found if path in rest)


def test_the_doctor_knows_the_rights_without_a_further_one(installed, fake):
    installed.login()
    installed.create()
    installed.start(fake("ok").path)
    installed.becomes("Ready", "True", "TokenValid")

    lines = installed.doctor()
    assert lines["rights"]["verdict"] == "ok", lines
    assert lines["ClaudeCredential"]["verdict"] == "ok", lines

    installed.kubectl("patch", "role/claude-refresher", "--type=json", "-p", NO_EVENTS)
    until(lambda: installed.doctor()["rights"]["verdict"] == "fail")
    assert "may not create events." in installed.doctor()["rights"]["why"]


NO_EVENTS = '[{"op": "remove", "path": "/rules/3"}]'


def test_a_secret_that_the_role_does_not_name_is_refused_and_reported(installed, fake):
    installed.login()
    installed.create(publish={"secretName": "another"})
    installed.start(fake("ok").path)

    installed.becomes("Published", "False", "PublishForbidden")
    installed.becomes("Ready", "False", "PublishForbidden")
    installed.becomes("Stalled", "True", "PublishForbidden")
    installed.reports("Warning", "PublishForbidden")
    assert 'secrets "another" is forbidden' in installed.log
    assert installed.kubectl.read("secrets/another") is None


def pod(installed, name, **labels):
    """Make a pod that no node takes."""
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "schedulerName": "nobody",
            "containers": [{"name": "x", "image": "x"}],
        },
    }
    installed.kubectl.apply(body)


def revision(installed, name):
    annotations = installed.kubectl.read(f"pods/{name}")["metadata"].get(
        "annotations", {}
    )
    return annotations.get("claude-proxy.internal/token-revision")


def test_pods_are_not_annotated_without_the_right_to_and_that_is_reported(
    installed, fake
):
    pod(installed, "agent", **{"claude-proxy.internal/consumer": "true"})
    installed.login()
    installed.create(publish={"secretName": SECRET, "annotatePods": True})
    installed.start(fake("ok").path)

    installed.becomes("Published", "False", "PodsNotAnnotated")
    installed.becomes("Ready", "False", "PodsNotAnnotated")
    assert installed.secret["access-token"] == "access-1"
    installed.reports("Warning", "PodsNotAnnotated")
    assert revision(installed, "agent") is None


@pytest.mark.parametrize("name", [SECRET, None])
def test_consumers_pods_hear_of_each_token_and_others_do_not(installed, fake, name):
    pod(installed, "agent", **{"claude-proxy.internal/consumer": "true"})
    pod(installed, "stranger", app="other")
    let_it_annotate(installed)
    installed.login()
    where = {"secretName": name} if name else {}
    installed.create(publish={**where, "annotatePods": True})
    installed.start(fake("ok").path)
    reason = "TokenPublished" if name else "PodsAnnotated"
    installed.becomes("Published", "True", reason)
    assert revision(installed, "agent") == installed.status["tokenRevision"]
    assert (installed.secret is None) is (name is None)

    first = installed.status["tokenRevision"]

    installed.login(access="access-2")

    until(lambda: revision(installed, "agent") not in {None, first})
    assert revision(installed, "stranger") is None


def let_it_annotate(installed):
    """Give the right to annotate pods, as the component fast-sync does."""
    for words in (
        ("role", "fast", "--verb=list,patch", "--resource=pods"),
        ("rolebinding", "fast", "--role=fast"),
    ):
        account = f"--serviceaccount={installed.namespace}:claude-refresher"
        more = [account] if words[0] == "rolebinding" else []
        installed.kubectl("create", *words, *more)


def test_without_its_rights_it_says_so_and_begins_when_it_has_them(installed, fake):
    installed.kubectl("delete", "rolebinding", "claude-refresher")
    installed.login()
    installed.create()
    installed.start(fake("ok").path)

    until(lambda: "claudecredentials" in installed.log and "forbidden" in installed.log)
    assert installed.operator.ask("/readyz")[0] == 503
    assert "Traceback" not in installed.log

    installed.grant()  # a refused call is repeated after a minute
    installed.becomes("Published", "True", "TokenPublished", seconds=2 * PATIENCE)


def test_rights_that_are_taken_away_and_given_back_need_no_restart(installed, fake):
    installed.login()
    installed.create()
    installed.start(fake("ok").path)
    installed.becomes("Published", "True", "TokenPublished")
    installed.kubectl("delete", "rolebinding", "claude-refresher")
    installed.login(access="access-2")
    until(lambda: "forbidden" in installed.log)
    assert installed.operator.runs
    assert installed.operator.ask("/healthz")[0] == 200

    installed.grant()

    until(lambda: installed.secret["access-token"] == "access-2", within=2 * PATIENCE)
    installed.create(suspend=True)
    installed.becomes("Suspended", "True", "Suspended")
