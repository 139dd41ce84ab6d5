"""The check ``explanation``: whether sentences explain solved steps, citing each once and in
order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from eval.validators.extract import strip_thoughts
from eval.validators.verdict import Spec, failed, passed, read_spec
from specialists.pocket.explain import explains
from specialists.pocket.stories import Step
from tiers.protocol import Check, CheckResult


class SolvedStep(Spec):
    """A step ``target: left op right = result``; without ``op`` the first amount of ``target``."""

    target: str
    op: str | None = None
    left: int
    right: int | None = None
    result: int


class ExplanationSpec(Spec):
    """The steps that must be explained, and their answer."""

    values: list[SolvedStep] = Field(min_length=1)
    answer: int


class ExplanationValidator:
    """Spec ``{"values": [{"target", "op", "left", "right", "result"}], "answer": number}``."""

    kinds = frozenset({"explanation"})

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Signature: ``wrong-explanation``."""
        spec = read_spec(ExplanationSpec, check)
        values = [
            (Step(v.target, str(v.left), v.op, None if v.right is None else str(v.right)),
             v.left, v.right, v.result)
            for v in spec.values
        ]  # fmt: skip
        miss = explains(strip_thoughts(artifact), values, spec.answer)
        return failed(check, "wrong-explanation", miss) if miss else passed(check)


def explanation_spec(
    values: Sequence[tuple[Step, int, int | None, int]], answer: int
) -> dict[str, Any]:
    """The spec for an explanation of a story's ``values``, as plain data."""
    steps = [
        {"target": step.target, "op": step.op, "left": a, "right": b, "result": result}
        for step, a, b, result in values
    ]
    return {"values": steps, "answer": answer}
