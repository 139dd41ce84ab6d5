"""Run records, and the lock that lets one process at a time work on a run."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from state import ids
from state.errors import UsageError
from state.filters import escaped
from state.ledger import SPENT, usage_of
from state.models import Run
from state.store import BeadStore
from state.transactions import Transaction

if TYPE_CHECKING:
    from state.stops import StopReason

LOCK_TTL_S = 60.0
"""Seconds that a run stays locked after its owner last renewed the lock."""

_ID_LENGTH = 8
"""Characters of a run id: 40 bits, unique across machines."""


class Runs:
    """The records of runs. A run id may be shortened as long as it stays unique.

    Every method raises UsageError for an unknown or ambiguous id, and StoreError.
    """

    def __init__(self, store: BeadStore, owner: str | None = None) -> None:
        """Give access to the run records of ``store``.

        ``owner`` is the name of the lock holder, ``host:pid``; this process by default.
        """
        self.database = store.database
        self.owner = owner or f"{socket.gethostname()}:{os.getpid()}"

    def start(
        self,
        problem_id: str,
        *,
        problem_json: str = "{}",
        config_json: str = "{}",
        seed: int = 0,
        ttl_s: float = LOCK_TTL_S,
    ) -> Run:
        """Write the record of a new run, locked by this process. Must be called before any work."""
        now = self.database.now()
        with self.database.writing() as tx:
            run = Run(
                id=_free_id(tx),
                problem_id=problem_id,
                problem_json=problem_json,
                config_json=config_json,
                seed=seed,
                created_at=now,
                updated_at=now,
            )
            self._lock(run, now, ttl_s)
            tx.insert([run])
            return run

    def get(self, id: str) -> Run:
        """The record of a run. A running one whose process has died has the status
        ``interrupted``."""
        with self.database.reading() as tx:
            run = _find(tx, id)
        return self._as_it_is(run)

    def list(self, problem_id: str | None = None, limit: int | None = None) -> list[Run]:
        """The records of runs, newest first."""
        rest = "WHERE problem_id = %(problem)s " if problem_id is not None else ""
        rest += "ORDER BY created_at DESC, id" + (" LIMIT %(limit)s" if limit is not None else "")
        with self.database.reading() as tx:
            runs = tx.records(Run, rest, {"problem": problem_id, "limit": limit})
        return [self._as_it_is(run) for run in runs]

    def finish(
        self,
        id: str,
        *,
        verdict: str,
        reason: StopReason,
        answer: str | None = None,
        reference_match: bool | None = None,
    ) -> Run:
        """Close the record with its verdict and its cost from the ledger; frees the lock."""
        with self.database.writing() as tx:
            run = _find(tx, id)
            before = run.model_dump()
            run.status = "finished"
            run.verdict, run.answer = verdict, answer
            run.stop_kind, run.stop_reason = reason.kind, reason.text
            run.reference_match = reference_match
            run.closed_at = self.database.now()
            return self._leave(tx, run, before)

    def interrupt(self, id: str, reason: StopReason) -> Run:
        """Mark the run as stopped before its end, so that it can be resumed; frees the lock.

        A run that waits for a person's approval gets a status of its own.
        """
        with self.database.writing() as tx:
            run = _find(tx, id)
            before = run.model_dump()
            run.status = "awaiting-approval" if reason.kind == "approval" else "interrupted"
            run.stop_kind, run.stop_reason = reason.kind, reason.text
            return self._leave(tx, run, before)

    def score(self, id: str, reference_match: bool) -> Run:
        """Record whether the answer of a run agrees with the hidden checks."""
        with self.database.writing() as tx:
            run = _find(tx, id)
            before = run.model_dump()
            run.reference_match = reference_match
            run.updated_at = self.database.now()
            tx.save(run, before)
            return run

    # --- the lock ----------------------------------------------------------------------------

    def acquire(self, id: str, ttl_s: float = LOCK_TTL_S) -> Run:
        """Lock an unfinished run for this process, which must renew the lock within ``ttl_s``
        seconds.

        Raises UsageError if another process holds the lock, or the run is finished. A lock that has
        expired, or whose process on this machine has died, is free.
        """
        now = self.database.now()
        with self.database.writing() as tx:
            run = _find(tx, id)
            if run.status == "finished":
                raise UsageError(f"run {run.id} is finished, verdict {run.verdict}")
            if run.owner != self.owner and self._is_held(run):
                host, _, pid = (run.owner or "").rpartition(":")
                raise UsageError(
                    f"run {run.id} is in the hands of process {pid} on {host}; "
                    "wait until it ends, or stop it"
                )
            before = run.model_dump()
            run.status, run.stop_kind, run.stop_reason = "running", None, None
            run.updated_at = now
            self._lock(run, now, ttl_s)
            tx.save(run, before)
            return run

    def renew(self, id: str, ttl_s: float = LOCK_TTL_S) -> bool:
        """Extend the lock by ``ttl_s`` seconds and count the time; false if the lock is lost."""
        now = self.database.now()
        with self.database.writing() as tx:
            run = _find(tx, id)
            if run.owner != self.owner:
                return False
            before = run.model_dump()
            _count_time(run, now)
            self._lock(run, now, ttl_s)
            tx.save(run, before)
            return True

    def put_back(self, before: Run) -> Run:
        """Free the lock of a run without any new work, and restore its record ``before``."""
        with self.database.writing() as tx:
            run = _find(tx, before.id)
            held = run.model_dump()
            run.status = before.status
            run.stop_kind, run.stop_reason = before.stop_kind, before.stop_reason
            return self._leave(tx, run, held)

    def reconfigure(self, id: str, config_json: str) -> Run:
        """Write the settings that a resume changes."""
        with self.database.writing() as tx:
            run = _find(tx, id)
            held = run.model_dump()
            run.config_json = config_json
            tx.save(run, held)
            return run

    def release(self, id: str) -> bool:
        """Free the lock; false if this process does not hold it."""
        with self.database.writing() as tx:
            run = _find(tx, id)
            if run.owner != self.owner:
                return False
            self._leave(tx, run, run.model_dump())
            return True

    def _lock(self, run: Run, now: float, ttl_s: float) -> None:
        run.owner, run.owner_until, run.active_at = self.owner, now + ttl_s, now

    def _leave(self, tx: Transaction, run: Run, before: Mapping[str, Any]) -> Run:
        now = self.database.now()
        _count_time(run, now)
        run.owner = run.owner_until = run.active_at = None
        usage = usage_of(tx.rows(SPENT, {"run": run.id}))
        run.spent_calls, run.spent_tokens, run.spent_cost = usage.calls, usage.tokens, usage.cost
        run.updated_at = now
        tx.save(run, before)
        return run

    def _is_held(self, run: Run) -> bool:
        if run.owner is None or (run.owner_until or 0.0) <= self.database.now():
            return False
        host, _, pid = run.owner.rpartition(":")
        return host != socket.gethostname() or _is_alive(int(pid))

    def _as_it_is(self, run: Run) -> Run:
        if run.status == "running" and not self._is_held(run):
            run.status = "interrupted"
        return run


def _count_time(run: Run, now: float) -> None:
    if run.active_at is not None:
        run.spent_seconds += max(0.0, now - run.active_at)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # The process is alive and belongs to another user.
        return True
    return True


def _free_id(tx: Transaction) -> str:
    for proposal in ids.candidates(ids.random_digest(), _ID_LENGTH, prefix="run-"):
        if not tx.records(Run, "WHERE id = %(id)s", {"id": proposal}):
            return proposal
    raise AssertionError("two digests of 255 bits are equal")


def _find(tx: Transaction, id: str) -> Run:
    if whole := tx.records(Run, "WHERE id = %(id)s", {"id": id}):
        return whole[0]
    start = escaped(id if id.startswith("run-") else f"run-{id}")
    beginning = "WHERE id LIKE %(start)s ESCAPE '/' LIMIT 2"
    runs = tx.records(Run, beginning, {"start": f"{start}%"})
    if not id or not runs:
        raise UsageError(f"unknown run id {id!r}; `harness runs list` shows them")
    if len(runs) > 1:
        raise UsageError(f"run id {id!r} is ambiguous: {runs[0].id}, {runs[1].id}, …")
    return runs[0]
