"""The Python interface: names, arguments, errors, cancellation; the model is in ``docs/python.md``."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import harness
from harness import Check, Event, HarnessError, Problem, SetupError, UsageError, routing, wiring
from harness import engine as real_engine
from harness.arguments import RunArguments
from harness.report import RunOptions, RunReport
from harness.settings import Settings
from tests.harness.conftest import Cli
from tests.harness.fake_engine import PLAN, FakeEngine
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story
from tests.state.words import WordEmbedding

pytestmark = pytest.mark.slow

ADDITION = Problem(
    id="sum", kind="text", statement="3 + 4",
    hidden_checks=(Check(kind="numeric", spec={"expected": 7}),),
)  # fmt: skip


@pytest.fixture
def engine(folder: Path) -> Iterator[FakeEngine]:
    made = FakeEngine()
    made.install()
    yield made
    sys.modules["harness.engine"] = real_engine
    harness.engine = real_engine  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_else() -> None:
    program = (
        "import sys, harness\n"
        "ours = {'state', 'eval', 'tiers', 'specialists', 'pydantic', 'typer', 'numpy', 'torch'}\n"
        "print(sorted(ours & {name.partition('.')[0] for name in sys.modules}))\n"
        "from harness import HarnessError\n"
        "print(sorted({'pydantic', 'numpy', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


@pytest.mark.parametrize("name", harness.__all__)
def test_public_names_exist_and_no_module_hides_them(name: str) -> None:
    assert getattr(harness, name).__doc__
    assert importlib.util.find_spec(f"harness.{name}") is None


def test_there_is_nothing_else() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'walk'"):
        _ = harness.walk  # type: ignore[attr-defined]


def test_arguments_are_the_settings() -> None:
    settings = {name: field.annotation for name, field in Settings.model_fields.items()}
    assert get_type_hints(RunArguments) == settings


def test_a_run_gets_its_options_and_gives_its_report(engine: FakeEngine) -> None:
    events: list[Event] = []
    report = harness.run(
        ADDITION, max_calls=7, strategy="plan", max_cost=None, on_event=events.append
    )
    assert isinstance(report, RunReport)
    assert (report.verdict, report.exit_code) == ("verified", 0)
    assert engine.options is not None
    assert (engine.options.budget.calls, engine.options.strategy) == (7, "plan")
    assert engine.problem == ADDITION
    assert [event.kind for event in events][:2] == ["start", "plan"]


@pytest.mark.parametrize("source", ["horizon/4-1", "pocket-code/7", "multistage/3", 3])
def test_problems_of_suites_go_in_and_out_unchanged(source: str | int) -> None:
    problem = harness.load_problem(source)
    assert harness.load_problem(problem) == problem
    assert harness.load_problem(problem.model_dump(mode="json")) == problem


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (3.5, "a problem is a Problem, a mapping, a number, a path or a text"),
        (True, "a problem is"),
        ("-", "only the command line reads standard input"),
        ("nope/3", "no suite 'nope'"),
        (Path("missing.yaml"), "no such file"),
        ({"statement": "x", "kid": "text"}, "unknown field 'kid'"),
        ({"statement": "x", "public_checks": [{"kind": "odd"}]}, r"public_checks\[0\]: kind: no 'odd'"),
        (ADDITION.model_copy(update={"hidden_checks": (Check(kind="numeric"),)}), "expected"),
    ],
)  # fmt: skip
def test_a_problem_that_is_none_is_refused(engine: FakeEngine, problem: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        harness.run(problem)
    assert engine.problem is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_call": 3}, "no setting 'max_call'; did you mean max_calls"),
        ({"max_calls": 0}, "^max_calls: should be greater than 0, not 0"),
        ({"strategy": "guess"}, "^strategy: should be"),
        ({"base_url": "http://x/v1"}, "^base_url is for backend openai"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named_as_it_was_given(
    engine: FakeEngine, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        harness.run(ADDITION, **options)


def test_settings_of_the_place_count(engine: FakeEngine, folder: Path) -> None:
    (folder / "harness.toml").write_text("[budget]\nmax_calls = 9\n[run]\nseed = 4\n")
    harness.run(ADDITION, seed=5)
    assert engine.options is not None
    assert (engine.options.budget.calls, engine.options.seed) == (9, 5)


def test_an_error_under_way_names_the_run(engine: FakeEngine) -> None:
    engine.error = SetupError("the endpoint is gone")
    with pytest.raises(HarnessError, match="the endpoint is gone") as caught:
        harness.run(ADDITION)
    (note,) = caught.value.__notes__
    assert "go on with harness.resume('run-" in note


def test_a_plan_waits_for_its_answer(engine: FakeEngine) -> None:
    report = harness.run(ADDITION, approve="plan")
    assert report.status == "awaiting-approval"
    id = report.run_id
    assert harness.resume(id[:8], approve="yes").verdict == "verified"
    harness.resume(id, approve="no")
    harness.resume(id, plan=PLAN, api_key="k", base_url="http://u/v1", model="m")
    harness.resume(id)
    assert [(run, answer) for run, answer, _ in engine.resumed] == [
        (id, {"decision": "yes", "plan": None}), (id, {"decision": "no", "plan": None}),
        (id, {"decision": "edit", "plan": PLAN}), (id, None),
    ]  # fmt: skip
    for wrong in ({"approve": "maybe"}, {"approve": "no", "plan": PLAN}, {"plan": " "}):
        with pytest.raises(UsageError):
            harness.resume(id, **wrong)


def test_an_unknown_run_is_refused_and_makes_no_store(folder: Path) -> None:
    with pytest.raises(UsageError, match="unknown run id 'run-x'"):
        harness.resume("run-x")
    assert not (folder / "runs").exists()


def test_inside_an_event_loop_the_twin_is_named(engine: FakeEngine) -> None:
    async def notebook() -> None:
        with pytest.raises(UsageError, match=r"await harness\.run_async"):
            harness.run(ADDITION)
        assert (await harness.run_async(ADDITION)).verdict == "verified"

    asyncio.run(notebook())


@pytest.fixture
def oracle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> OracleBackend:
    """Answers two short stories without a model, each call in a twentieth of a second."""
    backend = OracleBackend([horizon_story(4, 0), horizon_story(4, 1)], delay=0.05)

    async def open_backend(options: RunOptions) -> Any:
        return backend, CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())
    monkeypatch.setattr(routing, "open_router", by_form)
    return backend


def test_a_cancelled_run_is_saved_and_can_go_on(oracle: OracleBackend) -> None:
    calls: list[Event] = []

    async def too_short() -> None:
        task = asyncio.create_task(
            harness.run_async("horizon/4-1", strategy="plan", on_event=calls.append)
        )
        while not any(event.kind == "call" for event in calls):
            await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError) as caught:
        asyncio.run(too_short())
    (note,) = caught.value.__notes__
    run_id = note.split("'")[1]
    assert f"harness.resume({run_id!r})" in note
    before = len(oracle.calls)
    report = harness.resume(run_id)
    assert (report.verdict, report.reference_match) == ("verified", True)
    assert before < len(oracle.calls) <= report.calls + 2


def test_ctrl_c_ends_the_program_and_names_the_run(oracle: OracleBackend) -> None:
    pressed: list[str] = []

    def press(event: Event) -> None:
        if event.kind == "dispatch" and not pressed:
            pressed.append(event.text)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        harness.run("horizon/4-1", strategy="plan", on_event=press)
    (note,) = caught.value.__notes__
    assert harness.resume(note.split("'")[1]).verdict == "verified"


def test_systems_are_compared_and_the_same_call_goes_on(oracle: OracleBackend) -> None:
    done: list[tuple[str, int, int]] = []

    def compare(count: int) -> harness.ComparisonReport:
        return harness.compare(
            "horizon/4", ("direct", "hierarchy"), count=count, max_tokens=4000,
            on_attempt=lambda attempt, made, of: done.append((attempt.system, made, of)),
        )  # fmt: skip

    report = compare(2)
    (suite,) = report.comparisons
    assert (suite.suite, {s.system for s in suite.standings}) == (
        "horizon/4",
        {"direct", "hierarchy"},
    )
    assert len(report.attempts) == len(done) == 4
    assert done[-1][1:] == (4, 4)
    assert report.sentences[0] in report.markdown()
    assert report.markdown().startswith("# Comparison of systems")
    assert "<html" in report.html()
    assert harness.ComparisonReport.model_validate_json(report.model_dump_json()) == report
    again = compare(2)
    assert len(done) == 4
    assert again == report
    assert compare(1).folder != report.folder


def test_the_command_line_goes_on_with_a_comparison(oracle: OracleBackend, cli: Cli) -> None:
    report = harness.compare("horizon/4", ("direct", "hierarchy"), count=2, max_tokens=4000)
    calls = len(oracle.calls)
    words = "--suite horizon/4 --systems direct,hierarchy --count 2 --budget-tokens 4000"
    said = cli("eval", "compare", *words.split(), "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert len(oracle.calls) == calls
    assert found["setting"] == report.setting
    assert found["comparisons"] == json.loads(report.model_dump_json())["comparisons"]


def test_problems_of_ones_own_are_compared(oracle: OracleBackend, folder: Path) -> None:
    story = harness.load_problem("horizon/4-1")
    report = harness.compare({"mine": [story]}, ["direct", "hierarchy"], out="here")
    assert {attempt.suite for attempt in report.attempts} == {"mine"}
    assert (folder / "here" / "attempts.jsonl").is_file()
    changed = story.model_copy(update={"hidden_checks": ADDITION.hidden_checks})
    with pytest.raises(UsageError, match="holds another comparison"):
        harness.compare({"mine": [changed]}, ["direct", "hierarchy"], out="here")
    with pytest.raises(UsageError, match="has no checker"):
        harness.compare({"mine": ["How much is 3 + 4?"]}, ["direct"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"suites": "nope"}, "no suite 'nope'"),
        ({"suites": []}, "no suite to compare on"),
        ({"suites": [3]}, "suites are names, not 3"),
        ({"suites": {}}, "no suite to compare on"),
        ({"suites": {"mine": []}}, "needs problems"),
        ({"suites": {"mine": [ADDITION, ADDITION]}}, "each with an id of its own"),
        ({"suites": {"mine": [ADDITION]}, "count": 2}, "choose from named suites"),
        ({"systems": "direct"}, "not the one text 'direct'"),
        ({"systems": ["direct", "magic"]}, "no system 'magic'"),
        ({"systems": ["hierarchy"]}, "baseline 'direct' is not among"),
        ({"seeds": 0}, "seeds: at least 1"),
        ({"seed": 3}, "seed: is an argument of run"),
        ({"max_cals": 3}, "no setting 'max_cals'"),
        ({"executor": "moon"}, "one of local, ray"),
    ],
)
def test_a_wrong_comparison_is_refused(folder: Path, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        harness.compare(**arguments)
    assert not (folder / "runs" / "compare").exists()
