"""What a transaction of the bead store does to rows: find, insert, change, link."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, TypedDict

from sqlalchemy import ColumnElement, delete, func, literal, or_
from sqlmodel import Session, col, select

from state import ids
from state.errors import UsageError
from state.frontier import note, note_blocker, refuse_cycle
from state.models import (
    BEAD_KINDS,
    BEAD_STATUSES,
    DEPENDENCY_TYPES,
    DONE,
    Bead,
    BeadKind,
    BeadStatus,
    Dependency,
    DependencyType,
)

Order = Literal["priority", "created", "updated"]
"""Most urgent first, oldest first, or last changed first."""

ORDERS: dict[Order, tuple[Any, ...]] = {
    "priority": (col(Bead.priority), col(Bead.created_at), col(Bead.id)),
    "created": (col(Bead.created_at), col(Bead.id)),
    "updated": (col(Bead.updated_at).desc(), col(Bead.id)),
}


class BeadFields(TypedDict, total=False):
    """The fields that writers of a bead may choose; the store keeps the others itself."""

    body: str
    notes: str
    status: BeadStatus
    priority: int
    parent: str | None
    run_id: str | None
    tier: str | None
    assignee: str | None
    confidence: float | None
    surprise: float | None
    labels: list[str]
    data: dict[str, Any]
    extra: dict[str, Any]
    close_reason: str | None


class BeadChanges(BeadFields, total=False):
    """The fields that may change after a bead is written."""

    kind: BeadKind
    title: str


def find(session: Session, id: str) -> Bead:
    """The bead with this id, or the only one whose id starts so. Raises UsageError."""
    bead = session.get(Bead, id)
    if bead is not None:
        return bead
    beads = session.exec(select(Bead).where(starts_so(id)).order_by(Bead.id).limit(4)).all()
    if not id or not beads:
        raise UsageError(f"unknown bead id {id!r}; `harness bead list` shows them")
    if len(beads) > 1:
        some = ", ".join(bead.id for bead in beads[:3]) + (", …" if len(beads) > 3 else "")
        raise UsageError(f"bead id {id!r} is ambiguous: {some}")
    return beads[0]


def starts_so(id: str) -> ColumnElement[bool]:
    """The bead's id begins with ``id``, with or without ``hm-``."""
    starts = [id] if id.startswith("hm-") else [id, f"hm-{id}"]
    return or_(*(col(Bead.id).startswith(start, autoescape=True) for start in starts))


def insert(session: Session, bead: Bead, now: float) -> Bead:
    """Add ``bead``, or return the one that has its key or id already. Raises UsageError."""
    existing = None
    if bead.key is not None:
        existing = session.exec(select(Bead).where(Bead.key == bead.key)).first()
    elif bead.id:
        existing = session.get(Bead, bead.id)
    if existing is not None:
        return existing
    check(bead.model_dump())
    bead.id = bead.id or _free_id(session, bead.key)
    bead.created_at = bead.updated_at = now
    _settle(bead, now)
    session.add(bead)
    if bead.parent is not None:
        _put_under(session, bead, bead.parent, now)
    return bead


def change(session: Session, bead: Bead, fields: Mapping[str, Any], now: float) -> Bead:
    """Set fields of a stored bead. Raises UsageError."""
    check(fields)
    was_done = bead.status in DONE
    for name, value in fields.items():
        if name == "parent":
            set_parent(session, bead, value and find(session, value).id, now)
        else:
            setattr(bead, name, value)
    if (bead.status in DONE) != was_done:
        note_blocker(session, bead.id)
    bead.updated_at = now
    _settle(bead, now)
    session.add(bead)
    return bead


def set_parent(session: Session, bead: Bead, parent: str | None, now: float) -> None:
    """Put ``bead`` under ``parent``, a whole id, or under none.

    Raises UsageError if a cycle would close.
    """
    if bead.parent == parent:
        return
    if parent is not None:
        refuse_cycle(session, bead.id, parent)
    if bead.parent is not None:
        remove_edge(session, bead.id, bead.parent, "parent-child")
    bead.parent = parent
    if parent is not None:
        _put_under(session, bead, parent, now)


def _put_under(session: Session, bead: Bead, parent: str, now: float) -> None:
    session.merge(Dependency(from_id=bead.id, to_id=parent, type="parent-child", created_at=now))
    note(session, bead.id)


