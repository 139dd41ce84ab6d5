"""Issues in and out of the store in the beads JSONL format: stable, lossless, all or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, insert, update
from sqlmodel import Session, SQLModel, col, select

from state import frontier, graph, jsonl
from state.errors import UsageError
from state.fields import Malformed
from state.jsonl import Issue
from state.models import BEAD_TABLE, Bead, Comment, Dependency
from state.store import BeadStore

_EDGES = SQLModel.metadata.tables["dependency"]
_COMMENTS = SQLModel.metadata.tables["comment"]
_OWN = ("key", "run_id", "tier", "attempts", "confidence", "surprise", "data")
"""What a newer record that comes from another program cannot know, and so does not take away."""


@dataclass(frozen=True)
class Conflict:
    """A line that differs from the store without being newer; the store's version was kept."""

    id: str
    line: int
    fields: tuple[str, ...]
    """The fields that differ."""
    why: str
    """``older`` or ``same time``."""


@dataclass
class ImportReport:
    """What an import did, or would have done."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    comments: int = 0
    """Comments that were new, on beads new or known."""
    dangling: list[tuple[str, str, str]] = field(default_factory=list)
    """Dependencies ``(from, to, type)`` of imported issues on issues that are not here."""


class _Undo(Exception):
    """Ends a dry run's transaction without a trace."""


def export_lines(
    store: BeadStore,
    *,
    run_id: str | None = None,
    kind: str | None = None,
    status: str | None = None,
) -> Iterator[str]:
    """Beads as lines, in the order of their ids; all of them, or those that match."""
    with store.database.read() as session:
        query = select(Bead)
        for column, value in ((Bead.run_id, run_id), (Bead.kind, kind), (Bead.status, status)):
            if value is not None:
                query = query.where(col(column) == value)
        issues = _load(session, session.exec(query).all())
    return map(jsonl.line, (issues[id] for id in sorted(issues)))


def import_lines(
    store: BeadStore, lines: Iterable[bytes], source: str, *, dry_run: bool = False
) -> ImportReport:
    """Merge issues into the store: new ones are created, newer ones replace what is there.

    A record that differs without being newer is a conflict, and the store's version stays; comments
    are only ever added. Doing it again changes nothing. Raises UsageError, and writes nothing, for a
    line that is no issue (naming its number), or if dependencies would close a cycle.
    """
    incoming = list(_parse(lines, source))
    report = ImportReport()
    try:
        with store.database.write() as session:
            _merge(session, incoming, report)
            _refuse_cycles(session, incoming, source)
            if dry_run:
                raise _Undo
    except _Undo:
        pass
    return report


def _parse(lines: Iterable[bytes], source: str) -> Iterator[tuple[int, Issue]]:
    for number, raw in enumerate(lines, 1):
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if text:
                yield number, jsonl.parse(text)
        except UnicodeDecodeError:
            raise _refusal(source, number, "is not UTF-8 text") from None
        except Malformed as error:
            raise _refusal(source, number, str(error)) from None


def _refusal(source: str, number: int, why: str) -> UsageError:
    return UsageError(f"{source} line {number}: {why}; nothing was imported")


def _load(session: Session, beads: Iterable[Bead]) -> dict[str, Issue]:
    """Beads with what hangs on them."""
    issues = {bead.id: Issue(bead) for bead in beads}
    for edge in session.exec(select(Dependency)).all():
        if edge.from_id in issues:
            issues[edge.from_id].edges.append(edge)
    for comment in session.exec(select(Comment).order_by(col(Comment.sequence))).all():
        if comment.bead_id in issues:
            issues[comment.bead_id].comments.append(comment)
    return issues


