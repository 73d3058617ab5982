"""The status page: one file of HTML, and the JSON that feeds it.

The health port asks for no key, so both answer this machine alone (which is what
``kubectl port-forward`` is), unless a setting opens them. The page may load nothing, run
nothing and show nothing but what is in it.
"""

import base64
import hashlib
from collections.abc import Callable
from importlib import resources

import msgspec

from proxy.server.health_listener import Asked, Page, Pages, json_page

HTML = resources.files("proxy.server").joinpath("status.html").read_bytes()

_REFUSED = (
    "The status page answers this machine alone: use 'kubectl port-forward' and "
    "http://localhost, or set STATUS_PAGE=open"
)


def _hash(element: bytes) -> str:
    """The hash of the page's one element of a kind, as a policy wants it."""
    text = HTML.partition(b"<%b>" % element)[2].partition(b"</%b>" % element)[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"


_POLICY = (
    f"default-src 'none'; script-src {_hash(b'script')}; "
    f"style-src {_hash(b'style')}; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = (
    ("content-security-policy", _POLICY),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)


def pages(stats: Callable[[], object], *, is_open: bool) -> Pages:
    """The page and its JSON, which ``stats`` makes."""

    def guarded(make: Callable[[], Page]) -> Callable[[Asked], Page]:
        def page(asked: Asked) -> Page:
            if is_open or asked.local:
                return make()
            return json_page(403, {"error": _REFUSED})

        return page

    def html() -> Page:
        return Page(200, "text/html; charset=utf-8", HTML, HEADERS)

    def numbers() -> Page:
        body = msgspec.json.encode(stats())
        return Page(200, "application/json", body, HEADERS[1:])

    return {"/": guarded(html), "/stats.json": guarded(numbers)}
