"""Equality of plain values, and their text in one line."""

from __future__ import annotations

import cmath
import json
import math
from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import accumulate
from operator import itemgetter
from typing import Any

from eval.validators.driver import Opaque

SHOWN = 120
"""Most characters of one value in a detail line."""


def equal(actual: object, expected: object, tol: float = 0.0) -> bool:
    """Whether ``actual`` equals ``expected``, both plain data.

    Like Python's ``==``, except: numbers may differ by ``tol`` (absolute) at any depth; nan equals
    nan; tuples equal lists; a set equals a list of its elements in any order; dictionary keys are
    also equal by their JSON text, because specs are stored as JSON. Elements of sets, and keys, may
    be paired in any way that makes all pairs equal.
    """
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        pairs = zip(actual, expected, strict=False)
        return len(actual) == len(expected) and all(equal(a, e, tol) for a, e in pairs)
    if isinstance(actual, (set, frozenset)) and isinstance(expected, (set, frozenset, list, tuple)):
        return _pair_up(list(actual), list(expected), tol)
    if isinstance(actual, dict) and isinstance(expected, dict):
        return _same_items(actual, expected, tol)
    if isinstance(actual, (int, float, complex)) and isinstance(expected, (int, float, complex)):
        return _same_number(actual, expected, tol)
    return type(actual) is type(expected) and not isinstance(actual, Opaque) and actual == expected


def show(value: object, width: int = SHOWN) -> str:
    """``value`` as Python would write it, in one line of at most ``width`` characters."""
    try:
        text = repr(value)
    except ValueError:  # An integer beyond Python's limit for decimal conversion.
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
    if isinstance(actual, complex) or isinstance(expected, complex):
        if not (cmath.isfinite(actual) and cmath.isfinite(expected)):
            parts = (actual.real, expected.real), (actual.imag, expected.imag)
            return all(_same_number(a, e, tol) for a, e in parts)
    elif actual != actual or expected != expected:
        return actual != actual and expected != expected
    try:
        return abs(actual - expected) <= tol
    except OverflowError:  # An integer too large for a float.
        return False


def _same_items(actual: dict[Any, object], expected: dict[Any, object], tol: float) -> bool:
    if len(actual) != len(expected):
        return False
    left = {_json_text(key): value for key, value in actual.items()}
    right = {_json_text(key): value for key, value in expected.items()}
    apart = len(left) == len(right) == len(actual)  # 1 and "1" have the same text.
    if apart and left.keys() == right.keys() and all(equal(left[k], right[k], tol) for k in left):
        return True
    return _pair_up(
        [(_read_key(key, expected), value) for key, value in actual.items()],
        [(_read_key(key, actual), value) for key, value in expected.items()],
        tol,
    )


def _json_text(key: object) -> object:
    """The text by which JSON stores a dictionary key; the key itself where it has none."""
    if key is not None and not isinstance(key, (int, float)):
        return key
    try:
        return json.dumps(key)
    except ValueError:  # An integer beyond Python's limit for decimal conversion.
        return key


def _read_key(key: object, others: dict[Any, object]) -> object:
    """A dictionary key in comparable form: a text is read as JSON where the ``others`` have a key
    of that type and not the text itself."""
    if not isinstance(key, str) or key in others or key != key.strip():
        return key
    try:
        read = json.loads(key)
    except (ValueError, RecursionError):
        return key
    kind = _key_kind(read)
    return read if kind and any(_key_kind(other) == kind for other in others) else key


def _key_kind(key: object) -> str:
    """The type of a key that JSON turns into text; empty for other keys."""
    if key is None or isinstance(key, bool):
        return type(key).__name__
    return "number" if isinstance(key, (int, float)) else ""


def _pair_up(actual: list[Any], expected: list[Any], tol: float) -> bool:
    """Whether the elements can be paired, each with one of the other side that it equals: a perfect
    matching (Hopcroft and Karp 1973). Only elements of like contents are compared."""
    if len(actual) != len(expected):
        return False
    sides: list[dict[Any, list[tuple[float, Any]]]] = [{}, {}]
    for side, elements in zip(sides, (actual, expected), strict=True):
        for element in elements:
            contents, total = _contents(element)
            side.setdefault(contents, []).append((total, element))
    left, right = sides
    return all(len(left[contents]) == len(right.get(contents, ())) for contents in left) and all(
        _match(left[c], right[c], c[0], tol) for c in left
    )


def _match(
    left: list[tuple[float, Any]], right: list[tuple[float, Any]], numbers: int, tol: float
) -> bool:
    left, right = sorted(left, key=itemgetter(0)), sorted(right, key=itemgetter(0))
    if all(equal(a, e, tol) for (_, a), (_, e) in zip(left, right, strict=True)):
        return True
    totals = [total for total, _ in right]
    edges: list[list[int]] = []
    for total, element in left:
        reach = numbers * tol + 1e-9 * (abs(total) + numbers * tol)
        near = range(bisect_left(totals, total - reach), bisect_right(totals, total + reach))
        edges.append([k for k in near if equal(element, right[k][1], tol)])
        if not edges[-1]:
            return False
    if all(len(found) == len(right) for found in edges):
        return True
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    columns = [k for found in edges for k in found]
    starts = [0, *accumulate(map(len, edges))]
    graph = csr_array(([1] * len(columns), columns, starts), shape=(len(left), len(right)))
    return bool((maximum_bipartite_matching(graph, perm_type="column") >= 0).all())


def _contents(value: object) -> tuple[tuple[int, frozenset[tuple[str, int]]], float]:
    """Properties that equal values share, whatever the tolerance and the order: the number of
    finite numbers and the other contents, and the sum of the numbers, equal up to the tolerance of
    each."""
    numbers, others, left = list[float](), Counter[str](), [value]
    while left:
        one = left.pop()
        if isinstance(one, (list, tuple, set, frozenset)):
            others["[]"] += 1
            left.extend(one)
        elif isinstance(one, (int, float, complex)):
            try:
                finite = cmath.isfinite(one)
                numbers.extend([float(one.real)] if finite else [])
                others["not finite"] += not finite
            except OverflowError:
                others["huge"] += 1
        else:
            others["{}" if isinstance(one, dict) else f"{type(one).__name__} {one!r}"] += 1
    held = frozenset((name, count) for name, count in others.items() if count)
    return (len(numbers), held), math.fsum(numbers)
