"""Small Python functions specified in one line: a chain of one to four numbered operations on a
list, a string or a number. The comments of the body name the operation that each line carries out.

Every operation is a phrase, a line of code and a Python callable; the callable computes the
expected values of checks, so a written function is judged by its behaviour, never by its text.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from specialists.pocket.heldout import held_out


@dataclass(frozen=True)
class Operation:
    """``code`` is an expression over ``v`` (and ``k``); ``gives`` is the kind of its value."""

    name: str
    takes: str
    gives: str
    phrases: tuple[str, ...]
    code: str
    draw: Callable[[random.Random], int | str] | None = None

    def expression(self, variable: str, k: int | str | None) -> str:
        return self.code.replace("{v}", variable).replace("{k}", repr(k) if k is not None else "")


def _small(rng: random.Random) -> int:
    return rng.randint(2, 9)


def _wide(rng: random.Random) -> int:
    return rng.randint(1, 50)


def _letter(rng: random.Random) -> str:
    return rng.choice("abcdeilnorst")


def _op(
    kinds: str,
    name: str,
    phrases: str,
    code: str,
    draw: Callable[[random.Random], int | str] | None = None,
) -> Operation:
    takes, gives = kinds.split(">")
    return Operation(name, takes, gives, tuple(phrases.split("|")), code, draw)


OPERATIONS: tuple[Operation, ...] = (
    _op("list>list", "even", "keep the even numbers|drop the odd numbers", "[x for x in {v} if x % 2 == 0]"),
    _op("list>list", "odd", "keep the odd numbers|drop the even numbers", "[x for x in {v} if x % 2 == 1]"),
    _op("list>list", "positive", "keep the positive numbers", "[x for x in {v} if x > 0]"),
    _op("list>list", "negative", "keep the negative numbers", "[x for x in {v} if x < 0]"),
    _op("list>list", "greater", "keep numbers greater than {k}|drop numbers up to {k}", "[x for x in {v} if x > {k}]", _wide),
    _op("list>list", "less", "keep numbers less than {k}|keep numbers below {k}", "[x for x in {v} if x < {k}]", _wide),
    _op("list>list", "multiples", "keep the multiples of {k}|keep numbers divisible by {k}", "[x for x in {v} if x % {k} == 0]", _small),
    _op("list>list", "double", "double each number|double every number", "[x * 2 for x in {v}]"),
    _op("list>list", "square", "square each number|square every number", "[x * x for x in {v}]"),
    _op("list>list", "negate", "negate each number|flip the sign of each number", "[-x for x in {v}]"),
    _op("list>list", "add_each", "add {k} to each number|increase each number by {k}", "[x + {k} for x in {v}]", _wide),
    _op("list>list", "sub_each", "subtract {k} from each number|decrease each number by {k}", "[x - {k} for x in {v}]", _wide),
    _op("list>list", "mul_each", "multiply each number by {k}", "[x * {k} for x in {v}]", _small),
    _op("list>list", "abs_each", "take the absolute value of each number|make each number positive", "[abs(x) for x in {v}]"),
    _op("list>list", "ascending", "sort the numbers|sort from small to large", "sorted({v})"),
    _op("list>list", "descending", "sort in descending order|sort from large to small", "sorted({v}, reverse=True)"),
    _op("list>list", "reverse", "reverse the list", "{v}[::-1]"),
    _op("list>list", "unique", "remove duplicates|keep each number once", "list(dict.fromkeys({v}))"),
    _op("list>list", "first_k", "take the first {k} numbers", "{v}[:{k}]", _small),
    _op("list>list", "skip_k", "skip the first {k} numbers|drop the first {k} numbers", "{v}[{k}:]", _small),
    _op("list>list", "every_other", "take every second number", "{v}[::2]"),
    _op("list>number", "sum", "return the sum|add them all up", "sum({v})"),
    _op("list>number", "count", "return how many are left|count them", "len({v})"),
    _op("list>number", "largest", "return the largest or 0|find the largest, 0 if none", "max({v}, default=0)"),
    _op("list>number", "smallest", "return the smallest or 0|find the smallest, 0 if none", "min({v}, default=0)"),
    _op("text>text", "upper", "make it upper case|turn it into capitals", "{v}.upper()"),
    _op("text>text", "lower", "make it lower case", "{v}.lower()"),
    _op("text>text", "backwards", "reverse the string|turn it backwards", "{v}[::-1]"),
    _op("text>text", "strip", "strip spaces at both ends|trim the ends", "{v}.strip()"),
    _op("text>text", "no_spaces", "remove all spaces", '{v}.replace(" ", "")'),
    _op("text>text", "dashes", "replace spaces with dashes", '{v}.replace(" ", "-")'),
    _op("text>text", "no_vowels", "remove the vowels|drop all vowels", '"".join(c for c in {v} if c not in "aeiouAEIOU")'),
    _op("text>text", "without", "remove every letter {k}|drop each {k}", '{v}.replace({k}, "")', _letter),
    _op("text>text", "twice", "write each character twice|double each character", '"".join(c * 2 for c in {v})'),
    _op("text>text", "head", "take the first {k} characters", "{v}[:{k}]", _small),
    _op("text>text", "tail", "take the last {k} characters", "{v}[-{k}:]", _small),
    _op("text>text", "repeat", "repeat it {k} times", "{v} * {k}", _small),
    _op("text>number", "length", "return the length|count the characters", "len({v})"),
    _op("text>number", "count_of", "count the letter {k}|return how often {k} occurs", "{v}.count({k})", _letter),
    _op("text>number", "words", "count the words|return the number of words", "len({v}.split())"),
    _op("text>truth", "palindrome", "check if it is a palindrome|tell if it reads the same backwards", "{v} == {v}[::-1]"),
    _op("number>number", "plus", "add {k}|increase it by {k}", "{v} + {k}", _wide),
    _op("number>number", "minus", "subtract {k}|decrease it by {k}", "{v} - {k}", _wide),
    _op("number>number", "times", "multiply by {k}", "{v} * {k}", _small),
    _op("number>number", "squared", "square it", "{v} * {v}"),
    _op("number>number", "absolute", "take the absolute value", "abs({v})"),
    _op("number>number", "modulo", "take the remainder by {k}|take it modulo {k}", "{v} % {k}", _small),
    _op("number>number", "floor", "divide by {k} and round down|integer divide by {k}", "{v} // {k}", _small),
    _op("number>number", "opposite", "negate it|flip its sign", "-{v}"),
    _op("number>number", "digit_sum", "sum its digits|take the sum of its digits", "sum(int(d) for d in str(abs({v})))"),
    _op("number>text", "as_text", "turn it into a string|return it as a string", "str({v})"),
    _op("number>truth", "is_even", "check if it is even|tell if it is even", "{v} % 2 == 0"),
)  # fmt: skip

_VARIABLE = {"list": "xs", "text": "s", "number": "n"}
_NOUN = {"list": "list of numbers", "text": "string", "number": "number"}
_NAMES = ("f", "g", "solve", "run", "apply", "work", "task", "process", "convert", "compute")


@dataclass(frozen=True)
class FunctionTask:
    """A one-line specification, a reference body and the operations behind them."""

    prompt: str
    solution: str
    entry_point: str
    takes: str
    operations: tuple[tuple[Operation, int | str | None], ...]

    @property
    def combination(self) -> str:
        return ">".join(op.name for op, _ in self.operations)

    def expected(self, argument: Any) -> Any:
        """What the specified function returns for ``argument``."""
        value = argument
        for op, k in self.operations:
            value = eval(op.expression("v", k), {"v": value})
        return value

    def cases(self, rng: random.Random, count: int) -> list[dict[str, Any]]:
        """``count`` calls with expected values: ``{"args": [...], "expected": ...}``."""
        arguments = [_ARGUMENTS[self.takes](rng) for _ in range(count)]
        return [{"args": [a], "expected": self.expected(a)} for a in arguments]


def _list_argument(rng: random.Random) -> list[int]:
    return [rng.randint(-30, 60) for _ in range(rng.choice((0, 3, 6, 9, 12)))]


def _text_argument(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return rng.choice(("", "level", "noon", "Anna", " a b "))
    words = [
        "".join(rng.choice("abcdeilnorstAEST") for _ in range(rng.randint(1, 6))) for _ in range(3)
    ]
    return rng.choice(("", " ")) + " ".join(words)


def _number_argument(rng: random.Random) -> int:
    return rng.choice((0, rng.randint(-99, 99), rng.randint(-999, 9999)))


_ARGUMENTS: dict[str, Callable[[random.Random], Any]] = {
    "list": _list_argument,
    "text": _text_argument,
    "number": _number_argument,
}


def combination_held_out(names: Sequence[str]) -> bool:
    """Whether a combination of two or more operations is reserved for tests."""
    return len(names) > 1 and held_out("code:" + ">".join(names))


def _pick(rng: random.Random, length: int) -> list[Operation] | None:
    kind = rng.choice(("list", "list", "text", "number"))
    chosen: list[Operation] = []
    for k in range(length):
        last = k + 1 == length
        options = [
            o for o in OPERATIONS
            if o.takes == kind and (last or o.gives in _VARIABLE) and o not in chosen
        ]  # fmt: skip
        if not options:
            return None
        chosen.append(rng.choice(options))
        kind = chosen[-1].gives
    return chosen


def draw_function(rng: random.Random, operations: int, *, test: bool) -> FunctionTask:
    """A task of ``operations`` operations from the requested split.

    The split is by the combination of operations; in training no two neighbouring operations form a
    held-out pair either. A single operation is split by its whole prompt.
    """
    while True:
        chosen = _pick(rng, operations)
        if chosen is None:
            continue
        names = [o.name for o in chosen]
        pairs = [names[i : i + 2] for i in range(len(names) - 1)]
        if operations > 1 and combination_held_out(names) != test:
            continue
        if not test and any(combination_held_out(p) for p in pairs):
            continue
        task = _phrase(rng, chosen)
        if operations > 1 or held_out(task.prompt) == test:
            return task


def _phrase(rng: random.Random, chosen: list[Operation]) -> FunctionTask:
    name, takes = rng.choice(_NAMES), chosen[0].takes
    start = _VARIABLE[takes]
    with_k = [(o, o.draw(rng) if o.draw else None) for o in chosen]
    phrases = [rng.choice(o.phrases).replace("{k}", str(k)) for o, k in with_k]
    text = " ".join(f"#{i} {phrase}" for i, phrase in enumerate(phrases, 1))
    lead = rng.choice(
        (
            "Write {f}({v}) for a {n}: ",
            "Write a function {f}({v}) on a {n}: ",
            "Python, {f}({v}), {n}: ",
        )
    )
    prompt = lead.format(f=name, v=start, n=_NOUN[takes]) + text + "."
    lines, variable = [f"def {name}({start}):"], start
    for i, (op, k) in enumerate(with_k):
        lines.append(f"    #{i + 1}")
        expression = op.expression(variable, k)
        if i + 1 == len(with_k):
            lines.append(f"    return {expression}")
        else:
            variable = _VARIABLE[op.gives]
            lines.append(f"    {variable} = {expression}")
    return FunctionTask(prompt, "\n".join(lines), name, takes, tuple(with_k))
