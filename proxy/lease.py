"""The credential that completions use, and what Anthropic last made of it.

Theory of operation. A completion takes a *lease* of the token, and its call says whether
Anthropic accepted or refused it. One refusal proves little; after several in a row a gate
(``proxy.patience``) lets one completion at a time try the token, and everybody else gets
the same refusal at once. No verdict lasts: the first success, or another token, ends it,
and a login that is said not to be allowed here is tried again after a minute.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from proxy import errors, patience
from proxy.credentials import CredentialSource, MissingCredentialError, Token
from proxy.translate import error

CLOCK_SKEW = 60.0
"""Seconds by which clocks may differ: closer to the expiry, Anthropic is the judge."""

REFRESH_WAIT = 2.0
"""Seconds to wait for another token in a file after a 401."""

REFRESH_PAUSE = 0.1
"""Seconds between two looks in that time."""

TOLERATED = 1
"""Refusals of a token in a row that delay nobody else: one may be Anthropic's own."""

logger = logging.getLogger(__name__)


class Lease:
    """A token for one completion, and what its call said of it.

    End it with ``release``. ``refused`` and ``accepted`` are Anthropic's verdicts.
    """

    def __init__(self, token: Token, entry: patience.Pass, owner: "Credential") -> None:
        self.token = token
        self._entry = entry
        self._owner = owner

    def accepted(self) -> None:
        """A call with this token began to be answered."""
        self._owner.forgive(self.token)
        self._entry.open()

    def refused(self, refusal: errors.ProxyError) -> None:
        """Anthropic refused this token, and there is no other one."""
        if self._owner.note(self.token, refusal):
            final = refusal.code == "credential_not_allowed"
            self._entry.close(patience.ASKED_AGAIN if final else 0.0)

    def release(self) -> None:
        """The completion needs the token no more."""
        self._entry.release()


class Credential:
    """The source, and what Anthropic last made of its token.

    A token that was refused more than once in a row is used by one call at a time, until
    it is accepted again or another one appears; everybody else is refused at once.
    Thread-safe. ``now`` gives seconds since the epoch, ``clock`` monotonic ones.
    """

    def __init__(
        self,
        source: CredentialSource,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self._now = now
        self._gates = patience.Gates(clock)
        self._refused: tuple[str, int, errors.ProxyError] | None = None
        self.refused_at: float | None = None
        """When Anthropic last refused a token, in seconds since the epoch."""
        self._logged = ""

    def lease(self, wait: Callable[[float], object]) -> Lease:
        """The token for a completion. ``wait`` is as for ``renewed``.

        Raises ``UnavailableError`` (``no_credentials``, ``credentials_expired``,
        ``credentials_refused``), or the error of a token that is being refused.
        """
        token = self._usable()
        entry = self._gates.enter(token.value)
        if isinstance(entry, patience.Pass):
            return Lease(token, entry, self)
        other = self._another(token, wait)
        if other is not None:
            return other
        raise self._refusal()

    def token(self) -> Token:
        """The token for a call whose outcome proves nothing. Raises as ``lease`` does."""
        return self._usable()

    def renewed(self, old: Lease, wait: Callable[[float], object]) -> Lease | None:
        """A lease of another token after a 401, or ``None``.

        Looks again at once, and where the source may change for up to two seconds;
        ``wait(seconds)`` pauses and may raise to end the wait.
        """
        return self._another(old.token, wait)

    def _another(self, old: Token, wait: Callable[[float], object]) -> Lease | None:
        self.source.discard()
        looks = round(REFRESH_WAIT / REFRESH_PAUSE) if self.source.changes else 0
        for pause in (0.0, *[REFRESH_PAUSE] * looks):
            if pause:
                wait(pause)
            try:
                token = self.source.token()
            except MissingCredentialError:
                continue
            if token.value != old.value:
                entry = self._gates.enter(token.value)
                if isinstance(entry, patience.Pass):
                    return Lease(token, entry, self)
        return None

    def _usable(self) -> Token:
        try:
            token = self.source.token()
        except MissingCredentialError as ex:
            if str(ex) != self._logged:  # with its path, which clients are not shown
                self._logged = str(ex)
                logger.warning("no credential: %s", ex)
            raise errors.UnavailableError(
                f"No credential: {self.source.name} {ex.words}",
                code="no_credentials",
                retry=False,
            ) from None
        self._logged = ""
        if token.expires_at is not None and self._now() > token.expires_at + CLOCK_SKEW:
            raise errors.UnavailableError(
                f"The access token from {self.source.name} expired at "
                f"{_moment(token.expires_at)} and was not refreshed",
                code="credentials_expired",
                retry=True,
                wait=errors.RENEWAL_WAIT,
            )
        return token

    def _refusal(self) -> errors.ProxyError:
        refused = self._refused
        if refused is None:  # it was accepted a moment ago: the next try will succeed
            return error.being_replaced(self.source.name)
        refusal = refused[2].anew()
        if "x-should-retry" not in refusal.headers:
            refusal.headers.setdefault("retry-after", f"{errors.RENEWAL_WAIT}")
        return refusal

    def note(self, token: Token, refusal: errors.ProxyError) -> bool:
        """Count a refusal; true if it is one of several in a row."""
        self.refused_at = self._now()
        seen = self._refused
        count = 1 + (seen[1] if seen is not None and seen[0] == token.value else 0)
        self._refused = (token.value, count, refusal.anew())
        return count > TOLERATED

    def forgive(self, token: Token) -> None:
        """Forget the refusals of a token that was accepted."""
        seen = self._refused
        if seen is not None and seen[0] == token.value:
            self._refused = None

    def trouble(self) -> str | None:
        """Why there is no usable credential; ``None`` when there is one."""
        try:
            token = self.source.token()
            self._usable()
        except MissingCredentialError as ex:
            return f"No credential: {ex}"
        except errors.ProxyError as ex:
            return ex.message
        seen = self._refused
        return seen[2].message if seen is not None and seen[0] == token.value else None

    def login_ends_at(self) -> float | None:
        """When the login ends, in seconds since the epoch, where that is known."""
        try:
            return self.source.token().login_ends_at
        except MissingCredentialError:
            return None

    def expires_at(self) -> float | None:
        """When the token expires, in seconds since the epoch, where that is known."""
        try:
            return self.source.token().expires_at
        except MissingCredentialError:
            return None


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
