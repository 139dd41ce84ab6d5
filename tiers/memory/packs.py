"""Context packs in prompts: the context that a specialist which reads free text gets beside its
task."""

from __future__ import annotations

import asyncio
import sys

from specialists.backends.base import TEMPLATE_TOKENS
from specialists.registry import Card
from state import Bead
from state.context import InputsTooLong, Pack, Ranking, pack
from tiers.memory import Packs
from tiers.prompts import reads_text
from tiers.protocol import NoPlan
from tiers.run_context import RunContext

LIMIT_TOKENS = 1024
"""Most tokens of a pack. The inputs of a step may have more, as many as the model's context
allows."""
ANSWER_SHARE = 0.25
"""Share of the model's context that is reserved for the answer, unless the answer needs less."""
RANKINGS: dict[Packs, Ranking] = {"on": "full", "recency": "recency", "off": "inputs"}


async def pack_for(
    context: RunContext, card: Card, bead: Bead, task: str, *, objective: bool = True
) -> Pack | None:
    """The pack beside ``task`` for a bead of this run; ``None`` for a specialist that reads no
    packs.

    With packs off, a step still sees the results that it builds on. Without ``objective`` the
    problem is left out, for a prompt that states it. Raises :class:`tiers.protocol.NoPlan` where
    the results that a step builds on do not fit the model's context.
    """
    if not reads_text(card):
        return None
    policy, left = context.memory.policy, _left(context, card, task)
    try:
        return await asyncio.to_thread(
            pack,
            context.store,
            bead.id,
            LIMIT_TOKENS if left is None else max(1, min(LIMIT_TOKENS, left)),
            count_tokens=context.caller.backend.count_tokens,
            vectors=context.memory.vectors,
            ranking=RANKINGS[policy.packs],
            objective=objective and policy.packs != "off",
            shared=policy.shared,
            decay=policy.decay,
            inputs_limit=sys.maxsize if left is None else max(1, left),
        )
    except InputsTooLong as error:
        raise NoPlan(
            f"{error} in the {context.caller.backend.context_tokens:,} tokens that "
            f"{context.caller.backend.model_id} reads; a model with a longer context would take it"
        ) from None


def _left(context: RunContext, card: Card, task: str) -> int | None:
    """Tokens of the model's context that are left beside the task and an answer; ``None`` if
    unbounded."""
    backend = context.caller.backend
    if backend.context_tokens is None:
        return None
    asked = backend.count_tokens(f"{card.system or ''}\n{task}")
    answer = min(card.max_tokens, int(backend.context_tokens * ANSWER_SHARE))
    return backend.context_tokens - asked - answer - 3 * TEMPLATE_TOKENS
