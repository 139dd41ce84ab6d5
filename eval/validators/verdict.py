"""Common parts of all validators: reading a spec, writing a result."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.validators.causes import JUDGES_OWN
from eval.validators.compare import one_line
from state.errors import UsageError
from tiers.protocol import Check, CheckResult

DETAIL = 400
"""Most characters of a detail line."""


class Spec(BaseModel):
    """Base of the models for a check's ``spec``; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True)


S = TypeVar("S", bound=Spec)


def read_spec(model: type[S], check: Check) -> S:
    """``check.spec`` as ``model``. Raises UsageError naming the first invalid field."""
    try:
        return model.model_validate(check.spec)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "spec"
        raise UsageError(f"check {check.kind!r}: {where}: {first['msg']}") from error


def passed(check: Check, seconds: float = 0.0) -> CheckResult:
    """Result for a right artifact."""
    return CheckResult(kind=check.kind, passed=True, seconds=seconds)


def failed(check: Check, signature: str, detail: str, seconds: float = 0.0) -> CheckResult:
    """Result for a wrong artifact: ``signature`` is the class of the mistake, ``detail`` one line.
    Where the signature is one of the judge's own failures (``causes.JUDGES_OWN``), the result is
    inconclusive."""
    return CheckResult(
        kind=check.kind,
        passed=False,
        detail=one_line(detail, DETAIL),
        signature=signature,
        seconds=seconds,
        inconclusive=signature in JUDGES_OWN,
    )


def inconclusive(check: Check, signature: str, detail: str, seconds: float = 0.0) -> CheckResult:
    """Result of a check that itself failed and says nothing about the artifact; ``detail`` gives
    the reason in one line."""
    return failed(check, signature, detail, seconds).model_copy(update={"inconclusive": True})
