"""The adaptive decision for a batch: cache, fast table, expensive path under a cap, shadow audits.

Works on integer clusters and score rows, so that requests and tokens are routed by the same code. A
batch takes two steps, so that the expensive scorer may be anything, synchronous or not:
:meth:`AdaptiveCore.plan` says which rows need it, :meth:`AdaptiveCore.settle` takes them in.

Every call of the expensive scorer, shadow audits included, draws a token of the one bucket; the cap
and its proof are those of :mod:`specialists.routing.var.bucket`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from specialists.backends.base import Frozen
from specialists.routing.contract import Scores
from specialists.routing.policies import TEMPERATURE, shares
from specialists.routing.var.bucket import TokenBucket
from specialists.routing.var.cache import DecisionCache
from specialists.routing.var.table import FastTable, Floats, Ints
from state import UsageError

PATHS = ("expensive", "fast", "cache", "degraded")
EXPENSIVE, FAST, CACHE, DEGRADED = range(4)
VERSION = 2


class AdaptiveSettings(Frozen):
    """Limits of an adaptive router, and the evidence that its fast path needs."""

    share: float = Field(default=0.15, gt=0, le=1)
    """Largest share of any ``horizon`` or more consecutive requests that may be scored, audits
    included."""
    horizon: int = Field(default=100, ge=7)
    """Shortest window of requests in which the share holds."""
    min_count: int = Field(default=50, ge=1)
    """Expensive scores that a cluster needs before the fast path may answer for it."""
    max_entropy: float = Field(default=0.5, ge=0)
    """Highest mean routing entropy of a fast cluster, in nats."""
    adaptive: bool = True
    """Whether ``min_count`` and ``max_entropy`` are loosened to quantiles of the observed values
    where they are out of reach."""
    disagreement: float = Field(default=0.05, gt=0, le=1)
    """Highest 95% bound of a fast cluster's disagreement with the expensive scorer."""
    audit: float = Field(default=0.05, ge=0, le=1)
    """Probability that a fast or cached decision is scored again for comparison."""
    cache_size: int = Field(default=1000, ge=0)
    cache_seconds: float = Field(default=60.0, ge=0)
    cache_confidence: float = Field(default=0.8, ge=0, le=1)
    """Least confidence of a decision that is cached."""
    temperature: float = Field(default=TEMPERATURE, gt=0)
    """Temperature of the softmax from which a score row's entropy and confidence are computed."""


@dataclass
class Plan:
    """The path of each request of a batch."""

    clusters: Ints
    paths: NDArray[np.int8]
    """Index into :data:`PATHS`."""
    rows: Scores
    """Score rows (N, experts), filled for fast, cached and degraded requests; NaN where nothing is
    known."""
    need: Ints
    """Requests that the expensive scorer must see: those on its path, then those audited."""
    keys: Sequence[Hashable] | None
    now: float


@dataclass(frozen=True)
class Routed:
    """The results of a batch."""

    rows: Scores
    """Score rows (N, experts)."""
    paths: NDArray[np.int8]
    audited: int
    disagreed: int
    """Number of audited decisions whose winner differs from that of the expensive scorer."""


