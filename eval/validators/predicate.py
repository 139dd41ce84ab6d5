"""``predicate``: an answer is right when a given function says so, for problems of many answers."""

from __future__ import annotations

import ast
from typing import Any

from pydantic import Field, field_validator, model_validator

from eval.sandbox import Sandbox
from eval.validators.compare import show
from eval.validators.extract import strip_thoughts
from eval.validators.function import NO_CODE, Case, FunctionSpec, show_call
from eval.validators.program import complete_program
from eval.validators.running import Arguments, Failed, run_calls
from eval.validators.verdict import Spec, failed, passed, read_spec
from state.errors import UsageError
from tiers.protocol import Check, CheckResult

NAME = "accepts"


class PredicateCase(Spec):
    """Arguments of one call of the candidate."""

    args: list[Any] = Field(default_factory=list)


class PredicateSpec(Spec):
    """The predicate, and the calls whose values it judges; without calls it judges the text."""

    predicate: str
    """Python that defines ``accepts(answer: str)``, or ``accepts(value, *args)`` where there is an
    ``entry_point``; it returns whether the answer is right, or a text that says what is wrong."""
    entry_point: str | None = None
    cases: list[PredicateCase] = Field(default_factory=list)
    timeout: float | None = Field(default=None, gt=0)
    """Wall-clock seconds of one call of the candidate."""

    @field_validator("predicate")
    @classmethod
    def _defines_it(cls, value: str) -> str:
        try:
            tree = ast.parse(value)
        except SyntaxError as error:
            raise ValueError(f"does not parse: line {error.lineno}: {error.msg}") from None
        if not any(isinstance(n, ast.FunctionDef) and n.name == NAME for n in tree.body):
            raise ValueError(f"defines no function {NAME}")
        return value

    @model_validator(mode="after")
    def _fits(self) -> PredicateSpec:
        if bool(self.entry_point) != bool(self.cases):
            raise ValueError("give entry_point and cases together, or neither")
        if self.entry_point:
            FunctionSpec(
                entry_point=self.entry_point,
                cases=[Case(args=case.args, expected=None) for case in self.cases],
            )
        return self


class PredicateValidator:
    """Spec ``{"predicate", "entry_point", "cases": [{"args"}], "timeout"}``.

    The predicate runs in the sandbox as well, in a launch of its own: it sees the candidate's plain
    values, the candidate never sees the predicate.
    """

    kinds = frozenset({"predicate"})

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Raises UsageError where the predicate itself fails,
        SandboxUnavailable."""
        spec = read_spec(PredicateSpec, check)
        if spec.entry_point is None:
            return await self._judge(
                check, spec, [[strip_thoughts(artifact).strip()]], ["the answer"]
            )
        code = complete_program(artifact, spec.entry_point)
        if code is None:
            return failed(check, "no-code", NO_CODE)
        given: list[Arguments] = [(c.args, {}) for c in spec.cases]
        report = await run_calls(self._sandbox, code, spec.entry_point, spec.timeout, given)
        seconds = report.result.seconds
        if report.unloaded:
            return failed(check, report.unloaded.signature, report.unloaded.story, seconds)
        values, calls = [], []
        for case, outcome in zip(spec.cases, report.outcomes, strict=False):
            call = show_call(spec.entry_point, case.args, {})
            if isinstance(outcome, Failed):
                return failed(check, outcome.signature, f"{call} {outcome.story}", seconds)
            values.append([outcome.value, *case.args])
            calls.append(f"{call} returned {show(outcome.value)}")
        return await self._judge(check, spec, values, calls, seconds)

    async def _judge(
        self,
        check: Check,
        spec: PredicateSpec,
        arguments: list[list[Any]],
        stories: list[str],
        seconds: float = 0.0,
    ) -> CheckResult:
        given: list[Arguments] = [(args, {}) for args in arguments]
        report = await run_calls(self._sandbox, spec.predicate, NAME, None, given)
        seconds += report.result.seconds
        if report.unloaded:
            raise UsageError(f"check 'predicate': predicate: {report.unloaded.story}")
        for story, outcome in zip(stories, report.outcomes, strict=False):
            if isinstance(outcome, Failed):
                raise UsageError(f"check 'predicate': predicate: on {story}: it {outcome.story}")
            if outcome.value is not True:
                why = outcome.value if isinstance(outcome.value, str) else "is not accepted"
                return failed(check, "not-accepted", f"{story}: {why}", seconds)
        return passed(check, seconds)
