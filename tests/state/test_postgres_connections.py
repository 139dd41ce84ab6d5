"""Connections to a server that went away meanwhile."""

from __future__ import annotations

import pytest
import sqlalchemy

from state import BeadStore, postgres


def test_a_connection_that_rested_is_asked_before_it_is_used(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "RESTED_S", -1.0)
    store = BeadStore.open(postgres_url)
    bead = store.create("step", "s")
    other = sqlalchemy.create_engine(
        sqlalchemy.make_url(postgres_url).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
    )
    with other.connect() as connection:
        ended = connection.execute(
            sqlalchemy.text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar_one()
    other.dispose()
    assert ended > 0
    assert store.claim(bead.id, assignee="me", lease_s=60) is not None
    assert store.get(bead.id).assignee == "me"
    store.close_database()
