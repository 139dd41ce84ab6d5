"""Faults for specialists of stories and operations: mistakes that are put into their answers."""

from __future__ import annotations

import re

from eval.faults import Fault, says
from specialists.pocket.arithmetic import read_result
from tiers.protocol import Budget

_MATH, _PLAN, _EXPLAIN = r"^\d+ [-+*/] \d+$", "^Write the steps", "^Explain these steps"

FAULTS: dict[str, Fault] = {
    "arithmetic off by one": Fault(
        "horizon/4", "plan", _MATH, lambda prompt, right: f"= {(read_result(right) or 0) + 1}"
    ),
    "arithmetic without result": Fault("horizon/4", "plan", _MATH, says("that I cannot say")),
    "plan garbled": Fault("horizon/4", "plan", _PLAN, says("the steps are many and various")),
    "plan with wrong numbers": Fault(
        "horizon/4", "plan", _PLAN, lambda prompt, right: re.sub(r"\b\d+\b", "3", right)
    ),
    "explanation empty-handed": Fault("multistage", "plan", _EXPLAIN, says("It follows.")),
    "budget too small": Fault("horizon/4", "plan", "^$", says(""), Budget(calls=3)),
}  # fmt: skip
