"""Runs checks; a check that fails to run is inconclusive and never counts against the artifact."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from state.errors import BadAnswer, HarnessError, SandboxMissing, SandboxUnavailable, UsageError
from tiers.protocol import Check, CheckResult, Validator

BROKEN = "check-failed"
"""Signature of a check that raised an exception instead of giving a result."""
NO_CHECKER = "no-checker"
"""Signature of a check that no validator can run."""
LONGEST = 400
"""Most characters of the reason."""


async def examine(validators: Mapping[str, Validator], artifact: str, check: Check) -> CheckResult:
    """Result of the validator of ``check``; inconclusive where there is no validator, or it fails
    itself."""
    validator = validators.get(check.kind)
    if validator is None:
        return undecided(check, NO_CHECKER, f"nobody can run the check {check.kind}")
    return await guarded(check, validator.validate(artifact, check))


async def guarded(check: Check, work: Awaitable[CheckResult]) -> CheckResult:
    """The result of ``work``; inconclusive where it raises: a crash of the judge, a sandbox that
    cannot start, or a spec that it cannot read.

    Exceptions that stop the run are passed on: a spent budget, an interruption, a lost endpoint or
    store, and a machine without any sandbox.
    """
    try:
        return await work
    except SandboxMissing:
        raise
    except (SandboxUnavailable, UsageError, BadAnswer) as error:
        reason = str(error)  # The bad answer is one to a question that the check itself asked.
    except HarnessError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a judge raises says nothing of an artifact
        reason = f"{type(error).__name__}: {error}"
    return undecided(check, BROKEN, f"the check {check.kind} could not be run: {reason}")


def undecided(check: Check, signature: str, detail: str) -> CheckResult:
    """Result of a check that neither supports nor refutes an artifact; ``detail`` says why."""
    return CheckResult(
        kind=check.kind, passed=False, inconclusive=True, signature=signature,
        detail=" ".join(detail.split())[:LONGEST],
    )  # fmt: skip
