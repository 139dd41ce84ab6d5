"""What may be worked on next: kept in the column ``bead.waiting``, asked in SQL conditions.

A bead waits if it, or any bead above it, has an open blocker. Transactions note the beads for which
that may have changed; :func:`settle` recomputes the column for them and all below, before commit.
"""

from __future__ import annotations

from state.driver import Transaction, among, listed
from state.errors import UsageError
from state.models import DONE, WORK_KINDS

_MANY = 500
"""Above so many beads it is cheaper to settle them all."""

_OPEN = f"status NOT IN {listed(DONE)}"

_HELD = f"""
    held(id) AS (
        SELECT dependency.from_id
        FROM dependency JOIN bead AS blocker ON blocker.id = dependency.to_id
        WHERE dependency.type = 'blocks' AND blocker.{_OPEN}
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
"""Beads for which the column is wrong: none, unless rows were changed behind the store's back."""

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
            SELECT 1
            FROM dependency JOIN bead AS blocker ON blocker.id = dependency.to_id
            WHERE dependency.from_id = line.above AND dependency.type = 'blocks'
            AND blocker.{_OPEN}
        )
    )
    UPDATE bead SET waiting = 1 - waiting
    WHERE id IN (SELECT id FROM below)
    AND waiting <> CASE WHEN id IN (SELECT id FROM held) THEN 1 ELSE 0 END
"""

HOLDING = ("blocks", "parent-child")
"""Types of dependency that make a bead wait."""

_HELD_BY = "SELECT from_id FROM dependency WHERE type = 'blocks' AND to_id IN {blockers}"

# Everything that ``start`` waits for: its blockers and its parents, theirs, and so on.
_AWAITED = """
    WITH RECURSIVE awaited(id) AS (
        SELECT CAST(%(start)s AS VARCHAR)
        UNION
        SELECT dependency.to_id
        FROM awaited JOIN dependency ON dependency.from_id = awaited.id
        WHERE dependency.type IN ('blocks', 'parent-child')
    )
    SELECT 1 FROM awaited WHERE id = %(goal)s
"""


WORK = f"kind IN {listed(WORK_KINDS)}"
LAPSED = f"status = 'in_progress' AND lease_until <= %(now)s AND waiting = 0 AND {WORK}"
"""SQL for work whose lease has expired at the parameter ``now``."""
READY = f"((status = 'open' OR status = 'in_progress' AND lease_until <= %(now)s) AND waiting = 0 AND {WORK})"
"""SQL for work that is free at the parameter ``now`` and waits for nothing."""
BLOCKED = f"({WORK} AND {_OPEN} AND (waiting = 1 OR status = 'blocked'))"
"""SQL for unfinished work that waits for a blocker, or that somebody marked blocked."""


def note(tx: Transaction, *ids: str) -> None:
    """The blockers or parents of these beads change in this transaction."""
    tx.noted.update(ids)


def note_blocker(tx: Transaction, *ids: str) -> None:
    """These beads are finished or reopened in this transaction."""
    tx.finished.update(ids)


def settle(tx: Transaction) -> None:
    """Bring the column up to date with what the transaction has noted."""
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
    """Recompute the column for every bead; returns how many it was wrong for."""
    return int(tx.run(_SETTLE_ALL).rowcount)


def refuse_cycle(tx: Transaction, from_id: str, to_id: str) -> None:
    """Raise UsageError if ``from_id`` waiting for ``to_id`` would make it wait for itself.

    Blockers and parents count alike, because a child of a blocked parent waits too.
    """
    if from_id == to_id:
        raise UsageError(f"bead {from_id} cannot depend on itself")
    if tx.value(_AWAITED, {"start": to_id, "goal": from_id}):
        raise UsageError(f"{from_id} → {to_id} would close a cycle: {to_id} waits for {from_id}")