def _merge(session: Session, incoming: list[tuple[int, Issue]], report: ImportReport) -> None:
    names = {issue.bead.id for _, issue in incoming}
    issues = _load(session, graph.beads_of(session, names).values())
    session.expunge_all()  # they are changed by hand below
    fresh: dict[str, Issue] = {}
    replaced: dict[str, Issue] = {}
    added: list[Comment] = []
    for number, issue in incoming:
        id = issue.bead.id
        known = issues.get(id)
        if known is None:
            issues[id] = fresh[id] = issue
            added += issue.comments
            continue
        new = _new_comments(known, issue)
        added += new
        known.comments = issue.comments = [*known.comments, *new]
        differing = _differences(known, issue)
        if not differing:
            report.unchanged += not new and id not in fresh and id not in replaced
        elif issue.bead.updated_at > known.bead.updated_at:
            _keep_own(known.bead, issue.bead)
            issues[id] = issue
            (fresh if id in fresh else replaced)[id] = issue
        else:
            same = issue.bead.updated_at == known.bead.updated_at
            why = "same time" if same else "older"
            report.conflicts.append(Conflict(id, number, tuple(differing), why))
    report.created, report.updated, report.comments = list(fresh), list(replaced), len(added)
    _refuse_taken_keys(session, [*fresh.values(), *replaced.values()])
    _write(session, fresh, replaced, added)
    present = graph.beads_of(
        session, {edge.to_id for i in (*fresh.values(), *replaced.values()) for edge in i.edges}
    )
    report.dangling = [
        (edge.from_id, edge.to_id, edge.type)
        for issue in (*fresh.values(), *replaced.values())
        for edge in issue.edges
        if edge.to_id not in present
    ]


def _new_comments(known: Issue, issue: Issue) -> list[Comment]:
    there = {(c.author, c.text, c.created_at) for c in known.comments}
    return [c for c in issue.comments if (c.author, c.text, c.created_at) not in there]


def _differences(known: Issue, issue: Issue) -> list[str]:
    """Names of the fields in which two versions differ, comments aside."""
    a, b = _comparable(known), _comparable(issue)
    return sorted(
        name for name in a.keys() | b.keys() if a.get(name) != b.get(name) and name != "comments"
    )


def _comparable(issue: Issue) -> dict[str, Any]:
    """The record, with times as instants and dependencies without their order."""
    record = jsonl.encode(issue)
    for name in ("created_at", "updated_at", "closed_at"):
        record[name] = getattr(issue.bead, name)
    record["dependencies"] = {(edge.to_id, edge.type) for edge in issue.edges}
    return record


def _keep_own(known: Bead, new: Bead) -> None:
    if all(getattr(new, name) in (None, 0, {}) for name in _OWN):
        for name in _OWN:
            setattr(new, name, getattr(known, name))


def _refuse_taken_keys(session: Session, issues: list[Issue]) -> None:
    keys = {issue.bead.key: issue.bead.id for issue in issues if issue.bead.key is not None}
    query = select(Bead.key, Bead.id).where(col(Bead.key).is_not(None))
    for key, id in session.exec(query).all() if keys else ():
        if key in keys and keys[key] != id:
            raise UsageError(
                f"bead {keys[key]} has the key of bead {id}, {key!r}; nothing was imported"
            )


def _write(
    session: Session,
    fresh: Mapping[str, Issue],
    replaced: Mapping[str, Issue],
    comments: list[Comment],
) -> None:
    connection = session.connection()
    if fresh:
        beads = [issue.bead.model_dump() for issue in fresh.values()]
        connection.execute(insert(BEAD_TABLE), beads)
    if replaced:
        names = [name for name in Bead.model_fields if name != "id"]
        statement = (
            update(BEAD_TABLE)
            .where(BEAD_TABLE.c.id == bindparam("this"))
            .values({name: bindparam(f"new_{name}") for name in names})
        )
        values = [
            {"this": id, **{f"new_{name}": getattr(issue.bead, name) for name in names}}
            for id, issue in replaced.items()
        ]
        connection.execute(statement, values)
        connection.execute(
            delete(_EDGES).where(_EDGES.c.from_id == bindparam("this")),
            [{"this": id} for id in replaced],
        )
    edges = {
        (edge.from_id, edge.to_id, edge.type): edge.model_dump()
        for issue in (*fresh.values(), *replaced.values())
        for edge in issue.edges
    }
    if edges:
        connection.execute(insert(_EDGES), list(edges.values()))
    if comments:
        said = [comment.model_dump(exclude={"sequence"}) for comment in comments]
        connection.execute(insert(_COMMENTS), said)
    if fresh or replaced:
        frontier.settle_all(connection)


def _refuse_cycles(session: Session, incoming: list[tuple[int, Issue]], source: str) -> None:
    line_of = {issue.bead.id: number for number, issue in incoming}
    for circle in graph.cycles(graph.holding_edges(session)):
        for id in circle:
            if id in line_of:
                way = " → ".join([*circle, circle[0]])
                raise _refusal(source, line_of[id], f"dependencies close a cycle: {way}")
