"""Whatever an API server answers, the login is refreshed and the operator goes on.

The operator is the real process with its pauses compressed: half a second here is about
a minute of its life.
"""

import itertools

import pytest

from refresher.operator import memory
from tests.refresher.operator.api_server import Response, credential, failure
from tests.refresher.operator.nonsense import NONSENSE

SECRET = {"publish": {"secretName": "claude-access-token"}}
PUBLISHED = ("True", "TokenPublished")
ROUNDS = 12
"""Calls without a usable response: minutes of back-offs."""
KINDS = [
    "401",
    "403",
    "404",
    "404 of a load balancer",
    "429 for a lifetime",
    "500",
    "503 in HTML",
    "200 in HTML",
    "an empty object",
    "half a credential",
    "a redirect",
    "a response without an end",
    "silence",
    "a cut",
]


def token(server):
    """The revision of the token in the Secret."""
    secret = server.secrets["claude-access-token"]
    return secret["metadata"]["annotations"]["claude-proxy.internal/token-revision"]


def settled(server):
    """Whether the cluster says what the volume says."""
    return (
        server.condition("Published") == PUBLISHED
        and server.condition("Ready") == ("True", "TokenValid")
        and token(server) == server.status["tokenRevision"]
    )


SILENT = {"a response without an end", "silence"}
"""Kinds that only the client's own time limit ends."""


def outlast(server, script, eventually):
    """Let the API server answer nonsense for a while."""
    server.script = script
    before = len(server.requests)
    eventually(lambda: len(server.requests) > before + ROUNDS)


@pytest.mark.parametrize("kind", KINDS)
def test_no_response_of_the_api_ends_the_operator_or_delays_a_refresh(
    server, start, fake, put, eventually, kind
):
    claude = fake("ok")
    put()
    server.put(credential(**SECRET))
    operator = start(claude)
    eventually(lambda: settled(server))

    if kind in SILENT:
        operator.give_up_soon()
    server.script = lambda *_: NONSENSE[kind]
    put(200, access="access-2")
    eventually(lambda: len(claude.calls) == 1)
    outlast(server, server.script, eventually)
    assert operator.runs
    assert operator.ask("/healthz")[0] == 200
    assert operator.ask("/readyz")[0] == 200

    server.script = lambda *_: None
    operator.be_patient()
    eventually(lambda: settled(server) and server.status["refreshes"] == 1)
    server.put(credential(suspend=True, **SECRET))
    eventually(lambda: server.condition("Suspended") == ("True", "Suspended"))
    assert "Traceback" not in operator.log
    assert operator.stop() == 0


@pytest.mark.parametrize("kind", ["403", "404 of a load balancer", "503", "silence"])
def test_a_start_needs_no_api_where_the_volume_remembers_what_it_is_for(
    server, start, fake, put, eventually, kind
):
    claude = fake("ok")
    put()
    server.put(credential(**SECRET))
    first = start(claude)
    eventually(lambda: settled(server))
    assert first.stop() == 0

    server.script = lambda *_: NONSENSE[kind]
    put(200, access="access-2")
    operator = start(claude, impatient=kind in SILENT)
    eventually(lambda: len(claude.calls) == 1)
    eventually(lambda: operator.ask("/readyz")[0] == 200)
    outlast(server, server.script, eventually)
    assert operator.runs

    server.script = lambda *_: None
    operator.be_patient()
    eventually(lambda: settled(server) and server.status["refreshes"] == 1)


def test_what_is_remembered_honours_the_spec(server, start, fake, put, eventually):
    claude = fake("ok")
    put()
    server.put(credential(suspend=True))
    first = start(claude)
    eventually(lambda: server.condition("Suspended") == ("True", "Suspended"))
    assert first.stop() == 0

    server.script = lambda *_: failure(503)
    put(200, access="access-2")
    operator = start(claude)
    eventually(lambda: "Suspended: spec.suspend is true" in operator.log)
    outlast(server, server.script, eventually)

    assert claude.calls == []


