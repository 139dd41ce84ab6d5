"""The verbs that are called most, in the driver's own words: no session, no unit of work.

What comes back are beads like any other: detached, with all fields loaded.
"""

from __future__ import annotations

import functools
import json
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
from state.models import BEAD_KINDS, BEAD_TABLE, DONE, OPEN_WORK, WORK_KINDS, Bead, BeadKind
from state.rows import ORDERS, Order, one_of

_NAMES = tuple(Bead.model_fields)
_ALL = sqlalchemy.select(*(BEAD_TABLE.c[name] for name in _NAMES))
_COLUMNS = ", ".join(f'"{name}"' for name in _NAMES)
_JSON = ("labels", "data", "extra")
_EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(_NAMES), "body": "", "notes": "", "status": "open", "priority": 2,
    "attempts": 0,
}  # fmt: skip
_ORDER = "ORDER BY priority, created_at, id"
_WORK = "kind IN ({})".format(", ".join(f"'{kind}'" for kind in WORK_KINDS))
_LAPSED = f"status = 'in_progress' AND lease_until <= %(now)s AND waiting = 0 AND {_WORK}"
"""Work whose lease has expired."""
_FREE = f"((status = 'open' OR lease_until <= %(now)s AND status = 'in_progress') AND {_WORK})"
_NOT_DONE = "status NOT IN ({})".format(", ".join(f"'{status}'" for status in DONE))
_COUNT = f'SELECT count(*) FROM (SELECT 1 FROM bead WHERE "key" IS NULL LIMIT {ids.COUNT_UP_TO}) AS counted'
_ABOVE = "SELECT above.waiting FROM bead AS above WHERE above.id = CAST(%(parent)s AS VARCHAR)"
_INSERT = (
    f"INSERT INTO bead ({_COLUMNS}, waiting) "
    f"VALUES ({', '.join(f'%({name})s' for name in _NAMES)}, COALESCE(({_ABOVE}), 0)) "
    "ON CONFLICT DO NOTHING"
)

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


def get(database: Database, id: str) -> Bead | None:
    """The bead with this whole id."""
    with database.reading() as connection:
        return by_ids(database, connection, [id]).get(id)


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
    unfinished: bool = False,
    newest: int | None = None,
) -> list[Bead]:
    """See :meth:`state.BeadStore.of_run`."""
    sql = _of_run_sql(tier is not None, unfinished, newest is not None)
    values = {"run": run_id, "kind": kind, "tier": tier, "newest": newest}
    with database.reading() as connection:
        beads = list(map(bead_of, database.run(connection, sql, values).fetchall()))
    return beads if newest is None else beads[::-1]


@functools.cache
def _of_run_sql(by_tier: bool, unfinished: bool, newest: bool) -> str:
    where = "run_id = %(run)s AND kind = %(kind)s"
    where += " AND tier = %(tier)s" if by_tier else ""
    where += f" AND {_NOT_DONE}" if unfinished else ""
    order = "created_at DESC, id DESC LIMIT %(newest)s" if newest else "created_at, id"
    return f"SELECT {_COLUMNS} FROM bead WHERE {where} ORDER BY {order}"


def by_ids(database: Database, connection: Connection, names: Sequence[str]) -> dict[str, Bead]:
    """The beads with these whole ids, as far as they are here."""
    return {bead.id: bead for bead in _having(database, connection, "id", names)}


def _having(
    database: Database, connection: Connection, column: str, names: Sequence[str]
) -> Iterator[Bead]:
    for start in range(0, len(names), 500):
        those, values = among(names[start : start + 500])
        sql = f'SELECT {_COLUMNS} FROM bead WHERE "{column}" IN {those}'
        yield from map(bead_of, database.run(connection, sql, values).fetchall())


