"""The scope of a fleet: problems outside it are refused before any call, in one line that says what
would help."""

from __future__ import annotations

from collections.abc import Sequence

from specialists.registry import Card
from specialists.routing.forms import closed, takes
from tiers.run_context import RunContext

HELP = (
    "free text needs a general chat model: --backend openai --base-url URL --model NAME "
    "(what each specialist takes: harness specialist list)"
)


def out_of_scope(context: RunContext) -> str | None:
    """Why no specialist of the fleet can take the problem, in one line; ``None`` where one may.

    Only a fleet whose specialists all decline tasks outside their trained form has a scope. With a
    forced specialist, only that specialist counts.
    """
    task, fleet = context.task, context.fleet
    if context.specialist is not None:
        fleet = [card for card in context.cards if card.name == context.specialist]
    if not closed(fleet):
        return None
    if context.domain.in_scope(context) or any(takes(card, task.statement) for card in fleet):
        return None
    names = ", ".join(card.name for card in fleet)
    return f"out of this fleet's scope: it takes only tasks in the trained form of {names}; {HELP}"


def unreadable(fleet: Sequence[Card], fault: str) -> str:
    """Why no plan was found, with advice where the fleet has a scope."""
    if not closed(fleet):
        return fault
    return f"out of this fleet's scope: {fault}; {HELP}"
