"""Tables of a state database: made, recognised, and brought up to date by alembic's scripts.

The statements stand here in SQL, so that to make or to open a store needs no library; a test
compares what they make with what the scripts make.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from state import search
from state.driver import Transaction
from state.errors import NoStoreError, StoreError
from state.models import OPEN_WORK, SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_KEY = "schema_version"
"""Row of ``meta`` that holds the version, so that a program without alembic can tell."""
STAMP = "alembic_version"
"""Alembic's own table: the number of the last script, as in ``0002``."""

_TABLES = (
    """
    CREATE TABLE meta ("key" VARCHAR NOT NULL PRIMARY KEY, value VARCHAR NOT NULL)
    """,
    """
    CREATE TABLE run (
        id VARCHAR NOT NULL PRIMARY KEY,
        problem_id VARCHAR NOT NULL,
        task_json VARCHAR NOT NULL,
        config_json VARCHAR NOT NULL,
        status VARCHAR NOT NULL,
        verdict VARCHAR,
        stop_reason VARCHAR,
        answer VARCHAR,
        reference_match BOOLEAN,
        seed INTEGER NOT NULL,
        created_at FLOAT NOT NULL,
        updated_at FLOAT NOT NULL,
        closed_at FLOAT,
        spent_calls INTEGER NOT NULL,
        spent_tokens INTEGER NOT NULL,
        spent_seconds FLOAT NOT NULL,
        spent_cost FLOAT NOT NULL,
        owner VARCHAR,
        owner_until FLOAT,
        active_at FLOAT
    )
    """,
    "CREATE INDEX ix_run_created_at ON run (created_at)",
    "CREATE INDEX ix_run_status ON run (status)",
    # Kept by the store and no part of a bead: `waiting` is 1 while the bead, or one above it, has
    # an open blocker; `aside` is 1 for what is never offered as work, 2 if it holds nobody either.
    """
    CREATE TABLE bead (
        id VARCHAR NOT NULL PRIMARY KEY,
        "key" VARCHAR UNIQUE,
        kind VARCHAR NOT NULL,
        title VARCHAR NOT NULL,
        body VARCHAR NOT NULL,
        status VARCHAR NOT NULL,
        priority INTEGER NOT NULL,
        parent VARCHAR,
        run_id VARCHAR,
        tier VARCHAR,
        assignee VARCHAR,
        lease_until FLOAT,
        attempts INTEGER NOT NULL,
        confidence FLOAT,
        surprise FLOAT,
        labels JSON NOT NULL,
        data JSON NOT NULL,
        created_at FLOAT NOT NULL,
        updated_at FLOAT NOT NULL,
        closed_at FLOAT,
        close_reason VARCHAR,
        notes VARCHAR DEFAULT '' NOT NULL,
        extra JSON DEFAULT '{}' NOT NULL,
        due_at FLOAT,
        defer_until FLOAT,
        waiting INTEGER DEFAULT '0' NOT NULL,
        aside INTEGER DEFAULT '0' NOT NULL
    )
    """,
    f"CREATE INDEX bead_ready ON bead (priority, created_at, id) WHERE {OPEN_WORK}",
    "CREATE INDEX bead_ready_in_run ON bead (run_id, priority, created_at, id) "
    f"WHERE {OPEN_WORK} AND run_id IS NOT NULL",
    "CREATE INDEX bead_of_run ON bead (run_id, created_at)",
    "CREATE INDEX bead_leased ON bead (lease_until) WHERE status = 'in_progress'",
    "CREATE INDEX ix_bead_parent ON bead (parent)",
    "CREATE INDEX bead_due ON bead (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX bead_deferred ON bead (defer_until) WHERE defer_until IS NOT NULL",
    """
    CREATE TABLE dependency (
        from_id VARCHAR NOT NULL,
        to_id VARCHAR NOT NULL,
        type VARCHAR NOT NULL,
        created_at FLOAT,
        created_by VARCHAR,
        extra JSON DEFAULT '{}' NOT NULL,
        PRIMARY KEY (from_id, to_id, type),
        FOREIGN KEY (from_id) REFERENCES bead (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_dependency_to_id ON dependency (to_id)",
    """
    CREATE TABLE comment (
        sequence SERIAL NOT NULL PRIMARY KEY,
        bead_id VARCHAR NOT NULL,
        author VARCHAR NOT NULL,
        text VARCHAR NOT NULL,
        created_at FLOAT NOT NULL,
        extra JSON DEFAULT '{}' NOT NULL,
        FOREIGN KEY (bead_id) REFERENCES bead (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_comment_bead_id ON comment (bead_id)",
    """
    CREATE TABLE bead_change (
        sequence SERIAL NOT NULL PRIMARY KEY,
        bead_id VARCHAR NOT NULL,
        at FLOAT NOT NULL,
        author VARCHAR,
        what VARCHAR NOT NULL,
        old VARCHAR,
        new VARCHAR,
        note VARCHAR,
        FOREIGN KEY (bead_id) REFERENCES bead (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_bead_change_bead_id ON bead_change (bead_id)",
    """
    CREATE TABLE foreign_line (
        sequence SERIAL NOT NULL PRIMARY KEY,
        type VARCHAR NOT NULL,
        name VARCHAR,
        text VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE call (
        sequence SERIAL NOT NULL PRIMARY KEY,
        "key" VARCHAR NOT NULL UNIQUE,
        run_id VARCHAR NOT NULL,
        bead_id VARCHAR NOT NULL,
        tier VARCHAR NOT NULL,
        specialist VARCHAR NOT NULL,
        adapter_digest VARCHAR NOT NULL,
        model VARCHAR NOT NULL,
        prompt JSON NOT NULL,
        response VARCHAR NOT NULL,
        prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        latency_s FLOAT NOT NULL,
        cost FLOAT NOT NULL,
        finish_reason VARCHAR NOT NULL,
        attempt INTEGER NOT NULL,
        sample INTEGER NOT NULL,
        params JSON NOT NULL,
        created_at FLOAT NOT NULL
    )
    """,
    "CREATE INDEX ix_call_bead_id ON call (bead_id)",
    "CREATE INDEX ix_call_run_id ON call (run_id)",
    f"CREATE TABLE {STAMP} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
    f"INSERT INTO {STAMP} VALUES ('{SCHEMA_VERSION:04}')",
    f"INSERT INTO meta VALUES ('{VERSION_KEY}', '{SCHEMA_VERSION}')",
)
"""As PostgreSQL takes them; SQLite's rows have numbers of their own where a column is SERIAL."""

_NAMES = {
    False: "SELECT name FROM sqlite_master WHERE type = 'table'",
    True: "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}
"""What lists the tables, whether on PostgreSQL or not."""


def is_current(tx: Transaction, name: str, *, create: bool = True) -> bool:
    """Whether the tables are of this program's version; makes them where there are none.

    Raises StoreError if they are another program's or a newer version's, and NoStoreError where
    there are none and none may be made.
    """
    tables = _tables(tx)
    if not tables:
        if not create:
            raise NoStoreError(name)
        _create(tx)
        return True
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
    """Run the scripts that the database lacks, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config

    tx = Transaction.within(connection)
    version = _version(tx)
    if version == SCHEMA_VERSION:  # another process has done it
        return
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if STAMP not in _tables(tx):  # it was made before there were scripts
        command.stamp(config, f"{version:04}")
    command.upgrade(config, "head")
    row = {"key": VERSION_KEY, "value": str(SCHEMA_VERSION)}
    tx.run('UPDATE meta SET value = %(value)s WHERE "key" = %(key)s', row)


def _tables(tx: Transaction) -> set[str]:
    return {name for (name,) in tx.rows(_NAMES[tx.is_postgres])}


def _create(tx: Transaction) -> None:
    for statement in _TABLES:
        tx.run(statement if tx.is_postgres else statement.replace("SERIAL", "INTEGER"))
    search.create(tx)


def _version(tx: Transaction) -> int | None:
    value = tx.value('SELECT value FROM meta WHERE "key" = %(key)s', {"key": VERSION_KEY})
    return int(value) if value is not None and value.isdigit() else None
