"""Due and deferred beads, what is set aside, the history of changes, lines of other types."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from state import frontier
from state.fields import Malformed, time_of
from state.jsonl import aside_of
from state.models import BEAD_KINDS
from state.transactions import Transaction

revision = "0005"
down_revision = "0004"

WORK = "kind IN ('epic', 'task', 'bug', 'feature', 'chore', 'step')"
READY = f"status = 'open' AND waiting = 0 AND aside = 0 AND {WORK}"


def upgrade() -> None:
    # Not as a batch: SQLite would make the table anew, and lose the triggers of the search.
    op.add_column("bead", sa.Column("due_at", sa.Float()))
    op.add_column("bead", sa.Column("defer_until", sa.Float()))
    op.add_column("bead", sa.Column("aside", sa.Integer(), nullable=False, server_default="0"))
    for name, columns, where in (
        ("bead_ready", ["priority", "created_at", "id"], READY),
        (
            "bead_ready_in_run",
            ["run_id", "priority", "created_at", "id"],
            f"{READY} AND run_id IS NOT NULL",
        ),
    ):
        op.drop_index(name, "bead")
        _index(name, columns, where)
    _index("bead_due", ["due_at"], "due_at IS NOT NULL")
    _index("bead_deferred", ["defer_until"], "defer_until IS NOT NULL")
    op.create_table(
        "bead_change",
        sa.Column("sequence", sa.Integer(), primary_key=True),
        sa.Column(
            "bead_id", sa.String(), sa.ForeignKey("bead.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("author", sa.String()),
        sa.Column("what", sa.String(), nullable=False),
        *(sa.Column(name, sa.String()) for name in ("old", "new", "note")),
    )
    op.create_index("ix_bead_change_bead_id", "bead_change", ["bead_id"])
    op.create_table(
        "foreign_line",
        sa.Column("sequence", sa.Integer(), primary_key=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("name", sa.String()),
        sa.Column("text", sa.String(), nullable=False),
    )
    tx = Transaction.within(op.get_bind())
    for id, kind, status, extra in tx.rows("SELECT id, kind, status, extra FROM bead"):
        said = json.loads(extra) if isinstance(extra, str) else extra
        if said:
            tx.run(_READ_AGAIN, {"id": id, **_what_it_says(kind, status, said)})
    frontier.settle_all(tx)


def _index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "bead", columns, sqlite_where=condition, postgresql_where=condition)


_READ_AGAIN = """
    UPDATE bead SET kind = %(kind)s, due_at = %(due_at)s, defer_until = %(defer_until)s,
    aside = %(aside)s WHERE id = %(id)s
"""


def _what_it_says(kind: str, status: str, extra: dict[str, Any]) -> dict[str, Any]:
    """What an imported record says that no column held until now; ``extra`` keeps its words."""
    known = extra.get("issue_type")
    found: dict[str, Any] = {
        "kind": known if kind == "task" and known in BEAD_KINDS else kind,
        "aside": aside_of(status, extra),
    }
    for name in ("due_at", "defer_until"):
        try:
            found[name] = time_of(extra, name)
        except Malformed:  # it stays what it was: a text that is written back
            found[name] = None
    return found
