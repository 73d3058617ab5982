"""The paths of the Responses API."""

from typing import Any, NoReturn

import falcon
import msgspec

from proxy import errors, front, serving, store
from proxy.responses import answering, kept
from proxy.responses.reading import Reader, content, repaired
from proxy.services import Services

PAGE = 20
LARGEST_PAGE = 100
"""Items of one page of a response's input."""

_encode = msgspec.json.Encoder().encode


class _Asked:
    """A path that a completion is asked for by."""

    def __init__(self, services: Services, api: front.Front[Any, Any]) -> None:
        self._services = services
        self._api = api

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Serve what is asked for."""
        serving.respond(self._services, self._api, req, resp)


class Responses(_Asked):
    """``POST /v1/responses``."""

    def on_get(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Refuse a WebSocket in the one way after which Codex goes on with HTTP at once."""
        if "websocket" in (req.get_header("upgrade") or "").lower():
            raise errors.InvalidRequestError(
                "Responses are not served over WebSockets: use HTTP",
                status=426,
                code="upgrade_not_supported",
            )
        raise falcon.HTTPMethodNotAllowed(["POST"])


class InputTokens(_Asked):
    """``POST /v1/responses/input_tokens``."""


class Compact(_Asked):
    """``POST /v1/responses/compact``."""


class Response:
    """``/v1/responses/{response_id}``: one that was kept."""

    def __init__(self, responses: store.Responses) -> None:
        self._responses = responses

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, response_id: str
    ) -> None:
        """The response object as its client received it; a 404 if it is not kept."""
        if req.get_param("stream") == "true":
            raise errors.InvalidRequestError(
                "stream: must be false; a response is streamed once, while it is made",
                param="stream",
                code="unsupported_value",
            )
        resp.data = kept.to_object(_found(self._responses, req, response_id))

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, response_id: str
    ) -> None:
        """Forget it. Responses that are built on it keep their history."""
        if not self._responses.delete(req.context.owner, response_id):
            _not_found(response_id)
        resp.data = _encode({"id": response_id, "object": "response", "deleted": True})


class InputItems:
    """``GET /v1/responses/{response_id}/input_items``."""

    def __init__(self, responses: store.Responses) -> None:
        self._responses = responses

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, response_id: str
    ) -> None:
        """A page of the items that a stored response answered: ``order``, ``limit``, ``after``."""
        found = _found(self._responses, req, response_id)
        order = req.get_param("order") or "desc"
        if order not in {"asc", "desc"}:
            raise _invalid("order", "asc or desc")
        limit = req.get_param("limit") or str(PAGE)
        if limit not in _LIMITS:
            raise _invalid("limit", f"an integer from 1 to {LARGEST_PAGE}")
        after = req.get_param("after")
        items = kept.listed(found.input, newest_first=order == "desc")
        if after is not None and all(item.id != after for item in items):
            raise _invalid("after", "the id of an item of this input")
        resp.data = kept.to_page(items, limit=int(limit), after=after)


_LIMITS = frozenset(map(str, range(1, LARGEST_PAGE + 1)))


class Cancel:
    """``POST /v1/responses/{response_id}/cancel``: nothing runs in the background."""

    def __init__(self, responses: store.Responses) -> None:
        self._responses = responses

    def on_post(
        self, req: falcon.Request, _resp: falcon.Response, response_id: str
    ) -> None:
        """A 400 for a response that is kept, and a 404 for any other."""
        _found(self._responses, req, response_id)
        raise errors.InvalidRequestError("Cannot cancel a synchronous response.")


def add_routes(
    app: falcon.App[falcon.Request, falcon.Response], services: Services
) -> None:
    """Add all paths of the API to an application."""
    root, responses, reader = (
        "/v1/responses",
        services.store.responses,
        Reader(services),
    )
    create = front.Front(
        name="responses",
        decode=reader.decode,
        content=content,
        translate=reader.create,
        repaired=repaired,
        whole=answering.Whole,
        streamed=answering.streamed,
    )
    compact = front.Front(
        name="compact",
        decode=reader.decode_whole,
        content=content,
        translate=reader.compact,
        repaired=repaired,
        whole=answering.Compacted,
        streamed=answering.never_streamed,
    )
    count = front.Front(
        name="input_tokens",
        decode=reader.decode_whole,
        content=content,
        translate=reader.count,
        whole=answering.Count,
        streamed=answering.never_streamed,
    )
    app.add_route(root, Responses(services, create))
    app.add_route(f"{root}/compact", Compact(services, compact))
    app.add_route(f"{root}/input_tokens", InputTokens(services, count))
    one = f"{root}/{{response_id}}"
    app.add_route(one, Response(responses))
    app.add_route(f"{one}/input_items", InputItems(responses))
    app.add_route(f"{one}/cancel", Cancel(responses))


def _found(
    responses: store.Responses, req: falcon.Request, response_id: str
) -> store.Response:
    found = responses.find(req.context.owner, response_id)
    return found if found is not None else _not_found(response_id)


def _not_found(response_id: str) -> NoReturn:
    raise errors.InvalidRequestError(
        f"Response with id '{response_id[:64]}' not found.", status=404
    )


def _invalid(param: str, expected: str) -> errors.InvalidRequestError:
    return errors.InvalidRequestError(
        f"{param}: must be {expected}", param=param, code="invalid_value"
    )
