"""What the tiers say to each other: frozen, versioned models.

A problem enters the tiers as a :class:`Task`, the public view of ``eval.Problem``. A task has no
field for hidden checks, so no hidden check can reach a prompt.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

PROTOCOL_VERSION = 1

Status = Literal["verified", "unverified", "failed", "exhausted", "cancelled", "refused"]
"""How a delegation ended; ``unverified`` means that no check applied, never success."""

StepKind = Literal["math", "decompose", "code", "explain", "split", "solve", "answer"]


class Frozen(BaseModel):
    """A model that crosses a seam: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(Frozen):
    """One executable check. What ``spec`` holds depends on ``kind``; see ``eval.validators``."""

    kind: str
    """Name of the validator that runs it: ``exact``, ``numeric``, ``function``, ``stdio``, …"""
    spec: dict[str, Any] = Field(default_factory=dict)


class CheckResult(Frozen):
    """What one check found."""

    kind: str
    passed: bool
    detail: str = ""
    """One line for the repair prompt: what was expected, what came. Empty when passed."""
    signature: str = ""
    """Normalised cause of a failure (exception type or mismatch class), for spinning detection."""
    seconds: float = 0.0


class Validator(Protocol):
    """Runs the checks of one or more kinds on an artifact."""

    kinds: frozenset[str]

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        """Run ``check`` on ``artifact``. A wrong artifact is a failed result, never an exception."""
        ...


class Task(Frozen):
    """The public view of a problem: all that any prompt may ever be built from."""

    id: str
    kind: str
    """``story``, ``multistage``, ``code`` or ``text``."""
    statement: str
    entry_point: str | None = None
    signature: str | None = None
    public_checks: tuple[Check, ...] = ()
