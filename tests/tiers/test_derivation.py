"""Reading, checking and joining decompositions."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from specialists.pocket.arithmetic import apply
from specialists.pocket.stories import Story, draw_story, step_lines
from tiers.derivation import Line, PlanError, build_steps, check_sentence, majority, parse
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


def flat(text: str) -> list[Line]:
    return [line for lines in parse(text) or [] for line in lines]


@pytest.mark.parametrize("story", STORIES, ids=range(len(STORIES)))
def test_the_plan_of_a_right_derivation_gives_the_answer(story: Story) -> None:
    steps, answer = build_steps(flat(step_lines(story.events, story.ask)))
    assert compute(steps)[answer] == story.answer


@pytest.mark.parametrize("story", STORIES[:20], ids=range(20))
def test_the_check_passes_right_sentences_and_no_changed_number(story: Story) -> None:
    read = parse(step_lines(story.events, story.ask))
    assert read is not None
    assert len(read) == len(story.sentences)
    for sentence, lines in zip(story.sentences, read, strict=True):
        assert check_sentence(sentence, lines).passed, (sentence, lines)
        for k, line in enumerate(lines):
            if line.right and line.right.isdigit() and line.right in sentence:
                wrong = [*lines[:k], replace(line, right=line.right + "1"), *lines[k + 1 :]]
                assert not check_sentence(sentence, wrong).passed


@pytest.mark.parametrize(
    "text",
    ["", "none", "Ben: Ben + 12", "#1 Ben + 12", "#2 Ben: Ben + 12", "#1 none\n#1 Ben: 3",
     "#1 Ben: 3\n#3 none", "#1 Ben: 3\n#2 none\n#1 Ben: 4", "#1 Ben: 3\n#1 none"],
)  # fmt: skip
def test_malformed(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("Ben: Ben + 13", "number-unused"),
        ("Ben: Ben + 12\n#1 Ben: Ben + 99", "number-invented"),
        ("Zoe: Zoe + 12", "name-invented"),
        ("Ben@zoo: Ben + 12", "name-invented"),
        ("none", "number-unused"),
    ],
)
def test_what_the_check_refuses(text: str, signature: str) -> None:
    assert check_sentence("Ben buys 12 pens.", flat(f"#1 {text}")).signature == signature


def test_references_must_point_backwards() -> None:
    with pytest.raises(PlanError, match="Ben@fair"):
        build_steps(flat("#1 Ana: 3\n#2 Ana: Ana + Ben@fair\n#3 answer: Ana"))
    with pytest.raises(PlanError, match="asked"):
        build_steps(flat("#1 Ana: 3"))


def test_majority_prefers_votes_then_order() -> None:
    a, b = tuple(flat("#1 Ana: 3")), tuple(flat("#1 Ana: 4"))
    assert majority([a, b, b]) == (b, 2)
    assert majority([a, b]) == (a, 1)
    assert majority([]) is None
