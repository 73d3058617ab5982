"""The doctor of the real CLI, before the stand-in for Anthropic's hosts."""

import json


def test_it_says_that_all_is_well_and_refreshes_nothing(installation):
    before = installation.login(access_left=4 * 3600)

    done = installation.run("doctor", "--json")

    lines = {line["check"]: line for line in json.loads(done.stdout)}
    assert done.returncode == 0, done
    assert "in the version that was tested" in lines["CLI"]["why"]
    assert lines["network"]["verdict"] == "ok"
    assert installation.path.read_bytes() == before
    assert installation.token_calls == []


def test_it_refreshes_nothing_even_where_that_is_due(installation):
    before = installation.login(access_left=-60)

    done = installation.run("doctor", "--json")

    lines = {line["check"]: line for line in json.loads(done.stdout)}
    assert (done.returncode, lines["access token"]["verdict"]) == (1, "fail")
    assert installation.path.read_bytes() == before
    assert installation.token_calls == []
