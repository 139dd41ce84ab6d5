"""Decomposes a story: a specialist reads its sentences, and checked readings vote.

Each sentence is read alone and in a window of two. A sentence without a valid reading is asked
about again, first with other samples, then beside other sentences of the story: a model that
miscopies a text repeatedly in one context often copies it correctly in another. After a bounded
number of tries the story counts as unreadable for this fleet, and no further plan helps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from specialists.backends.base import Sampling
from specialists.pocket.domains import decompose_prompt
from specialists.registry import Card
from tiers.domains.story import derivation, splitter
from tiers.model_calls import Origin, resample_temperature
from tiers.prompts import chat
from tiers.protocol import Check, CheckResult, NoPlan, PlanError, PlanStep
from tiers.run_context import RunContext

WINDOW = 2
RESAMPLES = 3
BLANK_ROUNDS = 2
"""Resamples after which a sentence without a valid reading is read beside other sentences."""
COMPANIONS = 24
"""Times that a sentence is read beside others, each time beside the next two of the story."""
LEGIBLE = 3
"""Sentences that must have a reading for the story to count as one in a form that the fleet
knows."""
UNREADABLE = 0.1
"""Share of sentences without a reading from which more samples are not worth their calls. In a
story in a form that the fleet knows, one sentence in 500 has no reading."""
WARMER = 0.3
"""Increase of the temperature with each further resample."""


class StoryReader:
    """Reads stories with one specialist."""

    def __init__(self, context: RunContext, card: Card, number: int) -> None:
        self.context, self.card, self.number = context, card, number

    async def read(
        self, parts: Sequence[str]
    ) -> tuple[list[PlanStep], str, tuple[CheckResult, ...]]:
        """Steps, the name of the step that holds the answer, and the results of the checks.

        Raises :class:`PlanError`, or :class:`NoPlan` where another try cannot succeed.
        """
        pairs = splitter.windows(len(parts), WINDOW)
        alone, joint = await asyncio.gather(
            self._derive([[s] for s in parts], 0),
            self._derive([[parts[i] for i in w] for w in pairs], 0),
        )
        readings = [
            _fitting(part, [single[0], joint[k // WINDOW][k % WINDOW]])
            for k, (part, single) in enumerate(zip(parts, alone, strict=True))
        ]
        blank = [part for part, found in zip(parts, readings, strict=True) if not found]
        if len(blank) > max(1, UNREADABLE * len(parts)):
            raise self._fault(
                f"{len(blank)} of {len(parts)} sentences have no reading that fits, the first is "
                f"{blank[0]!r}"
            )
        split = [k for k, found in enumerate(readings) if _leading(found)[1] < 2]
        await asyncio.gather(*(self._vote(parts, k, readings[k]) for k in split))
        lost = [k for k, found in enumerate(readings) if not found]
        if len(parts) - len(lost) >= LEGIBLE:
            await asyncio.gather(*(self._accompany(parts, k, readings[k]) for k in lost))
        lines: list[derivation.Line] = []
        for part, candidates in zip(parts, readings, strict=True):
            best = derivation.majority(candidates)
            if best is None:
                raise self._fault(f"no reading fits {part!r}")
            lines += best[0]
        try:
            steps, answer = derivation.build_steps(lines)
        except PlanError as error:
            if split:
                raise
            # All readings agreed, so further samples would agree as well.
            raise self._fault(str(error)) from None
        checks = (
            CheckResult(
                kind="plan", passed=True, detail="parses, uses every number, refers backwards"
            ),
            CheckResult(
                kind="agreement", passed=True,
                detail=f"{len(parts) - len(split)} of {len(parts)} sentences agreed at once, "
                "the others by vote",
            ),
        )  # fmt: skip
        return steps, answer, checks

    def _fault(self, why: str) -> PlanError:
        """The error for an unreadable story: final for the first plan; a later plan, whose readings
        are sampled, may have failed by chance."""
        return NoPlan(why) if self.number == 0 else PlanError(why)

    async def _derive(
        self, sources: Sequence[Sequence[str]], sample: int, *, warm: bool = True
    ) -> list[list[derivation.Lines | None]]:
        """The reading of each source, sentence by sentence; ``None`` where it is malformed.

        Further samples of one source are ``warm``; a source that was not asked before need not be.
        """
        context, card, number = self.context, self.card, self.number
        if number == 0 and (sample == 0 or not warm):
            temperature = 0.0
        else:
            temperature = resample_temperature(sample if warm else 1, WARMER)
        sampling = Sampling(
            max_tokens=card.max_tokens,
            temperature=temperature,
            seed=context.seed * 1000 + number * 100 + sample,
        )
        origin = Origin(context.root_id, "architect", number, sample)
        calls = [
            context.caller(card, chat(card, decompose_prompt(s)), origin, sampling) for s in sources
        ]
        made = await asyncio.gather(*calls)
        parsed = [
            derivation.parse(call.response, source)
            for call, source in zip(made, sources, strict=True)
        ]
        return [
            [None] * len(source) if lines is None else list(lines)
            for lines, source in zip(parsed, sources, strict=True)
        ]

    async def _accompany(
        self, parts: Sequence[str], k: int, readings: list[derivation.Lines]
    ) -> None:
        """Add derivations of sentence ``k`` between and before other sentences, until two agree."""
        others = [part for j, part in enumerate(parts) if j != k]
        for turn in range(min(COMPANIONS, len(others))):
            near, far = others[turn], others[(turn + 1) % len(others)]
            sources = [[near, parts[k], far], [parts[k], near, far]]
            between, before = await self._derive(sources, RESAMPLES + 1 + turn, warm=False)
            readings += _fitting(parts[k], [between[1], before[0]])
            if _leading(readings)[1] >= 2:
                return

    async def _vote(self, parts: Sequence[str], k: int, readings: list[derivation.Lines]) -> None:
        """Add derivations of sentence ``k`` to its readings until one has two votes."""
        start = k // WINDOW * WINDOW
        window = parts[start : start + WINDOW]
        for sample in range(1, RESAMPLES + 1):
            if not readings and sample > BLANK_ROUNDS:
                return
            single, pair = await self._derive([[parts[k]], window], sample)
            readings += _fitting(parts[k], [single[0], pair[k - start]])
            if _leading(readings)[1] >= 2:
                return


def explain_step(steps: Sequence[PlanStep], answer: str) -> PlanStep:
    """The step that explains all others."""
    rows = [{"name": s.name, "target": s.meta["target"], "objective": s.objective} for s in steps]
    return PlanStep(
        name="explain", kind="explain", objective="Explain these steps.",
        inputs=tuple(s.name for s in steps), acceptance=(Check(kind="cites"),),
        meta={"steps": rows, "answer": answer},
    )  # fmt: skip


def code_step(body: str, answer: str) -> PlanStep:
    """The step that writes a program for the story, checked against the solved number."""
    return PlanStep(
        name="code", kind="code", objective=body, inputs=(answer,),
        acceptance=(Check(kind="cross"),), meta={"story": True, "answer": answer},
    )  # fmt: skip


def _fitting(part: str, readings: Sequence[derivation.Lines | None]) -> list[derivation.Lines]:
    return [r for r in readings if r is not None and derivation.check_sentence(part, r).passed]


def _leading(readings: Sequence[derivation.Lines]) -> tuple[derivation.Lines, int]:
    return derivation.majority(readings) or ((), 0)
