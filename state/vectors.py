"""Embeddings of beads, kept beside them in the database, and the search for the nearest ones.

The table is a cache: it can be rebuilt from the beads, so it is created on first use and belongs to
no migration. A search reads one bit per dimension first (sign codes, Hamming distance) and computes
exact cosines for the nearest :data:`SHORTLIST` only, so that it costs little more among 100,000 beads
than among 1,000 (binary quantization with rescoring: Yamada et al. 2021, arXiv 2106.00882).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from state.models import Bead
from state.store import BeadStore
from state.transactions import Transaction, among, chunks

SHORTLIST = 512
"""Beads of each scope whose cosine is computed exactly."""
BATCH = 256
"""Beads that are embedded and committed at a time."""
LONGEST = 2000
"""Most characters of a bead's text that are embedded; sentence embedders read no more."""

INSIGHTS, ROUTINES = "insight", "routine"
"""Scopes of memory that all runs share; any other scope is a run's id, or empty for beads of no
run."""
QUIET, FOLDED = "quiet", "folded"
"""Labels of beads that no search finds: book-keeping, and beads that a summary replaces."""

Vector = NDArray[np.float32]

_TABLE = (
    """
    CREATE TABLE IF NOT EXISTS bead_vector (
        sequence {serial} PRIMARY KEY {autoincrement},
        bead_id VARCHAR NOT NULL,
        model VARCHAR NOT NULL,
        scope VARCHAR NOT NULL,
        code {bytes} NOT NULL,
        digest VARCHAR NOT NULL,
        as_of FLOAT NOT NULL,
        vector {bytes} NOT NULL,
        UNIQUE (bead_id, model)
    )
    """,
    # This index holds everything that a search loads, so that a search never reads the vectors'
    # pages.
    "CREATE INDEX IF NOT EXISTS bead_vector_codes "
    "ON bead_vector (model, scope, sequence, bead_id, code)",
)
_WORDS = {
    False: {"serial": "INTEGER", "autoincrement": "AUTOINCREMENT", "bytes": "BLOB"},
    True: {"serial": "SERIAL", "autoincrement": "", "bytes": "BYTEA"},
}
"""Names that differ between SQLite and PostgreSQL; the key says whether it is PostgreSQL."""
_INSERT = """
    INSERT INTO bead_vector (bead_id, model, scope, code, digest, as_of, vector)
    VALUES (%(bead_id)s, %(model)s, %(scope)s, %(code)s, %(digest)s, %(as_of)s, %(vector)s)
"""
_SEEN = "UPDATE bead_vector SET as_of = %(now)s WHERE bead_id = %(id)s AND model = %(model)s"
_CODES = """
    SELECT sequence, bead_id, code FROM bead_vector
    WHERE model = %(model)s AND scope = %(scope)s AND sequence > %(last)s ORDER BY sequence
"""


class Embedding(Protocol):
    """A sentence embedder, which the caller supplies."""

    @property
    def name(self) -> str:
        """Name of the vector space; vectors of different names are never compared."""
        ...

    def embed(self, texts: Sequence[str]) -> Vector:
        """Unit vectors of the texts, float32 (texts, dimension)."""
        ...


@dataclass
class _Codes:
    """Sign codes of one scope, read in full once and afterwards only for new beads."""

    ids: list[str] = field(default_factory=list)
    place: dict[str, int] = field(default_factory=dict)
    rows: NDArray[np.uint64] = field(default_factory=lambda: np.empty((0, 0), np.uint64))
    last: int = 0

    def add(self, found: Sequence[tuple[int, str, bytes]]) -> None:
        if not found:
            return
        words = len(found[0][2]) // 8
        fresh = sum(1 for _, id, _ in found if id not in self.place)
        if len(self.ids) + fresh > len(self.rows):
            size = max(2 * len(self.rows), len(self.ids) + fresh)
            grown = np.zeros((size, words), np.uint64)
            if self.ids:
                grown[: len(self.ids)] = self.rows[: len(self.ids)]
            self.rows = grown
        for sequence, id, code in found:
            if id not in self.place:
                self.place[id] = len(self.ids)
                self.ids.append(id)
            self.rows[self.place[id]] = np.frombuffer(code, np.uint64)
            self.last = sequence

    def nearest(self, code: NDArray[np.uint64], count: int) -> list[str]:
        """The ``count`` ids with the least Hamming distance, whatever the order in which they were
        added."""
        if len(self.ids) <= count:
            return list(self.ids)
        apart = np.bitwise_count(self.rows[: len(self.ids)] ^ code).sum(axis=1, dtype=np.int64)
        edge = int(np.partition(apart, count - 1)[count - 1])
        inside = [self.ids[i] for i in np.flatnonzero(apart < edge)]
        ties = sorted(self.ids[i] for i in np.flatnonzero(apart == edge))
        return inside + ties[: count - len(inside)]


