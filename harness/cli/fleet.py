"""The specialists that a run would have under the settings in force."""

from __future__ import annotations

from harness import settings
from harness.wiring import PROMPT_FLEET, folders
from specialists import Card, Registry
from state.errors import AdapterError


def cards_in_force() -> list[Card]:
    """Their cards, checked against the weights. Raises AdapterError, UsageError."""
    in_force = settings.load()
    if in_force.backend == "openai" and in_force.fleet is None:
        return list(PROMPT_FLEET)
    return Registry.load(folders(in_force.fleet)[1]).cards()


def card_in_force(name: str) -> Card:
    """The card of one of them. Raises AdapterError naming those there are."""
    cards = cards_in_force()
    for card in cards:
        if card.name == name:
            return card
    known = ", ".join(card.name for card in cards) or "none"
    raise AdapterError(f"no specialist {name!r} in the fleet; known: {known}")
