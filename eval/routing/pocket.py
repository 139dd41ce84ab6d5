"""Routing on the pocket fleet: every adapter answers every held-out task, then policies route the
tasks.

References: random, always one adapter, native (the adapter of the task's own domain) and oracle (an
adapter that solves the task, where there is one). Learned policies are cross-validated by task.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.routing import curves, predict
from specialists.backends.base import Backend, GenerateRequest, Message, Sampling
from specialists.pocket.domains import CELLS, SPECIALISTS, Example, held_out_examples, judge
from specialists.registry import Card
from specialists.routing import (
    AbstentionScorer,
    Embedder,
    EmbeddingScorer,
    LossProbe,
    RawLossProbe,
    Scorer,
)
from specialists.routing.abstention import can_decline
from specialists.routing.loss_probe import calibrate
from tiers.domains import installed
from tiers.protocol import Check, Validator

Bools = NDArray[np.bool_]


async def measure(
    backend: Backend,
    cards: Sequence[Card],
    validators: Mapping[str, Validator],
    *,
    tasks: int = 40,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure ``tasks`` held-out tasks of each domain, cells in equal shares. Raises
    ``SandboxUnavailable``."""
    fleet = [card for card in cards if card.domain in SPECIALISTS]
    examples = [e for card in fleet for e in _tasks(card.domain, tasks, seed)]
    solved = np.stack([await right(backend, card, examples, validators) for card in fleet], axis=1)
    native = np.array([[c.domain for c in fleet].index(e.domain) for e in examples])
    prompts = [e.prompt for e in examples]
    embedder = Embedder()
    vectors = embedder.embed(prompts)
    rate = solved.astype(np.float64)
    texts = [text for card in fleet for text in card.examples]
    scorers: dict[str, Scorer] = {
        "embedding": EmbeddingScorer(embedder), "loss probe, raw": RawLossProbe(backend, installed().roles),
        "loss probe": LossProbe(backend, await calibrate(backend, fleet, texts), installed().roles),
    }  # fmt: skip
    if can_decline(fleet):
        scorers["abstention"] = AbstentionScorer(backend)
    rows = [_row("random", rate.mean(axis=1), None, native, solved, seed)]
    for k, card in enumerate(fleet):
        rows.append(_picked(f"always {card.name}", np.full(len(examples), k), native, solved, seed))
    rows.append(_picked("native", native, native, solved, seed))
    for name, scorer in scorers.items():
        start = time.perf_counter()
        pick = (await scorer.score(prompts, fleet)).argmax(axis=1)
        milliseconds = 1000 * (time.perf_counter() - start) / len(prompts)
        rows.append(_picked(name, pick, native, solved, seed, milliseconds))
    for name, table in (
        ("kNN", predict.knn(vectors, rate, seed)), ("learned", predict.logistic(vectors, rate, seed)),
    ):  # fmt: skip
        rows.append(_picked(name, table.argmax(axis=1), native, solved, seed))
    rows.append(_row("oracle", solved.any(axis=1).astype(float), None, native, solved, seed))
    return {"tasks": len(examples), "adapters": [c.name for c in fleet], "rows": rows}


async def right(
    backend: Backend, card: Card, examples: Sequence[Example], validators: Mapping[str, Validator]
) -> Bools:
    """Whether ``card``'s greedy answer solves each example (N,); code runs in the sandbox."""
    answers = await backend.generate(
        [
            GenerateRequest(
                messages=(Message(role="user", content=e.prompt),), adapter=card.adapter,
                sampling=Sampling(max_tokens=_room(backend, e)),
            )
            for e in examples
        ]
    )  # fmt: skip
    verdicts = await asyncio.gather(
        *(_judge(e, a.text, validators) for e, a in zip(examples, answers, strict=True))
    )
    return np.array(verdicts)


def _room(backend: Backend, example: Example) -> int:
    return int(1.5 * backend.count_tokens(example.answer)) + 16


async def _judge(example: Example, text: str, validators: Mapping[str, Validator]) -> bool:
    verdict = judge(example, text)
    if verdict is not None:
        return verdict
    spec = {"entry_point": example.data["entry_point"], "cases": example.data["cases"]}
    return (await validators["function"].validate(text, Check(kind="function", spec=spec))).passed


def _tasks(domain: str, count: int, seed: int) -> list[Example]:
    cells = list(CELLS[domain])
    return [
        e for k, cell in enumerate(cells)
        for e in held_out_examples(
            domain, cell, count // len(cells) + (k < count % len(cells)), seed
        )
    ]  # fmt: skip


def _picked(
    name: str, pick: NDArray[np.int64], native: NDArray[np.int64], solved: Bools, seed: int,
    milliseconds: float = math.nan,
) -> dict[str, Any]:  # fmt: skip
    won = solved[np.arange(len(pick)), pick].astype(np.float64)
    return _row(name, won, pick, native, solved, seed, milliseconds)


def _row(
    name: str, won: NDArray[np.float64], pick: NDArray[np.int64] | None,
    native: NDArray[np.int64], solved: Bools, seed: int, milliseconds: float = math.nan,
) -> dict[str, Any]:  # fmt: skip
    ((low, high),) = curves.bootstrap(lambda d: (float(won[d].mean()),), len(won), seed)
    return {
        "router": name, "solved": float(won.mean()), "low": low, "high": high,
        "right": math.nan if pick is None else float((pick == native).mean()),
        "regret": float(solved.any(axis=1).mean() - won.mean()), "ms": milliseconds,
    }  # fmt: skip
