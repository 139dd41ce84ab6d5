"""The interface of a domain to evaluation, beside its interface to the tiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from eval.faults import Fault
from eval.problems import Problem
from eval.validators.verdict import Spec
from specialists.registry import Card
from tiers.numbers import answer_number, write_number
from tiers.protocol import Task, Validator
from tiers.segments import asks_in_stages


@dataclass(frozen=True)
class Suite:
    """A packaged suite: an id always gives the same problem."""

    about: str
    """Description in one line, the form of its ids first."""
    problem: Callable[[str], Problem | None]
    """Id → problem; ``None`` for an unknown id."""
    id: Callable[[str, int], str | None] = lambda variant, number: str(number)
    """(variant or ``""``, number) → id; ``None`` beyond the end of a finite suite."""
    variants: bool = False
    """Whether ``SUITE/VARIANT`` names a part of it."""


class SingleCall:
    """How a problem is given to one specialist without a hierarchy, and how the answer is read.

    This class is for text that any model understands; a domain with a form of its own overrides it.
    """

    kind = "text"
    """The kind of step whose craft writes the prompt for a trained specialist."""
    preferred: Mapping[str, tuple[str, ...]] = {
        "direct": ("solver", "general"), "cot": ("solver", "general"),
    }  # fmt: skip
    """System → names or domains of the cards that it asks; the first one that the fleet has
    counts."""

    def able(self, cards: Sequence[Card]) -> list[Card]:
        """The specialists that can answer, for an ensemble; empty means all of them."""
        if any(card.adapter is None for card in cards):
            return [card for card in cards if card.domain != "code"]
        return []

    def one_answer(self, task: Task) -> bool:
        """Whether the problem asks for one answer that may be preceded by steps: false for a
        program, and for several things at once."""
        return not asks_in_stages(task.statement)

    def artifact(self, task: Task, answer: str) -> str | None:
        """The text behind ``####`` on the last line, else the whole answer."""
        if not answer.strip():
            return None
        _, mark, final = answer.strip().rpartition("####")
        alone = mark and self.one_answer(task) and final.strip() and "\n" not in final.strip()
        same = alone and answer_number(final) == answer_number(answer)
        return final.strip() if same else answer

    def ballot(self, task: Task, artifact: str) -> str:
        """The key under which a vote for an artifact counts: equivalent answers have the same
        key."""
        number = answer_number(artifact) if self.one_answer(task) else None
        text = " ".join(artifact.casefold().split()).strip(" .*")
        return text if number is None else write_number(number)


@dataclass(frozen=True)
class Evaluation:
    """Evaluation of one domain."""

    name: str
    """Name of the domain."""
    suites: Mapping[str, Suite] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)
    """Kind of fault → the fault; see :mod:`eval.faults`."""
    single_calls: Mapping[str, SingleCall] = field(default_factory=dict)
    """Kind of problem → how it is given to a specialist in one call."""
    validators: tuple[Validator, ...] = ()
    specs: Mapping[str, type[Spec]] = field(default_factory=dict)
    """Kind of check → the model of its spec, for the validators."""
