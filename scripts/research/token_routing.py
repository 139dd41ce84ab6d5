"""The token-level proof of concept, reproduced from its description, beside our router.

Vocabulary 1,000, hidden size 128, 8 experts; a Zipf corpus of 3,000 training and 500 test tokens of
which 30% follow a fixed bigram. The original routes each token by a cache keyed on the last 4 tokens,
then by a table if the token was seen more than 50 times with entropy below 0.5 nats, then by a linear
router. Its baseline is the linear router for every token.

The linear router's weights have standard deviation 0.02, which gives entropies close to ln 8: with
them the threshold of 0.5 nats is out of reach, as the original reported.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specialists.routing.policies import shares
from specialists.routing.var import PATHS, AdaptiveCore, AdaptiveSettings
from specialists.routing.var.core import entropy

VOCABULARY, HIDDEN, EXPERTS, TRAIN, TEST = 1000, 128, 8, 3000, 500
BIGRAM = 0.3
SPREAD = 0.02
REPEATS = 15
"""Number of timings of each router; the median is reported."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """One corpus and one router. ``context`` mixes the preceding token into the hidden state."""

    train: Ints
    test: Ints
    embedding: Floats
    router: Floats
    context: float

    def hidden(self, tokens: Ints) -> Floats:
        """Hidden states (N, HIDDEN)."""
        before = np.concatenate([[0], tokens[:-1]])
        mixed: Floats = self.embedding[tokens] + self.context * self.embedding[before]
        mixed /= np.sqrt(1 + self.context**2)
        return mixed


def world(seed: int, context: float = 0.0) -> World:
    """The corpus and the router of one seed."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, VOCABULARY + 1)
    weights /= weights.sum()
    follower = rng.permutation(VOCABULARY)
    tokens = [int(rng.choice(VOCABULARY, p=weights))]
    for _ in range(TRAIN + TEST - 1):
        bound = rng.random() < BIGRAM
        tokens.append(int(follower[tokens[-1]] if bound else rng.choice(VOCABULARY, p=weights)))
    text = np.array(tokens, dtype=np.int64)
    return World(
        text[:TRAIN], text[TRAIN:], rng.normal(size=(VOCABULARY, HIDDEN)),
        rng.normal(scale=SPREAD, size=(HIDDEN, EXPERTS)), context,
    )  # fmt: skip


class Original:
    """The proof of concept, which routes one token at a time."""

    def __init__(self, place: World) -> None:
        self._router = place.router
        probabilities = shares(place.hidden(place.train) @ place.router, 1.0)
        count = np.bincount(place.train, minlength=VOCABULARY)
        total = np.zeros((VOCABULARY, EXPERTS))
        np.add.at(total, place.train, probabilities)
        mean = total / np.maximum(count, 1)[:, None]
        calm = entropy(mean)
        self._fast = {
            int(t): int(mean[t].argmax()) for t in np.flatnonzero((count > 50) & (calm < 0.5))
        }
        self.least_entropy = float(calm[count > 0].min())
        self._cache: dict[tuple[int, ...], int] = {}

    def route(self, tokens: Ints, hidden: Floats) -> tuple[Ints, Ints]:
        """(expert, index into PATHS) of each token."""
        chosen, paths = np.empty((2, len(tokens)), dtype=np.int64)
        window: tuple[int, ...] = ()
        for k, token in enumerate(tokens.tolist()):
            window = (*window, token)[-4:]
            if window in self._cache:
                chosen[k], paths[k] = self._cache[window], 2
            elif token in self._fast:
                chosen[k], paths[k] = self._fast[token], 1
            else:
                chosen[k], paths[k] = _linear(hidden[k], self._router), 0
                self._cache[window] = int(chosen[k])
        return chosen, paths


def _linear(hidden: Floats, router: Floats) -> int:
    return int(shares(hidden @ router, 1.0).argmax())


def _one_by_one(hidden: Floats, router: Floats) -> Ints:
    return np.array([_linear(row, router) for row in hidden])


def _batched(hidden: Floats, router: Floats) -> Ints:
    found: Ints = shares(hidden @ router, 1.0).argmax(axis=1)
    return found


class Ours:
    """The adaptive core over tokens; the table is built on the training tokens."""

    def __init__(self, place: World, seed: int) -> None:
        self._router = place.router
        self.core = AdaptiveCore(EXPERTS, AdaptiveSettings(temperature=1.0), seed)
        self.core.train(place.train, place.hidden(place.train) @ place.router)

    def route(self, tokens: Ints, hidden: Floats) -> tuple[Ints, Ints]:
        """(expert, index into PATHS) of each token, all in one batch."""
        plan = self.core.plan(tokens)
        routed = self.core.settle(plan, hidden[plan.need] @ self._router)
        return routed.rows.argmax(axis=1), routed.paths.astype(np.int64)


def measure(seeds: int = 3) -> dict[str, Any]:
    """Figures of both routers by seed, without and with context in the hidden state."""
    rows = [_measure(world(seed, context), seed) for context in (0.0, 0.5) for seed in range(seeds)]
    return {"vocabulary": VOCABULARY, "train": TRAIN, "test": TEST, "rows": rows}


def _measure(place: World, seed: int) -> dict[str, Any]:
    hidden = place.hidden(place.test)
    probabilities = shares(hidden @ place.router, 1.0)
    best = probabilities.argmax(axis=1)
    one_by_one = _seconds(lambda: _one_by_one(hidden, place.router))
    batched = _seconds(lambda: _batched(hidden, place.router))
    original, ours = Original(place), Ours(place, seed)
    # Each timing starts from a router that has not seen the test: its own decisions would be cached.
    old_s = _seconds_fresh(original, place.test, hidden)
    new_s = _seconds_fresh(ours, place.test, hidden)
    old = original.route(place.test, hidden)
    new = ours.route(place.test, hidden)
    return {
        "seed": seed, "context": place.context, "least_entropy": original.least_entropy,
        "original": {
            **_quality(old, probabilities, best), "speed_up": one_by_one / old_s,
        },
        "adaptive": {
            **_quality(new, probabilities, best), "speed_up": one_by_one / new_s,
            "speed_up_over_batched": batched / new_s, "demotions": int(ours.core.table.demotions.sum()),
            "thresholds": list(ours.core.table.thresholds()),
        },
    }  # fmt: skip


def _quality(routed: tuple[Ints, Ints], probabilities: Floats, best: Ints) -> dict[str, Any]:
    """Distribution of paths, agreement with the linear router, and the probability mass kept."""
    chosen, paths = routed
    rows = np.arange(len(best))
    kept = probabilities[rows, chosen].sum() / probabilities[rows, best].sum()
    counts = np.bincount(paths, minlength=len(PATHS)) / len(paths)
    return {
        "paths": dict(zip(PATHS, counts.tolist(), strict=True)),
        "agreement": float((chosen == best).mean()), "mass_kept": float(kept),
    }  # fmt: skip


def _seconds(work: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return float(np.median(took))


def _seconds_fresh(router: Original | Ours, tokens: Ints, hidden: Floats) -> float:
    took = []
    for _ in range(REPEATS):
        fresh = copy.deepcopy(router)
        start = time.perf_counter()
        fresh.route(tokens, hidden)
        took.append(time.perf_counter() - start)
    return float(np.median(took))
