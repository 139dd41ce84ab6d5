"""The verbs that are called most, in the driver's own words: no session, no unit of work.

What comes back are beads like any other: detached, with all fields loaded.
"""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Connection
from sqlalchemy.orm import configure_mappers
from sqlalchemy.orm.attributes import manager_of_class

from state import frontier, ids
from state.database import Database
from state.driver import among
from state.errors import UsageError
from state.filters import NO_RUN
from state.models import (
    BEAD_KINDS,
    BEAD_TABLE,
    DONE,
    OPEN_WORK,
    WORK_KINDS,
    Bead,
    BeadKind,
    BeadStatus,
)
from state.rows import ORDERS, Order, one_of

_NAMES = tuple(Bead.model_fields)
_ALL = sqlalchemy.select(*(BEAD_TABLE.c[name] for name in _NAMES))
_COLUMNS = ", ".join(f'"{name}"' for name in _NAMES)
_BY_ID = f"SELECT {_COLUMNS} FROM bead WHERE id = %(id)s"
_CHUNK = 500
"""Most names in one statement."""
_JSON = ("labels", "data", "extra")
_EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(_NAMES), "body": "", "notes": "", "status": "open", "priority": 2,
    "attempts": 0,
}  # fmt: skip
_ORDER = "ORDER BY priority, created_at, id"
_URGENCY = operator.itemgetter(*map(_NAMES.index, ("priority", "created_at", "id")))
"""As :data:`_ORDER`, of a row."""
_WORK = "kind IN ({})".format(", ".join(f"'{kind}'" for kind in WORK_KINDS))
_LAPSED = f"status = 'in_progress' AND lease_until <= %(now)s AND waiting = 0 AND {_WORK}"
"""Work whose lease has expired."""
_FREE = f"((status = 'open' OR lease_until <= %(now)s AND status = 'in_progress') AND {_WORK})"
_NOT_DONE = "status NOT IN ({})".format(", ".join(f"'{status}'" for status in DONE))
_STAMPS = f"""
    SELECT id, updated_at FROM bead WHERE run_id = %(run)s AND kind = %(kind)s AND {_NOT_DONE}
"""
_COUNT = f'SELECT count(*) FROM (SELECT 1 FROM bead WHERE "key" IS NULL LIMIT {ids.COUNT_UP_TO}) AS counted'
_ABOVE = "SELECT above.waiting FROM bead AS above WHERE above.id = CAST(%(parent)s AS VARCHAR)"
_INSERT = (
    f"INSERT INTO bead ({_COLUMNS}, waiting) "
    f"VALUES ({', '.join(f'%({name})s' for name in _NAMES)}, COALESCE(({_ABOVE}), 0)) "
    "ON CONFLICT DO NOTHING"
)

_encode = json.JSONEncoder().encode  # ``json.dumps`` asks about eight options each time.

configure_mappers()  # else attributes of a bead made here fail until a session is used
_new = manager_of_class(Bead).new_instance


def bead_of(values: Iterable[Any]) -> Bead:
    """A bead from the values of its columns in their order."""
    bead = _new()
    fields = bead.__dict__
    fields.update(zip(_NAMES, values, strict=False))
    for name in _JSON:
        text = fields[name]
        if text.__class__ is str:  # SQLite keeps JSON as text, PostgreSQL's driver decodes it
            fields[name] = {} if text == "{}" else [] if text == "[]" else json.loads(text)
    return bead


def bead_of_row(row: Mapping[str, Any]) -> Bead:
    """A bead from a row of :func:`row` that has been written."""
    return bead_of(row[name] for name in _NAMES)


def get(database: Database, id: str) -> Bead | None:
    """The bead with this whole id."""
    rows = database.rows(_BY_ID, {"id": id})
    return bead_of(rows[0]) if rows else None


def find_all(database: Database, names: Sequence[str]) -> dict[str, Bead]:
    """See :meth:`state.BeadStore.find_all`."""
    found: dict[str, Bead] = {}
    for those, values in _chunks(names):
        rows = database.rows(f"SELECT {_COLUMNS} FROM bead WHERE id IN {those}", values)
        found.update((bead.id, bead) for bead in map(bead_of, rows))
    return found


