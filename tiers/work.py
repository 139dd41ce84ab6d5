"""How each kind of step is asked, read and checked.

A *craft* turns a delegation into a prompt, takes the artifact out of the answer, and checks it. The
checks of a craft use the model (an inverse operation, a second derivation by another adapter) or run
code that the model wrote; they never compute the reference themselves.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from specialists.pocket.arithmetic import parse as parse_operation
from specialists.pocket.arithmetic import read_result, within_reach
from specialists.pocket.domains import program_prompt, solve_prompt
from specialists.pocket.explain import explain_prompt, explains
from specialists.pocket.stories import Step
from specialists.registry import Card
from tiers.checking import NO_CHECKER, examine, undecided
from tiers.numbers import answer_number, write_number
from tiers.protocol import Check, CheckResult, Delegation
from tiers.room import Room
from tiers.splitter import sentences

WIDEST_FACTOR, MOST_ADDITIONS = 999, 9
"""Largest factor that the fleet multiplies, and how often it adds instead."""

WRONG_VALUE = "wrong-value"
"""Signature of a program that gives another number; see ``eval.validators.causes``."""
UNREAD = "no-evidence"
"""Signature of an inverse operation that nobody could do."""
DERIVATIONS = 3
"""Programs that are asked for before a second derivation is given up."""

Ask = Callable[[Card, str, int], Awaitable[str]]
"""(specialist, prompt, sample number) → answer: a further call on the same delegation's account.

Asked the same prompt again, a specialist answers with a fresh sample.
"""


def fill(objective: str, inputs: dict[str, str]) -> str:
    """``objective`` with each ``{name}`` replaced by the input of that name."""
    return re.sub(r"\{(\w+)\}", lambda m: inputs.get(m[1], m[0]), objective)


class Craft(Protocol):
    """One kind of work."""

    def prompt(self, order: Delegation) -> str:
        """What the specialist is asked."""
        ...

    def extract(self, order: Delegation, answer: str) -> str | None:
        """The artifact in the answer, or ``None`` when it holds none."""
        ...

    async def check(
        self, room: Room, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        """Run one acceptance check that is this craft's own."""
        ...


