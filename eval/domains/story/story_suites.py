"""The suites of stories: a number always gives the same problem, and all are disjoint from the
training data.

Every problem comes from the held-out split of the generators (see
:mod:`specialists.pocket.heldout`), drawn from a random source that is seeded by the suite and the
number.
"""

from __future__ import annotations

import random
import re
from typing import Any

from eval.domains.evaluation import Suite
from eval.domains.story.explanation import explanation_spec
from eval.problems import Problem
from specialists.pocket.heldout import held_out
from specialists.pocket.stories import Story, draw_story
from tiers.protocol import Check

LONGEST = 1024
"""Events of the longest ``horizon`` story."""
DEFAULT_HORIZON = 16
"""Events of a ``horizon`` story whose id names no number of events."""

_REQUEST: dict[str, tuple[str, ...]] = {
    "open": ("", "", "Please ", "First, ", "Could you ", "I want you to "),
    "solve": (
        "solve the story", "solve the story about {i}", "find the number of {i}", "solve it",
        "find out what {a} owns", "get the final count of {i}", "answer the question about {a}",
        "determine how many {i} are left",
    ),
    "next": (", then ", " and then ", ". Then ", ", after that ", "; next, ", ". Next, "),
    "explain": (
        "explain each step", "explain the steps", "tell me how you got there", "describe each step",
        "explain it in sentences", "justify the result", "walk me through the solution",
    ),
    "last": (", and finally ", " and finally ", ". Finally, ", ", and then ", " and "),
    "code": (
        "write Python code for it", "write a Python function that computes it",
        "implement it in Python", "write a program for it", "code it as a function",
        "turn it into Python", "program the solution", "write solve() in Python",
    ),
}  # fmt: skip


def _horizon(events: int, number: int) -> Problem:
    story = draw_story(random.Random(f"horizon|{events}|{number}"), events, test=True)
    return Problem(
        id=f"horizon/{events}-{number}",
        kind="story",
        statement=story.text,
        hidden_checks=(Check(kind="numeric", spec={"expected": story.answer}),),
        checker="numeric",
        meta=_about(story, "horizon", number, events),
    )


def _multistage(number: int) -> Problem:
    rng = random.Random(f"multistage|{number}")
    events = rng.randint(3, 6)
    story = draw_story(rng, events, test=True, people=rng.randint(1, 3))
    request = _request(rng, story)
    stages = {
        "solve": ("numeric", {"expected": story.answer}),
        "explain": ("explanation", explanation_spec(story.values, story.answer)),
        "code": ("program_value", {"expected": story.answer, "entry_point": "solve"}),
    }
    return Problem(
        id=f"multistage/{number}",
        kind="multistage",
        statement=f"{request} {story.text}",
        entry_point="solve",
        signature="solve()",
        hidden_checks=tuple(
            Check(kind=kind, spec={"section": section, **spec})
            for section, (kind, spec) in stages.items()
        ),
        checker="stages",
        meta=_about(story, "multistage", number, events) | {"request": request},
    )


def _about(story: Story, suite: str, number: int, events: int) -> dict[str, Any]:
    people = len({step.target for step in story.steps})
    operations = sum(step.op is not None for step, *_ in story.values)
    return {
        "suite": suite, "number": number, "events": events, "people": people,
        "operations": operations,
    }  # fmt: skip


def _request(rng: random.Random, story: Story) -> str:
    """A request for the three stages, in a wording that no ``split`` specialist was trained on."""
    while True:
        part = {
            name: rng.choice([t for t in texts if len(story.asked) == 1 or "{a}" not in t])
            for name, texts in _REQUEST.items()
        }
        text = "".join(part.values()).format(a=story.asked[0], i=story.item)
        text = text[0].upper() + text[1:] + "."
        if held_out("split:" + text):
            return text


def _horizon_problem(id: str) -> Problem | None:
    match = re.fullmatch(r"([0-9]{1,4})-([0-9]{1,9})", id)
    if match is None or not 1 <= int(match[1]) <= LONGEST:
        return None
    return _horizon(int(match[1]), int(match[2]))


def _multistage_problem(id: str) -> Problem | None:
    return _multistage(int(id)) if re.fullmatch(r"[0-9]{1,9}", id) else None


SUITES = {
    "horizon": Suite(
        about=f"horizon/E-K: story K of E events (1 to {LONGEST}), one number asked",
        problem=_horizon_problem,
        id=lambda variant, number: f"{variant or DEFAULT_HORIZON}-{number}",
        variants=True,
    ),
    "multistage": Suite(
        about="multistage/K: a story of 3 to 6 events to solve, explain and program",
        problem=_multistage_problem,
    ),
}
