"""Who may call: the inbound key, no web pages, and no other names for this machine.

The key is decided on the routed resource (``//v1/…`` and ``/%761/…`` reach the same one):
a resource without ``open_to_all = True`` needs the key where one is set.
"""

import functools
import hashlib
import hmac
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import falcon

from proxy import errors, files, redaction, settings
from proxy.relay.headers import speaks_anthropic

logger = logging.getLogger(__name__)


class InboundKeys:
    """The keys that clients may send: one from a setting, several from a file.

    The last good keys of the file stay while it is being replaced, missing, unreadable
    or unresponsive; the log says so when it begins and when it ends.
    """

    def __init__(self, config: settings.Settings) -> None:
        self.required = config.has_inbound_key
        own = [config.proxy_api_key] if config.proxy_api_key else []
        self._own = [_digest(one) for one in own]
        self._own_lengths = [len(one) for one in own]
        path = config.proxy_api_keys_file
        self._files = files.Files(Path(path)) if path else None
        self._lock = threading.Lock()
        self._seen: files.Content | None = None
        self._from_file: list[bytes] = []
        self._file_lengths: list[int] = []
        self._trouble: str | None = None

    def owner(self, key: str) -> bytes | None:
        """The digest of the key that this is; ``None`` if it is none of them.

        It is compared with every key, each in constant time.

        ``key`` is as WSGI hands a header over, one character a byte. Beyond ASCII some
        clients send UTF-8 (curl) and some Latin-1 (Node), so both readings count.
        """
        self.trouble()
        readings = (
            _digest(key),
            hashlib.sha256(key.encode("latin-1", "replace")).digest(),
        )
        found = [
            one
            for one in self._own + self._from_file
            for given in readings
            if hmac.compare_digest(given, one)
        ]
        return found[0] if found else None

    def trouble(self) -> str | None:
        """Look at the file; what is wrong with it, in words, or ``None``."""
        if self._files is None:
            return None
        [content] = self._files.read()
        with self._lock:
            if content != self._seen:
                self._seen = content
                self._use(content)
            return self._trouble

    def shortest(self) -> int | None:
        """Characters of the shortest key; ``None`` if there is none."""
        self.trouble()
        return min(self._own_lengths + self._file_lengths, default=None)

    def _use(self, content: files.Content) -> None:
        keys = [one.strip() for one in (content.text or "").splitlines()]
        keys = [one for one in keys if one and not one.startswith("#")]
        before, self._trouble = self._trouble, None
        if keys:
            redaction.remember(*keys)
            self._from_file = [_digest(one) for one in keys]
            self._file_lengths = [len(one) for one in keys]
        elif content.text is None:
            self._trouble = f"PROXY_API_KEYS_FILE {content.trouble}"
        else:
            self._trouble = "PROXY_API_KEYS_FILE holds no key"
        if self._trouble is not None and self._trouble != before:
            state = "the last good keys stay valid" if self._from_file else "no keys"
            logger.warning("%s: %s", self._trouble, state)
        elif self._trouble is None and before is not None:
            logger.info("PROXY_API_KEYS_FILE is in order again")


def _digest(key: str) -> bytes:
    """Digests have equal lengths, whatever was sent, also where it is not ASCII."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class InboundAuth:
    """Falcon middleware. Default deny: a resource is closed unless it says otherwise."""

    def __init__(self, keys: InboundKeys, refused: Callable[[str], None]) -> None:
        """``refused`` is called with the code of each refusal."""
        self._keys = keys
        self._refused = refused

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Without a key, serve only names of this machine: 421 for any other ``Host``.

        A web page can have its own name resolve to 127.0.0.1 (DNS rebinding). Its
        requests then count as same-origin and need no ``Origin``, on any path.
        """
        if not self._keys.required and not _is_local(req.env.get("HTTP_HOST")):
            raise self._refusal(
                "Host: must be localhost or a loopback address while no key is set; "
                "set PROXY_API_KEY to serve under other names",
                status=421,
                code="host_not_allowed",
            )

    def process_resource(
        self,
        req: falcon.Request,
        _resp: falcon.Response,
        resource: object,
        _params: dict[str, object],
    ) -> None:
        """Let a request through, or raise ``InvalidRequestError`` (401, 403).

        Leaves in ``req.context.owner`` whose request it is: the digest of the key, empty
        where none is required.
        """
        owner = self._owner(req) if self._keys.required else None
        req.context.owner = owner or b""
        has_key = owner is not None
        if "HTTP_ORIGIN" in req.env and not has_key:
            raise self._refusal(
                "Requests from web pages (with an Origin header) need the proxy's key",
                status=403,
                code="origin_not_allowed",
            )
        if self._keys.required and not has_key and not _is_open(resource):
            raise self._refusal(
                "The proxy's key is missing or wrong: send it as your client's API key",
                status=401,
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )

    def _refusal(
        self,
        message: str,
        *,
        status: int,
        code: str,
        headers: dict[str, str] | None = None,
    ) -> errors.InvalidRequestError:
        self._refused(code)
        return errors.InvalidRequestError(
            message, status=status, code=code, headers=headers
        )

    def _owner(self, req: falcon.Request) -> bytes | None:
        """Whose key the request carries; ``None`` without a good one."""
        owners = map(self._keys.owner, _sent(req))
        return next((owner for owner in owners if owner is not None), None)


def _is_open(resource: object) -> bool:
    return getattr(resource, "open_to_all", False) is True


@functools.lru_cache(64)
def _is_local(host: str | None) -> bool:
    """Whether a ``Host`` header names this machine; browsers always send one."""
    if host is None:
        return True
    name, _, port = host.rpartition(":")
    if not port.isdecimal() or not name:
        name = host
    return settings.is_loopback(name.removeprefix("[").removesuffix("]"))


def _sent(req: falcon.Request) -> list[str]:
    """The keys that a request carries: OpenAI's way, and Anthropic's to its clients."""
    scheme, _, key = (req.auth or "").partition(" ")
    sent = [key.strip()] if scheme.lower() == "bearer" else []
    own = req.env.get("HTTP_X_API_KEY")
    version = req.env.get("HTTP_ANTHROPIC_VERSION")
    if own is not None and speaks_anthropic(req.path, version):
        sent.append(own.strip())
    return sent
