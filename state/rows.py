"""Row operations inside a transaction of the bead store: find, insert, change, link."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypedDict

from state import history, ids
from state.errors import UsageError
from state.fields import moment
from state.filters import escaped, one_of
from state.frontier import HELD_TYPES, note, note_blocker, refuse_cycle
from state.jsonl import DELETION, aside_of
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
from state.transactions import Transaction, encode


class BeadFields(TypedDict, total=False):
    """The fields of a bead that callers may set; the store keeps the others itself."""

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
    due_at: float | None
    defer_until: float | None


class BeadChanges(BeadFields, total=False):
    """The fields that may change after a bead is written."""

    kind: BeadKind
    title: str


def get(tx: Transaction, id: str) -> Bead | None:
    """The bead with this whole id."""
    found = tx.records(Bead, "WHERE id = %(id)s", {"id": id})
    return found[0] if found else None


def find(tx: Transaction, id: str) -> Bead:
    """The bead with this id, or the only one whose id starts with it. Raises UsageError."""
    bead = get(tx, id)
    if bead is not None:
        return bead
    beads = starting(tx, id, limit=4) if id else []
    exact = [bead for bead in beads if bead.id.endswith(f"-{id}")]
    if len(exact) == 1:
        return exact[0]
    if not beads:
        raise UsageError(f"unknown bead id {id!r}; `harness bead list` shows them")
    if len(beads) > 1:
        some = ", ".join(bead.id for bead in beads[:3]) + (", …" if len(beads) > 3 else "")
        raise UsageError(f"bead id {id!r} is ambiguous: {some}")
    return beads[0]


def starting(tx: Transaction, id: str, limit: int) -> list[Bead]:
    """Beads whose id starts with ``id``, with or without its prefix; the shortest first.

    A prefix ends with a hyphen: ``hm-`` in our ids, any other one in imported ids.
    """
    values = {"start": f"{escaped(id)}%", "inside": f"%-{escaped(id)}%", "limit": limit}
    return tx.records(
        Bead,
        "WHERE id LIKE %(start)s ESCAPE '/' OR id LIKE %(inside)s ESCAPE '/' "
        "ORDER BY length(id), id LIMIT %(limit)s",
        values,
    )


def insert(tx: Transaction, bead: Bead, now: float) -> Bead:
    """Add ``bead``, or return the one that has its key or id already. Raises UsageError."""
    existing = None
    if bead.key is not None:
        existing = tx.records(Bead, 'WHERE "key" = %(key)s', {"key": bead.key})
    elif bead.id:
        existing = tx.records(Bead, "WHERE id = %(id)s", {"id": bead.id})
    if existing:
        return existing[0]
    check(bead.model_dump())
    bead.id = bead.id or _free_id(tx, bead.key)
    bead.created_at = bead.updated_at = now
    _settle(bead, now)
    tx.insert([bead])
    set_aside(tx, bead)
    if bead.parent is not None:
        _put_under(tx, bead, bead.parent, now)
    return bead


def change(
    tx: Transaction,
    bead: Bead,
    fields: Mapping[str, Any],
    now: float,
    by: str | None = None,
    note: str | None = None,
) -> Bead:
    """Set fields of a stored bead. Beads that no run made keep a history. Raises UsageError."""
    check(fields)
    before = bead.model_dump()
    for name, value in fields.items():
        if name == "parent":
            set_parent(tx, bead, value and find(tx, value).id, now)
        else:
            setattr(bead, name, value)
    if "tombstone" in (bead.status, before["status"]) and bead.status != before["status"]:
        _mark_deletion(bead, now, by, note)
    if (bead.status in DONE) != (before["status"] in DONE):
        note_blocker(tx, bead.id)
    bead.updated_at = now
    _settle(bead, now)
    tx.save(bead, before)
    if "status" in fields or "extra" in fields:
        set_aside(tx, bead)
    history.record(tx, bead, before, by, note)
    return bead


def _mark_deletion(bead: Bead, now: float, by: str | None, reason: str | None) -> None:
    """Set the deletion fields of the format for a new tombstone, and remove them from a bead that
    is no longer one."""
    said = {name: value for name, value in bead.extra.items() if name not in DELETION}
    if bead.status == "tombstone":
        marks = (moment(now), by, reason, bead.kind)
        said |= {n: value for n, value in zip(DELETION, marks, strict=True) if value}
        bead.closed_at = bead.close_reason = None
    bead.extra = said


def set_aside(tx: Transaction, bead: Bead) -> None:
    """Update the column ``aside`` from the bead's fields."""
    values = {"aside": aside_of(bead.status, bead.extra), "id": bead.id}
    sql = "UPDATE bead SET aside = %(aside)s WHERE id = %(id)s AND aside <> %(aside)s"
    if tx.run(sql, values).rowcount:
        note_blocker(tx, bead.id)


def touch(tx: Transaction, bead: Bead, now: float) -> None:
    """Set the time of the bead's last change to now."""
    before = bead.model_dump()
    bead.updated_at = now
    tx.save(bead, before)


