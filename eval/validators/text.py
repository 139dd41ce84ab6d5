"""``exact``, ``unordered`` and ``any_of``: checks of the text itself, no code run."""

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
from tiers.numbers import bare_number
from tiers.protocol import Check, CheckResult, Validator

_BULLET = re.compile(r"^(?:[-*•]|\d{1,3}[.)])\s+")
_COMMAS = re.compile(r",\s+|(?<!\d),|,(?!\d)")
"""Commas between items where white space follows some: others group the digits of a number."""


class ExactSpec(Spec):
    """The expected text and what does not matter in it."""

    expected: str
    ignore_space: bool = True
    """Runs of white space count as one space, none at the ends."""
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
    separated by line ends, else semicolons, else commas; bullets and quotes are taken off."""

    kinds = frozenset({"unordered"})

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Signature: ``wrong-value``."""
        spec = read_spec(UnorderedSpec, check)
        found = Counter(_item(item, spec.ignore_case) for item in _items(strip_thoughts(artifact)))
        wanted = Counter(_item(item, spec.ignore_case) for item in spec.expected)
        if found == wanted:
            return passed(check)
        sides = {"missing": wanted - found, "not expected": found - wanted}
        parts = [f"{name} {show(sorted(side.elements()))}" for name, side in sides.items() if side]
        return failed(check, "wrong-value", "the list is wrong: " + ", ".join(parts))


class AnyOfValidator:
    """Spec ``{"checks": [{"kind", "spec"}, …]}``: passes where one of them passes; inconclusive where
    none does and one of them is."""

    kinds = frozenset({"any_of"})

    def __init__(self, by_kind: dict[str, Validator]) -> None:
        """``by_kind`` is the registry the inner checks are looked up in."""
        self._by_kind = by_kind

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Signature: the first inner check's."""
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


def _items(text: str) -> list[object]:
    text = text.strip()
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        listed = None
    if isinstance(listed, list):
        return listed
    separator = next((s for s in ("\n", ";", ",") if s in text), "\n")
    spaced = separator == "," and re.search(r",\s", text)
    items = _COMMAS.split(text) if spaced else text.split(separator)
    return [item for item in items if item.strip()]


def _item(item: object, ignore_case: bool) -> str:
    """One form for equal items: numbers by value, ``2`` as ``2.0``."""
    text = item if isinstance(item, str) else show(item, 4096)
    text = _BULLET.sub("", " ".join(text.split())).strip("\"'`[] ")
    if (number := bare_number(text)) is not None:
        return str(number)
    return text.casefold() if ignore_case else text
