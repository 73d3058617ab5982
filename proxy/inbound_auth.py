"""Who may call: the inbound key, and no web pages.

Decided on the routed resource (``//v1/…`` and ``/%761/…`` reach the same one): a
resource without ``open_to_all = True`` needs the key where one is set.
"""

import hashlib
import hmac
from pathlib import Path

import falcon

from proxy import errors, settings


class InboundKeys:
    """The keys that clients may send: one from a setting, several from a file."""

    def __init__(self, config: settings.Settings) -> None:
        self.required = config.has_inbound_key
        self._own = [config.proxy_api_key] if config.proxy_api_key else []
        self._path = (
            Path(config.proxy_api_keys_file) if config.proxy_api_keys_file else None
        )
        self._stamp: tuple[int, ...] = ()
        self._from_file: list[str] = []

    def accepts(self, key: str) -> bool:
        """Compare with every key, each in constant time."""
        given = _digest(key)
        found = [hmac.compare_digest(given, _digest(one)) for one in self._keys()]
        return any(found)

    def _keys(self) -> list[str]:
        if self._path is not None:
            try:
                state = self._path.stat()
                stamp = (state.st_mtime_ns, state.st_ino, state.st_size)
                if stamp != self._stamp:
                    lines = self._path.read_text(encoding="utf-8").splitlines()
                    self._from_file = [one.strip() for one in lines if one.strip()]
                    self._stamp = stamp
            except (OSError, UnicodeDecodeError):
                pass  # it is being replaced: the last good keys stay
        return self._own + self._from_file


def _digest(key: str) -> bytes:
    """Digests have equal lengths, whatever was sent, also where it is not ASCII."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class InboundAuth:
    """Falcon middleware. Default deny: a resource is closed unless it says otherwise."""

    def __init__(self, config: settings.Settings) -> None:
        self._keys = InboundKeys(config)

    def process_resource(
        self,
        req: falcon.Request,
        _resp: falcon.Response,
        resource: object,
        _params: dict[str, object],
    ) -> None:
        """Let a request through, or raise ``InvalidRequestError`` (401, 403)."""
        has_key = self._keys.required and self._keys.accepts(_sent(req))
        if req.get_header("origin") is not None and not has_key:
            raise errors.InvalidRequestError(
                "Requests from web pages (with an Origin header) need the proxy's key",
                status=403,
                code="origin_not_allowed",
            )
        if self._keys.required and not has_key and not _is_open(resource):
            raise errors.InvalidRequestError(
                "The proxy's key is missing or wrong: send it as "
                "'Authorization: Bearer …'",
                status=401,
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )


def _is_open(resource: object) -> bool:
    return getattr(resource, "open_to_all", False) is True


def _sent(req: falcon.Request) -> str:
    scheme, _, key = (req.auth or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
