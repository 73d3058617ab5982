"""The memory: who finds what, what gives way, and how much it may ever hold."""

import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proxy import bounded, store

ADA, BOB = b"digest of ada's key", b"digest of bob's key"
LIMIT = 64_000
SHARE = LIMIT // 4
"""What one owner may have of a half."""
LARGEST = LIMIT // 8


@pytest.fixture
def memory() -> store.Store:
    return store.Store(LIMIT)


def item(name: str, size: int = 10) -> store.Item:
    return store.Item(name, f'{{"id":"{name}"}}'.encode().ljust(size))


def turn_size(value: bytes, *call_ids: str) -> int:
    return bounded.ENTRY + len(value) + sum(bounded.NAME + len(i) for i in call_ids)


# ------------------------------------------------------------------ turns


def test_a_turn_is_found_by_any_of_its_calls(memory: store.Store) -> None:
    assert memory.turns.keep(ADA, ["toolu_1", "toolu_2"], b"turn")

    assert memory.turns.find(ADA, [["toolu_1"]]) == [b"turn"]
    assert memory.turns.find(ADA, [["toolu_0", "toolu_2"]]) == [b"turn"]
    assert memory.turns.find(ADA, [["toolu_0"]]) == []
    assert memory.turns.find(ADA, [[]]) == []


def test_the_turns_of_a_history_are_found_together(memory: store.Store) -> None:
    memory.turns.keep(ADA, ["toolu_1"], b"first")
    memory.turns.keep(ADA, ["toolu_3"], b"third")

    history = [["toolu_1"], ["toolu_2"], ["toolu_3"]]

    assert memory.turns.find(ADA, history) == [b"first", b"third"]


def test_a_later_turn_with_the_same_id_takes_its_place(memory: store.Store) -> None:
    memory.turns.keep(ADA, ["call_1", "call_2"], b"first")
    memory.turns.keep(ADA, ["call_2", "call_2"], b"second")

    assert memory.turns.find(ADA, [["call_1"], ["call_2"]]) == [b"second"]
    assert memory.turns.figures.entries == 1


