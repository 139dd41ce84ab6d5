"""``harness eval errors``, ``cost``, ``ab`` and ``aggregate`` on real runs of the oracle."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from eval import get
from eval.faults import FAULTS, FaultyBackend
from harness import engine, routing, wiring
from harness.report import RunOptions, RunReport
from specialists.routing import embedder
from state import BeadStore, database_url
from tests.eval.test_clustering import embed
from tests.harness.conftest import Cli
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story


class HashedEmbedder:
    """Likeness without a model; the real one has tests of its own."""

    def __init__(self, model: str | None = None) -> None:
        self.embed = embed


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "open_router", by_form)
    monkeypatch.setattr(embedder, "Embedder", HashedEmbedder)


def run_with(fault: str | None, number: int = 1) -> RunReport:
    """A planned run of a short story, with a fault in the fleet or none."""
    inner = OracleBackend([horizon_story(4, number)])
    backend: Any = FaultyBackend(inner, FAULTS[fault]) if fault else inner
    options = RunOptions(strategy="plan")
    if fault:
        options = options.model_copy(update={"budget": FAULTS[fault].budget})
    problem = get("horizon", f"4-{number}")
    work = engine.start(
        problem, options, lambda e: None, stop=asyncio.Event(), fleet=(backend, CARDS)
    )
    return asyncio.run(work)


@pytest.mark.parametrize("columns", [80, 60])
def test_cost_fits_the_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    report = run_with(None)
    said = cli("eval", "cost")
    assert said.code == 0, said.err
    assert max(map(len, said.out.splitlines())) <= columns
    assert f"\n{report.run_id}  " in said.out
    assert "\nhorizon/4-1  " in said.out


def test_errors_finds_names_traces_and_files_the_kinds(cli: Cli) -> None:
    for fault in ("arithmetic off by one", "plan garbled"):
        assert run_with(fault).reference_match is not True
    said = cli("eval", "errors", "--json", "--file-beads", "--min-size", "3",
               "--html", "errors.html", "--markdown", "errors.md")  # fmt: skip
    assert said.code == 0, said.err
    data = json.loads(said.out)
    assert data["failures"] >= 8
    by_tier = {next(iter(c["tiers"])): c for c in data["clusters"]}
    assert len({b["bead"] for b in data["beads"]}) == len(data["clusters"])
    assert set(by_tier["fleet"]["origins"]) == {"fleet"}
    assert "inverse" in by_tier["fleet"]["normal"]
    assert set(by_tier["architect"]["origins"]) == {"architect"}
    assert {b["done"] for b in data["beads"]} == {"opened"}
    assert "<svg" in Path("errors.html").read_text()
    assert "# Failures by kind" in Path("errors.md").read_text()
    plain = cli("eval", "errors", "--file-beads", "--min-size", "3")
    assert "seen again" in plain.out
    assert len(BeadStore.open(database_url()).query(kind="bug")) == len(data["clusters"])


def test_no_failures_is_one_line(cli: Cli) -> None:
    assert run_with(None).verdict == "verified"
    said = cli("eval", "errors")
    assert said.code == 2
    assert "no failures in 1 runs: nothing to cluster" in said.err


def test_cost_adds_up_and_knows_waste(cli: Cli) -> None:
    clean = run_with(None)
    spoilt = run_with("arithmetic off by one", 2)
    data = json.loads(cli("eval", "cost", "--json").out)
    assert data["total"]["calls"] == clean.calls + spoilt.calls
    for group in data["by"].values():
        assert sum(s["calls"] for s in group.values()) == data["total"]["calls"]
        tokens = sum(s["prompt_tokens"] + s["completion_tokens"] for s in group.values())
        assert tokens == clean.tokens + spoilt.tokens
    by_run = data["by"]["run"]
    assert by_run[clean.run_id]["wasted_tokens"] == 0
    assert by_run[spoilt.run_id]["wasted_tokens"] > 0
    assert data["total"]["dollars"] is None
    plain = cli("eval", "cost", "--run", clean.run_id, "--html", "cost.html")
    assert "price unknown" in plain.out
    assert "<svg" in Path("cost.html").read_text()


def test_cost_by_price_table_and_by_time(cli: Cli) -> None:
    run = run_with(None)
    Path("prices.toml").write_text("oracle = [1000000.0, 1000000.0]\n")
    data = json.loads(cli("eval", "cost", "--prices", "prices.toml", "--json").out)
    assert data["total"]["dollars"] == pytest.approx(run.tokens)
    data = json.loads(cli("eval", "cost", "--gpu-hour", "3600", "--json").out)
    assert data["total"]["dollars"] == pytest.approx(data["total"]["seconds"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("cost",), "no model call in 0 runs"),
        (("cost", "--prices", "none.toml"), "cannot be read"),
        (("cost", "--prices", "p.toml", "--gpu-hour", "1"), "give one of them"),
        (("errors", "--limit", "0"), "--limit: at least 1"),
        (("errors", "--run", "run-none"), "unknown run id"),
        (("ab", "a.toml", "b.toml"), "a.toml: no such settings file"),
        (("aggregate", "nowhere"), "not the journal of a comparison"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(
    cli: Cli, words: tuple[str, ...], says: str
) -> None:
    said = cli("eval", *words)
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1


def test_ab_says_its_plan_then_its_verdict(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    stories = [horizon_story(4, k) for k in range(20)]

    async def open_backend(options: RunOptions) -> Any:
        inner = OracleBackend(stories)
        spoilt = options.strategy == "plan"
        return FaultyBackend(inner, FAULTS["plan garbled"]) if spoilt else inner, CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    Path("a.toml").write_text('[run]\nstrategy = "direct"\nspecialist = "chain"\n')
    Path("b.toml").write_text('[run]\nstrategy = "plan"\n')
    said = cli("eval", "ab", "a.toml", "b.toml", "--suite", "horizon/4", "--count", "20", "--json")
    assert said.code == 0, said.err
    assert said.err.splitlines()[0].startswith("to find a difference of 10 points")
    data = json.loads(said.out)
    assert (data["verdict"], data["problems"], data["only_a"]) == ("A", 8, 8)
    same = cli("eval", "ab", "a.toml", "a.toml")
    assert "hold the same settings" in same.err


def test_aggregate_joins_sweeps_of_the_same_options_only(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def open_backend(options: RunOptions) -> Any:
        return OracleBackend([horizon_story(4, k) for k in range(4)]), CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    base = ("eval", "compare", "--suite", "horizon/4", "--count", "2", "--systems", "direct,cot")
    cli(*base, "--first", "0", "--out", "one")
    cli(*base, "--first", "2", "--out", "two")
    cli(*base, "--first", "2", "--out", "other", "--max-calls", "50")
    said = cli("eval", "aggregate", "one", "two", "--out", "both", "--json")
    assert said.code == 0, said.err
    (comparison,) = json.loads(said.out)["comparisons"]
    assert {s["problems"] for s in comparison["standings"]} == {4}
    assert Path("both/comparison.html").is_file()
    cli("eval", "compare", "--suite", "horizon/4", "--count", "1", "--first", "3", "--seeds", "3",
        "--systems", "direct", "--out", "more")  # fmt: skip
    assert "| direct | 4 × 3, 6 missing |" in cli("eval", "aggregate", "one", "two", "more").out
    assert "not comparable" in cli("eval", "aggregate", "one", "other").err


def test_a_page_that_cannot_be_written_is_one_line(cli: Cli, folder: Path) -> None:
    run_with(None)
    done = cli("eval", "cost", "--html", str(folder / "none" / "page.html"))
    assert (done.code, done.err.count("\n")) == (4, 1)
    assert "No such file or directory" in done.err
    assert "unexpected" not in done.err


def test_a_device_that_is_none_is_one_line(cli: Cli) -> None:
    done = cli("bench", "var", "--part", "moe", "--device", "tpu")
    assert (done.code, done.err) == (2, "error: --device: should be cpu or cuda, not 'tpu'\n")
