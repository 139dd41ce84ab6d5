"""Beads as a graph: trees of dependencies, and cycles of beads that wait for each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from state import rows
from state.frontier import HELD_TYPES, HOLDING, OPEN
from state.jsonl import aside_of
from state.models import DONE, Bead, Dependency
from state.store import BeadStore
from state.transactions import Transaction, chunks, listed

Place = TypeVar("Place", str, tuple[str, bool])


@dataclass
class Node:
    """A bead in a tree of dependencies."""

    id: str
    bead: Bead | None
    """The bead; ``None`` if it is not in this database."""
    relation: str = ""
    """Relation to the node above: ``needs`` or ``part``, upwards ``needed by`` or ``part of``;
    empty at the root. Other types of dependency keep their name."""
    children: list[Node] = field(default_factory=list)
    repeated: bool = False
    """Whether the bead stands further up already, with the nodes below it."""


def tree(store: BeadStore, id: str, *, up: bool = False, depth: int | None = None) -> Node:
    """The tree of beads that must be done before a bead is done: its parts and blockers, and
    theirs.

    With ``up``, the tree holds the beads that wait for it and those that it is part of. ``depth``
    limits the levels.
    """
    with store.database.reading() as tx:
        root = rows.find(tx, id)
        top = Node(root.id, root)
        seen, level, deep = {root.id}, [top], 0
        while level and (depth is None or deep < depth):
            level = _grow(tx, level, seen, up=up)
            deep += 1
        return top


_ORDER = {"part": 0, "part of": 0, "needs": 1, "needed by": 1}


def _grow(tx: Transaction, level: list[Node], seen: set[str], *, up: bool) -> list[Node]:
    """Add the nodes below ``level``; returns those that may have nodes below them."""
    ids = [node.id for node in level]
    links: dict[str, list[tuple[str, str]]] = {}
    for edge in _touching(tx, ids):
        # The dependency of a part points to the whole above it.
        downward = edge.type != "parent-child"
        for source, target, forward in (
            (edge.from_id, edge.to_id, True),
            (edge.to_id, edge.from_id, False),
        ):
            if source in ids and forward is (downward is not up):
                links.setdefault(source, []).append((target, _relation(edge.type, up=up)))
    beads = beads_of(tx, {target for found in links.values() for target, _ in found})
    following = []
    for node in level:
        for target, relation in sorted(
            links.get(node.id, ()),
            key=lambda link: (
                _ORDER.get(link[1], 2),
                beads[link[0]].created_at if link[0] in beads else 0.0,
                link[0],
            ),
        ):
            child = Node(target, beads.get(target), relation, repeated=target in seen)
            node.children.append(child)
            if not child.repeated:
                seen.add(target)
                following.append(child)
    return following


def _relation(type: str, *, up: bool) -> str:
    names = {"blocks": ("needs", "needed by"), "parent-child": ("part", "part of")}
    return names[type][up] if type in names else type


def _touching(tx: Transaction, ids: Collection[str]) -> list[Dependency]:
    found: dict[tuple[str, str, str], Dependency] = {}
    for those, values in chunks(sorted(ids)):
        for edge in tx.records(Dependency, f"WHERE from_id IN {those} OR to_id IN {those}", values):
            found[edge.from_id, edge.to_id, edge.type] = edge
    return list(found.values())


def beads_of(tx: Transaction, ids: Collection[str]) -> dict[str, Bead]:
    """Those of the beads with these whole ids that are in the database."""
    return {bead.id: bead for bead in tx.among(Bead, "id", ids)}


def holding_edges(tx: Transaction, types: Collection[str] = HOLDING) -> dict[str, list[str]]:
    """Bead → the beads that it waits for, its blockers and parents, open or not."""
    query = f"SELECT DISTINCT from_id, to_id FROM dependency WHERE type IN {listed(types)}"
    found: dict[str, list[str]] = {}
    for source, target in tx.rows(f"{query} ORDER BY from_id, to_id"):
        found.setdefault(source, []).append(target)
    return found


Phase = tuple[str, bool]
"""A bead, and whether the question is when it is closed or when it is begun."""


def deadlocks(tx: Transaction) -> list[list[str]]:
    """Cycles of unfinished beads that wait for each other through their parts.

    An unfinished bead is closed after its parts, so its parts can never wait for it.
    """
    open_ids = {id for (id,) in tx.rows(f"SELECT id FROM bead WHERE {OPEN}")}
    waits: dict[Phase, list[Phase]] = {(id, True): [(id, False)] for id in open_ids}
    through = set[tuple[Phase, Phase]]()
    for edge in tx.records(Dependency, f"WHERE type IN {listed(HOLDING)} ORDER BY from_id, to_id"):
        if edge.from_id not in open_ids or edge.to_id not in open_ids:
            continue
        part = edge.type == "parent-child"
        waits.setdefault((edge.from_id, False), []).append((edge.to_id, not part))
        if part:
            waits[edge.to_id, True].append((edge.from_id, True))
            through.add(((edge.to_id, True), (edge.from_id, True)))
    found = []
    for circle in cycles(waits):
        if any(step in through for step in zip(circle, [*circle[1:], circle[0]], strict=True)):
            ids = [id for id, _ in circle]
            found.append([id for n, id in enumerate(ids) if id != ids[n - 1]])
    return found


def cycles(edges: Mapping[Place, list[Place]]) -> list[list[Place]]:
    """Cycles among ``edges``, one for each group of beads that wait for each other.

    Each begins with its smallest id and reads in the direction of waiting. The groups are the
    strongly connected components (Tarjan 1972, without recursion).
    """
    number: dict[Place, int] = {}
    low: dict[Place, int] = {}
    stack: list[Place] = []
    on_stack: set[Place] = set()
    found: list[list[Place]] = []
    for start in edges:
        work = [(start, iter(edges.get(start, ())))] if start not in number else []
        while work:
            node, targets = work[-1]
            if node not in number:
                number[node] = low[node] = len(number)
                stack.append(node)
                on_stack.add(node)
            for target in targets:
                if target not in number:
                    work.append((target, iter(edges.get(target, ()))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], number[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    knot = set()
                    while node not in knot:
                        knot.add(stack.pop())
                    on_stack -= knot
                    if len(knot) > 1 or node in edges.get(node, ()):
                        found.append(_circle(knot, edges))
    return sorted(found)


def _circle(knot: set[Place], edges: Mapping[Place, list[Place]]) -> list[Place]:
    """A shortest path from the smallest id of a group back to itself."""
    start = min(knot)
    came: dict[Place, Place] = {}
    level = [start]
    while start not in came:
        following = []
        for node in level:
            for target in edges.get(node, ()):
                if target in knot and target not in came:
                    came[target] = node
                    following.append(target)
        level = following
    way = [came[start]]
    while way[-1] != start:
        way.append(came[way[-1]])
    return way[::-1]


def blockers(store: BeadStore, ids: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Open blockers of each bead, each with the bead that is blocked: the bead itself, or one above
    it."""
    with store.database.reading() as tx:
        return holders(tx, ids)


