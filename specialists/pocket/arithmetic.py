"""Written arithmetic: one operation, worked column by column, then ``= result``.

Operations are ``+ - * /`` on natural numbers: sums and differences of up to four digits, products
of up to 3 x 2 digits through partial products, exact quotients by divisors of up to two digits by
long division, which writes each multiple of the divisor beside the number that it must fit into.
Operands are first written to equal width, and lines end with the digits of the result found so far,
so that each line depends only on the line before.
"""

from __future__ import annotations

import random
import re

from specialists.pocket.heldout import pair_held_out

LIMIT = 9999
_RESULT = re.compile(r"=\s*(-?\d{1,12})\s*$")
_EXPRESSION = re.compile(r"^\s*(\d+) ([-+*/]) (\d+)\s*$")


def apply(op: str, a: int, b: int) -> int:
    """``a op b`` on natural numbers; ``ValueError`` where the fleet has no such operation."""
    if op == "+":
        return a + b
    if op == "-" and a >= b:
        return a - b
    if op == "*":
        return a * b
    if op == "/" and b and a % b == 0:
        return a // b
    raise ValueError(f"{a} {op} {b} has no natural result")


def within_reach(op: str, a: int, b: int) -> bool:
    """Whether ``a op b`` is within the range that the math specialist is trained on."""
    if min(a, b) < 0 or max(a, b) > LIMIT:
        return False
    if op == "+":
        return True
    if op == "-":
        return a >= b
    if op == "*":
        return a <= 999 and b <= 99
    return 2 <= b <= 99 and a % b == 0


def work(op: str, a: int, b: int) -> str:
    """The written work of ``a op b``; its last line is ``= result``."""
    lines = {"+": _add, "-": _subtract, "*": _multiply, "/": _divide}[op](a, b)
    return "\n".join([*lines, f"= {apply(op, a, b)}"])


def read_result(answer: str) -> int | None:
    """The number after the last ``=`` at the end of a written answer, or ``None``."""
    match = _RESULT.search(answer.strip())
    return int(match[1]) if match else None


def parse(expression: str) -> tuple[int, str, int] | None:
    """``(a, op, b)`` of a single operation written as ``a op b``, or ``None``."""
    match = _EXPRESSION.match(expression)
    return (int(match[1]), match[2], int(match[3])) if match else None


def _digits(n: int, width: int) -> list[int]:
    return [int(d) for d in reversed(str(n).zfill(width))]


def _add(a: int, b: int) -> list[str]:
    width = max(len(str(a)), len(str(b)))
    lines, carry, done = [f"{a:0{width}}+{b:0{width}}"], 0, ""
    for k, (x, y) in enumerate(zip(_digits(a, width), _digits(b, width), strict=True), 1):
        total = x + y + carry
        carry = total // 10
        done = f"{total if k == width else total % 10}{done}"
        lines.append(f"{x}+{y}+{total - x - y}={total:02} {done}")
    return lines


def _subtract(a: int, b: int) -> list[str]:
    return _subtract_columns(a, b, len(str(a)))


def _subtract_columns(a: int, b: int, width: int) -> list[str]:
    lines, borrow, done = [f"{a:0{width}}-{b:0{width}}"], 0, ""
    for x, y in zip(_digits(a, width), _digits(b, width), strict=True):
        # Borrow and digit stand in the places of carry and digit in a sum.
        lent = int(x < y + borrow)
        digit = x + 10 * lent - y - borrow
        done = f"{digit}{done}"
        lines.append(f"{x}-{y}-{borrow}={lent}{digit} {done}")
        borrow = lent
    return lines


def _times_digit(a: int, digit: int) -> list[str]:
    width = len(str(a))
    lines, carry, done = [f"*{digit}"], 0, ""
    for k, x in enumerate(_digits(a, width), 1):
        total = x * digit + carry
        done = f"{total if k == width else total % 10}{done}"
        lines.append(f"{x}*{digit}+{carry}={total:02} {done}")
        carry = total // 10
    return lines


