"""Plans on whole runs: problems out of scope, public checks, choice of specialists, and shown
inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from eval import Problem, get
from harness import routing
from specialists.backends.base import GenerateRequest
from specialists.registry import ADAPTERS_FOLDER, Registry
from specialists.routing import EmbeddingScorer, PlainRouter, WinnerTakeAll
from state.errors import PromptTooLong, RequestRefused
from tests.harness.memory_runs import CHAT, Lab, chat, garden, planner, prompts
from tests.oracle import CARDS, OracleBackend, horizon_story
from tiers.domains.text.llm_plan import SCHEMA
from tiers.protocol import Budget, Check

POCKET = Registry.load(ADAPTERS_FOLDER).cards()
STACK = Check(
    kind="class_ops",
    spec={
        "class_name": "Stack", "operations": ["Stack", "push", "pop"], "args": [[], [1], []],
        "expected": [None, None, 1],
    },
)  # fmt: skip
PROGRAM = """```python
class Stack:
    def __init__(self):
        self.held = []
    def push(self, x):
        self.held.append(x)
    def pop(self):
        return self.held.pop()
```"""


class Baffled(OracleBackend):
    """Reads what it does not know as something else, as a small model does."""

    def _decompose(self, parts: Sequence[str]) -> str:
        known = all(p in self.questions or p in self.sentences for p in parts)
        return super()._decompose(parts) if known else "#1 Ana likes the pier.\nnone"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATABASE_URL", raising=False)
    return Lab(monkeypatch)


def ask(statement: str, *checks: Check, kind: Any = "text") -> Problem:
    return Problem(id="asked", kind=kind, statement=statement, public_checks=checks)


def steps(lab: Lab, run_id: str) -> list[Any]:
    return lab.beads(run_id=run_id, kind="step")


@pytest.mark.parametrize("strategy", ["auto", "plan", "direct"])
@pytest.mark.parametrize("checks", [(), (STACK,)])
def test_what_is_out_of_scope_costs_no_call(
    lab: Lab, strategy: str, checks: tuple[Check, ...]
) -> None:
    asked = ask("Write a class Stack. Then explain it, and finally write a test.", *checks)
    report = lab.run(asked, OracleBackend(), POCKET, strategy=strategy)
    assert (report.calls, report.verdict, report.answer) == (0, "failed", None)
    assert report.exit_code == 1
    assert "--backend openai" in (report.stop_reason or "")


def test_a_story_that_nobody_can_read_is_given_up_after_one_reading(lab: Lab) -> None:
    told = "Anna had 5 apples and ate 2. Then she got 7 apples. How many apples does Anna have?"
    report = lab.run(ask(told), Baffled(), POCKET)
    assert (report.verdict, report.calls) == ("failed", 4)
    assert "no reading" in (report.stop_reason or "")
    assert "--backend openai" in (report.stop_reason or "")


def test_one_sentence_that_nobody_can_read_is_asked_about_a_few_times(lab: Lab) -> None:
    story = horizon_story(8, 1)
    strange = story.sentences[2]
    backend = Baffled([story])
    del backend.sentences[strange]
    report = lab.run(get("horizon", "8-1"), backend, POCKET)
    count = len(story.sentences)
    assert report.verdict == "failed"
    first, again, neighbour = count + (count + 1) // 2, 2 * 2, 2
    beside_others = 2 * (count - 1)
    assert report.calls <= first + again + neighbour + beside_others
    assert strange in (report.stop_reason or "")


@pytest.mark.slow
def test_a_sentence_that_is_always_miscopied_is_read_beside_others(lab: Lab) -> None:
    """A model that errs in one surrounding for ever may not err in the next."""
    story = horizon_story(8, 1)
    hard = story.sentences[2]

    class Miscopies(Baffled):
        def _decompose(self, parts: Sequence[str]) -> str:
            told = super()._decompose(parts)
            return told.replace(hard, "Somebody else.") if len(parts) < 3 else told

    report = lab.run(get("horizon", "8-1"), Miscopies([story]), POCKET)
    assert (report.answer, report.verdict) == (str(story.answer), "verified")


def test_the_same_with_a_general_model_is_planned_by_it(lab: Lab) -> None:
    def fault(request: GenerateRequest, text: str) -> str:
        prompt = request.messages[-1].content
        if "Split the problem" in prompt:
            return '{"steps": [{"name": "a", "objective": "Count."}], "answer": "a"}'
        return text

    told = "Anna had 5 apples and ate 2. Then she got 7 apples. How many apples does Anna have?"
    cards = [*[c for c in CARDS if c.name == "decompose"], *CHAT]
    report = lab.run(ask(told), Baffled(fault=fault), cards, strategy="plan")
    assert [s.data["objective"] for s in steps(lab, report.run_id)] == ["Count."]


def test_a_broken_character_reaches_nobody(lab: Lab) -> None:
    backend = OracleBackend(fault=lambda request, text: "not\ufffd m")
    report = lab.run(ask("Add 3 + 4"), backend, CARDS)
    assert (report.verdict, report.answer) == ("failed", None)


@pytest.mark.slow
def test_an_expression_is_worked_out_by_the_fleet_and_one_call_of_a_chat_model(lab: Lab) -> None:
    report = lab.run(ask("12*(3+4)=?"), OracleBackend(), POCKET)
    assert (report.verdict, report.answer) == ("verified", "84")
    assert set(report.specialists) == {"math"}
    report = lab.run(ask("12*(3+4)=?"), chat(lambda prompt, request: "84"), CHAT)
    assert (report.answer, report.calls) == ("84", 1)


def test_a_question_with_an_instruction_is_one_call(lab: Lab) -> None:
    backend = chat(lambda prompt, request: "Because.")
    report = lab.run(ask("Why is the sky blue? Answer in two sentences."), backend, CHAT)
    assert (report.answer, report.calls) == ("Because.", 1)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["auto", "plan"])
def test_a_request_with_a_public_check_keeps_it_under_every_plan(lab: Lab, strategy: str) -> None:
    asked = ask("Write a class Stack. Then explain it, and finally write a test.", STACK)
    plan = {
        "steps": [
            {"name": "idea", "objective": "Sketch a stack."},
            {"name": "class", "objective": "Write it.", "inputs": ["idea"]},
        ],
        "answer": "class",
    }

    def script(prompt: str, request: GenerateRequest) -> str:
        if prompt.startswith("Split the problem"):
            return json.dumps(plan)
        return "a sketch" if "Sketch" in prompt else PROGRAM if "Task: Write it" in prompt else "no"

    report = lab.run(asked, chat(script), CHAT, strategy=strategy)
    assert report.answer == PROGRAM
    last = steps(lab, report.run_id)[-1]
    assert [c["kind"] for c in last.data["acceptance"]] == ["class_ops"]
    assert last.data["outcome"] == "verified"
    assert {s.data["name"] for s in steps(lab, report.run_id)} <= {"all", "idea", "class"}


def test_a_programming_problem_is_not_cut_into_sections(lab: Lab) -> None:
    asked = ask("Explain stacks, then write a class Stack.", kind="code")
    report = lab.run(asked, chat(lambda prompt, request: "pass"), CHAT, strategy="plan")
    assert [s.data["kind"] for s in steps(lab, report.run_id)] == ["code"]
    assert report.answer == "pass"


@pytest.mark.slow
def test_a_story_s_public_check_holds_for_its_answer(lab: Lab) -> None:
    story = horizon_story(8, 1)
    for expected, verdict in ((story.answer, "verified"), (story.answer + 1, "failed")):
        check = Check(kind="numeric", spec={"expected": expected})
        asked = get("horizon", "8-1").model_copy(update={"public_checks": (check,)})
        report = lab.run(asked, OracleBackend([story]), POCKET, strategy="plan")
        assert report.verdict == verdict


@pytest.mark.parametrize("reply", ["I cannot.", '{"steps": []}', '{"steps": [{"name": "a"', "[]"])
def test_a_bad_plan_falls_back_to_one_direct_call_and_says_why(lab: Lab, reply: str) -> None:
    def script(prompt: str, request: GenerateRequest) -> str:
        plans = "Split the problem" in request.messages[1].content
        return reply if plans else "34"

    backend = chat(script)
    report = lab.run(garden(), backend, CHAT, strategy="plan")
    assert (report.answer, report.calls) == ("34", 3)
    (plan,) = lab.beads(run_id=report.run_id, kind="decision", tier="architect")[-1:]
    assert plan.data["decomposer"] == "direct"
    assert "the model's plan is not valid" in plan.title


def test_names_that_a_chat_model_gives_cost_nothing(lab: Lab) -> None:
    plan = {
        "steps": [
            {"name": "Day1", "objective": "Count."},
            {"name": "Day 2", "objective": "Double {Day1}.", "inputs": ["Day1"]},
        ],
        "answer": "Day 2",
    }

    def script(prompt: str, request: GenerateRequest) -> str:
        if prompt.startswith("Split the problem"):
            return json.dumps(plan)
        return "34" if "Double 17." in prompt else "17"

    report = lab.run(garden(), chat(script), CHAT, strategy="plan")
    assert (report.answer, report.calls) == ("34", 3)


@pytest.mark.slow
def test_a_step_of_code_goes_to_the_coder(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    router = PlainRouter(EmbeddingScorer(), WinnerTakeAll())
    monkeypatch.setattr(routing, "open_router", lambda *surroundings: router)
    asked = ask("Find the total price of 3 pens at $4, then explain why, and program the solution.")
    report = lab.run(asked, chat(lambda prompt, request: "12"), CHAT)
    served = {s.data["name"]: (s.data["kind"], s.assignee) for s in steps(lab, report.run_id)}
    assert served == {
        "solve": ("text", "solver"), "explain": ("text", "general"), "code": ("code", "coder"),
    }  # fmt: skip
    report = lab.run(ask("Program the solution to a riddle."), chat(lambda p, r: "12"), CHAT)
    (only,) = steps(lab, report.run_id)
    assert (only.data["kind"], only.assignee) == ("code", "coder")


def test_a_long_result_reaches_the_step_that_builds_on_it(lab: Lab) -> None:
    long = "word " * 3000

    def script(prompt: str, request: GenerateRequest) -> str:
        return "done" if prompt.startswith("Known") or "\nKnown" in prompt else long

    backend = chat(script)
    asked = ask("Solve 2x + 1 = 5, then explain each step.")
    report = lab.run(asked, backend, CHAT)
    assert f"Known, solve: {long.strip()}" in prompts(backend)[-1]
    assert report.answer == f"solve:\n{long.strip()}\n\nexplain:\ndone"


def test_results_that_no_context_holds_end_the_run_with_one_line(lab: Lab) -> None:
    backend = chat(lambda prompt, request: "word " * 900)
    backend.context_tokens = 1000
    report = lab.run(ask("Solve 2x + 1 = 5, then explain each step."), backend, CHAT)
    assert report.calls == 1
    assert report.verdict == "failed"
    assert "need" in (report.stop_reason or "")
    assert "tokens" in (report.stop_reason or "")
    assert "\n" not in (report.stop_reason or "")


def test_an_adapter_that_reads_no_packs_gets_the_results_too(lab: Lab) -> None:
    cards = [c.model_copy(update={"retry": "resample", "adapter": "a" * 16}) for c in CHAT]
    backend = chat(lambda prompt, request: "x = 2")
    lab.run(ask("Solve 2x + 1 = 5, then explain each step."), backend, cards)
    assert prompts(backend)[-1].endswith("Known, solve: x = 2\n\nTask: explain each step.")


def test_a_plan_that_cannot_be_asked_for_falls_back_to_one_direct_call(lab: Lab) -> None:
    def script(prompt: str, request: GenerateRequest) -> str:
        if prompt.startswith("Split the problem"):
            raise RequestRefused("the endpoint takes no schema")
        return "34"

    report = lab.run(garden(), chat(script), CHAT, strategy="plan")
    assert report.answer == "34"
    (plan,) = lab.beads(run_id=report.run_id, kind="decision", tier="architect")[-1:]
    assert "takes no schema" in plan.title


def test_an_attempt_that_cannot_be_asked_leaves_the_best_one_before_it(lab: Lab) -> None:
    def script(prompt: str, request: GenerateRequest) -> str:
        if len(request.messages) > 2:
            raise PromptTooLong("the maximum context length is 10 tokens")
        return "33"

    check = Check(kind="exact", spec={"expected": "34"})
    report = lab.run(garden(checks=(check,)), chat(script), CHAT, strategy="direct")
    assert (report.answer, report.verdict, report.exit_code) == ("33", "failed", 1)


def test_public_checks_spare_the_second_derivation_of_a_direct_answer(lab: Lab) -> None:
    story = horizon_story(4, 1)
    check = Check(kind="numeric", spec={"expected": story.answer})
    for checks, kinds in (((check,), ["numeric"]), ((), ["cross"])):
        asked = get("horizon", "4-1").model_copy(update={"public_checks": checks})
        report = lab.run(asked, OracleBackend([story]), POCKET, strategy="auto")
        (whole,) = (s for s in steps(lab, report.run_id) if s.data["name"] == "all")
        assert [c["kind"] for c in whole.data["acceptance"]] == kinds


def test_an_order_taken_up_later_has_the_time_that_it_was_given(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiers.dispatcher.timedelta", lambda seconds: timedelta(seconds=-1))
    assert lab.run(garden(), chat(planner), CHAT, strategy="plan").answer == "34"


@pytest.mark.slow
def test_a_budget_that_ends_with_the_work_is_not_short(lab: Lab) -> None:
    backend = chat(planner)
    report = lab.run(garden(), backend, CHAT, strategy="plan", budget=Budget(calls=3))
    assert (report.answer, report.verdict) == ("34", "unverified")
    assert "out of budget" not in (report.stop_reason or "")
    short = lab.run(garden(), backend, CHAT, strategy="plan", budget=Budget(calls=2))
    assert short.exit_code == 3


def test_the_schema_of_a_plan_is_strict() -> None:
    """Endpoints that check schemas strictly want every field required and no other allowed."""
    objects = [SCHEMA, *SCHEMA["$defs"].values()]
    for one in objects:
        assert sorted(one["required"]) == sorted(one["properties"])
        assert one["additionalProperties"] is False
