"""The check ``numeric``: the number that is the answer."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from pydantic import Field, field_validator

from eval.validators.compare import show
from eval.validators.verdict import Spec, failed, passed, read_spec
from tiers.numbers import answer_number
from tiers.protocol import Check, CheckResult


class NumericSpec(Spec):
    """The expected number and the absolute tolerance."""

    expected: int | float | str
    tol: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @field_validator("expected")
    @classmethod
    def _is_number(cls, value: int | float | str) -> int | float | str:
        if to_number(value) is None:
            raise ValueError(f"{show(value)} is not a number that can be read in one way only")
        return value


class NumericValidator:
    """Spec ``{"expected": number, "tol": 0}``: compares the number that the text gives as its
    answer, as :func:`tiers.numbers.answer_number` reads it."""

    kinds = frozenset({"numeric"})

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Signatures: ``no-number``, ``wrong-value``."""
        spec = read_spec(NumericSpec, check)
        found = answer_number(artifact)
        if found is None:
            wanted = show_number(spec.expected)
            detail = f"the answer gives no number that can be read in one way, expected {wanted}"
            return failed(check, "no-number", detail)
        if same_number(found, spec.expected, spec.tol):
            return passed(check)
        detail = f"the answer is {show_number(found)}, expected {show_number(spec.expected)}"
        return failed(check, "wrong-value", detail)


def to_number(value: object) -> Fraction | None:
    """``value`` as an exact number, decimals as written; None unless it is a finite number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return Fraction(repr(float(value))) if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return Fraction(value) if value.is_finite() else None
    if isinstance(value, (int, Fraction)):
        return Fraction(value)
    return answer_number(value) if isinstance(value, str) else None


def same_number(actual: Fraction, expected: int | float | str, tol: float) -> bool:
    """Whether the two differ by at most ``tol``, computed exactly."""
    wanted = to_number(expected)
    return wanted is not None and abs(actual - wanted) <= Fraction(repr(float(tol)))


def show_number(value: object) -> str:
    """A number for a detail line."""
    if isinstance(value, Fraction) and value.denominator != 1:
        return f"{float(value):.12g}" if abs(value) < 1e300 else "a huge fraction"
    return show(value.numerator) if isinstance(value, Fraction) else show(value)
