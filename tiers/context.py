"""Context packs in prompts: what a specialist that reads free text is shown beside its own task.

The trained specialists know their one form of prompt and nothing else, so they get none: a pack goes
to cards that can read criticism (``retry = "feedback"``), which are real chat models.
"""

from __future__ import annotations

import asyncio

from specialists.registry import Card
from state import Bead
from state.context import Pack, Ranking, pack
from tiers.memory import Packs
from tiers.room import Room

LIMIT_TOKENS = 1024
RANKINGS: dict[Packs, Ranking] = {"on": "full", "recency": "recency", "off": "inputs"}


def reads_text(card: Card) -> bool:
    """Whether the specialist understands more than the form of prompt it was trained on."""
    return card.retry == "feedback"


async def pack_for(room: Room, card: Card, bead: Bead, *, objective: bool = True) -> Pack | None:
    """The pack for a bead of this run; ``None`` for a specialist that cannot read one.

    With packs off, a step still sees the results it builds on. Without ``objective`` the problem is
    left out, for a prompt that states it.
    """
    if not reads_text(card):
        return None
    policy = room.memory.policy
    return await asyncio.to_thread(
        pack,
        room.store,
        bead.id,
        LIMIT_TOKENS,
        count_tokens=room.caller.backend.count_tokens,
        vectors=room.memory.vectors,
        ranking=RANKINGS[policy.packs],
        objective=objective and policy.packs != "off",
        shared=policy.shared,
        decay=policy.decay,
    )


def framed(context: str, prompt: str) -> str:
    """A prompt under its pack."""
    return f"{context}\n\nTask: {prompt}" if context else prompt
