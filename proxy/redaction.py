"""Keeps secrets out of error messages, headers and log lines, and logs readable.

What looks like a credential is recognised anywhere. The proxy's own secrets are known
exactly (`remember`), whatever they look like, and are also recognised URL-encoded, in
hexadecimal and in Base64: an upstream or a library may quote a request in any of these.
"""

from __future__ import annotations

import base64
import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy import errors

REDACTED = "[redacted]"

LONGEST = 2000
"""Characters of a text that are kept; no message of use is longer."""

SHORTEST = 8
"""Characters of a secret at least: a shorter one would black out ordinary words."""

KEPT = 64
"""Secrets that are remembered: tokens are replaced every few hours, and the last ones
may still be in an answer that is under way."""

# No alternative reads the same characters twice, so that the search takes linear time.
_LOOKS_SECRET = re.compile(
    r"sk-ant-[\w-]+"
    r"|(?i:\b(?:bearer|basic)\s{1,8})\S+"
    r"|(?<![\w-])eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"
)


_HINTS = ("sk-ant-", "bearer", "basic", "eyj")  # much cheaper to look for


class _Known:
    """The secrets of this process, in every form, the longest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: OrderedDict[str, None] = OrderedDict()
        self.forms: tuple[str, ...] = ()

    def add(self, secret: str) -> None:
        if len(secret) < SHORTEST or secret in self._secrets:
            return
        with self._lock:
            self._secrets[secret] = None
            while len(self._secrets) > KEPT:
                self._secrets.popitem(last=False)
            forms = {form for one in self._secrets for form in spellings(one)}
            self.forms = tuple(sorted(forms, key=len, reverse=True))


_known = _Known()


def remember(*secrets: str) -> None:
    """Redact these from now on. Short ones are passed over (`SHORTEST`)."""
    for secret in secrets:
        _known.add(secret)


def spellings(secret: str) -> set[str]:
    """The forms in which a secret is recognised.

    In Base64 a text looks different at each of three offsets; of each form only the
    characters are used that do not depend on what stands before or after.
    """
    data = secret.encode("utf-8", "surrogateescape")
    forms = {secret, quote(secret, safe=""), data.hex()}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data).decode()
        first = -(-offset * 8 // 6)  # whole characters of the secret alone
        last = (offset + len(data)) * 8 // 6
        forms.add(encoded[first:last])
        forms.add(encoded[first:last].replace("+", "-").replace("/", "_"))
    return forms


def redacted(text: str) -> str:
    """A text without secrets, cut to `LONGEST` characters."""
    # the first cut bounds the work; it is far behind the second one, so that no half of
    # a secret is left
    text = text[: 8 * LONGEST]
    for form in _known.forms:
        if form in text:
            text = text.replace(form, REDACTED)
    lowered = text.lower()
    if any(map(lowered.__contains__, _HINTS)):
        text = _LOOKS_SECRET.sub(REDACTED, text)
    return text[:LONGEST]


def redacted_all(texts: Mapping[str, str]) -> dict[str, str]:
    """Each of several texts `redacted`; one look at all of them, since most are clean."""
    whole = " ".join(texts.values())
    if redacted(whole) == whole:
        return dict(texts)
    return {name: redacted(text) for name, text in texts.items()}


def redact(error: errors.ProxyError) -> None:
    """Take secrets out of what an error says."""
    error.message = redacted(error.message)
    if error.reported is not None:
        message, details = error.reported.message, error.reported.details
        said = details.decode("utf-8", "replace")
        error.reported = error.reported._replace(
            message=redacted(message),
            details=details if redacted(said) == said else b"null",
        )


def printable(text: str) -> str:
    r"""A text for a log: without secrets, and with what does not print spelled out.

    That is control characters (C0, C1), line and paragraph separators, bidirectional
    and other invisible ones, and halves of surrogate pairs: ``\u202e``.
    """
    text = redacted(text)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the BMP
