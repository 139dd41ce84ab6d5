"""Faults for specialists that write programs: mistakes that are put into their answers."""

from __future__ import annotations

import re

from eval.faults import Fault, Spoil, says

_CODE = r"(?s)^(?!Solve|Write the steps|Explain|\d+ [-+*/] \d+$)"


def _name(prompt: str) -> str:
    """The name of the function that a prompt asks for."""
    found = re.search(r"\b([a-z_]\w*)\(", prompt)
    return found[1] if found else "solve"


def _function(body: str) -> Spoil:
    return lambda prompt, right: f"def {_name(prompt)}(*args):\n    {body}\n"


FAULTS: dict[str, Fault] = {
    "code that does not parse": Fault("pocket-code", "auto", _CODE, says("def f(x:\n  return")),
    "code that divides by zero": Fault("pocket-code", "auto", _CODE, _function("return 1 / 0")),
    "code under another name": Fault(
        "pocket-code", "auto", _CODE, says("def helper(x):\n    return x\n")
    ),
    "code with a wrong value": Fault("pocket-code", "auto", _CODE, _function("return 'wrong'")),
    "code that never ends its recursion": Fault(
        "pocket-code", "auto", _CODE,
        lambda prompt, right: f"def {_name(prompt)}(x):\n    return {_name(prompt)}(x)\n",
    ),
    "code with an unknown name": Fault(
        "pocket-code", "auto", _CODE, _function("return undefined_total")
    ),
    "code that leaves the program": Fault(
        "pocket-code", "auto", _CODE, _function("raise SystemExit(3)")
    ),
}  # fmt: skip
