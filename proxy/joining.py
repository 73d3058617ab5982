"""What becomes of a call whose client may leave, and when two requests are equal.

The decisions alone: a table, and a name. ``proxy.held_calls`` carries them out.
"""

import enum
from collections.abc import Iterable

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_encode_json = msgspec.json.Encoder(order="deterministic").encode


class State(enum.Enum):
    """Who waits for a call, and for what."""

    ASKED = enum.auto()
    """It runs, and its own client waits."""
    HELD = enum.auto()
    """It runs, and nobody waits."""
    JOINED = enum.auto()
    """It runs, and another client waits."""
    READY = enum.auto()
    """It has ended, and another client is about to take the outcome."""
    KEPT = enum.auto()
    """It has ended with an answer, and nobody waits."""
    OVER = enum.auto()
    """It has nothing more to give."""


class Event(enum.Enum):
    """What may happen to a call."""

    LEFT = enum.auto()
    """The client that waited has left."""
    JOIN = enum.auto()
    """An equal request has come."""
    ANSWER = enum.auto()
    """The answer is complete."""
    ERROR = enum.auto()
    """The call has failed, or was cancelled."""
    TAKEN = enum.auto()
    """The client that joined has the outcome."""
    GRACE_OVER = enum.auto()
    SLOT_WANTED = enum.auto()
    """Somebody else has found no slot."""
    DRAIN = enum.auto()
    """The process is about to end."""


def after(state: State, event: Event, *, room: bool = True) -> State:
    """What an event makes of a call; events that come too late change nothing.

    ``room``: there is room for one more call without a client, or for its answer.
    """
    match state, event:
        case State.ASKED, Event.ANSWER:  # nearly always
            return State.OVER
        case ((State.ASKED | State.JOINED), Event.LEFT):
            return State.HELD if room else State.OVER
        case (State.READY, Event.LEFT) | (State.HELD, Event.ANSWER):
            return State.KEPT if room else State.OVER
        case State.HELD, Event.JOIN:
            return State.JOINED
        case (State.KEPT, Event.JOIN) | (State.JOINED, Event.ANSWER | Event.ERROR):
            return State.READY
        case (State.ASKED, Event.ERROR) | (State.READY, Event.TAKEN):
            return State.OVER
        case (State.HELD, Event.ERROR | Event.SLOT_WANTED):
            return State.OVER
        case ((State.HELD | State.KEPT), (Event.GRACE_OVER | Event.DRAIN)):
            return State.OVER
        case _:
            return state


def data_of(text: bytes) -> object:
    """JSON as data, in which spaces and the order of keys do not count.

    What cannot be read that way counts as it came. To compare that takes three times
    as long as what a front has read of a request anyway (80 us for 52 KB against 30).
    """
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return msgspec.Raw(text)


def name_of(circumstances: Iterable[str], content: object) -> str:
    """What equal requests have in common, in this process alone.

    ``circumstances`` is what counts beside the body, such as the path; ``content`` is what
    a front makes of the body.

    The name is Python's own hash (64 bits under a secret of the process) of a MessagePack
    form, beside its length: 25 us for 38 KB, where SHA-256 of a JSON form takes 54 and
    releases the interpreter as well. It is only compared with the names of the few calls
    that one owner has under way.
    """
    compared = (*circumstances, content)
    try:
        form = _encode(compared)
    except OverflowError:  # an integer of more than 64 bits, which only JSON takes
        form = _encode_json(compared)
    return f"{len(form):x}-{hash(form):x}"
