"""The packaged suites: the same problem for the same number for ever, disjoint from all training.

``classics`` is written by hand; every other problem comes from the held-out split of the pocket
generators (see :mod:`specialists.pocket.heldout`), drawn from a random source that the suite and the
number seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from typing import Any

from eval.classics import classic, classics
from eval.problems import Problem
from eval.validators.explanation import explanation_spec
from specialists.pocket.functions import FunctionTask, draw_function
from specialists.pocket.heldout import held_out
from specialists.pocket.stories import Story, draw_story
from state.errors import UsageError
from tiers.protocol import Check

LONGEST = 128
"""Events of the longest ``horizon`` story."""
HORIZONS = (4, 8, 16, 32, 64)
"""Event counts that accuracy against horizon is reported at."""
DEFAULT_HORIZON = 16

SUITES: dict[str, str] = {
    "horizon": f"horizon/E-K: story K of E events (1 to {LONGEST}), one number asked",
    "multistage": "multistage/K: a story of 3 to 6 events to solve, explain and program",
    "pocket-code": "pocket-code/K: a Python function of 2 to 4 operations, to be written",
    "classics": "classics/NAME: a programming problem for a general model",
}
"""Suite → one line about it, the form of its ids first."""

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
_EDGES: dict[str, tuple[Any, ...]] = {
    "list": ([], [0], [7, 7, -7, -7], [-5, -12, -30], [60, 1, 59, 2, 58, 3]),
    "text": ("", " ", "noon", "A Toe otA ", "no na  ne"),
    "number": (0, 1, -1, 10, -9999),
}


def suite_problems(name: str, numbers: Iterable[int]) -> list[Problem]:
    """Problems of a suite by number; ``horizon/32`` has 32 events each, ``horizon`` 16.

    ``classics`` is finite: numbers beyond its end give nothing.
    """
    suite, slash, events = name.partition("/")
    if suite == "horizon":
        return [get(suite, f"{events if slash else DEFAULT_HORIZON}-{k}") for k in numbers]
    if suite == "classics":
        names = classics()
        return [classic(names[k]).problem for k in numbers if k < len(names)]
    return [get(name, str(k)) for k in numbers]


def get(suite: str, id: str) -> Problem:
    """Problem ``id`` of a suite (``get("horizon", "16-103")``). Raises UsageError."""
    if suite not in SUITES:
        raise UsageError(f"no suite {suite[:60]!r}; suites: {', '.join(SUITES)}")
    if suite == "classics":
        return classic(id).problem
    form = {"horizon": r"([0-9]{1,3})-([0-9]{1,9})"}.get(suite, r"([0-9]{1,9})")
    match = re.fullmatch(form, id)
    if match is None or (suite == "horizon" and not 1 <= int(match[1]) <= LONGEST):
        raise UsageError(f"suite {suite} has no problem {id[:60]!r}; ids look like {SUITES[suite]}")
    return _BUILD[suite](*map(int, match.groups()))


def get_default(number: str) -> Problem:
    """Problem ``number`` of the default suite. Raises UsageError."""
    if int(number[:20]) < 0 or len(number) > 9:
        raise UsageError(
            f"problem {number[:20]}: numbers run from 0 to 999999999; "
            f"7 is problem 7 of the default suite, horizon/{DEFAULT_HORIZON}-7"
        )
    return _horizon(DEFAULT_HORIZON, int(number))


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


def _pocket_code(number: int) -> Problem:
    rng = random.Random(f"pocket-code|{number}")
    while True:
        task = draw_function(rng, rng.randint(2, 4), test=True)
        public, hidden = _cases(rng, task)
        if _telling(public) and _telling(hidden):
            break
    name = task.entry_point
    return Problem(
        id=f"pocket-code/{number}",
        kind="code",
        statement=task.prompt,
        entry_point=name,
        signature=task.solution.splitlines()[0].removeprefix("def ").removesuffix(":"),
        public_checks=(Check(kind="function", spec={"entry_point": name, "cases": public}),),
        hidden_checks=(Check(kind="function", spec={"entry_point": name, "cases": hidden}),),
        checker="function",
        meta={
            "suite": "pocket-code",
            "number": number,
            "operations": len(task.operations),
            "combination": task.combination,
        },
    )


_BUILD: dict[str, Callable[..., Problem]] = {
    "horizon": _horizon,
    "multistage": _multistage,
    "pocket-code": _pocket_code,
}


def _about(story: Story, suite: str, number: int, events: int) -> dict[str, Any]:
    people = len({step.target for step in story.steps})
    operations = sum(step.op is not None for step, *_ in story.values)
    return {
        "suite": suite, "number": number, "events": events, "people": people,
        "operations": operations,
    }  # fmt: skip


def _request(rng: random.Random, story: Story) -> str:
    """A request for the three stages that no ``split`` specialist was trained on."""
    while True:
        part = {
            name: rng.choice([t for t in texts if len(story.asked) == 1 or "{a}" not in t])
            for name, texts in _REQUEST.items()
        }
        text = "".join(part.values()).format(a=story.asked[0], i=story.item)
        text = text[0].upper() + text[1:] + "."
        if held_out("split:" + text):
            return text


def _cases(
    rng: random.Random, task: FunctionTask
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Three public and eight hidden calls, no argument twice, edge cases among the hidden."""
    edges = rng.sample(_EDGES[task.takes], 4)
    hidden = [{"args": [edge], "expected": task.expected(edge)} for edge in edges]
    seen, drawn = {repr(case["args"]) for case in hidden}, list[dict[str, Any]]()
    while len(drawn) < 7:
        (case,) = task.cases(rng, 1)
        if repr(case["args"]) not in seen and case["args"][0] not in ([], "", 0):
            seen.add(repr(case["args"]))
            drawn.append(case)
    return drawn[:3], hidden + drawn[3:]


def _telling(cases: list[dict[str, Any]]) -> bool:
    """Whether no constant passes the cases."""
    return len({repr(case["expected"]) for case in cases}) > 1
