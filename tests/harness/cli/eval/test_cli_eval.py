"""``harness eval errors``, ``cost``, ``ab`` and ``aggregate`` on real runs of the oracle."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from eval import get
from eval.faults import FaultyBackend, faults
from harness import engine, routing, wiring
from harness.report import RunOptions, RunReport
from harness.ui.run_records import recorded_runs
from specialists.routing import embedder
from state import BeadStore, database_url
from tests.eval.errors.test_clustering import embed
from tests.harness.conftest import Cli
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story
from tests.state.words import WordEmbedding

pytestmark = pytest.mark.slow


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
    backend: Any = FaultyBackend(inner, faults()[fault]) if fault else inner
    options = RunOptions(strategy="plan")
    if fault:
        options = options.model_copy(update={"budget": faults()[fault].budget})
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
    assert run_with("arithmetic off by one").reference_match is not True
    for number in (1, 2, 3):  # A story that nobody can read ends its run at once.
        assert run_with("plan garbled", number).reference_match is not True
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
    assert (said.code, said.out) == (0, "no failures in 1 runs\n")
    assert json.loads(cli("eval", "errors", "--json").out)["failures"] == 0


def test_a_wrong_answer_is_a_failure_whatever_its_verdict(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories = [horizon_story(4, k) for k in range(6)]

    async def open_backend(options: RunOptions) -> Any:
        return OracleBackend(stories, fault=lambda request, text: "= 1"), CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    swept = cli("eval", "compare", "--suite", "horizon/4", "--count", "6", "--systems", "direct")
    assert swept.code == 0, swept.err
    data = json.loads(cli("eval", "errors", "--json").out)
    (found,) = data["clusters"]
    assert (data["failures"], data["noise"], found["size"]) == (6, 0, 6)
    assert found["tiers"] == {"report": 6}
    assert found["origins"] == {"fleet": 6}
    assert found["name"].startswith("final answer: wrong (numeric check), e.g. horizon/4-")
    assert found["examples"][0]["specialist"] == "generalist"
    assert run_with("plan garbled").reference_match is False
    known = json.loads(cli("eval", "errors", "--limit", "1", "--json").out)
    assert {tier for c in known["clusters"] for tier in c["tiers"]} == {"architect"}, (
        "counted twice"
    )
    few = cli("eval", "errors", *(f"--run={e['run']}" for e in found["examples"][:2]))
    assert (few.code, "2 failures of 2 runs; 0 are like no others" in few.out) == (0, True)


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


def test_nothing_to_add_up_is_no_error(cli: Cli) -> None:
    said = cli("eval", "cost")
    assert (said.code, said.err) == (0, "")
    assert said.out == "no model call in 0 runs: nothing to add up\n"
    assert json.loads(cli("eval", "cost", "--json").out)["total"]["calls"] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
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
        return FaultyBackend(inner, faults()["plan garbled"]) if spoilt else inner, CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    Path("a.toml").write_text('[run]\nstrategy = "direct"\nspecialist = "chain"\n')
    Path("b.toml").write_text('[run]\nstrategy = "plan"\n')
    said = cli("eval", "ab", "a.toml", "b.toml", "--suite", "horizon/4", "--count", "20", "--json")
    assert said.code == 0, said.err
    assert said.err.splitlines()[0].startswith("to find a difference of 10 points")
    data = json.loads(said.out)
    assert (data["verdict"], data["problems"], data["only_a"]) == ("A", 8, 8)
    again = cli("eval", "ab", "a.toml", "b.toml", "--suite", "horizon/4", "--count", "20", "--json")
    assert json.loads(again.out) == data
    assert len(recorded_runs(None)) == 16, "what was kept is not made again"
    same = cli("eval", "ab", "a.toml", "a.toml")
    assert "hold the same settings" in same.err


def test_bench_stores_a_baseline_only_where_asked(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = OracleBackend([horizon_story(8, k) for k in range(3)])

    async def open_backend(options: RunOptions) -> Any:
        return backend, CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())
    monkeypatch.setattr("eval.compare.stored_baseline.SETS", {"quick": (("horizon/8", 2),)})
    baseline = Path("runs/bench/quick.json")
    first = cli("eval", "bench", "quick", "--count", "1")
    assert first.code == 0, first.err
    assert "no baseline yet: --save stores" in first.out
    assert not baseline.exists()
    missing = cli("eval", "bench", "quick", "--baseline", "none.json")
    assert (missing.code, "no such file; --save makes it" in missing.err) == (2, True)
    assert "baseline written to" in cli("eval", "bench", "quick", "--count", "1", "--save").out
    stored = baseline.read_bytes()
    again = cli("eval", "bench", "quick", "--count", "1")
    assert "undecided" in again.out
    assert "problems needed, not 1" in again.out
    (change,) = json.loads(cli("eval", "bench", "quick", "--count", "1", "--json").out)
    assert (change["verdict"], change["problems_needed"]) == ("undecided", 157)
    assert baseline.read_bytes() == stored
    assert cli("eval", "bench", "quick", "--count", "0").code == 2
    assert not list(Path("runs/bench").glob("*.attempts.jsonl")), "every bench was finished"


def test_routing_without_recorded_answers_measures_what_it_can(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = cli("bench", "routing", "--ground", "gsm8k")
    assert (named.code, named.err.count("\n")) == (2, 1)
    assert "--ground gsm8k needs --data DIR" in named.err
    wrong = cli("bench", "routing", "--data", "nowhere")
    assert (wrong.code, "there is no folder nowhere" in wrong.err) == (2, True)
    asked: list[str] = []

    async def pocket(*given: object) -> dict[str, object]:
        asked.append("pocket")
        return {}

    monkeypatch.setattr("harness.cli.bench._pocket", pocket)
    monkeypatch.setattr("eval.routing.routing_report.pocket_lines", lambda made: ["| a |"])
    said = cli("bench", "routing")
    assert said.code == 0, said.err
    assert asked == ["pocket"]
    assert "left out: humaneval, gsm8k, which need --data DIR" in said.err
    assert Path("runs/benchmarks/routing.json").is_file()
    assert not Path("docs").exists()


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
    joined = cli("eval", "aggregate", "one", "two", "more")
    assert "direct  4 × 3, 6 missing  100.0%" in joined.out
    assert not [line for line in joined.out.splitlines() if "|" in line or line.endswith(" ")]
    assert "undecided" in joined.out
    assert "no benefit" not in joined.out
    for columns in (80, 60):
        monkeypatch.setenv("COLUMNS", str(columns))
        narrow = cli("eval", "aggregate", "one", "two")
        assert max(map(len, narrow.out.splitlines())) <= columns
        assert [line for line in narrow.out.splitlines() if line.endswith("undecided")]
        for title in ("sample", "solved", "lost", "false claims", "tokens/solve", "difference"):
            assert title in narrow.out
    monkeypatch.delenv("COLUMNS")
    wide = cli("eval", "aggregate", "one", "two", "--smallest-effect", "2")
    assert (wide.code, "--smallest-effect" in wide.err) == (2, True)
    assert "not comparable" in cli("eval", "aggregate", "one", "other").err


def test_a_page_that_cannot_be_written_is_one_line(cli: Cli, folder: Path) -> None:
    run_with(None)
    done = cli("eval", "cost", "--html", str(folder / "none" / "page.html"))
    assert (done.code, done.err.count("\n")) == (4, 1)
    assert "No such file or directory" in done.err
    assert "unexpected" not in done.err
