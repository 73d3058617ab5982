"""What ``claude-proxy doctor`` concludes from the facts that it gathered: pure.

Each check looks at ``Facts`` and returns lines of the report.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from proxy.doctor.facts import Facts
from proxy.doctor.line import Line
from proxy.doctor.network import SKEW, clock, network

GUESSABLE = 16
"""Characters below which a key can be guessed: nothing slows a client that tries."""

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

INFERENCE = "user:inference"
"""The scope that a login's token needs for completions."""


def examine(facts: Facts) -> list[Line]:
    """All lines, in the order in which trouble should be looked at."""
    if facts.settings_errors:
        return [
            Line("settings", "fail", f"{why}.", "Correct this variable.")
            for why in facts.settings_errors
        ]
    checks = (settings, ports, keys, credential, network, clock, deadlines, resources)
    return [line for check in checks for line in check(facts)]


def failed(lines: Iterable[Line]) -> bool:
    """Whether something is broken."""
    return any(line.verdict == "fail" for line in lines)


def settings(_facts: Facts) -> Iterator[Line]:
    """That all is well: settings with bad values end in ``examine``."""
    yield Line("settings", "ok", "Every variable has a usable value.")


def ports(facts: Facts) -> Iterator[Line]:
    """Whether each port can be listened on, or is served by this proxy already."""
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
    """Whether the inbound keys can be used, and not guessed; nothing without a file."""
    if facts.shortest_key is not None and facts.shortest_key < GUESSABLE:
        yield Line(
            "keys",
            "warn",
            f"A key of the clients' has fewer than {GUESSABLE} characters, "
            "so it can be guessed.",
            "Replace it with a random one, such as `openssl rand -hex 32` makes.",
        )
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
    """Where the credential comes from, and for how long it is good."""
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
        verb = "ends" if left > 0 else "ended"
        why = f"The login {verb} at {_moment(ends)}, {_span(left)}."
        if left < LAST_DAYS:
            yield Line("login", "warn", why, "Log in again with 'claude auth login'.")
        else:
            yield Line("login", "ok", why)


def _expiry(facts: Facts) -> Iterator[Line]:
    if facts.expires_at is None:
        return
    left = facts.expires_at - facts.now
    verb = "expires" if left > 0 else "expired"
    why = f"The token {verb} at {_moment(facts.expires_at)}, {_span(left)}."
    renew = "See that the refresher runs, and what it reports."
    if left < -SKEW:
        yield Line("expiry", "fail", why, renew)
    elif left < SOON:
        # the refresher renews four minutes early, and reading takes its time
        yield Line("expiry", "warn", why, renew)
    else:
        yield Line("expiry", "ok", why)


def deadlines(facts: Facts) -> Iterator[Line]:
    """The deadlines, held against the patience of known clients."""
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
    """Whether the limits of files and memory fit what the settings allow."""
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
