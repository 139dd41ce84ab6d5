"""``unit_test``: test code that calls a function, as HumanEval and MBPP write it.

The tests run in the sandbox too, but in another process than the candidate: see ``unit_driver.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from eval.sandbox import Limits, Sandbox
from eval.validators.compare import one_line
from eval.validators.function import NO_CODE
from eval.validators.program import complete_program, preamble
from eval.validators.running import DRIVER
from eval.validators.verdict import Spec, failed, passed, read_spec
from tiers.protocol import Check, CheckResult

UNIT_DRIVER = Path(__file__).with_name("unit_driver.py").read_text("utf-8")
START_S = 10.0
"""Wall-clock seconds that a launch may take beyond its candidates."""


class UnitTestSpec(Spec):
    """The tests and the function they are about."""

    entry_point: str
    test: str
    """Asserts about ``entry_point``, or a function ``check(candidate)`` that makes them."""
    prompt: str = ""
    """Code that the statement opens with; its imports and helpers are there for both sides."""
    timeout: float = Field(default=30.0, gt=0)
    """Wall-clock seconds for one candidate; the sandbox's CPU limit holds as well."""

    @field_validator("test")
    @classmethod
    def _is_code(cls, value: str) -> str:
        try:
            compile(value, "test.py", "exec", dont_inherit=True)
        except SyntaxError as error:
            raise ValueError(f"does not parse: line {error.lineno}: {error.msg}") from None
        return value


class UnitTestValidator:
    """Spec ``{"entry_point", "test", "prompt", "timeout"}``."""

    kinds = frozenset({"unit_test"})

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Raises SandboxUnavailable."""
        return (await judge_many(self._sandbox, [artifact], check))[0]


async def judge_many(
    sandbox: Sandbox, artifacts: Sequence[str], check: Check, limits: Limits | None = None
) -> list[CheckResult]:
    """One ``unit_test`` check on many answers in one launch, results in their order.

    The candidates run one after another, each in its own processes. One that outlives its kill can
    slow those after it, so a launch should hold answers of one source only. Raises UsageError for a
    malformed spec, SandboxUnavailable.
    """
    spec = read_spec(UnitTestSpec, check)
    programs = [complete_program(a, spec.entry_point, spec.prompt) for a in artifacts]
    sent = [program for program in programs if program is not None]
    verdicts, seconds = await _run(sandbox, sent, spec, limits or Limits()) if sent else ([], 0.0)
    waiting = iter(verdicts)
    share = seconds / max(1, len(sent))
    return [
        failed(check, "no-code", NO_CODE)
        if program is None
        else _result(check, spec, next(waiting), share)
        for program in programs
    ]


async def _run(
    sandbox: Sandbox, programs: Sequence[str], spec: UnitTestSpec, limits: Limits
) -> tuple[list[Mapping[str, Any]], float]:
    job = {
        "entry_point": spec.entry_point,
        "test": spec.test,
        "prompt": preamble(spec.prompt, spec.entry_point),
        "candidates": len(programs),
        "timeout": spec.timeout,
    }
    files = {"driver.py": DRIVER, "job.json": json.dumps(job)}
    files |= {f"candidate{n}.py": program for n, program in enumerate(programs)}
    longest = START_S + spec.timeout * len(programs)
    result = await sandbox.run(
        UNIT_DRIVER, files=files, limits=limits.model_copy(update={"seconds": longest})
    )
    lost: Mapping[str, Any] = {"stage": "end", "type": "crash", "message": result.reason}
    found = {r["candidate"]: r for r in result.payload or () if isinstance(r, dict)}
    return [found.get(n, lost) for n in range(len(programs))], result.seconds


def _result(
    check: Check, spec: UnitTestSpec, verdict: Mapping[str, Any], seconds: float
) -> CheckResult:
    if verdict.get("passed") is True:
        return passed(check, seconds)
    name, message = str(verdict.get("type")), one_line(str(verdict.get("message", "")), 200)
    line = f" at {verdict['line']}" if verdict.get("line") else ""
    story = f"{name}: {message}" if message else name
    syntax = ("SyntaxError", "IndentationError", "TabError")
    if verdict.get("stage") == "load":
        if name in syntax:
            return failed(check, "syntax-error", f"the code does not parse: {story}", seconds)
        signature = "missing-entry-point" if name == "MissingEntryPoint" else name
        return failed(check, signature, f"loading the code raised {story}", seconds)
    if name == "AssertionError":
        return failed(check, "wrong-value", f"a test of {spec.entry_point} fails{line}", seconds)
    if name in ("timeout", "crash", "Gone"):
        story = "did not return in time" if name == "timeout" else f"ended the program {message}"
        signature = "exit" if name == "Gone" else name
        return failed(check, signature, f"{spec.entry_point} {story}{line}", seconds)
    return failed(check, name, f"{spec.entry_point} raised {story}{line}", seconds)
