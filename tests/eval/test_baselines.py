"""The systems without a hierarchy: their prompts, how answers are read, and how votes are
counted."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from eval.baselines import BASELINES, STEP_BY_STEP, Bench
from eval.validators import validators
from harness.wiring import PROMPT_FLEET
from specialists.backends.base import Message
from specialists.registry import Card
from state.errors import BudgetExceeded
from tests.oracle import CARDS
from tiers.protocol import Check, CheckResult, Task


class Model:
    """Answers from a list, and knows what it was asked; its budget ends with the list."""

    run_id = "r"

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, tuple[Message, ...]]] = []

    async def __call__(self, card: Card, messages: Any, origin: Any, sampling: Any) -> Any:
        if not self.answers:
            raise BudgetExceeded("no calls left")
        self.asked.append((card.name, messages))
        return SimpleNamespace(response=self.answers.pop(0))


def solve(
    system: str, model: Model, statement: str, *checks: Check, kind: str = "text", **more: Any
) -> str | None:
    task = Task(id="t", kind=kind, statement=statement, public_checks=checks)
    bench = Bench(
        task=task, cards=more.pop("cards", PROMPT_FLEET), caller=cast(Any, model), bead_id="b",
        validators=more.pop("validators", None) or validators(), seed=1, **more,
    )  # fmt: skip
    return asyncio.run(BASELINES[system](bench))


QUESTION = "A pen costs 3 dollars. How much do 6 pens cost?"


@pytest.mark.parametrize("kind", ["text", "story"])
def test_a_general_model_is_asked_alike_in_every_system(kind: str) -> None:
    asked = {}
    for system in BASELINES:
        model = Model("3 * 6 = 18\n#### 18")
        assert solve(system, model, QUESTION, kind=kind) == "18", system
        asked[system] = model.asked[0]
    assert asked["direct"][0] == "solver"
    assert {n for s, (n, _) in asked.items() if s != "ensemble"} == {"solver"}
    assert len({messages[-1].content for _, messages in asked.values()}) == 1
    system, user = asked["direct"][1]
    assert user.content == f"{QUESTION}\n\n{STEP_BY_STEP}"
    assert "nothing else" not in system.content


def test_a_program_is_asked_for_without_steps_and_of_the_coder() -> None:
    for system in BASELINES:
        model = Model("```python\ndef f(x):\n    return x\n```")
        assert solve(system, model, "Write f(x) that returns x.", kind="code")
        assert model.asked[0][0] == "coder", system
        assert model.asked[0][1][-1].content == "Write f(x) that returns x."


def test_a_request_for_several_things_is_asked_and_answered_as_it_is() -> None:
    request, answer = "Work out 3 * 6, then explain how.", "solve:\n18\n\nexplain:\nso\n#### 18"
    model = Model(answer)
    assert solve("direct", model, request) == answer
    assert model.asked[0][1][-1].content == request


def test_trained_specialists_keep_their_own_form_of_a_question() -> None:
    for system, name in (("direct", "generalist"), ("cot", "chain")):
        model = Model("#1 none\n#2 answer: 18")
        assert solve(system, model, QUESTION, kind="story", cards=CARDS) == "18"
        assert model.asked[0][0] == name
        assert model.asked[0][1][-1].content.startswith("Solve the story.\n#1 A pen")


@pytest.mark.parametrize(
    ("answer", "artifact"),
    [
        ("It is in France.\n#### Paris", "Paris"),
        ("3 * 6 = 18\n#### 18 dollars", "18 dollars"),
        ("#### Summary\nlong text", "#### Summary\nlong text"),
        ("#### 18\nbye", "#### 18\nbye"),
        ("#### 12 (3 boxes of 4)", "12 (3 boxes of 4)"),
        ("#### 12 (5 + 7)", "#### 12 (5 + 7)"),
        ("just 18", "just 18"),
    ],
)
def test_a_final_answer_is_judged_without_its_steps(answer: str, artifact: str) -> None:
    assert solve("direct", Model(answer), QUESTION) == artifact


@pytest.mark.parametrize("system", ["best_of_n", "ensemble"])
def test_votes_are_for_results_and_not_for_texts(system: str) -> None:
    model = Model(
        "It is 17.\n#### 17", "3 * 6\n#### 18", "six threes, so\n#### 18.00", r"Thus \boxed{18} it is",
        "I take 17 of them",
    )  # fmt: skip
    assert solve(system, model, QUESTION) == "18"
    words = Model("Lyon", "Paris.", "paris", "**Paris**")
    assert solve(system, words, "What is the capital of France?") == "Paris."


def test_votes_for_programs_are_for_what_they_say() -> None:
    model = Model(
        "```python\ndef f(x): return 2\n```",
        "```python\ndef f(x):\n    return 1\n```",
        "Here:\n```python\ndef f(x):\n    # one\n    return 1\n```",
    )
    found = solve("best_of_n", model, "Write f(x).", kind="code")
    assert found == "```python\ndef f(x):\n    return 1\n```"
    assert solve("best_of_n", Model("def (", "def ("), "Write f(x).", kind="code") == "def ("


def test_public_checks_decide_before_votes() -> None:
    public = Check(kind="numeric", spec={"expected": 18})
    model = Model("#### 17", "#### 17", "#### 18", "#### 17")
    assert solve("best_of_n", model, QUESTION, public) == "18"
    assert len(model.asked) == 3


def test_a_check_that_fails_by_itself_asks_for_no_correction() -> None:
    class Broken:
        async def validate(self, artifact: str, check: Check) -> CheckResult:
            return CheckResult(kind=check.kind, passed=False, inconclusive=True)

    model = Model("#### 18", "#### 19")
    public = Check(kind="numeric", spec={"expected": 18})
    assert solve("repair", model, QUESTION, public, validators={"numeric": Broken()}) == "18"
    assert len(model.asked) == 1
    wrong = Model("#### 17", "#### 18")
    assert solve("repair", wrong, QUESTION, public) == "18"
    assert "the answer is 17, expected 18" in wrong.asked[1][1][-1].content
