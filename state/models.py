"""The records in the database, one class for each table.

Times are seconds since the epoch (UTC), to the microsecond; texts are unlimited. The tables
themselves are defined in :mod:`state.tables`.
"""

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
"""Kinds of bead that are work: somebody can claim and do them."""
RECORD_KINDS: tuple[str, ...] = ("decision", "outcome", "insight", "routine")
"""Kinds that record what happened. The further kinds occur in imported issues only: another program
uses them for gates, messages and memories, and they are never offered as work."""
DONE: tuple[str, ...] = ("closed", "tombstone")
"""Statuses of finished beads, which block nothing; a tombstone is the remainder of a deleted
issue."""


class Record:
    """Base of all records. They are plain classes, because importing a library for tables at every
    start would take longer than most commands do."""

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
        """The fields by name; the method has the same name as that of pydantic's models."""
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
    """Why the run stopped, for programs; ``None`` while it runs, and in records from before schema
    4."""
    stop_reason: str | None = None
    """Why the run stopped, one line for people."""
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
    """Time up to which ``spent_seconds`` has been counted for the present owner."""


@dataclass(kw_only=True)
class Bead(Record):
    """A unit of shared context and of work: step, decision, outcome, insight, issue, …"""

    TABLE = "bead"
    JSON = ("labels", "data", "extra")

    id: str = ""
    """Id such as ``hm-3f9a``; the store fills it in when it is empty."""
    key: str | None = None
    """Unique name of the bead, such as ``run|step|3``; creating the same key again changes
    nothing."""
    kind: BeadKind
    title: str
    body: str = ""
    status: BeadStatus = "open"
    priority: int = 2
    """Priority from 0, the most urgent, to 4, the least."""
    parent: str | None = None
    """The first of the bead's ``parent-child`` dependencies, which say the same."""
    run_id: str | None = None
    tier: str | None = None
    """Tier that wrote the bead: ``monitor``, ``architect``, ``dispatcher``, ``fleet``."""
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
    """Notes made during the work, beside the description in ``body``."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Imported values that no other field can hold; export writes them again."""
    due_at: float | None = None
    """Time by which the bead should be done."""
    defer_until: float | None = None
    """Time before which neither the bead nor its parts are offered as work."""


@dataclass(kw_only=True)
class Dependency(Record):
    """``from_id`` depends on ``to_id``; with ``blocks``, it waits until ``to_id`` is closed.

    ``conditional-blocks`` blocks in the same way; ``waits-for`` blocks until the parts of ``to_id``
    are closed, or one of them if the gate in its metadata is ``any-children``. ``to_id`` may name a
    bead that is missing here: imported issues refer to other projects, and to deleted issues.
    Imported rows may have further types, which block nothing.
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
    """A comment on a bead; never changed."""

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
    """One change of a bead, with its author and time."""

    TABLE = "bead_change"

    sequence: int | None = None
    """Order of writing in this database, from 1."""
    bead_id: str
    at: float
    author: str | None = None
    what: str
    """The changed field, or ``created``, ``claimed``, ``dependency``, ``imported``."""
    old: str | None = None
    new: str | None = None
    note: str | None = None
    """The author's reason, if given."""


@dataclass(kw_only=True)
class ForeignLine(Record):
    """A line of an imported file that is no issue, kept for the next export."""

    TABLE = "foreign_line"

    sequence: int | None = None
    """Order of writing in this database, from 1."""
    type: str
    """Type that the line declares, such as ``memory``."""
    name: str | None = None
    """Key of the line: another line of the same type with this key replaces it."""
    text: str
    """The original line, without its line end."""


@dataclass(kw_only=True)
class Call(Record):
    """One model call in the ledger: the request, the specialist that answered, and the cost."""

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
    """The messages of the prompt, in full."""
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
