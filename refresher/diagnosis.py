"""What `claude-refresher doctor` concludes from the facts that it gathered. Pure.

Each check looks at `Facts` and returns lines. A line is a verdict, the reason for it, and
what to do. `fail` means that the token cannot be refreshed, or that nobody can use it;
`warn` means that this may be so soon.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct

from refresher.decide import LOGIN_WARNING
from refresher.facts import Cluster, Facts, Volume
from refresher.outcome import LOG_IN, moment

Verdict = Literal["ok", "warn", "fail"]

SKEW = timedelta(seconds=60)
"""How far clocks may differ: attempts begin only minutes before the expiry."""

LATE = timedelta(seconds=120)
"""How long before its expiry a token should have been refreshed."""

LONGEST_LIFE = timedelta(hours=24)
"""No access token of a login is valid for so long; eight hours are usual."""

LEAST_BYTES = 2 << 20
"""What an attempt needs on the volume: the probe writes 1 MiB, the CLI a little."""
FEW_BYTES = 20 << 20
LEAST_FILES = 32
"""An attempt makes some ten files and directories, the probe sixteen."""

INFERENCE = "user:inference"
"""The scope without which Anthropic accepts no completion."""

_IN_MEMORY = {"ramfs", "tmpfs"}
_OF_A_CONTAINER = {"aufs", "overlay"}
_OVER_A_NETWORK = {"9p", "ceph", "cifs", "glusterfs", "nfs", "nfs4", "smb3"}


class Line(Struct, frozen=True):
    """One line of the report."""

    check: str
    verdict: Verdict
    why: str
    do: str = ""
    """What to do, where something should be done."""


def examine(facts: Facts) -> list[Line]:
    """Return all lines, in the order in which trouble should be looked at."""
    if facts.settings_errors:
        return [
            Line("settings", "fail", f"{why}.", "Correct this variable.")
            for why in facts.settings_errors
        ]
    checks = (settings, volume, lock, login, attempts, cli, hosts, clock, cluster)
    return [line for check in checks for line in check(facts)]


def failed(lines: Iterable[Line]) -> bool:
    """Whether something is broken."""
    return any(line.verdict == "fail" for line in lines)


def settings(facts: Facts) -> Iterator[Line]:
    """Whether the login is used at all; bad values are lines of `examine`."""
    if facts.skipped_for:
        yield Line(
            "settings",
            "warn",
            f"{facts.skipped_for} is set, so the login is not used and never refreshed.",
            "Unset it if the login is to be kept fresh.",
        )
    else:
        yield Line("settings", "ok", "Every variable has a usable value.")


def volume(facts: Facts) -> Iterator[Line]:
    """Whether the login's directory can be written, is kept, and has room for a new token."""
    found = facts.volume
    if found.trouble:
        why, _, do = found.trouble.partition("; ")
        do = f"{do[:1].upper()}{do[1:]}." if do else "Check the volume."
        yield Line("volume", "fail", f"{why}.", do)
        return
    why, do = _kind(found)
    yield Line("volume", "warn" if do else "ok", why, do)
    free = f"{found.bytes_free / (1 << 20):,.0f} MiB"
    if found.files_free is not None:
        free += f" and {found.files_free:,} files"
    few_files = found.files_free is not None and found.files_free < LEAST_FILES
    if found.bytes_free < LEAST_BYTES or few_files:
        why = f"There is room for {free} more: too little to save a new token."
        yield Line("space", "fail", why, "Free some space, or enlarge the volume.")
    elif found.bytes_free < FEW_BYTES:
        why = f"There is room for {free} more."
        yield Line("space", "warn", why, "Free some space, or enlarge the volume.")
    else:
        yield Line("space", "ok", f"There is room for {free} more.")


def _kind(found: Volume) -> tuple[str, str]:
    """What the directory lies on, and what to do if that is no place for a login."""
    where = f"{found.directory} is writable"
    if found.kind in _IN_MEMORY:
        why = f"{where}, but in memory ({found.kind}): the login is gone with it."
        return why, "Put the login on a volume that is kept."
    if found.kind in _OF_A_CONTAINER:
        why = f"{where}, but part of the container ({found.kind}): the login is gone with it."
        return why, "Mount a volume there, or set CLAUDE_CONFIG_DIR to one."
    if found.kind in _OVER_A_NETWORK:
        return f"{where}; it is on a network ({found.kind}).", ""
    return f"{where}{f' ({found.kind})' if found.kind else ''}.", ""


