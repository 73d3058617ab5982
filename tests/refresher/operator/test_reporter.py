"""The cluster's loop, against a cluster that only notes what it is asked."""

import asyncio

import msgspec
import pytest

from logins import credential, make_settings
from refresher import decide, history, refresh
from refresher.operator import reporter, resource, status
from refresher.operator.cluster import ClusterError

CR = resource.Resource(
    name="claude",
    namespace="here",
    uid="1",
    generation=1,
    spec=resource.Spec(publish=resource.Publish(secret_name="claude-access-token")),
    status=resource.Status(),
    request=None,
)


class Noted:
    """Stands for the cluster: a CR, and the calls as (what, detail)."""

    def __init__(self):
        self.resource = CR
        self.calls = []
        self.fail = {}

    def _note(self, what, detail):
        self.calls.append((what, detail))
        if self.fail.get(what):
            raise self.fail[what].pop()

    def find(self):
        self._note("find", None)
        return self.resource

    def apply_secret(self, name, _owner, found):
        self._note("secret", (name, found.access_token))

    def write_status(self, body):
        self._note("status", body)
        written = msgspec.convert(body, resource.Status)
        self.resource = msgspec.structs.replace(self.resource, status=written)

    def create_event(self, _owner, event, _at):
        self._note("event", event.reason)

    def annotate_pods(self, revision):
        self._note("pods", revision)
        return 1

    def of(self, what):
        return [detail for kind, detail in self.calls if kind == what]


def report(access="access-1"):
    now = refresh.utc_now()
    found = credential(left=28800, now=now, access=access)
    settings, remembered = make_settings(), history.History()
    decision = decide.decide(now, settings, remembered, found)
    view = decide.View(now=now, found=found, history=remembered, decision=decision)
    return status.describe(settings, view, status.Around())


def run(cluster, act):
    """Let a reporter run while `act(reporter, until)` does."""

    async def both():
        made = reporter.Reporter(cluster, lambda _: None, lambda _: None)
        running = asyncio.create_task(made.run())

        async def until(condition):
            async with asyncio.timeout(10):
                while not condition():  # noqa: ASYNC110 - of a thread's doing
                    await asyncio.sleep(0.005)

        await act(made, until)
        made.stop()
        await running

    asyncio.run(both())


@pytest.fixture
def cluster():
    return Noted()


def test_the_secret_comes_before_the_status_and_the_events(cluster):
    async def act(made, until):
        made.offer(report(), None)
        await until(lambda: cluster.of("event"))

    run(cluster, act)

    assert [kind for kind, _ in cluster.calls][:4] == [
        "find", "secret", "status", "event",
    ]  # fmt: skip
    assert cluster.of("secret") == [("claude-access-token", "access-1")]


def test_what_did_not_change_is_not_written_again(cluster):
    async def act(made, until):
        first = report()
        made.offer(first, None)
        await until(lambda: cluster.of("event"))
        made.offer(msgspec.structs.replace(first), None)
        made.see(cluster.resource)
        made.offer(report("access-2"), None)
        await until(lambda: len(cluster.of("secret")) == 2)

    run(cluster, act)

    assert len(cluster.of("status")) == 2
    assert cluster.of("event") == [
        "TokenPublished",
        "CredentialsChanged",
        "TokenPublished",
    ]


def test_everything_is_written_again_after_a_while(cluster, monkeypatch):
    monkeypatch.setattr(reporter, "RESYNC", 0.05)

    async def act(made, until):
        made.offer(report(), None)
        await until(lambda: len(cluster.of("secret")) >= 4)

    run(cluster, act)

    assert len(cluster.of("find")) >= 4
    assert len(cluster.of("status")) == 1  # that did not change
    assert cluster.of("event") == ["TokenPublished"]


def test_a_call_that_fails_is_repeated_and_nothing_is_told_twice(cluster, monkeypatch):
    monkeypatch.setattr(reporter, "LONGEST_PAUSE", 0.01)
    for what in ("find", "secret", "status", "event"):
        cluster.fail[what] = [ClusterError(500, "HTTP 500"), ClusterError(0, "away")]

    async def act(made, until):
        made.offer(report(), None)
        await until(lambda: len(cluster.of("event")) == 3)

    run(cluster, act)

    assert cluster.fail == {what: [] for what in cluster.fail}
    assert cluster.of("event") == ["TokenPublished"] * 3  # two of them failed
    assert cluster.resource.status.condition("Published").status == "True"


def test_one_call_that_is_forbidden_holds_up_no_other(cluster):
    for what in ("find", "secret"):
        cluster.fail[what] = [ClusterError(403, "forbidden")] * 9

    async def act(made, until):
        made.see(CR)
        made.offer(report(), None)
        await until(lambda: cluster.of("event"))

    run(cluster, act)

    assert cluster.of("event") == ["PublishForbidden"]


def test_a_request_that_was_handled_long_ago_stays_so(cluster):
    before = resource.Status(observed_generation=1, handled_refresh_request="noon")
    cluster.resource = msgspec.structs.replace(CR, status=before)

    async def act(made, until):
        made.offer(report(), None)
        await until(lambda: cluster.of("status"))

    run(cluster, act)

    assert cluster.resource.status.handled_refresh_request == "noon"
    assert "RefreshRequested" not in cluster.of("event")


def test_a_credential_that_is_gone_is_forgotten(cluster):
    async def act(made, until):
        made.offer(report(), None)
        await until(lambda: cluster.of("event"))
        cluster.resource = None
        made.see(None)
        made.offer(report("access-2"), None)
        await until(lambda: len(cluster.of("find")) > 1)

    run(cluster, act)

    assert len(cluster.of("secret")) == 1
    assert len(cluster.of("status")) == 1


def test_a_status_that_cannot_be_written_because_the_credential_is_gone_is_no_fault(
    cluster,
):
    cluster.fail["status"] = [ClusterError(404, "HTTP 404")]

    async def act(made, until):
        made.offer(report(), None)
        await until(lambda: cluster.of("secret"))
        cluster.resource = None
        await until(lambda: cluster.of("status"))

    run(cluster, act)

    assert cluster.of("event") == []


def test_it_ends_with_its_crd(cluster):
    cluster.fail["find"] = [ClusterError(404, "HTTP 404")]
    made = []

    async def act(each, until):
        made.append(each)
        await until(lambda: cluster.of("find"))

    with pytest.raises(reporter.CrdGoneError):
        run(cluster, act)
