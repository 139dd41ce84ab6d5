"""Issue tracking: comments, notes, imported fields, search, and a column for what waits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from state import search
from state.transactions import Transaction

revision = "0002"
down_revision = "0001"

NAMES = {"fk": "fk_%(table_name)s_%(column_0_name)s"}
"""SQLite has no names for foreign keys; PostgreSQL gave them its own."""


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"

    def foreign_key(table: str, column: str) -> str:
        return f"{table}_{column}_fkey" if postgres else f"fk_{table}_{column}"

    op.drop_index("bead_frontier", "bead")
    op.drop_index("bead_of_run", "bead")
    with op.batch_alter_table("bead", naming_convention=NAMES) as bead:
        bead.drop_constraint(foreign_key("bead", "parent"), type_="foreignkey")
        bead.add_column(sa.Column("notes", sa.String(), nullable=False, server_default=""))
        bead.add_column(_extra())
        bead.add_column(sa.Column("waiting", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("dependency", naming_convention=NAMES) as dependency:
        dependency.drop_constraint(foreign_key("dependency", "to_id"), type_="foreignkey")
        dependency.add_column(sa.Column("created_at", sa.Float()))
        dependency.add_column(sa.Column("created_by", sa.String()))
        dependency.add_column(_extra())
    op.create_table(
        "comment",
        sa.Column("sequence", sa.Integer(), primary_key=True),
        sa.Column(
            "bead_id", sa.String(), sa.ForeignKey("bead.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        _extra(),
    )
    op.create_index("ix_comment_bead_id", "comment", ["bead_id"])
    op.create_index("bead_of_run", "bead", ["run_id", "created_at"])
    op.execute(
        "INSERT INTO dependency (from_id, to_id, type) "
        "SELECT id, parent, 'parent-child' FROM bead WHERE parent IS NOT NULL"
    )
    ready = (
        "status = 'open' AND waiting = 0 AND "
        "kind IN ('epic', 'task', 'bug', 'feature', 'chore', 'step')"
    )
    for name, columns, where in (
        ("bead_ready", ["priority", "created_at", "id"], ready),
        (
            "bead_ready_in_run",
            ["run_id", "priority", "created_at", "id"],
            f"{ready} AND run_id IS NOT NULL",
        ),
        ("bead_leased", ["lease_until"], "status = 'in_progress'"),
    ):
        condition = sa.text(where)
        op.create_index(name, "bead", columns, sqlite_where=condition, postgresql_where=condition)
    search.create(Transaction.within(op.get_bind()))
    # The column `waiting` is filled in by 0004, which changes what it means.


def _extra() -> sa.Column[object]:
    return sa.Column("extra", sa.JSON(), nullable=False, server_default="{}")