@dataclass(frozen=True)
class _Plain:
    """Text in, text out; checks are all validators'."""

    def prompt(self, order: Delegation) -> str:
        return order.objective

    def extract(self, order: Delegation, answer: str) -> str | None:
        return answer.strip() or None

    async def check(
        self, room: Room, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        return undecided(check, NO_CHECKER, f"nobody can run the check {check.kind}")


@dataclass(frozen=True)
class _Claim:
    """Operations that bear out ``a op b = c``: one with a known result, or two that must agree."""

    operations: tuple[str, ...]
    result: int | None = None

    def borne_out(self, values: Sequence[int | None], c: int) -> bool:
        """Whether the operations' ``values`` confirm ``c``; answers equal to it show nothing."""
        if self.result is not None:
            return values[0] == self.result
        return len(set(values)) == 1 and values[0] not in (None, c)

    def refuted(self, values: Sequence[int | None], c: int) -> bool:
        """Whether the operations' ``values`` speak against ``c``; unreadable ones say nothing."""
        if None in values or self.borne_out(values, c):
            return False
        return self.result is not None or len(set(values)) > 1


def _claims(a: int, op: str, b: int, c: int) -> list[_Claim]:
    """What holds if ``a op b = c``, the strongest evidence first; within reach only.

    No operation asks for ``c`` itself: a specialist that repeats itself must not confirm itself.
    """
    rows = {
        "+": [((c, "-", b), a), ((c, "-", a), b)],
        "-": [((c, "+", b), a), ((b, "+", c), a), ((a, "-", c), b)],
        "*": [((c, "/", b), a), ((c, "/", a), b)],
        "/": [((c, "*", b), a), ((b, "*", c), a), ((a, "/", c), b)],
    }[op]
    claims = [
        _Claim((f"{x} {sign} {y}",), result)
        for (x, sign, y), result in rows
        if within_reach(sign, x, y) and (x, sign, y) != (a, op, b)
    ]
    if op == "*" and a > 0 and b > 1 and within_reach("-", c, a) and within_reach("*", a, b - 1):
        # a·b − a = a·(b − 1), which needs no division.
        claims.insert(0, _Claim((f"{c} - {a}", f"{a} * {b - 1}")))
    return claims


def _impossible(a: int, op: str, b: int, c: int) -> bool:
    """Whether no natural number undoes ``a op b = c``: too small, too large, or not divisible."""
    if op in ("-", "/"):
        return c > a
    return c < max(a, b) if op == "+" or not a * b else bool(c % a or c % b)


class MathCraft(_Plain):
    """One operation; checked by asking the fleet for operations that must fit its result.

    The first that do are taken as evidence; where the fleet knows none for such numbers, a second
    derivation by another adapter is.
    """

    def extract(self, order: Delegation, answer: str) -> str | None:
        value = read_result(answer)
        return None if value is None else str(value)

    async def check(
        self, room: Room, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        if check.kind != "inverse":
            return await super().check(room, order, check, artifact, ask)
        operation = parse_operation(order.objective)
        if operation is None:
            detail = f"{order.objective!r} is not one operation"
            return undecided(check, "not-an-operation", detail)
        a, op, b = operation
        c = int(artifact)
        if op == "/" and c > WIDEST_FACTOR and b <= MOST_ADDITIONS:
            return await self._added_up(room, check, (a, b, c), ask)
        claims = [(room.card("math"), claim) for claim in _claims(a, op, b, c)]
        if not claims and _impossible(a, op, b, c):
            return CheckResult(
                kind="inverse", passed=False, signature="no-inverse",
                detail=f"{order.objective} = {c} has no inverse",
            )  # fmt: skip
        if not claims:
            claims = [(room.card("generalist"), _Claim((order.objective,), c))]
        found: list[str] = []
        asked = 0
        for card, claim in claims:
            if card is None:
                continue
            values = []
            for operation_asked in claim.operations:
                values.append(read_result(await ask(card, operation_asked, asked)))
                asked += 1
            told = " and ".join(f"{o} = {v}" for o, v in zip(claim.operations, values, strict=True))
            if claim.borne_out(values, c):
                return CheckResult(kind="inverse", passed=True, detail=f"{told} by {card.name}")
            if claim.refuted(values, c):
                found.append(told)
        if not found:
            return undecided(check, UNREAD, f"nothing confirms {order.objective} = {c}")
        return CheckResult(
            kind="inverse", passed=False, signature="inverse-mismatch",
            detail=f"{found[0]} speaks against {order.objective} = {c}",
        )  # fmt: skip

    @staticmethod
    async def _added_up(
        room: Room, check: Check, numbers: tuple[int, int, int], ask: Ask
    ) -> CheckResult:
        """Whether ``c`` taken ``b`` times is ``a``, by additions: the fleet multiplies no such ``c``."""
        a, b, c = numbers
        card, total = room.card("math"), c
        for number in range(b - 1):
            found = (
                read_result(await ask(card, f"{total} + {c}", number))
                if card and within_reach("+", total, c)
                else None
            )
            if found is None and total <= a:
                return undecided(check, UNREAD, f"nobody could add up {c} taken {b} times")
            if found is None:
                break
            total = found
        told = f"{c} taken {b} times is {total}"
        return CheckResult(
            kind="inverse", passed=total == a, detail=told if total == a else f"{told}, not {a}",
            signature="" if total == a else "inverse-mismatch",
        )  # fmt: skip


class ExplainCraft(_Plain):
    """Sentences that cite every step of a solution."""

    def _values(self, order: Delegation) -> tuple[list[tuple[Step, int, int | None, int]], int]:
        values: list[tuple[Step, int, int | None, int]] = []
        for row in order.meta["steps"]:
            result = int(order.inputs[row["name"]])
            operation = parse_operation(fill(row["objective"], order.inputs))
            if operation is None:
                values.append((Step(row["target"], str(result)), result, None, result))
            else:
                a, op, b = operation
                values.append((Step(row["target"], str(a), op, str(b)), a, b, result))
        return values, int(order.inputs[order.meta["answer"]])

    def prompt(self, order: Delegation) -> str:
        return explain_prompt(*self._values(order))

    async def check(
        self, room: Room, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        if check.kind != "cites":
            return await super().check(room, order, check, artifact, ask)
        fault = explains(artifact, *self._values(order))
        return CheckResult(
            kind="cites", passed=not fault, detail=fault or "every step is cited with its numbers",
            signature=re.sub(r"\d+|\[.*?\]", "#", fault),
        )  # fmt: skip


class CodeCraft(_Plain):
    """A program; one that tells a story's answer is checked against the solved number."""

    def prompt(self, order: Delegation) -> str:
        if not order.meta.get("story"):
            return order.objective
        return program_prompt(sentences(order.objective))

    async def check(
        self, room: Room, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        if check.kind != "cross":
            return await super().check(room, order, check, artifact, ask)
        solved = order.inputs[order.meta["answer"]]
        return await _cross(room, artifact, solved, f"the program also gives {solved}")


class SolveCraft(_Plain):
    """A whole story in one call; checked by a program that another adapter writes."""

    def prompt(self, order: Delegation) -> str:
        return solve_prompt(sentences(order.objective))

    def extract(self, order: Delegation, answer: str) -> str | None:
        number = answer_number(answer)
        return None if number is None else write_number(number)

    async def check(
        self, room: Room, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        card = room.card("code")
        if check.kind != "cross" or card is None:
            return await super().check(room, order, check, artifact, ask)
        agrees = f"a program by {card.name} also gives {artifact}"
        for number in range(DERIVATIONS):
            program = await ask(card, program_prompt(sentences(order.objective)), number)
            result = await _cross(room, program, artifact, agrees)
            if result.passed or result.signature == WRONG_VALUE:
                return result
            if result.inconclusive:
                break
        # A program that gives no number says nothing about the one that was solved for.
        why = f"no program by {card.name} gives a number to compare: {result.detail}"
        return undecided(check, "no-derivation", why)


async def _cross(room: Room, program: str, value: str, agrees: str) -> CheckResult:
    """Whether ``solve`` of a program gives the number that was solved for, as it is written."""
    number = answer_number(value)
    if number is None:
        detail = f"{value[:60]!r} is no number that a program could be compared with"
        return undecided(Check(kind="cross"), "no-number", detail)
    spec = {"expected": write_number(number), "entry_point": "solve"}
    result = await examine(room.validators, program, Check(kind="program_value", spec=spec))
    return result.model_copy(update={"kind": "cross", "detail": result.detail or agrees})


CRAFTS: dict[str, Craft] = {
    "math": MathCraft(),
    "explain": ExplainCraft(),
    "code": CodeCraft(),
    "solve": SolveCraft(),
    "text": _Plain(),
}
