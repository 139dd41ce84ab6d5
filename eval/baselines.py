"""Baseline systems for comparison with the hierarchy: one specialist, one budget, the same model.

A model without adapters is asked with the same care as in the hierarchy: in all systems, the
specialist whose work it is gets the prompt, and writes its steps before the answer. Every call is
made by the same :class:`tiers.model_calls.Caller` as the tiers' calls, so ledger, budget and prices
are the same. The first sample is greedy and further ones are drawn at the fleet's own temperature.
Only public checks are used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from eval.domains import SingleCall, evaluations
from specialists.backends.base import Message, Sampling
from specialists.registry import Card
from state.errors import BudgetExceeded
from tiers.domains import installed
from tiers.model_calls import RESAMPLE_TEMPERATURE, Caller, Origin
from tiers.prompts import chat, criticism
from tiers.protocol import Check, CheckResult, Delegation, Task, Validator

MOST_SAMPLES = 64
"""Most samples of one attempt, however much budget is left."""
STEP_BY_STEP = (
    "Think step by step. Then write the final answer alone on the last line, after '####'."
)
PLAIN = SingleCall()
"""The prompt form of problems for which their domain defines none."""


@dataclass(frozen=True)
class Bench:
    """The resources of one attempt at one problem."""

    task: Task
    cards: Sequence[Card]
    caller: Caller
    bead_id: str
    validators: Mapping[str, Validator]
    seed: int
    specialist: str | None = None
    """Specialist that is asked instead of the one that the system prefers."""

    @cached_property
    def call(self) -> SingleCall:
        """The form in which such a problem is given to one specialist."""
        known = {k: call for each in evaluations() for k, call in each.single_calls.items()}
        return known.get(self.task.kind, PLAIN)

    def card(self, system: str) -> Card:
        """The specialist that ``system`` asks."""
        if self.specialist is not None:
            return next(c for c in self.cards if c.name == self.specialist)
        by_name = {c.name: c for c in self.cards} | {c.domain: c for c in self.cards}
        wanted = self.call.preferred[system]
        return next((by_name[w] for w in wanted if w in by_name), self.cards[0])

    def able(self) -> list[Card]:
        """The specialists that can answer such a problem, for an ensemble."""
        return self.call.able(self.cards) or list(self.cards)

    async def ask(self, card: Card, messages: tuple[Message, ...], sample: int) -> str:
        """Sample number ``sample`` of an answer. Raises BudgetExceeded."""
        sampling = Sampling(
            max_tokens=card.max_tokens,
            temperature=RESAMPLE_TEMPERATURE if sample else 0.0,
            seed=self.seed * 1000 + sample,
        )
        origin = Origin(self.bead_id, "fleet", 0, sample)
        return (await self.caller(card, messages, origin, sampling)).response

    def messages(self, card: Card) -> tuple[Message, ...]:
        """The problem in the form that ``card`` expects: a trained specialist gets its own form of
        prompt, a general model gets plain words and is asked for its steps."""
        if card.adapter is not None:
            craft = installed().craft(self.call.kind, {})
            return chat(card, craft.prompt(self._order(card.name)))
        asked = self.task.statement
        if self.call.one_answer(self.task):
            asked = f"{asked}\n\n{STEP_BY_STEP}"
        return chat(card, asked)

    def artifact(self, answer: str) -> str | None:
        """The artifact in the answer; ``None`` without one."""
        return self.call.artifact(self.task, answer)

    def ballot(self, artifact: str) -> str:
        """The key under which a vote for an artifact counts: equivalent answers have the same
        key."""
        return self.call.ballot(self.task, artifact)

    def _order(self, specialist: str) -> Delegation:
        return Delegation(
            id="baseline", run_id=self.caller.run_id, bead_id=self.bead_id, kind=self.call.kind,
            objective=self.task.statement, specialist=specialist,
        )  # fmt: skip

    async def examine(self, artifact: str | None) -> list[CheckResult]:
        """Results of all public checks on an artifact."""
        if artifact is None:
            return [
                CheckResult(kind="form", passed=False, detail="the answer holds no result",
                            signature="no-artifact")
            ]  # fmt: skip
        return [await self._one(artifact, check) for check in self.task.public_checks]

    async def _one(self, artifact: str, check: Check) -> CheckResult:
        return await self.validators[check.kind].validate(artifact, check)


System = Callable[[Bench], Awaitable[str | None]]
"""Answers the problem of a bench within its budget; ``None`` where it got no answer."""


async def direct(bench: Bench) -> str | None:
    """One call, one answer."""
    card = bench.card("direct")
    return bench.artifact(await bench.ask(card, bench.messages(card), 0))


async def cot(bench: Bench) -> str | None:
    """One call that works the problem out step by step (Wei et al. 2022, arXiv 2201.11903); with a
    general model the same call as :func:`direct`."""
    card = bench.card("cot")
    return bench.artifact(await bench.ask(card, bench.messages(card), 0))


async def best_of_n(bench: Bench) -> str | None:
    """Samples as long as the budget lasts. The answer is the sample that passes most public checks;
    among equals, and without public checks, one with the most frequent result (Wang et al. 2023,
    arXiv 2203.11171)."""
    card = bench.card("cot")
    return await _vote(bench, [card] * MOST_SAMPLES, stop_at_first=True)


async def ensemble(bench: Bench) -> str | None:
    """Like :func:`best_of_n`, but the samples come from the able specialists in turn."""
    able = bench.able()
    turns = [able[k % len(able)] for k in range(MOST_SAMPLES)]
    return await _vote(bench, turns, stop_at_first=False)


async def repair(bench: Bench) -> str | None:
    """One answer, then corrections: the model is shown the failing public check and answers again.
    Without public checks there is nothing to correct, so there is one call."""
    card = bench.card("cot")
    messages = asked = bench.messages(card)
    best: tuple[int, str | None] = (-1, None)
    for sample in range(MOST_SAMPLES):
        try:
            answer = await bench.ask(card, messages, sample)
        except BudgetExceeded:
            break
        artifact = bench.artifact(answer)
        results = await bench.examine(artifact)
        passed = sum(r.passed for r in results)
        if artifact is not None and passed > best[0]:
            best = passed, artifact
        fault = next((r for r in results if r.refutes), None)
        if fault is None:
            break
        if card.retry == "feedback":
            messages = (
                *asked,
                Message(role="assistant", content=answer),
                Message(role="user", content=criticism(fault.detail)),
            )
    return best[1]


async def _vote(bench: Bench, cards: Sequence[Card], *, stop_at_first: bool) -> str | None:
    scores: dict[str, int] = {}
    votes: Counter[str] = Counter()
    for sample, card in enumerate(cards):
        # The first answer of each specialist is greedy, further ones are fresh samples.
        try:
            number = 0 if sample < len({c.name for c in cards}) else sample
            answer = await bench.ask(card, bench.messages(card), number)
        except BudgetExceeded:
            break
        artifact = bench.artifact(answer)
        if artifact is None:
            continue
        votes[bench.ballot(artifact)] += 1
        if artifact not in scores:
            scores[artifact] = sum(r.passed for r in await bench.examine(artifact))
        complete = scores[artifact] == len(bench.task.public_checks) > 0
        if complete and stop_at_first:
            return artifact
    if not scores:
        return None
    return max(scores, key=lambda a: (scores[a], votes[bench.ballot(a)]))


BASELINES: dict[str, System] = {
    "direct": direct,
    "cot": cot,
    "best_of_n": best_of_n,
    "repair": repair,
    "ensemble": ensemble,
}
