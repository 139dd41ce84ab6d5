"""What a domain brings to evaluation, beside what the tiers know of it."""

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
    """A packaged suite: the same problem for the same id for ever."""

    about: str
    """One line, the form of its ids first."""
    problem: Callable[[str], Problem | None]
    """Id → problem; ``None`` for an id that it has not."""
    id: Callable[[str, int], str | None] = lambda variant, number: str(number)
    """(variant or ``""``, number) → id; ``None`` beyond the end of a finite suite."""
    variants: bool = False
    """Whether ``SUITE/VARIANT`` names a part of it."""


class SingleCall:
    """How a problem is put to one specialist without a hierarchy, and what is read in the answer.

    This class is for text that any model understands; a domain with a form of its own overrides it.
    """

    kind = "text"
    """The kind of step whose craft words the question for a trained specialist."""
    preferred: Mapping[str, tuple[str, ...]] = {
        "direct": ("solver", "general"), "cot": ("solver", "general"),
    }  # fmt: skip
    """System → names or domains of the cards that it asks, the first that there is."""

    def able(self, cards: Sequence[Card]) -> list[Card]:
        """The specialists that know how to answer, for an ensemble; none for all of them."""
        if any(card.adapter is None for card in cards):
            return [card for card in cards if card.domain != "code"]
        return []

    def one_answer(self, task: Task) -> bool:
        """Whether the problem asks for one answer that steps may stand before: not for a program, and
        not for several things at once."""
        return not asks_in_stages(task.statement)

    def artifact(self, task: Task, answer: str) -> str | None:
        """What stands behind ``####`` on the last line, else all of the answer."""
        if not answer.strip():
            return None
        _, mark, final = answer.strip().rpartition("####")
        alone = mark and self.one_answer(task) and final.strip() and "\n" not in final.strip()
        same = alone and answer_number(final) == answer_number(answer)
        return final.strip() if same else answer

    def ballot(self, task: Task, artifact: str) -> str:
        """What a vote for an artifact is a vote for: answers that say the same are one."""
        number = answer_number(artifact) if self.one_answer(task) else None
        text = " ".join(artifact.casefold().split()).strip(" .*")
        return text if number is None else write_number(number)


@dataclass(frozen=True)
class Evaluation:
    """How one domain is measured."""

    name: str
    """The domain's."""
    suites: Mapping[str, Suite] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)
    """Kind of fault → the fault; see :mod:`eval.faults`."""
    single_calls: Mapping[str, SingleCall] = field(default_factory=dict)
    """Kind of problem → how it is put in one call."""
    validators: tuple[Validator, ...] = ()
    specs: Mapping[str, type[Spec]] = field(default_factory=dict)
    """Kind of check → what its spec holds, for the validators."""
