"""Whole requests: how much the adaptive router saves of an expensive scorer, and whether it decides
the same.

A stream of held-out tasks of the pocket domains, popular ones repeated (Zipf over the tasks of each
domain), is routed by the scorer alone and by the adaptive router over it, in batches.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from specialists.backends.base import Backend
from specialists.pocket.domains import CELLS, SPECIALISTS, held_out_examples
from specialists.registry import Card
from specialists.routing import (
    AbstentionScorer,
    AdaptiveRouter,
    AdaptiveSettings,
    Ask,
    Embedder,
    EmbeddingScorer,
    LossProbe,
    PlainRouter,
    Scorer,
    WinnerTakeAll,
)
from specialists.routing.abstention import can_decline
from specialists.routing.loss_probe import calibrate
from specialists.routing.var import PATHS, clopper_pearson_upper
from tiers.domains import installed

BATCH = 20


@dataclass(frozen=True)
class Stream:
    """Tasks to learn from, and tasks to route."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def stream(train: int, test: int, seed: int) -> Stream:
    """Tasks of all domains; train and test share kinds of tasks, not the tasks themselves."""
    rng = random.Random(f"requests|{seed}")
    cells = [(d, c) for d in SPECIALISTS for c in CELLS[d]]
    each = max(4, (train + test) // len(cells))
    pool = {cell: [e.prompt for e in held_out_examples(*cell, each, seed)] for cell in cells}
    half = {cell: len(tasks) // 2 for cell, tasks in pool.items()}

    def draw(count: int, first: bool) -> tuple[str, ...]:
        found = []
        for _ in range(count):
            cell = rng.choice(cells)
            tasks = pool[cell][: half[cell]] if first else pool[cell][half[cell] :]
            found.append(rng.choices(tasks, [1 / k for k in range(1, len(tasks) + 1)])[0])
        return tuple(found)

    return Stream(draw(train, first=True), draw(test, first=False))


async def measure(
    backend: Backend, cards: Sequence[Card], *, train: int = 600, test: int = 600, seed: int = 0
) -> list[dict[str, Any]]:
    """Seconds of both routers on the same batches, paths, and the observed disagreement; for the
    loss probe, and for the abstention scorer where the fleet can decline."""
    examples = [text for card in cards for text in card.examples]
    scorers: dict[str, Scorer] = {
        "loss probe": LossProbe(
            backend, await calibrate(backend, cards, examples), installed().roles
        )
    }
    if can_decline(cards):
        scorers["abstention"] = AbstentionScorer(backend)
    return [
        {"scorer": name, **await _measure(scorer, cards, train, test, seed)}
        for name, scorer in scorers.items()
    ]


async def _measure(
    scorer: Scorer, cards: Sequence[Card], train: int, test: int, seed: int
) -> dict[str, Any]:
    policy = WinnerTakeAll(1.0)
    plain = PlainRouter(scorer, policy)
    adaptive = AdaptiveRouter(
        scorer, policy, fallback=EmbeddingScorer(Embedder()),
        settings=AdaptiveSettings(temperature=1.0), seed=seed,
    )  # fmt: skip
    made = stream(train, test, seed)
    await adaptive.train(made.train, cards)
    batches = [[Ask(t) for t in made.test[k : k + BATCH]] for k in range(0, test, BATCH)]
    await adaptive.route([Ask("warm up")], cards)
    before = adaptive.core.by_path.copy()
    start = time.perf_counter()
    new = [d for batch in batches for d in await adaptive.route(batch, cards)]
    new_s = time.perf_counter() - start
    start = time.perf_counter()
    old = [d for batch in batches for d in await plain.route(batch, cards)]
    old_s = time.perf_counter() - start
    differs = np.array([a.specialist != b.specialist for a, b in zip(new, old, strict=True)])
    trusted = np.array([d.path in ("fast", "cache") for d in new])
    wrong, count = int(differs[trusted].sum()), int(trusted.sum())
    paths = adaptive.core.by_path - before
    table = adaptive.core.table
    return {
        "train": train, "test": test, "batch": BATCH, "clusters": len(adaptive.clusters),
        "eligible": int(table.eligible.sum()), "demotions": int(table.demotions.sum()),
        "paths": dict(zip(PATHS, (paths / paths.sum()).tolist(), strict=True)),
        "plain_s": old_s, "adaptive_s": new_s, "speed_up": old_s / new_s,
        "audited": adaptive.core.audited, "audits_disagreed": adaptive.core.disagreed,
        "trusted": count, "trusted_disagreed": wrong,
        "trusted_bound": float(clopper_pearson_upper(np.array(wrong), np.array(count))),
        "all_disagreed": float(differs.mean()),
    }  # fmt: skip
