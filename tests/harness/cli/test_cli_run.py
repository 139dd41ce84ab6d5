"""``harness run`` and ``harness resume``, with an engine that sends the events of a short run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.cli import interactive
from state import BackendUnavailable, BeadStore, Runs, StopReason, database_url
from tests.harness.conftest import Cli
from tests.harness.fake_engine import PLAN, FakeEngine

P = ("run", "-p", "multistage/1")


@pytest.fixture
def engine(folder: Path) -> Iterator[FakeEngine]:
    before = sys.modules.get("harness.engine")
    fake = FakeEngine()
    fake.install()
    yield fake
    del sys.modules["harness.engine"]
    del harness.engine
    if before is not None:
        sys.modules["harness.engine"] = before
        harness.engine = before


@pytest.fixture
def attended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody sits at the terminal; the list is what they will type."""
    typed: list[str] = []
    monkeypatch.setattr(interactive, "is_attended", lambda: True)
    monkeypatch.setattr(interactive, "_prompt", lambda question: typed.pop(0) if typed else None)
    return typed


def test_run_tells_answer_verdict_reference_and_cost(cli: Cli, engine: FakeEngine) -> None:
    said = cli(*P, "--seed", "3", "--max-calls", "9", "--strategy", "plan")
    assert said.code == 0
    assert said.out.startswith("6\n\nverified: 2 checked by the inverse operation\n")
    assert "hidden reference: agrees (1 of 1 hidden checks passed)" in said.out
    assert "1 call · 9 tokens · 1.5 s" in said.out
    assert "run run-" in said.out
    assert len(said.err.splitlines()) == 3
    assert engine.problem.id == "multistage/1"
    options = engine.options
    assert options is not None
    assert (options.seed, options.budget.calls, options.strategy) == (3, 9, "plan")


def test_the_problem_may_be_an_argument(cli: Cli, engine: FakeEngine, folder: Path) -> None:
    file = folder / "own.yaml"
    file.write_text("statement: How many?\n")
    for words, id in (
        (["0"], "horizon/16-0"),
        (["pocket-code/7"], "pocket-code/7"),
        ([str(file)], "own"),
        (["-p", "0"], "horizon/16-0"),
    ):
        assert cli("run", *words).code == 0
        assert engine.problem.id == id
    assert cli("run", "How many are two?", "--quiet").code == 0
    assert engine.problem.statement == "How many are two?"


def test_quiet_shows_no_progress(cli: Cli, engine: FakeEngine) -> None:
    said = cli(*P, "--quiet")
    assert said.err == ""
    assert said.out.startswith("6\n")


def test_json_is_one_object_and_nothing_else(cli: Cli, engine: FakeEngine) -> None:
    said = cli(*P, "--json")
    report = json.loads(said.out)
    assert said.out.count("\n") == 1
    assert (report["verdict"], report["answer"], report["calls"]) == ("verified", "6", 1)


@pytest.mark.parametrize(
    ("report", "code", "says"),
    [
        ({"verdict": "failed", "answer": None, "stop_reason": "no way"}, 1, "not solved: no way"),
        ({"verdict": "unverified", "reference_match": None}, 1, "not verified: no check applies"),
        (
            {
                "verdict": "exhausted",
                "stop_kind": "budget",
                "stop_reason": "out of budget: 9 of 9 calls",
            },
            3,
            "out of budget: 9 of 9 calls",
        ),
        ({"reference_match": False, "hidden": ()}, 0, "hidden reference: DISAGREES"),
        ({"status": "interrupted", "verdict": None}, 130, "continue with: harness resume run-"),
    ],
)
def test_every_end_has_its_words_and_its_code(
    cli: Cli, engine: FakeEngine, report: dict[str, Any], code: int, says: str
) -> None:
    engine.report = report
    said = cli(*P)
    assert said.code == code
    assert says in said.out


def test_an_endpoint_at_fault_can_be_changed_by_the_resume(cli: Cli, engine: FakeEngine) -> None:
    endpoint = ("--backend", "openai", "--base-url", "http://old/v1", "--model", "old")
    engine.error = BackendUnavailable("the endpoint is gone")
    said = cli(*P, *endpoint, "--quiet")
    assert ", with --base-url URL or --model NAME if they were wrong)\n" in said.err
    engine.error = None
    run_id = said.err.partition("resume ")[2].partition(",")[0]
    assert cli("resume", run_id, "--base-url", "http://new/v1", "--model", "new").code == 0
    assert engine.moved == ("http://new/v1", "new")


def test_an_error_on_the_way_says_how_to_go_on(cli: Cli, engine: FakeEngine) -> None:
    engine.error = BackendUnavailable("the endpoint\nis gone")
    said = cli(*P, "--quiet")
    assert said.code == 4
    assert said.err.startswith(
        "error: the endpoint is gone (then continue with: harness resume run-"
    )
    assert said.err.count("\n") == 1
    said = cli(*P, "--quiet", "--json")
    assert json.loads(said.out)["exit_code"] == 4
    assert said.err == ""


