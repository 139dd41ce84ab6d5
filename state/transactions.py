"""SQL inside one transaction, run by the database's driver; the same for SQLite and PostgreSQL."""

from __future__ import annotations

import functools
import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from state.models import Record

R = TypeVar("R", bound=Record)

CHUNK = 500
"""Most names in one statement."""

Parameters = Mapping[str, Any]

# One encoder for all calls: ``json.dumps`` checks eight options each time.
encode = json.JSONEncoder().encode


class Transaction:
    """A running transaction. Parameters are written ``%(name)s``.

    ``noted`` and ``finished`` collect the beads that :func:`state.frontier.settle` handles before
    the commit.
    """

    __slots__ = ("connection", "finished", "is_postgres", "noted")

    def __init__(self, connection: Any) -> None:
        """Wrap ``connection``, which is one of ``sqlite3`` or, for a server, of SQLAlchemy."""
        self.connection = connection
        self.is_postgres = not isinstance(connection, sqlite3.Connection)
        self.noted = set[str]()
        """Beads whose blockers or parents change."""
        self.finished = set[str]()
        """Beads that are finished or reopened."""

    @classmethod
    def within(cls, connection: Any) -> Transaction:
        """The transaction of an SQLAlchemy connection, to either database."""
        if connection.dialect.name == "sqlite":
            return cls(connection.connection.driver_connection)
        return cls(connection)

    def run(self, sql: str, parameters: Parameters | None = None) -> Any:
        """Execute a statement; the result has ``fetchall()``, ``fetchone()`` and ``rowcount``."""
        if self.is_postgres:
            return self.connection.exec_driver_sql(sql, dict(parameters or {}))
        return self.connection.execute(named(sql), parameters or ())

    def run_many(self, sql: str, parameters: Sequence[Parameters]) -> None:
        """Execute a statement once for each set of parameters."""
        if not parameters:
            return
        if self.is_postgres:
            self.connection.exec_driver_sql(sql, [dict(each) for each in parameters])
        else:
            self.connection.executemany(named(sql), parameters)

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[Any]:
        """All rows of a query."""
        return list(self.run(sql, parameters).fetchall())

    def value(self, sql: str, parameters: Parameters | None = None) -> Any:
        """The first column of the first row, or ``None`` where there is no row."""
        # All rows are read, because an unfinished statement delays SQLite's commit.
        found = self.rows(sql, parameters)
        return found[0][0] if found else None

    def records(
        self, kind: type[R], rest: str = "", parameters: Parameters | None = None
    ) -> list[R]:
        """Records of a table; ``rest`` follows the table's name: WHERE, ORDER BY, LIMIT."""
        sql = f'SELECT {kind.columns()} FROM "{kind.TABLE}" {rest}'
        return list(map(kind.of, self.run(sql, parameters).fetchall()))

    def among(
        self, kind: type[R], column: str, names: Collection[str], rest: str = ""
    ) -> Iterator[R]:
        """Records whose ``column`` has one of the values ``names``; ``rest`` may order them."""
        for those, values in chunks(sorted(names)):
            yield from self.records(kind, f'WHERE "{column}" IN {those} {rest}', values)

    def insert(self, records: Iterable[Record], leaving_out: Collection[str] = ()) -> None:
        """Write new records of one table, with the columns that are not left out."""
        new = list(records)
        if new:
            rows = [encoded(record, leaving_out) for record in new]
            self.run_many(inserting(new[0].TABLE, tuple(rows[0])), rows)

    def save(self, record: Record, before: Mapping[str, Any]) -> None:
        """Write the columns of a stored record, found by its ``id``, that differ from ``before``."""
        now = record.model_dump()
        changed = {name: value for name, value in now.items() if value != before[name]}
        if not changed:
            return
        for name in type(record).JSON:
            if name in changed:
                changed[name] = encode(changed[name])
        columns = ", ".join(f'"{name}" = %({name})s' for name in changed)
        sql = f'UPDATE "{record.TABLE}" SET {columns} WHERE id = %(this)s'
        self.run(sql, {**changed, "this": now["id"]})


@functools.cache
def inserting(table: str, names: tuple[str, ...]) -> str:
    """An INSERT statement for these columns."""
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(f"%({name})s" for name in names)
    return f'INSERT INTO "{table}" ({columns}) VALUES ({values})'


def encoded(record: Record, leaving_out: Collection[str] = ()) -> dict[str, Any]:
    """The columns of a record in the form that the database takes."""
    values = record.model_dump(leaving_out)
    for name in type(record).JSON:
        if name in values:
            values[name] = encode(values[name])
    return values


def chunks(names: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Results of :func:`among`, with as many names at a time as one statement takes."""
    for start in range(0, len(names), CHUNK):
        yield among(names[start : start + CHUNK])


def among(names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """(list of parameters for SQL's IN, values of these parameters)."""
    values = {f"n{number}": name for number, name in enumerate(names)}
    return f"({', '.join(f'%({number})s' for number in values)})", values


def listed(values: Iterable[str]) -> str:
    """Fixed words as the list of SQL's IN."""
    return "({})".format(", ".join(f"'{value}'" for value in values))


@functools.lru_cache(maxsize=4096)
def named(sql: str) -> str:
    """``sql`` with SQLite's ``:name`` in place of ``%(name)s``."""
    return re.sub(r"%\((\w+)\)s", r":\1", sql)
