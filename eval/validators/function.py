"""The checks ``function`` and ``class_ops``: calls into a program, all in one sandbox launch."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field, model_validator

from eval.sandbox import Sandbox
from eval.validators import causes
from eval.validators.compare import equal, one_line, show
from eval.validators.driver import encode
from eval.validators.program import complete_program
from eval.validators.running import Failed, Outcome, run_calls, run_candidate
from eval.validators.verdict import Spec, failed, passed, read_spec
from tiers.protocol import Check, CheckResult

NO_CODE = "the answer holds no code"
LARGE = 50_000
"""Characters of an expected value from which a value too large to be sent might equal it."""


class Case(Spec):
    """One call and its value."""

    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    expected: Any

    @model_validator(mode="after")
    def _plain(self) -> Case:
        if _opaque(encode([self.args, self.kwargs, self.expected])):
            raise ValueError("only plain data can be sent and compared")
        return self


class FunctionSpec(Spec):
    """Calls of one function (a method of a class ``Solution`` also counts)."""

    entry_point: str
    cases: list[Case] = Field(min_length=1)
    tol: float = Field(default=0.0, ge=0)
    """Absolute tolerance for numbers at any depth of the value."""
    timeout: float | None = Field(default=None, gt=0)
    """Wall-clock seconds of one call; without it only the sandbox's limits apply."""
    prompt: str = ""
    """Code at the beginning of the statement; its imports and helpers are available to the
    answer."""


class ClassOpsSpec(Spec):
    """Operations on one object, in order; the first is the class itself, with its arguments."""

    class_name: str
    operations: list[str] = Field(min_length=1)
    args: list[list[Any]]
    expected: list[Any]
    tol: float = Field(default=0.0, ge=0)
    timeout: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> ClassOpsSpec:
        if not len(self.operations) == len(self.args) == len(self.expected):
            raise ValueError("operations, args and expected must have the same length")
        if self.operations[0] != self.class_name:
            raise ValueError("the first operation must be the class name")
        return self


class FunctionValidator:
    """Spec ``{"entry_point", "cases": [{"args", "kwargs", "expected"}], "tol", "timeout"}``.

    Values leave the sandbox as plain data and are compared here, so the candidate's code, such as
    ``__eq__``, has no influence on the comparison.
    """

    kinds = frozenset({"function"})

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Detail: the first failing call, such as
        ``f([1, 2]) returned 3, expected 4``. Raises SandboxUnavailable."""
        spec = read_spec(FunctionSpec, check)
        code = complete_program(artifact, spec.entry_point, spec.prompt)
        if code is None:
            return failed(check, causes.NO_CODE, NO_CODE)
        given = [(c.args, c.kwargs) for c in spec.cases]
        report = await run_calls(self._sandbox, code, spec.entry_point, spec.timeout, given)
        seconds = report.result.seconds
        if report.unloaded:
            return failed(check, report.unloaded.signature, report.unloaded.story, seconds)
        for case, outcome in zip(spec.cases, report.outcomes, strict=False):
            call = show_call(spec.entry_point, case.args, case.kwargs)
            if miss := _miss(call, outcome, case.expected, spec.tol):
                return failed(check, miss.signature, miss.story, seconds)
        return passed(check, seconds)


class ClassOpsValidator:
    """Spec ``{"class_name", "operations", "args", "expected", "tol", "timeout"}``, in LeetCode's
    format; the value expected of the construction is ignored."""

    kinds = frozenset({"class_ops"})

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Raises SandboxUnavailable."""
        spec = read_spec(ClassOpsSpec, check)
        code = complete_program(artifact, spec.class_name)
        if code is None:
            return failed(check, causes.NO_CODE, NO_CODE)
        steps = list(zip(spec.operations, spec.args, spec.expected, strict=True))
        job = {
            "mode": "operations",
            "class_name": spec.class_name,
            "timeout": spec.timeout,
            "calls": [{"name": name, "args": encode(args)} for name, args, _ in steps],
        }
        report = await run_candidate(self._sandbox, code, job, len(steps))
        seconds = report.result.seconds
        if report.unloaded:
            return failed(check, report.unloaded.signature, report.unloaded.story, seconds)
        for number, (step, outcome) in enumerate(zip(steps, report.outcomes, strict=False)):
            name, args, expected = step
            owner = f"{spec.class_name}." if number else ""
            call = f"operation {number + 1}: {owner}{show_call(name, args, {})}"
            wanted = expected if number else None
            if miss := _miss(call, outcome, wanted, spec.tol):
                return failed(check, miss.signature, miss.story, seconds)
        return passed(check, seconds)


def show_call(name: str, args: list[Any], kwargs: dict[str, Any]) -> str:
    """A call in Python syntax, shortened."""
    parts = [show(value) for value in args]
    parts += [f"{key}={show(value)}" for key, value in kwargs.items()]
    return f"{name}({one_line(', '.join(parts), 160)})"


def _opaque(data: object) -> bool:
    """Whether encoded ``data`` holds an object, which cannot be sent into the sandbox."""
    if isinstance(data, dict):
        return "opaque" in data or "limit" in data or any(_opaque(body) for body in data.values())
    return isinstance(data, list) and any(_opaque(item) for item in data)


def _large(expected: object) -> bool:
    """Whether a value that is too large to be sent might equal this one."""
    return len(json.dumps(encode(expected))) > LARGE


def _miss(call: str, outcome: Outcome, expected: object, tol: float) -> Failed | None:
    """How the call failed; None where it did not."""
    if isinstance(outcome, Failed):
        if outcome.signature == causes.NOT_CARRIED and not _large(expected):
            story = f"{call} returned a value too large or deep, expected {show(expected)}"
            return Failed(causes.WRONG_VALUE, story)
        return Failed(outcome.signature, f"{call} {outcome.story}")
    if equal(outcome.value, expected, tol):
        return None
    story = f"{call} returned {show(outcome.value)}, expected {show(expected)}"
    return Failed(causes.WRONG_VALUE, story)
