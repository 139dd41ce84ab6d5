"""The frontier of ready work: kept in the column ``bead.waiting``, queried by SQL conditions.

A bead waits if it, or any bead above it, has an open blocker. Transactions note the beads for which
that may have changed; :func:`settle` recomputes the column for them and all beads below, before the
commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from state.errors import UsageError
from state.models import DONE, RECORD_KINDS, WORK_KINDS
from state.transactions import Transaction, among, chunks, listed

_MANY = 500
"""Number of beads above which it is cheaper to recompute the column for all beads."""

OPEN = f"status NOT IN {listed(DONE)}"

HELD_TYPES = ("blocks", "conditional-blocks", "waits-for")
"""Types of dependency that hold a bead while what it depends on is open."""
HOLDING = (*HELD_TYPES, "parent-child")
"""Types of dependency that make a bead wait, directly or through a bead above it."""

# Whether the dependency `edge` holds: its bead is open; with `waits-for`, the parts of that bead.
_PARTS = """
    EXISTS (
        SELECT 1 FROM dependency AS part JOIN bead AS child ON child.id = part.from_id
        WHERE part.to_id = edge.to_id AND part.type = 'parent-child' AND {}
    )
"""
_BLOCKER_OPEN = f"""
    EXISTS (
        SELECT 1 FROM bead AS blocker
        WHERE blocker.id = edge.to_id AND blocker.{OPEN} AND blocker.aside < 2
    )
"""
_ANY = "replace(CAST(edge.extra AS VARCHAR), 'any-children', '') <> CAST(edge.extra AS VARCHAR)"
_HOLDS = f"""
    (
        edge.type IN ('blocks', 'conditional-blocks') AND {_BLOCKER_OPEN}
        OR edge.type = 'waits-for' AND CASE
            WHEN NOT {_PARTS.format("1 = 1")} THEN {_BLOCKER_OPEN}
            WHEN {_ANY} THEN NOT {_PARTS.format("child.status = 'closed'")}
            ELSE {_PARTS.format(f"child.{OPEN} AND child.aside < 2")}
        END
    )
"""

_HELD = f"""
    held(id) AS (
        SELECT edge.from_id FROM dependency AS edge WHERE {_HOLDS}
        UNION
        SELECT dependency.from_id
        FROM held JOIN dependency ON dependency.to_id = held.id
        WHERE dependency.type = 'parent-child'
    )
"""

_SETTLE_ALL = f"""
    WITH RECURSIVE {_HELD}
    UPDATE bead SET waiting = 1 - waiting
    WHERE waiting <> CASE WHEN id IN (SELECT id FROM held) THEN 1 ELSE 0 END
"""

UNSETTLED = f"""
    WITH RECURSIVE {_HELD}
    SELECT id FROM bead
    WHERE waiting <> CASE WHEN id IN (SELECT id FROM held) THEN 1 ELSE 0 END
    ORDER BY id
"""
"""SQL for beads whose column is wrong; there are none unless rows were changed behind the store's
back."""

# The beads noted and all below them; for each, the line of beads above it. EXISTS, because SQLite
# would else begin a join with all dependencies there are.
_SETTLE = f"""
    WITH RECURSIVE
    below(id) AS (
        SELECT id FROM bead WHERE id IN {{noted}}
        UNION
        SELECT dependency.from_id
        FROM below JOIN dependency ON dependency.to_id = below.id
        WHERE dependency.type = 'parent-child'
    ),
    line(id, above) AS (
        SELECT id, id FROM below
        UNION
        SELECT line.id, dependency.to_id
        FROM line JOIN dependency ON dependency.from_id = line.above
        WHERE dependency.type = 'parent-child'
    ),
    held(id) AS (
        SELECT line.id
        FROM line
        WHERE EXISTS (
            SELECT 1 FROM dependency AS edge WHERE edge.from_id = line.above AND {_HOLDS}
        )
    )
    UPDATE bead SET waiting = 1 - waiting
    WHERE id IN (SELECT id FROM below)
    AND waiting <> CASE WHEN id IN (SELECT id FROM held) THEN 1 ELSE 0 END
"""

# What the end of these beads may set free: what waits for them, or for what they are part of.
_HELD_BY = f"""
    SELECT from_id FROM dependency WHERE to_id IN {{blockers}} AND type IN {listed(HELD_TYPES)}
    UNION
    SELECT waits.from_id
    FROM dependency AS part
    JOIN dependency AS waits ON waits.to_id = part.to_id AND waits.type = 'waits-for'
    WHERE part.from_id IN {{blockers}} AND part.type = 'parent-child'
"""

WORK = f"kind IN {listed(WORK_KINDS)}"
# An epic is the work on its parts; what records something is no part to be done.
_OPEN_PARTS = f"""
    SELECT part.to_id, child.id
    FROM dependency AS part JOIN bead AS child ON child.id = part.from_id
    WHERE part.type = 'parent-child' AND child.{OPEN}
    AND child.kind NOT IN {listed(RECORD_KINDS)}
"""
_LATER = """
    WITH RECURSIVE later(id) AS (
        SELECT id FROM bead WHERE defer_until > %(now)s
        UNION
        SELECT dependency.from_id FROM later JOIN dependency ON dependency.to_id = later.id
        WHERE dependency.type = 'parent-child'
    )
    SELECT id FROM later
