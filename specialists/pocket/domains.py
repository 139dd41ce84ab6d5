"""The pocket fleet's domains: seeded examples by domain, cell and split, and the judge of an
answer.

A *cell* is a reported slice of a domain (``math/add``, ``code/ops2``). ``draw`` makes one example
of a cell; :mod:`specialists.pocket.heldout` and each generator define what is held out, and how.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from specialists.pocket import arithmetic, explain, functions, split, stories
from specialists.pocket.heldout import held_out
from specialists.pocket.stories import numbered


@dataclass(frozen=True)
class Example:
    """A prompt, the answer that training teaches, and further data for judging."""

    domain: str
    cell: str
    prompt: str
    answer: str
    data: dict[str, Any] = field(default_factory=dict)


def _math_single(op: str) -> Callable[[random.Random, bool], Example]:
    def draw(rng: random.Random, test: bool) -> Example:
        a, b = arithmetic.draw_pair(rng, op, test=test)
        return Example("math", "", f"{a} {op} {b}", arithmetic.work(op, a, b))

    return draw


def _math_chain(rng: random.Random, test: bool) -> Example:
    chain = arithmetic.draw_chain(rng, test=test)
    return Example("math", "", arithmetic.chain_prompt(chain), arithmetic.work_chain(chain))


def decompose_prompt(parts: Sequence[str]) -> str:
    """The prompt of ``decompose`` about one to four sentences, or about one expression."""
    return "Write the steps.\n" + numbered(parts)


def solve_prompt(parts: Sequence[str]) -> str:
    """The prompt of ``chain`` and ``generalist`` for solving a story in one call."""
    return "Solve the story.\n" + numbered(parts)


def program_prompt(parts: Sequence[str]) -> str:
    """The prompt of ``code`` for a program that computes a story's answer."""
    return "Write solve() for the story.\n" + numbered(parts)


def _decompose(events: int) -> Callable[[random.Random, bool], Example]:
    def draw(rng: random.Random, test: bool) -> Example:
        while True:
            chunk, answer = stories.draw_chunk(rng, events, test=test)
            if held_out("decompose:" + " ".join(chunk)) == test:
                return Example("decompose", "", decompose_prompt(chunk), answer)

    return draw


def _expression(rng: random.Random, test: bool) -> Example:
    while True:
        text, answer = stories.draw_expression(rng, rng.randint(1, 4), test=test)
        if held_out("decompose:" + text) == test:
            return Example("decompose", "", decompose_prompt([text]), answer)


def _code(operations: int) -> Callable[[random.Random, bool], Example]:
    def draw(rng: random.Random, test: bool) -> Example:
        task = functions.draw_function(rng, operations, test=test)
        data: dict[str, Any] = {
            "entry_point": task.entry_point, "combination": task.combination,
        }  # fmt: skip
        if test:
            data["cases"] = task.cases(rng, 8)
        return Example("code", "", task.prompt, task.solution, data)

    return draw


def story_program(story: stories.Story) -> str:
    """The program that ``code`` is taught to write for a story."""

    def name(operand: str) -> str:
        return operand.lower().replace("@", "_")

    lines = ["def solve():"]
    for number, event in enumerate(story.events, 1):
        lines.append(f"    #{number}")
        for step in event.steps:
            tail = f"{name(step.left)} {step.op} {name(step.right or '')}" if step.op else step.left
            tail = tail.replace(" / ", " // ")
            lines.append(f"    {name(step.target)} = {tail}")
        for step in event.steps:
            if step.place:
                lines.append(f"    {name(step.target)}_{step.place} = {name(step.target)}")
    lines.append(f"    #{len(story.events) + 1}")
    lines.append("    return " + " + ".join(name(a) for a in story.asked))
    return "\n".join(lines)


def _code_story(rng: random.Random, test: bool) -> Example:
    story = stories.draw_story(rng, rng.randint(1, 6), test=test, people=rng.choice((1, 2, 2, 3)))
    data = {"entry_point": "solve", "cases": [{"args": [], "expected": story.answer}]}
    return Example("code", "", program_prompt(story.sentences), story_program(story), data)


def _explain(rng: random.Random, test: bool) -> Example:
    while True:
        values, answer = explain.draw_explain(rng, test=test)
        prompt = explain.explain_prompt(values, answer)
        if held_out("explain:" + prompt) == test:
            data = {"values": values, "answer": answer}
            return Example("explain", "", prompt, explain.explanation(values, answer), data)


def _split(rng: random.Random, test: bool) -> Example:
    text, segments = split.draw_split(rng, test=test)
    return Example("split", "", split_prompt(text), split.segment_lines(segments))


def split_prompt(request: str) -> str:
    """The prompt of ``split`` about a request of several stages."""
    return f"Split the request. {request}"


