"""The list of models, and the error envelope."""

from collections.abc import Mapping
from typing import Any

from standin import models

Body = dict[str, Any]
Query = Mapping[str, list[str]]

_PAGE = 20
_LONGEST_PAGE = 1000


def error(kind: str, message: str, code: str | None = None) -> Body:
    """Give the error envelope; `code` is the stable `error.details.error_code`."""
    inner: Body = {"type": kind, "message": message}
    if code is not None:
        inner["details"] = {"error_code": code}
    return {"type": "error", "error": inner}


def answer(path: str, query: Query) -> tuple[int, Body]:
    """Answer a GET of a path with a status and a body."""
    if path == "/v1/models":
        return _page(query)
    name = path.removeprefix("/v1/models/")
    if name == path or "/" in name:
        return 404, error("not_found_error", "Not found")
    model = models.find(name)
    if model is None:
        return 404, error("not_found_error", f"model: {name}")
    return 200, models.info(model)


def _page(query: Query) -> tuple[int, Body]:
    """Give a page of the list, the newest model first.

    `limit`, `after_id`, `before_id` and `lifecycle[]` are the SDK's list parameters.
    """
    wanted = query.get("lifecycle[]") or query.get("lifecycle") or []
    listed = [m for m in models.MODELS if not wanted or m.lifecycle in wanted]
    ids = [model.id for model in listed]
    asked = query.get("limit", [str(_PAGE)])[0]
    if not asked.isdigit() or not 1 <= int(asked) <= _LONGEST_PAGE:
        message = f"limit: Input should be between 1 and {_LONGEST_PAGE}"
        return 400, error("invalid_request_error", message)
    size = int(asked)
    first, end = 0, len(ids)
    for name, cursor in (
        (n, query[n][0]) for n in ("after_id", "before_id") if n in query
    ):
        if cursor not in ids:
            return 400, error("invalid_request_error", f"{name}: invalid cursor")
        if name == "after_id":
            first = ids.index(cursor) + 1
        else:
            end = ids.index(cursor)
            first = max(first, end - size)
    page = listed[first:end][:size]
    more = first > 0 if "before_id" in query else first + len(page) < end
    return 200, {
        "data": [models.info(model) for model in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }
