"""The input: which items there are, what they refer to, and each of them decoded.

Items of an earlier response, which its client names instead of sending them again, are
given as they were kept. From here on nothing knows whether an item was sent or named, so
all ways to send a conversation give the same bytes (row r10.equal).
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from proxy import errors
from proxy.schema import common, misfit, responses_request
from proxy.schema import responses_items as wire

EARLIER = "previous_response_id"
"""The path of an item that the client did not send: indexes count its own ``input``."""

_encode = msgspec.json.Encoder().encode


class Earlier(Struct, frozen=True, kw_only=True):
    """What is still known of earlier responses, as far as a request refers to it."""

    items: Sequence[Raw] = ()
    """The conversation that ``previous_response_id`` names, oldest item first."""
    named: Mapping[str, Raw] = {}
    """The items that ``references`` lists, by id, as far as they were found."""


NOTHING = Earlier()


class Sent(Struct, frozen=True):
    """An item as it came, and what its few deciding keys say."""

    raw: Raw
    type: str | None
    """``None`` if nothing says what it is."""
    refers_to: str | None = None
    """Id of the item to look up: of a reference, or of reasoning without its content."""


class Placed(Struct, frozen=True, kw_only=True):
    """An item and where it stands."""

    item: wire.Item
    type: str
    at: str
    last: bool = False
    """The last item of all."""


def sent(request: responses_request.ResponsesRequest) -> list[Sent]:
    """The request's own items; a string is a user's message.

    Raises ``InvalidRequestError`` where there is nothing, and for what is no object.
    """
    given = None
    if request.input is not common.ABSENT:
        given = misfit.read(request.input, wire.INPUT, at="input")
    if given is None or given == []:
        raise errors.InvalidRequestError(
            "input: must be a string or a list of at least one item",
            param="input",
            code="missing_required_parameter",
        )
    if not isinstance(given, str):
        return [_sent(raw, f"input[{i}]") for i, raw in enumerate(given)]
    if not given.strip():
        raise errors.InvalidRequestError("input: must not be blank", param="input")
    said = _encode({"type": "message", "role": "user", "content": given})
    return [Sent(Raw(said), "message")]


def _sent(raw: Raw, at: str) -> Sent:
    kind = misfit.read(raw, wire.KIND, at=at)
    if kind.type is None:  # it may be missing where other keys say what it is
        if kind.role is not None:
            return Sent(raw, "message")
        if kind.id is not None:
            return Sent(raw, "item_reference", kind.id)
    elif kind.type == "item_reference" or (
        kind.type == "reasoning"
        and not misfit.read(raw, wire.REASONING, at=at).encrypted_content
    ):
        return Sent(raw, kind.type, kind.id)
    return Sent(raw, kind.type)


def references(items: Sequence[Sent]) -> list[str]:
    """Ids of the items to look up."""
    return [one.refers_to for one in items if one.refers_to is not None]


def resolved(items: Sequence[Sent], earlier: Earlier) -> list[Sent]:
    """The items with those in their place that they refer to.

    Raises ``InvalidRequestError`` (404) for a reference to an item that is not known.
    """
    return [
        one if one.refers_to is None else _found(one, one.refers_to, earlier)
        for one in items
    ]


def _found(one: Sent, name: str, earlier: Earlier) -> Sent:
    found = earlier.named.get(name)
    if found is not None:
        return _sent(found, EARLIER)
    if one.type == "reasoning":
        return one
    raise errors.InvalidRequestError(
        f"Item with id '{name[:64]}' not found. Items are not persisted when "
        "store is set to false, and this proxy keeps them in memory only. "
        "Remove this item from your input, or send it whole.",
        status=404,
        param="input",
    )


def placed(items: Sequence[Sent], earlier: Earlier) -> Iterator[Placed]:
    """Every item of the conversation, decoded: the earlier ones, and then these.

    Raises ``InvalidRequestError`` for what is no item.
    """
    last = len(items) - 1
    for raw in earlier.items:
        one = _placed(_sent(raw, EARLIER), EARLIER, last=False)
        if not isinstance(one.item, wire.CompactionTrigger):  # it was obeyed then
            yield one
    for i, own in enumerate(items):
        yield _placed(own, f"input[{i}]", last=i == last)


def _placed(one: Sent, at: str, *, last: bool) -> Placed:
    kind = one.type
    decoder = wire.ITEM_DECODERS.get(kind or "")
    if kind is None or decoder is None:
        why = "is required" if kind is None else "must be an item's type"
        code = "missing_required_parameter" if kind is None else "invalid_value"
        param = f"{at}.type"
        raise errors.InvalidRequestError(f"{param}: {why}", param=param, code=code)
    return Placed(
        item=misfit.read(one.raw, decoder, at=at), type=kind, at=at, last=last
    )
