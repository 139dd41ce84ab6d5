"""A sequential test of two variants on the same problems, which may be inspected at any time: A, B
or undecided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from eval import statistics
from eval.compare.attempts import Attempt
from eval.problems import Problem
from state.errors import UsageError

DISCORDANCE = 0.3
"""Share of discordant pairs that a plan assumes without data."""

Try = Callable[[str, Problem], Awaitable[Attempt]]
"""(``a`` or ``b``, problem) → the attempt; raises for an attempt that did not end."""


class Plan(BaseModel):
    """Sample sizes of a test, stated before it starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    effect: float
    """Difference in solve rate that the test should find."""
    discordance: float
    fixed: int
    """Problems for 80% power with a single look at the end."""
    sequential: int
    """Problems at which the sequential test typically stops."""

    @property
    def words(self) -> str:
        """The plan as a line."""
        return (
            f"to find a difference of {100 * self.effect:g} points (if {self.discordance:.0%} of the "
            f"problems tell the variants apart): {self.fixed} problems looked at once, about "
            f"{self.sequential} with the always-valid test"
        )


class Standing(BaseModel):
    """State of the test after some problems."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problems: int
    only_a: int
    only_b: int
    rate_a: float
    rate_b: float
    p: float
    """p value that is always valid, so it may be inspected after every problem (Beta-binomial
    mixture martingale)."""
    verdict: Literal["A", "B", "undecided"]

    @property
    def words(self) -> str:
        """The standing as a line."""
        rates = f"A solves {self.rate_a:.1%}, B {self.rate_b:.1%} of {self.problems}"
        told = f"only A {self.only_a}, only B {self.only_b}, p = {self.p:.3g}"
        end = "undecided" if self.verdict == "undecided" else f"{self.verdict} is better"
        return f"{rates}; {told}: {end}"


def plan(effect: float, discordance: float = DISCORDANCE, alpha: float = 0.05) -> Plan:
    """Sample sizes for an effect. Raises UsageError for an impossible one."""
    try:
        return Plan(
            effect=effect, discordance=discordance,
            fixed=statistics.pairs_needed(effect, discordance, alpha=alpha),
            sequential=statistics.sequential_pairs(effect, discordance, alpha),
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(f"--effect {effect:g}: {error}") from None


async def trial(
    problems: Sequence[Problem],
    attempt: Try,
    *,
    alpha: float = 0.05,
    on_standing: Callable[[Standing], None] = lambda standing: None,
    on_lost: Callable[[str, str], None] = lambda problem, reason: None,
) -> Standing | None:
    """Run both variants, problem by problem, until the evidence decides or the problems end.

    A problem on which an attempt was lost is left out and reported to ``on_lost``; returns ``None``
    where none is left. Raises UsageError for no problems and for one without hidden checks.
    """
    if not problems:
        raise UsageError("no problems to test the variants on")
    outcomes: list[tuple[bool, bool]] = []
    standing = None
    for problem in problems:
        if not problem.hidden_checks:
            raise UsageError(f"problem {problem.id} has no checker: nothing to compare")
        a, b = await attempt("a", problem), await attempt("b", problem)
        if gone := next((one for one in (a, b) if one.lost), None):
            on_lost(problem.id, gone.stop_reason or "")
            continue
        outcomes.append((a.solved, b.solved))
        standing = stand(outcomes, alpha)
        on_standing(standing)
        if standing.verdict != "undecided":
            break
    return standing


def stand(outcomes: Sequence[tuple[bool, bool]], alpha: float = 0.05) -> Standing:
    """The standing after ``outcomes``, pairs (A solved, B solved) in the order seen."""
    signs = [float(a) - float(b) for a, b in outcomes]
    only_a, only_b = statistics.discordant(signs)
    p = statistics.always_valid(signs)[-1]
    verdict: Literal["A", "B", "undecided"] = "undecided"
    if p <= alpha:
        verdict = "A" if only_a > only_b else "B"
    count = len(outcomes)
    return Standing(
        problems=count, only_a=only_a, only_b=only_b, p=p, verdict=verdict,
        rate_a=sum(a for a, _ in outcomes) / count, rate_b=sum(b for _, b in outcomes) / count,
    )  # fmt: skip
