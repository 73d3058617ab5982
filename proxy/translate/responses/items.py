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


class Placed(Struct, frozen=True, kw_only=True):
    """An item and where it stands."""

    item: wire.Item
    type: str
    at: str
    last: bool = False
    """The last item of all."""


def sent(request: responses_request.ResponsesRequest) -> list[Raw]:
    """The request's own items; a string is a user's message.

    Raises ``InvalidRequestError`` where there is nothing.
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
        return given
    if not given.strip():
        raise errors.InvalidRequestError("input: must not be blank", param="input")
    return [Raw(_encode({"type": "message", "role": "user", "content": given}))]


def references(items: Sequence[Raw]) -> list[str]:
    """Ids of the items to look up: references, and reasoning without its content."""
    return [one for raw in items if (one := _reference(raw)) is not None]


def resolved(items: Sequence[Raw], earlier: Earlier) -> list[Raw]:
    """The items with those in their place that they refer to.

    Raises ``InvalidRequestError`` (404) for a reference to an item that is not known.
    """
    out = []
    for raw in items:
        name = _reference(raw)
        found = None if name is None else earlier.named.get(name)
        if name is not None and found is None and not _is_reasoning(raw):
            raise errors.InvalidRequestError(
                f"Item with id '{name[:64]}' not found. Items are not persisted when "
                "store is set to false, and this proxy keeps them in memory only. "
                "Remove this item from your input, or send it whole.",
                status=404,
                param="input",
            )
        out.append(raw if found is None else found)
    return out


def placed(items: Sequence[Raw], earlier: Earlier) -> Iterator[Placed]:
    """Every item of the conversation, decoded: the earlier ones, and then these.

    Raises ``InvalidRequestError`` for what is no item.
    """
    last = len(items) - 1
    ids = {wire.KIND.decode(raw).id for raw in earlier.items} - {None}
    for raw in earlier.items:
        one = _placed(raw, EARLIER, last=False)
        if not isinstance(one.item, wire.CompactionTrigger):  # it was obeyed then
            yield one
    for i, raw in enumerate(items):
        one = _placed(raw, f"input[{i}]", last=i == last)
        if ids and (name := wire.KIND.decode(raw).id) in ids:
            raise _said_twice(name or "")
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


def _placed(raw: Raw, at: str, *, last: bool) -> Placed:
    kind = _type_of(misfit.read(raw, wire.KIND, at=at))
    decoder = wire.ITEM_DECODERS.get(kind or "")
    if kind is None or decoder is None:
        why = "is required" if kind is None else f"must be one of {_TYPES}"
        code = "missing_required_parameter" if kind is None else "invalid_value"
        param = f"{at}.type"
        raise errors.InvalidRequestError(f"{param}: {why}", param=param, code=code)
    return Placed(item=misfit.read(raw, decoder, at=at), type=kind, at=at, last=last)


def _type_of(kind: wire.Kind) -> str | None:
    """``type`` may be missing where an item's other keys say what it is."""
    if kind.type is not None:
        return kind.type
    if kind.role is not None:
        return "message"
    return "item_reference" if kind.id is not None else None


def _reference(raw: Raw) -> str | None:
    try:
        kind = wire.KIND.decode(raw)
        match _type_of(kind):
            case "item_reference":
                return kind.id
            case "reasoning" if not wire.REASONING.decode(raw).encrypted_content:
                return kind.id
            case _:
                return None
    except msgspec.ValidationError:  # decoding it says why
        return None


def _is_reasoning(raw: Raw) -> bool:
    return wire.KIND.decode(raw).type == "reasoning"