def holders(tx: Transaction, ids: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """See :func:`blockers`."""
    above: dict[str, set[str]] = {id: {id} for id in ids}
    level = dict(above)
    while level:
        edges = _touching(tx, {a for found in level.values() for a in found})
        parents: dict[str, list[str]] = {}
        for edge in edges:
            if edge.type == "parent-child":
                parents.setdefault(edge.from_id, []).append(edge.to_id)
        following: dict[str, set[str]] = {}
        for id, found in level.items():
            new = {p for a in found for p in parents.get(a, ())} - above[id]
            if new:
                above[id] |= new
                following[id] = new
        level = following
    everybody = {a for found in above.values() for a in found}
    edges = [e for e in _touching(tx, everybody) if e.type in HELD_TYPES]
    spawners = {edge.to_id for edge in edges if edge.type == "waits-for"}
    parts = {
        id: [e.from_id for e in _touching(tx, [id]) if e.type == "parent-child" and e.to_id == id]
        for id in spawners
    }
    beads = beads_of(tx, {e.to_id for e in edges} | {p for ps in parts.values() for p in ps})
    held: dict[str, list[str]] = {}
    for edge in edges:
        children = parts.get(edge.to_id, []) if edge.type == "waits-for" else []
        if children and _any(edge) and any(beads[p].status == "closed" for p in children):
            continue
        for id in children or [edge.to_id]:
            if id in beads and _holds(beads[id]):
                held.setdefault(edge.from_id, []).append(id)
    return {
        id: sorted({(blocker, a) for a in found for blocker in held.get(a, ())})
        for id, found in above.items()
    }


def _any(edge: Dependency) -> bool:
    """Whether the gate of a ``waits-for`` dependency opens with the first part that is closed."""
    return "any-children" in str(edge.extra)


def _holds(bead: Bead) -> bool:
    return bead.status not in DONE and aside_of(bead.status, bead.extra) < 2
