"""Single operations, and the checks of their results that the fleet itself can carry out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specialists.pocket.arithmetic import parse as parse_operation
from specialists.pocket.arithmetic import read_result, within_reach
from tiers.checking import undecided
from tiers.crafts import Ask, PlainCraft
from tiers.domains.story.long_arithmetic import Procedure, Unfit, procedure, stage
from tiers.protocol import Check, CheckResult, Delegation, Parts, PlanError, PlanStep
from tiers.run_context import RunContext

WIDEST_FACTOR, MOST_ADDITIONS = 999, 9
"""The largest factor that the fleet multiplies, and the most additions that replace a
multiplication."""
UNREAD = "no-evidence"
"""Signature of an inverse operation that no specialist could do."""


@dataclass(frozen=True)
class _Claim:
    """Operations that confirm ``a op b = c``: one with a known result, or two that must agree."""

    operations: tuple[str, ...]
    result: int | None = None

    def borne_out(self, values: Sequence[int | None], c: int) -> bool:
        """Whether the operations' ``values`` confirm ``c``; values equal to ``c`` itself confirm
        nothing."""
        if self.result is not None:
            return values[0] == self.result
        return len(set(values)) == 1 and values[0] not in (None, c)

    def refuted(self, values: Sequence[int | None], c: int) -> bool:
        """Whether the operations' ``values`` refute ``c``; unreadable values refute nothing."""
        if None in values or self.borne_out(values, c):
            return False
        return self.result is not None or len(set(values)) > 1


def _claims(a: int, op: str, b: int, c: int) -> list[_Claim]:
    """Claims that hold if ``a op b = c``, the strongest evidence first; only operations within
    reach.

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
    """Whether no natural number inverts ``a op b = c``: too small, too large, or not divisible."""
    if op in ("-", "/"):
        return c > a
    return c < max(a, b) if op == "+" or not a * b else bool(c % a or c % b)


def operation_step(name: str, objective: str, target: str = "answer") -> PlanStep:
    """A step of one operation, checked by other operations that must fit its result."""
    return PlanStep(
        name=name, kind="math", objective=objective,
        inputs=tuple(dict.fromkeys(re.findall(r"\{(\w+)\}", objective))),
        acceptance=(Check(kind="inverse"),), meta={"target": target, "place": None},
    )  # fmt: skip


def _written_out(order: Delegation) -> Procedure | None:
    operation = parse_operation(order.objective)
    return procedure(*map(str, operation)) if operation is not None else None


def _beyond(order: Delegation, check: Check, c: int) -> CheckResult:
    """The result for an operation that no specialist is trained on, in one go: nobody can confirm it,
    so it is written out instead. What its parts made stands on their own checks."""
    if order.assembly is not None:
        return undecided(check, UNREAD, f"nothing confirms {order.objective} = {c} in one go")
    return CheckResult(
        kind="inverse", passed=False, signature="out-of-reach",
        detail=f"{order.objective} is more than the fleet does in one go",
    )  # fmt: skip


class MathCraft(PlainCraft):
    """One operation, checked by asking the fleet for operations that must fit its result.

    The first operations that the fleet can do are the evidence; where the fleet can do none with
    such numbers, a second derivation by another adapter is the evidence.
    """

    reusable = True
    specialist = "math"
    exact = True

    def extract(self, order: Delegation, answer: str) -> str | None:
        """The number that the answer ends with."""
        value = read_result(answer)
        return None if value is None else str(value)

    def divisible(self, context: RunContext, order: Delegation) -> bool:
        """Whether the operation can be written out as smaller ones."""
        return _written_out(order) is not None

    async def take_apart(
        self, context: RunContext, order: Delegation, results: Mapping[str, str]
    ) -> Parts | None:
        """The operation written out as on paper; see :mod:`tiers.domains.story.long_arithmetic`."""
        steps = _written_out(order)
        if steps is None:
            return None
        try:
            now = stage(steps, results)
        except Unfit as fault:
            raise PlanError(str(fault)) from None
        return Parts(
            steps=tuple(operation_step(name, what) for name, what in now.operations.items()),
            artifact=now.result,
        )

    async def check(
        self, context: RunContext, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        """The check ``inverse``: whether other operations confirm the result."""
        if check.kind != "inverse":
            return await super().check(context, order, check, artifact, ask)
        operation = parse_operation(order.objective)
        if operation is None:
            detail = f"{order.objective!r} is not one operation"
            return undecided(check, "not-an-operation", detail)
        a, op, b = operation
        c = int(artifact)
        if op == "/" and c > WIDEST_FACTOR and b <= MOST_ADDITIONS:
            return await self._added_up(context, check, (a, b, c), ask)
        claims = [(context.card("math"), claim) for claim in _claims(a, op, b, c)]
        if not claims and _impossible(a, op, b, c):
            return CheckResult(
                kind="inverse", passed=False, signature="no-inverse",
                detail=f"{order.objective} = {c} has no inverse",
            )  # fmt: skip
        if not claims and not within_reach(op, a, b) and _written_out(order) is not None:
            return _beyond(order, check, c)
        if not claims:
            claims = [(context.card("generalist"), _Claim((order.objective,), c))]
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
        context: RunContext, check: Check, numbers: tuple[int, int, int], ask: Ask
    ) -> CheckResult:
        """Whether ``c`` added ``b`` times is ``a``; for a ``c`` that is too large for the fleet to
        multiply."""
        a, b, c = numbers
        card, total = context.card("math"), c
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

    def worked(self, step: PlanStep) -> PlanStep:
        """The step of a given amount as an operation that leaves the amount unchanged."""
        return step.model_copy(
            update={
                "objective": f"{step.given} + 0", "given": None,
                "acceptance": (Check(kind="inverse"), *step.acceptance),
            }
        )  # fmt: skip

    def misfit(self, objective: str, inputs: Sequence[str], *, given: bool) -> str:
        """Why the objective does not fit: a given amount is a number, any other objective is one
        operation."""
        if given:
            return "" if objective.isdigit() else f"a given amount is a number, not {objective!r}"
        probe = re.sub(
            r"\{(\w+)\}", lambda match: "1" if match[1] in inputs else match[0], objective
        )
        return "" if parse_operation(probe) else f"{objective!r} is not `operand op operand`"

    def redo(self, objective: str) -> str | None:
        """The exact result; ``None`` for a division with a remainder."""
        operation = parse_operation(objective)
        if operation is None:
            return None
        a, op, b = operation
        if op == "/" and (b == 0 or a % b):
            return None
        return str({"+": a + b, "-": a - b, "*": a * b, "/": a // b if b else 0}[op])