def row(fields: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The columns of a bead with these fields, written ``now``; its status decides some of them."""
    values = {name: fields.get(name, empty) for name, empty in _EMPTY.items()}
    values |= {"created_at": now, "updated_at": now}
    for name in _JSON:
        values[name] = json.dumps(values[name] or ([] if name == "labels" else {}))
    if values["status"] in DONE:
        values["closed_at"] = now
    else:
        values["closed_at"] = values["close_reason"] = None
    if values["status"] != "in_progress":
        values["lease_until"] = None
    return values


def ready(
    database: Database,
    run_id: str | None = None,
    kind: str | Collection[str] | None = None,
    limit: int | None = None,
) -> list[Bead]:
    """See :meth:`state.BeadStore.ready`."""
    opened, lapsed = _ready_sql(_whose(run_id), _kinds(kind), limit is not None)
    values = {"run": run_id, "now": database.now(), "limit": limit}
    with database.reading() as connection:
        beads = list(map(bead_of, database.run(connection, opened, values).fetchall()))
        late = list(map(bead_of, database.run(connection, lapsed, values).fetchall()))
    if late:
        beads = sorted([*beads, *late], key=lambda b: (b.priority, b.created_at, b.id))[:limit]
    return beads


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
    if id is not None and run_id is None and kind is None:
        return next(iter(claim_all(database, {id: assignee}, lease_s=lease_s)), None)
    sql = _claim_sql(id is not None, _whose(run_id), _kinds(kind), database.is_postgres)
    now = database.now()
    values = {"id": id, "run": run_id, "now": now, "who": assignee, "until": now + lease_s}
    with database.writing(claim=True) as connection:
        # All rows: a statement that has not run to its end holds up SQLite's commit.
        rows = database.run(connection, sql, values).fetchall()
    return bead_of(rows[0]) if rows else None


def claim_all(database: Database, assignees: Mapping[str, str], *, lease_s: float) -> list[Bead]:
    """See :meth:`state.BeadStore.claim_all`."""
    sql = _claim_sql(True, "", (), database.is_postgres)
    now = database.now()
    claimed: list[Bead] = []
    with database.writing(claim=True) as connection:
        # By id, so that no two claimants on a server wait for each other's rows in a circle.
        for id in sorted(assignees):
            values = {"id": id, "now": now, "who": assignees[id], "until": now + lease_s}
            claimed += map(bead_of, database.run(connection, sql, values).fetchall())
    order = {id: place for place, id in enumerate(assignees)}
    return sorted(claimed, key=lambda bead: order[bead.id])


def create(database: Database, fields: Mapping[str, Any]) -> Bead:
    """Write a new bead without key, id or parent; its fields have been checked."""
    values = row(fields, database.now())
    with database.writing() as connection:
        return insert(database, connection, values, drawn_ids(database, connection))[0]


def insert(
    database: Database, connection: Connection, values: dict[str, Any], proposals: Iterable[str]
) -> tuple[Bead, bool]:
    """Write a row under the first of the proposed ids that is free; it waits as its parent does.

    The bead, and whether it is new: one with its key may be there already. Raises UsageError.
    """
    for values["id"] in proposals:
        if database.run(connection, _INSERT, values).rowcount:
            return bead_of(values[name] for name in _NAMES), True
        if values["key"] is not None:
            for there in _having(database, connection, "key", [values["key"]]):
                return there, False
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
    for start in range(0, len(whole_ids), 500):
        chunk = whole_ids[start : start + 500]
        names, values = among(chunk)
        sql = (
            "UPDATE bead SET status = 'closed', close_reason = %(reason)s, closed_at = %(now)s, "
            f"updated_at = %(now)s, lease_until = NULL WHERE id IN {names} AND {_NOT_DONE}"
        )
        database.run(connection, sql, {**values, "reason": reason, "now": now})
    frontier.settle_rows(connection, blockers=whole_ids)


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
def _ready_sql(whose: str, kinds: tuple[str, ...], limited: bool) -> tuple[str, str]:
    tail = f"{_within(whose, kinds)} {_ORDER}" + (" LIMIT %(limit)s" if limited else "")
    select = f"SELECT {_COLUMNS} FROM bead WHERE"
    return f"{select} {OPEN_WORK}{tail}", f"{select} {_LAPSED}{tail}"


@functools.cache
def _claim_sql(by_id: bool, whose: str, kinds: tuple[str, ...], postgres: bool) -> str:
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
        f"attempts = attempts + 1, updated_at = %(now)s WHERE {chosen} RETURNING {_COLUMNS}"
    )
