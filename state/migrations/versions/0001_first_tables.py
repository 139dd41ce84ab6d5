"""The first tables. Databases from before there were scripts have them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    text, number, time = sa.String(), sa.Integer(), sa.Float()
    op.create_table(
        "meta",
        sa.Column("key", text, primary_key=True),
        sa.Column("value", text, nullable=False),
    )
    op.create_table(
        "run",
        sa.Column("id", text, primary_key=True),
        *(_required(name, text) for name in ("problem_id", "task_json", "config_json", "status")),
        *(sa.Column(name, text) for name in ("verdict", "stop_reason", "answer")),
        sa.Column("reference_match", sa.Boolean()),
        _required("seed", number),
        *(_required(name, time) for name in ("created_at", "updated_at")),
        sa.Column("closed_at", time),
        *(_required(name, number) for name in ("spent_calls", "spent_tokens")),
        *(_required(name, time) for name in ("spent_seconds", "spent_cost")),
        sa.Column("owner", text),
        *(sa.Column(name, time) for name in ("owner_until", "active_at")),
    )
    op.create_index("ix_run_created_at", "run", ["created_at"])
    op.create_index("ix_run_status", "run", ["status"])
    op.create_table(
        "bead",
        sa.Column("id", text, primary_key=True),
        sa.Column("key", text, unique=True),
        *(_required(name, text) for name in ("kind", "title", "body", "status")),
        _required("priority", number),
        sa.Column("parent", text, sa.ForeignKey("bead.id", deferrable=True, initially="DEFERRED")),
        *(sa.Column(name, text) for name in ("run_id", "tier", "assignee")),
        sa.Column("lease_until", time),
        _required("attempts", number),
        *(sa.Column(name, time) for name in ("confidence", "surprise")),
        *(_required(name, sa.JSON()) for name in ("labels", "data")),
        *(_required(name, time) for name in ("created_at", "updated_at")),
        sa.Column("closed_at", time),
        sa.Column("close_reason", text),
    )
    op.create_index("ix_bead_parent", "bead", ["parent"])
    op.create_index("bead_of_run", "bead", ["run_id", "status", "priority", "created_at"])
    op.create_index("bead_frontier", "bead", ["status", "priority", "created_at"])
    op.create_table(
        "call",
        sa.Column("sequence", number, primary_key=True),
        sa.Column("key", text, nullable=False, unique=True),
        *(
            _required(name, text)
            for name in ("run_id", "bead_id", "tier", "specialist", "adapter_digest", "model")
        ),
        _required("prompt", sa.JSON()),
        _required("response", text),
        *(_required(name, number) for name in ("prompt_tokens", "completion_tokens")),
        *(_required(name, time) for name in ("latency_s", "cost")),
        _required("finish_reason", text),
        *(_required(name, number) for name in ("attempt", "sample")),
        _required("params", sa.JSON()),
        _required("created_at", time),
    )
    op.create_index("ix_call_bead_id", "call", ["bead_id"])
    op.create_index("ix_call_run_id", "call", ["run_id"])
    op.create_table(
        "dependency",
        sa.Column("from_id", text, sa.ForeignKey("bead.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("to_id", text, sa.ForeignKey("bead.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("type", text, primary_key=True),
    )
    op.create_index("ix_dependency_to_id", "dependency", ["to_id"])


def _required(name: str, type: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, type, nullable=False)
