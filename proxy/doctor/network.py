"""What the one call to Anthropic shows: the way there, the credential, the clock. Pure."""

from collections.abc import Iterator

from proxy.doctor.facts import Call, Facts
from proxy.doctor.line import Line

SKEW = 60.0
"""Seconds by which clocks may differ."""

API_KEY, ACCESS_TOKEN = "sk-ant-api", "sk-ant-oat"
"""How Anthropic's credentials begin."""

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
    """Whether Anthropic can be reached, and what is in the way."""
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
    """Whether this clock agrees with the ``date`` of Anthropic's response."""
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
