"""Responses that are referred to later: what is kept of one, and what comes back (rows r6).

A response is kept as a link to the one before it and its own items. What a client names
instead of sending it is put in place before the translation, which knows no difference.
"""

import threading
import weakref
from collections import Counter, deque
from collections.abc import Sequence
from itertools import chain

import msgspec
from msgspec import Raw, Struct, structs

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


# ------------------------------------------------------------------ what comes back


class Recalled(Struct, frozen=True):
    """What is still known of the responses that a request refers to."""

    earlier: items.Earlier
    data: Sequence[bytes]
    """The items' JSON, as often as each is referred to."""


def recalled(
    responses: store.Responses,
    owner: bytes,
    previous: str | None,
    sent: Sequence[items.Sent],
) -> Recalled:
    """What is still known of the responses that a request refers to.

    Raises ``InvalidRequestError`` if ``previous_response_id`` names none.
    """
    before: list[store.Item] = []
    if previous is not None:
        found = responses.find(owner, previous)
        if found is None:
            raise errors.InvalidRequestError(
                f"Previous response with id '{previous[:64]}' not found. This proxy "
                "keeps responses in memory only: a restart and the limit of that memory "
                "(MEMORY_BYTES) end them. Send the whole input instead.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        before = [*found.input, *found.output]
    names = items.references(sent)
    named = {
        name: item
        for name in dict.fromkeys(names)
        if (item := responses.item(owner, name)) is not None
    }
    referred = [named[name] for name in names if name in named]
    return Recalled(
        items.Earlier(
            items=[Raw(item.data) for item in before],
            named={name: Raw(item.data) for name, item in named.items()},
        ),
        [item.data for item in chain(before, referred)],
    )


def to_object(found: store.Response) -> bytes:
    """A kept response as its client got it."""
    output = b"[%b]" % b",".join(item.data for item in found.output)
    return _encode({**_fields(found.value), "output": Raw(output)})


def listed(found: Sequence[store.Item], *, newest_first: bool) -> list[store.Item]:
    """A response's input as a list to page through: an item that is twice in it once."""
    unique = [*{item.id: item for item in found}.values()]
    return unique[::-1] if newest_first else unique


def to_page(found: Sequence[store.Item], *, limit: int, after: str | None) -> bytes:
    """One page of a list of items, which has the item ``after`` unless that is ``None``."""
    ids = [item.id for item in found]
    begin = 0 if after is None else ids.index(after) + 1
    page = found[begin : begin + limit]
    return _encode(
        {
            "object": "list",
            "data": [Raw(_complete(item)) for item in page],
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
            "has_more": begin + limit < len(found),
        }
    )


def _complete(item: store.Item) -> bytes:
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
    """Room for the inputs of responses that are still being made. Thread-safe.

    One owner gets at most half of it, so that nobody can keep the responses of others
    from being kept.
    """

    def __init__(self, limit: int) -> None:
        """``limit`` is in bytes."""
        self._limit = limit
        self._taken: Counter[bytes] = Counter()
        self._returned: deque[tuple[bytes, int]] = deque()
        self._lock = threading.Lock()

    def take(self, owner: bytes, size: int) -> bool:
        """Take so many bytes, to be given back with ``give``; false if there are fewer."""
        with self._lock:
            while self._returned:
                former, its_size = self._returned.popleft()
                self._taken[former] -= its_size
            self._taken += Counter()  # which forgets who has nothing
            if (
                self._taken.total() + size > self._limit
                or self._taken[owner] + size > self._limit // 2
            ):
                return False
            self._taken[owner] += size
            return True

    def give(self, owner: bytes, size: int) -> None:
        """Give bytes back. Takes no lock: the garbage collector may call it anywhere."""
        self._returned.append((owner, size))


class Keeping:
    """The input of one response, until that has ended and can be kept.

    Its room is given back when the completion lets go of it.
    """

    def __init__(
        self,
        responses: store.Responses,
        owner: bytes,
        previous: str | None,
        own: Sequence[bytes],
    ) -> None:
        self._responses = responses
        self._owner = owner
        self._previous = previous
        self._input = own

    def __call__(self, response: out.Response) -> bool:
        """Keep a response that has ended; false where there is no room for it."""
        suffix = response.id.removeprefix("resp_")
        return self._responses.keep(
            self._owner,
            response.id,
            _encode(structs.replace(response, output=[])),
            previous=self._previous,
            input=[_with_id(raw, suffix, n) for n, raw in enumerate(self._input)],
            output=[store.Item(one.id, _encode(one)) for one in response.output],
        )


def keeping(
    responses: store.Responses,
    pending: Pending,
    owner: bytes,
    previous: str | None,
    own: Sequence[Raw],
) -> Keeping | None:
    """What keeps the response to this input; ``None`` if there is no room for it."""
    size = sum(map(len, own))
    if size > responses.largest or not pending.take(owner, size):
        return None
    one = Keeping(responses, owner, previous, [bytes(raw) for raw in own])
    weakref.finalize(one, pending.give, owner, size)
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
