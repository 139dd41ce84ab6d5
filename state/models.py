"""The tables. Times are seconds since the epoch (UTC), to the microsecond; texts are unlimited."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import Any, Literal, TypeAlias, get_args

from pydantic_core import PydanticUndefined
from sqlalchemy import JSON, Column, Index, Integer, String, Table, text
from sqlmodel import Field, SQLModel

from state.status import RunStatus, StopKind

SCHEMA_VERSION = 4
"""Version of the tables below, and number of the last script in ``state/migrations/versions``."""

BeadKind: TypeAlias = Literal[
    "epic", "task", "bug", "feature", "chore", "step", "decision", "outcome", "insight", "routine"
]
BeadStatus: TypeAlias = Literal["open", "in_progress", "blocked", "deferred", "closed", "tombstone"]
DependencyType: TypeAlias = Literal["blocks", "parent-child", "related", "discovered-from"]

BEAD_KINDS: tuple[str, ...] = get_args(BeadKind)
BEAD_STATUSES: tuple[str, ...] = get_args(BeadStatus)
DEPENDENCY_TYPES: tuple[str, ...] = get_args(DependencyType)
WORK_KINDS: tuple[str, ...] = ("epic", "task", "bug", "feature", "chore", "step")
"""Kinds that somebody can claim and do; the other kinds record what happened."""
DONE: tuple[str, ...] = ("closed", "tombstone")
"""Statuses that hold nobody back; a tombstone is what remains of a deleted issue."""

_EMPTY = {"server_default": "{}"}


class Meta(SQLModel, table=True):
    """Facts about the database itself."""

    __tablename__ = "meta"

    key: str = Field(primary_key=True)
    value: str


class Run(SQLModel, table=True):
    """One problem being solved, from the first call to the verdict."""

    __tablename__ = "run"

    id: str = Field(primary_key=True)
    problem_id: str
    problem_json: str = "{}"
    """The whole problem as JSON, hidden checks included: for scoring and for a resume. No prompt is
    ever made from it; tiers get the public view, ``Problem.task()``."""
    config_json: str = "{}"
    """The settings the run started with, as JSON; a resume uses these."""
    status: RunStatus = Field(default="running", sa_type=String, index=True)
    verdict: str | None = None
    stop_kind: StopKind | None = Field(default=None, sa_type=String)
    """Why it stopped, for programs; ``None`` while it runs, and in records from before schema 4."""
    stop_reason: str | None = None
    """Why it stopped, one line for people."""
    answer: str | None = None
    reference_match: bool | None = None
    """Whether the answer agrees with the hidden checks; ``None`` until eval has scored it."""
    seed: int = 0
    created_at: float = Field(index=True)
    updated_at: float
    closed_at: float | None = None
    spent_calls: int = 0
    spent_tokens: int = 0
    """Prompt and completion tokens together."""
    spent_seconds: float = 0.0
    """Time in which a process worked on the run; the pause before a resume does not count."""
    spent_cost: float = 0.0
    """US dollars."""
    owner: str | None = None
    """``host:pid`` of the process that works on the run."""
    owner_until: float | None = None
    """When the owner's lock expires unless renewed."""
    active_at: float | None = None
    """Up to when ``spent_seconds`` has been counted for the present owner."""


class _Row(SQLModel):
    """A table made often: SQLModel sets field after field, which takes ten times as long."""

    def __init__(self, **data: Any) -> None:
        names, plain, made = _defaults(type(self))
        fields = self.__dict__
        fields.update(plain)
        for name, default in made:
            fields[name] = copy(default)
        fields.update(data)
        if not names.issuperset(data):
            unknown = ", ".join(sorted(set(data) - names))
            raise TypeError(f"{type(self).__name__} has no field {unknown}")
        object.__setattr__(self, "__pydantic_fields_set__", set(data))


@cache
def _defaults(
    table: type[SQLModel],
) -> tuple[frozenset[str], dict[str, Any], list[tuple[str, Any]]]:
    """What a table's rows hold, the defaults that they share, and those of which each has its own."""
    known = {
        name: field.default
        for name, field in table.model_fields.items()
        if field.default is not PydanticUndefined
    }
    own = [(name, value) for name, value in known.items() if isinstance(value, (dict, list))]
    shared = {name: value for name, value in known.items() if name not in dict(own)}
    return frozenset(table.model_fields), shared, own


