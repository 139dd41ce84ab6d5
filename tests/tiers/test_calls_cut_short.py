"""Calls of a cancelled step, which no caller waits for any more."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from specialists.backends.base import GenerateRequest, GenerateResponse, Sampling
from state import BeadStore, Ledger, Runs, Usage
from state.errors import BackendUnavailable
from tests.oracle import CARDS, OracleBackend
from tiers.budget import Meter
from tiers.model_calls import Caller, Origin
from tiers.prompts import chat
from tiers.protocol import Budget

pytestmark = pytest.mark.slow


class Failing(OracleBackend):
    """Fails after a while."""

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        await asyncio.sleep(0.02)
        raise BackendUnavailable("down")


def test_a_call_that_fails_after_its_step_was_cut_short_is_not_an_unheard_exception(
    tmp_path: Path,
) -> None:
    store = BeadStore.open(tmp_path / "state.db")
    run = Runs(store).start("p")
    unheard: list[dict[str, Any]] = []

    async def go() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: unheard.append(what))
        caller = Caller(run.id, Failing(), Ledger(store), Meter(Budget(), Usage()))
        origin, card = Origin("bead", "fleet"), CARDS[0]
        step = asyncio.create_task(caller(card, chat(card, "3 + 4"), origin, Sampling()))
        await asyncio.sleep(0.005)
        step.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await step
        await caller.drain()
        caller = Caller(run.id, Failing(), Ledger(store), Meter(Budget(), Usage()))
        with pytest.raises(BackendUnavailable):
            await caller(card, chat(card, "3 + 4"), origin, Sampling())
        gc.collect()

    asyncio.run(go())
    gc.collect()
    assert unheard == []
