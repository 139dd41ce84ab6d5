"""Why a run stopped as data; a column named after what it holds; a state for waiting runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("run") as run:
        run.alter_column("task_json", new_column_name="problem_json")
        run.add_column(sa.Column("stop_kind", sa.String()))
    op.execute("UPDATE run SET stop_kind = 'budget' WHERE verdict = 'exhausted'")
    op.execute(
        "UPDATE run SET status = 'awaiting-approval', stop_kind = 'approval' "
        "WHERE status = 'interrupted' AND stop_reason = 'the plan waits for approval'"
    )
