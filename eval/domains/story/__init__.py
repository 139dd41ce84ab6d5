"""Evaluation of stories: suites, faults, the judge of explanations, and one call for a whole
story."""

from collections.abc import Mapping, Sequence

from eval.domains.evaluation import Evaluation, SingleCall
from eval.domains.story.explanation import ExplanationSpec, ExplanationValidator
from eval.domains.story.story_faults import FAULTS
from eval.domains.story.story_suites import SUITES
from specialists.registry import Card
from tiers.domains.story.story_crafts import solved_number
from tiers.protocol import Task


class StoryCall(SingleCall):
    """A whole story in one call."""

    kind = "solve"
    preferred: Mapping[str, tuple[str, ...]] = {
        "direct": ("generalist", "solver"),
        "cot": ("chain", "solver"),
    }

    def able(self, cards: Sequence[Card]) -> list[Card]:
        """The specialists that were trained to solve a story in one call."""
        by_prompt = super().able(cards)
        return by_prompt or [card for card in cards if card.name in ("chain", "generalist")]

    def artifact(self, task: Task, answer: str) -> str | None:
        """The number that the answer gives."""
        return solved_number(answer)


EVALUATION = Evaluation(
    name="story", suites=SUITES, faults=FAULTS, single_calls={"story": StoryCall()},
    validators=(ExplanationValidator(),), specs={"explanation": ExplanationSpec},
)  # fmt: skip

__all__ = ["EVALUATION", "StoryCall"]
