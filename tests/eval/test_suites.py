"""Generated suites: stable, unseen in training, judged correctly."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from hashlib import blake2b
from typing import Any

import pytest

from eval import Problem, get, join_sections, packaged, score, suite_problems
from eval.domains.story.explanation import ExplanationValidator, explanation_spec
from eval.validators import validators
from specialists.pocket import explain
from specialists.pocket.domains import story_program, training_examples
from specialists.pocket.functions import combination_held_out
from specialists.pocket.heldout import held_out
from specialists.pocket.stories import Story, draw_story
from state.errors import UsageError
from tiers.protocol import Check, CheckResult

pytestmark = pytest.mark.slow

NAMES = ("horizon/4", "horizon/16", "horizon/64", "multistage", "pocket-code")
VALIDATORS = {**validators(), "explanation": ExplanationValidator()}


def digest() -> str:
    made = [p.model_dump() for name in NAMES for p in suite_problems(name, range(5))]
    return blake2b(json.dumps(made).encode(), digest_size=8).hexdigest()


def story_of(problem: Problem) -> Story:
    """The story behind a problem, drawn again as the suite draws it."""
    number = problem.meta["number"]
    if problem.meta["suite"] == "horizon":
        events = problem.meta["events"]
        return draw_story(random.Random(f"horizon|{events}|{number}"), events, test=True)
    rng = random.Random(f"multistage|{number}")
    return draw_story(rng, rng.randint(3, 6), test=True, people=rng.randint(1, 3))


def marks(problem: Problem, answer: str) -> list[CheckResult]:
    return asyncio.run(score(problem, answer, VALIDATORS))


def test_the_same_in_another_process() -> None:
    command = "from tests.eval.test_suites import digest; print(digest())"
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", command], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == digest()


def test_the_same_for_ever() -> None:
    """Reported results name problems by number: this digest changes only with every such result."""
    assert digest() == "f7d44d8e8d4e65ea"


@pytest.mark.parametrize("name", NAMES)
def test_problems_are_different_and_travel_as_json(name: str) -> None:
    problems = suite_problems(name, range(100))
    assert len({p.statement for p in problems}) == len({p.id for p in problems}) == 100
    for problem in problems:
        assert Problem.model_validate_json(problem.model_dump_json()) == problem
        assert get(*problem.id.split("/", 1)) == problem
        assert problem.hidden_checks
        assert problem.checker != "none"


@pytest.mark.parametrize("events", [1, 4, 32, 128, 1024])
def test_horizon(events: int) -> None:
    seen = set()
    for problem in suite_problems(f"horizon/{events}", range(20)):
        story = story_of(problem)
        assert problem.statement == story.text
        assert held_out(story.text)
        assert not problem.public_checks
        told = [e for e in story.events if e.steps]
        assert len(told) == events + problem.meta["people"]
        assert marks(problem, f"answer: {story.answer}")[0].passed
        assert not marks(problem, f"answer: {story.answer + 1}")[0].passed
        seen.add(problem.meta["people"])
    assert seen <= {1, 2, 3, 4}
    assert len(seen) > 1


def test_multistage() -> None:
    for problem in suite_problems("multistage", range(200)):
        story, request = story_of(problem), problem.meta["request"]
        assert problem.statement == f"{request} {story.text}"
        assert held_out("split:" + request)
        assert 3 <= problem.meta["events"] <= 6
        assert 1 <= problem.meta["people"] <= 3
        asked = {word.strip(".,;") for word in request.split()} & {s.target for s in story.steps}
        assert asked <= set(story.asked)
        assert not asked or len(story.asked) == 1
        assert [c.spec["section"] for c in problem.hidden_checks] == ["solve", "explain", "code"]


def test_multistage_reference_passes_and_each_section_counts() -> None:
    for problem in suite_problems("multistage", range(3)):
        story = story_of(problem)
        parts = {
            "solve": f"= {story.answer}",
            "explain": explain.explanation(story.values, story.answer),
            "code": story_program(story),
        }
        assert [r.passed for r in marks(problem, join_sections(parts))] == [True] * 3
        wrong = {
            "solve": "= 10000",
            "explain": "Because.",
            "code": "def solve():\n    return 10000",
        }
        for k, label in enumerate(parts):
            broken = marks(problem, join_sections({**parts, label: wrong[label]}))
            assert [r.passed for r in broken] == [j != k for j in range(3)]
            assert broken[k].detail
            missing = marks(problem, join_sections({n: t for n, t in parts.items() if n != label}))
            assert missing[k].signature == "no-section"


def cases(checks: tuple[Check, ...]) -> list[dict[str, Any]]:
    (check,) = checks
    return list(check.spec["cases"])


def test_pocket_code() -> None:
    edges = 0
    for problem in suite_problems("pocket-code", range(200)):
        names = problem.meta["combination"].split(">")
        assert combination_held_out(names)
        assert 2 <= len(names) == problem.meta["operations"] <= 4
        assert f"{problem.signature}" in problem.statement
        assert problem.signature.startswith(f"{problem.entry_point}(")
        public, hidden = cases(problem.public_checks), cases(problem.hidden_checks)
        assert (len(public), len(hidden)) == (3, 8)
        assert len({repr(case["args"]) for case in public + hidden}) == 11
        assert all(len({repr(c["expected"]) for c in side}) > 1 for side in (public, hidden))
        edges += sum(case["args"][0] in ([], "", 0) for case in hidden)
        assert "def " not in problem.model_dump_json()
        public_view = problem.task().model_dump_json()
        texts = [json.dumps(case["args"])[1:-1] for case in hidden]
        assert not [t for t in texts if len(t) > 8 and t in public_view]
    assert edges > 100


def test_no_problem_is_a_training_prompt() -> None:
    stories = {"chain": 1.0, "code": 1.0, "split": 1.0}
    trained = " \n ".join(e.prompt for e in training_examples(stories, 5000, "suites"))
    for name in ("horizon/4", "multistage", "pocket-code"):
        for problem in suite_problems(name, range(100)):
            assert problem.statement not in trained
            assert problem.meta.get("request", problem.statement) not in trained


def test_bad_names() -> None:
    with pytest.raises(UsageError, match="no suite 'chess'; suites: horizon"):
        get("chess", "1")
    with pytest.raises(UsageError, match="ids look like horizon/E-K"):
        suite_problems("horizon/x", [1])
    with pytest.raises(UsageError, match="ids look like multistage/K"):
        suite_problems("multistage", [-1])
    lines = {name: suite.about for name, suite in packaged().items()}
    assert all(line.startswith(f"{name}/") for name, line in lines.items())


def test_explanation_validator() -> None:
    story = draw_story(random.Random(1), 4, test=True)
    spec = json.loads(json.dumps(explanation_spec(story.values, story.answer)))
    check, good = (
        Check(kind="explanation", spec=spec),
        explain.explanation(story.values, story.answer),
    )

    def judged(text: str) -> CheckResult:
        return asyncio.run(ExplanationValidator().validate(text, check))

    assert judged(good).passed
    assert judged(f"<think>Hm, 17.</think>\n{good}\n").passed
    for bad in ("", "So the answer is 3.", good.replace("#2 ", ""), good + " 1.", "9" * 5000):
        assert not judged(bad).passed
        assert judged(bad).signature == "wrong-explanation"
    long = good.replace(str(story.values[0][3]), "9" * 5000, 1)
    assert not judged(long).passed
    with pytest.raises(UsageError, match="answer: Field required"):
        asyncio.run(
            ExplanationValidator().validate(
                "", Check(kind="explanation", spec={"values": spec["values"]})
            )
        )
