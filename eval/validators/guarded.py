"""A check that fails by itself is inconclusive, whichever part of the judge has failed."""

from __future__ import annotations

from eval.validators import causes
from eval.validators.verdict import inconclusive
from state.errors import HarnessError, SandboxMissing, SandboxUnavailable
from tiers.protocol import Check, CheckResult, Validator


class Guarded:
    """A validator that answers for its own failures.

    What a person must mend stays an exception: a malformed check (UsageError), and a machine without
    a sandbox (SandboxMissing), where every code check would be inconclusive for ever.
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
