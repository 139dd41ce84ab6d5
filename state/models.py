"""The records that the database keeps, a table for each. Times are seconds since the epoch (UTC), to
the microsecond; texts are unlimited. The tables themselves are in :mod:`state.schema`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Literal, Self, TypeAlias, get_args

from state.status import RunStatus, StopKind

SCHEMA_VERSION = 5
"""Version of the tables, and number of the last script in ``state/migrations/versions``."""

BeadKind: TypeAlias = Literal[
    "epic",
    "task",
    "bug",
    "feature",
    "chore",
    "step",
    "decision",
    "outcome",
    "insight",
    "routine",
    "gate",
    "message",
    "molecule",
    "event",
    "agent",
    "role",
    "rig",
    "merge-request",
]
BeadStatus: TypeAlias = Literal["open", "in_progress", "blocked", "deferred", "closed", "tombstone"]
DependencyType: TypeAlias = Literal[
    "blocks", "parent-child", "related", "discovered-from", "conditional-blocks", "waits-for"
]

BEAD_KINDS: tuple[str, ...] = get_args(BeadKind)
BEAD_STATUSES: tuple[str, ...] = get_args(BeadStatus)
DEPENDENCY_TYPES: tuple[str, ...] = get_args(DependencyType)
WORK_KINDS: tuple[str, ...] = ("epic", "task", "bug", "feature", "chore", "step")
"""Kinds that somebody can claim and do."""
RECORD_KINDS: tuple[str, ...] = ("decision", "outcome", "insight", "routine")
"""Kinds that record what happened. The kinds after these come with imported issues: what another
program waits for, tells or keeps, and offers to nobody as work."""
DONE: tuple[str, ...] = ("closed", "tombstone")
"""Statuses that hold nobody back; a tombstone is what remains of a deleted issue."""


class Record:
    """What all records share. They are plain objects: to import a table's library at every start
    would take longer than most commands do."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    TABLE: ClassVar[str]
    JSON: ClassVar[tuple[str, ...]] = ()
    """Fields that the database keeps as JSON."""
    BOOLEAN: ClassVar[tuple[str, ...]] = ()

    @classmethod
    @cache
    def names(cls) -> tuple[str, ...]:
        """The fields, which are the columns of the table."""
        return tuple(cls.__dataclass_fields__)

    @classmethod
    @cache
    def columns(cls) -> str:
        """The fields as SQL lists them."""
        return ", ".join(f'"{name}"' for name in cls.names())

    @classmethod
    def of(cls, values: Iterable[Any]) -> Self:
        """A record from the values of its columns in their order."""
        record = object.__new__(cls)
        fields = record.__dict__
        fields.update(zip(cls.names(), values, strict=False))
        for name in cls.JSON:
            text = fields[name]
            if text.__class__ is str:  # SQLite keeps JSON as text, PostgreSQL's driver decodes it
                fields[name] = _decode(text)
        for name in cls.BOOLEAN:
            if fields[name] is not None:
                fields[name] = bool(fields[name])
        return record

    def model_dump(self, exclude: Collection[str] = ()) -> dict[str, Any]:
        """The fields by name, under the name that pydantic's models have for it."""
        return {name: self.__dict__[name] for name in self.names() if name not in exclude}


def _decode(text: str) -> Any:
    if text == "{}":
        return {}
    if text == "[]":
        return []
    return json.loads(text)


@dataclass(kw_only=True)
class Run(Record):
    """One problem being solved, from the first call to the verdict."""

    TABLE = "run"
    BOOLEAN = ("reference_match",)

    id: str
    problem_id: str
    problem_json: str = "{}"
    """The whole problem as JSON, hidden checks included: for scoring and for a resume. No prompt is
    ever made from it; tiers get the public view, ``Problem.task()``."""
    config_json: str = "{}"
    """The settings the run started with, as JSON; a resume uses these."""
    status: RunStatus = "running"
    verdict: str | None = None
    stop_kind: StopKind | None = None
    """Why it stopped, for programs; ``None`` while it runs, and in records from before schema 4."""
    stop_reason: str | None = None
    """Why it stopped, one line for people."""
    answer: str | None = None
    reference_match: bool | None = None
    """Whether the answer agrees with the hidden checks; ``None`` until eval has scored it."""
    seed: int = 0
    created_at: float
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


