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

_CONFIGURING = wire.AdditionalTools | wire.ConfigurationUpdate
_TYPES = ", ".join(wire.ITEM_DECODERS)

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
    id: str | None = None
    refers_to: str | None = None
    """Id of the item to look up: of a reference, or of reasoning without its content."""
    item: wire.Item | None = None
    """The item itself, if reading it revealed its type."""


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
    try:
        usual = wire.USUAL.decode(raw)
    except msgspec.ValidationError:  # another item, or wrong: what follows says how
        pass
    else:
        return Sent(raw, str(usual.__struct_config__.tag), usual.id, item=usual)
    kind = misfit.read(raw, wire.KIND, at=at)
    type_ = kind.type
    if type_ is None:  # it may be missing where other keys say what it is
        type_ = "message" if kind.role is not None else kind.id and "item_reference"
    refers = type_ == "item_reference" or (
        type_ == "reasoning"
        and not misfit.read(raw, wire.REASONING, at=at).encrypted_content
    )
    return Sent(raw, type_, kind.id, kind.id if refers else None)


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
    before = [_sent(raw, EARLIER) for raw in earlier.items]
    ids = {one.id for one in before} - {None}
    for kept in before:
        one = _placed(kept, EARLIER, last=False)
        if not isinstance(one.item, wire.CompactionTrigger):  # it was obeyed then
            yield one
    for i, own in enumerate(items):
        one = _placed(own, f"input[{i}]", last=i == last)
        if ids and own.id in ids:
            raise _said_twice(own.id or "")
        yield one


def _said_twice(name: str) -> errors.InvalidRequestError:
    """Without this error, which is OpenAI's, the model would read the item twice."""
    return errors.InvalidRequestError(
        f"Duplicate item found with id {name[:64]}: previous_response_id already stands "
        "for it. Remove duplicate items from your input and try again.",
        param="input",
    )


def since_compaction(given: Sequence[Placed]) -> Sequence[Placed]:
    """What is still said: a compaction replaces all before it but leading system text."""
    for i in range(len(given) - 1, -1, -1):
        if isinstance(given[i].item, wire.Compaction):
            leading = []
            for one in given[:i]:
                if _is_system(one.item):
                    leading.append(one)
                elif not isinstance(one.item, _CONFIGURING):
                    break
            return [*leading, *given[i:]]
    return given


def _is_system(item: wire.Item) -> bool:
    return isinstance(item, wire.Message) and item.role in {"system", "developer"}


def _placed(one: Sent, at: str, *, last: bool) -> Placed:
    kind = one.type
    if one.item is not None and kind is not None:
        return Placed(item=one.item, type=kind, at=at, last=last)
    decoder = wire.ITEM_DECODERS.get(kind or "")
    if kind is None or decoder is None:
        why = "is required" if kind is None else f"must be one of {_TYPES}"
        code = "missing_required_parameter" if kind is None else "invalid_value"
        param = f"{at}.type"
        raise errors.InvalidRequestError(f"{param}: {why}", param=param, code=code)
    return Placed(
        item=misfit.read(one.raw, decoder, at=at), type=kind, at=at, last=last
    )
