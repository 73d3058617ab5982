"""What the doctor concludes from facts: one table."""

from datetime import timedelta

import pytest
from msgspec import structs

from logins import NOW
from refresher import diagnosis
from refresher.facts import Cli, Cluster, Facts, Host, Login, Volume

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
VOLUME = Volume(directory="/v", kind="ext4", bytes_free=1 << 30, files_free=9999)
LOGIN = Login(
    expires_at=NOW + 4 * HOUR,
    ends_at=NOW + 20 * DAY,
    scopes=("user:inference", "user:profile"),
)
CLI = Cli(wanted="claude", path="/bin/claude", version="2.1.3", tested="2.1.3")
HOST = Host(name="api.anthropic.com", ahead=timedelta(seconds=1))
READY = ("True", "TokenValid", "the access token is valid")
CLUSTER = Cluster(name="claude", ready=READY)
WELL = Facts(
    now=NOW,
    volume=VOLUME,
    login=LOGIN,
    last="Refreshed: it is valid",
    cli=CLI,
    hosts=(HOST,),
    cluster=CLUSTER,
)


def changed(name, **changes):
    return {name: structs.replace(getattr(WELL, name), **changes)}


def host(**changes):
    return {"hosts": (structs.replace(HOST, **changes),)}


def test_where_all_is_well_every_line_says_so():
    lines = diagnosis.examine(WELL)

    assert {line.verdict for line in lines} == {"ok"}
    assert not diagnosis.failed(lines)
    assert [line.check for line in lines] == [
        "settings", "volume", "space", "lock", "login", "access token", "scopes",
        "attempts", "CLI", "network", "clock", "ClaudeCredential", "rights",
    ]  # fmt: skip


ATTENTION = [
    ({"settings_errors": ("FALLBACK: must be on or off",)}, "settings", "fail", "must be on"),
    ({"skipped_for": "ANTHROPIC_API_KEY"}, "settings", "warn", "ANTHROPIC_API_KEY is set"),
    (changed("volume", trouble="/v is not writable, so there; mount it"), "volume", "fail", "/v is not writable, so there."),
    (changed("volume", trouble="/v is full"), "volume", "fail", "/v is full."),
    (changed("volume", kind="tmpfs"), "volume", "warn", "in memory (tmpfs)"),
    (changed("volume", kind="overlay"), "volume", "warn", "part of the container"),
    (changed("volume", bytes_free=1 << 20), "space", "fail", "1 MiB and 9,999 files more: too little"),
    (changed("volume", files_free=31), "space", "fail", "and 31 files more: too little"),
    (changed("volume", bytes_free=19 << 20), "space", "warn", "19 MiB"),
    (changed("volume", lock="held"), "lock", "warn", "A refresh is running"),
    (changed("volume", lock="unsupported"), "lock", "fail", "has no locks"),
    (changed("login", trouble="both tokens in the file are empty"), "login", "fail", "both tokens in the file are empty."),
    (changed("login", ends_at=NOW + 6 * DAY), "login", "warn", "in 6 days"),
    (changed("login", ends_at=NOW - DAY), "login", "fail", "1 day ago"),
    (changed("login", expires_at=NOW - timedelta(seconds=1)), "access token", "fail", "less than a minute ago"),
    (changed("login", expires_at=NOW + timedelta(seconds=119)), "access token", "warn", "in 1 minute. It should have been refreshed by now."),
    (changed("login", expires_at=NOW + 25 * HOUR), "access token", "warn", "in 1 day. Access tokens live for about eight hours, so the clock was"),
    (changed("login", expires_at=None), "access token", "warn", "does not say when"),
    (changed("login", scopes=("user:profile",)), "scopes", "fail", "lacks user:inference"),
    ({"failures": 1, "last": "NotRefreshed: no response"}, "attempts", "warn", "The last attempt failed: NotRefreshed: no response."),
    ({"failures": 3, "last": "Blocked: full"}, "attempts", "warn", "The last 3 attempts failed"),
    (changed("cli", path=None), "CLI", "fail", "no executable `claude`"),
    (changed("cli", version=None), "CLI", "fail", "does not run"),
    (changed("cli", version="2.2.0"), "CLI", "warn", "version 2.2.0; this refresher was tested with 2.1.3"),
    (host(obstacle="dns"), "DNS", "fail", "the name cannot be resolved"),
    (host(obstacle="refused"), "connection", "fail", "refused"),
    (host(obstacle="timeout"), "connection", "fail", "no response in time"),
    (host(obstacle="closed"), "connection", "fail", "broke off"),
    (host(obstacle="tls"), "TLS", "fail", "handshake failed."),
    (host(obstacle="tls", detail="self-signed certificate"), "TLS", "fail", "(self-signed certificate)."),
    (host(obstacle="network_proxy", network_proxy=True), "network proxy", "fail", "through a network proxy: the proxy that HTTPS_PROXY names"),
    (host(ahead=timedelta(seconds=90)), "clock", "warn", "90 s ahead of"),
    (host(ahead=timedelta(seconds=-90)), "clock", "warn", "90 s behind"),
    (changed("cluster", trouble="cannot list: HTTP 500"), "API server", "warn", "Cannot list: HTTP 500."),
    (changed("cluster", absent="there is no ClaudeCredential"), "ClaudeCredential", "fail", "There is no ClaudeCredential."),
    (changed("cluster", suspended=True), "ClaudeCredential", "warn", "spec.suspend"),
    (changed("cluster", ready=None), "ClaudeCredential", "warn", "No refresher has looked"),
    (changed("cluster", ready=("False", "TokenRejected", "Anthropic rejects it")), "ClaudeCredential", "fail", "claude: TokenRejected, Anthropic rejects it."),
    (changed("cluster", missing=("create events", "patch pods")), "rights", "fail", "may not create events, nor patch pods."),
    (changed("cluster", unknown="cannot ask: HTTP 403"), "rights", "warn", "cannot ask: HTTP 403"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "check", "verdict", "words"), ATTENTION)
