"""The claim race: 16 processes, 2,000 beads, each to be claimed once; claims a second in all.

    python -m tests.benchmarks.claims [--postgres]

Processes start together, when all have opened the store; the clock runs from then until the last one
finds nothing more to claim.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from state import Bead, BeadStore

SPAWN = multiprocessing.get_context("spawn")


def claim_all(url: str, name: str, start: Barrier, results: Queue[tuple[list[str], float]]) -> None:
    store = BeadStore.open(url)
    store.ready(limit=1)
    start.wait()
    claimed = []
    while (bead := store.claim(assignee=name, lease_s=600)) is not None:
        claimed.append(bead.id)
    results.put((claimed, time.time()))


def race(url: str, workers: int, beads: int) -> dict[str, object]:
    """One race; fails if a bead was claimed twice or not at all."""
    store = BeadStore.open(url)
    made = store.create_many([Bead(kind="step", title=f"s{n}") for n in range(beads)])
    start, results = SPAWN.Barrier(workers + 1), SPAWN.Queue()
    processes = [
        SPAWN.Process(target=claim_all, args=(url, f"w{n}", start, results)) for n in range(workers)
    ]
    for process in processes:
        process.start()
    start.wait()
    began = time.time()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    claimed = Counter(id for one, _ in found for id in one)
    assert claimed == Counter(bead.id for bead in made), "a bead was claimed twice or never"
    assert {bead.attempts for bead in store.query()} == {1}
    store.close_database()
    seconds = max(end for _, end in found) - began
    return {
        "processes": workers, "beads": beads, "seconds": round(seconds, 3),
        "claims_per_second": round(beads / seconds),
        "fewest_and_most": [f(len(one) for one, _ in found) for f in (min, max)],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--beads", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", action="store_true", help="on a server of its own")
    args = parser.parse_args()
    with ExitStack() as stack:
        if args.postgres:
            from tests import postgres

            server = stack.enter_context(postgres.server(durable=True))
        for _ in range(args.rounds):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url = postgres.new_database(server) if args.postgres else str(Path(folder, "state.db"))
            print(json.dumps(race(url, args.workers, args.beads)), flush=True)


if __name__ == "__main__":
    main()
