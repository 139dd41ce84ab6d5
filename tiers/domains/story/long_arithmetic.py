"""Written-out arithmetic: large operations as sequences of smaller ones, as on paper.

Each procedure is a generator: it yields operations, is sent their results, and returns the result
of the whole. All values come from the caller that does the operations; the code here only cuts,
compares and joins digits.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

CHUNK = 3
"""Most digits of a number that are added, subtracted or multiplied in one operation."""
SHORT = 4
"""Digits up to which a number is cut into chunks of two: a part must be smaller than the whole."""

Procedure = Generator[list[str], list[str], str]
"""Generator that yields operations which may be done in parallel, is sent their results, and
returns its result."""


class Unfit(ValueError):
    """A result with which the procedure cannot continue; the message says which."""


@dataclass(frozen=True)
class Stage:
    """Progress of a procedure: its next operations by name, or its result."""

    operations: Mapping[str, str]
    result: str | None = None


def procedure(a: str, op: str, b: str) -> Procedure | None:
    """The written-out procedure of ``a op b``; ``None`` where it cannot be made smaller.

    ``a`` and ``b`` are natural numbers in decimal digits.
    """
    a, b = _plain(a), _plain(b)
    if op == "/":
        return _divide(a, b) if b != "0" and (len(a) > 1 or len(b) > 1) else None
    if op == "*":
        return _multiply(a, b) if len(a) > CHUNK or len(b) > 1 else None
    if max(len(a), len(b)) <= CHUNK:
        return None
    return _add(a, b) if op == "+" else _subtract(a, b)


def stage(steps: Procedure, results: Mapping[str, str]) -> Stage:
    """The first operations of a procedure whose results are not among ``results``.

    Operations are named ``p1``, ``p2``, … in the order in which they come. Raises :class:`Unfit`.
    """
    asked = 0
    try:
        operations = next(steps)
        while True:
            names = [f"p{asked + k}" for k in range(1, len(operations) + 1)]
            asked += len(operations)
            if any(name not in results for name in names):
                return Stage(dict(zip(names, operations, strict=True)))
            operations = steps.send([_natural(results[name]) for name in names])
    except StopIteration as done:
        return Stage({}, str(done.value))


def _divide(a: str, b: str) -> Procedure:
    """Long division: first the multiples of the divisor, then one difference for each digit."""
    multiples = ["0", b, *(yield [f"{b} * {k}" for k in range(2, 10)])]
    if any(_less(multiples[k + 1], multiples[k]) for k in range(9)):
        raise Unfit(f"the multiples of {b} do not grow")
    rest, quotient = "0", ""
    for digit in a:
        rest = _plain(rest + digit)
        times = sum(not _less(rest, multiple) for multiple in multiples) - 1
        if times:
            [rest] = yield [f"{rest} - {multiples[times]}"]
        if not _less(rest, b):
            raise Unfit(f"{rest} is left, which is not less than {b}")
        quotient += str(times)
    if rest != "0":
        raise Unfit(f"{rest} is left over")
    return _plain(quotient)


def _multiply(a: str, b: str) -> Procedure:
    """Partial products of short factors, moved to their places and added up."""
    if len(a) < len(b):
        a, b = b, a
    places = [
        (chunk, digit, k * CHUNK + j)
        for k, chunk in enumerate(_chunks(a, CHUNK))
        for j, digit in enumerate(reversed(b))
        if chunk != "0" and digit != "0"
    ]
    if not places:
        return "0"
    products = yield [f"{chunk} * {digit}" for chunk, digit, _ in places]
    total = "0"
    for product, (_, _, zeros) in zip(products, places, strict=True):
        total = yield from _add(total, product + "0" * zeros)
    return total


def _add(a: str, b: str) -> Procedure:
    """A sum by chunks from the right, each with the carry of the chunk before."""
    if "0" in (a, b):
        return b if a == "0" else a
    left, right, size = _aligned(a, b)
    done, carry = "", "0"
    for x, y in zip(left, right, strict=True):
        total = x
        for more in (y, carry):
            if total == "0" or more == "0":
                total = more if total == "0" else total
            else:
                [total] = yield [f"{total} + {more}"]
        carry, done = _plain(total[:-size]), total[-size:].zfill(size) + done
    return _plain(carry + done)


def _subtract(a: str, b: str) -> Procedure:
    """A difference by chunks from the right, each with the amount that the chunk before
    borrowed."""
    if _less(a, b):
        raise Unfit(f"{b} is more than {a}")
    left, right, size = _aligned(a, b)
    done, borrowed = "", False
    for x, y in zip(left, right, strict=True):
        if borrowed and y == "9" * size:
            # 9…9 and the borrowed 1 make a full unit: the digits stay, and the borrowing goes on.
            rest = x
        else:
            less = y
            if borrowed:
                [less] = yield [f"{y} + 1"]
            borrowed = _less(x, less)
            rest = f"1{x.zfill(size)}" if borrowed else x
            if less != "0":
                [rest] = yield [f"{rest} - {less}"]
        done = rest.zfill(size)[-size:] + done
    return _plain(done)


def _aligned(a: str, b: str) -> tuple[list[str], list[str], int]:
    """The chunks of both numbers, equally many, and how many digits a chunk has."""
    size = CHUNK if max(len(a), len(b)) > SHORT else 2
    left, right = _chunks(a, size), _chunks(b, size)
    count = max(len(left), len(right))
    return left + ["0"] * (count - len(left)), right + ["0"] * (count - len(right)), size


def _chunks(number: str, size: int) -> list[str]:
    """The digits in chunks, the last ones first, without leading zeros."""
    ends = range(len(number), 0, -size)
    return [_plain(number[max(0, end - size) : end]) for end in ends]


def _natural(result: str) -> str:
    if not result.isdecimal() or not result.isascii():
        raise Unfit(f"{result[:20]!r} is not a natural number")
    return _plain(result)


def _plain(number: str) -> str:
    return number.lstrip("0") or "0"


def _less(a: str, b: str) -> bool:
    return (len(a), a) < (len(b), b)
