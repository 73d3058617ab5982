"""Retries that join: a plain call goes on for a while after its client has left.

Theory of operation
-------------------
A client that gives up asks the same thing again, at once or after a second, and what it
asked for first is on its way and paid for. So the thread that serves a plain completion
goes on reading when its client leaves, for the grace (``RETRY_GRACE``). An equal request
of the same owner takes that client's place: its thread waits for the outcome, and from
then on only the ordinary deadlines hold. An answer that comes while nobody waits is kept
in the store, for what is left of the grace, and picked up once. An error is not: a retry
that comes after it makes a call of its own.

Only the thread that makes the call lets go of it. It stays until the outcome was taken
or the grace is over, so there are never more such threads than there may be calls without
a client: `MOST` of them, `MOST_OF_ONE_OWNER` for one inbound key. A client that leaves
beyond that ends its call, as all did before.

What may happen to a call, and what comes of it, is the table in `joining.after`.

Locks
-----
The watchdog holds its own lock when it reports a client that has left, and this module's
is taken inside it; a scope's and the store's are taken inside this module's. So nothing
here calls the watchdog while holding the lock.
"""

import itertools
import threading
import time
from collections.abc import Callable, Mapping

from proxy import admission, cancellation, errors, log, store, trail
from proxy.joining import Event, State, after

MOST = 16
"""Calls for whose outcome nobody waits: running, or ended with an answer that is kept."""

MOST_OF_ONE_OWNER = 4
"""Of one inbound key; all clients of a proxy without keys are one owner."""

SOONEST = 0.1
"""Seconds that every client waits before it gives up: whether it has left is not looked at
before. Samples of one question that are asked for at once would look at each other, which
made the smallest requests a sixth dearer."""


class Call:
    """One plain completion's call. All but the constants belong to the lock of `HeldCalls`."""

    __slots__ = (
        "began", "body", "changed", "error", "headers", "held", "key", "name", "owner",
        "ready", "record", "scope", "slot", "state", "taken", "until", "way",
    )  # fmt: skip

    def __init__(
        self,
        owner: bytes,
        name: str,
        key: str,
        *,
        began: float,
        scope: cancellation.CancelScope,
        slot: admission.Slot,
        way: trail.Trail,
        record: log.Completion,
    ) -> None:
        self.began = began
        self.owner = owner
        self.name = name
        self.key = key
        """Under which its answer is kept: no two calls have the same."""
        self.scope = scope
        self.slot = slot
        self.way = way
        """What it cost: noted once, by whoever gets the outcome."""
        self.record = record
        """The line of the completion that made it."""
        self.state = State.ASKED
        self.held = self.taken = False
        """Whether nobody waited for it at some time, and whether another took it."""
        self.until = 0.0
        self.body: bytes | None = None
        self.error: errors.ProxyError | None = None
        self.headers: Mapping[str, str] = {}
        """Of the response with the outcome."""
        self.ready: threading.Event | None = None
        self.changed: threading.Condition | None = None

    @property
    def unclaimed(self) -> bool:
        """It went on without a client, and nobody took its outcome."""
        return self.held and not self.taken


