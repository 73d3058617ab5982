"""An API server that fails, is away or is silent: the login is refreshed all the same."""

import pytest

from node import until
from tests.cluster.operator.api_proxy import Answer

STATUS = "/status"
SECRET = "/secrets/"
EVENTS = "/events"


@pytest.mark.parametrize("status", [409, 429, 500, 503, 0])
@pytest.mark.parametrize("part", [SECRET, STATUS, EVENTS])
def test_it_converges_after_three_failed_calls(installed, fake, api, part, status):
    left = [3]

    def fault(_method, path):
        if part in path and left[0]:
            left[0] -= 1
            return Answer(status, {"retry-after": "1"} if status == 429 else {})
        return None

    installed.login()
    installed.create()
    installed.start(fake("ok").path, server=api.url)
    installed.becomes("Published", "True", "TokenPublished")

    api.fault = fault
    installed.login(left=200, access="access-2")

    until(lambda: installed.status.get("refreshes") == 1)
    until(
        lambda: installed.secret and installed.secret["access-token"] == installed.token
    )
    installed.reports("Normal", "Refreshed")
    assert left == [0]
    assert installed.operator.runs


def test_a_cluster_that_is_away_holds_up_no_renewal(installed, fake, api):
    installed.login(left=28800)
    installed.create()
    installed.start(fake("ok", "unchanged").path, server=api.url)
    installed.becomes("Published", "True", "TokenPublished")

    api.away()
    installed.login(left=100, access="access-2")
    until(lambda: installed.token not in {"access-1", "access-2"})
    assert installed.operator.ask("/healthz")[0] == 200
    assert installed.operator.ask("/readyz")[0] == 200
    api.back()

    until(lambda: installed.secret["access-token"] == installed.token)
    until(lambda: installed.status.get("refreshes") == 1)
    installed.reports("Normal", "Refreshed")


def test_a_watch_that_says_nothing_only_delays_what_it_would_report(
    installed, fake, api
):
    api.silent_watches = True
    installed.login(left=28800)
    installed.create()
    installed.start(fake("ok").path, server=api.url)
    installed.becomes("Published", "True", "TokenPublished")

    installed.login(left=100, access="access-2")

    until(lambda: installed.status.get("refreshes") == 1)
    until(lambda: installed.secret["access-token"] == installed.token)


def test_a_watch_that_is_cut_is_begun_again(installed, fake, api):
    installed.login()
    installed.create()
    installed.start(fake("ok").path, server=api.url)
    installed.becomes("Ready", "True", "TokenValid")
    api.away()
    api.back()

    installed.create(suspend=True)

    installed.becomes("Suspended", "True", "Suspended")


def test_a_404_for_its_kind_is_waited_out_and_reported(installed, fake, api):
    api.fault = lambda _method, path: (
        Answer(404) if "claude-proxy.internal" in path else None
    )
    installed.login(left=200)
    installed.create()
    installed.start(fake("ok").path, server=api.url)
    until(lambda: "cannot list claudecredentials: no" in installed.log)
    assert installed.operator.ask("/readyz")[0] == 503

    api.fault = lambda *_: None

    until(lambda: installed.status.get("refreshes") == 1)
    installed.create(suspend=True)
    installed.becomes("Suspended", "True", "Suspended")


def test_a_start_needs_no_api_server_where_the_volume_is_known(installed, fake, api):
    installed.login()
    installed.create()
    installed.start(fake("ok").path, server=api.url)
    installed.becomes("Published", "True", "TokenPublished")
    assert installed.operator.stop() == 0

    api.away()
    installed.login(left=100, access="access-2")
    installed.start(fake("ok").path, server=api.url)
    until(lambda: installed.token not in {"access-1", "access-2"})
    assert installed.operator.runs
    api.back()

    until(lambda: installed.secret["access-token"] == installed.token)
    installed.reports("Normal", "Refreshed")