def test_without_a_memory_a_start_waits_for_the_api_and_says_so(
    server, start, fake, put, eventually
):
    claude = fake("ok")
    put(200)
    server.put(credential(**SECRET))
    server.script = lambda *_: failure(503)
    operator = start(claude)
    outlast(server, server.script, eventually)

    status, text = operator.ask("/readyz")
    assert (status, claude.calls) == (503, [])
    assert "the API server has not yet said" in text
    assert operator.log.count("cannot list claudecredentials") == 1

    server.script = lambda *_: None
    eventually(lambda: settled(server) and server.status["refreshes"] == 1)


def test_the_memory_holds_no_token_and_goes_with_the_credential(
    server, start, fake, put, volume, eventually
):
    put(access="secret-access", refresh="secret-refresh")
    server.put(credential(**SECRET))
    start(fake("ok"))
    path = volume / memory.FILE_NAME
    eventually(lambda: settled(server) and path.exists())
    assert "secret" not in path.read_text().replace("secretName", "")
    assert path.stat().st_mode & 0o777 == 0o600

    server.put(None)

    eventually(lambda: not path.exists())


def test_ten_minutes_of_every_nonsense_at_every_verb(
    server, start, fake, put, eventually
):
    claude = fake("ok")
    put()
    server.put(credential(**SECRET))
    operator = start(claude)
    eventually(lambda: settled(server))
    lines = len(operator.log.splitlines())

    operator.give_up_soon()
    kinds = itertools.cycle(NONSENSE.values())
    server.script = lambda *_: next(kinds)
    put(200, access="access-2")
    eventually(lambda: len(claude.calls) == 1)
    before = len(server.requests)
    eventually(lambda: len(server.requests) > before + 200, seconds=300)
    # An event that is given up on after it was created would be created again.
    server.script = lambda *_: failure(503)
    operator.be_patient()
    outlast(server, server.script, eventually)
    server.script = lambda *_: None

    eventually(lambda: settled(server) and server.status["refreshes"] == 1)
    assert operator.runs
    assert "Traceback" not in operator.log
    assert len(operator.log.splitlines()) - lines < 200
    assert server.reasons.count("Refreshed") <= 1  # a 4xx may have refused it
    assert "CredentialsChanged" not in server.reasons


def test_a_long_outage_is_a_line_or_two_of_the_log(
    server, start, fake, put, eventually
):
    put()
    server.put(credential(**SECRET))
    operator = start(fake("ok"))
    eventually(lambda: settled(server))
    lines = len(operator.log.splitlines())

    two = itertools.cycle([NONSENSE["a cut"], NONSENSE["503"]])
    outlast(server, lambda *_: next(two), eventually)
    outlast(server, server.script, eventually)

    assert len(operator.log.splitlines()) - lines <= 9
    assert "urllib3" not in operator.log


WATCHES = {
    "no JSON": b"<html>\n",
    "half a line": b'{"type": "MODIF',
    "an empty object": b'{"type": "MODIFIED", "object": {}}\n',
    "a list": b"[]\n",
    "an error": b'{"type": "ERROR", "object": {"code": 500, "message": "no"}}\n',
    "gone": b'{"type": "ERROR", "object": {"code": 410, "message": "too old"}}\n',
    "another credential": b'{"type": "DELETED", "object": {"metadata": {"name": "other",'
    b' "namespace": "here", "uid": "2"}}}\n',
    "nothing": b"",
}


@pytest.mark.parametrize("kind", WATCHES)
def test_whatever_a_watch_says_an_edit_is_noticed(
    server, start, fake, put, eventually, kind
):
    put()
    server.put(credential(**SECRET))
    server.script = lambda _, path: (
        Response(200, WATCHES[kind]) if "watch=true" in path else None
    )
    operator = start(fake("ok"))
    eventually(lambda: settled(server))
    eventually(lambda: server.count("GET", "watch=true"))

    server.put(credential(suspend=True, **SECRET))
    eventually(lambda: server.condition("Suspended") == ("True", "Suspended"))
    assert operator.runs
    assert operator.ask("/readyz")[0] == 200

    server.script = lambda *_: None
    server.put(credential(**SECRET))
    eventually(lambda: server.condition("Suspended") == ("False", "Active"))
    assert "Traceback" not in operator.log
