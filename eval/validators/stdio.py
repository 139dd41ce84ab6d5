"""The check ``stdio``: a program that reads standard input and prints, one sandbox launch for each
case."""

from __future__ import annotations

import re

from pydantic import Field

from eval.sandbox import Sandbox, SandboxResult
from eval.validators import causes
from eval.validators.compare import one_line, show
from eval.validators.function import NO_CODE
from eval.validators.numeric import same_number, to_number
from eval.validators.program import extract_code
from eval.validators.verdict import Spec, failed, passed, read_spec
from tiers.protocol import Check, CheckResult

LARGE = 500_000
"""Characters of an expected output from which an output beyond the sandbox's limit might equal
it."""


class StdioCase(Spec):
    """The program's input and its required output."""

    stdin: str = ""
    stdout: str


class StdioSpec(Spec):
    """The cases, tried in order until one fails."""

    cases: list[StdioCase] = Field(min_length=1)
    tol: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Tolerance for numbers; if given, outputs are compared word by word."""


class StdioValidator:
    """Spec ``{"cases": [{"stdin", "stdout"}], "tol"}``; white space at line ends and blank lines at
    the end are ignored."""

    kinds = frozenset({"stdio"})

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Raises SandboxUnavailable."""
        spec = read_spec(StdioSpec, check)
        code = extract_code(artifact)
        if code is None:
            return failed(check, causes.NO_CODE, NO_CODE)
        seconds = 0.0
        for case in spec.cases:
            result = await self._sandbox.run(code, case.stdin)
            seconds += result.seconds
            given = f"stdin {show(case.stdin)}"
            if not result.ok:
                signature, story = why_not(result)
                if signature == causes.OUTPUT_LIMIT and len(case.stdout) > LARGE:
                    signature = causes.NOT_CARRIED
                return failed(check, signature, f"{given}: {story}", seconds)
            if not _same_output(result.stdout, case.stdout, spec.tol):
                printed, wanted = show(result.stdout.rstrip()), show(case.stdout.rstrip())
                detail = f"{given} printed {printed}, expected {wanted}"
                return failed(check, causes.WRONG_VALUE, detail, seconds)
        return passed(check, seconds)


def why_not(result: SandboxResult) -> tuple[str, str]:
    """Signature and description of a program's unsuccessful end."""
    if (cause := causes.of_stop(result)) is not None:
        return cause, result.reason
    lines = result.stderr.strip().split("\n")
    name = lines[-1].partition(":")[0].rpartition(".")[2]
    if not name.isidentifier():
        return causes.EXIT, result.reason
    missed = re.fullmatch(r"ModuleNotFoundError: No module named '([\w.]+)'", lines[-1])
    cause = causes.of_exception(name, missed[1] if missed else None)
    return cause, f"raised {one_line(lines[-1])}"


def _same_output(printed: str, expected: str, tol: float | None) -> bool:
    if tol is None:
        return _lines(printed) == _lines(expected)
    left, right = printed.split(), expected.split()
    return len(left) == len(right) and all(
        a == b or _near(a, b, tol) for a, b in zip(left, right, strict=True)
    )


def _near(printed: str, expected: str, tol: float) -> bool:
    try:
        float(printed), float(expected)
    except ValueError:
        return False
    number = to_number(printed)
    return (
        number is not None
        and to_number(expected) is not None
        and same_number(number, expected, tol)
    )


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]
