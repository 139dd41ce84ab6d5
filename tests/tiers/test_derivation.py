"""Reading, checking and joining decompositions."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from specialists.pocket.arithmetic import apply
from specialists.pocket.stories import Story, draw_story, step_lines
from tiers.crafts import fill
from tiers.domains.story.derivation import Line, build_steps, check_sentence, majority, parse
from tiers.protocol import PlanError, PlanStep

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


def read(*told: tuple[str, str]) -> list[Line]:
    """The lines of sentences, each with what is written below it."""
    found = parse(
        "\n".join(f"#{k} {a}\n{b}" for k, (a, b) in enumerate(told, 1)), [a for a, _ in told]
    )
    return [line for lines in found or [] for line in lines]


@pytest.mark.parametrize("story", STORIES, ids=range(len(STORIES)))
def test_the_plan_of_a_right_derivation_gives_the_answer(story: Story) -> None:
    steps, answer = build_steps(
        [line for lines in parse(step_lines(story.told), story.sentences) or [] for line in lines]
    )
    assert compute(steps)[answer] == story.answer


@pytest.mark.parametrize("story", STORIES[:20], ids=range(20))
def test_the_check_passes_right_sentences_and_no_changed_number(story: Story) -> None:
    found = parse(step_lines(story.told), story.sentences)
    assert found is not None
    for sentence, lines in zip(story.sentences, found, strict=True):
        assert check_sentence(sentence, lines).passed, (sentence, lines)
        for k, line in enumerate(lines):
            if line.right and line.right.isdigit() and line.right in sentence:
                wrong = [*lines[:k], replace(line, right=line.right + "1"), *lines[k + 1 :]]
                assert not check_sentence(sentence, wrong).passed


@pytest.mark.parametrize(
    "text",
    ["", "none", "Ben: Ben + 12", "#1 A.\nBen + 12\n#2 B.\nnone", "#2 B.\nnone", "#1 A.\nnone",
     "#1 A.\n#2 B.\nnone", "#1 A.\nnone\n#2 B.", "#1 A.\nnone\nBen: 3\n#2 B.\nnone",
     "#1 A.\nBen: 3\nnone\n#2 B.\nnone", "#1 A.\nnone\n#2 B.\nnone\n#3 C.\nnone",
     "#1 A.\nnone\n#2 C.\nnone", "none\n#1 A.\nnone\n#2 B.\nnone"],
)  # fmt: skip
def test_malformed(text: str) -> None:
    assert parse(text, ["A.", "B."]) is None


def test_each_sentence_has_its_steps_or_none() -> None:
    found = parse("#1 A.\nnone\n#2 B.\nAna: Ana - 3\nBen: Ben + 3", ["A.", "B."])
    assert found is not None
    assert [len(lines) for lines in found] == [0, 2]


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("Ben: Ben + 13", "number-unused"),
        ("Ben: Ben + 12\nBen: Ben + 99", "number-invented"),
        ("Zoe: Zoe + 12", "name-invented"),
        ("Ben@zoo: Ben + 12", "name-invented"),
        ("Ben: Ana - 12\nAna: Ana + 12", "amount-foreign"),
        ("none", "number-unused"),
    ],
)
def test_what_the_check_refuses(text: str, signature: str) -> None:
    sentence = "Ben gives 12 pens to Ana."
    assert check_sentence(sentence, read((sentence, text))).signature == signature


def test_references_must_point_backwards() -> None:
    with pytest.raises(PlanError, match="Ben@fair"):
        build_steps(read(("A.", "Ana: 3"), ("B.", "Ana: Ana + Ben@fair"), ("C?", "answer: Ana")))
    with pytest.raises(PlanError, match="asked"):
        build_steps(read(("A.", "Ana: 3")))


def test_majority_prefers_votes_then_order() -> None:
    a, b = tuple(read(("A.", "Ana: 3"))), tuple(read(("A.", "Ana: 4")))
    assert majority([a, b, b]) == (b, 2)
    assert majority([a, b]) == (a, 1)
    assert majority([]) is None
