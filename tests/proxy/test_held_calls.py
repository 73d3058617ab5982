"""proxy.held_calls: who waits for a call, who gets its outcome, and what is bounded."""

import threading
import time
from concurrent import futures

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from proxy import errors, log, store, trail
from proxy.admission import Admission
from proxy.cancellation import Cancelled, Deadlines, Reason
from proxy.held_calls import MOST, MOST_OF_ONE_OWNER, HeldCalls
from proxy.joining import State
from proxy.watchdog import Watchdog
from waiting import LONG, until

ME, OTHER = b"me", b"other"


class House:
    """Held calls with all that they are made of, and a clock that a test moves."""

    def __init__(self, *, grace=10.0, memory=1 << 20):
        self.now = 0.0
        self.store = store.Store(memory)
        self.slots = Admission(1000)
        self.watchdog = Watchdog(Deadlines())  # not started: nothing is cancelled by it
        self.held = HeldCalls(grace, self.store.answers, lambda: self.now)

    def ask(self, owner=ME, name="question"):
        scope, slot = self.watchdog.scope(None), self.slots.enter()
        way = trail.Trail()
        record = log.Completion(request_id="r")
        return self.held.began(
            owner, name, scope=scope, slot=slot, way=way, record=record
        )

    def leave(self, call):
        """Its own client leaves."""
        call.scope.client_left()

    def end(self, call, *, body=None, error=None):
        """The call ends; true if its own client gets the outcome."""
        call.body, call.error = body, error
        return self.held.ended(call)

    def take(self, call):
        """Wait as a retry does; the outcome."""
        with self.watchdog.scope(None) as scope:
            self.held.wait(call, scope)
        return call.body if call.error is None else call.error

    def leave_again(self, call):
        """A retry leaves."""
        with self.watchdog.scope(None) as scope:
            scope.cancel(Reason.CLIENT_GONE)
            with pytest.raises(Cancelled):
                self.held.wait(call, scope)


@pytest.fixture
def house():
    return House()


def test_a_client_that_waits_gets_its_own_answer(house):
    call = house.ask()
    assert house.held.join(ME, "question") is None, "two that wait stay two calls"
    assert house.end(call, body=b"answer")
    assert house.held.join(ME, "question") is None
    assert not call.unclaimed


def test_a_retry_joins_a_call_that_runs(house):
    call = house.ask()
    house.leave(call)
    assert call.scope.reason is None
    assert house.held.join(ME, "question") is call
    with futures.ThreadPoolExecutor() as pool:
        outcome = pool.submit(house.take, call)
        assert not house.end(call, body=b"answer")
        house.held.linger(call)
        assert outcome.result(LONG) == b"answer"
    assert call.taken
    assert not call.unclaimed
    assert house.store.answers.figures.entries == 0


def test_a_retry_gets_an_error_that_comes_while_it_waits(house):
    call = house.ask()
    house.leave(call)
    house.held.join(ME, "question")
    assert not house.end(call, error=errors.shutting_down())
    assert house.take(call).code == "shutting_down"


def test_an_error_that_comes_while_nobody_waits_is_not_kept(house):
    call = house.ask()
    house.leave(call)
    assert not house.end(call, error=errors.shutting_down())
    house.held.linger(call)
    assert house.held.join(ME, "question") is None
    assert call.unclaimed


def test_an_answer_that_comes_while_nobody_waits_is_picked_up_once(house):
    call = house.ask()
    house.leave(call)
    assert not house.end(call, body=b"answer")
    assert call.body is None, "the store alone has it"
    assert house.store.answers.figures.bytes > 0
    assert house.held.join(ME, "question") is call
    assert house.held.join(ME, "question") is None
    assert house.take(call) == b"answer"
    assert house.store.answers.figures.entries == 0


def test_an_answer_that_nobody_comes_for_is_forgotten_when_the_grace_is_over(house):
    call = house.ask()
    house.leave(call)
    house.end(call, body=b"answer")
    house.now = 10.0
    house.held.linger(call)
    assert house.held.join(ME, "question") is None
    assert house.store.answers.figures.entries == 0
    assert call.unclaimed


def test_nobody_else_joins(house):
    call = house.ask()
    house.leave(call)
    assert house.held.join(OTHER, "question") is None
    assert house.held.join(ME, "another question") is None
    house.end(call, body=b"answer")
    assert house.held.join(OTHER, "question") is None
    assert house.held.join(ME, "question") is call


def test_of_two_retries_one_joins(house):
    house.leave(house.ask())
    assert house.held.join(ME, "question") is not None
    assert house.held.join(ME, "question") is None


def test_two_calls_that_were_left_are_joined_by_two_retries(house):
    calls = [house.ask(), house.ask()]
    for call in calls:
        house.leave(call)
    assert [house.held.join(ME, "question") for _ in range(3)] == [*calls, None]


def test_a_retry_that_leaves_begins_the_grace_anew(house):
    call = house.ask()
    house.leave(call)
    house.now = 9.0
    house.held.join(ME, "question")
    house.leave_again(call)
    house.end(call, body=b"answer")
    house.now = 18.0
    assert house.held.join(ME, "question") is call
    assert house.take(call) == b"answer"


