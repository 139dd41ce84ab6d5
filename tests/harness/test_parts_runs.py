"""Steps that fail as a whole: divided, done in parts, checked, and resumed after a stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import eval.validators
from eval import Problem
from harness import engine
from harness.report import RunReport
from specialists.backends.base import GenerateRequest
from specialists.pocket.arithmetic import parse, within_reach
from state.errors import BackendUnavailable
from tests.harness.memory_runs import CHAT, Lab, chat, garden, prompts
from tests.oracle import CARDS, OracleBackend
from tiers.architect import Architect
from tiers.domains.story.operations import MathCraft, operation_step
from tiers.protocol import Budget, Check, CheckResult, Parts

pytestmark = pytest.mark.slow

FLEET = [card for card in CARDS if card.domain != "generalist"]
HARD = "4323 / 11"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATABASE_URL", raising=False)
    return Lab(monkeypatch)


def failing(*operations: str) -> OracleBackend:
    """A fleet that does every operation but these, which it always does in the same wrong way."""

    def fault(request: GenerateRequest, text: str) -> str:
        return "= 390" if request.messages[-1].content in operations else text

    return OracleBackend(fault=fault)


def asked(text: str = HARD) -> Problem:
    return Problem(id="asked", kind="text", statement=text)


def parts(lab: Lab, report: RunReport) -> dict[str, str]:
    """Name of each step → its artifact."""
    steps = lab.beads(run_id=report.run_id, kind="step")
    return {step.data["name"]: step.data["artifact"] for step in steps}


def test_a_division_that_nobody_can_do_is_done_as_long_division(lab: Lab) -> None:
    backend = failing(HARD)
    report = lab.run(asked(f"{HARD} + 5"), backend, FLEET)
    assert (report.answer, report.verdict) == ("398", "verified")
    found = parts(lab, report)
    assert (found["s1"], found["s2"], found["s1.p9"]) == ("393", "398", "10")
    assert any("parts that were each verified" in says for says in report.checks)
    (epic,) = (b for b in lab.beads(run_id=report.run_id, kind="epic") if "in parts" in b.title)
    assert (epic.status, epic.close_reason) == ("closed", "its parts are done")
    below = lab.beads(run_id=report.run_id, kind="step", parent=epic.id)
    assert len(below) == 11
    decided = [d.data["decision"] for d in lab.decisions(report)]
    assert decided.count("divide") == 5  # Multiples, three differences, and the end.
    # Consistent failure is noticed after one specialist: it is not asked over and over.
    assert sum(r.messages[-1].content == HARD for r in backend.calls) <= 6


def test_parts_stop_at_what_is_as_small_as_it_gets(lab: Lab) -> None:
    report = lab.run(asked(), failing(HARD, "11 * 4"), FLEET)
    assert report.verdict == "failed"
    assert report.answer is None or report.answer != "393"
    assert "11 * 4" in (report.stop_reason or "")


def test_a_product_is_taken_apart_and_its_sums_are_too(lab: Lab) -> None:
    report = lab.run(asked("987 * 65"), failing("987 * 65", "4935 + 9220"), FLEET)
    assert (report.answer, report.verdict) == ("64155", "verified")


@pytest.mark.parametrize(
    ("lies", "says"),
    [
        ({"43 - 33": "9", "92 - 88": "3"}, "speaks against"),  # 383, which the whole refutes
        ({"102 - 99": "4"}, "failed"),  # something is left over
    ],
)
def test_what_the_parts_make_is_checked_once_more(
    lab: Lab, lies: dict[str, str], says: str
) -> None:
    """A wrong part that passes its own checks is found when the whole is put together."""
    wrong = {HARD: "390", **lies}
    for operation, c in lies.items():
        a, _, b = operation.split()
        wrong |= {f"{c} + {b}": a, f"{b} + {c}": a, f"{a} - {c}": b}

    def fault(request: GenerateRequest, text: str) -> str:
        told = wrong.get(request.messages[-1].content)
        return text if told is None else f"= {told}"

    report = lab.run(asked(), OracleBackend(fault=fault), FLEET)
    assert report.verdict == "failed"
    (whole,) = (s for s in lab.beads(run_id=report.run_id, kind="step", limit=1))
    assert whole.status == "open"
    ends = [b.body for b in lab.beads(run_id=report.run_id, kind="outcome")]
    assert any(says in body for body in ends) or says in (report.stop_reason or "")


@pytest.mark.parametrize("part", ["decomposition", "monitor"])
def test_without_decomposition_nothing_is_taken_apart(lab: Lab, part: str) -> None:
    report = lab.run(asked(), failing(HARD), FLEET, without=(part,))
    assert report.verdict != "verified"
    assert not any("in parts" in b.title for b in lab.beads(run_id=report.run_id, kind="epic"))


def test_parts_draw_on_the_one_budget(lab: Lab) -> None:
    whole = lab.run(asked(), failing(HARD), FLEET)
    assert whole.verdict == "verified"
    short = lab.run(asked(), failing(HARD), FLEET, budget=Budget(calls=whole.calls - 3))
    assert (short.verdict, short.calls) == ("exhausted", whole.calls - 3)


@pytest.mark.parametrize("call", [13, 16, 20, 27, 33, 36])
def test_a_run_that_was_cut_off_among_parts_goes_on_and_pays_once(lab: Lab, call: int) -> None:
    undisturbed = lab.run(asked(), failing(HARD), FLEET)
    assert undisturbed.calls >= call
    backend = failing(HARD)
    inner, count = backend.fault, 0

    def cut(request: GenerateRequest, text: str) -> str:
        nonlocal count
        count += 1
        if count == call:
            raise BackendUnavailable("the line is down")
        assert inner is not None
        return inner(request, text)

    backend.fault = cut
    with pytest.raises(BackendUnavailable):
        lab.run(asked(), backend, FLEET)
    run_id = max(lab.beads(kind="decision"), key=lambda b: b.created_at).run_id or ""
    report = asyncio.run(engine.resume(run_id, lambda event: None, stop=asyncio.Event()))
    assert (report.answer, report.verdict) == ("393", "verified")
    assert report.calls == undisturbed.calls


def test_a_general_model_takes_a_failed_step_apart(lab: Lab) -> None:
    """A planned step that every specialist failed at is planned itself, with what was wrong."""
    plan = {
        "steps": [
            {"name": "a", "objective": "Count the apples."},
            {"name": "b", "objective": "Pack {a} and label them.", "inputs": ["a"]},
        ],
        "answer": "b",
    }
    below = {
        "steps": [
            {"name": "pack", "objective": "Pack {a}.", "inputs": ["a"]},
            {"name": "label", "objective": "Label {pack}.", "inputs": ["pack"]},
        ],
        "answer": "label",
    }

    def script(prompt: str, request: GenerateRequest) -> str:
        task = request.messages[1].content
        if task.startswith("Split the problem"):
            return json.dumps(below if "Problem:\nPack 17 and" in task else plan)
        if "Label packed." in task:
            return "labelled"
        return "packed" if "Pack 17." in task else ("17" if "Count" in task else "wrong")

    check = Check(kind="exact", spec={"expected": "labelled"})
    problem = garden(checks=(check,))
    backend = chat(script)
    report = lab.run(problem, backend, CHAT, strategy="plan")
    assert (report.answer, report.verdict) == ("labelled", "verified")
    planned = [text for text in prompts(backend) if "Problem:\nPack 17 and" in text]
    assert len(planned) == 1
    assert "a: 17" in planned[0]
    assert "Done in one go, it failed: " in planned[0]
    assert parts(lab, report)["b.pack"] == "packed"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("123456 * 789", "97406784"), ("98765 + 43210", "141975"), ("100000 - 1", "99999"),
        ("98400 / 123", "800"), ("12345678 / 1234", None), ("12 - 34567", None),
    ],
)  # fmt: skip
def test_operations_beyond_the_fleet_are_written_out(
    lab: Lab, text: str, answer: str | None
) -> None:
    """Specialists give nonsense beyond what they are trained on, and agree on it."""

    def fault(request: GenerateRequest, told: str) -> str:
        operation = parse(request.messages[-1].content)
        if operation is None:
            return told
        a, op, b = operation
        return told if within_reach(op, a, b) else "= 7"

    report = lab.run(asked(text), OracleBackend(fault=fault), CARDS)
    assert (report.answer, report.verdict) == (answer, "verified") or (
        answer is None and report.verdict == "failed"
    )


def test_an_architect_that_was_killed_after_writing_parts_writes_the_same(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node runs again before its checkpoint is written: its parts are there, and open."""
    undisturbed = lab.run(asked(), failing(HARD), FLEET)
    once = Architect.take_apart

    async def twice(self: Architect, ids: Sequence[str]) -> bool:
        await once(self, ids)
        return await once(self, ids)

    monkeypatch.setattr(Architect, "take_apart", twice)
    report = lab.run(asked(), failing(HARD), FLEET)
    assert (report.answer, report.verdict) == ("393", "verified")
    assert report.calls == undisturbed.calls


