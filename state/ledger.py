"""The ledger: every model call, written when it completes, so that no call is paid for twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from state.filters import escaped
from state.models import Call
from state.store import BeadStore
from state.transactions import encoded, inserting

LOST = "lost"
"""``finish_reason`` of a call that was sent and gave no usable answer: it was given up, and is
recorded at the most that it can have cost, or another adapter answered."""


@dataclass(frozen=True)
class Usage:
    """The cost of model calls."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """Sum of the latencies; parallel calls count separately."""
    cost: float = 0.0
    """US dollars."""

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens


_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
_INSERT = (
    f'{inserting(Call.TABLE, Call.names()[1:])} ON CONFLICT ("key") DO NOTHING RETURNING sequence'
)

_SUMS = ", ".join(
    f"coalesce(sum({name}), 0)"
    for name in ("prompt_tokens", "completion_tokens", "latency_s", "cost")
)
SPENT = f'SELECT count(*), {_SUMS} FROM "call" WHERE run_id = %(run)s'
"""SQL for the cost of a run's calls."""


class Ledger:
    """Completed model calls, found by the hash of the request. Methods raise StoreError."""

    def __init__(self, store: BeadStore) -> None:
        self.database = store.database

    @staticmethod
    def call_key(
        run_id: str,
        bead_id: str,
        attempt: int,
        sample: int,
        prompt: list[dict[str, Any]],
        adapter_digest: str,
        params: dict[str, Any],
    ) -> str:
        """SHA-256, in hex, of all values that identify a call."""
        parts = [run_id, bead_id, attempt, sample, prompt, adapter_digest, params]
        return hashlib.sha256(_canonical(parts).encode()).hexdigest()

    def find(self, key: str) -> Call | None:
        """The completed call with this key, if there is one."""
        sql = f'SELECT {Call.columns()} FROM "call" WHERE "key" = %(key)s'
        found = self.database.rows(sql, {"key": key})
        return Call.of(found[0]) if found else None

    def keys(self, run_id: str) -> set[str]:
        """Keys of all completed calls of a run."""
        sql = 'SELECT "key" FROM "call" WHERE run_id = %(run)s'
        return {key for (key,) in self.database.rows(sql, {"run": run_id})}

    def record(self, call: Call) -> Call:
        """Write a completed call. If its key exists already, the recorded call is kept."""
        return self.record_all([call])[0]

    def record_all(self, calls: Sequence[Call]) -> list[Call]:
        """Like :meth:`record`, but writes several calls in one transaction."""
        recorded = list(calls)
        known: list[int] = []
        with self.database.writing() as tx:
            for place, call in enumerate(calls):
                row = encoded(call, ("sequence",))
                row["created_at"] = row["created_at"] or self.database.now()
                written = tx.rows(_INSERT, row)
                if written:
                    call.__dict__.update(sequence=written[0][0], created_at=row["created_at"])
                else:
                    known.append(place)
        for place in known:
            there = self.find(calls[place].key)
            if there is None:
                raise AssertionError(f"call {calls[place].key} is neither new nor recorded")
            recorded[place] = there
        return recorded

    def calls(self, run_id: str, *, lost: bool = False) -> list[Call]:
        """The calls of a run in the order of recording; with ``lost`` also those that were paid for
        and gave no usable answer."""
        kept = "" if lost else "AND finish_reason <> %(lost)s "
        with self.database.reading() as tx:
            return tx.records(
                Call, f"WHERE run_id = %(run)s {kept}ORDER BY sequence",
                {"run": run_id, "lost": LOST},
            )  # fmt: skip

    def lost(self, run_id: str) -> int:
        """Number of calls of a run that were paid for and gave no usable answer."""
        sql = 'SELECT count(*) FROM "call" WHERE run_id = %(run)s AND finish_reason = %(lost)s'
        return int(self.database.rows(sql, {"run": run_id, "lost": LOST})[0][0])

    def calls_by_specialist(self, run_id: str) -> dict[str, int]:
        """Number of calls of a run that each specialist answered, in the order of their first
        calls."""
        sql = (
            'SELECT specialist, count(*) FROM "call" WHERE run_id = %(run)s '
            "GROUP BY specialist ORDER BY min(sequence)"
        )
        return dict(map(tuple, self.database.rows(sql, {"run": run_id})))

    def said_before(self, text: str, sequence: int) -> bool:
        """Whether a response of any run, recorded before call number ``sequence``, contains
        ``text``."""
        sql = (
            'SELECT 1 FROM "call" WHERE sequence < %(before)s '
            "AND response LIKE %(text)s ESCAPE '/' LIMIT 1"
        )
        return bool(self.database.rows(sql, {"text": f"%{escaped(text)}%", "before": sequence}))

    def spent(self, run_id: str) -> Usage:
        """The cost of a run's calls so far, the lost ones included."""
        return usage_of(self.database.rows(SPENT, {"run": run_id}))


def usage_of(rows: Sequence[Sequence[Any]]) -> Usage:
    """The sums that :data:`SPENT` found, as one value."""
    calls, prompt_tokens, completion_tokens, seconds, cost = rows[0]
    return Usage(
        calls=calls,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        seconds=seconds,
        cost=cost,
    )
