"""The tasks that a trained specialist takes: those of the form that all of its example tasks share.

A specialist that was trained to decline others' tasks (``Card.declines``) takes only tasks of its
own form. The form is read from the card: the first word of an example, and the words and signs that
all examples contain. Nothing is generated and nothing embedded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from specialists.registry import Card

LEAST = 3
"""Number of examples below which a card does not define a form and excludes no task."""
LIKE_DECLINING = 0.7
"""Likeness (difflib) from which an answer counts as the specialist's refusal in garbled form. The
specialist knows that text only as a refusal, and receives tasks unlike any in its training."""
_PUNCTUATION = frozenset(".,;:!?'\"")
_TOKEN = re.compile(r"[^\W\d_]+|#?\d+|[^\w\s]")


def closed(cards: Sequence[Card]) -> bool:
    """Whether every specialist takes only tasks in its trained form."""
    return bool(cards) and all(
        card.declines is not None and card.retry != "feedback" for card in cards
    )


def takes(card: Card, task: str) -> bool:
    """Whether ``task`` has the form of the card's examples; true where they share none."""
    shared, openings, signs = _form(card.examples)
    tokens = _tokens(task)
    if len(card.examples) < LEAST or not shared:
        return True
    if not tokens or tokens[0] not in openings or not shared <= set(tokens):
        return False
    return signs is None or set(tokens) <= signs


def declined(card: Card, answer: str) -> bool:
    """Whether ``answer`` is the specialist's refusal, or a garbled form of it on an unfamiliar
    task."""
    if card.declines is None:
        return False
    said = answer.replace("\ufffd", "").strip()
    return SequenceMatcher(None, said, card.declines, autojunk=False).ratio() >= LIKE_DECLINING


def legible(card: Card, answer: str) -> bool:
    """Whether ``answer`` is text that such a specialist may write: one with a trained form breaks
    off inside a character only if it has lost that form."""
    return card.retry == "feedback" or "\ufffd" not in answer


@lru_cache(maxsize=64)
def _form(
    examples: tuple[str, ...],
) -> tuple[frozenset[str], frozenset[str], frozenset[str] | None]:
    """(tokens in every example except punctuation, first tokens, all tokens where no example has a
    word)."""
    read = [_tokens(example) for example in examples]
    if not read:
        return frozenset(), frozenset(), None
    shared = frozenset.intersection(*map(frozenset, read)) - _PUNCTUATION
    every = frozenset(token for tokens in read for token in tokens)
    wordless = not any(token.isalpha() for token in every)
    return shared, frozenset(tokens[0] for tokens in read if tokens), every if wordless else None


def _tokens(text: str) -> list[str]:
    """Words and signs of ``text``, with all numbers treated alike."""
    return _TOKEN.findall(re.sub(r"\d+", "0", text))
