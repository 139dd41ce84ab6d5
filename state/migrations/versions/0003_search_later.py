"""Search on SQLite: writing only numbers a document, the search after it indexes it."""

from __future__ import annotations

from alembic import op

from state.search import NUMBERING

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        return
    for name in ("bead_search_insert", "bead_search_comment"):
        op.execute(f"DROP TRIGGER {name}")
    for statement in NUMBERING:
        op.execute(statement)
