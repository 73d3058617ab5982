"""What the OAuth stand-in knows: which tokens are good, and how it is to behave."""

import dataclasses
import secrets
import threading
import time

SCOPES = ["user:inference", "user:profile", "user:sessions:claude_code"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What the hosts do from now on. The default is that all is well."""

    status: int = 200
    """Of the token endpoint."""
    error: str = "invalid_grant"
    """The OAuth error of any other status."""
    page: str = ""
    """HTML that the token endpoint answers with, as a captive portal or a gateway does."""
    cut: bool = False
    """It closes the connection instead of an answer."""
    hang: bool = False
    """The token endpoint takes the request and never looks at it."""
    delay: float = 0
    """It spends the refresh token at once, and answers after so many seconds."""
    held_until: threading.Event | None = None
    """The same, and it answers when this is set; the CLI waits for half a minute."""
    scope: bool = True
    """The answer names its scopes."""
    rotate: bool = True
    """The answer holds a new refresh token."""
    single_use: bool = True
    """A refresh token that was used is refused: invalid_grant."""
    expires_in: int = 28800
    api_status: int = 200
    """Of /v1/messages and /v1/models."""
    unknown_tokens: bool = False
    """The API accepts access tokens that were not issued here, unless revoked."""


class Ledger:
    """Which tokens are good. Every method is one step, whoever calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refresh: dict[str, bool] = {}  # token -> was it used
        self._access: dict[str, float] = {}  # token -> when it ends
        self._codes: set[str] = set()
        self._revoked: set[str] = set()
        self.reused = 0
        self.newest = ""
        """The access token that was given out last."""

    def login(self, access_left: float) -> tuple[str, str, float]:
        """Begin a login whose access token ends in `access_left` seconds."""
        with self._lock:
            return self._issue(access_left)

    def _issue(self, access_left: float) -> tuple[str, str, float]:
        access, refresh = (
            f"sk-ant-{kind}01-made-up-{secrets.token_hex(12)}"
            for kind in ("oat", "ort")
        )
        ends = time.time() + access_left
        self._access[access] = ends
        self.newest = access
        self._refresh[refresh] = False
        return access, refresh, ends

    def code(self) -> str:
        """Give what a browser shows after a login, a code and a state; it works once."""
        code = secrets.token_hex(12)
        with self._lock:
            self._codes.add(code)
        return code + "#state"

    def redeem(self, code: str, behaviour: Behaviour) -> dict[str, object] | None:
        """Begin the login of a code. None: it is unknown or was used before."""
        with self._lock:
            if code not in self._codes:
                return None
            self._codes.remove(code)
            access, refresh, _ = self._issue(behaviour.expires_in)
        return _answer(behaviour, access, refresh)

    def exchange(self, refresh: str, behaviour: Behaviour) -> dict[str, object] | None:
        """Spend a refresh token. None: it is unknown or was used before."""
        with self._lock:
            used = self._refresh.get(refresh)
            if used:
                self.reused += 1
            if used is None or (used and behaviour.single_use):
                return None
            self._refresh[refresh] = behaviour.rotate
            access, successor, _ = self._issue(behaviour.expires_in)
        return _answer(behaviour, access, successor if behaviour.rotate else None)

    def revoke(self, access: str) -> None:
        """Reject this access token from now on, whatever its expiry."""
        with self._lock:
            self._revoked.add(access)

    def accepts(self, access: str, *, unknown: bool = False) -> bool:
        """Whether the API accepts this access token now; `unknown`: any, unless revoked."""
        with self._lock:
            if access in self._revoked:
                return False
            if unknown and access not in self._access:
                return True
            return self._access.get(access, 0) > time.time()


def _answer(
    behaviour: Behaviour, access: str, refresh: str | None
) -> dict[str, object]:
    answer: dict[str, object] = {
        "token_type": "Bearer",
        "access_token": access,
        "expires_in": behaviour.expires_in,
    }
    if refresh:
        answer["refresh_token"] = refresh
    if behaviour.scope:
        answer["scope"] = " ".join(SCOPES)
    return answer
