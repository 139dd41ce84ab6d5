"""Records of the tiers: read as an older program wrote them, refused from a newer one."""

from __future__ import annotations

import pytest

from state import StoreError
from tiers.protocol import PROTOCOL_VERSION, CheckResult, Delegation, Failure, Outcome

ORDER = {"id": "d", "run_id": "r", "bead_id": "s", "kind": "math", "objective": "1 + 2",
         "specialist": "math"}  # fmt: skip


def test_an_outcome_of_version_1() -> None:
    old = {
        "delegation_id": "d", "version": 1, "status": "failed", "confidence": None,
        "signatures": ["aa:wrong-value", "bb:Error: x"], "faults": ["3 is wrong", ""],
        "passes": [1, 0],
    }  # fmt: skip
    found = Outcome.model_validate(old)
    assert found.failures == (
        Failure(answer_hash="aa", cause="wrong-value", fault="3 is wrong", passed=1),
        Failure(answer_hash="bb", cause="Error: x"),
    )
    assert found.version == PROTOCOL_VERSION
    assert Outcome.model_validate(found.model_dump(mode="json")) == found


def test_a_delegation_of_version_1() -> None:
    old = {**ORDER, "version": 1, "context": ["hm-1"]}
    assert Delegation.model_validate(old) == Delegation.model_validate(ORDER)


def test_a_record_of_a_newer_program_is_refused() -> None:
    with pytest.raises(StoreError, match=r"delegation of version 99 .* upgrade hi-moe"):
        Delegation.model_validate({**ORDER, "version": 99})


def test_an_inconclusive_check_is_a_doubt_and_no_fault() -> None:
    check = CheckResult(kind="cross", passed=False, inconclusive=True, detail="does not parse")
    found = Outcome(delegation_id="d", status="unverified", checks=(check,))
    assert (found.fault, found.doubt) == ("", "does not parse")
