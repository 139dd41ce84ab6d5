"""The check ``predicate``: a given function decides whether an answer is right, for problems with
many right answers."""

from __future__ import annotations

import ast
from typing import Any

from pydantic import Field, field_validator, model_validator

from eval.sandbox import Sandbox
from eval.validators import causes
from eval.validators.compare import show
from eval.validators.extract import strip_thoughts
from eval.validators.function import NO_CODE, Case, FunctionSpec, show_call
from eval.validators.program import complete_program
from eval.validators.running import Arguments, Failed, run_calls
from eval.validators.verdict import Spec, failed, inconclusive, passed, read_spec
from tiers.protocol import Check, CheckResult

NAME = "accepts"
NOT_ACCEPTED = "not-accepted"
STOPPED = causes.JUDGES_OWN | {
    causes.TIMEOUT, causes.MEMORY, causes.OUTPUT_LIMIT, causes.CRASH, causes.BAD_RESULT,
}  # fmt: skip
"""Signatures of a predicate that ended without a result on the answer."""


class PredicateCase(Spec):
    """Arguments of one call of the candidate."""

    args: list[Any] = Field(default_factory=list)


class Example(Spec):
    """An answer whose correctness the problem's author knows, as a test of the predicate."""

    answer: Any
    """The text, or the value that the candidate would return."""
    args: list[Any] = Field(default_factory=list)
    """Arguments of the candidate's call, where there is an ``entry_point``."""
    accepted: bool = True


class PredicateSpec(Spec):
    """The predicate, and the calls whose values it judges; without calls it judges the text."""

    predicate: str
    """Python code that defines ``accepts(answer: str)``, or ``accepts(value, *args)`` where there
    is an ``entry_point``; the function returns whether the answer is right, or a text that
    describes the fault."""
    entry_point: str | None = None
    cases: list[PredicateCase] = Field(default_factory=list)
    timeout: float | None = Field(default=None, gt=0)
    """Wall-clock seconds of one call of the candidate."""
    examples: list[Example] = Field(default_factory=list)
    """Examples on which the predicate is tested when the problem is loaded."""

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
    """Spec ``{"predicate", "entry_point", "cases": [{"args"}], "timeout", "examples"}``.

    The predicate runs in the sandbox as well, in a launch of its own: it sees the candidate's plain
    values, the candidate never sees the predicate.
    """

    kinds = frozenset({"predicate"})

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. An answer on which the predicate raises is not
        accepted; a predicate that cannot be loaded, or is stopped, is inconclusive. Raises
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
            story = f"the predicate cannot be used: {report.unloaded.story}"
            return inconclusive(check, report.unloaded.signature, story, seconds)
        for story, outcome in zip(stories, report.outcomes, strict=False):
            if isinstance(outcome, Failed):
                why = f"{story}: the predicate {outcome.story}"
                if outcome.signature in STOPPED:
                    return inconclusive(check, outcome.signature, why, seconds)
                return failed(check, NOT_ACCEPTED, why, seconds)
            if outcome.value is not True:
                why = outcome.value if isinstance(outcome.value, str) else "is not accepted"
                return failed(check, NOT_ACCEPTED, f"{story}: {why}", seconds)
        return passed(check, seconds)


async def self_test(spec: PredicateSpec, sandbox: Sandbox) -> str:
    """The fault of a predicate in itself or on its own examples; empty where there is none.

    Raises SandboxUnavailable.
    """
    given: list[Arguments] = [([e.answer, *e.args], {}) for e in spec.examples]
    report = await run_calls(sandbox, spec.predicate, NAME, None, given)
    if report.unloaded:
        return report.unloaded.story
    for example, outcome in zip(spec.examples, report.outcomes, strict=False):
        story = f"on its own example {show(example.answer)} it"
        if isinstance(outcome, Failed):
            return f"{story} {outcome.story}"
        if (outcome.value is True) != example.accepted:
            verb = "refuses what it should accept" if example.accepted else "accepts what is wrong"
            return f"{story} {verb}"
    return ""
