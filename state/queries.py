"""The most frequent queries and changes; their SQL statements are built once."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

from state import frontier, history
from state.database import Database
from state.errors import UsageError
from state.filters import ORDERS, Filters, Order, matching, where
from state.frontier import LAPSED, OFFERED, READY
from state.models import DONE, OPEN_WORK, Bead, BeadKind, BeadStatus
from state.rows import drawn_ids
from state.transactions import Transaction, chunks, encode, listed

_NAMES = Bead.names()
_COLUMNS = Bead.columns()
_BY_ID = f"SELECT {_COLUMNS} FROM bead WHERE id = %(id)s"
_EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(_NAMES), "body": "", "notes": "", "status": "open", "priority": 2,
    "attempts": 0,
}  # fmt: skip
_ORDER = ORDERS["priority"]
_URGENCY = operator.itemgetter(*map(_NAMES.index, ("priority", "created_at", "id")))
"""Sort key of a row, in the order of :data:`_ORDER`."""
_NOT_DONE = f"status NOT IN {listed(DONE)}"
_STAMPS = f"""
    SELECT id, updated_at FROM bead WHERE run_id = %(run)s AND kind = %(kind)s AND {_NOT_DONE}
"""
_ABOVE = "SELECT above.waiting FROM bead AS above WHERE above.id = CAST(%(parent)s AS VARCHAR)"
_INSERT = (
    f"INSERT INTO bead ({_COLUMNS}, waiting) "
    f"VALUES ({', '.join(f'%({name})s' for name in _NAMES)}, COALESCE(({_ABOVE}), 0)) "
    "ON CONFLICT DO NOTHING"
)


def bead_of_row(row: Mapping[str, Any]) -> Bead:
    """A bead from a written row, as :func:`row` makes it."""
    return Bead.of(row[name] for name in _NAMES)


def get(database: Database, id: str) -> Bead | None:
    """The bead with this whole id."""
    rows = database.rows(_BY_ID, {"id": id})
    return Bead.of(rows[0]) if rows else None


def find_all(database: Database, names: Sequence[str]) -> dict[str, Bead]:
    """See :meth:`state.BeadStore.find_all`."""
    found: dict[str, Bead] = {}
    for those, values in chunks(names):
        rows = database.rows(f"SELECT {_COLUMNS} FROM bead WHERE id IN {those}", values)
        found.update((bead.id, bead) for bead in map(Bead.of, rows))
    return found


def select(
    database: Database,
    conditions: Sequence[str],
    values: Mapping[str, Any],
    limit: int | None = None,
    order: Order = "priority",
) -> list[Bead]:
    """Beads that meet all conditions."""
    sql = f"SELECT {_COLUMNS} FROM bead {where(conditions)} {ORDERS[order]}"
    sql += "" if limit is None else " LIMIT %(limit)s"
    return list(map(Bead.of, database.rows(sql, {**values, "limit": limit})))


def of_run(
    database: Database,
    run_id: str,
    kind: BeadKind,
    tier: str | None = None,
    *,
    newest: int | None = None,
) -> list[Bead]:
    """See :meth:`state.BeadStore.of_run`."""
    sql = _of_run_sql(tier is not None, newest is not None)
    values = {"run": run_id, "kind": kind, "tier": tier, "newest": newest}
    beads = list(map(Bead.of, database.rows(sql, values)))
    return beads if newest is None else beads[::-1]


def stamps(database: Database, run_id: str, kind: BeadKind) -> dict[str, float]:
    """See :meth:`state.BeadStore.stamps`."""
    return dict(map(tuple, database.rows(_STAMPS, {"run": run_id, "kind": kind})))


@functools.cache
def _of_run_sql(by_tier: bool, newest: bool) -> str:
    where = "run_id = %(run)s AND kind = %(kind)s"
    where += " AND tier = %(tier)s" if by_tier else ""
    order = "created_at DESC, id DESC LIMIT %(newest)s" if newest else "created_at, id"
    return f"SELECT {_COLUMNS} FROM bead WHERE {where} ORDER BY {order}"


def by_ids(tx: Transaction, names: Sequence[str]) -> dict[str, Bead]:
    """Those of the beads with these whole ids that are in the database."""
    return {bead.id: bead for bead in tx.among(Bead, "id", names)}


def row(fields: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The columns of a bead with these fields, written ``now``; some columns follow from its
    status."""
    values = {name: fields.get(name, empty) for name, empty in _EMPTY.items()}
    values |= {"created_at": now, "updated_at": now}
    return _as_columns(values, now)