class Bead(_Row, table=True):
    """A unit of shared context and of work: step, decision, outcome, insight, issue, …"""

    __tablename__ = "bead"
    __table_args__ = (Index("bead_of_run", "run_id", "created_at"),)

    id: str = Field(default="", primary_key=True)
    """``hm-3f9a``; the store fills it in when it is empty."""
    key: str | None = Field(default=None, unique=True)
    """Names what the bead is, as in ``run|step|3``; creating the same key again is no change."""
    kind: BeadKind = Field(sa_type=String)
    title: str
    body: str = ""
    status: BeadStatus = Field(default="open", sa_type=String)
    priority: int = 2
    """0 is the most urgent, 4 the least."""
    parent: str | None = Field(default=None, index=True)
    """The first of the bead's ``parent-child`` dependencies, which say the same."""
    run_id: str | None = None
    tier: str | None = None
    """Which tier wrote it: ``monitor``, ``architect``, ``dispatcher``, ``fleet``."""
    assignee: str | None = None
    lease_until: float | None = None
    """When a claim expires and others may take the bead."""
    attempts: int = 0
    """How often the bead has been claimed."""
    confidence: float | None = None
    """Probability, 0 to 1, that the content is right."""
    surprise: float | None = None
    """−log p of the outcome, in nats."""
    labels: list[str] = Field(default=[], sa_type=JSON)
    data: dict[str, Any] = Field(default={}, sa_type=JSON)
    """Structured content: a step's inputs, artifact and checks."""
    created_at: float = 0.0
    updated_at: float = 0.0
    closed_at: float | None = None
    close_reason: str | None = None
    notes: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """What was noted on the way, beside the description in ``body``."""
    extra: dict[str, Any] = Field(default={}, sa_type=JSON, sa_column_kwargs=_EMPTY)
    """What an imported record said that no other field can hold; export writes it back."""


class Dependency(_Row, table=True):
    """``from_id`` depends on ``to_id``; with ``blocks``, it waits until ``to_id`` is closed.

    ``to_id`` may name a bead that is not here: imported issues point to other projects, and to
    issues that have gone. Imported rows may have types beyond ours, which hold nobody back.
    """

    __tablename__ = "dependency"

    from_id: str = Field(primary_key=True, foreign_key="bead.id", ondelete="CASCADE")
    to_id: str = Field(primary_key=True, index=True)
    type: DependencyType = Field(default="blocks", primary_key=True, sa_type=String)
    created_at: float | None = None
    created_by: str | None = None
    extra: dict[str, Any] = Field(default={}, sa_type=JSON, sa_column_kwargs=_EMPTY)
    """As :attr:`Bead.extra`."""


class Comment(SQLModel, table=True):
    """What somebody said about a bead; never changed."""

    __tablename__ = "comment"

    sequence: int | None = Field(default=None, primary_key=True)
    """Order of writing in this database, from 1."""
    bead_id: str = Field(index=True, foreign_key="bead.id", ondelete="CASCADE")
    author: str = ""
    text: str
    created_at: float = 0.0
    extra: dict[str, Any] = Field(default={}, sa_type=JSON, sa_column_kwargs=_EMPTY)
    """As :attr:`Bead.extra`."""


class Call(_Row, table=True):
    """One model call in the ledger: what was asked, who answered, what it cost."""

    __tablename__ = "call"

    sequence: int | None = Field(default=None, primary_key=True)
    """Order of recording in this database, from 1."""
    key: str = Field(unique=True)
    """See :meth:`state.Ledger.call_key`."""
    run_id: str = Field(index=True)
    bead_id: str = Field(index=True)
    tier: str
    specialist: str
    adapter_digest: str = ""
    """Content hash of the adapter that was served; empty for the bare base model."""
    model: str
    prompt: list[dict[str, Any]] = Field(sa_type=JSON)
    """The messages, in full."""
    response: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_s: float = 0.0
    cost: float = 0.0
    """US dollars."""
    finish_reason: str = ""
    attempt: int = 0
    sample: int = 0
    params: dict[str, Any] = Field(default={}, sa_type=JSON)
    """Sampling parameters: temperature, max tokens, seed, …"""
    created_at: float = 0.0


BEAD_TABLE: Table = SQLModel.metadata.tables["bead"]
# Kept by the store and no part of a bead: 1 while the bead, or one above it, has an open blocker.
BEAD_TABLE.append_column(Column("waiting", Integer, nullable=False, server_default="0"))

OPEN_WORK = "status = 'open' AND waiting = 0 AND kind IN ({})".format(
    ", ".join(f"'{kind}'" for kind in WORK_KINDS)
)
"""SQL for work that anybody may take; word for word the condition of the index ``bead_ready``."""

for _name, _columns, _where in (
    ("bead_ready", ("priority", "created_at", "id"), OPEN_WORK),
    (
        "bead_ready_in_run",
        ("run_id", "priority", "created_at", "id"),
        f"{OPEN_WORK} AND run_id IS NOT NULL",
    ),
    ("bead_leased", ("lease_until",), "status = 'in_progress'"),
):
    Index(
        _name, *(BEAD_TABLE.c[column] for column in _columns),
        sqlite_where=text(_where), postgresql_where=text(_where),
    )  # fmt: skip
