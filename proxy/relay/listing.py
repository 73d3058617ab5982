"""Models as Anthropic lists them: its own entries as they came, or some from the table."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Raw

from proxy import capabilities

_encode = msgspec.json.Encoder().encode


def to_info(model: capabilities.Model) -> Raw:
    """The entry of a model that Anthropic could not be asked about."""
    info = {
        "type": "model",
        "id": model.id,
        "display_name": model.id,
        "created_at": f"{datetime.fromtimestamp(model.created, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": model.max_tokens,
    }
    return Raw(_encode(info))


def to_page(ids: Sequence[str], infos: Sequence[Raw]) -> bytes:
    """All of them on one page, whatever limit was asked for."""
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    page = {"data": infos, "has_more": False, "first_id": first, "last_id": last}
    return _encode(page)
