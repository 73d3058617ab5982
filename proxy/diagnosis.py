"""What ``claude-proxy doctor`` concludes from the facts that it gathered: pure.

Each check looks at ``Facts`` and returns lines. A line is a verdict, the reason for it,
and what to do. ``fail`` means that requests fail, ``warn`` that some do or soon will.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from proxy.facts import Call, Facts

Verdict = Literal["ok", "warn", "fail"]

SKEW = 60.0
"""Seconds by which clocks may differ."""

SOON = 300.0
"""Seconds before its expiry in which a token should have been renewed."""

LAST_DAYS = 3 * 86400.0
"""Seconds before the end of a login in which to log in again."""

IDLE_MEMORY = 64 << 20
"""Bytes that the proxy needs without a request."""

OF_A_REQUEST = 128 << 10
"""Bytes that a completion in flight needs beside its body (docs/performance.md)."""

OF_A_BODY = 5
"""How many times its size a body needs while it is decoded and translated."""

CLIENTS = (
    (100, ".NET's HttpClient"),
    (300, "RockBot"),
    (300, "Node's fetch"),
    (600, "OpenAI's Python client"),
)
"""After how many seconds without a response clients give up by default."""

API_KEY, ACCESS_TOKEN = "sk-ant-api", "sk-ant-oat"
"""How Anthropic's credentials begin."""

INFERENCE = "user:inference"
"""The scope that a login's token needs for completions."""


class Line(Struct, frozen=True):
    """One line of the report."""

    check: str
    verdict: Verdict
    why: str
    do: str = ""
    """What to do, where something should be done."""


def examine(facts: Facts) -> list[Line]:
    """All lines, in the order in which trouble should be looked at."""
    if facts.settings_error:
        return [
            Line("settings", "fail", facts.settings_error, "Correct this variable.")
        ]
    checks = (settings, ports, keys, credential, network, clock, deadlines, resources)
    return [line for check in checks for line in check(facts)]


def failed(lines: Iterable[Line]) -> bool:
    """Whether something is broken."""
    return any(line.verdict == "fail" for line in lines)


def settings(_facts: Facts) -> Iterator[Line]:
    yield Line("settings", "ok", "Every variable has a usable value.")


def ports(facts: Facts) -> Iterator[Line]:
    for port in facts.ports:
        check = port.name.lower().replace("_", " ")
        match port.state:
            case "free":
                why = f"{port.number} is free; no proxy is running there."
                yield Line(check, "ok", why)
            case "proxy":
                yield Line(check, "ok", f"The proxy answers on {port.number}.")
            case "forbidden":
                yield Line(
                    check,
                    "fail",
                    f"This user may not listen on {port.number}.",
                    f"Set {port.name} to a port from 1024 to 65535.",
                )
            case "other":
                yield Line(
                    check,
                    "fail",
                    f"Something other than the proxy listens on {port.number}.",
                    f"Stop it, or set {port.name} to another port.",
                )


def keys(facts: Facts) -> Iterator[Line]:
    if not facts.keys_file:
        return
    if not facts.keys_trouble:
        yield Line("keys", "ok", "PROXY_API_KEYS_FILE holds keys.")
        return
    yield Line(
        "keys",
        "fail",
        f"{facts.keys_trouble}. A running proxy keeps to the keys that it read last; one "
        "that starts now accepts none from it.",
        "Put one key on each line of the file, as UTF-8 text that this user may read.",
    )


def credential(facts: Facts) -> Iterator[Line]:
    if facts.token_trouble:
        yield Line(
            "credential",
            "fail",
            facts.token_trouble,
            "Set ANTHROPIC_API_KEY, or have the login renewed: docs/operations.md, "
            '"Credentials".',
        )
        return
    yield Line("credential", "ok", f"It comes from {facts.source}.")
    yield from _expiry(facts)
    if facts.scopes and INFERENCE not in facts.scopes:
        yield Line(
            "scopes",
            "fail",
            f"The login's token is not for completions: it lacks {INFERENCE}.",
            "Log in again with 'claude auth login'.",
        )
    elif facts.scopes:
        yield Line("scopes", "ok", f"They are {', '.join(facts.scopes)}.")
    ends = facts.login_ends_at
    if ends is not None:
        left = ends - facts.now
        why = f"The login ends at {_moment(ends)}, {_span(left)}."
        if left < LAST_DAYS:
            yield Line("login", "warn", why, "Log in again with 'claude auth login'.")
        else:
            yield Line("login", "ok", why)


def _expiry(facts: Facts) -> Iterator[Line]:
    if facts.expires_at is None:
        return
    left = facts.expires_at - facts.now
    why = f"The token expires at {_moment(facts.expires_at)}, {_span(left)}."
    renew = "See that the refresher runs, and what it reports."
    if left < -SKEW:
        yield Line("expiry", "fail", why, renew)
    elif left < SOON:
        # the refresher renews four minutes early, and reading takes its time
        yield Line("expiry", "warn", why, renew)
    else:
        yield Line("expiry", "ok", why)


_NETWORK = {
    "NAME_NOT_FOUND": (
        "DNS",
        "The name cannot be resolved.",
        "Check the cluster's or machine's DNS, and the base URL.",
    ),
    "REFUSED": (
        "connection",
        "The connection is refused.",
        "Check the base URL's host and port, and network policies.",
    ),
    "NO_ROUTE": (
        "connection",
        "There is no route to the host.",
        "Check network policies, and whether HTTPS_PROXY is needed.",
    ),
    "TIMEOUT": (
        "connection",
        "There was no response in time.",
        "Check firewalls, network policies, and whether HTTPS_PROXY is needed.",
    ),
    "TLS": (
        "TLS",
        "The TLS handshake failed",
        "If a company's proxy re-encrypts traffic, put its CA into SSL_CERT_FILE.",
    ),
    "NETWORK_PROXY": (
        "network proxy",
        "The proxy that HTTPS_PROXY names did not let the connection through.",
        "Check HTTPS_PROXY, its credentials, and NO_PROXY.",
    ),
    "CLOSED": (
        "connection",
        "The connection was closed without a response.",
        "Check what stands between here and Anthropic.",
    ),
}
"""For each obstacle: what is wrong, why, what to do."""

_BEFORE_THE_HOST = frozenset({"NAME_NOT_FOUND", "REFUSED", "NO_ROUTE", "TIMEOUT"})
"""Obstacles that a network proxy's own address meets: through it, it is the one that counts."""


def network(facts: Facts) -> Iterator[Line]:
    call = facts.call
    if call is None:
        return
    way = "through a network proxy" if call.network_proxy else "directly"
    if call.obstacle:
        check, why, do = _NETWORK.get(
            call.obstacle,
            ("connection", "What answered does not speak HTTP.", "Check the base URL."),
        )
        if check == "TLS":
            why += f": {call.tls_error}." if call.tls_error else "."
        if call.tls_error == "WRONG_VERSION_NUMBER":  # the response is not TLS at all
            do = (
                "Check the scheme and the port of the base URL: no TLS is spoken there."
            )
        elif call.network_proxy and call.obstacle in _BEFORE_THE_HOST:
            do = "Check what HTTPS_PROXY names: the connection was to it. See NO_PROXY."
        yield Line(check, "fail", f"{call.url}, {way}: {why}", do)
        return
    encrypted = call.url.startswith("https://")
    reached = (
        "DNS, TLS and the connection work" if encrypted else "The connection works"
    )
    yield Line("network", "ok", f"{reached}: {call.url} was reached {way}.")
    if call.authenticated:
        yield _answered(call, _place(facts))


def _place(facts: Facts) -> str:
    """What to do about a credential that is of another kind than its place is for."""
    if facts.begins == ACCESS_TOKEN and facts.kind == "api_key":
        return "It is an access token: set CLAUDE_ACCESS_TOKEN, not ANTHROPIC_API_KEY."
    if facts.begins == API_KEY and facts.kind in {"access_token", "file"}:
        return "It is an API key: set ANTHROPIC_API_KEY to it."
    return ""


