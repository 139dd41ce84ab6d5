"""The specialists that a run would have under the current settings."""

from __future__ import annotations

import asyncio

from harness import settings
from harness.cli.options import Flags
from harness.wiring import PROMPT_FLEET, folders, open_backend
from specialists import Card, Registry
from state.errors import UsageError


def cards_in_force(flags: Flags | None = None) -> list[Card]:
    """The cards of a fleet: from its folder, checked against the weights, else from the endpoint or
    the recording.

    Raises AdapterError, UsageError, and BackendUnavailable where the endpoint does not answer.
    """
    in_force = settings.load(flags)
    if in_force.backend == "local" or in_force.fleet is not None:
        return Registry.load(folders(in_force.fleet)[1]).cards()
    if in_force.backend == "openai" and not (in_force.base_url and in_force.model):
        return list(PROMPT_FLEET)

    async def served() -> list[Card]:
        backend, cards = await open_backend(in_force.options())
        await backend.close()
        return cards

    return asyncio.run(served())


def card_in_force(name: str, flags: Flags | None = None) -> Card:
    """The card of one specialist. Raises the errors of :func:`cards_in_force`, and UsageError
    naming the existing specialists."""
    cards = cards_in_force(flags)
    for card in cards:
        if card.name == name:
            return card
    known = ", ".join(card.name for card in cards) or "none"
    raise UsageError(f"no specialist {name!r} in the fleet; known: {known}")
