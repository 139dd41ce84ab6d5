"""Explaining a solution: numbered steps in, sentences out that cite every step."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from specialists.pocket.arithmetic import apply
from specialists.pocket.stories import Step, Story, draw_story

_WORDS = {
    "+": "Adding {b} to {a} gives {who} {r} (step {k}).",
    "-": "Taking {b} from {a} leaves {who} {r} (step {k}).",
    "*": "Multiplying {a} by {b} gives {who} {r} (step {k}).",
    "/": "Dividing {a} by {b} leaves {who} {r} (step {k}).",
}
_CITE = re.compile(r"\(step (\d+)\)")


def step_lines(values: Sequence[tuple[Step, int, int | None, int]]) -> list[str]:
    """Numbered solution lines, ``3. Ben: 12 + 30 = 42``."""
    lines = []
    for k, (step, a, b, result) in enumerate(values, 1):
        tail = f"{a} {step.op} {b} = {result}" if step.op else str(result)
        lines.append(f"{k}. {step.target}: {tail}")
    return lines


def explanation(values: Sequence[tuple[Step, int, int | None, int]], answer: int) -> str:
    """The sentences that the ``explain`` specialist is taught to write."""
    parts = []
    for k, (step, a, b, result) in enumerate(values, 1):
        who = "the total" if step.target == "answer" else step.target
        if step.op is None:
            parts.append(f"{who} starts with {result} (step {k}).")
        else:
            parts.append(_WORDS[step.op].format(a=a, b=b, r=result, who=who, k=k))
    return " ".join([*parts, f"So the answer is {answer}."])


def explain_prompt(values: Sequence[tuple[Step, int, int | None, int]], answer: int) -> str:
    """What ``explain`` is asked: the numbered steps and the answer."""
    return "\n".join(["Explain these steps.", *step_lines(values), f"answer: {answer}"])


def explains(text: str, values: Sequence[tuple[Step, int, int | None, int]], answer: int) -> str:
    """Why ``text`` fails to explain the steps, or an empty string when it does.

    Every step must be cited once, in order, by a sentence that holds the step's numbers and no
    others, and the last sentence must hold the answer.
    """
    sentences = [s for s in re.split(r"(?<=\.)\s+", text.strip()) if s]
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
    """Solved steps of a short story, from the asked split."""
    story: Story = draw_story(rng, rng.randint(1, 6), test=test, people=rng.choice((1, 2, 2, 3)))
    for step, a, b, result in story.values:
        if step.op and b is not None and apply(step.op, a, b) != result:
            raise AssertionError(f"{step} of {a} and {b} is not {result}")
    return story.values, story.answer
