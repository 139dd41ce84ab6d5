"""The checks ``exact``, ``unordered`` and ``any_of``, which compare the text itself without running
code."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from pydantic import Field

from eval.validators.compare import show
from eval.validators.extract import strip_thoughts
from eval.validators.verdict import Spec, failed, inconclusive, passed, read_spec
from state.errors import UsageError
from tiers.number_tokens import literal
from tiers.numbers import bare_number
from tiers.protocol import Check, CheckResult, Validator

_BULLET = re.compile(r"^(?:[-*•]|\d{1,3}[.)])\s+")
_GROUPED = re.compile(r"\d+(?:,\d+)+")


class ExactSpec(Spec):
    """The expected text, and the differences that are ignored."""

    expected: str
    ignore_space: bool = True
    """Whether runs of white space count as one space, and none at the ends."""
    ignore_case: bool = False


class UnorderedSpec(Spec):
    """The expected items; their order does not matter, their number does."""

    expected: list[str | int | float]
    ignore_case: bool = False


class AnyOfSpec(Spec):
    """Checks of which one must pass."""

    checks: list[dict[str, Any]] = Field(min_length=1)


class ExactValidator:
    """Spec ``{"expected": text, "ignore_space": true, "ignore_case": false}``."""

    kinds = frozenset({"exact"})

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Signature: ``wrong-value``."""
        spec = read_spec(ExactSpec, check)
        text = strip_thoughts(artifact)
        options = spec.ignore_space, spec.ignore_case
        if _normal(text, *options) == _normal(spec.expected, *options):
            return passed(check)
        detail = f"the answer is {show(text.strip())}, expected {show(spec.expected)}"
        return failed(check, "wrong-value", detail)


class UnorderedValidator:
    """Spec ``{"expected": [items], "ignore_case": false}``: the text is a JSON list, or items
    separated by line ends, else semicolons, else commas; bullets, quotes and brackets are removed.
    A comma that can both separate items and group digits may do either."""

    kinds = frozenset({"unordered"})

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Signature: ``wrong-value``."""
        spec = read_spec(UnorderedSpec, check)
        readings = [
            Counter(_item(item, spec.ignore_case) for item in items)
            for items in _readings(strip_thoughts(artifact))
        ]
        wanted = Counter(_item(item, spec.ignore_case) for item in spec.expected)
        if wanted in readings:
            return passed(check)
        found = readings[0]
        sides = {"missing": wanted - found, "not expected": found - wanted}
        parts = [f"{name} {show(sorted(side.elements()))}" for name, side in sides.items() if side]
        return failed(check, "wrong-value", "the list is wrong: " + ", ".join(parts))


class AnyOfValidator:
    """Spec ``{"checks": [{"kind", "spec"}, …]}``: passes where one of them passes; inconclusive
    where none passes and one of them is inconclusive."""

    kinds = frozenset({"any_of"})

    def __init__(self, by_kind: dict[str, Validator]) -> None:
        """Use ``by_kind`` as the registry of validators for the inner checks."""
        self._by_kind = by_kind

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. The signature is that of the first inner check."""
        inner = [Check.model_validate(item) for item in self._checks(check)]
        seconds, misses = 0.0, []
        for one in inner:
            result = await self._by_kind[one.kind].validate(artifact, one)
            seconds += result.seconds
            if result.passed:
                return passed(check, seconds)
            misses.append(result)
        if (doubt := next((m for m in misses if m.inconclusive), None)) is not None:
            return inconclusive(check, doubt.signature, doubt.detail, seconds)
        detail = f"none of {len(misses)} alternatives holds; first: {misses[0].detail}"
        return failed(check, misses[0].signature, detail, seconds)

    def _checks(self, check: Check) -> list[dict[str, Any]]:
        spec = read_spec(AnyOfSpec, check)
        for number, item in enumerate(spec.checks):
            if set(item) - {"kind", "spec"} or not isinstance(item.get("spec", {}), dict):
                raise UsageError(f"check 'any_of': checks.{number}: give kind and spec, no more")
            kind = item.get("kind")
            if not isinstance(kind, str) or kind not in self._by_kind:
                raise UsageError(f"check 'any_of': checks.{number}: no kind {kind!r}")
        return spec.checks


def _normal(text: str, ignore_space: bool, ignore_case: bool) -> str:
    text = " ".join(text.split()) if ignore_space else text
    return text.casefold() if ignore_case else text


def _readings(text: str) -> list[list[object]]:
    """The items of a list, the likelier reading first."""
    text = text.strip()
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        listed = None
    if isinstance(listed, list):
        return [listed]
    if text[:1] + text[-1:] in ("[]", "()", "{}") and text.count(text[0]) == 1:
        text = text[1:-1].strip()
    lines = text.split("\n")
    if all(line.rstrip().endswith((",", ";")) for line in lines[:-1]):
        text = " ".join(lines)  # The marks at the line ends are the separators.
    separator = next((s for s in ("\n", ";", ",") if s in text), "\n")
    readings = [text.split(separator)]
    if separator == ",":
        grouped = [item.replace("\0", ",") for item in _GROUPED.sub(_hide, text).split(",")]
        spaced = re.search(r",\s", text) is not None
        readings.insert(0 if spaced else 1, grouped)
    return [[item for item in items if item.strip()] for items in readings]


def _hide(match: re.Match[str]) -> str:
    """Digits in groups without their commas; other matches unchanged."""
    return match[0] if literal(match[0]) is None else match[0].replace(",", "\0")


def _item(item: object, ignore_case: bool) -> str:
    """One form for equal items: numbers by value, ``2`` like ``2.0``."""
    text = item if isinstance(item, str) else show(item, 4096)
    text = _BULLET.sub("", " ".join(text.split())).strip("\"'`[] ")
    if (number := bare_number(text)) is not None:
        return str(number)
    return text.casefold() if ignore_case else text