def lock(facts: Facts) -> Iterator[Line]:
    """Whether a refresh is running, and whether the volume has locks at all."""
    if facts.volume.trouble:
        return
    match facts.volume.lock:
        case "free":
            yield Line("lock", "ok", "It is free.")
        case "unused":
            yield Line(
                "lock", "ok", "There is none yet: no refresh has been attempted."
            )
        case "held":
            yield Line(
                "lock",
                "warn",
                "A refresh is running, or a CLI that it started has not ended.",
                "Ask again in three minutes. If it is still held, find the process: "
                "fuser .refresher.lock",
            )
        case "unsupported":
            yield Line(
                "lock",
                "fail",
                "The file system has no locks, so two refreshes could lose the login.",
                "Use another volume, or enable locks on this one.",
            )


def login(facts: Facts) -> Iterator[Line]:
    """When the login and its access token end, and what the token may be used for."""
    found = facts.login
    if found.trouble:
        do = f"{LOG_IN[:1].upper()}{LOG_IN[1:]}."
        yield Line("login", "fail", f"{found.trouble}.", do)
        return
    yield _end(facts.now, found.ends_at)
    yield _expiry(facts.now, found.expires_at)
    if found.scopes and INFERENCE not in found.scopes:
        yield Line(
            "scopes",
            "fail",
            f"The login is not for completions: it lacks {INFERENCE}.",
            "Log in again with `claude auth login`.",
        )
    elif found.scopes:
        yield Line("scopes", "ok", f"They are {', '.join(found.scopes)}.")


def _end(now: datetime, ends: datetime | None) -> Line:
    if ends is None:
        return Line("login", "ok", "There is one; it does not say when it ends.")
    again = "Log in again: refreshing does not extend a login."
    if ends <= now:
        why = f"It ended at {moment(ends)}, {_span(ends - now)}."
        return Line("login", "fail", why, again)
    why = f"It ends at {moment(ends)}, {_span(ends - now)}."
    if ends - now <= LOGIN_WARNING:
        return Line("login", "warn", why, again)
    return Line("login", "ok", why)


def _expiry(now: datetime, expires: datetime | None) -> Line:
    see = "Look at the lines below, then run `claude-refresher once`: it says how it ended."
    if expires is None:
        why = (
            "The file does not say when the access token expires, so it counts as due."
        )
        return Line("access token", "warn", why, see)
    left = expires - now
    if left <= timedelta(0):
        why = f"It expired at {moment(expires)}, {_span(left)}."
        return Line("access token", "fail", why, see)
    why = f"It expires at {moment(expires)}, {_span(left)}."
    if left > LONGEST_LIFE:
        return Line(
            "access token",
            "warn",
            f"{why} Access tokens live for about eight hours, so the clock was probably "
            "wrong when this one was written.",
            "Run REFRESH_SCHEDULE='* * * * *' claude-refresher once: it refreshes the "
            "token now.",
        )
    if left < LATE:
        return Line(
            "access token", "warn", f"{why} It should have been refreshed by now.", see
        )
    return Line("access token", "ok", why)


def attempts(facts: Facts) -> Iterator[Line]:
    """How the last attempt ended; nothing before the first one."""
    if facts.failures:
        many = "attempt" if facts.failures == 1 else f"{facts.failures} attempts"
        yield Line(
            "attempts",
            "warn",
            f"The last {many} failed: {facts.last}.",
            'See "Outcomes" in docs/refresher.md.',
        )
    elif facts.last:
        yield Line("attempts", "ok", f"The last one: {facts.last}.")


def cli(facts: Facts) -> Iterator[Line]:
    """Whether the CLI is there, runs, and is of the version that was tested."""
    found = facts.cli
    if found is None:
        return
    if found.path is None:
        yield Line(
            "CLI",
            "fail",
            f"There is no executable `{found.wanted}` on PATH.",
            "Install the Claude Code CLI, or set CLAUDE_BIN.",
        )
    elif found.version is None:
        yield Line(
            "CLI",
            "fail",
            f"{found.path} does not run: `--version` gives no version.",
            "Install the Claude Code CLI for this machine again.",
        )
    elif found.version != found.tested:
        yield Line(
            "CLI",
            "warn",
            f"{found.path} is version {found.version}; this refresher was tested with "
            f"{found.tested}.",
            f"Install {found.tested}, unless refreshes work.",
        )
    else:
        why = f"{found.path} runs, in the version that was tested: {found.version}."
        yield Line("CLI", "ok", why)