class HeldCalls:
    """The plain calls of a process, and who waits for them. Thread-safe."""

    def __init__(
        self,
        grace: float,
        answers: store.Answers,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.grace = grace
        """Seconds that a call goes on without a client; 0: not at all."""
        self._answers = answers
        self._clock = clock
        self._lock = threading.Lock()
        self._named: dict[tuple[bytes, str], dict[Call, None]] = {}
        self._alone: dict[Call, None] = {}  # the longest without a client first
        self._keys = itertools.count()
        self._draining = False

    @property
    def alone(self) -> int:
        """How many calls nobody waits for, running or ended with an answer."""
        return len(self._alone)

    # ------------------------------------------------------------ a call and its client

    def began(
        self,
        owner: bytes,
        name: str,
        *,
        scope: cancellation.CancelScope,
        slot: admission.Slot,
        way: trail.Trail,
        record: log.Completion,
    ) -> Call:
        """Note a call that is about to be made; ``forget`` it in any case."""
        key = f"{name}/{next(self._keys)}"
        call = Call(
            owner,
            name,
            key,
            began=self._clock(),
            scope=scope,
            slot=slot,
            way=way,
            record=record,
        )
        with self._lock:
            self._named.setdefault((owner, name), {})[call] = None
        scope.outlives_client = lambda: self._client_left(call)
        return call

    def ended(self, call: Call) -> bool:
        """Pass on what the call's ``body`` or ``error`` has been set to.

        True if it is for the call's own client. Otherwise ``linger``.
        """
        with self._lock:
            if call.state is State.ASKED:
                self._move(call, Event.ANSWER)
                return True
            if call.body is None:
                self._move(call, Event.ERROR)
            elif call.state is State.HELD:
                self._move(call, Event.ANSWER, room=self._keeps(call))
            else:
                self._move(call, Event.ANSWER)
        return False

    def linger(self, call: Call) -> None:
        """Wait until the outcome was taken, or the grace is over."""
        with self._lock:
            call.changed = threading.Condition(self._lock)
            while call.state is not State.OVER:
                left = None
                if call.state is State.KEPT:
                    left = call.until - self._clock()
                    if left <= 0:
                        self._move(call, Event.GRACE_OVER)
                        return
                call.changed.wait(left)

    def forget(self, call: Call) -> None:
        """Let go of a call, however it ended."""
        if call.state is State.OVER:  # which is final
            return
        with self._lock:
            if call.state is State.JOINED:  # it ended in a way that nobody foresaw
                call.error = errors.internal()
            self._move(call, Event.ERROR)

    # ------------------------------------------------------------ a retry

    def serves(self, owner: bytes) -> bool:
        """Whether a request of this owner might be served though no slot is free."""
        with self._lock:
            return any(
                call.state is State.HELD or call.owner == owner for call in self._alone
            )

    def join(self, owner: bytes, name: str) -> Call | None:
        """The call that an equal request has left behind, if there is one: ``wait`` for it.

        A client may be back before anybody has noticed that it left, so that is looked
        at first: of those that have waited longest, since they give up first.
        """
        with self._lock:
            equal = [*self._named.get((owner, name), ())]
        if not equal:
            return None
        before = self._clock() - SOONEST
        asked = [
            one for one in equal if one.state is State.ASKED and one.began <= before
        ]
        for call in asked[:MOST_OF_ONE_OWNER]:
            call.scope.look_for_client()
        with self._lock:
            return next((call for call in equal if self._joined(call)), None)

    def wait(self, call: Call, scope: cancellation.CancelScope) -> None:
        """Take the outcome of a call that was joined: its ``body`` or its ``error``.

        ``scope`` is that of the client that waits. Raises ``Cancelled`` with it.
        """
        try:
            scope.wait(threading.TIMEOUT_MAX, call.ready)
            scope.look_for_client()
            scope.check()
        except cancellation.Cancelled:
            with self._lock:
                self._leave(call)
            raise
        with self._lock:
            call.taken = True
            self._move(call, Event.TAKEN)

    # ------------------------------------------------------------ the process

    def give_way(self) -> bool:
        """End the call that has been without a client for longest; false if none is."""
        with self._lock:
            held = next((one for one in self._alone if one.state is State.HELD), None)
            if held is None:
                return False
            self._move(held, Event.SLOT_WANTED)
            held.scope.cancel(cancellation.Reason.CLIENT_GONE)
        held.slot.release()
        return True

    def drain(self) -> None:
        """End all calls for which nobody waits, and let none go on from now on."""
        with self._lock:
            self._draining = True
            for call in [*self._alone]:
                call.scope.cancel(cancellation.Reason.DRAINING)
                self._move(call, Event.DRAIN)

    # ------------------------------------------------------------ with the lock held

    def _client_left(self, call: Call) -> bool:
        """Whether a call goes on, now that its own client has left."""
        with self._lock:
            if call.state is State.ASKED:
                self._leave(call)
            return call.state is not State.OVER

    def _leave(self, call: Call) -> None:
        """The one who waits has left: the grace begins."""
        room = not self._draining and self._has_room(call.owner)
        if call.state is State.READY:
            room = room and self._keeps(call)
        else:
            room = room and call.scope.go_on_alone(self.grace)
        if room:
            call.held, call.until = True, self._clock() + self.grace
        if self._move(call, Event.LEFT, room=room) is State.OVER:
            call.scope.cancel(cancellation.Reason.CLIENT_GONE)

    def _joined(self, call: Call) -> bool:
        """Take the place of the client that left, unless it is too late."""
        match call.state:
            case State.HELD if call.scope.accompany():
                call.ready = threading.Event()
            case State.KEPT:
                call.body = self._answers.take(call.owner, call.key)
                if call.body is None:  # it had to give way to something newer
                    self._move(call, Event.GRACE_OVER)
                    return False
                call.ready = threading.Event()
            case _:
                return False
        self._move(call, Event.JOIN)
        return True

    def _has_room(self, owner: bytes) -> bool:
        for call in [*self._alone]:
            if call.state is State.KEPT and not self._answers.has(call.owner, call.key):
                self._move(call, Event.GRACE_OVER)  # it gave way to something newer
        own = sum(call.owner == owner for call in self._alone)
        return len(self._alone) < MOST and own < MOST_OF_ONE_OWNER

    def _keeps(self, call: Call) -> bool:
        """Put an answer into the store, which alone has it from then on."""
        body, call.body = call.body, None
        return body is not None and self._answers.keep(call.owner, call.key, body)

    def _move(self, call: Call, event: Event, *, room: bool = True) -> State:
        before, call.state = call.state, after(call.state, event, room=room)
        if call.state is State.HELD or call.state is State.KEPT:
            self._alone[call] = None
        else:
            self._alone.pop(call, None)
        if call.state is State.READY and call.ready is not None:
            call.ready.set()
        if call.state is State.OVER and before is not State.OVER:
            self._unname(call)
            if before is State.KEPT:
                self._answers.discard(call.owner, call.key)
        if call.changed is not None:
            call.changed.notify()
        return call.state

    def _unname(self, call: Call) -> None:
        call.scope.outlives_client = None  # which refers back to the call
        equal = self._named[call.owner, call.name]
        del equal[call]
        if not equal:
            del self._named[call.owner, call.name]
