"""The loss probe: raw two-stage and corrected, on a backend whose losses are set by hand."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialists.backends.base import Message, ScoredText
from specialists.registry import Card, fleet_version
from specialists.routing import LossProbe, ProbeCalibration, RawLossProbe
from specialists.routing.loss_probe import bits_saved, calibrate
from specialists.routing.roles import role_of
from state import UsageError

ROLES = {"solve": ("math",), "explain": ("explain",), "code": ("code",)}

CARDS = [
    Card(name=n, description=n, domain=n, adapter=f"{k:016x}")
    for k, n in enumerate(("math", "explain", "code"), 1)
]


class Losses:
    """Nats of each whole text by adapter: ``loss(text, name)``, spread over two tokens."""

    def __init__(self, loss: Any) -> None:
        self.loss, self.batches = loss, list[tuple[int, int]]()

    async def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]], adapters: Sequence[str | None]
    ) -> list[list[ScoredText]]:
        self.batches.append((len(pairs), len(adapters)))
        names = {c.adapter: c.name for c in CARDS} | {None: "base"}
        return [
            [
                ScoredText(adapter=a, log_probs=(-self.loss(text, names[a]) / 2,) * 2)
                for a in adapters
            ]
            for _, text in pairs
        ]


def score(scorer: Any, tasks: list[str], cards: list[Card] = CARDS) -> np.ndarray:
    found: np.ndarray = asyncio.run(scorer.score(tasks, cards))
    return found


def test_the_first_stage_prunes_by_relative_loss() -> None:
    whole = {"math": 2.0, "explain": 3.0, "code": 3.1}
    scores = score(RawLossProbe(Losses(lambda t, n: whole[n]), ROLES), ["hello"])[0]
    assert scores[0] == -1.0
    assert scores[1] == -1.5
    assert scores[2] < -900


@pytest.mark.parametrize(("other", "winner"), [(1.7, "code"), (1.5, "math")])
def test_the_native_keeps_its_role_unless_another_is_a_fifth_better(
    other: float, winner: str
) -> None:
    losses = {"math": other, "explain": 2.5, "code": 2.0}
    scores = score(
        RawLossProbe(Losses(lambda t, n: losses[n]), ROLES), ["Write a Python function f."]
    )[0]
    assert CARDS[int(scores.argmax())].name == winner


def test_bits_per_byte_are_against_the_base() -> None:
    nats = {"base": 4.0, "math": 4.0 - math.log(2), "explain": 4.0, "code": 4.0 + 2 * math.log(2)}
    backend = Losses(lambda t, n: nats[n])
    found = asyncio.run(bits_saved(backend, ["ab", "é"], CARDS))
    assert found == pytest.approx(np.array([[-0.5, 0, 1.0], [-0.5, 0, 1.0]]))
    assert backend.batches == [(2, 4)]


def test_the_corrected_form_takes_familiarity_out_of_the_score() -> None:
    """``math`` is cheaper on every text; only relative to its own habit is ``explain`` better."""

    def loss(text: str, name: str) -> float:
        base = {"base": 9.0, "math": 3.0, "explain": 8.0, "code": 8.5}[name]
        return (
            base - (1.0 if name == "explain" and "gravity" in text else 0.0) + len(text) % 3 * 0.1
        )

    backend = Losses(loss)
    texts = [f"text {'x' * k}" for k in range(8)]
    made = asyncio.run(calibrate(backend, CARDS, texts))
    raw = score(RawLossProbe(backend, ROLES), ["about gravity"])[0]
    fixed = score(LossProbe(backend, made, ROLES, prior=0.0), ["about gravity"])[0]
    assert CARDS[int(raw.argmax())].name == "math"
    assert CARDS[int(fixed.argmax())].name == "explain"


def test_the_native_prior_adds_to_its_role_alone() -> None:
    backend = Losses(lambda t, n: float(len(t) + len(n)))
    made = asyncio.run(calibrate(backend, CARDS, ["a", "bb", "ccccc"]))
    plain = score(LossProbe(backend, made, ROLES, prior=0.0), ["Write a Python function f."])
    with_prior = score(LossProbe(backend, made, ROLES, prior=2.0), ["Write a Python function f."])
    assert (with_prior - plain)[0] == pytest.approx([0, 0, 2.0])


def test_a_calibration_of_another_fleet_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run `harness router calibrate`"):
        ProbeCalibration.read(tmp_path / "no.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(UsageError, match="is no calibration"):
        ProbeCalibration.read(tmp_path / "bad.json")
    backend = Losses(lambda t, n: 1.0)
    made = asyncio.run(calibrate(backend, CARDS, ["a", "b"]))
    (tmp_path / "x.json").write_text(made.model_dump_json())
    assert ProbeCalibration.read(tmp_path / "x.json") == made
    assert made.fleet == fleet_version(reversed(CARDS))
    with pytest.raises(UsageError, match="stale, the fleet has changed"):
        score(LossProbe(backend, made, ROLES), ["a"], CARDS[:2])
    with pytest.raises(UsageError, match="at least two texts"):
        asyncio.run(calibrate(backend, CARDS, ["a"]))
    with pytest.raises(UsageError, match="fleet is empty"):
        score(RawLossProbe(backend, ROLES), ["a"], [])


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("Solve 3x = 9", "solve"), ("Please explain the code", "explain"),
        ("Then write a Python function that explains itself", "code"),
        ("convert it to Python", "code"), ("convert 3 km to miles", "solve"),
        ("How many apples are left?", "solve"), ("good morning", None), ("", None),
    ],
)  # fmt: skip
def test_roles(text: str, role: str | None) -> None:
    assert role_of(text) == role