def test_what_needs_attention_has_a_reason_and_something_to_do(
    changes, check, verdict, words
):
    lines = diagnosis.examine(structs.replace(WELL, **changes))

    [line] = [line for line in lines if line.check == check and words in line.why]
    assert line.verdict == verdict
    assert line.do.endswith((".", ".lock"))
    assert diagnosis.failed(lines) == (verdict == "fail")


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        (changed("volume", kind="nfs4"), "volume", "on a network (nfs4)"),
        (changed("volume", kind=""), "volume", "/v is writable."),
        (changed("volume", files_free=None), "space", "room for 1,024 MiB more"),
        (changed("volume", lock="unused"), "lock", "none yet"),
        (changed("login", ends_at=None), "login", "does not say when it ends"),
        (host(network_proxy=True), "network", "through a network proxy"),
    ],
)
def test_what_needs_none_says_how_it_is(changes, check, words):
    lines = diagnosis.examine(structs.replace(WELL, **changes))

    [line] = [line for line in lines if line.check == check]
    assert line.verdict == "ok"
    assert words in line.why
    assert not line.do


def test_what_a_volume_lacks_and_what_to_do_are_told_apart():
    trouble = "/v is not writable; mount it read-write"
    [line] = diagnosis.volume(
        structs.replace(WELL, **changed("volume", trouble=trouble))
    )

    assert (line.why, line.do) == ("/v is not writable.", "Mount it read-write.")


def test_of_a_volume_in_trouble_the_rest_is_not_said():
    facts = structs.replace(WELL, **changed("volume", trouble="/v is a file"))
    checks = [line.check for line in diagnosis.examine(facts)]

    assert "space" not in checks
    assert "lock" not in checks


def test_what_is_not_known_has_no_line():
    facts = structs.replace(
        WELL, last="", cli=None, hosts=(), cluster=None, **changed("login", scopes=())
    )
    checks = {line.check for line in diagnosis.examine(facts)}

    unknown = {"attempts", "CLI", "network", "clock", "ClaudeCredential", "rights"}
    assert not checks & {*unknown, "scopes"}


def test_one_wrong_clock_of_two_is_that_hosts():
    hosts = (HOST, structs.replace(HOST, ahead=timedelta(hours=9)))
    [line] = diagnosis.clock(structs.replace(WELL, hosts=hosts))

    assert line.verdict == "ok"


@pytest.mark.parametrize("key", diagnosis.OBSTACLES)
def test_every_obstacle_says_what_to_do(key):
    check, why, do = diagnosis.OBSTACLES[key]

    assert check
    assert why
    assert do.endswith(".")
