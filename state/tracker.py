"""The store as an issue tracker: people's operations on beads beyond those of the tiers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack

from state import frontier, graph, history, queries, rows, rules, search
from state.errors import ClaimError, UsageError
from state.filters import Filters, Work, matching, where
from state.frontier import HOLDING
from state.models import (
    DONE,
    WORK_KINDS,
    Bead,
    BeadKind,
    Change,
    Comment,
    Dependency,
    DependencyType,
)
from state.rows import BeadChanges, BeadFields
from state.store import BeadStore
from state.transactions import Transaction, chunks, inserting, listed


@dataclass(frozen=True)
class Stats:
    """Statistics of all beads; tombstones are counted by status alone."""

    total: int
    by_status: dict[str, int]
    by_kind: dict[str, int]
    by_priority: dict[int, int]
    """Unfinished beads by priority."""
    ready: int
    blocked: int
    lead_time_s: float | None
    """Mean time from creation to closing, in seconds."""


EMPTY = Stats(0, {}, {}, {}, 0, 0, None)
"""The statistics of an empty store."""


@dataclass(frozen=True)
class Detail:
    """A bead with its dependencies and comments."""

    bead: Bead
    dependencies: list[Dependency]
    dependents: list[Dependency]
    comments: list[Comment]
    related: dict[str, Bead] = field(default_factory=dict)
    """The beads at the other ends of the dependencies, those that are in the database."""


class Tracker:
    """The operations of the tracker.

    Every method is one transaction, and takes ids like :class:`state.BeadStore`.
    """

    def __init__(self, store: BeadStore) -> None:
        self.store = store
        self.database = store.database

    def create(
        self,
        kind: BeadKind,
        title: str,
        dependencies: Sequence[tuple[str, DependencyType]] = (),
        *,
        by: str | None = None,
        **fields: Unpack[BeadFields],
    ) -> Bead:
        """Write a new bead with its dependencies, or nothing. Raises UsageError."""
        rows.refuse_unknown(fields)
        parent = fields.pop("parent", None)
        now = self.database.now()
        with self.database.writing() as tx:
            bead = Bead(kind=kind, title=title, **fields)
            if parent is not None:
                bead.parent = rows.find(tx, parent).id
            rows.insert(tx, bead, now)
            history.add(tx, bead.id, now, by, "created")
            for target, type in dependencies:
                rows.link(tx, bead.id, rows.find(tx, target).id, type, now, by)
            return bead

    def update(
        self,
        ids: Collection[str],
        add_labels: Collection[str] = (),
        remove_labels: Collection[str] = (),
        *,
        by: str | None = None,
        **fields: Unpack[BeadChanges],
    ) -> list[Bead]:
        """Change all of the beads, or none. Raises UsageError, and ClaimError like
        :meth:`close`."""
        rows.refuse_unknown(fields)
        rules.refuse_tombstone(fields.get("status"))
        with self.database.writing() as tx:
            changed = []
            if fields.get("status") == "closed":
                rules.refuse_close(tx, [rows.find(tx, id).id for id in ids])
            for id in ids:
                bead = rows.find(tx, id)
                changes = fields.copy()
                if add_labels or remove_labels:
                    before = changes.get("labels", bead.labels)
                    after = dict.fromkeys((*before, *add_labels))
                    changes["labels"] = [label for label in after if label not in remove_labels]
                if "extra" in changes:
                    changes["extra"] = {**bead.extra, **changes["extra"]}
                if changes.get("kind", bead.kind) != bead.kind:
                    rules.refuse_kind(changes["kind"], bead)
                changed.append(rows.change(tx, bead, changes, self.database.now(), by))
            return changed

    def close(
        self,
        ids: Collection[str],
        reason: str = "",
        *,
        by: str | None = None,
        force: bool = False,
    ) -> list[Bead]:
        """Close all of the beads, or none; closed ones stay unchanged.

        Raises UsageError. Raises ClaimError for a deleted bead. Without ``force``, raises
        ClaimError also for an epic with open parts, and for a bead that waits for another, unless
        the call closes that one too.
        """
        with self.database.writing() as tx:
            found = queries.by_ids(tx, list(ids))
            whole = [id if id in found else rows.find(tx, id).id for id in ids]
            rules.refuse_close(tx, whole, force=force)
            queries.close(tx, whole, reason, self.database.now(), by)
            found = queries.by_ids(tx, whole)
            return [found[id] for id in whole]

    def reopen(self, ids: Collection[str], *, by: str | None = None) -> list[Bead]:
        """Open all of the beads again, or none. Raises UsageError."""
        return self.update(ids, by=by, status="open", assignee=None)

    def delete(
        self,
        ids: Collection[str],
        reason: str = "",
        *,
        by: str | None = None,
        force: bool = False,
    ) -> list[Bead]:
        """Turn all of the beads into tombstones, or none. Their texts stay, so that other copies of
        the store can learn of the deletion.

        Their dependencies are removed, in both directions. Raises UsageError, and without ``force``
        ClaimError if unfinished beads that stay are part of one or wait for it.
        """
        now = self.database.now()
        with self.database.writing() as tx:
            beads = [rows.find(tx, id) for id in ids]
            going = {bead.id for bead in beads}
            for bead in beads:
                if bead.status == "tombstone":
                    continue
                edges = [*rows.edges(tx, bead.id), *rows.edges_to(tx, bead.id)]
                others = {e.from_id for e in edges if e.to_id == bead.id and e.type in HOLDING}
                stay = [
                    b.id
                    for b in graph.beads_of(tx, others - going).values()
                    if not rules.is_done(b)
                ]
                if stay and not force:
                    raise ClaimError(
                        f"{', '.join(stay)} depend on bead {bead.id}; with --force it is deleted, "
                        "and they depend on it no longer"
                    )
                for edge in edges:
                    self._cut(tx, edge, now)
                changes: BeadChanges = {"status": "tombstone", "assignee": None}
                rows.change(tx, rows.find(tx, bead.id), changes, now, by, reason)
            return [rows.find(tx, bead.id) for bead in beads]

    def _cut(self, tx: Transaction, edge: Dependency, now: float) -> None:
        """Remove a dependency, and the parent that it may represent."""
        source = rows.find(tx, edge.from_id)
        if edge.type == "parent-child" and source.parent == edge.to_id:
            rows.change(tx, source, {"parent": None}, now)
        else:
            rows.remove_edge(tx, edge.from_id, edge.to_id, edge.type)
            rows.touch(tx, source, now)

    def claim(
        self,
        id: str | None = None,
        *,
        assignee: str,
        lease_s: float,
        **filters: Unpack[Work],
    ) -> Bead:
        """Claim this bead, or the most urgent one that is ready. Raises ClaimError that says why
        not."""
        bead = self.store.claim(id, assignee=assignee, lease_s=lease_s, **filters)
        if bead is not None:
            return bead
        if id is None:
            raise ClaimError("nothing is ready to be claimed")
        bead = self.store.get(id)
        if bead.status in DONE:
            how = "deleted" if bead.status == "tombstone" else bead.status
            raise ClaimError(f"bead {bead.id} is {how}; `harness bead reopen {bead.id}` opens it")
        if bead.status == "in_progress" and bead.assignee is None:
            raise ClaimError(
                f"bead {bead.id} is in progress, though nobody's; "
                f"`harness bead update {bead.id} --status open` makes it free to claim"
            )
        if bead.status == "in_progress":
            raise ClaimError(f"bead {bead.id} is in the hands of {bead.assignee}; take another")
        held = graph.blockers(self.store, [bead.id])[bead.id]
        if held:
            names = ", ".join(dict.fromkeys(blocker for blocker, _ in held))
            raise ClaimError(f"bead {bead.id} waits for {names}; close what blocks it first")
        if why := rules.unoffered(bead):
            raise ClaimError(f"bead {bead.id} is no work to claim: it is {why}")
        if bead.status == "open" and bead.kind in WORK_KINDS:
            raise ClaimError(
                f"bead {bead.id} is deferred, or part of what is; "
                f"`harness bead update {bead.id} --defer none` ends it"
            )
        raise ClaimError(
            f"bead {bead.id} is no work to claim: kind {bead.kind}, status {bead.status}"
        )

    # --- dependencies and comments -------------------------------------------------------------

    def depend(
        self, from_id: str, to_id: str, type: DependencyType, by: str | None = None
    ) -> Dependency:
        """Make one bead depend on another. Raises UsageError."""
        now = self.database.now()
        with self.database.writing() as tx:
            source, target = rows.find(tx, from_id), rows.find(tx, to_id)
            edge = rows.link(tx, source.id, target.id, type, now, by)
            rows.touch(tx, rows.find(tx, source.id), now)
            history.add(tx, source.id, now, by, "dependency", new=f"{type} {target.id}")
            return edge

    def undepend(
        self, from_id: str, to_id: str, type: str | None = None, by: str | None = None
    ) -> list[Dependency]:
        """Remove the dependencies of one bead on another, of one type or all; returns them.

        ``to_id`` may be the whole id of a bead that is missing here. Raises UsageError if there is
        no such dependency.
        """
        with self.database.writing() as tx:
            source = rows.find(tx, from_id)
            edges = rows.edges(tx, source.id)
            if to_id not in {edge.to_id for edge in edges}:
                to_id = rows.find(tx, to_id).id
            removed = [e for e in edges if e.to_id == to_id and type in (None, e.type)]
            if not removed:
                what = f"{type} dependency" if type else "dependency"
                raise UsageError(f"bead {source.id} has no {what} on {to_id}")
            now = self.database.now()
            for edge in removed:
                self._cut(tx, edge, now)
                history.add(tx, source.id, now, by, "dependency", old=f"{edge.type} {to_id}")
            return removed

    def comment(self, id: str, text: str, author: str) -> Comment:
        """Add a comment to a bead. Raises UsageError."""
        if not text.strip():
            raise UsageError("a comment needs a text")
        now = self.database.now()
        with self.database.writing() as tx:
            bead = rows.find(tx, id)
            comment = Comment(bead_id=bead.id, author=author, text=text, created_at=now)
            comment.sequence = tx.value(_SAY, {**comment.model_dump(), "extra": "{}"})
            rows.touch(tx, bead, now)
            return comment

    # --- looking -------------------------------------------------------------------------------

    def detail(self, id: str) -> Detail:
        """A bead with dependencies and comments. Raises UsageError."""
        with self.database.reading() as tx:
            bead = rows.find(tx, id)
            edges, back = rows.edges(tx, bead.id), rows.edges_to(tx, bead.id)
            said = "WHERE bead_id = %(id)s ORDER BY sequence"
            comments = tx.records(Comment, said, {"id": bead.id})
            ends = {edge.to_id for edge in edges} | {edge.from_id for edge in back}
            return Detail(bead, edges, back, comments, graph.beads_of(tx, ends))

    def history(self, id: str) -> list[Change]:
        """The history of a bead, oldest first: its creation, each change, and the comments.

        Raises UsageError.
        """
        with self.database.reading() as tx:
            bead = rows.find(tx, id)
            found = history.of(tx, bead.id)
            comments = tx.records(Comment, "WHERE bead_id = %(id)s", {"id": bead.id})
        if not any(change.what == "created" for change in found):
            by = bead.extra.get("created_by")
            author = by if isinstance(by, str) else None
            found.insert(
                0, Change(bead_id=bead.id, at=bead.created_at, author=author, what="created")
            )
        found += [
            Change(bead_id=bead.id, at=c.created_at, author=c.author, what="comment", new=c.text)
            for c in comments
        ]
        return sorted(found, key=lambda change: change.at)

    def search(
        self, words: str, limit: int | None = None, **filters: Unpack[Filters]
    ) -> list[Bead]:
        """Beads that contain all words in title, body, notes or comments, best first.

        ``word*`` matches words with this prefix, ``"…"`` matches a phrase. Raises UsageError.
        """
        with self.database.reading() as tx:
            behind = search.is_behind(tx)
        if behind:
            with self.database.writing() as tx:
                search.catch_up(tx)
        with self.database.reading() as tx:
            conditions, values = matching(**self.store.whole(filters))
            ids = search.find_ids(tx, words, None if conditions else limit)
            beads = {
                bead.id: bead
                for those, names in chunks(ids)
                for bead in tx.records(
                    Bead, where([f"id IN {those}", *conditions]), {**values, **names}
                )
            }
            return [beads[id] for id in ids if id in beads][:limit]

    def stats(self) -> Stats:
        """Statistics of all beads."""
        with self.database.reading() as tx:

            def count(column: str, condition: str = "1 = 1") -> dict[Any, int]:
                query = f"SELECT {column}, count(*) FROM bead WHERE {condition} GROUP BY {column}"
                return dict(sorted(map(tuple, tx.rows(query))))

            def number(condition: str) -> int:
                query = f"SELECT count(*) FROM bead WHERE {condition}"
                return int(tx.value(query, {"now": self.database.now()}))

            by_status = count("status")
            lead = "SELECT avg(closed_at - created_at) FROM bead WHERE status = 'closed'"
            return Stats(
                total=sum(by_status.values()),
                by_status=by_status,
                by_kind=count("kind", "status <> 'tombstone'"),
                by_priority=count("priority", f"status NOT IN {listed(DONE)}"),
                ready=number(f"{frontier.READY} AND {frontier.OFFERED}"),
                blocked=number(frontier.BLOCKED),
                lead_time_s=tx.value(lead),
            )

    def ids(self, start: str, limit: int = 50) -> list[tuple[str, str]]:
        """Ids that start with ``start``, with or without ``hm-``, and their titles; unfinished
        beads first."""
        with self.database.reading() as tx:
            beads = [b for b in rows.starting(tx, start, 4 * limit) if b.status != "tombstone"]
        found = sorted(beads, key=lambda bead: (bead.status in DONE, bead.id))
        return [(bead.id, bead.title) for bead in found[:limit]]


_SAY = f"{inserting(Comment.TABLE, Comment.names()[1:])} RETURNING sequence"
