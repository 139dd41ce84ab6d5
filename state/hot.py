"""The verbs that are called most, in the driver's own words: no session, no unit of work.

What comes back are beads like any other: detached, with all fields loaded.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Connection
from sqlalchemy.orm import configure_mappers
from sqlalchemy.orm.attributes import manager_of_class

from state import frontier, ids
from state.database import Database
from state.errors import UsageError
from state.models import BEAD_KINDS, BEAD_TABLE, DONE, OPEN_WORK, WORK_KINDS, Bead
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
_INSERT = (
    f"INSERT INTO bead ({_COLUMNS}) VALUES ({', '.join(f'%({name})s' for name in _NAMES)}) "
    "ON CONFLICT (id) DO NOTHING"
)
_UNDER = (
    "INSERT INTO dependency (from_id, to_id, type, created_at) "
    "VALUES (%(child)s, %(parent)s, 'parent-child', %(now)s) ON CONFLICT DO NOTHING"
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
        return [bead_of(row) for row in connection.execute(query).fetchall()]


def apply(
    database: Database, beads: Sequence[Bead], changes: Mapping[str, Mapping[str, Any]]
) -> list[Bead]:
    """Write beads with keys and change open ones, ids and parents whole; the beads as stored."""
    now = database.now()
    with database.writing() as connection:
        stored = _by_keys(database, connection, [str(bead.key) for bead in beads])
        noted, blockers = set[str](), set[str]()
        for place, draft in enumerate(beads):
            if draft.key in stored:
                continue
            values = _row(draft.__dict__, round(now + place * 1e-6, 6))
            for values["id"] in [draft.id] if draft.id else ids.keyed_candidates(str(draft.key)):
                if database.run(connection, _INSERT, values).rowcount:
                    break
            else:
                raise UsageError(f"bead id {draft.id!r} is taken by a bead without this key")
            stored[values["key"]] = bead_of(values[name] for name in _NAMES)
            if draft.parent is not None:
                edge = {"child": values["id"], "parent": draft.parent, "now": now}
                database.run(connection, _UNDER, edge)
                noted.add(values["id"])
        present = by_ids(database, connection, list(changes))
        for id, fields in changes.items():
            if (bead := present.get(id)) is None:
                raise UsageError(f"unknown bead id {id!r}")
            if bead.status in DONE:
                continue
            # Only what changes: where claims lock one row each, they do not wait for this.
            names = ["updated_at", *fields]
            names += ["closed_at", "close_reason", "lease_until"] if "status" in fields else []
            changed = _row({**bead.__dict__, **fields}, now)
            update = ", ".join(f'"{name}" = %({name})s' for name in dict.fromkeys(names))
            sql = f"UPDATE bead SET {update} WHERE id = %(id)s"
            database.run(connection, sql, {name: changed[name] for name in ["id", *names]})
            if changed["status"] in DONE:
                blockers.add(id)
        frontier.settle_rows(connection, noted, blockers)
    return [stored[str(bead.key)] for bead in beads]


def _by_keys(database: Database, connection: Connection, keys: Sequence[str]) -> dict[str, Bead]:
    if not keys:
        return {}
    values = {f"k{n}": key for n, key in enumerate(keys)}
    among = ", ".join(f"%({name})s" for name in values)
    sql = f'SELECT {_COLUMNS} FROM bead WHERE "key" IN ({among})'
    found = [bead_of(row) for row in database.run(connection, sql, values).fetchall()]
    return {str(bead.key): bead for bead in found}


def _row(fields: Mapping[str, Any], now: float) -> dict[str, Any]:
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
    opened, lapsed = _ready_sql(run_id is not None, _kinds(kind), limit is not None)
    values = {"run": run_id, "now": database.now(), "limit": limit}
    with database.reading() as connection:
        beads = [bead_of(row) for row in database.run(connection, opened, values).fetchall()]
        late = [bead_of(row) for row in database.run(connection, lapsed, values).fetchall()]
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
    sql = _claim_sql(id is not None, run_id is not None, _kinds(kind), database.is_postgres)
    now = database.now()
    values = {"id": id, "run": run_id, "now": now, "who": assignee, "until": now + lease_s}
    with database.writing(claim=True) as connection:
        # All rows: a statement that has not run to its end holds up SQLite's commit.
        rows = database.run(connection, sql, values).fetchall()
    return bead_of(rows[0]) if rows else None


def create(database: Database, fields: Mapping[str, Any]) -> Bead:
    """Write a new bead without key, id or parent; its fields have been checked."""
    values = _row(fields, database.now())
    with database.writing() as connection:
        population = database.run(connection, _COUNT).fetchone()[0]
        digest = ids.random_digest()
        for proposal in ids.candidates(digest, ids.random_length(population)):
            values["id"] = proposal
            if database.run(connection, _INSERT, values).rowcount:
                return bead_of(values[name] for name in _NAMES)
    raise AssertionError("two digests of 255 bits are equal")


def close(
    database: Database, connection: Connection, whole_ids: Sequence[str], reason: str
) -> None:
    """Close those of the beads that are not closed; whole ids."""
    now = database.now()
    for start in range(0, len(whole_ids), 500):
        chunk = whole_ids[start : start + 500]
        values: dict[str, Any] = {f"i{n}": id for n, id in enumerate(chunk)}
        names = ", ".join(f"%({name})s" for name in values)
        sql = (
            "UPDATE bead SET status = 'closed', close_reason = %(reason)s, closed_at = %(now)s, "
            f"updated_at = %(now)s, lease_until = NULL WHERE id IN ({names}) AND {_NOT_DONE}"
        )
        database.run(connection, sql, {**values, "reason": reason, "now": now})
    frontier.settle_rows(connection, blockers=whole_ids)


def by_ids(database: Database, connection: Connection, names: Sequence[str]) -> dict[str, Bead]:
    """The beads with these whole ids, as far as they are here."""
    found: dict[str, Bead] = {}
    for start in range(0, len(names), 500):
        values = {f"i{n}": id for n, id in enumerate(names[start : start + 500])}
        among = ", ".join(f"%({name})s" for name in values)
        sql = f"SELECT {_COLUMNS} FROM bead WHERE id IN ({among})"
        for row in database.run(connection, sql, values).fetchall():
            found[row[0]] = bead_of(row)
    return found


def _kinds(kind: str | Collection[str] | None) -> tuple[str, ...]:
    return () if kind is None else tuple(one_of("bead kind", kind, BEAD_KINDS))


def _within(in_run: bool, kinds: tuple[str, ...]) -> str:
    run = " AND run_id = %(run)s" if in_run else ""
    # The names are ours, out of a fixed list.
    names = ", ".join(map(repr, kinds))
    return f"{run} AND kind IN ({names})" if kinds else run


@functools.cache
def _ready_sql(in_run: bool, kinds: tuple[str, ...], limited: bool) -> tuple[str, str]:
    tail = f"{_within(in_run, kinds)} {_ORDER}" + (" LIMIT %(limit)s" if limited else "")
    select = f"SELECT {_COLUMNS} FROM bead WHERE"
    return f"{select} {OPEN_WORK}{tail}", f"{select} {_LAPSED}{tail}"


@functools.cache
def _claim_sql(by_id: bool, in_run: bool, kinds: tuple[str, ...], postgres: bool) -> str:
    within = _within(in_run, kinds)
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
