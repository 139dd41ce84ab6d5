"""What can be wrong with a store, found and, where that needs no judgement, put right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import Session, col, select

from state import frontier, graph, search
from state.database import Database
from state.errors import StoreError
from state.models import Bead, Dependency
from state.store import BeadStore


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str
    ids: tuple[str, ...] = ()
    """The beads concerned."""
    fixed: bool = False


def examine(store: BeadStore, *, fix: bool = False) -> list[Check]:
    """Look at integrity, search index, waiting beads, orphans, parents, leases and cycles.

    With ``fix``, what can be put right is: the search index and the column of waiting beads are
    made anew, dependencies on beads that are gone are dropped, stale leases freed. Which edge of a
    cycle is wrong, nobody but you can know.
    """
    database = store.database
    checks = [_integrity(database)]
    if not checks[0].ok:
        return checks
    for look, repair in (_SEARCH, _PARENTS, _ORPHANS, _WAITING, _LEASES):
        with database.write() as session:
            check = look(session, database.now())
        if fix and not check.ok:
            with database.write() as session:
                repair(session, database.now())
            check = Check(check.name, True, f"fixed: {check.detail}", check.ids, fixed=True)
        checks.append(check)
    checks.append(_cycles(database))
    return checks


def _integrity(database: Database) -> Check:
    try:
        with database.reading() as connection:
            if database.is_postgres:
                return Check("integrity", True, "the server looks after it")
            found = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check")]
            keys = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
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


Look = Callable[[Session, float], Check]
Repair = Callable[[Session, float], object]


def _look_search(session: Session, now: float) -> Check:
    complete = search.is_complete(session.connection())
    return Check("search", complete, "complete" if complete else "the index is incomplete")


def _repair_search(session: Session, now: float) -> None:
    search.rebuild(session.connection())


def _look_waiting(session: Session, now: float) -> Check:
    ids = list(session.connection().scalars(frontier.UNSETTLED))
    return _found("waiting", ids, "beads are wrongly held back or let go", "up to date")


def _repair_waiting(session: Session, now: float) -> None:
    frontier.settle_all(session.connection())


def _gone(session: Session) -> list[Dependency]:
    gone = col(Dependency.to_id).not_in(select(Bead.id))
    query = select(Dependency).where(gone).order_by(Dependency.from_id, Dependency.to_id)
    return list(session.exec(query).all())


def _look_orphans(session: Session, now: float) -> Check:
    edges = _gone(session)
    some = ", ".join(f"{edge.from_id} → {edge.to_id}" for edge in edges[:3])
    some += ", …" if len(edges) > 3 else ""
    ids = list(dict.fromkeys(edge.from_id for edge in edges))
    wrong = f"beads depend on beads that are not here: {some}"
    return _found("orphans", ids, wrong, "every dependency leads to a bead")


def _repair_orphans(session: Session, now: float) -> None:
    for edge in _gone(session):
        bead = session.get(Bead, edge.from_id)
        if bead is not None:
            if edge.type == "parent-child" and bead.parent == edge.to_id:
                bead.parent = None
            bead.updated_at = now
        session.delete(edge)
        frontier.note(session, edge.from_id)


def _wrong_parents(session: Session) -> list[Bead]:
    """Beads whose parent has no dependency that says so."""
    edge = select(Dependency.from_id).where(
        Dependency.from_id == Bead.id,
        Dependency.to_id == Bead.parent,
        Dependency.type == "parent-child",
    )
    query = select(Bead).where(col(Bead.parent).is_not(None), ~edge.exists())
    return list(session.exec(query.order_by(Bead.id)).all())


def _look_parents(session: Session, now: float) -> Check:
    ids = [bead.id for bead in _wrong_parents(session)]
    return _found("parents", ids, "beads lack the dependency on their parent", "consistent")


def _repair_parents(session: Session, now: float) -> None:
    for bead in _wrong_parents(session):
        parent = str(bead.parent)
        session.add(Dependency(from_id=bead.id, to_id=parent, type="parent-child", created_at=now))
        frontier.note(session, bead.id)


def _look_leases(session: Session, now: float) -> Check:
    query = select(Bead.id).where(Bead.status == "in_progress", col(Bead.lease_until) <= now)
    ids = list(session.exec(query.order_by(Bead.id)).all())
    return _found("leases", ids, "leases have expired; anybody may claim the beads", "none stale")


def _repair_leases(session: Session, now: float) -> None:
    session.connection().execute(
        update(Bead)
        .where(col(Bead.status) == "in_progress", col(Bead.lease_until) <= now)
        .values(status="open", assignee=None, lease_until=None, updated_at=now)
    )


_SEARCH: tuple[Look, Repair] = (_look_search, _repair_search)
_WAITING: tuple[Look, Repair] = (_look_waiting, _repair_waiting)
_ORPHANS: tuple[Look, Repair] = (_look_orphans, _repair_orphans)
_PARENTS: tuple[Look, Repair] = (_look_parents, _repair_parents)
_LEASES: tuple[Look, Repair] = (_look_leases, _repair_leases)


def _cycles(database: Database) -> Check:
    with database.read() as session:
        circles = graph.cycles(graph.holding_edges(session))
    some = "; ".join(" → ".join([*circle, circle[0]]) for circle in circles[:3])
    some += "; …" if len(circles) > 3 else ""
    ids = [id for circle in circles for id in circle]
    detail = f"{some}; `harness bead dep remove` one edge of each" if circles else "none"
    return Check("cycles", not circles, detail, tuple(ids))
