"""Embeddings of beads, kept beside them in the database, and the search for the nearest ones.

The table is a cache: it can be rebuilt from the beads, so it is created on first use and belongs to
no migration. A search reads one bit per dimension first (sign codes, Hamming distance) and computes
exact cosines for the nearest :data:`SHORTLIST` only, so that it costs little more among 100,000 beads
than among 1,000 (binary quantization with rescoring: Yamada et al. 2021, arXiv 2106.00882).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    cast,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlmodel import Session, col

from state.models import Bead
from state.store import BeadStore

SHORTLIST = 512
"""Beads of each scope whose cosine is computed exactly."""
BATCH = 256
"""Beads embedded, and committed, at a time."""
LONGEST = 2000
"""Characters of a bead's text that are embedded; sentence embedders read no more."""

INSIGHTS, ROUTINES = "insight", "routine"
"""Scopes of what all runs share; every other scope is a run's id, or empty for beads of no run."""
QUIET, FOLDED = "quiet", "folded"
"""Labels of beads that no search finds: mere book-keeping, and what a summary stands for."""

Vector = NDArray[np.float32]

_TABLE = Table(
    "bead_vector",
    MetaData(),
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("bead_id", String, nullable=False),
    Column("model", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("code", LargeBinary, nullable=False),
    Column("digest", String, nullable=False),
    Column("as_of", Float, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    UniqueConstraint("bead_id", "model"),
    # Holds all that a search loads, so that it never reads the vectors' pages.
    Index("bead_vector_codes", "model", "scope", "sequence", "bead_id", "code"),
    sqlite_autoincrement=True,
)


class Embedding(Protocol):
    """A sentence embedder, handed in from above."""

    @property
    def name(self) -> str:
        """Which vector space it is; vectors of different names are never compared."""
        ...

    def embed(self, texts: Sequence[str]) -> Vector:
        """Unit vectors, float32 (texts, dimension)."""
        ...


@dataclass
class _Codes:
    """Sign codes of one scope, read once and then only what is new."""

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
        """The ``count`` ids of the least Hamming distance, whatever the order of their arrival."""
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
        with store.database.write() as session:
            _TABLE.create(session.connection(), checkfirst=True)

    def embed(self, text: str) -> Vector:
        """The vector of a text; each text is embedded once."""
        if text not in self._texts:
            self._texts[text] = self.embedding.embed([text[:LONGEST]])[0]
        return self._texts[text]

    def likeness(self, one: str, other: str) -> float:
        """Cosine of two texts."""
        return float(self.embed(one) @ self.embed(other))

    def sync(self, scope: str) -> int:
        """Embed the beads of ``scope`` that have no vector yet or a new text; returns how many.

        What all runs share, and the beads of no run, are looked through once; later additions of
        this process come by :meth:`touch`.
        """
        if scope not in self._complete:
            if scope in (INSIGHTS, ROUTINES, ""):
                self._complete.add(scope)
            return self._embed_beads(in_scope(scope), scope)
        late = self._late.pop(scope, [])
        return (
            self._embed_beads(and_(in_scope(scope), col(Bead.id).in_(late)), scope) if late else 0
        )

    def touch(self, bead_ids: Collection[str], scope: str) -> None:
        """These beads of ``scope`` were just written; the next :meth:`sync` embeds them."""
        self._late.setdefault(scope, []).extend(bead_ids)

    def search(self, query: Vector, scopes: Iterable[str], limit: int) -> list[tuple[str, float]]:
        """(bead id, cosine) of the ``limit`` beads of ``scopes`` nearest to ``query``, best first."""
        code = np.frombuffer(_code(query), np.uint64)
        ids: list[str] = []
        for scope in scopes:
            ids += self._load(scope).nearest(code, SHORTLIST)
        if not ids:
            return []
        with self.store.database.read() as session:
            rows = session.connection().execute(
                select(_TABLE.c.bead_id, _TABLE.c.vector).where(
                    _TABLE.c.model == self.embedding.name, _TABLE.c.bead_id.in_(ids)
                )
            )
            found = [(str(id), float(_read(raw) @ query)) for id, raw in rows]
        return sorted(found, key=lambda row: (-row[1], row[0]))[:limit]

    def _load(self, scope: str) -> _Codes:
        codes = self._codes.setdefault(scope, _Codes())
        with self.store.database.read() as session:
            rows = session.connection().execute(
                select(_TABLE.c.sequence, _TABLE.c.bead_id, _TABLE.c.code)
                .where(
                    _TABLE.c.model == self.embedding.name,
                    _TABLE.c.scope == scope,
                    _TABLE.c.sequence > codes.last,
                )
                .order_by(_TABLE.c.sequence)
            )
            codes.add([(int(s), str(id), bytes(code)) for s, id, code in rows])
        return codes

    def _embed_beads(self, condition: ColumnElement[bool], scope: str) -> int:
        """Bring the vectors of the beads that meet ``condition`` up to date, batch by batch."""
        own = and_(_TABLE.c.bead_id == col(Bead.id), _TABLE.c.model == self.embedding.name)
        stale = or_(_TABLE.c.bead_id.is_(None), _TABLE.c.as_of < col(Bead.updated_at))
        done = 0
        with self.store.database.read() as session:
            pending = session.connection().execute(
                select(
                    col(Bead.id), col(Bead.kind), col(Bead.title), col(Bead.body),
                    col(Bead.updated_at), _TABLE.c.digest,
                )
                .select_from(Bead)
                .outerjoin(_TABLE, own)
                .where(condition, stale)
                .order_by(col(Bead.created_at), col(Bead.id))
            ).all()  # fmt: skip
        for start in range(0, len(pending), BATCH):
            batch = pending[start : start + BATCH]
            texts = {row.id: _text(row.kind, row.title, row.body) for row in batch}
            new = [row for row in batch if row.digest != _digest(texts[row.id])]
            fresh = {row.id for row in new}
            same = [{"id": r.id, "now": r.updated_at} for r in batch if r.id not in fresh]
            vectors: Sequence[Vector] = (
                list(self.embedding.embed([texts[row.id] for row in new])) if new else []
            )
            rows = [
                {
                    "bead_id": row.id, "model": self.embedding.name, "scope": scope,
                    "digest": _digest(texts[row.id]), "as_of": row.updated_at,
                    "code": _code(vector), "vector": vector.astype("<f4").tobytes(),
                }
                for row, vector in zip(new, vectors, strict=True)
            ]  # fmt: skip
            with self.store.database.write() as session:
                connection, model = session.connection(), _TABLE.c.model == self.embedding.name
                if same:
                    own_row = and_(_TABLE.c.bead_id == bindparam("id"), model)
                    seen = update(_TABLE).where(own_row).values(as_of=bindparam("now"))
                    connection.execute(seen, same)
                if rows:
                    old = _TABLE.c.bead_id.in_([row["bead_id"] for row in rows])
                    connection.execute(delete(_TABLE).where(old, model))
                    connection.execute(insert(_TABLE), rows)
            done += len(new)
        return done


def forget(session: Session, bead_ids: Sequence[str]) -> None:
    """Drop the vectors of these beads, whichever embedder made them."""
    _TABLE.create(session.connection(), checkfirst=True)
    for start in range(0, len(bead_ids), BATCH):
        some = bead_ids[start : start + BATCH]
        session.connection().execute(delete(_TABLE).where(_TABLE.c.bead_id.in_(some)))


def scope_of(bead: Bead) -> str:
    """Where a search finds the bead."""
    if bead.kind in (INSIGHTS, ROUTINES):
        return bead.kind
    return bead.run_id or ""


def audible() -> ColumnElement[bool]:
    """The bead is neither book-keeping nor folded into a summary."""
    labels = cast(col(Bead.labels), String)
    return and_(*(labels.not_like(f'%"{label}"%') for label in (QUIET, FOLDED)))


def in_scope(scope: str) -> ColumnElement[bool]:
    """The bead is one that a search of ``scope`` may find."""
    if scope in (INSIGHTS, ROUTINES):
        return and_(col(Bead.kind) == scope, audible())
    own = col(Bead.run_id) == scope if scope else col(Bead.run_id).is_(None)
    return and_(own, col(Bead.kind).not_in((INSIGHTS, ROUTINES)), audible())


def _text(kind: str, title: str, body: str) -> str:
    """What is embedded: of a routine the problem it solved, of other beads title and body."""
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
