"""Each routing mode on whole runs: which adapters really answer, and what the decision rows say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval import get
from eval.cost import surviving
from harness import engine, routing, wiring
from harness.report import RunOptions, RunReport
from harness.ui.routing_table import routing_rows
from specialists.backends.base import GenerateRequest
from specialists.registry import Card
from specialists.routing import AdaptiveRouter, Embedder, WinnerTakeAll
from specialists.routing.calllog import examples
from state import BeadStore, Ledger, Runs, UsageError, database_url
from tests.harness.conftest import Cli
from tests.oracle import CARDS, OracleBackend, horizon_story
from tests.specialists import test_learned
from tiers.fleet import CHECK_SAMPLES

pytestmark = pytest.mark.slow

STORY = horizon_story(8, 1)
FLEET = [c for c in CARDS if c.status != "control"]


class Near:
    """Scores that differ little; ``math`` leads, then ``code`` and ``chain``."""

    def __init__(self, first: str = "math") -> None:
        self.first = first

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> np.ndarray:
        row = [0.5 if c.name == self.first else 0.45 - 0.01 * k for k, c in enumerate(cards)]
        return np.array([row] * len(tasks))


class Flat(Embedder):
    """Every text is the same to it."""

    def embed(self, texts: Sequence[str]) -> Any:
        return np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (len(texts), 1))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATABASE_URL", raising=False)
    monkeypatch.setattr(routing, "open_scorer", lambda *given, **more: Near())
    monkeypatch.setattr(routing, "Embedder", Flat)
    return tmp_path


def run(
    monkeypatch: pytest.MonkeyPatch, fault: Any = None, **options: Any
) -> tuple[RunReport, list[dict[str, Any]], OracleBackend]:
    """A story of 8 events under the plan strategy; the rows of its routing decisions."""
    backend = OracleBackend([STORY], fault)

    async def open_backend(options: RunOptions) -> Any:
        return backend, CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    made = RunOptions(strategy="plan", **options)

    async def go() -> RunReport:
        return await engine.start(get("horizon", "8-1"), made, lambda e: None, stop=asyncio.Event())

    report = asyncio.run(go())
    return report, routing_rows(report.run_id), backend


def test_winner_take_all_sends_every_step_to_the_best(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, rows, _ = run(monkeypatch)
    assert report.verdict == "verified"
    assert {row["specialist"] for row in rows} == {"math"}
    assert all(row["path"] == "expensive" and row["team"] == "one" for row in rows)
    assert all(set(row["scores"]) == {c.name for c in FLEET} for row in rows)
    assert all(0 < row["confidence"] < 1 and row["cost"] > 0 for row in rows)


def test_probabilistic_spreads_the_steps_by_the_seed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mode = {"routing_mode": "probabilistic"}
    chosen = [
        [row["specialist"] for row in run(monkeypatch, **mode, seed=seed)[1]] for seed in (1, 1, 2)
    ]
    assert len(set(chosen[0])) > 1
    assert chosen[0] == chosen[1] != chosen[2]


def test_an_ensemble_runs_three_adapters_and_keeps_the_answer_that_passes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``code`` leads and is always wrong: the team's other answers save every step."""
    monkeypatch.setattr(routing, "open_scorer", lambda *given, **more: Near("code"))
    digest = {c.name: c.adapter for c in CARDS}

    def fault(request: GenerateRequest, text: str) -> str:
        asked = request.messages[-1].content
        return "= 1" if request.adapter == digest["code"] and asked[0].isdigit() else text

    report, rows, backend = run(monkeypatch, fault, routing_mode="ensemble")
    assert report.verdict == "verified"
    assert {(row["specialist"], *row["others"]) for row in rows} == {("code", "math", "decompose")}
    assert all(row["team"] == "ensemble" and row["won"] == "math" for row in rows)
    used = {r.adapter for r in backend.calls if r.messages[-1].content[0].isdigit()}
    assert used == {digest[name] for name in ("code", "math", "decompose")}


