"""Many processes on one store: every bead is claimed once, nothing is lost, nothing is torn."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import pytest

from state import Bead, BeadStore

pytestmark = pytest.mark.slow

WORKERS, BEADS = 4, 200
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return str(tmp_path / "state.db")


def run(jobs: list[tuple[Callable[..., None], str, str]]) -> list[Any]:
    """The objects that this many processes put into a queue, one each."""
    results: Queue[Any] = SPAWN.Queue()
    workers = [SPAWN.Process(target=job, args=(*words, results)) for job, *words in jobs]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=240) for _ in workers]
    for worker in workers:
        worker.join()
    return found


def claim_all(url: str, name: str, results: Queue[list[str]]) -> None:
    store = BeadStore.open(url)
    claimed = []
    while (bead := store.claim(assignee=name, lease_s=600)) is not None:
        claimed.append(bead.id)
        store.close(bead.id, "done")
    results.put(claimed)


def test_every_bead_is_claimed_once(url: str) -> None:
    store = BeadStore.open(url)
    beads = store.create_many([Bead(kind="step", title=f"s{n}") for n in range(BEADS)])
    claimed = run([(claim_all, url, f"w{n}") for n in range(WORKERS)])
    assert Counter(id for one in claimed for id in one) == Counter(bead.id for bead in beads)
    assert {bead.attempts for bead in store.query()} == {1}
    assert {bead.status for bead in store.query()} == {"closed"}
    store.close_database()


ROUNDS, PAIRS = 15, 3


def write(url: str, name: str, results: Queue[tuple[str, int]]) -> None:
    """Pairs of beads that only ever change together."""
    store = BeadStore.open(url)
    left, right = store.create("task", f"{name} left"), store.create("task", f"{name} right")
    store.update(left.id, labels=[name])
    for number in range(ROUNDS):
        store.apply([], {left.id: {"data": {"n": number}}, right.id: {"data": {"n": number}}})
        store.create("insight", f"{name} {number}")
    results.put(("write", ROUNDS))


def read(url: str, name: str, results: Queue[tuple[str, int]]) -> None:
    """Counts the pairs that were seen half changed."""
    store, torn = BeadStore.open(url), 0
    for _ in range(ROUNDS):
        seen = {bead.title: bead.data.get("n") for bead in store.query(kind="task")}
        for title, number in seen.items():
            other = title.replace("left", "right")
            torn += title.endswith("left") and seen.get(other, number) != number
        store.ready(limit=5)
    results.put(("read", torn))


def test_writers_and_readers_do_not_disturb_each_other(url: str) -> None:
    BeadStore.open(url).close_database()
    found = run([(job, url, f"w{n}") for job in (write, read) for n in range(PAIRS)])
    assert sorted(found) == [("read", 0)] * PAIRS + [("write", ROUNDS)] * PAIRS
    store = BeadStore.open(url)
    assert len(store.query(kind="insight")) == PAIRS * ROUNDS
    store.close_database()


def claim_and_hang(url: str, results: Queue[int]) -> None:
    bead = BeadStore.open(url).claim(assignee="victim", lease_s=600)
    assert bead is not None
    results.put(os.getpid())
    signal.pause()


def test_the_bead_of_a_killed_claimer_is_ready_again_when_its_lease_ends(url: str) -> None:
    store = BeadStore.open(url)
    bead = store.create("step", "s")
    results: Queue[int] = SPAWN.Queue()
    victim = SPAWN.Process(target=claim_and_hang, args=(url, results))
    victim.start()
    os.kill(results.get(timeout=240), signal.SIGKILL)
    victim.join()
    assert store.ready() == []
    held = store.get(bead.id)
    store.close_database()
    assert held.lease_until is not None
    until = held.lease_until
    later = BeadStore.open(url, clock=lambda: until + 0.001)
    assert [b.id for b in later.ready()] == [bead.id]
    taken = later.claim(assignee="heir", lease_s=60)
    assert taken is not None
    assert (taken.id, taken.assignee, taken.attempts) == (bead.id, "heir", 2)
    later.close_database()
