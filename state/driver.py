"""SQL in the driver's own words, where SQLAlchemy's cost more than the query."""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection


def run(connection: Connection, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """Execute SQL, inside the transaction that ``connection`` has, with ``%(name)s`` for parameters.

    What comes back has ``fetchall()``, ``fetchone()`` and ``rowcount``.
    """
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(sql, dict(parameters or {}))
    return execute(connection, named(sql), parameters or {})


def execute(
    connection: Connection, sql: str, parameters: Mapping[str, Any] | tuple[()] = ()
) -> sqlite3.Cursor:
    """Execute SQL on SQLite's own connection."""
    driver: Any = connection.connection.driver_connection
    cursor: sqlite3.Cursor = driver.execute(sql, parameters)
    return cursor


def among(names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """(what to write behind SQL's IN, its parameters)."""
    values = {f"n{number}": name for number, name in enumerate(names)}
    return f"({', '.join(f'%({number})s' for number in values)})", values


@functools.cache
def named(sql: str) -> str:
    """``sql`` with SQLite's ``:name`` in place of ``%(name)s``."""
    return re.sub(r"%\((\w+)\)s", r":\1", sql)
