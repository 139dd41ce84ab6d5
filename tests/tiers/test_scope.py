"""The tasks that a fleet of trained specialists takes, and the message for others before any
call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from eval import suite_problems
from harness.wiring import PROMPT_FLEET
from specialists.pocket.domains import CELLS, SPECIALISTS, held_out_examples
from specialists.registry import ADAPTERS_FOLDER, Card, Registry
from specialists.routing.forms import declined, legible, takes
from tiers.domains import installed
from tiers.domains.story import story_of
from tiers.protocol import Check, Task
from tiers.scope import out_of_scope

POCKET = Registry.load(ADAPTERS_FOLDER).cards()


def context(task: Task, cards: Any = POCKET, specialist: str | None = None) -> Any:
    fleet = [c for c in cards if c.status != "control"]
    return SimpleNamespace(
        task=task, cards=cards, fleet=fleet, specialist=specialist,
        domain=installed().ranked(task, fleet)[0],
        card=lambda domain: next((c for c in cards if c.domain == domain), None),
    )  # fmt: skip


def text(statement: str, **fields: Any) -> Task:
    return Task(id="x", kind="text", statement=statement).model_copy(update=fields)


@pytest.mark.parametrize("suite", ["horizon/1", "horizon/16", "multistage", "pocket-code"])
def test_every_problem_of_the_packaged_suites_is_in_scope(suite: str) -> None:
    for problem in suite_problems(suite, range(60)):
        assert out_of_scope(context(problem.task())) is None, problem.statement


@pytest.mark.slow
@pytest.mark.parametrize("domain", SPECIALISTS)
def test_every_held_out_prompt_is_in_scope(domain: str) -> None:
    for cell in CELLS[domain]:
        for example in held_out_examples(domain, cell, 25):
            assert out_of_scope(context(text(example.prompt))) is None, example.prompt


@pytest.mark.parametrize(
    "statement",
    [
        "What is the capital of France?", "Überraschung: Wie viele Äpfel? 日本 😀", "asdf", "2^10",
        "Write a function that reverses a string.", "Explain these results.", "3.5 + 2", "?",
        "Implement a class Stack. Then explain it, and finally write a test for it.",
        "Write a poem about the sea, then explain it.", "See #1 (there). Fix it.",
        "Why is the sky blue? Answer in two sentences.",
    ],
)  # fmt: skip
def test_anything_else_is_told_in_one_line_that_says_what_helps(statement: str) -> None:
    for specialist in (None, "code"):
        line = out_of_scope(context(text(statement), specialist=specialist))
        assert line is not None
        assert "\n" not in line
        assert "--backend openai" in line


def test_a_class_to_write_is_out_of_scope_with_a_check_too() -> None:
    check = Check(kind="class_ops", spec={"class_name": "A", "operations": ["A"], "args": [[]]})
    task = text("Write a class A. How many A are there after 2 calls?", public_checks=(check,))
    assert story_of(task) is None
    assert out_of_scope(context(task)) is not None


def test_a_fleet_that_reads_text_or_never_learned_to_decline_has_no_scope() -> None:
    anything = text("What is the capital of France?")
    assert out_of_scope(context(anything, PROMPT_FLEET)) is None
    plain = [card.model_copy(update={"declines": None}) for card in POCKET]
    assert out_of_scope(context(anything, plain)) is None
    assert out_of_scope(context(anything, [*POCKET, PROMPT_FLEET[0]])) is None


def test_a_card_with_few_examples_or_none_in_common_takes_anything() -> None:
    def card(*examples: str) -> Card:
        return Card(name="a", domain="a", description="a", examples=examples, declines="no")

    assert takes(card("Say A.", "Say B."), "anything")
    assert takes(card("Say A.", "Tell B.", "What?"), "anything")
    assert not takes(card("Say A.", "Say B.", "Say C."), "anything")
    assert takes(card("Say A.", "Say B.", "Say C."), "Say nothing.")


def test_what_stands_around_a_story_is_no_part_of_it() -> None:
    story = "Ana starts with 12 pens. Ana buys 5 pens. How many pens does Ana have now?"
    for asked in (
        story, f"{story} Answer with a number.", f"Solve the story. {story}",
        f"Please solve this: {story} Show your work.",
    ):  # fmt: skip
        assert story_of(text(asked)) == story
    assert story_of(text(f"{story} Who is Ana?")) is None


@pytest.mark.parametrize(
    "answer", ["not mine", "not m", "not m\ufffd", "not mera\n", " not mine. "]
)
def test_a_garbled_refusal_is_a_refusal(answer: str) -> None:
    code = next(card for card in POCKET if card.name == "code")
    assert declined(code, answer)
    assert not declined(code.model_copy(update={"declines": None}), answer)


@pytest.mark.slow
def test_a_right_answer_is_none() -> None:
    for domain in SPECIALISTS:
        card = next(card for card in POCKET if card.name == domain)
        for cell in CELLS[domain]:
            for example in held_out_examples(domain, cell, 10):
                assert not declined(card, example.answer)
                assert legible(card, example.answer)


def test_a_broken_character_is_no_answer_of_a_trained_specialist() -> None:
    assert not legible(POCKET[0], "= 3\ufffd")
    assert legible(PROMPT_FLEET[0], "the sign \ufffd replaces what cannot be read")