def _multiply(a: int, b: int) -> list[str]:
    lines = [line for d in _digits(b, len(str(b))) for line in _times_digit(a, d)]
    if b > 9:
        lines += _add(*_partial_products(a, b))
    return lines


def _divide(a: int, b: int) -> list[str]:
    width = len(str(10 * b - 1))
    multiples = [f"{k} {b * k:0{width}}" for k in range(1, 10)]
    lines, rest, done = [" ".join(multiples)], 0, ""
    for d in str(a):
        current = rest * 10 + int(d)
        digit, rest = divmod(current, b)
        done += str(digit)
        now = f"{current:0{width}}"
        # Multiples stand beside the number that they must fit into, up to the first that does not.
        tried = [f"{m} {now}{'<' if k <= digit else '>'}" for k, m in enumerate(multiples, 1)]
        lines.append(f"{now}: {' '.join(tried[: digit + 1])} {digit} {done}")
        if digit:
            lines += _subtract_columns(current, digit * b, width)
    return lines


def _number(rng: random.Random, digits: int) -> int:
    return rng.randint(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)


def draw_pair(rng: random.Random, op: str, *, test: bool) -> tuple[int, int]:
    """Operands of ``op`` from the requested split, evenly over digit lengths."""
    while True:
        if op in "+-":
            a, b = _number(rng, rng.randint(1, 4)), _number(rng, rng.randint(1, 4))
            if op == "-" and a < b:
                a, b = b, a
        elif op == "*":
            a, b = _number(rng, rng.choice((1, 2, 2, 3, 3, 3))), _number(rng, rng.choice((1, 2, 2)))
        else:
            b = rng.randint(2, 9) if rng.random() < 0.4 else rng.randint(10, 99)
            a = b * rng.randint(1, max(1, rng.choice((9, 99, 999, LIMIT)) // b))
        if pair_held_out(op, a, b) != test or not within_reach(op, a, b):
            continue
        if op == "+" and test and (a % 10 == 0 or b % 10 == 0):
            continue  # The sum of partial products could be this very pair.
        if op == "-" and test and _subtracted_in_division(a, b):
            continue
        if op == "*" and not test and pair_held_out("+", *_partial_products(a, b)):
            continue
        return a, b


def _subtracted_in_division(a: int, b: int) -> bool:
    """Whether the work of some division could subtract ``b`` from ``a``."""
    return any(b % k == 0 and 2 <= b // k <= 99 and 0 <= a - b < b // k for k in range(1, 10))


def _partial_products(a: int, b: int) -> tuple[int, int]:
    return a * (b % 10), a * (b // 10) * 10


def draw_chain(rng: random.Random, *, test: bool) -> list[tuple[int, str, int]]:
    """Two or three operations from left to right; in training no pair is a held-out one."""
    while True:
        op = rng.choice("+-*/")
        steps = [(*draw_pair(rng, op, test=test), op)]
        chain = [(steps[0][0], op, steps[0][1])]
        value = apply(op, steps[0][0], steps[0][1])
        for _ in range(rng.randint(1, 2)):
            op = rng.choice("++--*/")
            b = rng.randint(2, 99) if op in "*/" else _number(rng, rng.randint(1, 3))
            if not within_reach(op, value, b) or (not test and pair_held_out(op, value, b)):
                break
            if op == "*" and not test and pair_held_out("+", *_partial_products(value, b)):
                break
            chain.append((value, op, b))
            value = apply(op, value, b)
        else:
            if value <= LIMIT:
                return chain


def work_chain(chain: list[tuple[int, str, int]]) -> str:
    """The written work of a chain: each operation is named, worked and closed by its own ``=
    result``."""
    return "\n".join(f"{a} {op} {b}\n{work(op, a, b)}" for a, op, b in chain)


def chain_prompt(chain: list[tuple[int, str, int]]) -> str:
    """The prompt of a chain: ``12 + 30 - 7``, to be read from left to right."""
    return f"{chain[0][0]}" + "".join(f" {op} {b}" for _, op, b in chain)
