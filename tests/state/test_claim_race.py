"""Many processes claim from one store: every bead goes to exactly one of them."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from pathlib import Path

from state import Bead, BeadStore

WORKERS, BEADS = 4, 200


def work(path: str, name: str, results: multiprocessing.Queue[list[str]]) -> None:
    store = BeadStore.open(path)
    claimed = []
    while (bead := store.claim(assignee=name, lease_s=600)) is not None:
        claimed.append(bead.id)
        store.close(bead.id, "done")
    results.put(claimed)


def test_every_bead_is_claimed_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = BeadStore.open(path)
    beads = store.create_many([Bead(kind="step", title=f"s{n}") for n in range(BEADS)])

    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[str]] = context.Queue()
    workers = [
        context.Process(target=work, args=(str(path), f"w{n}", results)) for n in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    claimed = Counter(id for _ in workers for id in results.get(timeout=120))
    for worker in workers:
        worker.join()

    assert claimed == Counter(bead.id for bead in beads)
    assert {bead.attempts for bead in store.query()} == {1}
    assert {bead.status for bead in store.query()} == {"closed"}
