"""The history of a bead: each change of a field, with its author, its time, the old and the new
value.

Beads of a run have no history: the run's own records serve as one. The history covers changes by
people, and changes by the store to beads that no run made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from state.fields import moment
from state.models import Bead, Change
from state.transactions import Transaction, inserting

_FIELDS = (
    "status", "title", "body", "notes", "kind", "priority", "parent", "assignee", "labels",
    "due_at", "defer_until", "extra",
)  # fmt: skip
_TIMES = ("due_at", "defer_until")
_INSERT = inserting(Change.TABLE, Change.names()[1:])
CLAIMED = (
    f"INSERT INTO {Change.TABLE} (bead_id, at, author, what, new) "
    "SELECT id, %(now)s, %(who)s, 'claimed', %(who)s FROM {} WHERE run_id IS NULL"
)
"""SQL that records a claim of the beads in a table."""


def record(
    tx: Transaction,
    bead: Bead,
    before: Mapping[str, Any],
    by: str | None = None,
    note: str | None = None,
) -> None:
    """Record the fields in which a bead differs from its earlier state."""
    if bead.run_id is not None and by is None:
        return
    after = bead.model_dump()
    for name in _FIELDS:
        if before[name] == after[name]:
            continue
        if name == "extra":
            _record_extra(tx, bead, before["extra"], after["extra"], by)
        else:
            old, new = (_text(name, values[name]) for values in (before, after))
            add(
                tx, bead.id, bead.updated_at, by, name, old, new, note if name == "status" else None
            )


def _record_extra(
    tx: Transaction, bead: Bead, old: Mapping[str, Any], new: Mapping[str, Any], by: str | None
) -> None:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            values = (_text(name, values.get(name)) for values in (old, new))
            add(tx, bead.id, bead.updated_at, by, name, *values)


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if name in _TIMES and isinstance(value, float):
        return moment(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def add(
    tx: Transaction,
    id: str,
    now: float,
    by: str | None,
    what: str,
    old: str | None = None,
    new: str | None = None,
    note: str | None = None,
) -> None:
    """Record one event."""
    change = Change(bead_id=id, at=now, author=by, what=what, old=old, new=new, note=note or None)
    tx.run(_INSERT, change.model_dump(("sequence",)))


def add_close(
    tx: Transaction,
    names: str,
    values: Mapping[str, str],
    now: float,
    by: str | None,
    reason: str,
) -> None:
    """Record the closing of beads before it is done, for those beads of a list that are not yet
    closed.

    ``names`` and ``values`` come from :func:`state.transactions.among`.
    """
    tx.run(
        f"INSERT INTO {Change.TABLE} (bead_id, at, author, what, old, new, note) "
        "SELECT id, %(now)s, %(by)s, 'status', status, 'closed', %(note)s FROM bead "
        f"WHERE id IN {names} AND status NOT IN ('closed', 'tombstone')",
        {**values, "now": now, "by": by, "note": reason or None},
    )


def add_imports(
    tx: Transaction, changed: Iterable[tuple[str, str]], now: float, by: str | None
) -> None:
    """Record (id, names of the fields that differ) of beads that an import replaced."""
    rows = [
        Change(bead_id=id, at=now, author=by, what="imported", new=names).model_dump(("sequence",))
        for id, names in changed
    ]
    tx.run_many(_INSERT, rows)


def of(tx: Transaction, id: str) -> list[Change]:
    """The recorded changes of a bead, oldest first."""
    return tx.records(Change, "WHERE bead_id = %(id)s ORDER BY sequence", {"id": id})
