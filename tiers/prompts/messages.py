"""The messages that a specialist is sent in every domain; the craft supplies the wording of the
task.

A trained specialist knows only its one form of prompt. Packs and criticism therefore go only to
cards that can read them (``retry = "feedback"``), which are real chat models. The results that a
worded step builds on go to every specialist, since the step cannot be done without them.
"""

from __future__ import annotations

from specialists.backends.base import Message
from specialists.registry import Card
from tiers.crafts import Craft
from tiers.protocol import Delegation


def chat(card: Card, prompt: str) -> tuple[Message, ...]:
    """A prompt in the form that the specialist expects: under its system message if it has one."""
    head = (Message(role="system", content=card.system),) if card.system else ()
    return (*head, Message(role="user", content=prompt))


def reads_text(card: Card) -> bool:
    """Whether the specialist understands other text than the form of prompt that it was trained
    on."""
    return card.retry == "feedback"


def shown(order: Delegation, card: Card, craft: Craft) -> str:
    """The context that a specialist sees beside its task: the pack or, for one that reads no packs,
    the results that a worded task builds on and does not quote itself."""
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
    """The message to a specialist about an answer of its own that failed a public check."""
    return f"That is not right: {fault}. Answer again, in full."
