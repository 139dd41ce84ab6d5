"""What may be worked on next, as SQL conditions on the ``bead`` table."""

from __future__ import annotations

from sqlalchemy import Boolean, ColumnElement, and_, literal_column, not_, or_, text
from sqlmodel import Session, col

from state.errors import UsageError
from state.models import WORK_KINDS, Bead

# A bead waits if it, or any bead above it, has an open blocker.
_WAITING: ColumnElement[bool] = literal_column(
    """
    EXISTS (
        WITH RECURSIVE line(id, parent) AS (
            SELECT bead.id, bead.parent
            UNION
            SELECT above.id, above.parent FROM bead AS above JOIN line ON above.id = line.parent
        )
        SELECT 1
        FROM line
        JOIN dependency ON dependency.from_id = line.id AND dependency.type = 'blocks'
        JOIN bead AS blocker ON blocker.id = dependency.to_id
        WHERE blocker.status <> 'closed'
    )
""",
    Boolean,
)

# Everything that ``start`` waits for: its blockers and its parent, theirs, and so on.
_AWAITED = text("""
    WITH RECURSIVE awaited(id) AS (
        SELECT :start
        UNION
        SELECT dependency.to_id
        FROM awaited JOIN dependency ON dependency.from_id = awaited.id
        WHERE dependency.type = 'blocks'
        UNION
        SELECT bead.parent
        FROM awaited JOIN bead ON bead.id = awaited.id
        WHERE bead.parent IS NOT NULL
    )
    SELECT 1 FROM awaited WHERE id = :goal
""")


def is_free(now: float) -> ColumnElement[bool]:
    """Nobody works on the bead: it is open, or the lease on it has expired."""
    expired = and_(col(Bead.status) == "in_progress", col(Bead.lease_until) <= now)
    return or_(col(Bead.status) == "open", expired)


def is_ready(now: float) -> ColumnElement[bool]:
    """The bead is work, free, and neither it nor a bead above it has an open blocker."""
    return and_(col(Bead.kind).in_(WORK_KINDS), is_free(now), not_(_WAITING))


def is_blocked() -> ColumnElement[bool]:
    """The bead is unfinished work that waits for a blocker, its own or an ancestor's."""
    return and_(col(Bead.kind).in_(WORK_KINDS), col(Bead.status) != "closed", _WAITING)


def refuse_cycle(session: Session, from_id: str, to_id: str) -> None:
    """Raise UsageError if ``from_id`` waiting for ``to_id`` would make it wait for itself.

    Blockers and parents count alike, because a child of a blocked parent waits too.
    """
    if from_id == to_id:
        raise UsageError(f"bead {from_id} cannot depend on itself")
    session.flush()  # textual SQL sees only what has been sent
    if session.connection().execute(_AWAITED, {"start": to_id, "goal": from_id}).first():
        raise UsageError(f"{from_id} → {to_id} would close a cycle: {to_id} waits for {from_id}")
