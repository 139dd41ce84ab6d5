"""Tables of a state database: created, recognised, and migrated by alembic's scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from state import search
from state.errors import NoStoreError, StoreError
from state.models import SCHEMA_VERSION
from state.transactions import Transaction

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_KEY = "schema_version"
"""Row of ``meta`` that holds the version, for programs without alembic."""
STAMP = "alembic_version"
"""Alembic's own table, which holds the number of the last script, such as ``0002``."""

_NAMES = {
    False: "SELECT name FROM sqlite_master WHERE type = 'table'",
    True: "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}
"""SQL that lists the tables; the key says whether the database is PostgreSQL."""


def is_current(tx: Transaction, name: str) -> bool:
    """Whether the tables have this program's version.

    Raises StoreError if they belong to another program or a newer version, and NoStoreError where
    there are none.
    """
    tables = _tables(tx)
    if not tables:
        raise NoStoreError(name)
    version = _version(tx) if "meta" in tables else None
    if version is None:
        raise StoreError(
            f"state database {name} is a database of another program; set HARNESS_HOME"
        )
    stamp = tx.value(f"SELECT version_num FROM {STAMP}") if STAMP in tables else None
    newer = stamp is not None and (not stamp.isdigit() or int(stamp) > SCHEMA_VERSION)
    if version > SCHEMA_VERSION or newer:
        says = version if version > SCHEMA_VERSION else stamp
        raise StoreError(
            f"state database {name} has schema version {says}, but this program knows up "
            f"to {SCHEMA_VERSION}; upgrade hi-moe"
        )
    return version == SCHEMA_VERSION


def upgrade(connection: Connection) -> None:
    """Create the tables where there are none, else run the scripts that the database lacks.

    Everything happens inside the caller's transaction.
    """
    tx = Transaction.within(connection)
    tables = _tables(tx)
    version = _version(tx) if tables else None
    if version == SCHEMA_VERSION:  # Another process has done it.
        return
    if not tables:
        _create(connection, tx)
    else:
        _run_scripts(connection, version, stamped=STAMP in tables)
    row = {"key": VERSION_KEY, "value": str(SCHEMA_VERSION)}
    tx.run('DELETE FROM meta WHERE "key" = %(key)s', row)
    tx.run('INSERT INTO meta ("key", value) VALUES (%(key)s, %(value)s)', row)


def _create(connection: Connection, tx: Transaction) -> None:
    from state import tables

    tables.create(connection)
    search.create(tx)
    tx.run(f"CREATE TABLE {STAMP} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    tx.run(f"INSERT INTO {STAMP} VALUES ('{SCHEMA_VERSION:04}')")


def _run_scripts(connection: Connection, version: int | None, *, stamped: bool) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if not stamped:  # The database was made before there were scripts.
        command.stamp(config, f"{version:04}")
    command.upgrade(config, "head")


def _tables(tx: Transaction) -> set[str]:
    return {name for (name,) in tx.rows(_NAMES[tx.is_postgres])}


def _version(tx: Transaction) -> int | None:
    value = tx.value('SELECT value FROM meta WHERE "key" = %(key)s', {"key": VERSION_KEY})
    return int(value) if value is not None and value.isdigit() else None
