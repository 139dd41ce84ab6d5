"""Checks of a store for faults, and repair of those that need no judgement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from state import frontier, graph, rows, search
from state.database import Database
from state.errors import StoreError
from state.models import Bead, Dependency
from state.store import BeadStore
from state.transactions import Transaction


@dataclass(frozen=True)
class Check:
    """Result of one check."""

    name: str
    ok: bool
    detail: str
    ids: tuple[str, ...] = ()
    """Ids of the beads concerned."""
    fixed: bool = False


def examine(store: BeadStore, *, fix: bool = False) -> list[Check]:
    """Check integrity, search index, waiting beads, orphans, parents, leases, cycles and deadlocks.

    With ``fix``, faults are repaired where possible: the search index and the column of waiting
    beads are rebuilt, dependencies on missing beads are dropped, stale leases are freed. Cycles are
    left to the user, since only a person knows which edge is wrong.
    """
    database = store.database
    checks = [_integrity(database)]
    if not checks[0].ok:
        return checks
    for look, repair in (_SEARCH, _PARENTS, _ORPHANS, _WAITING, _LEASES):
        with database.writing() as tx:
            check = look(tx, database.now())
        if fix and not check.ok:
            with database.writing() as tx:
                repair(tx, database.now())
            check = Check(check.name, True, f"fixed: {check.detail}", check.ids, fixed=True)
        checks.append(check)
    return [*checks, *_circles(database)]


def _integrity(database: Database) -> Check:
    try:
        with database.reading() as tx:
            if database.is_postgres:
                return Check("integrity", True, "the server looks after it")
            found = [row[0] for row in tx.rows("PRAGMA integrity_check")]
            keys = tx.rows("PRAGMA foreign_key_check")
    except StoreError as error:
        return Check("integrity", False, str(error))
    if found != ["ok"]:
        return Check("integrity", False, f"{found[0]}; restore a copy of the database")
    if keys:
        return Check("integrity", False, f"{len(keys)} rows belong to beads that are gone")
    return Check("integrity", True, "sound")


def _found(name: str, ids: list[str], wrong: str, right: str) -> Check:
    detail = f"{len(ids)} {wrong}" if ids else right
    return Check(name, not ids, detail, tuple(ids))


Look = Callable[[Transaction, float], Check]
Repair = Callable[[Transaction, float], object]


def _look_search(tx: Transaction, now: float) -> Check:
    complete = search.is_complete(tx)
    return Check("search", complete, "complete" if complete else "the index is incomplete")


def _repair_search(tx: Transaction, now: float) -> None:
    search.rebuild(tx)


def _look_waiting(tx: Transaction, now: float) -> Check:
    ids = [id for (id,) in tx.rows(frontier.UNSETTLED)]
    return _found("waiting", ids, "beads are wrongly held back or let go", "up to date")


def _repair_waiting(tx: Transaction, now: float) -> None:
    frontier.settle_all(tx)


def _gone(tx: Transaction) -> list[Dependency]:
    missing = "WHERE to_id NOT IN (SELECT id FROM bead) ORDER BY from_id, to_id"
    return tx.records(Dependency, missing)


def _look_orphans(tx: Transaction, now: float) -> Check:
    edges = _gone(tx)
    some = ", ".join(f"{edge.from_id} → {edge.to_id}" for edge in edges[:3])
    some += ", …" if len(edges) > 3 else ""
    ids = list(dict.fromkeys(edge.from_id for edge in edges))
    wrong = f"beads depend on beads that are not here: {some}"
    return _found("orphans", ids, wrong, "every dependency leads to a bead")


def _repair_orphans(tx: Transaction, now: float) -> None:
    for edge in _gone(tx):
        bead = rows.find(tx, edge.from_id)
        if edge.type == "parent-child" and bead.parent == edge.to_id:
            rows.change(tx, bead, {"parent": None}, now)
        else:
            rows.remove_edge(tx, edge.from_id, edge.to_id, edge.type)
            rows.touch(tx, bead, now)


def _wrong_parents(tx: Transaction) -> list[Bead]:
    """Beads whose parent has no dependency that says so."""
    lacking = """
        WHERE parent IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM dependency
            WHERE from_id = bead.id AND to_id = bead.parent AND type = 'parent-child'
        )
        ORDER BY id
    """
    return tx.records(Bead, lacking)


def _look_parents(tx: Transaction, now: float) -> Check:
    ids = [bead.id for bead in _wrong_parents(tx)]
    return _found("parents", ids, "beads lack the dependency on their parent", "consistent")


def _repair_parents(tx: Transaction, now: float) -> None:
    for bead in _wrong_parents(tx):
        parent = str(bead.parent)
        edge = Dependency(from_id=bead.id, to_id=parent, type="parent-child", created_at=now)
        rows.add_edge(tx, edge)
        frontier.note(tx, bead.id)


_EXPIRED = "status = 'in_progress' AND lease_until <= %(now)s"


def _look_leases(tx: Transaction, now: float) -> Check:
    query = f"SELECT id FROM bead WHERE {_EXPIRED} ORDER BY id"
    ids = [id for (id,) in tx.rows(query, {"now": now})]
    return _found("leases", ids, "leases have expired; anybody may claim the beads", "none stale")


def _repair_leases(tx: Transaction, now: float) -> None:
    tx.run(
        "UPDATE bead SET status = 'open', assignee = NULL, lease_until = NULL, "
        f"updated_at = %(now)s WHERE {_EXPIRED}",
        {"now": now},
    )


_SEARCH: tuple[Look, Repair] = (_look_search, _repair_search)
_WAITING: tuple[Look, Repair] = (_look_waiting, _repair_waiting)
_ORPHANS: tuple[Look, Repair] = (_look_orphans, _repair_orphans)
_PARENTS: tuple[Look, Repair] = (_look_parents, _repair_parents)
_LEASES: tuple[Look, Repair] = (_look_leases, _repair_leases)


def _circles(database: Database) -> list[Check]:
    with database.reading() as tx:
        found = {
            "deadlocks": graph.deadlocks(tx),
            "cycles": graph.cycles(graph.holding_edges(tx)),
        }
    return [_circle(name, circles) for name, circles in found.items()]


def _circle(name: str, circles: list[list[str]]) -> Check:
    some = "; ".join(" → ".join([*circle, circle[0]]) for circle in circles[:3])
    some += "; …" if len(circles) > 3 else ""
    ids = [id for circle in circles for id in circle]
    why = {
        "cycles": "wait for each other",
        "deadlocks": "can never be ready: parts wait for what is done only after them",
    }
    detail = (
        f"{some} {why[name]}; `harness bead dep remove` one edge of each" if circles else "none"
    )
    return Check(name, not circles, detail, tuple(ids))
