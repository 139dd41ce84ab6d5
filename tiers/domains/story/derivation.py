"""Parses and checks the output of the ``decompose`` specialist, and joins it into a plan.

The output repeats each sentence behind its number (``#2 Ben buys 12 pens at the market.``),
followed by its steps, one a line (``Ben@market: Ben + 12``), or by ``none``; ``answer: Ana + Ben``
belongs to the question. Nothing here computes a value: the checks look at form, names and numbers,
and compare independent derivations.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tiers.protocol import Check, CheckResult, PlanError, PlanStep

_LINE = re.compile(
    r"^(?P<target>[A-Za-z]+)(?:@(?P<place>[a-z]+))?: (?P<left>\d+|[A-Za-z]+(?:@[a-z]+)?)"
    r"(?: (?P<op>[-+*/]) (?P<right>\d+|[A-Za-z]+(?:@[a-z]+)?))?$"
)
_WORD_NUMBERS = {"double": 2, "twice": 2, "half": 2, "triple": 3, "three times": 3}


@dataclass(frozen=True)
class Line:
    """One parsed step: operands are digits, a name, or ``name@place``."""

    target: str
    place: str | None
    left: str
    op: str | None
    right: str | None

    @property
    def operands(self) -> tuple[str, ...]:
        return (self.left, self.right) if self.right is not None else (self.left,)


Lines = tuple[Line, ...]
"""The steps of one sentence."""


def parse(text: str, sources: Sequence[str]) -> list[Lines] | None:
    """The lines of each of ``sources``, empty for ``none``.

    ``None`` if any line is malformed, or the sentences are not repeated in order, word for word.
    """
    heads = [f"#{k} {source}" for k, source in enumerate(sources, 1)]
    found: list[list[str]] = []
    for row in text.strip().splitlines():
        if len(found) < len(heads) and row == heads[len(found)]:
            found.append([])
        elif found:
            found[-1].append(row)
        else:
            return None
    lines = [_steps(rows) for rows in found]
    read = [each for each in lines if each is not None]
    return read if len(read) == len(found) == len(heads) else None


def _steps(rows: Sequence[str]) -> Lines | None:
    if rows == ["none"]:
        return ()
    matches = [_LINE.match(row) for row in rows]
    lines = tuple(Line(**match.groupdict()) for match in matches if match)
    return lines if lines and len(lines) == len(rows) else None


def check_sentence(source: str, lines: Sequence[Line]) -> CheckResult:
    """Whether the lines of one sentence (or expression) fit it.

    They must use every number of the text and no other, name only persons and places that the text
    names, and change each amount from its earlier value.
    """

    def fail(signature: str, detail: str) -> CheckResult:
        return CheckResult(kind="plan", passed=False, detail=detail, signature=signature)

    used = {o for line in lines for o in line.operands}
    numbers = {o for o in used if o.isdigit()}
    told = set(re.findall(r"\d+", source))
    allowed = told | {str(n) for word, n in _WORD_NUMBERS.items() if word in source.lower()}
    if missing := told - numbers:
        return fail("number-unused", f"the number {min(missing)} is not used")
    if extra := numbers - allowed:
        return fail("number-invented", f"the number {min(extra)} is not in the text")
    if words := set(re.findall(r"[A-Za-z]+", source)):
        named = {p for o in used if not o.isdigit() for p in o.split("@")}
        named |= {line.target for line in lines} | {line.place for line in lines if line.place}
        if stranger := named - words - {"answer"}:
            return fail("name-invented", f"{min(stranger)} is not in the text")
        changed = [line for line in lines if line.op and line.target != "answer"]
        if foreign := next((line for line in changed if line.left != line.target), None):
            told_of = f"{foreign.target} begins with the amount of {foreign.left}"
            return fail("amount-foreign", f"a change of {told_of}")
    return CheckResult(kind="plan", passed=True)


def majority(candidates: Sequence[Lines]) -> tuple[Lines, int] | None:
    """The most frequent candidate and its votes; the earliest wins a tie; ``None`` without
    candidates."""
    if not candidates:
        return None
    counts = Counter(candidates)
    best = max(counts, key=lambda c: (counts[c], -candidates.index(c)))
    return best, counts[best]


def build_steps(lines: Sequence[Line]) -> tuple[list[PlanStep], str]:
    """Math steps with their inputs, and the name of the step that holds the answer.

    A name stands for that person's latest amount, ``name@place`` for the latest one when the story
    left that place. Raises :class:`PlanError` for a reference to something that has not occurred
    yet.
    """
    steps: list[PlanStep] = []
    latest: dict[str, str] = {}
    at_place: dict[str, dict[str, str]] = {}
    answer = ""

    def resolve(operand: str) -> str:
        if operand.isdigit():
            return operand
        name, _, place = operand.partition("@")
        book = at_place.get(place) if place else latest
        if book is None or name not in book:
            raise PlanError(f"{operand} is used before the story tells it")
        return "{" + book[name] + "}"

    for line in lines:
        if line.target == "answer" and line.op is None and not line.left.isdigit():
            answer = resolve(line.left).strip("{}")
            continue
        left = resolve(line.left)
        name = f"s{len(steps) + 1}"
        meta = {"target": line.target, "place": line.place}
        if line.op is None and left.isdigit():
            steps.append(PlanStep(name=name, kind="math", objective=left, given=left, meta=meta))
        else:
            right = resolve(line.right or "0")
            objective = f"{left} {line.op or '+'} {right}"
            inputs = tuple(dict.fromkeys(re.findall(r"\{(\w+)\}", objective)))
            steps.append(
                PlanStep(
                    name=name,
                    kind="math",
                    objective=objective,
                    inputs=inputs,
                    acceptance=(Check(kind="inverse"),),
                    meta=meta,
                )
            )
        latest[line.target] = name
        if line.place:
            at_place[line.place] = dict(latest)
        if line.target == "answer":
            answer = name
    if not answer:
        raise PlanError("nothing tells which amount is asked for")
    return steps, answer