class Vectors:
    """The embeddings of a store under one embedder. Methods raise StoreError."""

    def __init__(self, store: BeadStore, embedding: Embedding) -> None:
        self.store, self.embedding = store, embedding
        self._codes: dict[str, _Codes] = {}
        self._complete: set[str] = set()
        self._late: dict[str, list[str]] = {}
        self._texts: dict[str, Vector] = {}
        with store.database.writing() as tx:
            _create(tx)

    def embed(self, text: str) -> Vector:
        """The vector of a text; each text is embedded once."""
        if text not in self._texts:
            self._texts[text] = self.embedding.embed([text[:LONGEST]])[0]
        return self._texts[text]

    def likeness(self, one: str, other: str) -> float:
        """Cosine of two texts."""
        return float(self.embed(one) @ self.embed(other))

    def sync(self, scope: str) -> int:
        """Embed the beads of ``scope`` that have no vector yet or a new text; returns their number.

        The scopes that all runs share, and the beads of no run, are read through once;
        :meth:`touch` reports later additions of this process.
        """
        if scope not in self._complete:
            if scope in (INSIGHTS, ROUTINES, ""):
                self._complete.add(scope)
            return self._embed_beads(scope)
        late = self._late.pop(scope, [])
        return sum(self._embed_beads(scope, *some) for some in chunks(late))

    def touch(self, bead_ids: Collection[str], scope: str) -> None:
        """Report that these beads of ``scope`` were just written; the next :meth:`sync` embeds
        them."""
        self._late.setdefault(scope, []).extend(bead_ids)

    def search(self, query: Vector, scopes: Iterable[str], limit: int) -> list[tuple[str, float]]:
        """(bead id, cosine) of the ``limit`` beads of ``scopes`` nearest to ``query``, best first."""
        code = np.frombuffer(_code(query), np.uint64)
        ids: list[str] = []
        for scope in scopes:
            ids += self._load(scope).nearest(code, SHORTLIST)
        if not ids:
            return []
        found: list[tuple[str, float]] = []
        with self.store.database.reading() as tx:
            for those, values in chunks(ids):
                sql = (
                    "SELECT bead_id, vector FROM bead_vector "
                    f"WHERE model = %(model)s AND bead_id IN {those}"
                )
                rows = tx.rows(sql, {**values, "model": self.embedding.name})
                found += [(str(id), float(_read(raw) @ query)) for id, raw in rows]
        return sorted(found, key=lambda row: (-row[1], row[0]))[:limit]

    def _load(self, scope: str) -> _Codes:
        codes = self._codes.setdefault(scope, _Codes())
        values = {"model": self.embedding.name, "scope": scope, "last": codes.last}
        rows = self.store.database.rows(_CODES, values)
        codes.add([(int(s), str(id), bytes(code)) for s, id, code in rows])
        return codes

    def _embed_beads(
        self, scope: str, among: str = "", names: Mapping[str, str] | None = None
    ) -> int:
        """Update the vectors of a scope's beads batch by batch, for all beads or some of them.

        ``among`` and ``names`` come from :func:`state.transactions.chunks`.
        """
        condition, values = in_scope(scope)
        some = f"AND bead.id IN {among}" if among else ""
        sql = f"""
            SELECT bead.id, bead.kind, bead.title, bead.body, bead.updated_at, bead_vector.digest
            FROM bead LEFT JOIN bead_vector
            ON bead_vector.bead_id = bead.id AND bead_vector.model = %(model)s
            WHERE {condition} {some}
            AND (bead_vector.bead_id IS NULL OR bead_vector.as_of < bead.updated_at)
            ORDER BY bead.created_at, bead.id
        """
        values |= {"model": self.embedding.name, **(names or {})}
        done = 0
        pending = [_Pending(*row) for row in self.store.database.rows(sql, values)]
        for start in range(0, len(pending), BATCH):
            batch = pending[start : start + BATCH]
            texts = {row.id: _text(row.kind, row.title, row.body) for row in batch}
            new = [row for row in batch if row.digest != _digest(texts[row.id])]
            fresh = {row.id for row in new}
            model = self.embedding.name
            same = [
                {"id": r.id, "now": r.updated_at, "model": model}
                for r in batch
                if r.id not in fresh
            ]
            vectors: Sequence[Vector] = (
                list(self.embedding.embed([texts[row.id] for row in new])) if new else []
            )
            rows: list[dict[str, Any]] = [
                {
                    "bead_id": row.id, "model": model, "scope": scope,
                    "digest": _digest(texts[row.id]), "as_of": row.updated_at,
                    "code": _code(vector), "vector": vector.astype("<f4").tobytes(),
                }
                for row, vector in zip(new, vectors, strict=True)
            ]  # fmt: skip
            with self.store.database.writing() as tx:
                tx.run_many(_SEEN, same)
                if rows:
                    _forget(tx, [row["bead_id"] for row in rows], model)
                    tx.run_many(_INSERT, rows)
            done += len(new)
        return done