def test_what_was_used_least_recently_goes_first(memory: store.Store) -> None:
    value = bytes(SHARE // 5 - turn_size(b"", "a"))
    for name in "abcde":
        memory.turns.keep(ADA, [name], value)
    memory.turns.find(ADA, [["a"]])

    memory.turns.keep(ADA, ["f"], value)

    assert [n for n in "abcdef" if memory.turns.find(ADA, [[n]])] == [*"adef"]
    assert memory.turns.figures.evictions == 2


def test_a_conversation_that_fills_the_memory_does_not_lose_a_turn_with_each_new_one(
    memory: store.Store,
) -> None:
    """What is sent for it would change with each turn, and no cache would ever help."""
    value = bytes(SHARE // 16 - turn_size(b"", "00"))
    history: list[list[str]] = []
    changes = 0
    for n in range(48):
        before = memory.turns.find(ADA, history)
        memory.turns.keep(ADA, [f"{n:02}"], value)
        changes += len(memory.turns.find(ADA, history)) < len(before)
        history.append([f"{n:02}"])

    assert 0 < changes <= (48 - 16) // 2


def test_one_owner_cannot_push_another_out(memory: store.Store) -> None:
    memory.turns.keep(BOB, ["b"], bytes(LARGEST - turn_size(b"", "b")))
    for n in range(1000):
        memory.turns.keep(ADA, [f"a{n}"], b"turn")

    assert memory.turns.find(BOB, [["b"]])
    held = memory.turns.figures.bytes - LARGEST
    assert SHARE - SHARE // 8 - turn_size(b"turn", "a999") < held <= SHARE


def test_among_owners_too_what_was_used_least_recently_goes_first(
    memory: store.Store,
) -> None:
    value = bytes(LARGEST - turn_size(b"", "x1"))
    names = [(b"x", "x1"), (b"y", "y1"), (b"x", "x2"), (b"y", "y2")]
    for owner, name in names:
        memory.turns.keep(owner, [name], value)
    memory.turns.find(b"x", [["x1"]])

    memory.turns.keep(b"z", ["z1"], value)

    found = [name for owner, name in names if memory.turns.find(owner, [[name]])]
    assert found == ["x1", "y2"]


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
def test_an_entry_is_at_most_a_quarter_of_its_half(
    memory: store.Store, spare: int, fits: bool
) -> None:
    turn = bytes(LARGEST - turn_size(b"", "t") - spare)
    response = bytes(LARGEST - turn_size(b"", "r") - spare)

    assert memory.turns.keep(ADA, ["t"], turn) is fits
    assert memory.answers.keep(ADA, "r", response) is fits
    assert (
        memory.responses.keep(ADA, "r", response, previous=None, input=[], output=[])
        is fits
    )


def test_a_memory_of_nothing_keeps_nothing() -> None:
    off = store.Store(0)

    assert not off.turns.keep(ADA, ["t"], b"")
    assert not off.answers.keep(ADA, "a", b"")
    assert not off.responses.keep(ADA, "r", b"", previous=None, input=[], output=[])
    assert {one.bytes for one in off.figures().values()} == {0}


# ------------------------------------------------------------------ answers


def test_an_answer_is_picked_up_once(memory: store.Store) -> None:
    memory.answers.keep(ADA, "request", b"first")
    memory.answers.keep(ADA, "request", b"second")

    assert memory.answers.take(ADA, "request") == b"second"
    assert memory.answers.take(ADA, "request") is None
    assert memory.answers.figures.bytes == 0


def test_an_answer_that_nobody_came_for_is_discarded(memory: store.Store) -> None:
    memory.answers.keep(ADA, "request", b"answer")
    memory.answers.discard(BOB, "request")
    memory.answers.discard(ADA, "request")
    memory.answers.discard(ADA, "request")

    assert memory.answers.take(ADA, "request") is None
    assert memory.answers.figures.evictions == 0


# ------------------------------------------------------------------ responses


def respond(
    memory: store.Store, name: str, previous: str | None = None, size: int = 10
) -> bool:
    """Keep a response ``r1`` with the items ``in-r1`` and ``out-r1``."""
    return memory.responses.keep(
        ADA,
        name,
        name.encode(),
        previous=previous,
        input=[item(f"in-{name}", size)],
        output=[item(f"out-{name}", size)],
    )


def ids(items: list[store.Item]) -> list[str]:
    return [one.id for one in items]


def test_a_response_has_the_items_of_all_before_it(memory: store.Store) -> None:
    assert respond(memory, "r1")
    assert respond(memory, "r2", "r1")
    assert respond(memory, "r3", "r2")
    assert respond(memory, "branch", "r1")

    third = memory.responses.find(ADA, "r3")
    assert third is not None
    assert third.value == b"r3"
    assert ids(third.input) == ["in-r1", "out-r1", "in-r2", "out-r2", "in-r3"]
    assert ids(third.output) == ["out-r3"]
    branch = memory.responses.find(ADA, "branch")
    assert branch is not None
    assert ids(branch.input) == ["in-r1", "out-r1", "in-branch"]


def test_an_item_is_found_by_its_id(memory: store.Store) -> None:
    respond(memory, "r1")

    assert memory.responses.item(ADA, "out-r1") == item("out-r1")
    assert memory.responses.item(ADA, "in-r1") == item("in-r1")
    assert memory.responses.item(ADA, "r1") is None


def test_an_item_that_is_sent_again_is_held_once(memory: store.Store) -> None:
    respond(memory, "r1", size=1000)
    before = memory.responses.figures.bytes
    again = [item("in-r1", 1000), item("out-r1", 1000)]

    memory.responses.keep(ADA, "r2", b"", previous=None, input=again, output=[])

    assert memory.responses.figures.bytes - before < 1000
    memory.responses.delete(ADA, "r1")
    assert memory.responses.item(ADA, "out-r1") == again[1]
    memory.responses.delete(ADA, "r2")
    assert memory.responses.item(ADA, "out-r1") is None
    assert memory.responses.figures.bytes == 0


def test_an_item_that_comes_again_changed_is_a_new_one(memory: store.Store) -> None:
    respond(memory, "r1")
    edited = store.Item("out-r1", b"edited")
    memory.responses.keep(ADA, "r2", b"", previous=None, input=[edited], output=[])

    first = memory.responses.find(ADA, "r1")
    assert first is not None
    assert first.output == [item("out-r1")]
    assert memory.responses.item(ADA, "out-r1") == edited
    memory.responses.delete(ADA, "r1")
    assert memory.responses.item(ADA, "out-r1") == edited


def test_what_is_built_on_a_deleted_response_keeps_its_history(
    memory: store.Store,
) -> None:
    respond(memory, "r1")
    respond(memory, "r2", "r1")

    assert memory.responses.delete(ADA, "r1")

    assert memory.responses.find(ADA, "r1") is None
    assert not memory.responses.delete(ADA, "r1")
    assert not respond(memory, "r3", "r1")
    second = memory.responses.find(ADA, "r2")
    assert second is not None
    assert ids(second.input) == ["in-r1", "out-r1", "in-r2"]
    memory.responses.delete(ADA, "r2")
    assert memory.responses.figures.bytes == memory.responses.figures.entries == 0


def test_a_chain_is_evicted_whole(memory: store.Store) -> None:
    respond(memory, "r1", size=1000)
    respond(memory, "r2", "r1", size=1000)
    respond(memory, "r3", "r2", size=1000)
    for n in range(50):
        respond(memory, f"other{n}", size=1000)

    assert [memory.responses.find(ADA, f"r{n}") for n in (1, 2, 3)] == [None] * 3
    assert memory.responses.item(ADA, "in-r1") is None


def test_the_use_of_a_response_is_a_use_of_all_before_it(memory: store.Store) -> None:
    respond(memory, "r1", size=1000)
    respond(memory, "r2", "r1", size=1000)
    for n in range(50):
        assert memory.responses.find(ADA, "r2") is not None
        respond(memory, f"other{n}", size=1000)

    assert memory.responses.find(ADA, "r1") is not None


def test_a_chain_that_an_owner_has_no_room_for_ends_where_it_is(
    memory: store.Store,
) -> None:
    kept = ["r0"]
    respond(memory, "r0", size=1000)
    while respond(memory, f"r{len(kept)}", kept[-1], size=1000):
        kept.append(f"r{len(kept)}")

    assert all(memory.responses.find(ADA, name) for name in kept)
    assert memory.responses.figures.evictions == 0


def test_a_response_is_not_kept_without_the_one_before_it(memory: store.Store) -> None:
    assert not respond(memory, "r2", "r1")
    assert memory.responses.figures.bytes == 0


def test_a_response_does_not_take_anothers_id(memory: store.Store) -> None:
    respond(memory, "r1")
    assert not memory.responses.keep(
        ADA, "r1", b"x", previous=None, input=[], output=[]
    )
    first = memory.responses.find(ADA, "r1")
    assert first is not None
    assert first.value == b"r1"


# ------------------------------------------------------------------ all kinds


def test_nothing_of_one_owner_exists_for_another(memory: store.Store) -> None:
    memory.turns.keep(ADA, ["t"], b"turn")
    memory.answers.keep(ADA, "a", b"answer")
    respond(memory, "r1")

    assert memory.turns.find(BOB, [["t"]]) == []
    assert memory.answers.take(BOB, "a") is None
    assert memory.responses.find(BOB, "r1") is None
    assert memory.responses.item(BOB, "in-r1") is None
    assert not memory.responses.delete(BOB, "r1")
    assert not memory.responses.keep(BOB, "r2", b"", previous="r1", input=[], output=[])
    assert memory.turns.find(ADA, [["t"]]) == [b"turn"]


def test_the_figures_count_each_kind(memory: store.Store) -> None:
    memory.turns.keep(ADA, ["t", "u"], b"turn")
    memory.turns.find(ADA, [["t"]])
    memory.turns.find(ADA, [["v"]])
    memory.answers.keep(ADA, "a", b"answer")
    memory.responses.item(ADA, "in-r1")

    assert memory.figures() == {
        "turns": bounded.Figures(
            entries=1, bytes=turn_size(b"turn", "t", "u"), hits=1, misses=1, evictions=0
        ),
        "responses": bounded.Figures(entries=0, bytes=0, hits=0, misses=1, evictions=0),
        "answers": bounded.Figures(
            entries=1, bytes=turn_size(b"answer", "a"), hits=0, misses=0, evictions=0
        ),
    }


def test_answers_and_responses_share_a_half_and_leave_turns_alone(
    memory: store.Store,
) -> None:
    memory.turns.keep(ADA, ["t"], b"turn")
    memory.answers.keep(ADA, "a", b"answer")
    for n in range(50):
        respond(memory, f"r{n}", size=1000)

    assert memory.answers.take(ADA, "a") is None
    assert memory.answers.figures.evictions == 1
    assert memory.turns.find(ADA, [["t"]]) == [b"turn"]


# ------------------------------------------------------------------ against a model

OWNERS = st.sampled_from([b"", ADA, BOB])
NAMES = st.sampled_from([f"n{n}" for n in range(24)])
SIZES = st.integers(0, LARGEST)


def item_size(held: store.Item) -> int:
    return store.ITEM + len(held.id) + len(held.data)


def with_items(entry: dict) -> int:
    return entry["size"] + sum(map(item_size, entry["items"]))


class Model:
    """The same by the plainest means: a list, the least recently used first."""

    def __init__(self) -> None:
        self.entries: list[dict] = []

    def named(self, owner: bytes, name: str) -> dict | None:
        for one in self.entries:
            if one["owner"] == owner and name in one["names"]:
                return one
        return None

    def chain(self, entry: dict) -> list[dict]:
        before = [self.chain(one) for one in self.entries if one is entry["before"]]
        return [*(before[0] if before else []), entry]

    def use(self, entry: dict) -> None:
        for one in self.chain(entry):
            self.entries.remove(one)
            self.entries.append(one)

    def size(self, owner: bytes | None = None) -> int:
        mine = [one for one in self.entries if owner in (None, one["owner"])]
        items = {(one["owner"], held) for one in mine for held in one["items"]}
        return sum(one["size"] for one in mine) + sum(
            item_size(held) for _, held in items
        )

    def add(self, entry: dict) -> None:
        self.entries.append(entry)
        while self.size(entry["owner"]) > SHARE:
            mine = [one for one in self.entries if one["owner"] == entry["owner"]]
            self.drop(mine[0])
        while self.size() > LIMIT // 2:
            self.drop(self.entries[0])

    def drop(self, entry: dict) -> None:
        gone = [one for one in self.entries if entry in self.chain(one)]
        self.entries = [one for one in self.entries if one not in gone]


class Half(RuleBasedStateMachine):
    """Responses and answers, which share a half, as the model has them."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = store.Store(LIMIT)
        self.model = Model()
        self.made = 0

    @rule(owner=OWNERS, name=NAMES, size=SIZES)
    def keep_answer(self, owner: bytes, name: str, size: int) -> None:
        kept = self.memory.answers.keep(owner, name, bytes(size))
        entry = self._entry(owner, "a" + name, turn_size(bytes(size), name))
        assert kept == (entry["size"] <= LARGEST)
        if kept:
            if (former := self.model.named(owner, "a" + name)) is not None:
                self.model.drop(former)
            self.model.add(entry)

    @rule(owner=OWNERS, name=NAMES)
    def take_answer(self, owner: bytes, name: str) -> None:
        known = self.model.named(owner, "a" + name)
        found = self.memory.answers.take(owner, name)
        assert (found is None) == (known is None)
        if known is not None:
            self.model.drop(known)

    @rule(
        owner=OWNERS,
        previous=st.none() | NAMES,
        name=NAMES,
        items=st.lists(st.integers(0, 9), unique=True, max_size=4),
    )
    def keep_response(
        self, owner: bytes, previous: str | None, name: str, items: list[int]
    ) -> None:
        held = [item(f"i{n}", n * 300) for n in items]
        before = previous and self.model.named(owner, previous)
        value = name.encode() * 50
        entry = self._entry(owner, name, turn_size(value, name), before or None, held)
        kept = self.memory.responses.keep(
            owner, name, value, previous=previous, input=held[:1], output=held[1:]
        )
        # what several of a chain hold counts for each, so no chain has more room
        chain = self.model.chain(before) if before else []
        own = with_items(entry)
        assert kept == (
            self.model.named(owner, name) is None
            and bool(before) == bool(previous)
            and own <= LARGEST
            and own + sum(map(with_items, chain)) <= SHARE
        )
        if kept:
            if before:
                self.model.use(before)
            self.model.add(entry)

    @rule(owner=OWNERS, name=NAMES)
    def find_response(self, owner: bytes, name: str) -> None:
        known = self.model.named(owner, name)
        found = self.memory.responses.find(owner, name)
        assert (found is None) == (known is None)
        if found is not None and known is not None:
            chain = self.model.chain(known)
            self.model.use(known)
            assert [*found.input, *found.output] == [
                one for link in chain for one in link["items"]
            ]

    @rule(owner=OWNERS, name=NAMES)
    def delete_response(self, owner: bytes, name: str) -> None:
        known = self.model.named(owner, name)
        assert self.memory.responses.delete(owner, name) == (known is not None)
        if known is not None:
            known["names"] = []
            while not known["names"] and not any(
                one["before"] is known for one in self.model.entries
            ):
                self.model.entries.remove(known)
                known = known["before"] or {"names": ["end"]}

    @rule(owner=OWNERS, n=st.integers(0, 9))
    def find_item(self, owner: bytes, n: int) -> None:
        wanted = item(f"i{n}", n * 300)
        known = any(
            one["owner"] == owner and wanted in one["items"]
            for one in self.model.entries
        )
        found = self.memory.responses.item(owner, f"i{n}")
        assert found == (wanted if known else None)

    @invariant()
    def holds_what_the_model_holds_and_never_more_than_it_may(self) -> None:
        figures = self.memory.figures()
        held = figures["responses"].bytes + figures["answers"].bytes
        assert held == self.model.size() <= LIMIT // 2
        assert figures["responses"].entries + figures["answers"].entries == len(
            self.model.entries
        )

    def _entry(
        self,
        owner: bytes,
        name: str,
        size: int,
        before: dict | None = None,
        items: list[store.Item] = [],  # noqa: B006 - never changed
    ) -> dict:
        self.made += 1
        return {
            "number": self.made,  # so that no two are equal
            "owner": owner,
            "names": [name],
            "size": size,
            "before": before,
            "items": items,
        }


TestHalf = Half.TestCase
TestHalf.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(OWNERS, st.lists(NAMES, min_size=1, max_size=3), st.none() | SIZES),
        max_size=80,
    )
)
def test_turns_are_what_a_plain_list_would_have(
    steps: list[tuple[bytes, list[str], int | None]],
) -> None:
    memory, model = store.Store(LIMIT), Model()
    for owner, names, size in steps:
        if size is None:
            known = [one for name in names if (one := model.named(owner, name))]
            found = memory.turns.find(owner, [names])
            assert found == [one["value"] for one in known[:1]]
            if known:
                model.use(known[0])
            continue
        value = repr((names, size)).encode().ljust(size)
        unique = list(dict.fromkeys(names))
        entry = {
            "owner": owner, "names": unique, "size": turn_size(value, *unique),
            "before": None, "items": [], "value": value, "object": object(),
        }  # fmt: skip
        if memory.turns.keep(owner, names, value):
            for name in unique:
                if (former := model.named(owner, name)) is not None:
                    model.drop(former)
            model.add(entry)
        else:
            assert entry["size"] > LARGEST
        assert memory.turns.figures.bytes == model.size() <= LIMIT // 2


# ------------------------------------------------------------------ the process


def test_threads_that_use_everything_at_once_leave_it_in_order() -> None:
    memory = store.Store(LIMIT)
    failed: list[BaseException] = []

    def use(number: int) -> None:
        owner = [ADA, BOB][number % 2]
        try:
            for n in range(300):
                name = f"{number % 4}-{n % 40}"
                memory.turns.keep(owner, [name], b"turn" * (n % 90))
                memory.turns.find(owner, [[name]])
                memory.answers.keep(owner, name, b"answer" * (n % 90))
                memory.answers.take(owner, name)
                memory.responses.keep(
                    owner, name, b"", previous=f"{number % 4}-{n % 40 - 1}" if n % 40 else None,
                    input=[item(f"in{name}")], output=[item(f"out{name}")],
                )  # fmt: skip
                if n % 7 == 0:
                    memory.responses.delete(owner, name)
                memory.figures()
        except BaseException as ex:  # noqa: BLE001 - told to the test's own thread
            failed.append(ex)

    threads = [threading.Thread(target=use, args=[n]) for n in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failed
    for owner in (ADA, BOB):
        for number in range(4):
            for n in range(40):
                memory.responses.delete(owner, f"{number}-{n}")
                memory.answers.discard(owner, f"{number}-{n}")
    figures = memory.figures()
    assert figures["responses"].bytes == figures["answers"].bytes == 0
    assert figures["turns"].bytes <= LIMIT // 2


FILL = """
import random, threading
from proxy import store
from proxy.server import threads

def private():
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(l.split()[1]) << 10 for l in lines if l.startswith("Private_"))

def fill(number):
    made = random.Random(number)
    for n in range(LIMIT * 2 // THREADS // (SIZE + 1000)):
        owner, name = b"owner%d" % (n % 4), f"toolu_{number:08}{n:016}"
        size = int(made.expovariate(1 / SIZE))
        memory.turns.keep(owner, [name, name + "b"], made.randbytes(size))
        memory.answers.keep(owner, name, made.randbytes(size // 4))
        memory.responses.keep(
            owner, name, made.randbytes(size // 4), previous=None,
            input=[store.Item("in" + name, made.randbytes(size // 4))],
            output=[store.Item("out" + name, made.randbytes(size // 4))],
        )

LIMIT, THREADS, SIZE = int(input()), 16, int(input())
threads.share_one_heap()
memory = store.Store(LIMIT)
before = private()
running = [threading.Thread(target=fill, args=[n]) for n in range(THREADS)]
for one in running: one.start()
for one in running: one.join()
print(sum(kind.bytes for kind in memory.figures().values()) / LIMIT)
print((private() - before) / LIMIT)
"""


@pytest.mark.parametrize(
    ("limit", "size"), [(16 << 20, 300), (64 << 20, 3_000), (64 << 20, 60_000)]
)
def test_a_full_memory_costs_the_process_hardly_more_than_it_may_hold(
    limit: int, size: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL],
        input=f"{limit}\n{size}", capture_output=True, text=True, check=True,
    )  # fmt: skip
    held, grown = map(float, done.stdout.split())

    assert 0.95 < held <= 1
    assert grown < 1.2
