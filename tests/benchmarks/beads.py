"""Latency of the bead store beside the same statements in plain ``sqlite3``, in one run.

    python -m tests.benchmarks.beads --sizes 10000 100000

Plain means: the same SQL on an open connection, in a transaction, and the JSON columns decoded, but no
bead objects and no checks. Medians in milliseconds; the ratio is ours to plain.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from state import Bead, BeadStore, frontier, ids, queries, rows
from state.exchange import import_lines
from state.tracker import Tracker
from state.transactions import named

CHAIN = 5000
BARS = {
    ("ready", 10_000): 10.0, ("ready --limit 20", 10_000): 2.0, ("ready", 100_000): 120.0,
    ("ready --limit 20", 100_000): 3.0, ("create", 10_000): 3.0, ("create", 100_000): 3.0,
    ("close of 100", 10_000): 100.0, ("close of 100", 100_000): 100.0,
    (f"cycle check, chain of {CHAIN}", 10_000): 70.0,
}  # fmt: skip
"""Milliseconds that are allowed."""


def fill(store: BeadStore, size: int) -> None:
    """``size`` issues in epics of 50: half closed, most others waiting in a chain, one ready."""
    draw = random.Random(size)
    lines = []
    for number in range(size):
        place = number % 50
        edges = [(number - place, "parent-child")] if place else []
        edges += [(number - 1, "blocks")] if place > 26 else []
        edges += [(number - 20, "blocks")] if place in (30, 40) else []
        lines.append(
            {
                "id": f"bd-{number:06}", "title": f"Issue {number} about {draw.random():.6f}",
                "description": "Lorem ipsum dolor sit amet. " * draw.randrange(1, 12),
                "status": "closed" if place <= 25 else "open", "priority": draw.randrange(5),
                "issue_type": draw.choice(("task", "bug", "feature")),
                "created_at": f"2025-01-{1 + number % 28:02}T00:00:00.{number:06}Z",
                "updated_at": "2025-02-01T00:00:00Z", "labels": [draw.choice("abc")],
                "dependencies": [
                    {"issue_id": f"bd-{number:06}", "depends_on_id": f"bd-{to:06}", "type": type}
                    for to, type in edges
                ],
            }
        )  # fmt: skip
    import_lines(store, (json.dumps(line).encode() for line in lines), "generated")


clock: Callable[[], float] = time.perf_counter


def timed(action: Callable[[], object], rounds: int, before: Callable[[], object] = int) -> float:
    """Median milliseconds of ``action``, each time after ``before``."""
    before()
    action()
    found = []
    for _ in range(rounds):
        before()
        began = clock()
        action()
        found.append(clock() - began)
    return 1000 * statistics.median(found)


class Plain:
    """The statements of the store in nothing but ``sqlite3``."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.execute("PRAGMA synchronous = NORMAL")

    def ready(self, limit: int | None) -> list[Any]:
        """Like :func:`state.queries.ready`."""
        sql = named(queries._ready_sql((), limit is not None))
        rows = self.connection.execute(sql, {"now": time.time(), "limit": limit}).fetchall()
        rows = sorted(rows, key=queries._URGENCY)[:limit]
        places = [queries._NAMES.index(name) for name in Bead.JSON]
        return [(row, *(json.loads(row[place]) for place in places)) for row in rows]

    def create(self) -> None:
        """Like :func:`state.queries.create`."""
        now = time.time()
        values = {
            **queries._EMPTY,
            "kind": "task",
            "title": "t",
            "created_at": now,
            "updated_at": now,
        }
        values |= {"labels": "[]", "data": "{}", "extra": "{}"}
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(named(rows._COUNT)).fetchone()
        values["id"] = ids.candidates(ids.random_digest(), 10)[0]
        self.connection.execute(named(queries._INSERT), values)
        self.connection.execute("COMMIT")

    def close(self, names: list[str]) -> None:
        """Like :func:`state.queries.close`: the rows, and the column of those that waited for them."""
        among = ", ".join("?" * len(names))
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(f"SELECT * FROM bead WHERE id IN ({among})", names).fetchall()
        self.connection.execute(
            "UPDATE bead SET status = 'closed', close_reason = '', closed_at = 1, updated_at = 1, "
            f"lease_until = NULL WHERE id IN ({among}) AND status NOT IN ('closed', 'tombstone')",
            names,
        )
        held = self.connection.execute(
            f"SELECT from_id FROM dependency WHERE type = 'blocks' AND to_id IN ({among})", names
        ).fetchall()
        noted = [row[0] for row in held]
        marks = f"({', '.join('?' * len(noted))})"
        self.connection.execute(frontier._SETTLE.format(noted=marks), noted)
        self.connection.execute(f"SELECT * FROM bead WHERE id IN ({among})", names).fetchall()
        self.connection.execute("COMMIT")

    def cycle(self, start: str, goal: str) -> None:
        """Like :func:`state.frontier.refuse_cycle`."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute(named(frontier._AWAITED), {"start": start, "goal": goal}).fetchone()
        self.connection.execute("COMMIT")


def measure(size: int) -> list[dict[str, Any]]:
    """One row for each verb."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.db")
        store = BeadStore.open(path)
        fill(store, size)
        tracker, plain = Tracker(store), Plain(path)
        work = [bead.id for bead in store.query(status="open", limit=2000)]
        draw = random.Random(1)
        batch: list[str] = []

        def choose() -> None:
            if batch:
                tracker.reopen(batch)
            batch[:] = draw.sample(work, 100)

        rows = [
            ("ready", lambda: store.ready(), lambda: plain.ready(None), 15, int),
            (
                "ready --limit 20", lambda: store.ready(limit=20), lambda: plain.ready(20), 60, int,
            ),
            ("create", lambda: store.create("task", "t"), plain.create, 60, int),
            (
                "close of 100", lambda: tracker.close(batch, "", force=True), lambda: plain.close(batch), 10,
                choose,
            ),
        ]  # fmt: skip
        found = []
        count = len(store.ready())
        for name, ours, theirs, rounds, before in rows:
            found.append(
                row(name, size, timed(ours, rounds, before), timed(theirs, rounds, before))
            )
        if size == 10_000:
            chain = [
                {
                    "id": f"ch-{n:05}", "title": "link", "dependencies": [
                        {"issue_id": f"ch-{n:05}", "depends_on_id": f"ch-{n - 1:05}"}
                    ] * (n > 0),
                }
                for n in range(CHAIN)
            ]  # fmt: skip
            import_lines(store, (json.dumps(link).encode() for link in chain), "generated")
            top, new = f"ch-{CHAIN - 1:05}", store.create("task", "to be blocked by the top").id
            theirs = timed(lambda: plain.cycle(top, new), 15)
            mine = timed(lambda: _check(store, new, top), 15)
            found.append(row(f"cycle check, chain of {CHAIN}", size, mine, theirs))
        print(f"{size:,} beads, {count:,} ready", flush=True)
        store.close_database()
        return found


def _check(store: BeadStore, from_id: str, to_id: str) -> None:
    with store.database.writing() as tx:
        frontier.refuse_cycle(tx, from_id, to_id)


def row(name: str, size: int, ours: float, plain: float) -> dict[str, Any]:
    """One line of the table."""
    bar = BARS.get((name, size))
    return {
        "verb": name, "beads": size, "ours_ms": round(ours, 3), "plain_ms": round(plain, 3),
        "ratio": round(ours / plain, 2), "bar_ms": bar,
        "held": (bar is None or ours <= bar) and ours / plain <= 2.5,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument(
        "--cpu", action="store_true", help="processor time, for a machine that is busy"
    )
    args = parser.parse_args()
    if args.cpu:
        global clock
        clock = time.process_time
    print("| verb | beads | ours ms | plain ms | ratio | bar ms | held |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for size in args.sizes:
        for line in measure(size):
            print("| " + " | ".join(str(value) for value in line.values()) + " |", flush=True)


if __name__ == "__main__":
    main()
