"""The verifiable adaptive router (VAR): pays for the expensive scorer only where that is needed.

1. **cache** - the same task in the same context of decisions, under the same fleet, seconds ago;
2. **fast path** - the task's cluster is frequent, its routing calm, and its disagreement with the
   expensive scorer provably low (:mod:`specialists.routing.var.table`);
3. **expensive** - the wrapped scorer;
4. **degraded** - what the cap on (3) refuses takes the table's best guess and says so.

What is verifiable: for every sequence of requests, any window of ``horizon`` or more consecutive ones
has at most ``share`` of them scored by the expensive scorer, shadow audits included. Proof sketch:
each such score draws one token of a bucket that holds at most ``b`` and gains ``share − b/horizon`` a
request, so ``n`` requests draw at most ``b + (share − b/horizon)·n ≤ share·n`` for ``n ≥ horizon``
(in full in :mod:`specialists.routing.var.bucket`). The argument does not look at the requests.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from specialists.registry import Card, fleet_version
from specialists.routing.contract import (
    Ask,
    Decision,
    Policy,
    Scorer,
    allowed,
    check_fleet,
    favoured,
)
from specialists.routing.embedder import Embeds
from specialists.routing.form import FormEmbedder
from specialists.routing.var import DEGRADED, PATHS, AdaptiveCore, AdaptiveSettings, Clusters
from state import UsageError

RADIUS = 0.5
"""Least cosine of two tasks of one form: on the pocket domains 98% of the tasks then share their
cluster's domain."""
WINDOW = 4
"""Number of the last decisions that belong to a cached decision's context."""


class AdaptiveRouter:
    """The verifiable adaptive router around an expensive scorer. A batch is embedded and scored in
    one call.

    Tasks are clustered by ``embedder``, by default by their form: an embedding that costs as much
    as the expensive scorer would save nothing. ``fallback`` is a cheap scorer for degraded tasks in
    clusters that the table does not know. ``snapshot`` is read if it exists and fits the fleet, and
    written after each batch from which something was learned.
    """

    def __init__(
        self,
        scorer: Scorer,
        policy: Policy,
        *,
        embedder: Embeds | None = None,
        fallback: Scorer,
        settings: AdaptiveSettings | None = None,
        snapshot: Path | None = None,
        device: str = "cpu",
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scorer, self._policy, self._fallback = scorer, policy, fallback
        self._embedder = embedder or FormEmbedder()
        self._settings, self._snapshot = settings or AdaptiveSettings(), snapshot
        self._device, self._seed, self._clock = device, seed, clock
        self._recent: deque[str] = deque(maxlen=WINDOW)
        self._fleet = ""
        self.core = AdaptiveCore(0, self._settings, seed)
        self.clusters = Clusters(RADIUS, device=device)

    async def route(self, asks: Sequence[Ask], cards: Sequence[Card]) -> list[Decision]:
        """One decision for each ask, in order.

        Raises ``UsageError`` for an empty fleet, or scores that are not finite.
        """
        check_fleet(cards)
        start = time.perf_counter()
        self._suit(cards)
        tasks = [ask.task for ask in asks]
        vectors = await asyncio.to_thread(self._embedder.embed, tasks)
        keys = [self._key(task) for task in tasks]
        plan = self.core.plan(self.clusters.assign(vectors), keys, self._clock())
        unseen = self.core.table.count[plan.clusters] == 0
        asked = [tasks[k] for k in plan.need.tolist()]
        if asked:
            scores = await self._scorer.score(asked, cards)
        else:
            scores = np.zeros((0, len(cards)))
        routed = self.core.settle(plan, scores)
        unknown = np.flatnonzero(unseen & (routed.paths == DEGRADED))
        if len(unknown):
            guesses = await self._fallback.score([tasks[k] for k in unknown.tolist()], cards)
            routed.rows[unknown] = guesses
        made = []
        for ask, row, path in zip(asks, routed.rows, routed.paths.tolist(), strict=True):
            left, row = allowed(ask, cards), favoured(row, ask, cards, self._policy.temperature)
            decision = self._policy.choose(row[left], [cards[k] for k in left], ask.key)
            made.append(decision.model_copy(update={"path": PATHS[path]}))
            self._recent.append(decision.specialist)
        if asked and self._snapshot is not None:
            self.save(self._snapshot)
        share = (time.perf_counter() - start) / max(1, len(asks))
        return [decision.model_copy(update={"cost": share}) for decision in made]

    async def train(self, tasks: Sequence[str], cards: Sequence[Card]) -> None:
        """Build the fast table offline: score all ``tasks``, outside the cap."""
        check_fleet(cards)
        self._suit(cards)
        vectors = await asyncio.to_thread(self._embedder.embed, list(tasks))
        self.core.train(self.clusters.assign(vectors), await self._scorer.score(tasks, cards))

    def save(self, file: Path) -> None:
        """Write a snapshot: table, clusters, bucket, for this fleet."""
        self.core.save(file, leaders=self.clusters.leaders, fleet=np.array(self._fleet))

    def _suit(self, cards: Sequence[Card]) -> None:
        """Reset the state when the fleet has changed: values learned for another fleet must not
        decide."""
        version = fleet_version(cards)
        if version == self._fleet:
            return
        self.core = AdaptiveCore(len(cards), self._settings, self._seed)
        self.clusters = Clusters(RADIUS, device=self._device)
        first, self._fleet = not self._fleet, version
        if first and self._snapshot is not None and self._snapshot.is_file():
            self._load(self._snapshot, len(cards))

    def _load(self, file: Path, experts: int) -> None:
        core, extra = AdaptiveCore.load(file)
        if str(extra.get("fleet")) != self._fleet or core.table.experts != experts:
            # The snapshot is of another fleet, so the state starts empty, as after any change of
            # the fleet.
            return
        if core.settings != self._settings:
            raise UsageError(f"{file}: was made with other settings; delete it to start anew")
        self.core = core
        self.clusters.restore(extra["leaders"])

    def _key(self, task: str) -> str:
        """Cache key: normalised task, last decisions, fleet."""
        words = re.sub(r"\s+", " ", task).strip().casefold()
        text = "\x00".join([words, *self._recent, "", self._fleet])
        return hashlib.sha256(text.encode()).hexdigest()
