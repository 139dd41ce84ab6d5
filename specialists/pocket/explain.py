"""Explanations of a solution: sentences that cite every one of its numbered steps."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from specialists.pocket.arithmetic import apply
from specialists.pocket.stories import Step, Story, draw_story, numbered

_WORDS = {
    "+": "{who} has {a}, adds {b} and gets {r}.",
    "-": "{who} has {a}, takes away {b} and keeps {r}.",
    "*": "{who} has {a}, multiplies it by {b} and gets {r}.",
    "/": "{who} has {a}, divides it by {b} and keeps {r}.",
}
_CITE = re.compile(r"^#(\d+) ")


def step_lines(values: Sequence[tuple[Step, int, int | None, int]]) -> str:
    """Numbered solution lines, ``#3 Ben: 12 + 30 = 42``."""
    lines = []
    for step, a, b, result in values:
        tail = f"{a} {step.op} {b} = {result}" if step.op else str(result)
        lines.append(f"{step.target}: {tail}")
    return numbered(lines)


def explanation(values: Sequence[tuple[Step, int, int | None, int]], answer: int) -> str:
    """The sentences that the ``explain`` specialist is taught to write, one a line."""
    parts = []
    for step, a, b, result in values:
        if step.op is None:
            parts.append(f"{step.target} starts with {result}.")
        elif step.target == "answer":
            parts.append(f"Together {a} and {b} make {result}.")
        else:
            parts.append(_WORDS[step.op].format(a=a, b=b, r=result, who=step.target))
    return "\n".join([numbered(parts), f"So the answer is {answer}."])


def explain_prompt(values: Sequence[tuple[Step, int, int | None, int]], answer: int) -> str:
    """The prompt of ``explain``: the numbered steps and the answer."""
    return "\n".join(["Explain these steps.", step_lines(values), f"answer: {answer}"])


def explains(text: str, values: Sequence[tuple[Step, int, int | None, int]], answer: int) -> str:
    """Why ``text`` fails to explain the steps; empty when it explains them.

    Every step must be cited once, in order, by a line that holds the step's numbers and no others,
    and the last line must hold the answer.
    """
    sentences = text.strip().splitlines()
    if len(sentences) != len(values) + 1:
        return f"{len(sentences)} sentences for {len(values)} steps and an answer"
    for k, ((step, a, b, result), sentence) in enumerate(zip(values, sentences, strict=False), 1):
        if _CITE.findall(sentence) != [str(k)]:
            return f"sentence {k} does not cite step {k}"
        numbers = sorted(int(n) for n in re.findall(r"\d{1,12}", _CITE.sub("", sentence)))
        wanted = sorted([a, b, result] if step.op and b is not None else [result])
        if numbers != wanted:
            return f"sentence {k} has the numbers {numbers}, step {k} has {wanted}"
        if step.target != "answer" and step.target not in sentence:
            return f"sentence {k} does not name {step.target}"
    if re.findall(r"\d+", sentences[-1]) != [str(answer)]:
        return f"the last sentence does not say that the answer is {answer}"
    return ""


def draw_explain(
    rng: random.Random, *, test: bool
) -> tuple[list[tuple[Step, int, int | None, int]], int]:
    """Solved steps of a short story, from the requested split."""
    story: Story = draw_story(rng, rng.randint(1, 6), test=test, people=rng.choice((1, 2, 2, 3)))
    for step, a, b, result in story.values:
        if step.op and b is not None and apply(step.op, a, b) != result:
            raise AssertionError(f"{step} of {a} and {b} is not {result}")
    return story.values, story.answer
