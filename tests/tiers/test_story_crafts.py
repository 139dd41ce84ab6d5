"""The crafts: their prompts, how answers are read, and the evidence of their checks."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from specialists.pocket.arithmetic import apply, parse, work
from specialists.registry import Card
from tests.oracle import CARDS
from tiers.crafts import fill
from tiers.domains import story
from tiers.protocol import Check, CheckResult, Delegation

CRAFTS = story.DOMAIN.crafts

ROOM: Any = SimpleNamespace(
    card=lambda domain: next((c for c in CARDS if c.domain == domain), None)
)


def order(objective: str, **more: Any) -> Delegation:
    return Delegation(
        id="d", run_id="r", bead_id="b", kind="math", objective=objective, specialist="math", **more
    )


def inverse(objective: str, artifact: str, answer: Any) -> tuple[CheckResult, list[str]]:
    asked: list[str] = []

    async def ask(card: Card, prompt: str, sample: int) -> str:
        asked.append(prompt)
        return str(answer(prompt))

    check = CRAFTS["math"].check(ROOM, order(objective), Check(kind="inverse"), artifact, ask)
    return asyncio.run(check), asked


def honest(prompt: str) -> str:
    found = parse(prompt)
    assert found
    a, op, b = found
    return work(op, a, b)


@pytest.mark.parametrize("objective", ["347 + 586", "900 - 17", "34 * 12", "1768 / 34", "7 - 0"])
def test_a_right_result_is_confirmed_by_another_operation(objective: str) -> None:
    a, op, b = parse(objective) or (0, "", 0)
    result, asked = inverse(objective, str(apply(op, a, b)), honest)
    assert result.passed
    assert asked[0] != objective


@pytest.mark.parametrize("objective", ["347 + 586", "900 - 17", "34 * 12", "1768 / 34"])
@pytest.mark.parametrize("wrong", ["1", "17", "882", "9999"])
def test_a_wrong_result_is_refused_with_a_reason(objective: str, wrong: str) -> None:
    def careless(prompt: str) -> str:
        try:
            return honest(prompt)
        except (ValueError, AssertionError):
            return "= 0"

    result, _ = inverse(objective, wrong, careless)
    assert not result.passed
    assert result.detail
    assert result.signature


def test_one_who_always_says_the_same_does_not_confirm_himself() -> None:
    for objective in ("347 + 586", "900 - 17", "34 * 12", "1768 / 34"):
        result, _ = inverse(objective, "1", lambda prompt: "= 1")
        assert not result.passed, objective


def test_a_product_is_confirmed_without_division() -> None:
    def no_division(prompt: str) -> str:
        return "= 3" if "/" in prompt else honest(prompt)

    result, asked = inverse("34 * 12", "408", no_division)
    assert result.passed
    assert asked == ["408 - 34", "34 * 11"]
    assert not inverse("34 * 12", "409", no_division)[0].passed
    assert not inverse("34 * 12", "409", lambda prompt: "= 409")[0].passed


def test_a_large_quotient_is_added_up() -> None:
    result, asked = inverse("4647 / 3", "1549", honest)
    assert result.passed
    assert asked == ["1549 + 1549", "3098 + 1549"]
    assert not inverse("4647 / 3", "1548", honest)[0].passed
    assert not inverse("4647 / 3", "9999", honest)[0].passed


def test_what_is_read_of_answers() -> None:
    assert CRAFTS["math"].extract(order("1 + 1"), "1+1+0=2\n= 2") == "2"
    assert CRAFTS["math"].extract(order("1 + 1"), "two") is None
    assert CRAFTS["solve"].extract(order("x"), "Ana: 3\nanswer: 3 + 4 = 7") == "7"
    assert CRAFTS["solve"].extract(order("x"), "") is None


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("so it costs\n#### 12.50", "12.5"),
        ("#### 5,000", "5000"),
        ("#### 5,000.", "5000"),
        ("The answer is **72**.\n\nLet me know if you need more help!", "72"),
        (r"\boxed{\frac{1}{3}}", "1/3"),
        ("#1 Ana: 3\n#2 answer: 3 - 4 = -1", "-1"),
        ("<think>is it 9?</think>\n#### 8", "8"),
        ("#### 3x", None),
        ("#1 Ana: 3\n#2 answer: 3 +", None),
    ],
)
def test_a_solved_story_is_read_by_the_one_reader(answer: str, number: str | None) -> None:
    assert CRAFTS["solve"].extract(order("x"), answer) == number


@pytest.mark.parametrize(
    ("solved", "asked"), [("12.50", "12.5"), ("5,000", "5000"), ("1/3", "1/3")]
)
def test_a_cross_check_expects_the_number_as_it_was_solved(solved: str, asked: str) -> None:
    seen: list[Check] = []

    class Recorder:
        async def validate(self, artifact: str, check: Check) -> CheckResult:
            seen.append(check)
            return CheckResult(kind=check.kind, passed=True)

    async def ask(card: Card, prompt: str, sample: int) -> str:
        return "def solve(): return 1"

    context = SimpleNamespace(card=ROOM.card, validators={"program_value": Recorder()})
    job = order("A story. How many?", inputs={"s1": solved}, meta={"answer": "s1"})
    for craft, artifact in (("solve", solved), ("code", "def solve(): return 1")):
        check = CRAFTS[craft].check(cast(Any, context), job, Check(kind="cross"), artifact, ask)
        assert asyncio.run(check).passed
    assert [c.spec["expected"] for c in seen] == [asked, asked]

    words = job.model_copy(update={"inputs": {"s1": "many"}})
    lost = CRAFTS["code"].check(cast(Any, context), words, Check(kind="cross"), "x", ask)
    assert asyncio.run(lost).inconclusive


def test_fill_replaces_known_names_only() -> None:
    assert fill("{s1} + {s2}", {"s1": "4"}) == "4 + {s2}"


@pytest.mark.slow
def test_explain_asks_about_the_solved_steps_and_checks_the_citations() -> None:
    rows = [
        {"name": "s1", "target": "Ana", "objective": "3"},
        {"name": "s2", "target": "Ana", "objective": "{s1} + 4"},
    ]
    job = order(
        "Explain these steps.", inputs={"s1": "3", "s2": "7"}, meta={"steps": rows, "answer": "s2"}
    )
    assert CRAFTS["explain"].prompt(job).splitlines()[1:] == [
        "#1 Ana: 3",
        "#2 Ana: 3 + 4 = 7",
        "answer: 7",
    ]

    async def ask(card: Card, prompt: str, sample: int) -> str:
        raise AssertionError

    def cites(text: str) -> CheckResult:
        return asyncio.run(CRAFTS["explain"].check(ROOM, job, Check(kind="cites"), text, ask))

    good = "#1 Ana starts with 3.\n#2 Ana has 3, adds 4 and gets 7.\nSo the answer is 7."
    assert cites(good).passed
    assert not cites(good.replace("#2", "#1")).passed
    assert not cites(good.replace("adds 4", "adds 5")).passed
