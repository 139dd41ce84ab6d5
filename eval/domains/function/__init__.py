"""Evaluation of programs: the suite of small functions, faults, and one call for a program."""

import ast
from collections.abc import Mapping, Sequence

from eval.domains.evaluation import Evaluation, SingleCall
from eval.domains.function.function_faults import FAULTS
from eval.domains.function.function_suites import SUITES
from eval.validators.program import extract_code
from specialists.registry import Card
from tiers.protocol import Task


class CodeCall(SingleCall):
    """A program in one call."""

    kind = "code"
    preferred: Mapping[str, tuple[str, ...]] = {"direct": ("generalist", "code"), "cot": ("code",)}

    def able(self, cards: Sequence[Card]) -> list[Card]:
        """The specialists that write programs."""
        if any(card.adapter is None for card in cards):
            return [card for card in cards if card.domain == "code"]
        return [card for card in cards if card.name in ("code", "generalist")]

    def one_answer(self, task: Task) -> bool:
        """False: a program is the whole answer, without steps before it."""
        return False

    def ballot(self, task: Task, artifact: str) -> str:
        """The program's syntax tree."""
        program = extract_code(artifact, task.entry_point)
        try:
            return ast.dump(ast.parse(program or ""))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return artifact


EVALUATION = Evaluation(
    name="function", suites=SUITES, faults=FAULTS, single_calls={"code": CodeCall()}
)

__all__ = ["EVALUATION", "CodeCall"]
