"""proxy.admission: who is let in, and what the others get."""

import contextlib
import threading

import pytest

from moved_clock import MovedClock
from proxy import admission
from proxy.admission import Admission, Bodies, Refusal, Slot


def test_as_many_completions_as_there_are_slots_are_let_in():
    admission = Admission(2)
    slots = [admission.enter(), admission.enter()]
    assert all(isinstance(slot, Slot) for slot in slots)
    assert admission.enter() is Refusal.AT_CAPACITY
    assert admission.in_flight == 2


def test_a_slot_that_was_given_back_is_free_again_and_only_once():
    admission = Admission(1)
    slot = admission.enter()
    slot.release()
    slot.release()
    assert admission.in_flight == 0
    with admission.enter():
        assert admission.refusal() is Refusal.AT_CAPACITY
    assert admission.refusal() is None


def test_a_draining_proxy_refuses_even_where_slots_are_free():
    admission = Admission(1)
    slot = admission.enter()
    admission.drain()
    assert admission.enter() is Refusal.SHUTTING_DOWN
    slot.release()
    assert admission.enter() is Refusal.SHUTTING_DOWN
    assert admission.in_flight == 0


def test_threads_together_never_take_more_slots_than_there_are():
    admission = Admission(5)
    got = []
    start = threading.Barrier(20)

    def take():
        start.wait()
        got.append(admission.enter())

    threads = [threading.Thread(target=take) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(one, Slot) for one in got) == 5
    assert got.count(Refusal.AT_CAPACITY) == 15


def test_bodies_have_so_much_room_and_give_it_back_whatever_happens():
    bodies = Bodies(100)
    with bodies.under_way() as first, bodies.under_way() as second:
        assert first.add(b"x" * 60)
        assert first.whole() == b"x" * 60
        assert second.add(b"y" * 40)
        assert second.whole() == b"y" * 40
        with bodies.under_way() as third:
            assert not third.add(b"z")
    with contextlib.suppress(ValueError), bodies.under_way() as fourth:
        assert fourth.add(b"x" * 100)
        raise ValueError
    with bodies.under_way() as fifth:
        assert fifth.add(b"x" * 100)


@contextlib.contextmanager
def arriving(bodies, held, expected):
    with bodies.under_way() as body:
        body.expected = expected
        assert body.add(b"x" * held)
        yield body


def test_when_the_room_is_full_the_slowest_that_arrive_give_way():
    bodies = Bodies(100)
    with (
        arriving(bodies, 40, 1000) as slow,
        arriving(bodies, 40, 60) as faster,
        arriving(bodies, 20, 20) as complete,
    ):
        complete.whole()
        with arriving(bodies, 30, 30) as last:
            assert not slow.add(b"x")
            assert slow.whole() is None
            assert slow.data == b""  # its memory is free before its thread notices
            assert not any(one.gave_way for one in (faster, complete, last))
            assert last.add(b"x" * 10)  # what was left of the room


def test_the_slowest_gives_way_itself_and_takes_nothing_from_others():
    bodies = Bodies(100)
    with arriving(bodies, 60, 60) as first, arriving(bodies, 40, 40) as second:
        with bodies.under_way() as third:
            third.expected = 1_000_000
            assert not third.add(b"x" * 50)
        assert first.whole()
        assert second.whole()


def test_nobody_gives_way_in_vain():
    bodies = Bodies(100)
    with arriving(bodies, 90, 90) as complete, arriving(bodies, 10, 1000) as slow:
        complete.whole()
        with bodies.under_way() as third:
            third.expected = 50
            assert not third.add(b"x" * 50)
        assert slow.whole()


def test_what_is_built_from_a_body_takes_room_too_until_the_end():
    bodies = Bodies(100)
    with arriving(bodies, 50, 50) as first:
        first.whole()
        assert first.take(40)
        with bodies.under_way() as second:
            assert not second.add(b"x" * 20)
            assert second.add(b"x" * 10)
            assert second.whole()
            assert not second.take(1)
    with arriving(bodies, 100, 100):
        pass


def test_what_is_built_takes_the_room_of_bodies_that_still_arrive():
    bodies = Bodies(100)
    with arriving(bodies, 50, 50) as first, arriving(bodies, 40, 1000) as second:
        first.whole()
        assert first.take(40)
        assert second.whole() is None


def test_a_body_alone_gets_more_than_there_is_and_nobody_else_anything_then():
    bodies = Bodies(100)
    with arriving(bodies, 90, 90) as alone:
        alone.whole()
        assert alone.take(60)
        with bodies.under_way() as other:
            assert not other.add(b"x")
    with arriving(bodies, 100, 100):
        pass


@pytest.fixture
def clock(monkeypatch):
    clock = MovedClock()
    monkeypatch.setattr(admission, "time", clock)
    return clock


def test_a_body_that_stopped_gives_way_to_one_that_comes(clock):
    bodies = Bodies(100)
    with arriving(bodies, 90, 100) as stopped, bodies.under_way() as other:
        other.expected = 100
        assert not other.add(b"x" * 20)  # at first nothing tells them apart
        clock.now += 3
        assert other.add(b"x" * 20)
        assert stopped.whole() is None


def test_a_body_is_too_slow_below_a_kibibyte_a_second_after_five_seconds(clock):
    with Bodies(1 << 20).under_way() as body:
        body.add(b"x")
        clock.now += 4.9
        assert not body.is_too_slow()
        clock.now += 0.2
        assert body.is_too_slow()
        body.add(b"x" * 10240)
        assert not body.is_too_slow()
        clock.now += 5
        assert body.is_too_slow()
