"""Equality of plain values, and how a value reads in one line."""

from __future__ import annotations

import math
from collections.abc import Iterable

from eval.validators.driver import Opaque

SHOWN = 120
"""Characters of one value in a detail line."""


def equal(actual: object, expected: object, tol: float = 0.0) -> bool:
    """Whether ``actual`` is what was expected, both plain data.

    As Python's ``==``, except: numbers may differ by ``tol`` (absolute); nan equals nan; tuples
    equal lists; a set equals a list of its elements in any order; dictionary keys compare by the
    text that JSON gives them, because specs are stored as JSON.
    """
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        pairs = zip(actual, expected, strict=False)
        return len(actual) == len(expected) and all(equal(a, e, tol) for a, e in pairs)
    if isinstance(actual, (set, frozenset)) and isinstance(expected, (set, frozenset, list, tuple)):
        return len(actual) == len(expected) and _same_elements(actual, expected, tol)
    if isinstance(actual, dict) and isinstance(expected, dict):
        left = {_key(key): value for key, value in actual.items()}
        right = {_key(key): value for key, value in expected.items()}
        return left.keys() == right.keys() and all(equal(left[k], right[k], tol) for k in left)
    if isinstance(actual, (int, float, complex)) and isinstance(expected, (int, float, complex)):
        return _same_number(actual, expected, tol)
    return type(actual) is type(expected) and not isinstance(actual, Opaque) and actual == expected


def show(value: object, width: int = SHOWN) -> str:
    """``value`` as Python would write it, in one line of at most ``width`` characters."""
    try:
        text = repr(value)
    except ValueError:  # an integer beyond Python's limit for decimal conversion
        text = f"<{type(value).__name__} with thousands of digits>"
    return one_line(text, width)


def one_line(text: str, width: int = 300) -> str:
    """``text`` in one line of at most ``width`` characters, safe to store as UTF-8."""
    flat = " ".join(text[: 4 * width].split())
    flat = flat.encode("utf-8", errors="backslashreplace").decode("utf-8")
    flat = "".join(character if character.isprintable() else "?" for character in flat)
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def _same_number(actual: complex, expected: complex, tol: float) -> bool:
    if actual == expected:
        return True
    try:
        if isinstance(actual, float) and isinstance(expected, float) and math.isnan(actual):
            return math.isnan(expected)
        return abs(actual - expected) <= tol
    except OverflowError:  # an integer too large for a float
        return False


def _same_elements(actual: Iterable[object], expected: Iterable[object], tol: float) -> bool:
    left, right = {_frozen(item) for item in actual}, {_frozen(item) for item in expected}
    if left == right or not tol:
        return left == right
    numbers = [[x for x in side if isinstance(x, (int, float))] for side in (left, right)]
    if len(numbers[0]) != len(left) or len(numbers[1]) != len(right):
        return False
    return equal(sorted(numbers[0]), sorted(numbers[1]), tol)


def _frozen(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, (set, frozenset)):
        return frozenset(_frozen(item) for item in value)
    if isinstance(value, dict):
        return frozenset((_key(key), _frozen(item)) for key, item in value.items())
    return value


def _key(key: object) -> object:
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return show(key, 4096) if isinstance(key, (int, float)) else _frozen(key)