"""
"""SQL for beads that are deferred at the parameter ``now``, themselves or through a bead above
them."""
NOW = f"id NOT IN ({_LATER})"
OFFERED = f"{NOW} AND (kind <> 'epic' OR NOT EXISTS ({_OPEN_PARTS} AND part.to_id = bead.id))"
"""SQL for ready work that is offered: not deferred at ``now``, and no epic whose parts are open."""
_FREE = "(status = 'open' OR status = 'in_progress' AND lease_until <= %(now)s)"
LAPSED = (
    f"status = 'in_progress' AND lease_until <= %(now)s AND waiting = 0 AND aside = 0 AND {WORK}"
)
"""SQL for work whose lease has expired at the parameter ``now``."""
READY = f"({_FREE} AND waiting = 0 AND aside = 0 AND {WORK} AND {NOW})"
"""SQL for work that may be claimed at the parameter ``now``, an epic with open parts included."""
BLOCKED = f"({WORK} AND {OPEN} AND (waiting = 1 OR status = 'blocked'))"
"""SQL for unfinished work that waits for a blocker, or that somebody marked blocked."""


def note(tx: Transaction, *ids: str) -> None:
    """Note that the blockers or parents of these beads change in this transaction."""
    tx.noted.update(ids)


def note_blocker(tx: Transaction, *ids: str) -> None:
    """Note that these beads are finished or reopened, or gain or lose a part, in this
    transaction."""
    tx.finished.update(ids)


def open_parts(tx: Transaction, ids: Sequence[str]) -> dict[str, list[str]]:
    """Open parts of the beads with these whole ids, by bead; those without any are left out."""
    found: dict[str, list[str]] = {}
    for those, values in chunks(ids):
        query = f"{_OPEN_PARTS} AND part.to_id IN {those} ORDER BY child.created_at, child.id"
        for whole, part in tx.rows(query, values):
            found.setdefault(whole, []).append(part)
    return found


def settle(tx: Transaction) -> None:
    """Recompute the column for the beads that the transaction has noted."""
    changed, finished = tx.noted, tx.finished
    if not changed and not finished:
        return
    tx.noted, tx.finished = set(), set()
    if len(finished) > _MANY:
        settle_all(tx)
        return
    if finished:
        names, values = among(sorted(finished))
        changed |= {id for (id,) in tx.rows(_HELD_BY.format(blockers=names), values)}
    if len(changed) > _MANY:
        settle_all(tx)
    elif changed:
        names, values = among(sorted(changed))
        tx.run(_SETTLE.format(noted=names), values)


def settle_all(tx: Transaction) -> int:
    """Recompute the column for every bead; returns the number of beads for which it was wrong."""
    return int(tx.run(_SETTLE_ALL).rowcount)


# All that must be done before ``starts`` are: with closing = 1 it must be closed, else only what
# it waits for.
_AWAITED = f"""
    WITH RECURSIVE awaited(id, closing) AS (
        SELECT id, CAST(%(closing)s AS INTEGER) FROM bead WHERE id IN {{starts}}
        UNION
        SELECT dependency.to_id, CASE dependency.type WHEN 'parent-child' THEN 0 ELSE 1 END
        FROM awaited JOIN dependency ON dependency.from_id = awaited.id
        WHERE dependency.type IN {listed(HOLDING)}
    )
    SELECT id, closing FROM awaited
    WHERE id = %(goal)s OR closing = 1 AND EXISTS (
        {_OPEN_PARTS} AND part.to_id = awaited.id
        AND EXISTS (SELECT 1 FROM bead WHERE bead.id = part.to_id AND bead.{OPEN})
    )
"""


def refuse_cycle(tx: Transaction, from_id: str, to_id: str, type: str) -> None:
    """Raise UsageError if a dependency of ``from_id`` on ``to_id`` would make a bead wait for
    itself.

    Blockers and parents count alike, because a child of a blocked parent waits too. A bead also
    waits for the parts of its blockers, because a blocker is done after its parts.
    """
    if from_id == to_id:
        raise UsageError(f"bead {from_id} cannot depend on itself")
    as_part = type == "parent-child"
    through = _way(tx, to_id, from_id, closing=not as_part)
    if through == "dependencies":
        raise UsageError(f"{from_id} → {to_id} would close a cycle: {to_id} waits for {from_id}")
    if through == "parts" or (as_part and _way(tx, from_id, to_id, closing=True, to_close=True)):
        raise UsageError(
            f"{from_id} → {to_id} ({type}): {from_id} could never be ready, for it would wait for "
            f"{to_id}, which is done only after its parts"
        )


def _way(
    tx: Transaction, start: str, goal: str, *, closing: bool, to_close: bool = False
) -> Literal["dependencies", "parts"] | None:
    """Through what ``start`` waits for ``goal``: only dependencies, or parts of beads that it waits
    for.

    With ``closing`` the question is when ``start`` can be closed, else when it can be begun;
    ``to_close`` says the same of ``goal``.
    """
    starts, seen, phase = [start], set[str](), int(closing)
    while starts:
        wholes = set[str]()
        for those, values in chunks(starts):
            values |= {"goal": goal}
            for id, closes in tx.rows(_AWAITED.format(starts=those), {**values, "closing": phase}):
                if id == goal and closes >= to_close:
                    return "parts" if seen else "dependencies"
                if closes and id not in seen:
                    wholes.add(id)
        seen |= wholes
        parts = open_parts(tx, sorted(wholes))
        starts, phase = sorted({part for each in parts.values() for part in each}), 1
    return None
