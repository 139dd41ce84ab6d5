"""Writers and readers on one store for a minute: no lock error, no torn read.

    python -m tests.benchmarks.mixed --seconds 60 [--postgres]

Each writer changes a pair of beads together, creates, claims and closes; each reader looks for pairs
that are half changed, at the frontier, and searches.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from contextlib import ExitStack
from multiprocessing.queues import Queue
from pathlib import Path

from state import BeadStore
from state.tracker import Tracker

SPAWN = multiprocessing.get_context("spawn")
Result = dict[str, float]


def write(url: str, name: str, until: float, results: Queue[Result]) -> None:
    store = BeadStore.open(url)
    left, right = store.create("insight", f"{name} left"), store.create("insight", f"{name} right")
    number, slowest = 0, 0.0
    while time.time() < until:
        began = time.perf_counter()
        number += 1
        store.apply([], {left.id: {"data": {"n": number}}, right.id: {"data": {"n": number}}})
        bead = store.create("task", f"{name} {number}")
        store.claim(bead.id, assignee=name, lease_s=60)
        store.close(bead.id, "done")
        slowest = max(slowest, time.perf_counter() - began)
    results.put({"writes": 4 * number, "slowest_write_s": slowest})


def read(url: str, name: str, until: float, results: Queue[Result]) -> None:
    store, reads, torn, slowest = BeadStore.open(url), 0, 0, 0.0
    while time.time() < until:
        began = time.perf_counter()
        seen = {bead.title: bead.data.get("n") for bead in store.query(kind="insight")}
        for title, number in seen.items():
            other = title.replace("left", "right")
            torn += title.endswith("left") and seen.get(other, number) != number
        store.ready(limit=20)
        Tracker(store).search("w0", limit=5)
        reads += 3
        slowest = max(slowest, time.perf_counter() - began)
    results.put({"reads": reads, "torn": torn, "slowest_read_s": slowest})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--each", type=int, default=8, help="writers, and as many readers")
    parser.add_argument("--postgres", action="store_true", help="on a server of its own")
    args = parser.parse_args()
    with ExitStack() as stack:
        if args.postgres:
            from tests import postgres

            url = postgres.new_database(stack.enter_context(postgres.server(durable=True)))
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url = str(Path(folder, "state.db"))
        BeadStore.open(url).close_database()
        results: Queue[Result] = SPAWN.Queue()
        until = time.time() + args.seconds
        processes = [
            SPAWN.Process(target=target, args=(url, f"w{n}", until, results))
            for n in range(args.each)
            for target in (write, read)
        ]
        for process in processes:
            process.start()
        found = [results.get(timeout=args.seconds + 120) for _ in processes]
        for process in processes:
            process.join()
        failed = sum(process.exitcode != 0 for process in processes)
    totals = {n: sum(r.get(n, 0) for r in found) for n in ("writes", "reads", "torn")}
    slowest = {
        n: round(max(r.get(n, 0.0) for r in found), 3)
        for n in ("slowest_write_s", "slowest_read_s")
    }
    print(json.dumps({**totals, **slowest, "failed_processes": failed}))


if __name__ == "__main__":
    main()
