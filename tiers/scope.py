"""What is out of a fleet's scope, told before a call is made, in one line that says what would help."""

from __future__ import annotations

from collections.abc import Sequence

from specialists.registry import Card
from specialists.routing.forms import closed, takes
from tiers import splitter
from tiers.acceptance import wants_code
from tiers.expression import is_expression
from tiers.protocol import Task
from tiers.room import Room

HELP = (
    "free text needs a general chat model: --backend openai --base-url URL --model NAME "
    "(what each specialist takes: harness specialist list)"
)


def story_of(task: Task) -> str | None:
    """The story that the problem tells, without what is asked around it; a programming problem tells
    none."""
    if wants_code(task):
        return None
    request = splitter.read_request(task.statement)
    if request is not None:
        return request.body
    found = splitter.story(task.statement)
    if found is None and task.kind in ("story", "multistage"):
        return task.statement
    return found


def operations(task: Task, fleet: Sequence[Card]) -> bool:
    """Whether the problem is an expression, and the fleet has a specialist for single operations."""
    trained = any(card.domain == "math" and card.retry != "feedback" for card in fleet)
    return trained and is_expression(task.statement)


def out_of_scope(room: Room) -> str | None:
    """Why nobody in the fleet can take the problem, one line; ``None`` where somebody may.

    Only a fleet whose specialists all decline what is not in their trained form has a scope; of a
    fleet with a forced specialist that one counts. A story is judged by its readings, when it is
    planned.
    """
    task, fleet = room.task, room.fleet
    if room.specialist is not None:
        fleet = [card for card in room.cards if card.name == room.specialist]
    if not closed(fleet):
        return None
    if room.card("decompose") and story_of(task) is not None:
        return None
    if operations(task, room.fleet) or any(takes(card, task.statement) for card in fleet):
        return None
    names = ", ".join(card.name for card in fleet)
    return f"out of this fleet's scope: it takes only tasks in the trained form of {names}; {HELP}"


def unreadable(fleet: Sequence[Card], fault: str) -> str:
    """What is said of a story that the fleet cannot read."""
    if not closed(fleet):
        return fault
    return f"out of this fleet's scope: {fault}; {HELP}"
