"""The check ``program_value``: whether a program computes a given number (cross-derivation)."""

from __future__ import annotations

from fractions import Fraction

from pydantic import Field

from eval.sandbox import Sandbox
from eval.validators import causes
from eval.validators.function import NO_CODE
from eval.validators.numeric import NumericSpec, same_number, show_number, to_number
from eval.validators.program import extract_code
from eval.validators.running import Failed, run_candidate
from eval.validators.stdio import why_not
from eval.validators.verdict import failed, passed, read_spec
from tiers.numbers import answer_number
from tiers.protocol import Check, CheckResult


class ProgramValueSpec(NumericSpec):
    """The expected number, and where the program has its own."""

    tol: float = Field(default=1e-6, ge=0)
    """Absolute tolerance; not zero, because programs compute in floating point."""
    entry_point: str | None = None
    """A function without arguments, or a variable. Without it, or where it holds None, the number
    is the last one printed."""


class ProgramValueValidator:
    """Spec ``{"expected": number, "tol": 1e-6, "entry_point": name}``."""

    kinds = frozenset({"program_value"})

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Raises SandboxUnavailable."""
        spec = read_spec(ProgramValueSpec, check)
        code = extract_code(artifact, spec.entry_point)
        if code is None:
            return failed(check, causes.NO_CODE, NO_CODE)
        found, seconds = await program_number(self._sandbox, code, spec.entry_point)
        if isinstance(found, Failed):
            return failed(check, found.signature, found.story, seconds)
        if same_number(found, spec.expected, spec.tol):
            return passed(check, seconds)
        detail = f"the program gives {show_number(found)}, expected {show_number(spec.expected)}"
        return failed(check, causes.WRONG_VALUE, detail, seconds)


async def program_number(
    sandbox: Sandbox, code: str, entry_point: str | None
) -> tuple[Fraction | Failed, float]:
    """The number that ``code`` computes, or why there is none, and the seconds it took."""
    if entry_point is None:
        result = await sandbox.run(code)
        if not result.ok:
            signature, story = why_not(result)
            return Failed(signature, f"the program failed: {story}"), result.seconds
        return _printed(result.stdout), result.seconds
    job = {"mode": "value", "entry_point": entry_point}
    report = await run_candidate(sandbox, code, job, 1)
    seconds = report.result.seconds
    if report.unloaded:
        return report.unloaded, seconds
    outcome = report.outcomes[0]
    if isinstance(outcome, Failed):
        return Failed(outcome.signature, f"{entry_point} {outcome.story}"), seconds
    if outcome.value is None:
        return _printed(report.result.stdout), seconds
    number = to_number(outcome.value)
    if number is None:
        return Failed(causes.NO_NUMBER, f"{entry_point} gives no number"), seconds
    return number, seconds


def _printed(stdout: str) -> Fraction | Failed:
    number = answer_number(stdout)
    return Failed(causes.NO_NUMBER, "the program prints no number") if number is None else number