def test_a_retry_that_leaves_as_the_answer_comes_loses_nothing(house):
    call = house.ask()
    house.leave(call)
    house.held.join(ME, "question")
    house.end(call, body=b"answer")
    house.leave_again(call)
    assert not call.taken
    assert house.held.join(ME, "question") is call
    assert house.take(call) == b"answer"


def test_its_own_client_cannot_leave_for_a_retry(house):
    """The kernel may report an end twice: first a FIN, and later a reset."""
    call = house.ask()
    house.leave(call)
    house.held.join(ME, "question")
    house.leave(call)
    assert call.state is State.JOINED


def test_a_retry_that_comes_as_the_grace_ends_makes_a_call_of_its_own(house):
    call = house.ask()
    house.leave(call)
    call.scope.cancel(Reason.CLIENT_GONE)  # as the watchdog does then
    assert house.held.join(ME, "question") is None


def test_the_grace_ends_a_call_unless_a_retry_has_joined_it(house):
    left, joined = house.ask(name="left"), house.ask(name="joined")
    began = time.monotonic()
    for call in (left, joined):
        house.leave(call)
    house.held.join(ME, "joined")
    for call in (left, joined):
        call.scope.expire(began + 9.9)
        assert call.scope.reason is None
        call.scope.expire(time.monotonic() + 11)
    assert left.scope.reason is Reason.CLIENT_GONE
    assert joined.scope.reason is None
    house.held.forget(left)
    assert left.unclaimed


