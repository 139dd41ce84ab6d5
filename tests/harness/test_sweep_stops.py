"""Sweeps that are stopped by signals, cut off from their endpoint, or out of disk, and go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import routing, wiring
from harness.report import RunOptions
from state.errors import BackendTimeout, BackendUnavailable, BadAnswer, PromptTooLong, StoreError
from tests.harness.conftest import Cli
from tests.harness.oracle_sweep import Endpoint
from tests.oracle import CARDS, by_form
from tests.state.words import WordEmbedding

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMPARE = ("eval", "compare", "--suite", "horizon/8", "--first", "1", "--count", "3",
           "--systems", "direct,hierarchy", "--out", "sweep")  # fmt: skip
Use = Callable[..., Endpoint]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Replaces the model by an endpoint that fails in the requested way."""

    def put(fails: Callable[[int], Exception | None] = lambda number: None) -> Endpoint:
        backend = Endpoint(fails, delay=0.01)

        async def open_backend(options: RunOptions) -> Any:
            return backend, CARDS

        monkeypatch.setattr(wiring, "open_backend", open_backend)
        monkeypatch.setattr(routing, "open_router", by_form)
        monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())
        return backend

    return put


def start(*words: str, delay: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.harness.oracle_sweep", *words],
        env={**environment, "ORACLE_DELAY": str(delay)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], beginning: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(beginning):
            return
    raise AssertionError(f"the process ended before it said {beginning!r}")


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("sweep/attempts.jsonl").read_text().splitlines()[1:]]


