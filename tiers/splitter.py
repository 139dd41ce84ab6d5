"""The rule splitter: sentences, windows of sentences, and the stages of a request.

The cheapest decomposer. It cuts text at places that every reader would; what a piece means is for
the specialists to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z0-9(])")
_STAGE_CUES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (label, re.compile(rf"\b({cues})", re.I))
    for label, cues in (
        ("code", r"python|program|code|script|function|implement|solve\(\)"),
        ("explain", "explain|describe|justify|why|reasoning|in words|how you got|walk me"),
        ("solve", "solve|work out|compute|find|calculate|answer|determine|total|get|count"),
    )
)
_CLAUSE = re.compile(
    r"(?:,?\s+and\s+finally\b,?|,?\s*\bthen\b,?|,?\s+and\s+then\b,?|\bfinally\b,?|\bafter that\b,?"
    r"|\bat last\b,?|;\s*next\b,?|\bnext\b,?|,\s+and\s+|\s+and\s+(?=(?:explain|write|describe|code|"
    r"program|justify|implement|tell|say|turn|give)\b)|,\s+|;\s+|\.\s+)",
    re.I,
)
_QUESTION = re.compile(r"\bhow many\b.*\?", re.I)
_NAME = re.compile(r"\b[A-Z][a-z]+\b")
_EXPRESSION = re.compile(r"^[\s\d()+*/x×÷−-]+[=?]*\s*$")


def sentences(text: str) -> list[str]:
    """``text`` cut after full stops, question and exclamation marks."""
    return [s.strip() for s in _SENTENCE.split(text.strip()) if s.strip()]


def windows(count: int, size: int) -> list[range]:
    """Consecutive index ranges of ``size`` over ``count`` sentences; the last may be shorter."""
    return [range(i, min(i + size, count)) for i in range(0, count, size)]


@dataclass(frozen=True)
class Request:
    """A problem statement taken apart: the stages asked for and the story or text they are about."""

    stages: tuple[str, ...]
    """Of ``solve``, ``explain``, ``code``; in the order asked."""
    body: str
    """What the stages are about."""
    wording: dict[str, str]
    """Stage → the clause that asks for it."""


def read_request(statement: str) -> Request | None:
    """The stages that ``statement`` asks for, or ``None`` when it asks for fewer than two.

    The request is what stands before the first sentence of the body: the first sentence that names
    somebody and an amount.
    """
    parts = sentences(statement)
    cut = next((i for i, s in enumerate(parts) if re.search(r"\d", s) and _NAME.search(s)), None)
    if cut is None:
        return None
    last = next((i for i in range(len(parts) - 1, -1, -1) if _QUESTION.search(parts[i])), None)
    tail = parts[last + 1 :] if last is not None and last >= cut else []
    head = " ".join([*parts[:cut], *tail])
    body = " ".join(parts[cut : len(parts) - len(tail)])
    stages: dict[str, str] = {}
    for clause in _CLAUSE.split(head):
        label = next((name for name, cue in _STAGE_CUES if cue.search(clause)), None)
        if label and label not in stages:
            stages[label] = clause.strip(" .!?:")
    if len(stages) < 2:
        return None
    return Request(tuple(stages), body, stages)


def looks_like_story(text: str) -> bool:
    """Whether ``text`` tells amounts of named people and asks how many at the end."""
    parts = sentences(text)
    return len(parts) >= 2 and bool(_QUESTION.search(parts[-1])) and bool(re.search(r"\d", text))


def looks_like_expression(text: str) -> bool:
    """Whether ``text`` is an arithmetic expression and nothing else."""
    return bool(_EXPRESSION.match(text)) and len(re.findall(r"\d+", text)) > 1
