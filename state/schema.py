"""Tables of a state database: made, recognised, and brought up to date by alembic's scripts."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Table, inspect, text
from sqlmodel import SQLModel

from state import search
from state.errors import StoreError
from state.models import SCHEMA_VERSION, Bead, Call, Comment, Dependency, Meta, Run

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_KEY = "schema_version"
"""Row of ``meta`` that holds the version, so that a program without alembic can tell."""
STAMP = "alembic_version"
"""Alembic's own table: the number of the last script, as in ``0002``."""

_TABLES: tuple[type[SQLModel], ...] = (Meta, Run, Bead, Dependency, Comment, Call)


def is_current(connection: Connection, name: str) -> bool:
    """Whether the tables are of this program's version; makes them where there are none.

    Raises StoreError if they are another program's or a newer version's.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        _create(connection)
        return True
    version = _version(connection) if "meta" in tables else None
    if version is None:
        raise StoreError(
            f"state database {name} is a database of another program; set HARNESS_HOME"
        )
    stamp = connection.scalar(text(f"SELECT version_num FROM {STAMP}")) if STAMP in tables else None
    newer = stamp is not None and (not stamp.isdigit() or int(stamp) > SCHEMA_VERSION)
    if version > SCHEMA_VERSION or newer:
        says = version if version > SCHEMA_VERSION else stamp
        raise StoreError(
            f"state database {name} has schema version {says}, but this program knows up "
            f"to {SCHEMA_VERSION}; upgrade hi-moe"
        )
    return version == SCHEMA_VERSION


def upgrade(connection: Connection) -> None:
    """Run the scripts that the database lacks, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    version = _version(connection)
    if version == SCHEMA_VERSION:  # another process has done it
        return
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if STAMP not in inspect(connection).get_table_names():  # it was made before there were scripts
        command.stamp(config, f"{version:04}")
    command.upgrade(config, "head")
    _write_version(connection)


def _create(connection: Connection) -> None:
    tables: list[Table] = [SQLModel.metadata.tables[str(t.__tablename__)] for t in _TABLES]
    SQLModel.metadata.create_all(connection, tables=tables)
    search.create(connection)
    connection.execute(text(f"CREATE TABLE {STAMP} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text(f"INSERT INTO {STAMP} VALUES ('{SCHEMA_VERSION:04}')"))
    _write_version(connection)


def _version(connection: Connection) -> int | None:
    query = text("SELECT value FROM meta WHERE key = :key")
    value = connection.scalar(query, {"key": VERSION_KEY})
    return int(value) if value is not None and value.isdigit() else None


def _write_version(connection: Connection) -> None:
    row = {"key": VERSION_KEY, "value": str(SCHEMA_VERSION)}
    connection.execute(text("DELETE FROM meta WHERE key = :key"), row)
    connection.execute(text("INSERT INTO meta (key, value) VALUES (:key, :value)"), row)
