"""How long a trouble has lasted, and who may ask while a gate is shut."""

import pytest

from proxy import patience


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_trouble_lasts_from_its_first_failure_to_the_first_success(
    clock: Clock,
) -> None:
    troubles = patience.Troubles(clock)
    assert troubles.lasted("m") == 0.0

    for now in (0.0, 3.0, 11.0):
        clock.now = now
        assert troubles.lasted("m") == now
        troubles.failed("m")
    assert troubles.lasted("other") == 0.0

    troubles.over("m")
    assert troubles.lasted("m") == 0.0


def test_a_failure_of_long_ago_is_another_trouble(clock: Clock) -> None:
    troubles = patience.Troubles(clock)
    troubles.failed("m")

    clock.now = patience.FORGOTTEN + 1
    assert troubles.lasted("m") == 0.0
    troubles.failed("m")
    clock.now += 1
    assert troubles.lasted("m") == 1.0


def test_what_clients_name_fills_no_table(clock: Clock) -> None:
    troubles, gates = patience.Troubles(clock), patience.Gates(clock)
    for i in range(10 * patience.KNOWN):
        troubles.failed(i)
        entry = gates.enter(i)
        assert isinstance(entry, patience.Pass)
        entry.close(60)
    clock.now = 1.0

    kept = range(10 * patience.KNOWN)
    assert sum(troubles.lasted(i) > 0 for i in kept) == patience.KNOWN
    assert sum(gates.enter(i) == 59.0 for i in kept) == patience.KNOWN


def shut(gates: patience.Gates, seconds: float) -> patience.Pass:
    entry = gates.enter("m")
    assert isinstance(entry, patience.Pass)
    entry.close(seconds)
    return entry


def test_a_shut_gate_says_what_is_left_and_then_lets_one_through(clock: Clock) -> None:
    gates = patience.Gates(clock)
    shut(gates, 30).release()

    clock.now = 10.0
    assert gates.enter("m") == 20.0
    assert isinstance(gates.enter("other"), patience.Pass)

    clock.now = 30.0
    probe = gates.enter("m")
    assert isinstance(probe, patience.Pass)
    assert gates.enter("m") == 0.0

    probe.open()
    probe.release()
    assert isinstance(gates.enter("m"), patience.Pass)
    assert isinstance(gates.enter("m"), patience.Pass)


def test_a_probe_that_proves_nothing_makes_room_for_the_next(clock: Clock) -> None:
    gates = patience.Gates(clock)
    shut(gates, 0).release()

    probe = gates.enter("m")
    assert isinstance(probe, patience.Pass)
    probe.release()

    assert isinstance(gates.enter("m"), patience.Pass)


def test_a_probe_that_hangs_keeps_the_others_waiting_for_ten_seconds(
    clock: Clock,
) -> None:
    gates = patience.Gates(clock)
    shut(gates, 0).release()
    hanging = gates.enter("m")
    assert isinstance(hanging, patience.Pass)

    clock.now = patience.UNANSWERED
    assert gates.enter("m") == 0.0
    clock.now += 0.1
    assert isinstance(gates.enter("m"), patience.Pass)
    assert gates.enter("m") == 0.0

    hanging.open()  # it asked after the gate was shut, so its success counts
    assert isinstance(gates.enter("m"), patience.Pass)


def test_a_call_that_began_before_the_gate_was_shut_does_not_open_it(
    clock: Clock,
) -> None:
    gates = patience.Gates(clock)
    earlier = gates.enter("m")
    assert isinstance(earlier, patience.Pass)
    shut(gates, 30).release()

    earlier.open()
    earlier.release()

    assert gates.enter("m") == 30.0


def test_who_shut_the_gate_is_the_first_to_ask_again(clock: Clock) -> None:
    gates = patience.Gates(clock)
    holder = shut(gates, 3)
    clock.now = 3.0
    assert gates.enter("m") == 0.0

    holder.open()
    assert isinstance(gates.enter("m"), patience.Pass)


def test_no_gate_is_shut_for_longer_than_a_minute(clock: Clock) -> None:
    gates = patience.Gates(clock)
    shut(gates, 7200).release()

    clock.now = patience.ASKED_AGAIN
    assert isinstance(gates.enter("m"), patience.Pass)
    assert gates.enter("m") == 7200 - patience.ASKED_AGAIN
