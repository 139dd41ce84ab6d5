"""``numeric``: the number an answer ends in."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from pydantic import Field, field_validator

from eval.validators.compare import show
from eval.validators.extract import strip_thoughts
from eval.validators.verdict import Spec, failed, passed, read_spec
from tiers.protocol import Check, CheckResult

_NUMBER = re.compile(
    r"(?P<sign>(?<![\w.)\]])[-+−–])?(?:[$€£]\s?)?(?P<inner>(?<=[$€£])[-−])?"
    r"(?P<whole>(?<![^\W\d])(?<!\d)(?<!\d\.)(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)|(?<![\w.])(?=\.\d))"
    r"(?P<part>\.\d+)?(?P<power>[eE][-+]?\d{1,3}(?!\w))?(?P<below>/\d+(?!\.?\d))?"
)
_MARK = re.compile(r"####|\banswer\s*(?:is\b|:)|\\boxed\s*\{", re.IGNORECASE)
LONGEST = 400
"""Characters of a number that is still read as one."""


class NumericSpec(Spec):
    """The expected number and the absolute tolerance."""

    expected: int | float | str
    tol: float = Field(default=0.0, ge=0)

    @field_validator("expected")
    @classmethod
    def _is_number(cls, value: int | float | str) -> int | float | str:
        if to_number(value) is None:
            raise ValueError(f"{value!r} is not a number")
        return value


class NumericValidator:
    """Spec ``{"expected": number, "tol": 0}``: the last number of the text, or the one after the
    last ``####``, ``answer:``, ``answer is`` or ``\\boxed{``."""

    kinds = frozenset({"numeric"})

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Signatures: ``no-number``, ``wrong-value``."""
        spec = read_spec(NumericSpec, check)
        found = answer_number(artifact)
        if found is None:
            wanted = show_number(spec.expected)
            return failed(check, "no-number", f"no number in the answer, expected {wanted}")
        if same_number(found, spec.expected, spec.tol):
            return passed(check)
        detail = f"the answer is {show_number(found)}, expected {show_number(spec.expected)}"
        return failed(check, "wrong-value", detail)


def answer_number(text: str) -> Fraction | None:
    """The number that ``text`` gives as its answer: exact, None where there is none.

    Handles thousands separators, signs, decimals, exponents, ``a/b``, currency and percent signs
    (25% is 25). After a mark it is the first number of the line, or the first after its last
    ``=``; without one the last number of the text.
    """
    answer = strip_thoughts(text)
    for mark in reversed(list(_MARK.finditer(answer))):
        tail = answer[mark.end() :].lstrip()
        line = tail.partition("\n")[0].partition("####")[0]
        for part in (line.rpartition("=")[2], line):
            if numbers := _numbers(part):
                return numbers[0]
    numbers = _numbers(answer)
    return numbers[-1] if numbers else None


def to_number(value: object) -> Fraction | None:
    """``value`` as an exact number, decimals as written; None for what is not a finite number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, float):
        return Fraction(repr(value)) if math.isfinite(value) else None
    return answer_number(value) if isinstance(value, str) else None


def same_number(actual: Fraction, expected: int | float | str, tol: float) -> bool:
    """Whether the two differ by at most ``tol``, decided exactly."""
    wanted = to_number(expected)
    return wanted is not None and abs(actual - wanted) <= Fraction(repr(float(tol)))


def show_number(value: object) -> str:
    """A number for a detail line."""
    if isinstance(value, Fraction) and value.denominator != 1:
        return f"{float(value):.12g}" if abs(value) < 1e300 else "a huge fraction"
    return show(value.numerator) if isinstance(value, Fraction) else show(value)


def _numbers(text: str) -> list[Fraction]:
    return [number for match in _NUMBER.finditer(text) if (number := _value(match)) is not None]


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match[0]) > LONGEST:
        return None
    digits = (match["whole"] or "0").replace(",", "") + (match["part"] or "")
    value = Fraction(digits + (match["power"] or ""))
    if match["below"]:
        below = int(match["below"][1:])
        if not below:
            return None
        value /= below
    minus = match["inner"] or (match["sign"] or "+") != "+"
    return -value if minus else value