def link(
    session: Session,
    from_id: str,
    to_id: str,
    type: DependencyType,
    now: float,
    by: str | None = None,
) -> Dependency:
    """Make one whole id depend on another. Raises UsageError if a cycle would close."""
    one_of("dependency type", type, DEPENDENCY_TYPES)
    if from_id == to_id:
        raise UsageError(f"bead {from_id} cannot depend on itself")
    if type == "parent-child":
        set_parent(session, find(session, from_id), to_id, now)
    existing = session.get(Dependency, (from_id, to_id, type))
    if existing is not None:
        return existing
    if type == "blocks":
        refuse_cycle(session, from_id, to_id)
        note(session, from_id)
    edge = Dependency(from_id=from_id, to_id=to_id, type=type, created_at=now, created_by=by)
    session.add(edge)
    return edge


def remove_edge(session: Session, from_id: str, to_id: str, type: str) -> None:
    """Remove a dependency, if it is there."""
    session.flush()
    session.connection().execute(
        delete(Dependency).where(
            col(Dependency.from_id) == from_id,
            col(Dependency.to_id) == to_id,
            col(Dependency.type) == type,
        )
    )
    note(session, from_id)


def edges(session: Session, id: str) -> list[Dependency]:
    """What a bead depends on, its parents first."""
    query = select(Dependency).where(Dependency.from_id == id)
    found = session.exec(query.order_by(Dependency.type, Dependency.to_id)).all()
    return sorted(found, key=lambda edge: edge.type != "parent-child")


def edges_to(session: Session, id: str) -> list[Dependency]:
    """What depends on a bead, its children first and in the order of their creation."""
    query = (
        select(Dependency)
        .join(Bead, col(Bead.id) == col(Dependency.from_id))
        .where(Dependency.to_id == id)
    )
    children = session.exec(
        query.where(Dependency.type == "parent-child").order_by(*ORDERS["created"])
    ).all()
    others = session.exec(
        query.where(Dependency.type != "parent-child").order_by(Dependency.type, Dependency.from_id)
    ).all()
    return [*children, *others]


def one_of(what: str, value: str | Collection[str], allowed: Collection[str]) -> list[str]:
    """``value`` as a list, each member being one of ``allowed``. Raises UsageError."""
    values = [value] if isinstance(value, str) else list(value)
    for member in values:
        if member not in allowed:
            raise UsageError(f"unknown {what} {member!r}; choose one of {', '.join(allowed)}")
    return values


def check(fields: Mapping[str, Any]) -> None:
    """Raise UsageError for a field that writers may not set, or a value out of range."""
    if "kind" in fields:
        one_of("bead kind", fields["kind"], BEAD_KINDS)
    if "status" in fields:
        one_of("bead status", fields["status"], BEAD_STATUSES)
    if not str(fields.get("title", "-")).strip():
        raise UsageError("a bead needs a title")
    if fields.get("priority", 0) not in range(5):
        raise UsageError(f"priority is 0 (most urgent) to 4, not {fields['priority']}")


def refuse_unknown(fields: Collection[str]) -> None:
    """Raise UsageError for names that are no field, or one that the store keeps itself."""
    known = BeadChanges.__annotations__.keys()
    for name in fields:
        if name not in known:
            raise UsageError(f"cannot set bead field {name!r}; choose from {', '.join(known)}")


def _settle(bead: Bead, now: float) -> None:
    """Make lease and closing fields say what the status says."""
    if bead.status != "in_progress":
        bead.lease_until = None
    if bead.status in DONE:
        bead.closed_at = bead.closed_at or now
    else:
        bead.closed_at = bead.close_reason = None


def _free_id(session: Session, key: str | None) -> str:
    if key is not None:
        proposals: Iterable[str] = ids.keyed_candidates(key)
    else:
        unkeyed = select(literal(1)).where(col(Bead.key).is_(None)).limit(ids.COUNT_UP_TO)
        population = session.exec(select(func.count()).select_from(unkeyed.subquery())).one()
        proposals = ids.candidates(ids.random_digest(), ids.random_length(population))
    for proposal in proposals:
        if session.exec(select(Bead.id).where(Bead.id == proposal)).first() is None:
            return proposal
    raise AssertionError("two digests of 255 bits are equal")