def _answered(call: Call, place: str) -> Line:
    check = "models list"
    match call.status:
        case 200:
            why = f"Anthropic accepts the credential ({call.seconds:.1f} s)."
            return Line(check, "ok", why)
        case 401:
            return Line(
                check,
                "fail",
                "Anthropic does not accept the credential (401).",
                place or "Check the key, or have the login renewed.",
            )
        case 403:
            return Line(
                check,
                "fail",
                "Anthropic does not let this credential in (403).",
                "Use an API key, or check its permissions in the Console.",
            )
        case 404:
            return Line(
                check,
                "warn",
                "There is no models list here (404); completions may work.",
                "Check the base URL, if it is not a gateway of yours.",
            )
        case 429:
            return Line(
                check,
                "warn",
                "A rate limit of Anthropic's is used up (429).",
                "See the limits in /metrics, and wait.",
            )
        case status if status >= 500:  # noqa: PLR2004 - the class of server errors
            return Line(
                check,
                "warn",
                f"Anthropic is in trouble ({status}).",
                "Try again; see status.claude.com.",
            )
        case status:
            return Line(
                check,
                "fail",
                f"The call for the models list was refused ({status}).",
                "Check the base URL.",
            )


def clock(facts: Facts) -> Iterator[Line]:
    skew = facts.call.skew if facts.call else None
    if skew is None:
        return
    side = "ahead of" if skew > 0 else "behind"
    why = f"This clock is {abs(skew):.0f} s {side} Anthropic's."
    if abs(skew) > SKEW:
        do = "Synchronise the node's clock: expiries are judged by it."
        yield Line("clock", "warn", why, do)
    else:
        yield Line("clock", "ok", "This clock agrees with Anthropic's.")


def deadlines(facts: Facts) -> Iterator[Line]:
    first, names = 2 * facts.idle_timeout, [name for _, name in CLIENTS]
    sooner = [name for limit, name in CLIENTS if limit <= first]
    if sooner:
        yield Line(
            "deadlines",
            "warn",
            f"A dead connection to Anthropic is given up after {first:g} s (twice "
            f"IDLE_TIMEOUT); until then {_list(sooner)} will have given up, and asked "
            "again.",
            "Set IDLE_TIMEOUT below 50.",
        )
    else:
        yield Line(
            "deadlines",
            "ok",
            f"A dead connection to Anthropic is given up after {first:g} s, before "
            f"{_list(names)} give up.",
        )
    longest = CLIENTS[-1][0]
    if facts.total_timeout < longest:
        yield Line(
            "deadlines",
            "warn",
            f"TOTAL_TIMEOUT ends responses after {facts.total_timeout:g} s, in the "
            "middle, and what was generated is paid for.",
            f"Set TOTAL_TIMEOUT to at least {longest}.",
        )


def resources(facts: Facts) -> Iterator[Line]:
    if facts.fitting_requests < facts.max_requests:
        yield Line(
            "files",
            "warn",
            f"{facts.descriptors} file descriptors are enough for "
            f"{facts.fitting_requests} completions in flight, not for MAX_REQUESTS "
            f"({facts.max_requests}).",
            "Raise the limit on open files (nofile).",
        )
    else:
        why = f"{facts.descriptors} file descriptors are enough for MAX_REQUESTS."
        yield Line("files", "ok", why)
    needed = (
        IDLE_MEMORY
        + facts.max_requests * OF_A_REQUEST
        + 2 * facts.max_body_bytes * OF_A_BODY
        + facts.memory_bytes
    )
    if facts.memory_limit is None:
        yield Line("memory", "ok", "The container has no limit that is known here.")
    elif facts.memory_limit < needed:
        yield Line(
            "memory",
            "warn",
            f"Under full load the proxy may need {_mib(needed)}; the container may use "
            f"{_mib(facts.memory_limit)}.",
            "Raise the container's memory limit, or lower MAX_BODY_BYTES, "
            "MAX_REQUESTS or MEMORY_BYTES.",
        )
    else:
        why = f"The container may use {_mib(facts.memory_limit)}; that is enough."
        yield Line("memory", "ok", why)


def _mib(size: int) -> str:
    return f"{size >> 20:,} MiB"


def _list(words: list[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M UTC}"


def _span(seconds: float) -> str:
    """``in 3 hours``, ``12 minutes ago``."""
    size = abs(seconds)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if size >= length:
            count = int(size // length)
            words = f"{count} {unit}" + ("s" if count > 1 else "")
            break
    else:
        words = "less than a minute"
    return f"in {words}" if seconds >= 0 else f"{words} ago"
