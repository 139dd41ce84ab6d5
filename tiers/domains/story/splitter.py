"""The rule splitter: windows of sentences, the story in a text, and the stages of a request.

The splitter is the cheapest decomposer. It cuts text where every reader would cut it; the
specialists determine the meaning of the pieces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from specialists.routing.roles import instructs, opening_role
from tiers.sentences import sentences

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
_ASKED_FOR = re.compile(r"\s*(?:please\s+)?(?:solve|answer|work out)\b[^.:?\d]{0,40}:\s*", re.I)


def windows(count: int, size: int) -> list[range]:
    """Consecutive index ranges of ``size`` over ``count`` sentences; the last may be shorter."""
    return [range(i, min(i + size, count)) for i in range(0, count, size)]


@dataclass(frozen=True)
class Request:
    """A problem statement taken apart: the stages asked for and the story or text they are about."""

    stages: tuple[str, ...]
    """Stages among ``solve``, ``explain`` and ``code``, in the order in which they are asked
    for."""
    body: str
    """The story or text that the stages are about."""
    wording: dict[str, str]
    """Stage → the clause that asks for it."""


def read_request(statement: str) -> Request | None:
    """The stages that ``statement`` asks for, or ``None`` when it asks for fewer than two.

    The body begins with the first sentence that names a person and an amount, and ends with its
    question. The request is the text before and after the body. The question itself asks to solve
    the story; instructions about form are no stages.
    """
    parts = sentences(statement)
    cut = next((i for i, s in enumerate(parts) if re.search(r"\d", s) and _NAME.search(s)), None)
    if cut is None:
        return None
    last = _last_question(parts)
    tail = parts[last + 1 :] if last is not None and last >= cut else []
    body = " ".join(parts[cut : len(parts) - len(tail)])
    stages: dict[str, str] = {}
    for part in [*parts[:cut], *tail]:
        for clause in _CLAUSE.split(part):
            label = next((name for name, cue in _STAGE_CUES if cue.search(clause)), None)
            if label and label not in stages and not instructs(clause):
                stages[label] = clause.strip(" .!?:")
    if tail and stages and "solve" not in stages and last is not None:
        stages = {"solve": parts[last], **stages}
    if len(stages) < 2:
        return None
    return Request(tuple(stages), body, stages)


def story(text: str) -> str | None:
    """The story in ``text``: amounts, and at its end a question about an amount.

    Sentences before the story that only ask to solve it, and instructions about form after its
    question, are left out. ``None`` where there is no story, or more is asked for.
    """
    parts = sentences(text)
    last = _last_question(parts)
    if last is None or not all(instructs(part) for part in parts[last + 1 :]):
        return None
    first = 0
    while first < last and opening_role(parts[first]) == "solve" and not _amount(parts[first]):
        first += 1
    told = [_ASKED_FOR.sub("", parts[first], count=1), *parts[first + 1 : last + 1]]
    return " ".join(told) if len(told) > 1 and any(map(_amount, told)) else None


def _amount(text: str) -> bool:
    return any(sign.isdigit() for sign in text)


def _last_question(parts: list[str]) -> int | None:
    return next((i for i in range(len(parts) - 1, -1, -1) if _QUESTION.search(parts[i])), None)
