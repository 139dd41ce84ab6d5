"""Programs taken out of what real models write."""

from __future__ import annotations

import pytest

from eval.validators.names import defined
from eval.validators.program import complete_program, preamble

PROMPT = '''from typing import List
import math


def helper(x):
    return math.floor(x)


def total(xs: List[float]) -> int:
    """ The sum, rounded down.
    >>> total([1.5, 1.0])
    2
    """
'''
WHOLE = "def total(xs: List[float]) -> int:\n    return helper(sum(xs))\n"
FENCE = "```"


def value(text: str, prompt: str = PROMPT) -> object:
    """Result of the program in ``text`` for [1.5, 1.0]."""
    program = complete_program(text, "total", prompt)
    assert program is not None
    scope: dict[str, object] = {}
    exec(program, scope)
    return scope["total"]([1.5, 1.0])  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f"{FENCE}python\n{WHOLE}{FENCE}",
        f'{FENCE}{{.python .numberLines startFrom="1"}}\n{WHOLE}{FENCE}',
        f"{FENCE}python title=a.py\n{WHOLE}{FENCE}\nThis adds and rounds.",
        f"Sure! Here is the code:\n\n{WHOLE}\nI hope this helps, it's easy.",
        f"<think>\n{FENCE}python\ndef total(xs): return 0\n{FENCE}\n</think>\n{WHOLE}",
        f"{FENCE}python\n{FENCE}python\n{WHOLE.rstrip()}{FENCE}\n{FENCE}",
        "    return helper(sum(xs))\n",
        "return helper(sum(xs))",
        "y = sum(xs)\n    return helper(y)\n",
        f"{FENCE}\n    return helper(sum(xs))\n{FENCE}",
        f"{FENCE}python\n{WHOLE}\n\ndef other(x):\n    for y in",
        f"{FENCE}python\n{WHOLE}\n\nprint(total([1, 2",
        f"First a check.\n{FENCE}python\ndef add(xs):\n    return sum(xs)\n{FENCE}\nThen\n"
        f"{FENCE}python\ndef total(xs):\n    return helper(add(xs))\n{FENCE}",
        f"{FENCE}python\n{WHOLE}{FENCE}\nUsage:\n{FENCE}python\nprint(total([1]))\n{FENCE}",
        f"{FENCE}python\nclass Solution:\n    def total(self, xs): return 2\n"
        f"def total(xs): return Solution().total(xs)\n{FENCE}",
        f"  {FENCE}python\n  def total(xs):\n      return helper(sum(xs))\n  {FENCE}",
    ],
)
def test_the_program_is_found(text: str) -> None:
    assert value(text) == 2


def test_a_complete_program_that_does_not_parse_stays_wrong() -> None:
    broken = f"{FENCE}python\n{WHOLE}def broken(:\n    pass\n{FENCE}"
    program = complete_program(broken, "total", PROMPT)
    assert program is not None
    with pytest.raises(SyntaxError):
        compile(program, "x", "exec")


def test_nothing_is_nothing() -> None:
    assert complete_program("", "total", PROMPT) is None
    assert complete_program("<think>def total(xs): return 2", "total") is None
    assert complete_program("I am sorry.", "total") == "I am sorry."
    assert (complete_program("I am sorry.", "total", PROMPT) or "").endswith("I am sorry.")


def test_the_answer_wins_over_the_prompt() -> None:
    own = "def helper(x):\n    return -1\n\n\ndef total(xs):\n    return helper(0)\n"
    assert value(own) == -1


def test_a_future_import_stays_first() -> None:
    program = complete_program("from __future__ import annotations\ndef total(xs):\n    return 2\n",
                               "total", PROMPT)  # fmt: skip
    assert program is not None
    compile(program, "x", "exec")


def test_preamble_and_names() -> None:
    assert preamble(PROMPT, "total").endswith("return math.floor(x)\n\n\n")
    assert preamble("broken (\ndef total(): pass", "total") == ""
    assert preamble(PROMPT, "missing") == ""
    names = defined("import a.b as c\nx, (y, z) = 1, (2, 3)\nclass Solution:\n    def m(self): ...")
    assert names == {"c", "x", "y", "z", "Solution", "m"}
    assert defined("def (") == set()
