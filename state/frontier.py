"""What may be worked on next: kept in the column ``bead.waiting``, asked in SQL conditions.

A bead waits if it, or any bead above it, has an open blocker. Transactions note the beads for which
that may have changed; :func:`settle` recomputes the column for them and all below, before commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, Connection, and_, not_, or_, text
from sqlmodel import Session, col

from state.driver import among, run
from state.errors import UsageError
from state.models import BEAD_TABLE, DONE, WORK_KINDS, Bead

_MANY = 500
"""Above so many beads it is cheaper to settle them all."""

_OPEN = "status NOT IN ({})".format(", ".join(f"'{status}'" for status in DONE))

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

_SETTLE_ALL = text(f"""
    WITH RECURSIVE {_HELD}
    UPDATE bead SET waiting = 1 - waiting
    WHERE waiting <> CASE WHEN id IN (SELECT id FROM held) THEN 1 ELSE 0 END
""")

UNSETTLED = text(f"""
    WITH RECURSIVE {_HELD}
    SELECT id FROM bead
    WHERE waiting <> CASE WHEN id IN (SELECT id FROM held) THEN 1 ELSE 0 END
    ORDER BY id
""")
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
_AWAITED = text("""
    WITH RECURSIVE awaited(id) AS (
        SELECT CAST(:start AS VARCHAR)
        UNION
        SELECT dependency.to_id
        FROM awaited JOIN dependency ON dependency.from_id = awaited.id
        WHERE dependency.type IN ('blocks', 'parent-child')
    )
    SELECT 1 FROM awaited WHERE id = :goal
""")


def is_free(now: float) -> ColumnElement[bool]:
    """Nobody works on the bead: it is open, or the lease on it has expired."""
    expired = and_(col(Bead.status) == "in_progress", col(Bead.lease_until) <= now)
    return or_(col(Bead.status) == "open", expired)


def is_ready(now: float) -> ColumnElement[bool]:
    """The bead is work, free, and neither it nor a bead above it has an open blocker."""
    return and_(col(Bead.kind).in_(WORK_KINDS), is_free(now), BEAD_TABLE.c.waiting == 0)


def is_blocked() -> ColumnElement[bool]:
    """The bead is unfinished work that waits for a blocker, or that somebody marked blocked."""
    return and_(
        col(Bead.kind).in_(WORK_KINDS),
        not_(col(Bead.status).in_(DONE)),
        or_(BEAD_TABLE.c.waiting == 1, col(Bead.status) == "blocked"),
    )


def note(session: Session, *ids: str) -> None:
    """The blockers or parents of these beads change in this transaction."""
    session.info.setdefault("waiting", set()).update(ids)


def note_blocker(session: Session, id: str) -> None:
    """This bead is finished or reopened in this transaction."""
    session.info.setdefault("blockers", set()).add(id)


def settle(session: Session) -> None:
    """Bring the column up to date with what the transaction has noted."""
    noted: set[str] = session.info.pop("waiting", set())
    blockers: set[str] = session.info.pop("blockers", set())
    if noted or blockers:
        session.flush()
        settle_rows(session.connection(), noted, blockers)


def settle_rows(
    connection: Connection, noted: Iterable[str] = (), blockers: Collection[str] = ()
) -> None:
    """As :func:`settle`, for a bare connection."""
    changed = set(noted)
    if len(blockers) > _MANY:
        settle_all(connection)
        return
    if blockers:
        names, values = among(sorted(blockers))
        held = run(connection, _HELD_BY.format(blockers=names), values).fetchall()
        changed.update(id for (id,) in held)
    if len(changed) > _MANY:
        settle_all(connection)
    elif changed:
        names, values = among(sorted(changed))
        run(connection, _SETTLE.format(noted=names), values)


def settle_all(connection: Connection) -> int:
    """Recompute the column for every bead; returns how many it was wrong for."""
    return connection.execute(_SETTLE_ALL).rowcount


def refuse_cycle(session: Session, from_id: str, to_id: str) -> None:
    """Raise UsageError if ``from_id`` waiting for ``to_id`` would make it wait for itself.

    Blockers and parents count alike, because a child of a blocked parent waits too.
    """
    if from_id == to_id:
        raise UsageError(f"bead {from_id} cannot depend on itself")
    session.flush()  # textual SQL sees only what has been sent
    if session.connection().execute(_AWAITED, {"start": to_id, "goal": from_id}).first():
        raise UsageError(f"{from_id} → {to_id} would close a cycle: {to_id} waits for {from_id}")