@dataclass(kw_only=True)
class Bead(Record):
    """A unit of shared context and of work: step, decision, outcome, insight, issue, …"""

    TABLE = "bead"
    JSON = ("labels", "data", "extra")

    id: str = ""
    """``hm-3f9a``; the store fills it in when it is empty."""
    key: str | None = None
    """Names what the bead is, as in ``run|step|3``; creating the same key again is no change."""
    kind: BeadKind
    title: str
    body: str = ""
    status: BeadStatus = "open"
    priority: int = 2
    """0 is the most urgent, 4 the least."""
    parent: str | None = None
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
    labels: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    """Structured content: a step's inputs, artifact and checks."""
    created_at: float = 0.0
    updated_at: float = 0.0
    closed_at: float | None = None
    close_reason: str | None = None
    notes: str = ""
    """What was noted on the way, beside the description in ``body``."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What an imported record said that no other field can hold; export writes it back."""
    due_at: float | None = None
    """When it should be done."""
    defer_until: float | None = None
    """Before that neither the bead nor what is part of it is offered as work."""


@dataclass(kw_only=True)
class Dependency(Record):
    """``from_id`` depends on ``to_id``; with ``blocks``, it waits until ``to_id`` is closed.

    ``conditional-blocks`` holds in the same way; ``waits-for`` holds until the parts of ``to_id``
    are closed, or one of them if the gate in its metadata is ``any-children``. ``to_id`` may name a
    bead that is not here: imported issues point to other projects, and to issues that have gone.
    Imported rows may have types beyond ours, which hold nobody back.
    """

    TABLE = "dependency"
    JSON = ("extra",)

    from_id: str
    to_id: str
    type: DependencyType = "blocks"
    created_at: float | None = None
    created_by: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    """See :attr:`Bead.extra`."""


@dataclass(kw_only=True)
class Comment(Record):
    """What somebody said about a bead; never changed."""

    TABLE = "comment"
    JSON = ("extra",)

    sequence: int | None = None
    """Order of writing in this database, from 1."""
    bead_id: str
    author: str = ""
    text: str
    created_at: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)
    """See :attr:`Bead.extra`."""


@dataclass(kw_only=True)
class Change(Record):
    """One change of a bead: what somebody did to it, and when."""

    TABLE = "bead_change"

    sequence: int | None = None
    """Order of writing in this database, from 1."""
    bead_id: str
    at: float
    author: str | None = None
    what: str
    """The field that changed, or ``created``, ``claimed``, ``dependency``, ``imported``."""
    old: str | None = None
    new: str | None = None
    note: str | None = None
    """Why, where somebody said so."""


@dataclass(kw_only=True)
class ForeignLine(Record):
    """A line of an imported file that is no issue, kept for the next export."""

    TABLE = "foreign_line"

    sequence: int | None = None
    """Order of writing in this database, from 1."""
    type: str
    """What the line says it is, such as ``memory``."""
    name: str | None = None
    """Its key: another line of the type with this key replaces it."""
    text: str
    """The line as it was, without its end."""


@dataclass(kw_only=True)
class Call(Record):
    """One model call in the ledger: what was asked, who answered, what it cost."""

    TABLE = "call"
    JSON = ("prompt", "params")

    sequence: int | None = None
    """Order of recording in this database, from 1."""
    key: str
    """See :meth:`state.Ledger.call_key`."""
    run_id: str
    bead_id: str
    tier: str
    specialist: str
    adapter_digest: str = ""
    """Content hash of the adapter that was served; empty for the bare base model."""
    model: str
    prompt: list[dict[str, Any]]
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
    params: dict[str, Any] = field(default_factory=dict)
    """Sampling parameters: temperature, max tokens, seed, …"""
    created_at: float = 0.0


OPEN_WORK = "status = 'open' AND waiting = 0 AND aside = 0 AND kind IN ({})".format(
    ", ".join(f"'{kind}'" for kind in WORK_KINDS)
)
"""SQL for work that anybody may take; word for word the condition of the index ``bead_ready``."""
