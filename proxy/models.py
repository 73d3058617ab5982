"""``/v1/models``: the models that Anthropic lists, cached, and what each can do."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import falcon
import msgspec
from msgspec import UNSET, Struct

from proxy import capabilities, errors, transport
from proxy.relay import headers, listing
from proxy.schema import openai
from proxy.translate.responses import catalogue

FRESH = 3600.0
"""Seconds for which a list is used."""
AGAIN = 60.0
"""Seconds after a failure before Anthropic is asked again."""

logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class _Support(Struct):
    supported: bool = False


class _Effort(Struct):
    low: _Support | None = None
    medium: _Support | None = None
    high: _Support | None = None
    xhigh: _Support | None = None
    max: _Support | None = None


class _ThinkingTypes(Struct):
    adaptive: _Support | None = None
    enabled: _Support | None = None
    disabled: _Support | None = None
    between_tools: _Support | None = None


class _Thinking(Struct):
    types: _ThinkingTypes | None = None


class _Capabilities(Struct):
    effort: _Effort | None = None
    thinking: _Thinking | None = None
    structured_outputs: _Support | None = None


class _ModelInfo(Struct):
    id: str
    created_at: str = ""
    lifecycle: str = "active"
    max_tokens: int | None = None
    max_input_tokens: int | None = None
    capabilities: _Capabilities | None = None


class _Page(Struct):
    data: list[msgspec.Raw]


class Listed(Struct, frozen=True):
    """One model of a list."""

    row: capabilities.Model
    info: msgspec.Raw
    """Its entry in Anthropic's list, as it came."""


def to_models(page: bytes) -> list[Listed]:
    """The models of Anthropic's list, without retired ones.

    Raises ``msgspec.MsgspecError`` for anything that is not a models list.
    """
    entries = msgspec.json.decode(page, type=_Page).data
    found = ((_info(entry), entry) for entry in entries)
    return [
        Listed(_row(info), msgspec.Raw(bytes(entry)))  # which keeps no whole page alive
        for info, entry in found
        if info and info.lifecycle != "retired"
    ]


_BUILT_IN = [Listed(model, listing.to_info(model)) for model in capabilities.MODELS]


def _info(raw: msgspec.Raw) -> _ModelInfo | None:
    """One entry, or ``None`` for a malformed one, which must not cost the others."""
    try:
        return msgspec.json.decode(raw, type=_ModelInfo)
    except msgspec.MsgspecError:
        return None


def _by_name(models: list[Listed]) -> dict[str, Listed]:
    """By id, and by id without its date where that is no id of its own."""
    aliases = {capabilities.undated(model.row.id): model for model in models}
    return {**aliases, **{model.row.id: model for model in models}}


def _row(info: _ModelInfo) -> capabilities.Model:
    can = info.capabilities or _Capabilities()
    types = can.thinking.types if can.thinking else None
    support = can.structured_outputs
    return capabilities.with_live(
        info.id,
        effort=_supported(can.effort),
        thinking=_supported(types),
        structured_outputs=None if support is None else support.supported,
        max_tokens=info.max_tokens,
        max_input_tokens=info.max_input_tokens,
        created=_epoch(info.created_at),
    )


def _supported(words: _Effort | _ThinkingTypes | None) -> frozenset[str] | None:
    if words is None:
        return None
    listed = msgspec.structs.asdict(words).items()
    return frozenset(word for word, one in listed if one and one.supported)


def _epoch(when: str) -> int:
    try:
        return int(datetime.fromisoformat(when).timestamp())
    except ValueError:
        return 0


class Catalogue:
    """The models list, cached. Completions read it and never wait for it."""

    def __init__(self, fetch: Callable[[], bytes]) -> None:
        """``fetch`` returns the list's body; it may raise ProxyError, TransportError."""
        self._fetch = fetch
        self._listed = _BUILT_IN
        self._live: dict[str, capabilities.Model] = {}
        self._due = 0.0
        self._lock = threading.Lock()

    def live(self) -> capabilities.Live:
        """What is known now; refreshed in the background when it is old."""
        if time.monotonic() >= self._due and not self._lock.locked():
            threading.Thread(target=self.refresh, name="models", daemon=True).start()
        return self._live

    def refresh(self) -> None:
        """Ask Anthropic if the list is old. One at a time; a failure keeps the old one."""
        with self._lock:
            if time.monotonic() < self._due:
                return
            self._due = time.monotonic() + AGAIN
            try:
                found = to_models(self._fetch())
            except errors.UnavailableError as ex:  # our own message: no credential
                logger.warning("cannot fetch the models list: %s", ex.message)
                return
            except (
                errors.ProxyError,
                transport.TransportError,
                msgspec.MsgspecError,
            ) as ex:
                logger.info("cannot fetch the models list: %s", type(ex).__name__)
                return
            if found:
                named = _by_name(found)
                self._live = {name: model.row for name, model in named.items()}
                self._listed = found
                self._due = time.monotonic() + FRESH

    def models(self) -> list[Listed]:
        """Anthropic's models, or the built-in table where it cannot be reached."""
        self.refresh()
        return self._listed

    def find(self, name: str) -> Listed | None:
        """One of them, by its id or its id without the date."""
        return _by_name(self.models()).get(name)


def _to_openai(model: Listed, name: str | None = None) -> openai.Model:
    return openai.Model(id=name or model.row.id, created=model.row.created)


def _to_codex(models: list[Listed]) -> list[dict[str, Any]]:
    """The same for Codex, which says its version."""
    names = [msgspec.json.decode(model.info, type=_Named) for model in models]
    return [
        entry
        for place, (model, named) in enumerate(zip(models, names, strict=True))
        for entry in catalogue.to_codex(model.row, named.display_name or "", place)
    ]


class _Named(Struct):
    display_name: str | None = None


class Models:
    """``GET /v1/models``, in the shape of the API that the client speaks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """All models. With ``client_version``, as Codex asks, also what Codex must know."""
        models = self._catalogue.models()
        if _is_anthropics(req):
            ids = [model.row.id for model in models]
            resp.data = listing.to_page(ids, [model.info for model in models])
        else:
            asks_codex = req.get_param("client_version") is not None
            page = openai.ModelList(
                data=[_to_openai(model) for model in models],
                models=_to_codex(models) if asks_codex else UNSET,
            )
            resp.data = _encode(page)


class Model:
    """``GET /v1/models/{id}``; an OpenAI client reads a router's spelling again."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """The model, by any spelling that completions accept; else a 404."""
        model = self._catalogue.find(capabilities.to_anthropic_id(name))
        if model is None:
            raise errors.InvalidRequestError(
                "The model does not exist",
                param="model",
                code="model_not_found",
                status=404,
            )
        resp.data = (
            bytes(model.info)
            if _is_anthropics(req)
            else _encode(_to_openai(model, name))
        )


def _is_anthropics(req: falcon.Request) -> bool:
    version = req.get_header("anthropic-version")
    return headers.speaks_anthropic(req.path, version)
