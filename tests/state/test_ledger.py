from __future__ import annotations

from typing import Any

import pytest

from state import BeadStore, Call, Ledger, Usage
from tests.state.clock import Clock

MESSAGES = [{"role": "user", "content": "2 + 2 = ? «ü»"}]
ASKED: dict[str, Any] = {
    "run_id": "run-1",
    "bead_id": "hm-1",
    "attempt": 0,
    "sample": 0,
    "prompt": MESSAGES,
    "adapter_digest": "abc",
    "params": {"temperature": 0.7, "max_tokens": 64},
}


def call(key: str, **fields: Any) -> Call:
    answered = {"tier": "fleet", "specialist": "math", "model": "pocket", "response": "4"}
    return Call(key=key, **{**ASKED, **answered, **fields})


@pytest.fixture
def ledger(store: BeadStore) -> Ledger:
    return Ledger(store)


def test_the_key_depends_on_all_that_was_asked() -> None:
    key = Ledger.call_key(**ASKED)
    other_values = {
        "run_id": "run-2",
        "bead_id": "hm-2",
        "attempt": 1,
        "sample": 1,
        "prompt": [{"role": "user", "content": "2 + 3 = ?"}],
        "adapter_digest": "abd",
        "params": {"temperature": 0.8, "max_tokens": 64},
    }
    keys = {Ledger.call_key(**{**ASKED, name: value}) for name, value in other_values.items()}
    assert len(keys | {key}) == len(other_values) + 1


def test_the_key_does_not_depend_on_the_order_of_parameters() -> None:
    reordered = {**ASKED, "params": {"max_tokens": 64, "temperature": 0.7}}
    assert Ledger.call_key(**reordered) == Ledger.call_key(**ASKED)


def test_a_recorded_call_is_found(ledger: Ledger, clock: Clock) -> None:
    key = Ledger.call_key(**ASKED)
    assert ledger.find(key) is None
    recorded = ledger.record(call(key, prompt_tokens=9, finish_reason="stop"))
    assert ledger.find(key) == recorded
    assert (recorded.prompt, recorded.response) == (MESSAGES, "4")
    assert (recorded.sequence, recorded.created_at) == (1, clock.now)


def test_recording_twice_keeps_the_first(ledger: Ledger) -> None:
    first = ledger.record(call("k", cost=0.5))
    assert ledger.record(call("k", response="5", cost=0.5)) == first
    assert ledger.spent("run-1").cost == 0.5


def test_calls_come_in_order(ledger: Ledger) -> None:
    for key in ("c", "a", "b"):
        ledger.record(call(key))
    ledger.record(call("x", run_id="run-2"))
    assert [c.key for c in ledger.calls("run-1")] == ["c", "a", "b"]


def test_spent(ledger: Ledger) -> None:
    assert ledger.spent("run-1") == Usage()
    for key in ("a", "b"):
        ledger.record(call(key, prompt_tokens=10, completion_tokens=5, latency_s=0.5, cost=0.25))
    ledger.record(call("c", run_id="run-2", prompt_tokens=99))
    spent = ledger.spent("run-1")
    assert spent == Usage(calls=2, prompt_tokens=20, completion_tokens=10, seconds=1.0, cost=0.5)
    assert spent.tokens == 30
