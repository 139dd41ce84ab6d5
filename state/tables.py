"""The tables, defined with SQLModel.

Imported only where a database is created or its tables are compared. Ordinary reads and writes use
the plain records of :mod:`state.models`, which have the same fields, because importing SQLModel at
every start takes longer than most commands do.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Index, Integer, String, Table, text
from sqlmodel import Field, SQLModel

from state.models import OPEN_WORK, BeadKind, BeadStatus, DependencyType
from state.status import RunStatus, StopKind

_EMPTY = {"server_default": "{}"}


class Meta(SQLModel, table=True):
    """Facts about the database itself."""

    __tablename__ = "meta"

    key: str = Field(primary_key=True)
    value: str


class Run(SQLModel, table=True):
    """See :class:`state.models.Run`."""

    __tablename__ = "run"

    id: str = Field(primary_key=True)
    problem_id: str
    problem_json: str = "{}"
    config_json: str = "{}"
    status: RunStatus = Field(default="running", sa_type=String, index=True)
    verdict: str | None = None
    stop_kind: StopKind | None = Field(default=None, sa_type=String)
    stop_reason: str | None = None
    answer: str | None = None
    reference_match: bool | None = None
    seed: int = 0
    created_at: float = Field(index=True)
    updated_at: float
    closed_at: float | None = None
    spent_calls: int = 0
    spent_tokens: int = 0
    spent_seconds: float = 0.0
    spent_cost: float = 0.0
    owner: str | None = None
    owner_until: float | None = None
    active_at: float | None = None


class Bead(SQLModel, table=True):
    """See :class:`state.models.Bead`."""

    __tablename__ = "bead"
    __table_args__ = (Index("bead_of_run", "run_id", "created_at"),)

    id: str = Field(default="", primary_key=True)
    key: str | None = Field(default=None, unique=True)
    kind: BeadKind = Field(sa_type=String)
    title: str
    body: str = ""
    status: BeadStatus = Field(default="open", sa_type=String)
    priority: int = 2
    parent: str | None = Field(default=None, index=True)
    run_id: str | None = None
    tier: str | None = None
    assignee: str | None = None
    lease_until: float | None = None
    attempts: int = 0
    confidence: float | None = None
    surprise: float | None = None
    labels: list[str] = Field(default=[], sa_type=JSON)
    data: dict[str, Any] = Field(default={}, sa_type=JSON)
    created_at: float = 0.0
    updated_at: float = 0.0
    closed_at: float | None = None
    close_reason: str | None = None
    notes: str = Field(default="", sa_column_kwargs={"server_default": ""})
    extra: dict[str, Any] = Field(default={}, sa_type=JSON, sa_column_kwargs=_EMPTY)
    due_at: float | None = None
    defer_until: float | None = None


class Dependency(SQLModel, table=True):
    """See :class:`state.models.Dependency`."""

    __tablename__ = "dependency"

    from_id: str = Field(primary_key=True, foreign_key="bead.id", ondelete="CASCADE")
    to_id: str = Field(primary_key=True, index=True)
    type: DependencyType = Field(default="blocks", primary_key=True, sa_type=String)
    created_at: float | None = None
    created_by: str | None = None
    extra: dict[str, Any] = Field(default={}, sa_type=JSON, sa_column_kwargs=_EMPTY)


class Comment(SQLModel, table=True):
    """See :class:`state.models.Comment`."""

    __tablename__ = "comment"

    sequence: int | None = Field(default=None, primary_key=True)
    bead_id: str = Field(index=True, foreign_key="bead.id", ondelete="CASCADE")
    author: str = ""
    text: str
    created_at: float = 0.0
    extra: dict[str, Any] = Field(default={}, sa_type=JSON, sa_column_kwargs=_EMPTY)


class Change(SQLModel, table=True):
    """See :class:`state.models.Change`."""

    __tablename__ = "bead_change"

    sequence: int | None = Field(default=None, primary_key=True)
    bead_id: str = Field(index=True, foreign_key="bead.id", ondelete="CASCADE")
    at: float
    author: str | None = None
    what: str
    old: str | None = None
    new: str | None = None
    note: str | None = None


class ForeignLine(SQLModel, table=True):
    """See :class:`state.models.ForeignLine`."""

    __tablename__ = "foreign_line"

    sequence: int | None = Field(default=None, primary_key=True)
    type: str
    name: str | None = None
    text: str


class Call(SQLModel, table=True):
    """See :class:`state.models.Call`."""

    __tablename__ = "call"

    sequence: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    run_id: str = Field(index=True)
    bead_id: str = Field(index=True)
    tier: str
    specialist: str
    adapter_digest: str = ""
    model: str
    prompt: list[dict[str, Any]] = Field(sa_type=JSON)
    response: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_s: float = 0.0
    cost: float = 0.0
    finish_reason: str = ""
    attempt: int = 0
    sample: int = 0
    params: dict[str, Any] = Field(default={}, sa_type=JSON)
    created_at: float = 0.0


METADATA = SQLModel.metadata
TABLES: tuple[type[SQLModel], ...] = (
    Meta, Run, Bead, Dependency, Comment, Change, ForeignLine, Call,
)  # fmt: skip

_BEAD: Table = SQLModel.metadata.tables["bead"]
# Kept by the store and no part of a bead: `waiting` is 1 while the bead, or one above it, has an open
# blocker; `aside` is 1 for what is never offered as work, 2 if it holds nobody either.
for _name in ("waiting", "aside"):
    _BEAD.append_column(Column(_name, Integer, nullable=False, server_default="0"))

for _name, _columns, _where in (
    ("bead_ready", ("priority", "created_at", "id"), OPEN_WORK),
    (
        "bead_ready_in_run",
        ("run_id", "priority", "created_at", "id"),
        f"{OPEN_WORK} AND run_id IS NOT NULL",
    ),
    ("bead_leased", ("lease_until",), "status = 'in_progress'"),
    ("bead_due", ("due_at",), "due_at IS NOT NULL"),
    ("bead_deferred", ("defer_until",), "defer_until IS NOT NULL"),
):
    Index(
        _name, *(_BEAD.c[column] for column in _columns),
        sqlite_where=text(_where), postgresql_where=text(_where),
    )  # fmt: skip


def create(connection: Any) -> None:
    """Create the tables, inside the transaction of an SQLAlchemy connection."""
    tables = [METADATA.tables[str(table.__tablename__)] for table in TABLES]
    METADATA.create_all(connection, tables=tables)
