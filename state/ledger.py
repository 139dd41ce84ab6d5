"""The ledger: every model call, written when it completes, so that none is paid for twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from state.models import Call
from state.store import BeadStore

LOST = "lost"
"""``finish_reason`` of a call that was sent and gave no answer that counts: it was given up, and is
recorded at the most that it can have cost, or another adapter answered."""


@dataclass(frozen=True)
class Usage:
    """What model calls have cost."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """Sum of the latencies; calls in parallel count each."""
    cost: float = 0.0
    """US dollars."""

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens


_COLUMNS = tuple(name for name in Call.model_fields if name != "sequence")
_JSON = ("prompt", "params")
_encode = json.JSONEncoder().encode
_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
_INSERT = (
    'INSERT INTO "call" ({}) VALUES ({}) ON CONFLICT ("key") DO NOTHING RETURNING sequence'.format(
        ", ".join(f'"{name}"' for name in _COLUMNS),
        ", ".join(f"%({name})s" for name in _COLUMNS),
    )
)

_SUMS = ", ".join(
    f"coalesce(sum({name}), 0)"
    for name in ("prompt_tokens", "completion_tokens", "latency_s", "cost")
)
SPENT = f'SELECT count(*), {_SUMS} FROM "call" WHERE run_id = %(run)s'
"""What a run's calls have cost."""


class Ledger:
    """Completed model calls, looked up by what was asked. Methods raise StoreError."""

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
        """SHA-256, in hex, of all that makes a call the one it is."""
        parts = [run_id, bead_id, attempt, sample, prompt, adapter_digest, params]
        return hashlib.sha256(_canonical(parts).encode()).hexdigest()

    def find(self, key: str) -> Call | None:
        """The completed call with this key, if there is one."""
        with self.database.read() as session:
            return _find(session, key)

    def keys(self, run_id: str) -> set[str]:
        """Keys of all completed calls of a run."""
        with self.database.reading() as connection:
            sql = 'SELECT "key" FROM "call" WHERE run_id = %(run)s'
            return {row[0] for row in self.database.run(connection, sql, {"run": run_id})}

    def record(self, call: Call) -> Call:
        """Write a completed call. If its key is there already, the recorded call wins."""
        return self.record_all([call])[0]

    def record_all(self, calls: Sequence[Call]) -> list[Call]:
        """As :meth:`record`, several calls in one transaction."""
        recorded = list(calls)
        known: list[int] = []
        with self.database.writing() as connection:
            for place, call in enumerate(calls):
                row = {name: call.__dict__[name] for name in _COLUMNS}
                row["created_at"] = row["created_at"] or self.database.now()
                row |= {name: _encode(row[name]) for name in _JSON}
                written = self.database.run(connection, _INSERT, row).fetchall()
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
        and gave no answer that counts."""
        query = select(Call).where(Call.run_id == run_id).order_by(col(Call.sequence))
        if not lost:
            query = query.where(col(Call.finish_reason) != LOST)
        with self.database.read() as session:
            return list(session.exec(query).all())

    def lost(self, run_id: str) -> int:
        """How many calls of a run were paid for and gave no answer that counts."""
        sql = 'SELECT count(*) FROM "call" WHERE run_id = %(run)s AND finish_reason = %(lost)s'
        return int(self.database.rows(sql, {"run": run_id, "lost": LOST})[0][0])

    def calls_by_specialist(self, run_id: str) -> dict[str, int]:
        """How many calls of a run each specialist answered, in the order of their first."""
        sql = (
            'SELECT specialist, count(*) FROM "call" WHERE run_id = %(run)s '
            "GROUP BY specialist ORDER BY min(sequence)"
        )
        with self.database.reading() as connection:
            return dict(self.database.run(connection, sql, {"run": run_id}).fetchall())

    def said_before(self, text: str, sequence: int) -> bool:
        """Whether a response of any run, recorded before call number ``sequence``, holds ``text``."""
        there = col(Call.response).contains(text, autoescape=True)
        with self.database.read() as session:
            query = select(Call.sequence).where(there, col(Call.sequence) < sequence).limit(1)
            return session.exec(query).first() is not None

    def spent(self, run_id: str) -> Usage:
        """What a run's calls have cost so far, the lost ones included."""
        return usage_of(self.database.rows(SPENT, {"run": run_id}))


def usage_of(rows: Sequence[Sequence[Any]]) -> Usage:
    """As :meth:`Ledger.spent`, from what :data:`SPENT` found."""
    calls, prompt_tokens, completion_tokens, seconds, cost = rows[0]
    return Usage(
        calls=calls,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        seconds=seconds,
        cost=cost,
    )


def _find(session: Session, key: str) -> Call | None:
    return session.exec(select(Call).where(Call.key == key)).first()