def test_so_many_calls_go_on_without_a_client_and_no_more(house):
    owners = [bytes([i]) for i in range(MOST // MOST_OF_ONE_OWNER)]
    for owner in owners:
        calls = [house.ask(owner, str(i)) for i in range(MOST_OF_ONE_OWNER + 1)]
        for call in calls:
            house.leave(call)
        *held, last = [call.scope.reason for call in calls]
        assert held == [None] * MOST_OF_ONE_OWNER
        assert last is Reason.CLIENT_GONE
        assert not calls[-1].unclaimed, "it was not held at all"
    more = house.ask(OTHER)
    house.leave(more)
    assert more.scope.reason is Reason.CLIENT_GONE


def test_an_answer_that_is_kept_counts_as_a_call_without_a_client(house):
    for i in range(MOST_OF_ONE_OWNER):
        call = house.ask(name=str(i))
        house.leave(call)
        house.end(call, body=b"answer")
    more = house.ask()
    house.leave(more)
    assert more.scope.reason is Reason.CLIENT_GONE


def test_what_somebody_waits_for_does_not_count(house):
    for i in range(2 * MOST_OF_ONE_OWNER):
        call = house.ask(name=str(i))
        house.leave(call)
        assert house.held.join(ME, str(i)) is call


@pytest.mark.parametrize("memory", [0, 4096])
def test_an_answer_that_has_no_room_is_not_kept(memory):
    house = House(memory=memory)
    call = house.ask()
    house.leave(call)
    house.end(call, body=b"x" * 4096)
    house.held.linger(call)
    assert house.held.join(ME, "question") is None


def test_an_answer_that_had_to_give_way_is_not_there(house):
    call = house.ask()
    house.leave(call)
    house.end(call, body=b"answer")
    for i in range(100):
        house.store.answers.keep(ME, f"newer {i}", b"x" * 100_000)
    assert house.held.join(ME, "question") is None


def test_an_answer_that_had_to_give_way_takes_the_place_of_no_other_call(house):
    gone = []
    for i in range(MOST_OF_ONE_OWNER):
        gone.append(house.ask(name=str(i)))
        house.leave(gone[-1])
        house.end(gone[-1], body=b"answer")
    for i in range(100):
        house.store.answers.keep(ME, f"newer {i}", b"x" * 100_000)
    call = house.ask()
    house.leave(call)
    assert call.scope.reason is None
    assert house.held.alone == 1
    for one in gone:
        house.held.linger(one)
        assert one.unclaimed


def test_without_memory_a_retry_still_joins_what_runs():
    house = House(memory=0)
    call = house.ask()
    house.leave(call)
    assert house.held.join(ME, "question") is call
    house.end(call, body=b"answer")
    assert house.take(call) == b"answer"


def test_the_one_that_was_left_first_gives_its_slot_to_somebody_who_waits(house):
    calls = [house.ask(name=str(i)) for i in range(4)]
    kept, first, second, joined = calls
    for call in calls:
        house.leave(call)
    house.end(kept, body=b"answer")
    kept.slot.release()
    house.held.join(ME, "3")
    assert house.held.serves(OTHER)
    for call in (first, second):
        before = house.slots.in_flight
        assert house.held.give_way()
        assert call.scope.reason is Reason.CLIENT_GONE
        assert house.slots.in_flight == before - 1
    assert not house.held.give_way()
    assert joined.scope.reason is None
    assert house.held.join(ME, "0") is kept


def test_an_owner_whose_answer_is_kept_is_served_in_a_full_house(house):
    call = house.ask()
    house.leave(call)
    house.end(call, body=b"answer")
    assert house.held.serves(ME)
    assert not house.held.serves(OTHER)


def test_a_drain_ends_what_nobody_waits_for_and_nothing_else(house):
    running, kept, joined, asked = (house.ask(name=str(i)) for i in range(4))
    for call in (running, kept, joined):
        house.leave(call)
    house.end(kept, body=b"answer")
    house.held.join(ME, "2")
    with futures.ThreadPoolExecutor() as pool:
        lingering = pool.submit(house.held.linger, kept)
        until(lambda: kept.changed is not None)
        house.held.drain()
        lingering.result(LONG)
    assert running.scope.reason is Reason.DRAINING
    assert house.store.answers.figures.entries == 0
    assert joined.scope.reason is None
    assert asked.scope.reason is None
    house.leave(asked)
    assert asked.scope.reason is Reason.CLIENT_GONE, "nobody can come back for it"
    house.end(joined, body=b"answer")
    assert house.take(joined) == b"answer"


def test_whoever_waits_for_a_call_that_is_let_go_of_gets_an_error(house):
    call = house.ask()
    house.leave(call)
    house.held.join(ME, "question")
    house.held.forget(call)
    assert house.take(call).code == "internal_error"


def test_leaving_and_joining_at_once_lose_no_answer():
    """Whatever the order: there is one answer, and the retry or its own client has it."""
    for _ in range(200):
        house = House()
        call = house.ask()
        begin = threading.Barrier(3)

        def do(what, *given, begin=begin):
            begin.wait()
            return what(*given)

        with futures.ThreadPoolExecutor(3) as pool:
            call.body = b"answer"
            left = pool.submit(do, house.leave, call)
            own = pool.submit(do, house.held.ended, call)
            joined = pool.submit(do, house.held.join, ME, "question")
            left.result(LONG)
            got = joined.result(LONG) or house.held.join(ME, "question")
        assert own.result() is (got is None)
        if got is not None:
            assert house.take(got) == b"answer"
        assert house.held.join(ME, "question") is None


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order: bounds hold, and each answer has one taker."""

    calls = Bundle("calls")
    joined = Bundle("joined")

    @initialize(memory=st.sampled_from([0, 1 << 20]))
    def begin(self, memory):
        self.house = House(memory=memory)
        self.all = []
        self.given_to = {}

    @rule(
        target=calls,
        owner=st.sampled_from([ME, OTHER]),
        name=st.sampled_from(["a", "b"]),
    )
    def ask(self, owner, name):
        self.all.append(self.house.ask(owner, name))
        return self.all[-1]

    @rule(call=calls)
    def its_client_leaves(self, call):
        self.house.leave(call)

    @rule(target=joined, call=calls)
    def a_retry_comes(self, call):
        found = self.house.held.join(call.owner, call.name)
        if found is not None:
            assert (found.owner, found.name) == (call.owner, call.name)
            assert found.scope.reason is None
            assert found.state in {State.JOINED, State.READY}
        return found

    @rule(call=consumes(calls), fails=st.booleans())
    def it_ends(self, call, fails):
        if call.scope.reason is not None:
            fails = True
        outcome = {"error": errors.internal()} if fails else {"body": call.key.encode()}
        if self.house.end(call, **outcome):
            self.note(call, "its own client")
        call.slot.release()
        call.scope.close()

    @rule(call=joined)
    def the_retry_takes_what_there_is(self, call):
        if call is not None and call.state is State.READY:
            outcome = self.house.take(call)
            assert (
                isinstance(outcome, errors.ProxyError) or outcome == call.key.encode()
            )
            self.note(call, "a retry")

    @rule(call=joined)
    def the_retry_leaves(self, call):
        if call is not None and call.state in {State.JOINED, State.READY}:
            self.house.leave_again(call)

    @rule()
    def a_slot_is_wanted(self):
        before = self.house.slots.in_flight
        gave_way = self.house.held.give_way()
        assert self.house.slots.in_flight >= before - gave_way

    @rule(seconds=st.sampled_from([1.0, 10.0]))
    def time_passes(self, seconds):
        self.house.now += seconds
        for call in self.all:
            if call.state is State.KEPT and call.until <= self.house.now:
                self.house.held.linger(call)

    @rule()
    def it_drains(self):
        self.house.held.drain()

    def note(self, call, who):
        assert call not in self.given_to, "one outcome, one taker"
        self.given_to[call] = who

    @invariant()
    def bounds_hold(self):
        alone = [one for one in self.all if one.state in {State.HELD, State.KEPT}]
        assert len(alone) <= MOST
        for owner in (ME, OTHER):
            assert sum(one.owner == owner for one in alone) <= MOST_OF_ONE_OWNER
        kept = sum(one.state is State.KEPT for one in self.all)
        assert self.house.store.answers.figures.entries == kept

    @invariant()
    def what_is_over_is_forgotten(self):
        named = {c for equal in self.house.held._named.values() for c in equal}
        assert named == {one for one in self.all if one.state is not State.OVER}


TestAnyOrder = AnyOrder.TestCase