def test_a_fault_of_ours_is_one_line_unless_debugging(
    cli: Cli, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.error = ZeroDivisionError("by zero")
    said = cli(*P, "--quiet")
    assert said.code == 70
    assert said.err == "error: unexpected ZeroDivisionError: by zero; HARNESS_DEBUG=1 shows where\n"
    monkeypatch.setenv("HARNESS_DEBUG", "1")
    assert "Traceback (most recent call last)" in cli(*P, "--quiet").err


def test_nobody_there_to_approve_is_told_how(cli: Cli, engine: FakeEngine) -> None:
    said = cli(*P, "--approve", "plan", "--quiet")
    assert said.code == 5
    assert said.out == PLAN
    assert "--approve yes" in said.err
    assert "--plan FILE" in said.err
    said = cli(*P, "--approve", "plan", "--quiet", "--json")
    assert json.loads(said.out)["status"] == "awaiting-approval"
    assert engine.resumed == []


@pytest.mark.parametrize(("word", "decision"), [("yes", "yes"), ("y", "yes"), ("no", "no")])
def test_a_person_approves(
    cli: Cli, engine: FakeEngine, attended: list[str], word: str, decision: str
) -> None:
    attended += ["what?", word]
    said = cli(*P, "--approve", "plan")
    assert said.code == 0
    assert [answer for _, answer, _ in engine.resumed] == [{"decision": decision, "plan": None}]
    assert "1 + 2" in said.err
    assert said.out.startswith("6\n")


def test_a_person_edits_the_plan(
    cli: Cli, engine: FakeEngine, attended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    attended += ["edit"]
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "sed -i s/1/7/")
    assert cli(*P, "--approve", "plan").code == 0
    edited = PLAN.replace("1", "7")
    assert [answer for _, answer, _ in engine.resumed] == [{"decision": "edit", "plan": edited}]


def test_a_broken_editor_is_one_line(
    cli: Cli, engine: FakeEngine, attended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    attended += ["edit"]
    monkeypatch.setenv("VISUAL", "no-such-editor")
    said = cli(*P, "--approve", "plan", "--quiet")
    assert said.code == 2
    assert "editor 'no-such-editor' cannot be used" in said.err


def test_a_person_may_leave_without_an_answer(
    cli: Cli, engine: FakeEngine, attended: list[str]
) -> None:
    said = cli(*P, "--approve", "plan", "--quiet")
    assert said.code == 5
    assert engine.resumed == []
    assert "--approve yes" in said.err


@pytest.fixture
def run_id(folder: Path) -> str:
    store = BeadStore.open(database_url())
    run = Runs(store).start("p", config_json='{"budget": {"calls": 7}}')
    Runs(store).interrupt(run.id, StopReason(kind="stopped", text="told"))
    store.close_database()
    return run.id


def test_resume_takes_the_beginning_of_an_id_and_the_key_of_the_settings(
    cli: Cli, engine: FakeEngine, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert cli("resume", run_id[4:8]).code == 0
    assert engine.resumed == [(run_id, None, "secret")]


def test_resume_with_an_answer(cli: Cli, engine: FakeEngine, run_id: str, folder: Path) -> None:
    (folder / "plan.yaml").write_text("a: 2 + 2\n")
    assert cli("resume", run_id, "--approve", "yes").code == 0
    assert cli("resume", run_id, "--plan", "plan.yaml").code == 0
    answers = [answer for _, answer, _ in engine.resumed]
    assert answers == [
        {"decision": "yes", "plan": None},
        {"decision": "edit", "plan": "a: 2 + 2\n"},
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--approve", "maybe"), "--approve: should be yes, no or edit, not 'maybe'"),
        (("--approve", "edit"), "--approve edit needs a terminal"),
        (("--plan", "missing.yaml"), "--plan missing.yaml: cannot be read"),
        (("--approve", "no", "--plan", "x"), "give one of them"),
    ],
)
def test_answers_that_make_no_sense(
    cli: Cli, engine: FakeEngine, run_id: str, words: tuple[str, ...], says: str
) -> None:
    said = cli("resume", run_id, *words)
    assert said.code == 2
    assert says in said.err
    assert engine.resumed == []


def test_resume_of_an_unknown_run(cli: Cli, engine: FakeEngine, run_id: str) -> None:
    said = cli("resume", "zzz")
    assert said.code == 2
    assert "unknown run id 'zzz'" in said.err


def test_no_answer_disagrees_with_nothing(cli: Cli, engine: FakeEngine) -> None:
    engine.report = {"verdict": "exhausted", "answer": None, "reference_match": False}
    done = cli(*P)
    assert done.code == 3
    assert "DISAGREES" not in done.out
    assert "no answer to compare" in done.out


def test_a_temperature_beyond_reason_is_one_line(cli: Cli, engine: FakeEngine) -> None:
    done = cli(*P, "--temperature", "3")
    assert (done.code, done.err.count("\n"), "--temperature" in done.err) == (2, 1, True)
    assert cli(*P, "--temperature", "0.5").code == 0
    assert engine.options is not None
    assert engine.options.temperature == 0.5