def set_parent(tx: Transaction, bead: Bead, parent: str | None, now: float) -> None:
    """Put ``bead`` under ``parent``, a whole id, or under none; the caller saves the bead.

    Raises UsageError if a cycle would close.
    """
    if bead.parent == parent:
        return
    if parent is not None:
        refuse_cycle(tx, bead.id, parent, "parent-child")
    if bead.parent is not None:
        remove_edge(tx, bead.id, bead.parent, "parent-child")
    bead.parent = parent
    if parent is not None:
        _put_under(tx, bead, parent, now)


def _put_under(tx: Transaction, bead: Bead, parent: str, now: float) -> None:
    add_edge(tx, Dependency(from_id=bead.id, to_id=parent, type="parent-child", created_at=now))
    note(tx, bead.id)
    note_blocker(tx, parent)


def link(
    tx: Transaction,
    from_id: str,
    to_id: str,
    type: DependencyType,
    now: float,
    by: str | None = None,
) -> Dependency:
    """Make one bead depend on another, both given as whole ids. Raises UsageError if a cycle would
    close."""
    one_of("dependency type", type, DEPENDENCY_TYPES)
    if from_id == to_id:
        raise UsageError(f"bead {from_id} cannot depend on itself")
    if type == "parent-child":
        bead = find(tx, from_id)
        before = bead.model_dump()
        set_parent(tx, bead, to_id, now)
        tx.save(bead, before)
    for edge in edges(tx, from_id):
        if (edge.to_id, edge.type) == (to_id, type):
            return edge
    if type in HELD_TYPES:
        refuse_cycle(tx, from_id, to_id, type)
        note(tx, from_id)
    edge = Dependency(from_id=from_id, to_id=to_id, type=type, created_at=now, created_by=by)
    add_edge(tx, edge)
    return edge


def add_edge(tx: Transaction, edge: Dependency) -> None:
    """Write a dependency, unless it exists."""
    values = {**edge.model_dump(), "extra": encode(edge.extra)}
    tx.run(_ADD_EDGE, values)


_ADD_EDGE = (
    f"INSERT INTO dependency ({Dependency.columns()}) "
    f"VALUES ({', '.join(f'%({name})s' for name in Dependency.names())}) ON CONFLICT DO NOTHING"
)


def remove_edge(tx: Transaction, from_id: str, to_id: str, type: str) -> None:
    """Remove a dependency, if it exists."""
    tx.run(
        "DELETE FROM dependency WHERE from_id = %(from)s AND to_id = %(to)s AND type = %(type)s",
        {"from": from_id, "to": to_id, "type": type},
    )
    note(tx, from_id)
    if type == "parent-child":
        note_blocker(tx, to_id)


def edges(tx: Transaction, id: str) -> list[Dependency]:
    """The dependencies of a bead on others, its parents first."""
    found = tx.records(Dependency, "WHERE from_id = %(id)s ORDER BY type, to_id", {"id": id})
    return sorted(found, key=lambda edge: edge.type != "parent-child")


def edges_to(tx: Transaction, id: str) -> list[Dependency]:
    """The dependencies of others on a bead, its children first and in the order of their
    creation."""
    found = tx.records(Dependency, "WHERE to_id = %(id)s ORDER BY type, from_id", {"id": id})
    children = {edge.from_id: edge for edge in found if edge.type == "parent-child"}
    beads = tx.among(Bead, "id", children)
    in_order = sorted(beads, key=lambda bead: (bead.created_at, bead.id))
    others = [edge for edge in found if edge.type != "parent-child"]
    return [*(children[bead.id] for bead in in_order), *others]


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
    """Raise UsageError for names that are not fields, and for fields that the store keeps
    itself."""
    known = BeadChanges.__annotations__.keys()
    for name in fields:
        if name not in known:
            raise UsageError(f"cannot set bead field {name!r}; choose from {', '.join(known)}")


def _settle(bead: Bead, now: float) -> None:
    """Set the lease and closing fields to match the status."""
    if bead.status != "in_progress":
        bead.lease_until = None
    if bead.status == "closed":
        bead.closed_at = bead.closed_at or now
    elif bead.status not in DONE:
        bead.closed_at = bead.close_reason = None


def _free_id(tx: Transaction, key: str | None) -> str:
    if key is not None:
        proposals: Iterable[str] = ids.keyed_candidates(key)
    else:
        proposals = drawn_ids(tx)
    for proposal in proposals:
        if tx.value("SELECT 1 FROM bead WHERE id = %(id)s", {"id": proposal}) is None:
            return proposal
    raise AssertionError("two digests of 255 bits are equal")


_COUNT = f'SELECT count(*) FROM (SELECT 1 FROM bead WHERE "key" IS NULL LIMIT {ids.COUNT_UP_TO}) AS counted'


def drawn_ids(tx: Transaction) -> list[str]:
    """Random ids to try, as short as the number of beads allows."""
    population = tx.value(_COUNT)
    return ids.candidates(ids.random_digest(), ids.random_length(population))
