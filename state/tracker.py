"""The store as an issue tracker: what people do with beads beyond what the tiers do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Unpack

from sqlalchemy import func
from sqlmodel import col, select

from state import graph, hot, rows, search
from state.errors import ClaimError, UsageError
from state.filters import matching
from state.frontier import is_blocked, is_ready, note
from state.models import DONE, Bead, BeadKind, Comment, Dependency, DependencyType
from state.rows import BeadChanges, BeadFields
from state.store import BeadStore


@dataclass(frozen=True)
class Stats:
    """Numbers about all beads; tombstones count only as such."""

    total: int
    by_status: dict[str, int]
    by_kind: dict[str, int]
    by_priority: dict[int, int]
    """Of unfinished beads."""
    ready: int
    blocked: int
    lead_time_s: float | None
    """Mean time from creation to closing."""


@dataclass(frozen=True)
class Detail:
    """A bead with what hangs on it."""

    bead: Bead
    dependencies: list[Dependency]
    dependents: list[Dependency]
    comments: list[Comment]
    related: dict[str, Bead] = field(default_factory=dict)
    """The beads at the other ends of the dependencies, as far as they are here."""


class Tracker:
    """Every method is one transaction, and takes ids as :class:`state.BeadStore` does."""

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
        """Write a new bead with what it depends on, or nothing. Raises UsageError."""
        rows.refuse_unknown(fields)
        parent = fields.pop("parent", None)
        now = self.database.now()
        with self.database.write() as session:
            bead = Bead(kind=kind, title=title, **fields)
            if parent is not None:
                bead.parent = rows.find(session, parent).id
            rows.insert(session, bead, now)
            for target, type in dependencies:
                rows.link(session, bead.id, rows.find(session, target).id, type, now, by)
            return bead

    def update(
        self,
        ids: Collection[str],
        add_labels: Collection[str] = (),
        remove_labels: Collection[str] = (),
        **fields: Unpack[BeadChanges],
    ) -> list[Bead]:
        """Change all of the beads, or none. Raises UsageError."""
        rows.refuse_unknown(fields)
        with self.database.write() as session:
            changed = []
            for id in ids:
                bead = rows.find(session, id)
                changes = fields.copy()
                if add_labels or remove_labels:
                    before = changes.get("labels", bead.labels)
                    after = dict.fromkeys((*before, *add_labels))
                    changes["labels"] = [label for label in after if label not in remove_labels]
                changed.append(rows.change(session, bead, changes, self.database.now()))
            return changed

    def close(self, ids: Collection[str], reason: str = "") -> list[Bead]:
        """Close all of the beads, or none; closed ones stay as they are. Raises UsageError."""
        with self.database.writing() as connection:
            found = hot.by_ids(self.database, connection, list(ids))
            with self.database.session(connection) as session:
                whole = [id if id in found else rows.find(session, id).id for id in ids]
            hot.close(self.database, connection, whole, reason)
            found = hot.by_ids(self.database, connection, whole)
            return [found[id] for id in whole]

    def reopen(self, ids: Collection[str]) -> list[Bead]:
        """Open all of the beads again, or none. Raises UsageError."""
        return self.update(ids, status="open", assignee=None)

    def claim(self, id: str, *, assignee: str, lease_s: float) -> Bead:
        """Take this bead. Raises ClaimError that says why it cannot be had."""
        bead = self.store.claim(id, assignee=assignee, lease_s=lease_s)
        if bead is not None:
            return bead
        bead = self.store.get(id)
        if bead.status in DONE:
            raise ClaimError(
                f"bead {bead.id} is {bead.status}; `harness bead reopen {bead.id}` opens it"
            )
        if bead.status == "in_progress":
            raise ClaimError(f"bead {bead.id} is in the hands of {bead.assignee}; take another")
        held = graph.blockers(self.store, [bead.id])[bead.id]
        if held:
            names = ", ".join(dict.fromkeys(blocker for blocker, _ in held))
            raise ClaimError(f"bead {bead.id} waits for {names}; close what blocks it first")
        raise ClaimError(
            f"bead {bead.id} is no work to claim: kind {bead.kind}, status {bead.status}"
        )

    # --- dependencies and comments -------------------------------------------------------------

    def depend(
        self, from_id: str, to_id: str, type: DependencyType, by: str | None = None
    ) -> Dependency:
        """Make one bead depend on another. Raises UsageError."""
        now = self.database.now()
        with self.database.write() as session:
            source, target = rows.find(session, from_id), rows.find(session, to_id)
            edge = rows.link(session, source.id, target.id, type, now, by)
            source.updated_at = now
            return edge

    def undepend(self, from_id: str, to_id: str, type: str | None = None) -> list[Dependency]:
        """Remove the dependencies of one bead on another, of one type or all; returns them.

        ``to_id`` may name a bead that is not here, if in full. Raises UsageError if there is none.
        """
        with self.database.write() as session:
            source = rows.find(session, from_id)
            edges = rows.edges(session, source.id)
            if to_id not in {edge.to_id for edge in edges}:
                to_id = rows.find(session, to_id).id
            removed = [e for e in edges if e.to_id == to_id and type in (None, e.type)]
            if not removed:
                what = f"{type} dependency" if type else "dependency"
                raise UsageError(f"bead {source.id} has no {what} on {to_id}")
            now = self.database.now()
            for edge in removed:
                if edge.type == "parent-child" and source.parent == to_id:
                    rows.set_parent(session, source, None, now)
                else:
                    session.delete(edge)
                    note(session, source.id)
            source.updated_at = now
            return removed

    def comment(self, id: str, text: str, author: str) -> Comment:
        """Say something about a bead. Raises UsageError."""
        if not text.strip():
            raise UsageError("a comment needs a text")
        now = self.database.now()
        with self.database.write() as session:
            bead = rows.find(session, id)
            comment = Comment(bead_id=bead.id, author=author, text=text, created_at=now)
            session.add(comment)
            bead.updated_at = now
            session.flush()
            return comment

    # --- looking -------------------------------------------------------------------------------

    def detail(self, id: str) -> Detail:
        """A bead with dependencies and comments. Raises UsageError."""
        with self.database.read() as session:
            bead = rows.find(session, id)
            edges, back = rows.edges(session, bead.id), rows.edges_to(session, bead.id)
            query = select(Comment).where(Comment.bead_id == bead.id)
            comments = session.exec(query.order_by(col(Comment.sequence))).all()
            ends = {edge.to_id for edge in edges} | {edge.from_id for edge in back}
            return Detail(bead, edges, back, list(comments), graph.beads_of(session, ends))

    def ready(
        self,
        *,
        run_id: str | None = None,
        kind: str | None = None,
        label: str | None = None,
        assignee: str | None = None,
        priority: int | None = None,
        limit: int | None = None,
    ) -> list[Bead]:
        """As :meth:`state.BeadStore.ready`, with more filters."""
        if label is None and assignee is None and priority is None:
            return self.store.ready(run_id=run_id, kind=kind, limit=limit)
        more = matching(run_id=run_id, kind=kind, label=label, assignee=assignee, priority=priority)
        return hot.select(self.database, [is_ready(self.database.now()), *more], limit)

    def search(self, words: str, limit: int | None = None) -> list[Bead]:
        """Beads that contain all words in title, body, notes or comments, best first.

        ``word*`` stands for its continuations, ``"…"`` for a phrase. Raises UsageError.
        """
        with self.database.read() as session:
            behind = search.is_behind(session.connection())
        if behind:
            with self.database.write() as session:
                search.catch_up(session.connection())
        with self.database.read() as session:
            ids = search.find_ids(session.connection(), words, limit)
            beads = graph.beads_of(session, ids)
            return [beads[id] for id in ids]

    def stats(self) -> Stats:
        """Numbers about all beads."""
        unfinished = col(Bead.status).not_in(DONE)
        with self.database.read() as session:

            def count(column: object, *conditions: object) -> dict[str, int]:
                query = select(column, func.count()).where(*conditions).group_by(column)  # type: ignore[call-overload]
                return dict(sorted(session.exec(query).all()))

            def number(condition: object) -> int:
                query = select(func.count()).select_from(Bead).where(condition)  # type: ignore[arg-type]
                return session.exec(query).one()

            by_status = count(Bead.status)
            lead = select(func.avg(col(Bead.closed_at) - col(Bead.created_at)))
            return Stats(
                total=sum(by_status.values()),
                by_status=by_status,
                by_kind=count(Bead.kind, col(Bead.status) != "tombstone"),
                by_priority={int(p): n for p, n in count(Bead.priority, unfinished).items()},
                ready=number(is_ready(self.database.now())),
                blocked=number(is_blocked()),
                lead_time_s=session.exec(lead.where(Bead.status == "closed")).one(),
            )

    def ids(self, start: str, limit: int = 50) -> list[tuple[str, str]]:
        """Ids that begin so, with or without ``hm-``, and their titles; unfinished ones first."""
        with self.database.read() as session:
            done = col(Bead.status).in_(DONE)
            query = select(Bead.id, Bead.title).where(
                rows.starts_so(start), Bead.status != "tombstone"
            )
            return list(session.exec(query.order_by(done, Bead.id).limit(limit)).all())
