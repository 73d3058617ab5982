"""What the operator asks for, read in the audit log, and what it is refused."""

import collections
import urllib.parse

from node import until
from tests.cluster.operator.house import SECRET

DISCOVERY = ("/api", "/apis", "/api/v1", "/apis/")
OURS = "/apis/claude-proxy.internal/v1alpha1/namespaces/{}/claudecredentials"


def asked(audit, house):
    """{(verb, path): {codes}} of everything that the operator asked for by name."""
    user = f"system:serviceaccount:{house.namespace}:claude-refresher"
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


def test_it_asks_for_what_its_role_names_and_for_nothing_else(house, fake, audit):
    house.login(left=200)
    house.create()
    house.start(fake("ok").path)
    until(lambda: house.status.get("refreshes") == 1)
    house.becomes("Published", "True", "TokenPublished")
    until(lambda: ("Normal", "TokenPublished") in house.events)
    house.stop()

    ours, core = OURS.format(house.namespace), f"/api/v1/namespaces/{house.namespace}"
    found = asked(audit, house)
    assert in_namespaces(found).keys() == {
        ("list", ours),
        ("watch", ours),
        ("patch", f"{ours}/claude/status"),
        ("patch", f"{core}/secrets/{SECRET}"),
        ("create", f"{core}/events"),
    }
    assert set.union(*in_namespaces(found).values()) <= {200, 201}
    rest = {path for verb, path in found if "/namespaces" not in path}
    assert all(path.startswith(DISCOVERY) for path in rest)
    assert all(verb == "get" for verb, path in found if path in rest)


def test_a_secret_that_the_role_does_not_name_is_refused_and_told(house, fake):
    house.login()
    house.create(publish={"secretName": "another"})
    house.start(fake("ok").path)

    house.becomes("Published", "False", "PublishForbidden")
    assert house.condition("Ready") == ("True", "TokenValid")
    assert ("Warning", "PublishForbidden") in house.events
    assert 'secrets "another" is forbidden' in house.log
    assert house.get("secret", "another") is None


def pod(house, name, **labels):
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
    house.kubectl.apply(body)


def revision(house, name):
    annotations = house.get("pod", name)["metadata"].get("annotations", {})
    return annotations.get("claude-proxy.internal/token-revision")


def test_pods_are_not_told_without_the_right_to_and_that_is_told(house, fake):
    pod(house, "agent", **{"claude-proxy.internal/consumer": "true"})
    house.login()
    house.create(publish={"secretName": SECRET, "annotatePods": True})
    house.start(fake("ok").path)

    house.becomes("Published", "True", "PodsNotAnnotated")
    assert house.secret["access-token"] == "access-1"
    assert ("Warning", "PodsNotAnnotated") in house.events
    assert revision(house, "agent") is None


def test_consumers_pods_are_told_of_each_token_and_others_are_not(house, fake):
    pod(house, "agent", **{"claude-proxy.internal/consumer": "true"})
    pod(house, "stranger", app="other")
    for words in (
        ("role", "fast", "--verb=list,patch", "--resource=pods"),
        ("rolebinding", "fast", "--role=fast"),
    ):
        account = f"--serviceaccount={house.namespace}:claude-refresher"
        more = [account] if words[0] == "rolebinding" else []
        house.kubectl("create", *words, *more)
    house.login()
    house.create(publish={"secretName": SECRET, "annotatePods": True})
    house.start(fake("ok").path)
    house.becomes("Published", "True", "TokenPublished")
    assert revision(house, "agent") == house.status["tokenRevision"]

    house.login(access="access-2")

    first = house.status["tokenRevision"]
    until(lambda: revision(house, "agent") not in {None, first}, within=10)
    assert revision(house, "stranger") is None


def test_without_its_rights_it_says_so_and_ends(house, fake):
    house.kubectl("delete", "rolebinding", "claude-refresher")
    house.begin(fake("ok").path)

    assert house.process.wait(timeout=30) == 78
    assert "claudecredentials" in house.log
    assert "manifests/refresher" in house.log
    assert "Traceback" not in house.log


def test_rights_that_are_taken_away_and_given_back_need_no_restart(house, fake):
    house.login()
    house.create()
    house.start(fake("ok").path)
    house.becomes("Published", "True", "TokenPublished")
    house.kubectl("delete", "rolebinding", "claude-refresher")
    house.login(access="access-2")
    until(lambda: "forbidden" in house.log)
    assert house.process.poll() is None
    assert house.ask("/healthz")[0] == 200

    house.grant()

    until(lambda: house.secret["access-token"] == "access-2", within=90)
    house.create(suspend=True)
    house.becomes("Suspended", "True", "Suspended", seconds=60)