OBSTACLES = {
    "dns": (
        "DNS",
        "the name cannot be resolved",
        "Check the cluster's or machine's DNS, and whether HTTPS_PROXY is needed.",
    ),
    "refused": (
        "connection",
        "the connection was refused",
        "Check firewalls and network policies.",
    ),
    "timeout": (
        "connection",
        "there was no response in time",
        "Check firewalls, network policies, and whether HTTPS_PROXY is needed.",
    ),
    "tls": (
        "TLS",
        "the TLS handshake failed",
        "If a company's proxy re-encrypts traffic, put its CA into NODE_EXTRA_CA_CERTS.",
    ),
    "network_proxy": (
        "network proxy",
        "the proxy that HTTPS_PROXY names did not let the connection through",
        "Check HTTPS_PROXY, its credentials, and NO_PROXY.",
    ),
    "closed": (
        "connection",
        "the connection broke off without a response",
        "Check what stands between here and Anthropic.",
    ),
}
"""For each obstacle: what is wrong, why, what to do."""


def hosts(facts: Facts) -> Iterator[Line]:
    """Whether each host that the CLI calls can be reached, and which way."""
    for host in facts.hosts:
        way = "through a network proxy" if host.network_proxy else "directly"
        if not host.obstacle:
            yield Line("network", "ok", f"{host.name} responds, reached {way}.")
            continue
        check, why, do = OBSTACLES[host.obstacle]
        detail = f" ({host.detail})" if host.detail else ""
        yield Line(check, "fail", f"{host.name}, {way}: {why}{detail}.", do)


def clock(facts: Facts) -> Iterator[Line]:
    """Whether this clock agrees with that of the host which differs least."""
    known = [host.ahead for host in facts.hosts if host.ahead is not None]
    if not known:
        return
    ahead = min(known, key=abs)
    if abs(ahead) <= SKEW:
        yield Line("clock", "ok", "This clock agrees with Anthropic's.")
        return
    side = "ahead of" if ahead > timedelta(0) else "behind"
    yield Line(
        "clock",
        "warn",
        f"This clock is {abs(ahead).total_seconds():.0f} s {side} Anthropic's.",
        "Synchronise the machine's clock: attempts are timed by it.",
    )


def cluster(facts: Facts) -> Iterator[Line]:
    """What the API server says of the ClaudeCredential and of the refresher's rights."""
    found = facts.cluster
    if found is None:
        return
    if found.trouble:
        yield Line(
            "API server",
            "warn",
            f"{found.trouble[:1].upper()}{found.trouble[1:]}.",
            "Refreshing works without it; publishing and reporting do not.",
        )
        return
    yield _credential(found)
    if found.unknown:
        why = f"It is not known what the refresher may do: {found.unknown}."
        yield Line("rights", "warn", why, "Compare the Role claude-refresher by hand.")
    elif found.missing:
        yield Line(
            "rights",
            "fail",
            f"The refresher may not {', nor '.join(found.missing)}.",
            "Apply manifests/refresher/rights (for pods: the component fast-sync).",
        )
    else:
        yield Line("rights", "ok", "The refresher has all the rights that it needs.")


def _credential(found: Cluster) -> Line:
    check = "ClaudeCredential"
    if found.absent:
        why = f"{found.absent[:1].upper()}{found.absent[1:]}."
        return Line(check, "fail", why, "Apply it: nothing is refreshed without one.")
    if found.suspended:
        why = f"{found.name} has spec.suspend: nothing is refreshed."
        return Line(check, "warn", why, "Set spec.suspend to false.")
    if found.ready is None:
        why = f"No refresher has looked at {found.name} yet."
        return Line(check, "warn", why, "See that the refresher's pod is running.")
    status, reason, message = found.ready
    why = f"{found.name}: {reason}, {message}."
    if status == "True":
        return Line(check, "ok", why)
    do = f"See `kubectl describe claudecredential {found.name}`."
    return Line(check, "fail", why, do)


def _span(left: timedelta) -> str:
    """``in 3 hours``, ``12 minutes ago``."""
    seconds = abs(left.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            words = f"{count} {unit}" + ("s" if count > 1 else "")
            break
    else:
        words = "less than a minute"
    return f"in {words}" if left > timedelta(0) else f"{words} ago"