def test_a_cascade_starts_with_the_cheapest_and_climbs_when_checks_fail(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = {c.name: c.adapter for c in CARDS}
    monkeypatch.setattr(
        routing, "mean_tokens", lambda store, fleet: {"decompose": 1.0, "code": 2.0}
    )

    def fault(request: GenerateRequest, text: str) -> str:
        asked = request.messages[-1].content
        return "= 1" if request.adapter == digest["decompose"] and asked[0].isdigit() else text

    report, rows, backend = run(monkeypatch, fault, routing_mode="cascade")
    assert report.verdict == "verified"
    assert {row["specialist"] for row in rows} == {"decompose"}
    assert {row["won"] for row in rows} == {"code"}
    used = {r.adapter for r in backend.calls if r.messages[-1].content[0].isdigit()}
    assert digest["chain"] not in used
    store = BeadStore.open(database_url())
    seen = examples(store)
    calls = Ledger(store).calls(report.run_id)
    kept = surviving(store, Runs(store).get(report.run_id), calls)
    store.close_database()
    assert {(e.specialist, e.verified) for e in seen} == {("decompose", False), ("code", True)}
    fleet = [c for c in calls if c.tier == "fleet" and c.sample < CHECK_SAMPLES]
    assert {c.specialist for c in fleet if c.key in kept} == {"code"}
    assert {c.specialist for c in fleet if c.key not in kept} == {"decompose"}


def test_adaptive_answers_from_its_table_where_it_may(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table has learned of ``chain``; the wrapped scorer would now say ``math``."""
    from specialists.routing import AdaptiveSettings

    router = AdaptiveRouter(
        Near("chain"), WinnerTakeAll(0.1), fallback=Near("chain"),
        settings=AdaptiveSettings(temperature=0.1),
    )  # fmt: skip
    forms = [f"347 {op} 586" for op in "+-*/"]
    asyncio.run(router.train(forms * 100, FLEET))
    router.save(home / "routing" / "adaptive-embedding.npz")
    report, rows, _ = run(monkeypatch, routing_mode="adaptive")
    assert report.verdict == "verified"
    assert {row["path"] for row in rows} == {"fast"}
    assert {row["specialist"] for row in rows} == {"chain"}


def test_adaptive_without_a_table_pays_up_to_its_cap(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, rows, _ = run(monkeypatch, routing_mode="adaptive")
    paths = [row["path"] for row in rows]
    assert 1 <= paths.count("expensive") <= 7
    assert (home / "routing" / "adaptive-embedding.npz").is_file()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scorer": "learned"}, "there is no learned router yet: run `harness router train`"),
        ({"scorer": "posterior"}, "there is no posterior router yet"),
        ({"scorer": "loss_probe"}, "not calibrated for this fleet: run `harness router calibrate`"),
    ],
)
def test_a_scorer_that_is_not_trained_is_refused(
    options: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=says):
        run(monkeypatch, **options)


def test_the_command_line_refuses_unknown_modes_and_too_little_data(cli: Cli) -> None:
    said = cli("run", "-p", "horizon/8-1", "--routing-mode", "best")
    assert said.code == 2
    assert "--routing-mode: " in said.err
    assert "cascade" in said.err
    said = cli("run", "-p", "horizon/8-1", "--scorer", "magic")
    assert said.code == 2
    assert "--scorer: " in said.err
    said = cli("router", "train")
    assert said.code == 2
    assert "0 verified outcomes are too few to train a router: it needs 50" in said.err


def test_routers_are_trained_and_judged_for_people_and_for_scripts(
    home: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.setattr("harness.cli.router._examples", test_learned.log)
    monkeypatch.setattr("harness.cli.router._fleet", lambda flags: test_learned.CARDS)
    monkeypatch.setattr("harness.cli.router._embedder", test_learned.Words)
    said = cli("router", "train", "--json")
    made = {row["kind"]: row for row in json.loads(said.out)}
    assert sorted(made) == ["learned", "posterior"]
    assert cli("router", "train").out.startswith("learned router 2: ")
    said = cli("router", "evaluate", "--json", "--plot", str(home / "plots"))
    rows = {row["router"]: row for row in json.loads(said.out)}
    assert rows["learned"]["accuracy"] > rows["learned"]["base_rate"]
    assert f"wrote {home}/plots/reliability-learned.png" in said.err
    assert cli("router", "evaluate").out.splitlines()[0].split()[0] == "router"


def test_explain_shows_who_was_chosen(
    home: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    backend = OracleBackend([STORY])

    async def open_backend(options: RunOptions) -> Any:
        return backend, CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    said = cli(
        "run", "-p", "horizon/8-1", "--strategy", "plan", "--explain", "--routing-mode", "ensemble"
    )
    assert "math + decompose + code" in said.out.replace("\n", "")
    assert "expensive" in said.out
    said = cli("run", "-p", "horizon/8-1", "--strategy", "plan", "--explain", "--json")
    assert json.loads(said.out)["verdict"] == "verified"
    assert "math 0.500" in said.err