@pytest.mark.parametrize("names", [(), ("p1",)])
def test_a_domain_without_further_parts_ends_the_taking_apart(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    async def same(*given: object) -> Parts:
        return Parts(steps=tuple(operation_step(name, "1 + 2") for name in names))

    monkeypatch.setattr(MathCraft, "take_apart", same)
    report = lab.run(asked(), failing(HARD), FLEET, budget=Budget(calls=200))
    assert report.verdict == "failed"
    held = [
        s.data["parts"] for s in lab.beads(run_id=report.run_id, kind="step") if "parts" in s.data
    ]
    assert {h["refusal"] for h in held} == {"it has no further parts"}


def test_parts_do_not_stand_in_for_a_public_check_that_cannot_decide(lab: Lab) -> None:
    class Undecided:
        kinds = frozenset({"exact"})

        async def validate(self, artifact: str, check: Check) -> CheckResult:
            return CheckResult(kind="exact", passed=False, inconclusive=True, signature="judge")

    theirs = eval.validators.validators
    lab.patch.setattr(eval.validators, "validators", lambda: {**theirs(), "exact": Undecided()})
    problem = asked().model_copy(
        update={"public_checks": (Check(kind="exact", spec={"expected": "393"}),)}
    )
    report = lab.run(problem, failing(HARD), FLEET, strategy="plan")
    assert (report.answer, report.verdict) == ("393", "unverified")
