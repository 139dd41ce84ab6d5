"""Reading, checking and joining decompositions."""

from __future__ import annotations

import random

import pytest

from specialists.pocket.arithmetic import apply
from specialists.pocket.stories import Story, draw_story
from tiers.derivation import PlanError, build_steps, check_window, majority, parse
from tiers.protocol import PlanStep
from tiers.work import fill

STORIES = [draw_story(random.Random(k), 12, test=True) for k in range(40)]


def compute(steps: list[PlanStep]) -> dict[str, int]:
    known: dict[str, int] = {}
    for step in steps:
        if step.given is not None:
            known[step.name] = int(step.given)
            continue
        a, op, b = fill(step.objective, {n: str(v) for n, v in known.items()}).split()
        known[step.name] = apply(op, int(a), int(b))
    return known


@pytest.mark.parametrize("story", STORIES, ids=range(len(STORIES)))
def test_the_plan_of_a_right_derivation_gives_the_answer(story: Story) -> None:
    lines = parse("\n".join([*map(str, story.steps), story.ask]))
    assert lines is not None
    steps, answer = build_steps(lines)
    assert compute(steps)[answer] == story.answer


@pytest.mark.parametrize("story", STORIES[:20], ids=range(20))
def test_the_check_passes_right_windows_and_no_changed_number(story: Story) -> None:
    for event in story.events:
        text = "\n".join(map(str, event.steps)) or "none"
        assert check_window(event.sentence, text).passed, (event.sentence, text)
        for step in event.steps:
            if step.right and step.right.isdigit() and step.right in event.sentence:
                wrong = text.replace(step.right, step.right + "1")
                assert not check_window(event.sentence, wrong).passed


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("Ben + 12", "malformed"),
        ("Ben: Ben + 13", "number-unused"),
        ("Ben: Ben + 12\nBen: Ben + 99", "number-invented"),
        ("Zoe: Zoe + 12", "name-invented"),
        ("Ben@zoo: Ben + 12", "name-invented"),
        ("none", "number-unused"),
    ],
)
def test_what_the_check_refuses(text: str, signature: str) -> None:
    assert check_window("Ben buys 12 pens.", text).signature == signature


def test_references_must_point_backwards() -> None:
    lines = parse("Ana: 3\nAna: Ana + Ben@fair\nanswer: Ana")
    assert lines
    with pytest.raises(PlanError, match="Ben@fair"):
        build_steps(lines)
    with pytest.raises(PlanError, match="asked"):
        build_steps(parse("Ana: 3") or [])


def test_majority_prefers_votes_then_order() -> None:
    assert majority(["a", "b", "b"]) == ("b", 2)
    assert majority(["a", "b"]) == ("a", 1)
    assert majority([]) is None
