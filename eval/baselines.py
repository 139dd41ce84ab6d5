"""Systems without a hierarchy, to compare it with: one specialist, one budget, the same model.

A model without adapters is asked as well as the hierarchy would ask it: the specialist by prompt whose
work it is, and its steps before the answer, in all systems alike. Every call goes through the same door
as the tiers' (:class:`tiers.calls.Caller`), so ledger, budget and prices are the same. The first sample
is greedy and further ones are drawn at the fleet's own temperature. Only public checks are ever looked
at.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from eval.validators import extract_code
from specialists.backends.base import Message, Sampling
from specialists.registry import Card
from state.errors import BudgetExceeded
from tiers.calls import RESAMPLE_TEMPERATURE, Caller, Origin
from tiers.fleet import criticism
from tiers.numbers import answer_number, write_number
from tiers.protocol import Check, CheckResult, Delegation, StepKind, Task, Validator
from tiers.room import chat
from tiers.segments import asks_in_stages
from tiers.work import CRAFTS

MOST_SAMPLES = 64
"""Samples of one attempt, however much budget is left."""
STEP_BY_STEP = (
    "Think step by step. Then write the final answer alone on the last line, after '####'."
)
_KIND: dict[str, StepKind] = {"story": "solve", "code": "code"}
_PREFERRED: dict[str, dict[StepKind, tuple[str, ...]]] = {
    "direct": {
        "solve": ("generalist", "solver"),
        "code": ("generalist", "code"),
        "text": ("solver", "general"),
    },
    "cot": {"solve": ("chain", "solver"), "code": ("code",), "text": ("solver", "general")},
}


@dataclass(frozen=True)
class Bench:
    """What one attempt at one problem works with."""

    task: Task
    cards: Sequence[Card]
    caller: Caller
    bead_id: str
    validators: Mapping[str, Validator]
    seed: int
    specialist: str | None = None
    """Asks this specialist of the cards, whichever the system would prefer."""

    @property
    def kind(self) -> StepKind:
        """The craft that puts the question and reads the answer."""
        return _KIND.get(self.task.kind, "text")

    def card(self, system: str) -> Card:
        """The specialist that ``system`` asks."""
        if self.specialist is not None:
            return next(c for c in self.cards if c.name == self.specialist)
        wanted = _PREFERRED[system][self.kind]
        by_name = {c.name: c for c in self.cards} | {c.domain: c for c in self.cards}
        return next((by_name[w] for w in wanted if w in by_name), self.cards[0])

    def able(self) -> list[Card]:
        """The specialists that know how to answer such a problem, for an ensemble."""
        if any(c.adapter is None for c in self.cards):
            writes = self.kind == "code"
            return [c for c in self.cards if (c.domain == "code") == writes] or list(self.cards)
        names = {"solve": ("chain", "generalist"), "code": ("code", "generalist")}
        wanted = names.get(self.kind, ())
        return [c for c in self.cards if c.name in wanted] or list(self.cards)

    async def ask(self, card: Card, messages: tuple[Message, ...], sample: int) -> str:
        """Sample number ``sample`` of an answer. Raises BudgetExceeded."""
        sampling = Sampling(
            max_tokens=card.max_tokens,
            temperature=RESAMPLE_TEMPERATURE if sample else 0.0,
            seed=self.seed * 1000 + sample,
        )
        origin = Origin(self.bead_id, "fleet", 0, sample)
        return (await self.caller(card, messages, origin, sampling)).response

    @property
    def one_answer(self) -> bool:
        """Whether the problem asks for one answer that steps may stand before: not for a program, and
        not for several things at once."""
        return self.kind != "code" and not asks_in_stages(self.task.statement)

    def messages(self, card: Card) -> tuple[Message, ...]:
        """The problem as ``card`` expects it: a trained specialist knows its own form of a question, a
        general model is asked in plain words and for its steps."""
        if card.adapter is not None:
            return chat(card, CRAFTS[self.kind].prompt(self._order(card.name)))
        asked = (
            f"{self.task.statement}\n\n{STEP_BY_STEP}" if self.one_answer else self.task.statement
        )
        return chat(card, asked)

    def artifact(self, answer: str) -> str | None:
        """What the answer gives: the number that solves a story, what stands behind ``####`` on the
        last line, else all of it."""
        if self.kind == "solve":
            return CRAFTS["solve"].extract(self._order(""), answer)
        if not answer.strip():
            return None
        _, mark, final = answer.strip().rpartition("####")
        alone = mark and self.one_answer and final.strip() and "\n" not in final.strip()
        same = alone and answer_number(final) == answer_number(answer)
        return final.strip() if same else answer

    def ballot(self, artifact: str) -> str:
        """What a vote for an artifact is a vote for: answers that say the same are one."""
        if self.kind == "code":
            program = extract_code(artifact, self.task.entry_point)
            try:
                return ast.dump(ast.parse(program or ""))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return artifact
        number = answer_number(artifact) if self.one_answer else None
        text = " ".join(artifact.casefold().split()).strip(" .*")
        return text if number is None else write_number(number)

    def _order(self, specialist: str) -> Delegation:
        return Delegation(
            id="baseline", run_id=self.caller.run_id, bead_id=self.bead_id, kind=self.kind,
            objective=self.task.statement, specialist=specialist,
        )  # fmt: skip

    async def examine(self, artifact: str | None) -> list[CheckResult]:
        """The public checks on an artifact, all of them."""
        if artifact is None:
            return [
                CheckResult(kind="form", passed=False, detail="the answer holds no result",
                            signature="no-artifact")
            ]  # fmt: skip
        return [await self._one(artifact, check) for check in self.task.public_checks]

    async def _one(self, artifact: str, check: Check) -> CheckResult:
        return await self.validators[check.kind].validate(artifact, check)


System = Callable[[Bench], Awaitable[str | None]]
"""Answers the problem of a bench with the budget it has; ``None`` where it got no answer."""


async def direct(bench: Bench) -> str | None:
    """One call, one answer."""
    card = bench.card("direct")
    return bench.artifact(await bench.ask(card, bench.messages(card), 0))


async def cot(bench: Bench) -> str | None:
    """One call that works the problem out step by step (Wei et al. 2022, arXiv 2201.11903); of a
    general model the same call as :func:`direct`."""
    card = bench.card("cot")
    return bench.artifact(await bench.ask(card, bench.messages(card), 0))


async def best_of_n(bench: Bench) -> str | None:
    """Samples for as long as the budget lasts. The one that passes most public checks is the answer;
    among equals, and where there are none, one with the most frequent result (Wang et al. 2023,
    arXiv 2203.11171)."""
    card = bench.card("cot")
    return await _vote(bench, [card] * MOST_SAMPLES, stop_at_first=True)


async def ensemble(bench: Bench) -> str | None:
    """Like :func:`best_of_n`, the samples taken from the able specialists in turn."""
    able = bench.able()
    turns = [able[k % len(able)] for k in range(MOST_SAMPLES)]
    return await _vote(bench, turns, stop_at_first=False)


async def repair(bench: Bench) -> str | None:
    """One answer, then corrections: the model sees the public check that fails and answers again.
    Without public checks nothing can ask for a correction, so it is one call."""
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
        # greedy for everybody's first answer, then fresh samples
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