def changed(fields: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The columns that change with these fields, for a bead that is not closed."""
    if "status" in fields:
        return _as_columns({"updated_at": now, "close_reason": None, **fields}, now)
    values = {"updated_at": now, **fields}
    values.pop("close_reason", None)  # What is not closed has none.
    _encode_json(values)
    return values


def _as_columns(values: dict[str, Any], now: float) -> dict[str, Any]:
    _encode_json(values)
    if values["status"] == "closed":
        values["closed_at"] = now
    elif values["status"] not in DONE:
        values["closed_at"] = values["close_reason"] = None
    if values["status"] != "in_progress":
        values["lease_until"] = None
    return values


def _encode_json(values: dict[str, Any]) -> None:
    for name in Bead.JSON:
        if name in values:
            value = values[name]
            values[name] = encode(value) if value else ("[]" if name == "labels" else "{}")


def statuses(tx: Transaction, names: Sequence[str]) -> dict[str, BeadStatus]:
    """Whole id → status, for those beads that are in the database."""
    found: dict[str, BeadStatus] = {}
    for those, values in chunks(names):
        sql = f"SELECT id, status FROM bead WHERE id IN {those}"
        found.update(map(tuple, tx.run(sql, values).fetchall()))
    return found


def ready(database: Database, limit: int | None = None, **filters: Unpack[Filters]) -> list[Bead]:
    """See :meth:`state.BeadStore.ready`."""
    conditions, values = matching(**filters)
    sql = _ready_sql(tuple(conditions), limit is not None)
    found = database.rows(sql, {**values, "now": database.now(), "limit": limit})
    return list(map(Bead.of, sorted(found, key=_URGENCY)[:limit]))


def claim(
    database: Database,
    id: str | None,
    *,
    who: str,
    lease_s: float,
    **filters: Unpack[Filters],
) -> Bead | None:
    """See :meth:`state.BeadStore.claim`; ``id`` is a whole id."""
    conditions, values = matching(**filters)
    sql = _claim_sql(id is not None, tuple(conditions), database.is_postgres)
    if database.is_postgres:
        noted = history.CLAIMED.format("taken")
        sql = f"WITH taken AS ({sql}), noted AS ({noted}) SELECT {_COLUMNS} FROM taken"
    now = database.now()
    values |= {"id": id, "now": now, "who": who, "until": now + lease_s}
    with database.claiming() as tx:
        rows = tx.rows(sql, values)
        if rows and not tx.is_postgres:  # There it is part of the one statement.
            tx.run(
                f"{history.CLAIMED.format('bead')} AND id = %(id)s", {**values, "id": rows[0][0]}
            )
    return Bead.of(rows[0]) if rows else None


def claim_each(
    tx: Transaction, assignees: Mapping[str, str], lease_s: float, now: float
) -> set[str]:
    """Claim beads by whole id, each for its assignee; returns the ids that were ready and are now
    claimed."""
    sql = _claim_sql(True, (), tx.is_postgres, "id")
    claimed = set[str]()
    # By id, so that no two claimants on a server wait for each other's rows in a circle.
    for id in sorted(assignees):
        values = {"id": id, "now": now, "who": assignees[id], "until": now + lease_s}
        claimed.update(id for (id,) in tx.rows(sql, values))
    return claimed


def create(database: Database, fields: Mapping[str, Any]) -> Bead:
    """Write a new bead without key, id or parent; its fields have been checked."""
    values = row(fields, database.now())
    with database.writing() as tx:
        insert(tx, values, drawn_ids(tx))
    return bead_of_row(values)


def insert(tx: Transaction, values: dict[str, Any], proposals: Iterable[str]) -> Bead | None:
    """Write a row under the first of the proposed ids that is free, and set the row's ``id``.
    The new bead waits if its parent does. Returns a bead that has the same key already.

    Raises UsageError.
    """
    for values["id"] in proposals:
        if tx.run(_INSERT, values).rowcount:
            return None
        if values["key"] is not None:
            for there in tx.among(Bead, "key", [values["key"]]):
                return there
    raise UsageError(f"bead id {values['id']!r} is taken by another bead")


def close(
    tx: Transaction, whole_ids: Sequence[str], reason: str, now: float, by: str | None = None
) -> None:
    """Close those of the beads with these whole ids that are not closed."""
    for names, values in chunks(whole_ids):
        history.add_close(tx, names, values, now, by, reason)
        sql = (
            "UPDATE bead SET status = 'closed', close_reason = %(reason)s, closed_at = %(now)s, "
            f"updated_at = %(now)s, lease_until = NULL WHERE id IN {names} AND {_NOT_DONE}"
        )
        tx.run(sql, {**values, "reason": reason, "now": now})
    frontier.note_blocker(tx, *whole_ids)


@functools.lru_cache(maxsize=256)
def _ready_sql(conditions: tuple[str, ...], limited: bool) -> str:
    tail = "".join(f" AND {each}" for each in conditions)
    tail += f" {_ORDER} LIMIT %(limit)s" if limited else ""
    opened, lapsed = (
        f"SELECT * FROM (SELECT {_COLUMNS} FROM bead WHERE {which} AND {OFFERED}{tail}) AS {name}"
        for name, which in (("opened", OPEN_WORK), ("lapsed", LAPSED))
    )
    return f"{opened} UNION ALL {lapsed}"


@functools.lru_cache(maxsize=256)
def _claim_sql(
    by_id: bool, conditions: tuple[str, ...], postgres: bool, columns: str = _COLUMNS
) -> str:
    within = "".join(f" AND {each}" for each in conditions)
    if by_id:
        chosen = f"id = %(id)s AND {READY}{within}"
    else:
        # Of many claimants each locks a row that no other has: PostgreSQL skips locked ones, on
        # SQLite the transaction has the only write lock there is.
        tail = f" AND {OFFERED}{within} {_ORDER} LIMIT 1" + (
            " FOR UPDATE SKIP LOCKED" if postgres else ""
        )
        part = "SELECT id, priority, created_at FROM bead WHERE"
        chosen = (
            f"id = (SELECT id FROM (SELECT * FROM ({part} {OPEN_WORK}{tail}) AS opened UNION ALL "
            f"SELECT * FROM ({part} {LAPSED}{tail}) AS lapsed) AS first {_ORDER} LIMIT 1)"
        )
    return (
        "UPDATE bead SET status = 'in_progress', assignee = %(who)s, lease_until = %(until)s, "
        f"attempts = attempts + 1, updated_at = %(now)s WHERE {chosen} RETURNING {columns}"
    )