def select(
    database: Database,
    conditions: Sequence[ColumnElement[bool]],
    limit: int | None = None,
    order: Order = "priority",
) -> list[Bead]:
    """Beads that meet all conditions."""
    query = _ALL.where(*conditions).order_by(*ORDERS[order]).limit(limit)
    with database.reading() as connection:
        return list(map(bead_of, connection.execute(query).fetchall()))


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
    beads = list(map(bead_of, database.rows(sql, values)))
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


def by_ids(database: Database, connection: Connection, names: Sequence[str]) -> dict[str, Bead]:
    """The beads with these whole ids, as far as they are here."""
    return {bead.id: bead for bead in _having(database, connection, "id", names)}


def _having(
    database: Database, connection: Connection, column: str, names: Sequence[str]
) -> Iterator[Bead]:
    for those, values in _chunks(names):
        sql = f'SELECT {_COLUMNS} FROM bead WHERE "{column}" IN {those}'
        yield from map(bead_of, database.run(connection, sql, values).fetchall())


def row(fields: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The columns of a bead with these fields, written ``now``; its status decides some of them."""
    values = {name: fields.get(name, empty) for name, empty in _EMPTY.items()}
    values |= {"created_at": now, "updated_at": now}
    return _as_columns(values, now)


def changed(fields: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The columns that change with these fields of a bead that is not closed."""
    if "status" in fields:
        return _as_columns({"updated_at": now, "close_reason": None, **fields}, now)
    values = {"updated_at": now, **fields}
    values.pop("close_reason", None)  # What is not closed has none.
    _encode_json(values)
    return values


def _as_columns(values: dict[str, Any], now: float) -> dict[str, Any]:
    _encode_json(values)
    if values["status"] in DONE:
        values["closed_at"] = now
    else:
        values["closed_at"] = values["close_reason"] = None
    if values["status"] != "in_progress":
        values["lease_until"] = None
    return values


def _encode_json(values: dict[str, Any]) -> None:
    for name in _JSON:
        if name in values:
            value = values[name]
            values[name] = _encode(value) if value else ("[]" if name == "labels" else "{}")


def statuses(
    database: Database, connection: Connection, names: Sequence[str]
) -> dict[str, BeadStatus]:
    """Whole id → status, of those that are here."""
    found: dict[str, BeadStatus] = {}
    for those, values in _chunks(names):
        sql = f"SELECT id, status FROM bead WHERE id IN {those}"
        found.update(map(tuple, database.run(connection, sql, values).fetchall()))
    return found


def ready(
    database: Database,
    run_id: str | None = None,
    kind: str | Collection[str] | None = None,
    limit: int | None = None,
) -> list[Bead]:
    """See :meth:`state.BeadStore.ready`."""
    sql = _ready_sql(_whose(run_id), _kinds(kind), limit is not None)
    values = {"run": run_id, "now": database.now(), "limit": limit}
    rows = sorted(database.rows(sql, values), key=_URGENCY)
    return list(map(bead_of, rows[:limit]))


def claim(
    database: Database,
    id: str | None,
    *,
    assignee: str,
    lease_s: float,
    run_id: str | None = None,
    kind: str | Collection[str] | None = None,
) -> Bead | None:
    """See :meth:`state.BeadStore.claim`; ``id`` is a whole one."""
    sql = _claim_sql(id is not None, _whose(run_id), _kinds(kind), database.is_postgres)
    now = database.now()
    values = {"id": id, "run": run_id, "now": now, "who": assignee, "until": now + lease_s}
    with database.writing(claim=True) as connection:
        # All rows: a statement that has not run to its end holds up SQLite's commit.
        rows = database.run(connection, sql, values).fetchall()
    return bead_of(rows[0]) if rows else None


def claim_each(
    database: Database,
    connection: Connection,
    assignees: Mapping[str, str],
    lease_s: float,
) -> set[str]:
    """Claim whole ids, each by its assignee; those that were ready."""
    sql = _claim_sql(True, "", (), database.is_postgres, "id")
    now = database.now()
    claimed = set[str]()
    # By id, so that no two claimants on a server wait for each other's rows in a circle.
    for id in sorted(assignees):
        values = {"id": id, "now": now, "who": assignees[id], "until": now + lease_s}
        claimed.update(id for (id,) in database.run(connection, sql, values).fetchall())
    return claimed


def create(database: Database, fields: Mapping[str, Any]) -> Bead:
    """Write a new bead without key, id or parent; its fields have been checked."""
    values = row(fields, database.now())
    with database.writing() as connection:
        insert(database, connection, values, drawn_ids(database, connection))
    return bead_of_row(values)


def insert(
    database: Database, connection: Connection, values: dict[str, Any], proposals: Iterable[str]
) -> Bead | None:
    """Write a row under the first of the proposed ids that is free, which its ``id`` then is; it
    waits as its parent does. A bead with its key may be there already: returns it then.

    Raises UsageError.
    """
    for values["id"] in proposals:
        if database.run(connection, _INSERT, values).rowcount:
            return None
        if values["key"] is not None:
            for there in _having(database, connection, "key", [values["key"]]):
                return there
    raise UsageError(f"bead id {values['id']!r} is taken by another bead")


def drawn_ids(database: Database, connection: Connection) -> list[str]:
    """Random ids to try, as short as the number of beads allows."""
    population = database.run(connection, _COUNT).fetchone()[0]
    return ids.candidates(ids.random_digest(), ids.random_length(population))


def close(
    database: Database, connection: Connection, whole_ids: Sequence[str], reason: str
) -> None:
    """Close those of the beads that are not closed; whole ids."""
    now = database.now()
    for names, values in _chunks(whole_ids):
        sql = (
            "UPDATE bead SET status = 'closed', close_reason = %(reason)s, closed_at = %(now)s, "
            f"updated_at = %(now)s, lease_until = NULL WHERE id IN {names} AND {_NOT_DONE}"
        )
        database.run(connection, sql, {**values, "reason": reason, "now": now})
    frontier.settle_rows(connection, blockers=whole_ids)


def _chunks(names: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """As :func:`among`, as many names at a time as one statement takes."""
    for start in range(0, len(names), _CHUNK):
        yield among(names[start : start + _CHUNK])


def _kinds(kind: str | Collection[str] | None) -> tuple[str, ...]:
    return () if kind is None else tuple(one_of("bead kind", kind, BEAD_KINDS))


def _whose(run_id: str | None) -> str:
    """Beads of this run, of none (:data:`state.filters.NO_RUN`), or all."""
    if run_id is None:
        return ""
    return " AND run_id IS NULL" if run_id == NO_RUN else " AND run_id = %(run)s"


def _within(whose: str, kinds: tuple[str, ...]) -> str:
    # The names are ours, out of a fixed list.
    names = ", ".join(map(repr, kinds))
    return f"{whose} AND kind IN ({names})" if kinds else whose


@functools.cache
def _ready_sql(whose: str, kinds: tuple[str, ...], limited: bool) -> str:
    tail = _within(whose, kinds) + (f" {_ORDER} LIMIT %(limit)s" if limited else "")
    opened, lapsed = (
        f"SELECT * FROM (SELECT {_COLUMNS} FROM bead WHERE {which}{tail}) AS {name}"
        for name, which in (("opened", OPEN_WORK), ("lapsed", _LAPSED))
    )
    return f"{opened} UNION ALL {lapsed}"


@functools.cache
def _claim_sql(
    by_id: bool, whose: str, kinds: tuple[str, ...], postgres: bool, columns: str = _COLUMNS
) -> str:
    within = _within(whose, kinds)
    if by_id:
        chosen = f"id = %(id)s AND waiting = 0 AND {_FREE}{within}"
    else:
        # Of many claimants each locks a row that no other has: PostgreSQL skips locked ones, on
        # SQLite the transaction has the only write lock there is.
        tail = f"{within} {_ORDER} LIMIT 1" + (" FOR UPDATE SKIP LOCKED" if postgres else "")
        part = "SELECT id, priority, created_at FROM bead WHERE"
        chosen = (
            f"id = (SELECT id FROM (SELECT * FROM ({part} {OPEN_WORK}{tail}) AS opened UNION ALL "
            f"SELECT * FROM ({part} {_LAPSED}{tail}) AS lapsed) AS first {_ORDER} LIMIT 1)"
        )
    return (
        "UPDATE bead SET status = 'in_progress', assignee = %(who)s, lease_until = %(until)s, "
        f"attempts = attempts + 1, updated_at = %(now)s WHERE {chosen} RETURNING {columns}"
    )
