"""Makes a check inconclusive if any part of the judge fails."""

from __future__ import annotations

from eval.validators import causes
from eval.validators.verdict import inconclusive
from state.errors import HarnessError, SandboxMissing, SandboxUnavailable
from tiers.protocol import Check, CheckResult, Validator


class Guarded:
    """A validator whose own failures make the check inconclusive.

    Faults that a person must repair stay exceptions: a malformed check (UsageError), and a machine
    without a sandbox (SandboxMissing), where every code check would always be inconclusive.
    """

    def __init__(self, validator: Validator) -> None:
        self.validator = validator
        self.kinds = validator.kinds

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """See :class:`tiers.protocol.Validator`. Signatures: ``no-sandbox``, ``judge-failed``."""
        try:
            return await self.validator.validate(artifact, check)
        except SandboxMissing:
            raise
        except SandboxUnavailable as error:
            return inconclusive(check, causes.NO_SANDBOX, f"the sandbox failed: {error}")
        except HarnessError:
            raise
        except Exception as error:  # noqa: BLE001 - it says so, and refutes nothing
            story = f"the judge itself failed: {type(error).__name__}: {error}"
            return inconclusive(check, causes.JUDGE_FAILED, story)
