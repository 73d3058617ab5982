"""proxy.admission: who is let in, and what the others are told."""

import contextlib
import threading

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
        assert first(60)
        assert second(40)
        assert not second(1)
        assert not first(1)
    with contextlib.suppress(ValueError), bodies.under_way() as third:
        assert third(100)
        raise ValueError
    with bodies.under_way() as fourth:
        assert fourth(100)
