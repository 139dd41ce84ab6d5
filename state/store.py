"""The bead store: the tiers' knowledge, plans and results, in one table that all tiers read and
write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Unpack, cast

from state import queries, rows, writes
from state.database import Database
from state.errors import UsageError
from state.filters import Filters, Order, Work, matching, where
from state.frontier import BLOCKED
from state.models import (
    DONE,
    Bead,
    BeadKind,
    Dependency,
    DependencyType,
)
from state.rows import BeadChanges, BeadFields

_FREE: BeadChanges = {"status": "open", "assignee": None}


class BeadStore:
    """Beads and their dependencies. Every method is one short transaction.

    Returned beads are detached copies: changing one changes nothing in the store. Where a method
    takes an id, a unique prefix of one is enough, with or without ``hm-``. Every method raises
    UsageError for an unknown or ambiguous id and for a value out of range, and StoreError if the
    database fails.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(
        cls, path_or_url: str | Path, clock: Callable[[], float] = time.time, *, create: bool = True
    ) -> BeadStore:
        """Open the database at a path or URL, or create it; ``clock`` gives seconds since the epoch.

        Raises StoreError if it cannot be used; NoStoreError, without ``create``, if there is none.
        """
        return cls(Database.open(path_or_url, clock, create=create))

    def close_database(self) -> None:
        """Close all connections to the database."""
        self.database.close()

    # --- writing -----------------------------------------------------------------------------

    def create(
        self,
        kind: BeadKind,
        title: str,
        *,
        id: str | None = None,
        key: str | None = None,
        **fields: Unpack[BeadFields],
    ) -> Bead:
        """Write a new bead.

        If a bead with this ``key`` (or ``id``) exists already, it is returned unchanged, so a
        replay after a crash creates nothing twice.
        """
        rows.refuse_unknown(fields)
        parent = fields.pop("parent", None)
        drawn = {"kind": kind, "title": title, **fields}
        rows.check(drawn)
        if id is None and key is None and parent is None:
            return queries.create(self.database, drawn)
        if id is None and key is not None:
            bead = Bead(key=key, kind=kind, title=title, **fields)
            bead.__dict__["parent"] = parent
            return writes.write(self.database, [bead])[0]
        with self.database.writing() as tx:
            bead = Bead(id=id or "", key=key, kind=kind, title=title, **fields)
            if parent is not None:
                bead.parent = rows.find(tx, parent).id
            return rows.insert(tx, bead, self.database.now())

    def create_many(
        self,
        beads: Sequence[Bead],
        dependencies: Sequence[Dependency] = (),
        changes: Mapping[str, BeadChanges] | None = None,
    ) -> list[Bead]:
        """Write a whole plan and change open beads, or nothing of it.

        Existing beads and dependencies stay unchanged, and changes to a closed bead are ignored.
        ``parent``, ``from_id`` and ``to_id`` name a bead by its id or, if it is one of ``beads``,
        by its key; ids in ``changes`` are whole, and parents do not change. Returns the stored
        beads in the order given.
        """
        _check_changes(changes or {})
        return writes.write(self.database, beads, dependencies, changes)

    def update(self, id: str, **fields: Unpack[BeadChanges]) -> Bead:
        """Change fields of a bead. Any status but ``in_progress`` ends the lease."""
        rows.refuse_unknown(fields)
        with self.database.writing() as tx:
            return rows.change(tx, rows.find(tx, id), fields, self.database.now())

    def close(self, id: str, reason: str = "", **fields: Unpack[BeadChanges]) -> Bead:
        """Close a bead and change further fields with it. A closed bead stays unchanged."""
        rows.refuse_unknown(fields)
        with self.database.writing() as tx:
            bead = rows.find(tx, id)
            if bead.status in DONE:
                return bead
            changes = {**fields, "status": "closed", "close_reason": reason}
            return rows.change(tx, bead, changes, self.database.now())

    def apply(self, beads: Sequence[Bead], changes: Mapping[str, BeadChanges]) -> None:
        """Like :meth:`create_many`, but every bead needs a key, so repeating the call changes
        nothing; returns nothing."""
        for bead in beads:
            if bead.key is None:
                raise UsageError("apply writes only beads that have a key")
        _check_changes(changes)
        writes.apply(self.database, beads, changes)

    def reopen(self, id: str) -> Bead:
        """Open a closed bead again, so that it can be claimed."""
        return self.update(id, status="open", assignee=None)

    def add_dependency(
        self, from_id: str, to_id: str, type: DependencyType = "blocks"
    ) -> Dependency:
        """Make ``from_id`` depend on ``to_id``; repeating the call changes nothing.

        Raises UsageError if it depends on itself, or a cycle of blockers and parents would close.
        """
        with self.database.writing() as tx:
            source, target = rows.find(tx, from_id), rows.find(tx, to_id)
            return rows.link(tx, source.id, target.id, type, self.database.now())

    # --- reading -----------------------------------------------------------------------------

    def find(self, id: str) -> Bead | None:
        """The bead with this whole id, or ``None``."""
        return queries.get(self.database, id)

    def find_all(self, ids: Sequence[str]) -> dict[str, Bead]:
        """Like :meth:`find`, but for several ids: id → bead, for those that exist."""
        return queries.find_all(self.database, ids)

    def get(self, id: str) -> Bead:
        """The bead with this id, or the only one whose id starts with it."""
        if (bead := queries.get(self.database, id)) is not None:
            return bead
        with self.database.reading() as tx:
            return rows.find(tx, id)

    def dependencies(self, id: str) -> list[Dependency]:
        """The dependencies of the bead on others: on its parent, its blockers, and other beads."""
        with self.database.reading() as tx:
            bead = rows.find(tx, id)
            return rows.edges(tx, bead.id)

    def dependents(self, id: str) -> list[Dependency]:
        """The dependencies of others on the bead: of its children, and of other beads."""
        with self.database.reading() as tx:
            return rows.edges_to(tx, rows.find(tx, id).id)

    def query(
        self,
        *,
        limit: int | None = None,
        order: Order = "created",
        **filters: Unpack[Filters],
    ) -> list[Bead]:
        """Beads that match all filters."""
        conditions, values = matching(**self.whole(filters))
        return queries.select(self.database, conditions, values, limit, order)

    def whole(self, filters: Filters) -> Filters:
        """The filters with the whole id of the parent in place of its prefix."""
        if (parent := filters.get("parent")) is None:
            return filters
        return {**filters, "parent": self.get(parent).id}

    def of_run(
        self,
        run_id: str,
        kind: BeadKind,
        tier: str | None = None,
        *,
        newest: int | None = None,
    ) -> list[Bead]:
        """Beads of a run, oldest first; with ``newest`` only so many of the last ones."""
        return queries.of_run(self.database, run_id, kind, tier, newest=newest)

    def stamps(self, run_id: str, kind: BeadKind) -> dict[str, float]:
        """Id → time of the last change, for a run's beads that are not closed."""
        return queries.stamps(self.database, run_id, kind)

    # --- the frontier ------------------------------------------------------------------------

    def ready(self, limit: int | None = None, **filters: Unpack[Filters]) -> list[Bead]:
        """Work that may be claimed now, most urgent first, then oldest.

        Ready work is open or its lease has expired, and neither it nor a bead above it has an open
        blocker or is deferred. An epic is offered when its parts are done. Beads that only record
        something, and imported beads that are excluded from work (pinned, a template), are not
        offered.
        """
        return queries.ready(self.database, limit, **self.whole(filters))

    def blocked(self, limit: int | None = None, **filters: Unpack[Filters]) -> list[Bead]:
        """Unfinished work that waits for an open blocker of its own or of a bead above."""
        conditions, values = matching(**self.whole(filters))
        return queries.select(self.database, [BLOCKED, *conditions], values, limit)

    def claim(
        self,
        id: str | None = None,
        *,
        assignee: str,
        lease_s: float,
        **filters: Unpack[Work],
    ) -> Bead | None:
        """Claim a ready bead, this one or the first, for ``lease_s`` seconds; ``None`` if none is
        ready.

        Atomic: of many claimants one gets the bead. The claim adds one to the bead's attempts. An
        epic with open parts can only be claimed by its id.
        """
        if id is not None:
            id = self.get(id).id
        return queries.claim(
            self.database, id, who=assignee, lease_s=lease_s, **self.whole(cast(Filters, filters))
        )

    def claim_with(self, orders: Sequence[Bead], *, lease_s: float) -> list[Bead]:
        """Claim the parents of ``orders`` (whole ids) for the assignees of the orders. The order
        of each parent that was ready is written in the same transaction; returns the written
        orders."""
        return writes.claim(self.database, orders, lease_s)

    def renew(self, id: str, assignee: str, lease_s: float) -> bool:
        """Extend a lease to ``lease_s`` seconds from now; false if it is no longer ``assignee``'s.

        An expired lease that nobody has taken over can be renewed.
        """
        with self.database.writing() as tx:
            bead = rows.find(tx, id)
            if bead.status != "in_progress" or bead.assignee != assignee:
                return False
            before = bead.model_dump()
            bead.lease_until = self.database.now() + lease_s
            tx.save(bead, before)
            return True

    def release(self, id: str, assignee: str | None = None) -> bool:
        """Release a claimed bead; false if it is not claimed, or not by ``assignee``."""
        with self.database.writing() as tx:
            bead = rows.find(tx, id)
            if bead.status != "in_progress" or assignee not in (None, bead.assignee):
                return False
            rows.change(tx, bead, _FREE, self.database.now())
            return True

    def release_run(self, run_id: str) -> int:
        """Release all claimed beads of a run whose process died; returns their number.

        Only for the holder of the run's lock (:meth:`state.Runs.acquire`).
        """
        with self.database.writing() as tx:
            conditions, values = matching(run_id=run_id, status="in_progress")
            claimed = tx.records(Bead, where(conditions), values)
            for bead in claimed:
                rows.change(tx, bead, _FREE, self.database.now())
            return len(claimed)


def _check_changes(changes: Mapping[str, BeadChanges]) -> None:
    for fields in changes.values():
        rows.refuse_unknown(fields)
        rows.check(fields)