@dataclass(frozen=True)
class _Pending:
    """A bead whose vector is missing, or older than the bead."""

    id: str
    kind: str
    title: str
    body: str
    updated_at: float
    digest: str | None


def _create(tx: Transaction) -> None:
    for statement in _TABLE:
        tx.run(statement.format(**_WORDS[tx.is_postgres]))


def forget(tx: Transaction, bead_ids: Sequence[str]) -> None:
    """Delete the vectors of these beads, of all embedders."""
    _create(tx)
    _forget(tx, bead_ids)


def _forget(tx: Transaction, bead_ids: Sequence[str], model: str | None = None) -> None:
    own = "AND model = %(model)s" if model is not None else ""
    for start in range(0, len(bead_ids), BATCH):
        those, values = among(bead_ids[start : start + BATCH])
        sql = f"DELETE FROM bead_vector WHERE bead_id IN {those} {own}"
        tx.run(sql, {**values, "model": model} if own else values)


def scope_of(bead: Bead) -> str:
    """The scope in which a search finds the bead."""
    if bead.kind in (INSIGHTS, ROUTINES):
        return bead.kind
    return bead.run_id or ""


def audible() -> tuple[str, dict[str, str]]:
    """SQL condition that a bead is neither book-keeping nor folded into a summary; its
    parameters."""
    labels = (QUIET, FOLDED)
    conditions = [f"CAST(bead.labels AS VARCHAR) NOT LIKE %({label})s" for label in labels]
    return " AND ".join(conditions), {label: f'%"{label}"%' for label in labels}


def in_scope(scope: str) -> tuple[str, dict[str, str]]:
    """SQL condition that a search of ``scope`` may find a bead; its parameters."""
    heard, values = audible()
    values |= {"insights": INSIGHTS, "routines": ROUTINES, "of": scope}
    if scope in (INSIGHTS, ROUTINES):
        own = "bead.kind = %(of)s"
    else:
        own = "bead.run_id = %(of)s" if scope else "bead.run_id IS NULL"
        own += " AND bead.kind NOT IN (%(insights)s, %(routines)s)"
    return f"{own} AND {heard}", values


def _text(kind: str, title: str, body: str) -> str:
    """The text that is embedded: for a routine the problem it solved, for other beads title and
    body."""
    whole = body if kind == ROUTINES and body else f"{title}\n{body}"
    return whole.strip()[:LONGEST]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _code(vector: Vector) -> bytes:
    """One bit per dimension, padded to whole 64-bit words."""
    packed = np.packbits(vector > 0).tobytes()
    return packed + bytes(-len(packed) % 8)


def _read(raw: Any) -> Vector:
    return np.frombuffer(bytes(raw), "<f4")
