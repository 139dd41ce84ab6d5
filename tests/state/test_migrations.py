"""Older databases are brought up to date without losing a row; both ways lead to the same tables."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from sqlalchemy import JSON, Boolean, Connection, create_engine, inspect, text
from sqlmodel import SQLModel

from state import (
    SCHEMA_VERSION,
    Bead,
    BeadStore,
    Call,
    Comment,
    Dependency,
    Run,
    Runs,
    StoreError,
    tables,
)
from state.models import OPEN_WORK, Change, ForeignLine, Record
from state.tracker import Tracker
from tests import postgres

FIRST = (Path(__file__).parent / "first_tables.sql").read_text()
"""A database of version 1, from before there were scripts, as its program wrote it."""


def older(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(FIRST)
    return path


def shape(connection: Connection) -> dict[str, Any]:
    """Tables, columns, keys and indexes, without the order in which they were made."""
    look = inspect(connection)
    return {
        table: {
            "columns": {
                c["name"]: (str(c["type"]), c["nullable"], str(c["default"]).split("::")[0])
                for c in look.get_columns(table)
            },
            "primary": look.get_pk_constraint(table)["constrained_columns"],
            "foreign": sorted(
                (*f["constrained_columns"], f["referred_table"], str(f["options"]))
                for f in look.get_foreign_keys(table)
            ),
            "indexes": sorted(
                (str(i["name"]), str(i["column_names"]), str(i["unique"]))
                for i in look.get_indexes(table)
            ),
        }
        for table in look.get_table_names()
        if not table.startswith("bead_search")
    }


def shape_at(url: str) -> dict[str, Any]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        return shape(connection)


@pytest.mark.slow
def test_a_populated_older_database(tmp_path: Path) -> None:
    store = BeadStore.open(older(tmp_path))
    top, first, second = (store.get(f"hm-{n}") for n in ("top", "one", "two"))
    assert (top.kind, top.title, top.data) == ("epic", "Naïve — \x22quoted\x22", {"n": [1]})
    assert (second.parent, second.notes, second.extra) == ("hm-top", "", {})
    assert [bead.id for bead in store.ready()] == ["hm-one"]
    assert [bead.id for bead in store.blocked()] == ["hm-two"]
    assert [(e.to_id, e.type) for e in store.dependencies("hm-two")] == [
        ("hm-top", "parent-child"), ("hm-one", "blocks"),
    ]  # fmt: skip
    assert [bead.id for bead in Tracker(store).search("quoted")] == ["hm-top"]
    assert Runs(store).get("run-1").answer == "42"
    store.close(first.id)
    assert "hm-two" in [bead.id for bead in store.ready()]
    store.close_database()
    again = BeadStore.open(tmp_path / "state.db")
    assert len(again.query()) == 3


@pytest.mark.slow
def test_older_runs_get_a_kind_of_stop(tmp_path: Path) -> None:
    path = older(tmp_path)
    with sqlite3.connect(path) as connection:
        for id, status, verdict, why in (
            ("run-2", "finished", "exhausted", "out of budget: 3 of 3 calls"),
            ("run-3", "interrupted", None, "the plan waits for approval"),
            ("run-4", "interrupted", None, "stopped on request"),
        ):
            connection.execute(
                "INSERT INTO run VALUES (?, 'p', '{\"id\": 1}', '{}', ?, ?, ?, NULL, NULL, 0, "
                "1.0, 2.0, 2.0, 1, 7, 1.5, 0.0, NULL, NULL, NULL)",
                (id, status, verdict, why),
            )
    runs = Runs(BeadStore.open(path))
    found = [runs.get(f"run-{n}") for n in (1, 2, 3, 4)]
    assert [run.stop_kind for run in found] == [None, "budget", "approval", None]
    assert [run.status for run in found[1:]] == ["finished", "awaiting-approval", "interrupted"]
    assert (found[1].problem_json, found[1].stop_reason) == (
        '{"id": 1}', "out of budget: 3 of 3 calls",
    )  # fmt: skip


@pytest.mark.slow
def test_triggers_of_old_and_new_are_the_same(tmp_path: Path) -> None:
    BeadStore.open(older(tmp_path)).close_database()
    BeadStore.open(tmp_path / "new.db").close_database()
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
    old, new = (
        [
            (name, " ".join(sql.split()))
            for name, sql in sqlite3.connect(tmp_path / file).execute(query)
        ]
        for file in ("state.db", "new.db")
    )
    assert old == new != []


@pytest.mark.slow
def test_old_and_new_have_the_same_tables(tmp_path: Path) -> None:
    BeadStore.open(older(tmp_path)).close_database()
    BeadStore.open(tmp_path / "new.db").close_database()
    assert shape_at(f"sqlite:///{tmp_path}/state.db") == shape_at(f"sqlite:///{tmp_path}/new.db")


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = older(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE comment (what)")  # in the way
    before = sqlite3.connect(path).execute("SELECT sql FROM sqlite_master ORDER BY 1").fetchall()
    with pytest.raises(StoreError, match="table comment already exists"):
        BeadStore.open(path)
    after = sqlite3.connect(path).execute("SELECT sql FROM sqlite_master ORDER BY 1").fetchall()
    assert after == before


@pytest.mark.parametrize("stamp", ["0099", "f00d"])
def test_a_newer_database_is_refused(tmp_path: Path, stamp: str) -> None:
    path = tmp_path / "state.db"
    BeadStore.open(path).close_database()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (stamp,))
    content = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        BeadStore.open(path)
    assert str(caught.value) == (
        f"state database {path} has schema version {stamp}, but this program knows up to "
        f"{SCHEMA_VERSION}; upgrade hi-moe"
    )
    assert path.read_bytes() == content


@pytest.mark.slow
def test_postgres_from_nothing_through_every_script(postgres_server: str) -> None:
    by_scripts, at_once = (postgres.new_database(postgres_server) for _ in range(2))
    engine = create_engine(by_scripts.replace("postgresql:", "postgresql+psycopg:"))
    run_scripts(engine.connect(), "0001")
    BeadStore.open(by_scripts).close_database()
    BeadStore.open(at_once).close_database()
    assert shape_at(by_scripts) == shape_at(at_once)


def test_sqlite_from_nothing_through_every_script(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    run_scripts(create_engine(url).connect(), "0001")
    BeadStore.open(url).close_database()
    BeadStore.open(tmp_path / "new.db").close_database()
    assert shape_at(url) == shape_at(f"sqlite:///{tmp_path}/new.db")


def run_scripts(connection: Connection, until: str, since: int = 0) -> None:
    from alembic import command
    from alembic.config import Config

    from state.schema import MIGRATIONS

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    with connection:
        if since:
            command.stamp(config, f"{since:04}")
        command.upgrade(config, until)
        connection.execute(text("DELETE FROM meta WHERE key = 'schema_version'"))
        connection.execute(text(f"INSERT INTO meta VALUES ('schema_version', '{int(until)}')"))
        connection.commit()


def test_the_scripts_ship_with_the_package() -> None:
    from state.schema import MIGRATIONS

    assert (MIGRATIONS / "env.py").is_file()
    scripts = sorted(f for f in os.listdir(MIGRATIONS / "versions") if f[0].isdigit())
    assert scripts[-1].startswith(f"{SCHEMA_VERSION:04}_")


RECORDS = (Run, Bead, Dependency, Comment, Change, ForeignLine, Call)
KEPT = {Bead: ("waiting", "aside")}
"""Columns that the store keeps for itself."""


@pytest.mark.parametrize("record", RECORDS)
def test_records_and_tables_have_the_same_fields(record: type[Record]) -> None:
    table: Any = getattr(tables, record.__name__)
    assert table.__tablename__ == record.TABLE
    assert tuple(table.model_fields) == record.names()
    types, required = get_type_hints(record), set()
    for field in dataclasses.fields(record):  # type: ignore[arg-type]
        defined = table.model_fields[field.name]
        assert defined.annotation == types[field.name], field.name
        if field.default is field.default_factory is dataclasses.MISSING:
            required.add(field.name)
            continue
        made = field.default_factory
        default = field.default if made is dataclasses.MISSING else made()
        assert defined.default == default, field.name
    assert required == {n for n, f in table.model_fields.items() if f.is_required()}
    columns = SQLModel.metadata.tables[record.TABLE].columns
    assert tuple(columns.keys()) == (*record.names(), *KEPT.get(record, ()))
    for name, kind in ((name, columns[name].type) for name in record.names()):
        assert isinstance(kind, JSON) is (name in record.JSON), name
        assert isinstance(kind, Boolean) is (name in record.BOOLEAN), name


def test_every_table_is_one_of_the_records() -> None:
    assert {t.__tablename__ for t in tables.TABLES} == {"meta", *(r.TABLE for r in RECORDS)}


def test_the_index_of_ready_work_is_what_is_asked_for() -> None:
    (index,) = (i for i in SQLModel.metadata.tables["bead"].indexes if i.name == "bead_ready")
    assert str(index.dialect_options["sqlite"]["where"]) == OPEN_WORK


IMPORTED = {
    "hm-gate": {"issue_type": "gate"},
    "hm-pin": {"pinned": True},
    "hm-old": {"defer_until": "2099-01-01T00:00:00Z", "due_at": "2098-01-01T00:00:00Z"},
    "hm-odd": {"due_at": "some day"},
}
"""Beads that an import brought before their fields were understood → what they kept in ``extra``."""


def test_what_an_earlier_import_kept_is_read_again(tmp_path: Path) -> None:
    path = older(tmp_path)
    run_scripts(create_engine(f"sqlite:///{path}").connect(), "0003", since=1)
    with sqlite3.connect(path) as connection:
        for id, extra in IMPORTED.items():
            connection.execute(
                "INSERT INTO bead (id, kind, title, body, status, priority, attempts, labels, data, "
                "created_at, updated_at, extra) VALUES (?, 'task', 't', '', 'open', 2, 0, '[]', "
                "'{}', 0, 0, ?)",
                (id, json.dumps(extra)),
            )
    store = BeadStore.open(path)
    assert store.get("hm-gate").kind == "gate"
    assert store.get("hm-old").due_at == 4039372800.0
    assert store.get("hm-odd").due_at is None
    assert store.get("hm-odd").extra == IMPORTED["hm-odd"]
    ready = [bead.id for bead in store.ready()]
    assert set(IMPORTED) & set(ready) == {"hm-odd"}