def assert_goes_on(cli: Cli, done: int) -> None:
    """The same command makes what is missing, and only that; the result is the undisturbed one."""
    said = cli(*COMPARE, "--json")
    assert said.code == 0, said.err
    assert len(said.err.splitlines()) == 6 - done
    (comparison,) = json.loads(said.out)["comparisons"]
    rates = {s["system"]: s["solve_rate"] for s in comparison["standings"]}
    assert rates == {"direct": 1.0, "hierarchy": 1.0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_sweep_counts_what_was_done_and_goes_on(
    cli: Cli, use: Use, number: signal.Signals
) -> None:
    process = start(*COMPARE, delay=0.2)
    wait_for(process, "2/6")
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    *_, standing, last = err.splitlines()
    assert standing == "2 of 6 attempts are done and kept, what was under way is not counted"
    assert last == f"error: stopped on request (then continue with: harness {' '.join(COMPARE)})"
    assert "Traceback" not in err
    assert [(r["system"], r["solved"]) for r in rows()] == [("direct", True)] * 2
    use()
    assert_goes_on(cli, done=2)


def test_a_second_interrupt_ends_at_once(folder: Path) -> None:
    process = start(*COMPARE, delay=60)
    wait_for(process, "call 1")
    process.send_signal(signal.SIGINT)
    wait_for(process, "stopping")
    try:
        process.wait(0.5)  # An echo of the first comes sooner.
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "continue with: harness eval compare" in err
    assert rows() == []


def test_a_lost_endpoint_is_nobodys_wrong_answer(cli: Cli, use: Use) -> None:
    use(lambda number: BackendUnavailable("http://oracle: refused") if number > 20 else None)
    said = cli(*COMPARE)
    assert said.code == 4
    *_, standing, last = said.err.splitlines()
    assert standing.startswith("3 of 6 attempts are done and kept")
    assert last.startswith("error: http://oracle: refused (then continue with: harness eval com")
    assert [(r["system"], r["solved"]) for r in rows()] == [("direct", True)] * 3
    use()
    assert_goes_on(cli, done=3)


@pytest.mark.parametrize("key", [("--api-key", "sk-123"), ("--api-key=sk-123",)])
def test_how_to_go_on_never_shows_the_key(cli: Cli, use: Use, key: tuple[str, ...]) -> None:
    use(lambda number: BackendUnavailable("http://oracle: refused"))
    end = ("--backend", "openai", "--model", "m", "--base-url", "http://oracle/v1")
    said = cli(*COMPARE, *end, *key)
    assert said.code == 4
    assert "then continue with: harness eval compare" in said.err
    assert "--api-key" in said.err
    assert "sk-123" not in said.err


@pytest.mark.parametrize("error", [BadAnswer, BackendTimeout])
def test_an_unusable_answer_is_one_lost_attempt(cli: Cli, use: Use, error: type[Exception]) -> None:
    use(lambda number: error("http://oracle: an answer without choices") if number == 3 else None)
    said = cli(*COMPARE, "--json")
    assert said.code == 0, said.err
    assert "lost (http://oracle: an answer without choices)" in said.err
    assert "1 of 6 attempts were lost; the same command makes them again: harness" in said.err
    assert len(rows()) == 6
    assert [r["lost"] for r in rows() if r["lost"]] == ["answer"]
    (comparison,) = json.loads(said.out)["comparisons"]
    assert sum(s["lost"] for s in comparison["standings"]) == 1
    assert {s["solve_rate"] for s in comparison["standings"]} == {1.0}
    (difference,) = comparison["differences"]
    assert (difference["problems"], difference["left_out"]) == (2, 1)
    use()
    assert_goes_on(cli, done=5)


def test_a_prompt_that_does_not_fit_is_an_attempt_that_failed(cli: Cli, use: Use) -> None:
    use(lambda number: PromptTooLong("the context has 10 tokens") if number == 3 else None)
    said = cli(*COMPARE, "--json")
    assert said.code == 0, said.err
    assert "lost" not in said.err
    assert sorted(r["solved"] for r in rows()) == [False] + [True] * 5
    assert [r["lost"] for r in rows()] == [None] * 6


def test_a_sweep_without_any_usable_answer_is_no_comparison(cli: Cli, use: Use) -> None:
    use(lambda number: BadAnswer("http://oracle: a page, no JSON"))
    said = cli(*COMPARE)
    assert said.code == 4
    assert said.err.splitlines()[-1] == "all 6 attempts were lost: there is nothing to compare"
    assert "hierarchy: every attempt was lost" in said.out
    assert len(rows()) == 6
    assert json.loads(cli(*COMPARE, "--json").out)["comparisons"]
    use()
    assert_goes_on(cli, done=0)


def test_a_full_disk_counts_nothing_that_it_did_not_take(
    cli: Cli, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use()
    with monkeypatch.context() as patch:

        def full(run: object, *rest: object, **more: object) -> None:
            raise StoreError("state database cannot grow: the disk is full")

        patch.setattr("state.runs.Runs.finish", full)
        said = cli(*COMPARE)
    assert said.code == 4
    assert "the disk is full (then continue with: harness eval compare" in said.err
    assert rows() == []
    with monkeypatch.context() as patch:
        patch.setattr("harness.files._replace", lambda file, lines: full_disk())
        said = cli(*COMPARE)
    assert said.code == 4
    assert "sweep/comparison.md cannot be written: No space left on device (then" in said.err
    assert_goes_on(cli, done=6)


def full_disk() -> None:
    raise OSError(28, "No space left on device")


def test_nobody_is_asked_for_approval_in_a_sweep(cli: Cli, use: Use) -> None:
    use()
    Path("harness.toml").write_text('[run]\napprove = "plan"\nstrategy = "plan"\n')
    assert_goes_on(cli, done=0)


def test_bench_and_ab_do_not_count_a_stopped_attempt(cli: Cli, use: Use) -> None:
    def broken(number: int) -> Exception | None:
        return BackendUnavailable("http://oracle: refused") if number > 10 else None

    Path("a.toml").write_text('[run]\nstrategy = "direct"\nspecialist = "chain"\n')
    Path("b.toml").write_text('[run]\nstrategy = "plan"\n')
    words = (
        "eval",
        "ab",
        "a.toml",
        "b.toml",
        "--suite",
        "horizon/8",
        "--first",
        "1",
        "--count",
        "4",
    )
    use(broken)
    said = cli(*words)
    assert said.code == 4
    assert "then continue with: harness eval ab" in said.err
    use()
    said = cli(*words, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["rate_b"] == 1.0
