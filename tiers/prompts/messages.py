"""The messages that a specialist is sent, whatever the domain; the task's own words are its craft's.

A trained specialist knows its one form of prompt: packs and criticism go to cards that can read them
(``retry = "feedback"``), which are real chat models. The results that a worded step builds on go to
whoever does it, since it cannot be done without them.
"""

from __future__ import annotations

from specialists.backends.base import Message
from specialists.registry import Card
from tiers.crafts import Craft
from tiers.protocol import Delegation


def chat(card: Card, prompt: str) -> tuple[Message, ...]:
    """A prompt as the specialist expects it: under its system message if it has one."""
    head = (Message(role="system", content=card.system),) if card.system else ()
    return (*head, Message(role="user", content=prompt))


def reads_text(card: Card) -> bool:
    """Whether the specialist understands more than the form of prompt it was trained on."""
    return card.retry == "feedback"


def shown(order: Delegation, card: Card, craft: Craft) -> str:
    """What a specialist is shown beside its task: the pack, or, where it reads none, the results that
    a worded task builds on and does not quote itself."""
    if reads_text(card):
        return order.pack
    if not craft.shows_inputs:
        return ""
    return "\n".join(
        f"Known, {name}: {result}"
        for name, result in order.inputs.items()
        if result not in order.objective
    )


def framed(context: str, prompt: str) -> str:
    """A prompt under its pack."""
    return f"{context}\n\nTask: {prompt}" if context else prompt


def criticism(fault: str) -> str:
    """What a specialist is told of an answer that failed a public check."""
    return f"That is not right: {fault}. Answer again, in full."
