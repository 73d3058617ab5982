"""An API server that fails, is away, is silent: the login is renewed all the same."""

import pytest

from node import until
from tests.cluster.operator.api_proxy import Answer

STATUS = "/status"
SECRET = "/secrets/"
EVENTS = "/events"


@pytest.mark.parametrize("status", [409, 429, 500, 503, 0])
@pytest.mark.parametrize("part", [SECRET, STATUS, EVENTS])
def test_it_converges_after_three_failed_calls(house, fake, api, part, status):
    left = [3]

    def fault(_method, path):
        if part in path and left[0]:
            left[0] -= 1
            return Answer(status, {"retry-after": "1"} if status == 429 else {})
        return None

    house.login()
    house.create()
    house.start(fake("ok").path, server=api.url)
    house.becomes("Published", "True", "TokenPublished")

    api.fault = fault
    house.login(left=200, access="access-2")

    until(lambda: house.status.get("refreshes") == 1)
    until(lambda: house.secret and house.secret["access-token"] == house.token)
    until(lambda: ("Normal", "Refreshed") in house.events)
    assert left == [0]
    assert house.process.poll() is None


def test_a_cluster_that_is_away_holds_up_no_renewal(house, fake, api):
    house.login(left=28800)
    house.create()
    house.start(fake("ok", "unchanged").path, server=api.url)
    house.becomes("Published", "True", "TokenPublished")

    api.away()
    house.login(left=100, access="access-2")
    until(lambda: house.token not in {"access-1", "access-2"})
    assert house.ask("/healthz")[0] == 200
    assert house.ask("/readyz")[0] == 200
    api.back()

    until(lambda: house.secret["access-token"] == house.token)
    until(lambda: house.status.get("refreshes") == 1)
    until(lambda: ("Normal", "Refreshed") in house.events)


def test_a_watch_that_says_nothing_only_delays_what_it_would_tell(house, fake, api):
    api.silent_watches = True
    house.login(left=28800)
    house.create()
    house.start(fake("ok").path, server=api.url)
    house.becomes("Published", "True", "TokenPublished")

    house.login(left=100, access="access-2")

    until(lambda: house.status.get("refreshes") == 1)
    until(lambda: house.secret["access-token"] == house.token)


def test_a_watch_that_is_cut_is_begun_again(house, fake, api):
    house.login()
    house.create()
    house.start(fake("ok").path, server=api.url)
    house.becomes("Ready", "True", "TokenValid")
    api.away()
    api.back()

    house.create(suspend=True)

    house.becomes("Suspended", "True", "Suspended")


def test_without_its_crd_it_says_so_and_ends(house, fake, api):
    api.fault = lambda _method, path: (
        Answer(404) if "claude-proxy.internal" in path else None
    )
    house.begin(fake("ok").path, server=api.url)

    assert house.process.wait(timeout=30) == 78
    assert "an admin applies manifests/crd" in house.log
    assert "Traceback" not in house.log


def test_it_ends_when_its_crd_is_taken_away(house, fake, api):
    house.login()
    house.create()
    house.start(fake("ok").path, server=api.url)
    house.becomes("Ready", "True", "TokenValid")

    house.kubectl("delete", "ccred", "claude")
    api.fault = lambda _method, path: (
        Answer(404) if "claude-proxy.internal" in path else None
    )

    assert house.process.wait(timeout=60) == 78
    assert "the CRD is gone" in house.log


def test_an_api_server_that_does_not_answer_at_the_start_ends_it(house, fake, api):
    api.away()
    house.begin(fake("ok").path, server=api.url)

    assert house.process.wait(timeout=60) == 75
    assert "no answer from the API server" in house.log
