"""Context packs: the beads that matter for a given bead, within a token limit.

The inputs of a step are necessary, so they are included in full, and a pack that cannot hold them
is an error. Then follow, as long as they fit, the root objective, the decisions of the beads above,
and other beads by relevance × recency × surprise. A pack is a function of the store alone: age is
counted in beads, not in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from state import graph
from state.errors import UsageError
from state.evidence import fade
from state.models import Bead, Comment
from state.store import BeadStore
from state.transactions import among, chunks
from state.vectors import FOLDED, INSIGHTS, QUIET, ROUTINES, Vectors, audible, in_scope, scope_of

CANDIDATES = 256
"""Number of beads that are ranked: the nearest or, with ranking by recency, the newest."""
HALF_LIFE = 64.0
"""Number of newer candidates after which a bead of expected surprise counts half."""
LOUD = 4.0
"""Surprise in nats from which a bead counts double; more surprise adds nothing."""
FLOOR = 0.2
"""Cosine below which a bead counts as unrelated: unrelated texts reach this value by chance."""
ROOT_SHARE = 0.5
"""Largest share of the limit for the root objective."""
MISFITS = 8
"""Number of successive beads that do not fit, after which the pack counts as full."""

CountTokens = Callable[[str], int]
Ranking = Literal["full", "recency", "inputs"]


class InputsTooLong(UsageError):
    """The inputs of a step do not fit its pack; ``needed`` and ``room`` are in tokens."""

    def __init__(self, bead: Bead, needed: int, room: int) -> None:
        super().__init__(
            f"the inputs of {bead.id} ({bead.title[:60]!r}) need {needed:,} tokens, there is room for "
            f"{room:,}"
        )
        self.needed, self.room = needed, room


class Entry(BaseModel):
    """One bead in a pack, and the reason why it is included."""

    model_config = ConfigDict(frozen=True)

    bead_id: str
    line: str
    """The line that the pack shows for the bead."""
    why: str
    tokens: int
    """Tokens of this line alone."""
    relevance: float | None = None
    """Cosine to the bead that the pack is for; ``None`` for entries that are always included."""
    recency: float | None = None
    surprise: float | None = None
    """Surprise in nats, as recorded in the bead."""
    score: float | None = None


class Pack(BaseModel):
    """The context of a bead. ``text`` never has more than ``limit`` tokens, which is the requested
    limit or, if the inputs need more, their size."""

    model_config = ConfigDict(frozen=True)

    bead_id: str
    limit: int
    tokens: int = 0
    entries: tuple[Entry, ...] = ()
    left_out: tuple[str, ...] = ()
    """Beads that belong in the pack but did not fit, or were cut; never an input."""

    @property
    def text(self) -> str:
        """The lines, one entry after the other."""
        return _join(entry.line for entry in self.entries)

    @property
    def bead_ids(self) -> tuple[str, ...]:
        """The beads that the text quotes."""
        return tuple(dict.fromkeys(entry.bead_id for entry in self.entries))


def pack(
    store: BeadStore,
    bead_id: str,
    limit_tokens: int,
    *,
    count_tokens: CountTokens,
    vectors: Vectors | None = None,
    ranking: Ranking = "full",
    objective: bool = True,
    shared: Sequence[str] = (INSIGHTS, ROUTINES),
    decay: bool = True,
    inputs_limit: int | None = None,
) -> Pack:
    """The pack for a bead.

    Its named inputs may fill ``inputs_limit`` tokens, by default ``limit_tokens``; everything else
    keeps to ``limit_tokens``. The closed blockers of an issue do not count as inputs. ``vectors``
    finds relevant beads; ``ranking="recency"`` takes the newest beads instead, and ``"inputs"``
    stops after the inputs; both need no vectors. Without ``objective`` the root objective is left
    out, for a prompt that states it already. ``shared`` are the scopes of other runs' memory that
    may be quoted. Without ``decay`` old beads count like new ones. Raises UsageError for an unknown
    bead, a limit below 1, and a full ranking without vectors, and :class:`InputsTooLong`.
    """
    if limit_tokens < 1:
        raise UsageError(f"the limit of a context pack is at least 1 token, not {limit_tokens}")
    if ranking == "full" and vectors is None:
        raise UsageError("ranking by relevance needs an embedder; without one, rank by recency")
    bead = store.get(bead_id)
    most = limit_tokens if inputs_limit is None else inputs_limit
    inputs = _inputs(store, bead)
    needs = isinstance(bead.data.get("inputs"), dict)
    lines = [(given, f"Known, {name}: {_result(given)}") for name, given in inputs]
    builder = _Builder(bead.id, limit_tokens, count_tokens)
    if needs:
        builder.reserve(bead, [line for _, line in lines], most)
    above = _ancestors(store, bead)
    root = above[-1] if above else bead
    asked = root.body or root.title
    if objective and (root.id == bead.id or asked not in (bead.title, bead.body)):
        builder.add_cut(root, f"Problem: {asked}", "root objective")
    builder.reserved = ()
    for given, line in lines:
        if needs:
            builder.put(given, line, "input of this step")
        else:
            builder.add(given, line, "done before")
    if ranking == "inputs":
        return builder.pack()
    if bead.run_id is None:  # A step of a run is neither executed nor discussed while it waits.
        for blocker in _open_blockers(store, bead):
            says = f"Waits for {blocker.id} ({blocker.status}): {blocker.title}"
            builder.add(blocker, says, "open blocker")
        for comment in _comments(store, bead):
            says = f"Said by {comment.author or 'somebody'}: {comment.text}"
            builder.add(bead, says, "comment on it")
    for decision in _decisions(store, [bead, *above]):
        builder.add(decision, line_of(decision), f"decision above, by the {decision.tier}")
    known = {bead.id, root.id, *builder.seen}
    scopes = list(dict.fromkeys([scope_of(bead), *shared]))
    found: list[tuple[Bead, float | None]]
    if ranking == "recency":
        found = [(b, None) for b in _newest(store, scopes)]
    elif not _others(store, scopes, known):
        found = []  # There is nothing to rank, so no embedder is needed.
    else:
        assert vectors is not None
        for scope in scopes:
            vectors.sync(scope)
        query = vectors.embed(f"{bead.title}\n{bead.body}".strip())
        near = dict(vectors.search(query, scopes, CANDIDATES))
        found = [(b, near[b.id]) for b in _beads(store, list(near)) if near[b.id] >= FLOOR]
    worth = [(b, n) for b, n in found if b.id not in known and b.status != "tombstone"]
    builder.fill(_ranked(worth, decay=decay))
    return builder.pack()


def line_of(bead: Bead) -> str:
    """The line that a pack shows for a bead."""
    body = bead.body.strip()
    match bead.kind:
        case "step":
            artifact = bead.data.get("artifact")
            return f"Open: {bead.title}" if artifact is None else f"Done: {bead.title} → {artifact}"
        case "decision":
            reason = f" ({body})" if body and body not in bead.title else ""
            return f"Decided by the {bead.tier or 'user'}: {bead.title}{reason}"
        case "outcome":
            return f"Tried: {bead.title}" + (f": {body}" if body else "")
        case "insight":
            return f"Lesson: {bead.title}" + (f" ({body})" if body else "")
        case "routine":  # The body of a routine is the problem that it solved, not the present one.
            return f"Solved before: {bead.title}"
        case kind:
            return f"{kind.capitalize()} {bead.id} ({bead.status}): {bead.title}" + (
                f"\n{body}" if body else ""
            )


class _Builder:
    """A pack under construction. The whole text is counted, because token counts of parts do not
    add up."""

    def __init__(self, bead_id: str, limit: int, count_tokens: CountTokens) -> None:
        self.bead_id, self.limit, self.count = bead_id, limit, count_tokens
        self.entries: list[Entry] = []
        self.reserved: tuple[str, ...] = ()
        self.left_out: list[str] = []
        self.tokens = 0

    def reserve(self, bead: Bead, lines: Sequence[str], most: int) -> None:
        """Reserve tokens for lines that are added later; the limit grows to what they need.

        Raises :class:`InputsTooLong` where that is more than ``most``.
        """
        self.reserved = tuple(lines)
        needed = self.count(_join(lines))
        if needed > most:
            raise InputsTooLong(bead, needed, most)
        self.limit = max(self.limit, needed)

    def put(self, bead: Bead, line: str, why: str) -> None:
        """Add a line whose tokens are reserved."""
        self.entries.append(Entry(bead_id=bead.id, line=line, why=why, tokens=self.count(line)))
        self.tokens = self.count(_join(entry.line for entry in self.entries))

    @property
    def seen(self) -> set[str]:
        return {entry.bead_id for entry in self.entries}

    def add(self, bead: Bead, line: str, why: str) -> None:
        """Add a line if it fits, and record the bead as left out if it does not."""
        if not self._try(Entry(bead_id=bead.id, line=line, why=why, tokens=self.count(line))):
            self.left_out.append(f"{why} {bead.id}: does not fit")

    def add_cut(self, bead: Bead, line: str, why: str) -> None:
        """Like :meth:`add`, but a line that is too long is cut after a word, to its share of the
        limit or to the tokens that are left."""
        share = int(self.limit * ROOT_SHARE)
        most = max(1, min(share, self.limit - self.count(_join(self.reserved))))
        words = line.split(" ")
        if self.count(line) > most:
            low, high = 0, len(words) - 1
            while low < high:
                middle = (low + high + 1) // 2
                fits = self.count(" ".join(words[:middle]) + " …") <= most
                low, high = (middle, high) if fits else (low, middle - 1)
            self.left_out.append(f"{why} {bead.id}: cut to {low} of {len(words)} words")
            if not low:
                return
            line = " ".join(words[:low]) + " …"
        self.add(bead, line, why)

    def fill(self, ranked: Iterable[Entry]) -> None:
        """Add the best of the ranked entries that fit."""
        misfits = 0
        for entry in ranked:
            misfits = 0 if self._try(entry) else misfits + 1
            if misfits == MISFITS:
                return

    def _try(self, entry: Entry) -> bool:
        total = self.count(_join([*(e.line for e in self.entries), entry.line, *self.reserved]))
        if total > self.limit:
            return False
        counted = (
            entry if entry.tokens else entry.model_copy(update={"tokens": self.count(entry.line)})
        )
        self.entries.append(counted)
        self.tokens = total
        return True

    def pack(self) -> Pack:
        return Pack(
            bead_id=self.bead_id, limit=self.limit, tokens=self.tokens,
            entries=tuple(self.entries), left_out=tuple(self.left_out),
        )  # fmt: skip


def _ranked(found: Sequence[tuple[Bead, float | None]], *, decay: bool) -> list[Entry]:
    """Entries by relevance × recency × surprise, best first."""
    newest_first = sorted(found, key=lambda row: (-row[0].created_at, row[0].id))
    rows: list[tuple[float, Entry]] = []
    for age, (bead, relevance) in enumerate(newest_first):
        surprise = max(0.0, bead.surprise or 0.0)
        recency = fade(age, bead.surprise, HALF_LIFE) if decay or relevance is None else 1.0
        score = (1.0 if relevance is None else relevance) * recency
        score *= 1 + min(surprise, LOUD) / LOUD
        near = "" if relevance is None else f"relevance {relevance:.2f} × "
        loud = f" × surprise {surprise:.1f} nats" if surprise else ""
        rows.append(
            (
                score,
                Entry(
                    bead_id=bead.id, line=line_of(bead), tokens=0, relevance=relevance,
                    why=f"{near}recency {recency:.2f}{loud} = {score:.2f}",
                    recency=recency, surprise=bead.surprise, score=score,
                ),
            )
        )  # fmt: skip
    return [entry for _, entry in sorted(rows, key=lambda row: (-row[0], row[1].bead_id))]


def _join(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _ancestors(store: BeadStore, bead: Bead) -> list[Bead]:
    """The beads above, the nearest first; the store keeps parents free of cycles."""
    above: list[Bead] = []
    while bead.parent is not None and (parent := store.find(bead.parent)) is not None:
        bead = parent
        above.append(bead)
    return above


def _inputs(store: BeadStore, bead: Bead) -> list[tuple[str, Bead]]:
    """The beads that the bead builds on, by name: its inputs if it has any, else its closed
    blockers."""
    named = bead.data.get("inputs")
    if isinstance(named, dict):
        return [(str(name), store.get(str(id))) for name, id in named.items()]
    names = [d.to_id for d in store.dependencies(bead.id) if d.type == "blocks"]
    found = store.find_all(names)  # The target of an imported dependency may be missing here.
    return [(b.title, b) for b in (found[n] for n in names if n in found) if b.status == "closed"]


def _open_blockers(store: BeadStore, bead: Bead) -> list[Bead]:
    """The open blockers of a bead, its own and those of the beads above it."""
    names = list(dict.fromkeys(id for id, _ in graph.blockers(store, [bead.id])[bead.id]))
    found = store.find_all(names)
    return [found[name] for name in names]


def _comments(store: BeadStore, bead: Bead) -> list[Comment]:
    with store.database.reading() as tx:
        return tx.records(Comment, "WHERE bead_id = %(id)s ORDER BY sequence", {"id": bead.id})


def _result(bead: Bead) -> str:
    return str(bead.data.get("artifact") or bead.close_reason or bead.title)


def _decisions(store: BeadStore, line: Sequence[Bead]) -> list[Bead]:
    found = [d for bead in line for d in store.query(parent=bead.id, kind="decision")]
    heard = [d for d in found if not {QUIET, FOLDED} & set(d.labels)]
    return sorted(heard, key=lambda d: (d.created_at, d.id))


def _beads(store: BeadStore, ids: Sequence[str]) -> list[Bead]:
    condition, values = audible()
    with store.database.reading() as tx:
        return [
            bead
            for those, names in chunks(ids)
            for bead in tx.records(
                Bead, f"WHERE id IN {those} AND {condition}", {**values, **names}
            )
        ]


def _others(store: BeadStore, scopes: Sequence[str], known: set[str]) -> bool:
    """Whether a search of the scopes could find a bead that is not known already."""
    those, names = among(sorted(known))
    with store.database.reading() as tx:
        for scope in scopes:
            condition, values = in_scope(scope)
            query = f"SELECT 1 FROM bead WHERE {condition} AND id NOT IN {those} LIMIT 1"
            if tx.value(query, {**values, **names}):
                return True
    return False


def _newest(store: BeadStore, scopes: Sequence[str]) -> list[Bead]:
    """The newest beads of each scope."""
    found: list[Bead] = []
    with store.database.reading() as tx:
        for scope in scopes:
            condition, values = in_scope(scope)
            rest = f"WHERE {condition} ORDER BY created_at DESC, id LIMIT {CANDIDATES}"
            found += tx.records(Bead, rest, values)
    newest = sorted(found, key=lambda b: (-b.created_at, b.id))
    return newest[:CANDIDATES]