def worked_story(story: stories.Story) -> str:
    """A story solved in one pass, one operation with its result a line, as ``chain`` is taught."""
    lines, values = [], iter(story.values)
    for number, event in enumerate(story.events, 1):
        if not event.steps:
            lines.append(f"#{number} none")
        for _ in event.steps:
            step, a, b, result = next(values)
            head = f"{step.target}@{step.place}" if step.place else step.target
            lines.append(f"#{number} {head}: {_worked(step, a, b, result)}")
    last = next(values, None)
    tail = _worked(*last) if last else str(story.answer)
    return "\n".join([*lines, f"#{len(story.events) + 1} answer: {tail}"])


def _worked(step: stories.Step, a: int, b: int | None, result: int) -> str:
    return f"{a} {step.op} {b} = {result}" if step.op else str(result)


def _chain(low: int, high: int) -> Callable[[random.Random, bool], Example]:
    def draw(rng: random.Random, test: bool) -> Example:
        story = stories.draw_story(rng, rng.randint(low, high), test=test)
        data = {"answer": story.answer}
        return Example("chain", "", solve_prompt(story.sentences), worked_story(story), data)

    return draw


CELLS: dict[str, dict[str, tuple[float, Callable[[random.Random, bool], Example]]]] = {
    "math": {
        "add": (2.0, _math_single("+")),
        "sub": (2.0, _math_single("-")),
        "mul": (3.0, _math_single("*")),
        "div": (3.0, _math_single("/")),
        "chain": (1.0, _math_chain),
    },
    "decompose": {
        "events1": (2.0, _decompose(1)),
        "events2": (3.0, _decompose(2)),
        "events3": (2.0, _decompose(3)),
        "events4": (3.0, _decompose(4)),
        "expression": (1.0, _expression),
    },
    "code": {
        "ops1": (1.0, _code(1)),
        "ops2": (3.0, _code(2)),
        "ops3": (3.0, _code(3)),
        "ops4": (2.0, _code(4)),
        "story": (3.0, _code_story),
    },
    "explain": {"steps": (1.0, _explain)},
    "split": {"request": (1.0, _split)},
    "chain": {
        "short": (3.0, _chain(1, 6)),
        "medium": (2.0, _chain(7, 16)),
        "long": (1.0, _chain(17, 32)),
    },
}
"""Domain → cell → (share in training, generator)."""

SPECIALISTS = ("math", "decompose", "code", "explain", "split")
DECLINED = "not mine"
"""Answer of a specialist to a task of another domain."""


def draw(domain: str, cell: str, rng: random.Random, *, test: bool) -> Example:
    """One example of a cell, from the training or the held-out split."""
    made = CELLS[domain][cell][1](rng, test)
    return Example(domain, cell, made.prompt, made.answer, made.data)


def training_examples(shares: dict[str, float], count: int, seed: str) -> list[Example]:
    """``count`` training examples, the same ones for the same ``seed``.

    ``shares`` maps ``domain`` (cells by their own shares) or ``domain/cell`` to a share.
    """
    rng = random.Random(seed)
    keys, weights = list(shares), list(shares.values())
    out = []
    for key in rng.choices(keys, weights, k=count):
        domain, _, cell = key.partition("/")
        if not cell:
            cells = CELLS[domain]
            cell = rng.choices(list(cells), [w for w, _ in cells.values()])[0]
        out.append(draw(domain, cell, rng, test=False))
    return out


def declined_examples(domain: str, count: int, seed: str) -> list[Example]:
    """``count`` training prompts of the other specialists' domains, answered :data:`DECLINED`."""
    others = training_examples({d: 1.0 for d in SPECIALISTS if d != domain}, count, seed)
    return [replace(example, answer=DECLINED) for example in others]


def held_out_examples(domain: str, cell: str, count: int, seed: int = 0) -> list[Example]:
    """``count`` different held-out examples of a cell; the same ones for the same ``seed``."""
    rng = random.Random(f"test|{domain}|{cell}|{seed}")
    found: dict[str, Example] = {}
    while len(found) < count:
        example = draw(domain, cell, rng, test=True)
        found.setdefault(example.prompt, example)
    return list(found.values())


def judge(example: Example, output: str) -> bool | None:
    """Whether ``output`` is right; ``None`` where only running it can decide (``code``)."""
    if example.domain == "math":
        return arithmetic.read_result(output) == arithmetic.read_result(example.answer)
    if example.domain == "explain":
        return not explain.explains(output, example.data["values"], example.data["answer"])
    if example.domain == "chain":
        return output.strip().rsplit(" ", 1)[-1] == str(example.data["answer"])
    if example.domain == "code":
        return None
    return output.strip() == example.answer
