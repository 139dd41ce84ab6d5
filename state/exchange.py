"""Import and export of issues in the beads JSONL format: stable, lossless, all or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from state import frontier, graph, history, jsonl
from state.errors import UsageError
from state.fields import Malformed
from state.filters import matching, where
from state.jsonl import Issue
from state.models import Bead, Comment, Dependency, ForeignLine
from state.store import BeadStore
from state.transactions import Transaction, encoded

_OWN = ("key", "run_id", "tier", "attempts", "confidence", "surprise", "data")
"""Fields that records of other programs do not have, so importing a newer record leaves them
unchanged."""


@dataclass(frozen=True)
class Conflict:
    """A line that differs from the store without being newer; the store's version was kept."""

    id: str
    line: int
    fields: tuple[str, ...]
    """Names of the fields that differ."""
    why: str
    """Why the line was not imported: ``older`` or ``same time``."""


@dataclass
class ImportReport:
    """The changes that an import made, or would have made."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    comments: int = 0
    """Number of new comments, on new or existing beads."""
    dangling: list[tuple[str, str, str]] = field(default_factory=list)
    """Dependencies ``(from, to, type)`` of imported issues on issues that are missing here."""
    kept: dict[str, int] = field(default_factory=dict)
    """Type → number of lines in the file that are no issues, and are kept for the next export."""


_REPLACE = "UPDATE bead SET {} WHERE id = %(id)s".format(
    ", ".join(f'"{name}" = %({name})s' for name in Bead.names() if name != "id")
)


class _Undo(Exception):
    """Raised to roll back the transaction of a dry run."""


@dataclass(frozen=True)
class Exported:
    """An export in its three parts."""

    header: list[str]
    """The line that says how an imported file was made, if there was one; of several, the last."""
    beads: list[str]
    others: list[str]
    """The lines of other types that imports have kept."""

    @property
    def lines(self) -> list[str]:
        """The lines of the file, without their ends."""
        return [*self.header, *self.beads, *self.others]


def export_lines(
    store: BeadStore,
    *,
    run_id: str | None = None,
    kind: str | Collection[str] | None = None,
    status: str | Collection[str] | None = None,
) -> list[str]:
    """The lines of :func:`export`."""
    return export(store, run_id=run_id, kind=kind, status=status).lines


def export(
    store: BeadStore,
    *,
    run_id: str | None = None,
    kind: str | Collection[str] | None = None,
    status: str | Collection[str] | None = None,
) -> Exported:
    """Beads as lines, in the order of their ids; all of them, or those that match the filters.

    An export without filters also has the lines of other types that imports have kept.
    """
    conditions, values = matching(run_id=run_id, kind=kind, status=status)
    with store.database.reading() as tx:
        issues = _load(tx, tx.records(Bead, where(conditions), values))
        others = [] if conditions else tx.records(ForeignLine, "ORDER BY sequence")
    return Exported(
        header=[line.text for line in others if line.type == jsonl.HEADER][-1:],
        beads=[jsonl.line(issues[id]) for id in sorted(issues)],
        others=[line.text for line in others if line.type != jsonl.HEADER],
    )


def import_lines(
    store: BeadStore,
    lines: Iterable[bytes],
    source: str,
    *,
    dry_run: bool = False,
    by: str | None = None,
) -> ImportReport:
    """Merge issues into the store: new ones are created, newer ones replace the stored version.

    A record that differs without being newer is a conflict, and the store's version stays; comments
    are only added, never removed. Lines of other types are kept unchanged. A repeated import
    changes nothing. Raises UsageError, and writes nothing, for a line that is malformed (naming its
    number), or if dependencies would close a cycle.
    """
    incoming: list[tuple[int, Issue]] = []
    others: list[ForeignLine] = []
    for number, found in _parse(lines, source):
        if isinstance(found, ForeignLine):
            others.append(found)
        else:
            incoming.append((number, found))
    report = ImportReport(kept=dict(Counter(line.type for line in others)))
    try:
        with store.database.writing() as tx:
            _merge(tx, incoming, report, store.database.now(), by)
            _keep(tx, others)
            _refuse_cycles(tx, incoming, source)
            if dry_run:
                raise _Undo
    except _Undo:
        pass
    return report


def _parse(lines: Iterable[bytes], source: str) -> Iterator[tuple[int, Issue | ForeignLine]]:
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


def _load(tx: Transaction, beads: Iterable[Bead]) -> dict[str, Issue]:
    """Beads as issues, with their dependencies and comments."""
    issues = {bead.id: Issue(bead) for bead in beads}
    for edge in tx.records(Dependency):
        if edge.from_id in issues:
            issues[edge.from_id].edges.append(edge)
    for comment in tx.records(Comment, "ORDER BY sequence"):
        if comment.bead_id in issues:
            issues[comment.bead_id].comments.append(comment)
    return issues


def _keep(tx: Transaction, lines: list[ForeignLine]) -> None:
    """Keep lines of other types, each once. A line replaces an earlier one with the same key, and a
    header replaces any other header."""
    known = {_identity(line): line for line in tx.records(ForeignLine, "ORDER BY sequence")}
    for identity, line in {_identity(line): line for line in lines}.items():
        there = known.get(identity)
        if there is None:
            tx.insert([line], leaving_out=("sequence",))
        elif there.text != line.text:
            tx.run(
                "UPDATE foreign_line SET text = %(text)s WHERE sequence = %(sequence)s",
                {"text": line.text, "sequence": there.sequence},
            )


def _identity(line: ForeignLine) -> tuple[str, str | None, str | None]:
    named = line.name is not None or line.type == jsonl.HEADER
    return line.type, line.name, None if named else line.text


def _merge(
    tx: Transaction,
    incoming: list[tuple[int, Issue]],
    report: ImportReport,
    now: float,
    by: str | None,
) -> None:
    names = {issue.bead.id for _, issue in incoming}
    issues = _load(tx, graph.beads_of(tx, names).values())
    fresh: dict[str, Issue] = {}
    replaced: dict[str, Issue] = {}
    added: list[Comment] = []
    changed: dict[str, str] = {}
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
            changed[id] = ", ".join(differing)
            issues[id] = issue
            (fresh if id in fresh else replaced)[id] = issue
        else:
            same = issue.bead.updated_at == known.bead.updated_at
            why = "same time" if same else "older"
            report.conflicts.append(Conflict(id, number, tuple(differing), why))
    report.created, report.updated, report.comments = list(fresh), list(replaced), len(added)
    _refuse_taken_keys(tx, [*fresh.values(), *replaced.values()])
    _write(tx, fresh, replaced, added)
    imported = [(id, changed.get(id, "")) for id in (*fresh, *replaced)]
    history.add_imports(tx, imported, now, by)
    present = graph.beads_of(
        tx, {edge.to_id for i in (*fresh.values(), *replaced.values()) for edge in i.edges}
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
    """The record in comparable form: times as instants, dependencies without their order.

    Values that the issue's program computes for each export are left out, because they change
    although the issue does not.
    """
    record = {n: value for n, value in jsonl.encode(issue).items() if n not in jsonl.COMPUTED}
    record.setdefault("description", "")
    for name in jsonl.TIMES:
        record[name] = getattr(issue.bead, name)
    record["dependencies"] = {(edge.to_id, edge.type) for edge in issue.edges}
    return record


def _keep_own(known: Bead, new: Bead) -> None:
    if all(getattr(new, name) in (None, 0, {}) for name in _OWN):
        for name in _OWN:
            setattr(new, name, getattr(known, name))


def _refuse_taken_keys(tx: Transaction, issues: list[Issue]) -> None:
    keys = {issue.bead.key: issue.bead.id for issue in issues if issue.bead.key is not None}
    query = 'SELECT "key", id FROM bead WHERE "key" IS NOT NULL'
    for key, id in tx.rows(query) if keys else ():
        if key in keys and keys[key] != id:
            raise UsageError(
                f"bead {keys[key]} has the key of bead {id}, {key!r}; nothing was imported"
            )


def _write(
    tx: Transaction,
    fresh: Mapping[str, Issue],
    replaced: Mapping[str, Issue],
    comments: list[Comment],
) -> None:
    tx.insert(issue.bead for issue in fresh.values())
    tx.run_many(_REPLACE, [encoded(issue.bead) for issue in replaced.values()])
    tx.run_many("DELETE FROM dependency WHERE from_id = %(id)s", [{"id": id} for id in replaced])
    tx.insert(
        {
            (edge.from_id, edge.to_id, edge.type): edge
            for issue in (*fresh.values(), *replaced.values())
            for edge in issue.edges
        }.values()
    )
    tx.insert(comments, leaving_out=("sequence",))
    beads = [issue.bead for issue in (*fresh.values(), *replaced.values())]
    tx.run_many(
        "UPDATE bead SET aside = %(aside)s WHERE id = %(id)s AND aside <> %(aside)s",
        [{"id": b.id, "aside": jsonl.aside_of(b.status, b.extra)} for b in beads],
    )
    if fresh or replaced:
        frontier.settle_all(tx)


def _refuse_cycles(tx: Transaction, incoming: list[tuple[int, Issue]], source: str) -> None:
    line_of = {issue.bead.id: number for number, issue in incoming}
    for circle in graph.cycles(graph.holding_edges(tx, ("blocks", "parent-child"))):
        for id in circle:
            if id in line_of:
                way = " → ".join([*circle, circle[0]])
                raise _refusal(source, line_of[id], f"dependencies close a cycle: {way}")