class AdaptiveCore:
    """State of one adaptive router over ``experts`` choices."""

    def __init__(
        self, experts: int, settings: AdaptiveSettings | None = None, seed: int = 0
    ) -> None:
        self.settings = made = settings or AdaptiveSettings()
        self.bucket = TokenBucket(made.share, horizon=made.horizon)
        self.cache = DecisionCache(made.cache_size, made.cache_seconds, made.cache_confidence)
        self.table = FastTable(
            experts, min_count=made.min_count, max_entropy=made.max_entropy,
            disagreement=made.disagreement, adaptive=made.adaptive, coverage=1 - made.share,
        )  # fmt: skip
        self._random = np.random.default_rng(seed)
        self.audited = self.disagreed = 0
        self.by_path = np.zeros(4, dtype=np.int64)

    def plan(
        self, clusters: Ints, keys: Sequence[Hashable] | None = None, now: float = 0.0
    ) -> Plan:
        """Decide the path of each request (N,); ``keys`` are cache keys, ``now`` in seconds."""
        count, table = len(clusters), self.table
        table.grow(int(clusters.max()) + 1 if count else 0)
        table.visit(clusters)
        paths = np.where(table.eligible[clusters], FAST, EXPENSIVE).astype(np.int8)
        rows = np.full((count, table.experts), np.nan)
        if keys is not None and len(self.cache):
            for k, key in enumerate(keys):
                row = self.cache.get(key, now)
                if row is not None:
                    paths[k], rows[k] = CACHE, row
        wanted = (paths == EXPENSIVE) | (self._random.random(count) < self.settings.audit)
        audits, before = [], -1
        for k in np.flatnonzero(wanted).tolist():
            self.bucket.advance(k - before)
            before = k
            if not self.bucket.draw():
                if paths[k] == EXPENSIVE:
                    paths[k] = DEGRADED
            elif paths[k] != EXPENSIVE:
                audits.append(k)
        self.bucket.advance(count - 1 - before)
        guess = np.flatnonzero((paths == FAST) | (paths == DEGRADED))
        rows[guess] = table.rows(clusters[guess])
        need = np.concatenate(
            [np.flatnonzero(paths == EXPENSIVE), np.array(audits, dtype=np.int64)]
        )
        return Plan(clusters, paths, rows, need.astype(np.int64), keys, now)

    def settle(self, plan: Plan, expensive: Scores) -> Routed:
        """Take in the expensive scores (len(plan.need), experts) and finish the batch.

        Raises ``UsageError`` for scores of another shape, or that are not finite.
        """
        if expensive.shape != (len(plan.need), self.table.experts):
            raise UsageError(
                f"scores have shape {expensive.shape}, {len(plan.need)} tasks and "
                f"{self.table.experts} specialists were asked for"
            )
        if not np.isfinite(expensive).all():
            raise UsageError("the expensive scorer gave scores that are not finite numbers")
        scored = int((plan.paths == EXPENSIVE).sum())
        audits = plan.need[scored:]
        differs = plan.rows[audits].argmax(axis=1) != expensive[scored:].argmax(axis=1)
        plan.rows[plan.need[:scored]] = expensive[:scored]
        if len(plan.need):
            probabilities = shares(expensive, self.settings.temperature)
            self.table.learn(plan.clusters[plan.need], expensive, entropy(probabilities))
            self._remember(plan, expensive, probabilities.max(axis=1), audits[differs])
        self.audited += len(audits)
        self.disagreed += int(differs.sum())
        np.add.at(self.by_path, plan.paths, 1)
        return Routed(plan.rows, plan.paths, len(audits), int(differs.sum()))

    def _remember(self, plan: Plan, scores: Scores, sure: Floats, wrong: Ints) -> None:
        if plan.keys is None:
            return
        for k in wrong.tolist():
            self.cache.drop(plan.keys[k])
        for k, row, confidence in zip(plan.need.tolist(), scores, sure.tolist(), strict=True):
            self.cache.put(plan.keys[k], row, confidence, plan.now)

    def train(self, clusters: Ints, scores: Scores) -> None:
        """Build the table offline from expensive scores (N, experts), one row at a time in order.

        Every row except a cluster's first is thus evidence about the prediction from the rows
        before it.
        """
        for k in range(len(clusters)):
            self.observe(clusters[k : k + 1], scores[k : k + 1])

    def observe(self, clusters: Ints, scores: Scores) -> None:
        """Learn from expensive scores (N, experts) that were computed anyway, as one batch."""
        self.table.grow(int(clusters.max()) + 1 if len(clusters) else 0)
        self.table.visit(clusters)
        self.table.learn(clusters, scores, entropy(shares(scores, self.settings.temperature)))

    def save(self, file: Path, **extra: Any) -> None:
        """Write a snapshot without the cache, whose entries live only for seconds."""
        meta = {
            "version": VERSION, "experts": self.table.experts,
            "settings": self.settings.model_dump(), "level": self.bucket.level,
            "random": self._random.bit_generator.state, "audited": self.audited,
            "disagreed": self.disagreed,
        }  # fmt: skip
        arrays = {**self.table.state(), "by_path": self.by_path, **extra}
        buffer = io.BytesIO()
        np.savez(buffer, meta=np.array(json.dumps(meta)), **arrays)
        part = file.with_name(file.name + ".part")
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(buffer.getvalue())
        part.replace(file)

    @classmethod
    def load(cls, file: Path) -> tuple[AdaptiveCore, dict[str, Any]]:
        """The core of a snapshot, and the other values saved with it. Raises ``UsageError`` if it
        is no snapshot."""
        try:
            with np.load(file, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
            meta = json.loads(str(arrays.pop("meta")))
            if meta["version"] != VERSION:
                raise UsageError(
                    f"{file}: snapshot version {meta['version']}, this is {VERSION}; delete it"
                )
            core = cls(meta["experts"], AdaptiveSettings.model_validate(meta["settings"]))
            core.bucket.level, core.audited = meta["level"], meta["audited"]
            core.disagreed = meta["disagreed"]
            core._random.bit_generator.state = meta["random"]
            core.by_path = arrays.pop("by_path")
            core.table.restore({name: arrays.pop(name) for name in core.table.state()})
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(f"{file}: is not a snapshot of an adaptive router: {error}") from None
        return core, arrays


def entropy(probabilities: Scores) -> Floats:
    """Shannon entropy of each row, in nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(probabilities > 0, probabilities * np.log(probabilities), 0.0)
    found: Floats = -terms.sum(axis=-1)
    return found
