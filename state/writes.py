"""Writes new beads, their dependencies and changes to other beads in one transaction, or
nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from state import frontier, ids, queries, rows
from state.database import Database
from state.errors import UsageError
from state.filters import one_of
from state.models import DEPENDENCY_TYPES, DONE, Bead, Dependency
from state.transactions import Transaction, among, listed

_LINK = (
    "INSERT INTO dependency (from_id, to_id, type, created_at) "
    "VALUES (%(from)s, %(to)s, %(type)s, %(now)s) ON CONFLICT DO NOTHING"
)
_MOVE = "UPDATE bead SET parent = %(parent)s WHERE id = %(id)s"
# The beads that the given ones wait for, directly or indirectly.
_AWAITED = """
    WITH RECURSIVE awaited(id) AS (
        SELECT id FROM bead WHERE id IN {starts}
        UNION
        SELECT dependency.to_id FROM awaited JOIN dependency ON dependency.from_id = awaited.id
        WHERE dependency.type IN {types}
    )
    SELECT from_id, to_id FROM dependency JOIN awaited ON dependency.from_id = awaited.id
    WHERE dependency.type IN {types}
"""

_Stored = Bead | dict[str, Any]
"""An existing bead, or the row of a new one, which is converted to a bead only where one is
needed."""
_Edge = tuple[str, str, str]
"""(from, to, type), whole ids."""


def write(
    database: Database,
    beads: Sequence[Bead],
    dependencies: Sequence[Dependency] = (),
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Bead]:
    """Write beads, dependencies and changes; see :meth:`state.BeadStore.create_many`. Ids in
    ``changes`` are whole.

    Returns the beads as stored, in the order given. Raises UsageError.
    """
    with database.writing() as tx:
        stored = _write(tx, database.now(), beads, dependencies, changes)
    return [bead if isinstance(bead, Bead) else queries.bead_of_row(bead) for bead in stored]


def apply(
    database: Database, beads: Sequence[Bead], changes: Mapping[str, Mapping[str, Any]]
) -> None:
    """Like :func:`write`, but returns nothing."""
    with database.writing() as tx:
        _write(tx, database.now(), beads, (), changes)


def claim(database: Database, orders: Sequence[Bead], lease_s: float) -> list[Bead]:
    """See :meth:`state.BeadStore.claim_with`."""
    assignees = {order.parent or "": order.assignee or "" for order in orders}
    with database.writing() as tx:
        now = database.now()
        taken = queries.claim_each(tx, assignees, lease_s, now)
        given = [order for order in orders if order.parent in taken]
        _write(tx, now, given)
    return given


def _write(
    tx: Transaction,
    now: float,
    beads: Sequence[Bead],
    dependencies: Sequence[Dependency] = (),
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[_Stored]:
    ours = {name for bead in beads for name in (bead.key, bead.id) if name}
    named = [bead.parent for bead in beads if bead.parent is not None]
    named += [name for edge in dependencies for name in (edge.from_id, edge.to_id)]
    id_of = _whole_ids(tx, {name for name in named if name not in ours})
    stored, fresh = _insert(tx, beads, id_of, now)
    edges = [_edge(id_of, edge) for edge in dependencies]
    for draft, row in fresh:
        if draft.parent is not None:
            edges.append((row["id"], id_of[draft.parent], "parent-child"))
            if row["parent"] is None:  # The parent came after the bead.
                row["parent"] = edges[-1][1]
                values = {"id": row["id"], "parent": row["parent"]}
                tx.run(_MOVE, values)
    new = [edge for edge in edges if _link(tx, edge, now)]
    born = {row["id"] for _, row in fresh}
    # Nothing waits for a bead just born unless an edge leads to one, and it waits as its
    # parent does (see ``queries.insert``) unless something else holds it.
    if any(source not in born or target in born for source, target, _ in new):
        _refuse_cycles(tx, new)
    # What is born waits for something that was there: which may be what it is part of.
    for source, target, type in new:
        if type in frontier.HELD_TYPES and target not in born:
            frontier.refuse_cycle(tx, source, target, type)
    plain = {row["id"] for draft, row in fresh if id_of.get(draft.parent or "") not in born}
    frontier.note_blocker(
        tx, *(id_of[d.parent] for d, _ in fresh if d.parent is not None and d.run_id is None)
    )
    frontier.note(tx, *(s for s, _, type in new if type != "parent-child" or s not in plain))
    _change(tx, changes or {}, now)
    return stored


def _insert(
    tx: Transaction,
    beads: Sequence[Bead],
    id_of: dict[str, str],
    now: float,
) -> tuple[list[_Stored], list[tuple[Bead, dict[str, Any]]]]:
    """The beads as stored, and (draft, row) of those that did not exist before.

    ``id_of`` receives the names of these beads; a bead whose parent comes after it is written
    without.
    """
    named = [b.id for b in beads if b.id and b.key is None]
    known: dict[str, _Stored] = {**queries.by_ids(tx, named)}
    stored: list[_Stored] = []
    fresh: list[tuple[Bead, dict[str, Any]]] = []
    for place, draft in enumerate(beads):
        id = draft.id if draft.key is None else id_of.get(draft.key, "")
        if (bead := known.get(id)) is None:
            rows.check(draft.__dict__)
            # The times differ by a microsecond, so that the order of the plan is the order of the
            # work.
            values = queries.row(draft.__dict__, round(now + place * 1e-6, 6))
            values["parent"] = id_of.get(draft.parent or "")
            if draft.id:
                proposals: Iterable[str] = [draft.id]
            elif draft.key is not None:
                proposals = ids.keyed_candidates(draft.key)
            else:
                proposals = rows.drawn_ids(tx)
            bead = queries.insert(tx, values, proposals)
            if bead is None:
                bead = values
                fresh.append((draft, values))
            id = bead.id if isinstance(bead, Bead) else bead["id"]
            known[id] = bead
        id_of[id] = id
        if draft.key is not None:
            id_of[draft.key] = id
        stored.append(bead)
    return stored, fresh


def _whole_ids(tx: Transaction, names: Iterable[str]) -> dict[str, str]:
    """Prefix of an id → whole id. Raises UsageError."""
    wanted = list(names)
    whole = {name: name for name in queries.statuses(tx, wanted)}
    if missing := [name for name in wanted if name not in whole]:
        whole |= {name: rows.find(tx, name).id for name in missing}
    return whole


def _edge(id_of: Mapping[str, str], edge: Dependency) -> _Edge:
    one_of("dependency type", edge.type, DEPENDENCY_TYPES)
    source, target = id_of[edge.from_id], id_of[edge.to_id]
    if source == target:
        raise UsageError(f"bead {source} cannot depend on itself")
    if edge.type == "parent-child":
        raise UsageError(f"{source} → {target}: a parent is a field of its child, no dependency")
    return source, target, edge.type


def _link(tx: Transaction, edge: _Edge, now: float) -> bool:
    """Write a dependency; returns whether it is new."""
    values = {"from": edge[0], "to": edge[1], "type": edge[2], "now": now}
    return bool(tx.run(_LINK, values).rowcount)


def _refuse_cycles(tx: Transaction, edges: Sequence[_Edge]) -> None:
    """Raise UsageError if one of these edges, already written, closes a cycle."""
    holding = {(source, target) for source, target, type in edges if type in frontier.HOLDING}
    if not holding:
        return
    starts, values = among(sorted({source for source, _ in holding}))
    waits: TopologicalSorter[str] = TopologicalSorter()
    for source, target in tx.rows(
        _AWAITED.format(starts=starts, types=listed(frontier.HOLDING)), values
    ):
        waits.add(source, target)
    try:
        waits.prepare()
    except CycleError as error:
        # Each bead in the cycle is awaited by the next one.
        circle = error.args[1]
        steps = list(zip(circle[1:], circle, strict=False))
        source, target = next((step for step in steps if step in holding), steps[0])
        raise UsageError(
            f"{source} → {target} would close a cycle: {target} waits for {source}"
        ) from None


def _change(tx: Transaction, changes: Mapping[str, Mapping[str, Any]], now: float) -> None:
    """Change beads that are not closed. Raises UsageError."""
    present = queries.statuses(tx, list(changes))
    for id, fields in changes.items():
        if id not in present:
            raise UsageError(f"unknown bead id {id!r}")
        if present[id] in DONE:
            continue
        # Only the changed columns are written, so that claims, which lock one row each, do not
        # wait.
        changed = queries.changed(fields, now)
        update = ", ".join(f'"{name}" = %({name})s' for name in changed)
        sql = f"UPDATE bead SET {update} WHERE id = %(id)s"
        tx.run(sql, {**changed, "id": id})
        if changed.get("status") in DONE:
            frontier.note_blocker(tx, id)
