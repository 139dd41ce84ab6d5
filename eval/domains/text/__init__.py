"""Evaluation of free text: hand-written problems, and one call in plain words."""

from eval.classics import classic, classics
from eval.domains.evaluation import Evaluation, SingleCall, Suite


def _classic(variant: str, number: int) -> str | None:
    names = classics()
    return names[number] if number < len(names) else None


EVALUATION = Evaluation(
    name="text",
    suites={
        "classics": Suite(
            about="classics/NAME: a programming problem for a general model",
            problem=lambda id: classic(id).problem,
            id=_classic,
        )
    },
    single_calls={"text": SingleCall()},
)

__all__ = ["EVALUATION"]
