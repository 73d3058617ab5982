"""Responses that are referred to later: what is kept of one, and what comes back (rows r6).

A response is kept as a link to the one before it and its own items. What a client names
instead of sending it is put in place before the translation, which knows no difference.
"""

import threading
import weakref
from collections.abc import Sequence
from itertools import chain

import msgspec
from msgspec import Raw, structs

from proxy import errors, store
from proxy.schema import responses_response as out
from proxy.translate.responses import items

_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "cto",
    "compaction": "cmp",
    "web_search_call": "ws",
}
"""What the id of an item begins with that its client gave none."""

_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_text = msgspec.json.Decoder(str | Raw).decode


# ------------------------------------------------------------------ what comes back


def earlier(
    kept: store.Responses, owner: bytes, previous: str | None, sent: Sequence[Raw]
) -> items.Earlier:
    """What is still known of the responses that a request refers to.

    Raises ``InvalidRequestError`` where ``previous_response_id`` names none.
    """
    before: list[Raw] = []
    if previous is not None:
        found = kept.find(owner, previous)
        if found is None:
            raise errors.InvalidRequestError(
                f"Previous response with id '{previous[:64]}' not found. This proxy "
                "keeps responses in memory only: a restart and the limit of that memory "
                "(MEMORY_BYTES) end them. Send the whole input instead.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        before = [Raw(item.data) for item in chain(found.input, found.output)]
    named = {
        name: Raw(item.data)
        for name in dict.fromkeys(items.references(sent))
        if (item := kept.item(owner, name)) is not None
    }
    return items.Earlier(items=before, named=named)


def to_object(found: store.Response) -> bytes:
    """A kept response as its client got it."""
    fields = _fields(found.value)
    fields["output"] = Raw(_list(found.output))
    return _encode(fields)


def to_page(
    found: Sequence[store.Item], *, newest_first: bool, limit: int, after: str | None
) -> bytes:
    """One page of a response's input, as OpenAI lists it."""
    ordered = [*found]
    if newest_first:
        ordered.reverse()
    ids = [item.id for item in ordered]
    begin = ids.index(after) + 1 if after in ids else 0
    page = ordered[begin : begin + limit]
    return _encode(
        {
            "object": "list",
            "data": [Raw(_listed(item)) for item in page],
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
            "has_more": begin + limit < len(ordered),
        }
    )


def _list(found: Sequence[store.Item]) -> bytes:
    return b"[%b]" % b",".join(item.data for item in found)


def _listed(item: store.Item) -> bytes:
    """An item with what clients may leave out of a message, and its readers need."""
    fields = _fields(item.data)
    if "role" not in fields:
        return item.data
    content = fields.get("content", Raw(b"null"))
    if bytes(content).startswith(b'"'):
        kind = (
            "output_text" if bytes(fields["role"]) == b'"assistant"' else "input_text"
        )
        fields["content"] = Raw(_encode([{"type": kind, "text": content}]))
    return _encode({"type": "message", "status": "completed", **fields})


# ------------------------------------------------------------------ what is kept


class Pending:
    """Room for the inputs of responses that are still being made. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take so many bytes, if there are as many; ``give`` them back."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give(self, size: int) -> None:
        with self._lock:
            self._left += size


class Keeping:
    """The input of one response, until that has ended and can be kept.

    Its room is given back when the completion lets go of it.
    """

    def __init__(
        self,
        kept: store.Responses,
        owner: bytes,
        previous: str | None,
        own: Sequence[bytes],
    ) -> None:
        self.done = False
        """Whether the response was kept."""
        self._kept = kept
        self._owner = owner
        self._previous = previous
        self._input = own

    def __call__(self, response: out.Response) -> bool:
        """Keep a response that has ended; false where there is no room for it."""
        suffix = response.id.removeprefix("resp_")
        self.done = self._kept.keep(
            self._owner,
            response.id,
            _encode(structs.replace(response, output=[])),
            previous=self._previous,
            input=[_with_id(raw, suffix, n) for n, raw in enumerate(self._input)],
            output=[store.Item(one.id, _encode(one)) for one in response.output],
        )
        return self.done


def keeping(
    memory: store.Store,
    pending: Pending,
    owner: bytes,
    previous: str | None,
    sent: Sequence[Raw],
) -> Keeping | None:
    """What keeps the response to this input; ``None`` where there will be no room."""
    own = [bytes(raw) for raw in sent]
    size = sum(map(len, own))
    if not memory.limit or not pending.take(size):
        return None
    one = Keeping(memory.responses, owner, previous, own)
    weakref.finalize(one, pending.give, size)
    return one


def _with_id(raw: bytes, suffix: str, n: int) -> store.Item:
    """An item under its own id, or one that is made for it here and stays."""
    fields = _fields(raw)
    own = msgspec.json.decode(fields.get("id", Raw(b"null")))
    if isinstance(own, str) and own:
        return store.Item(own, raw)
    kind = msgspec.json.decode(fields.get("type", Raw(b'"message"')))
    made = f"{_PREFIXES.get(kind, 'item')}_{suffix}_i{n}"
    return store.Item(made, _encode({**fields, "id": made}))
