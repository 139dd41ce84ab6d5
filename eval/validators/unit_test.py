"""The check ``unit_test``: test code that calls a function, in the style of HumanEval and MBPP.

The tests run in the sandbox too, but in another process than the candidate: see ``inside/``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from eval.sandbox import Limits, Sandbox
from eval.validators import causes
from eval.validators.compare import one_line
from eval.validators.function import NO_CODE
from eval.validators.program import complete_program, preamble
from eval.validators.running import DRIVER, Failed, raised, unloaded
from eval.validators.verdict import Spec, failed, inconclusive, passed, read_spec
from tiers.protocol import Check, CheckResult

UNIT_DRIVER = Path(__file__).with_name("unit_driver.py").read_text("utf-8")
INSIDE = {
    f"inside.{file.name}": file.read_text("utf-8")
    for file in sorted(Path(__file__).with_name("inside").glob("*.py"))
}
START_S = 10.0
"""Wall-clock seconds that a launch may take beyond those of its candidates."""


class UnitTestSpec(Spec):
    """The tests, and the function that they test."""

    entry_point: str
    test: str
    """Asserts about ``entry_point``, or a function ``check(candidate)`` that makes them."""
    prompt: str = ""
    """Code at the beginning of the statement; its imports and helpers are available to both
    sides."""
    timeout: float = Field(default=30.0, gt=0)
    """Wall-clock seconds for one candidate; the sandbox's CPU limit applies as well."""

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

    The candidates run one after another, each in its own processes; where one ends the launch, the
    following ones are judged in launches of their own. Raises UsageError for a malformed spec,
    SandboxUnavailable.
    """
    spec = read_spec(UnitTestSpec, check)
    programs = [complete_program(a, spec.entry_point, spec.prompt) for a in artifacts]
    sent = [program for program in programs if program is not None]
    verdicts = await _run(sandbox, sent, spec, limits or Limits()) if sent else []
    waiting = iter(verdicts)
    return [
        failed(check, causes.NO_CODE, NO_CODE)
        if program is None
        else _result(check, spec, next(waiting))
        for program in programs
    ]


@dataclass(frozen=True)
class Trials:
    """Results of a launch for one candidate: first with the tests in another process, then,
    perhaps, in the same."""

    apart: Mapping[str, Any]
    together: Mapping[str, Any] | None
    seconds: float


async def _run(
    sandbox: Sandbox, programs: Sequence[str], spec: UnitTestSpec, limits: Limits
) -> list[Trials]:
    job = {
        "entry_point": spec.entry_point,
        "test": spec.test,
        "prompt": preamble(spec.prompt, spec.entry_point),
        "candidates": programs,
        "timeout": spec.timeout,
    }
    longest = START_S + 2 * spec.timeout * len(programs)
    result = await sandbox.run(
        UNIT_DRIVER,
        json.dumps(job),
        files={"driver.py": DRIVER, **INSIDE},
        limits=limits.model_copy(update={"seconds": longest}),
    )
    found = {r["candidate"]: r for r in result.payload or () if isinstance(r, dict)}
    share = result.seconds / len(programs)
    trials = []
    for number, program in enumerate(programs):
        if number in found:
            row = found[number]
            trials.append(Trials(row["apart"], row.get("together"), share))
        elif len(programs) > 1:
            trials += await _run(sandbox, [program], spec, limits)
        else:
            cause = causes.of_stop(result) or causes.CRASH
            lost = {"stage": "end", "type": cause, "message": result.reason}
            trials.append(Trials(lost, None, share))
    return trials


def _result(check: Check, spec: UnitTestSpec, trials: Trials) -> CheckResult:
    """The result of two trials. In separate processes, a candidate cannot forge a pass; in one
    process, no value is lost in transfer. So the first trial alone makes it pass, and only both
    make it fail."""
    apart, together, seconds = trials.apart, trials.together, trials.seconds
    if apart.get("passed") is True:
        return passed(check, seconds)
    limit = apart.get("limit") or (together or {}).get("limit")
    if together is None or (not together.get("passed") and not together.get("limit")):
        miss = _miss(spec, apart if together is None else together)
        return failed(check, miss.signature, miss.story, seconds)
    slow = apart.get("type") == causes.TIMEOUT
    what = limit or (
        "so many values in the time there is"
        if slow
        else "what the tests do here with the candidate's objects"
    )
    line = f", at {apart['line']}" if apart.get("line") else ""
    return inconclusive(
        check, causes.NOT_CARRIED, f"this judge cannot compare {what}{line}", seconds
    )


def _miss(spec: UnitTestSpec, verdict: Mapping[str, Any]) -> Failed:
    """How the trial failed."""
    name, message = str(verdict.get("type")), one_line(str(verdict.get("message", "")), 200)
    line, entry = f" at {verdict['line']}" if verdict.get("line") else "", spec.entry_point
    if verdict.get("stage") == "load":
        return unloaded(name, message, verdict.get("module"))
    if name == "AssertionError" and verdict.get("by") != "candidate.py":
        return Failed(causes.WRONG_VALUE, f"a test of {entry} fails{line}")
    if name == causes.TIMEOUT:
        return Failed(causes.TIMEOUT, f"{entry} did not return in time{line}")
    if name == "Gone":
        signal = "signal" in message
        return Failed(
            causes.CRASH if signal else causes.EXIT, f"{entry} ended the program {message}{line}"
        )
    if verdict.get("stage") == "end":
        return Failed(name, f"the launch ended: {message}")
    miss = raised(name, message, verdict.get("module"))
    if miss.signature == "ModuleNotFoundError" and verdict.get("by") == "test.py":
        return Failed(causes.NO_MODULE, f"the tests need the module {verdict.get('module')}")
    return Failed(miss.signature, f"{entry} {miss.story}{line}")
