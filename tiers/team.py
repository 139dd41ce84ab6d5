"""Teams of specialists on one delegation: all at once, the best answer winning, or in turn until
one passes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tiers.protocol import Delegation, Outcome

Work = Callable[[str], Awaitable[Outcome]]
"""Name of a specialist → the outcome of its attempts at the delegation."""


async def work(order: Delegation, attempt: Work) -> tuple[str, Outcome]:
    """(winner, outcome) of a delegation, by its ``team``.

    An ensemble is judged by the delegation's own checks, which are public: verified before
    unverified before failed, then by checks passed, then by the order of the members. A cascade
    goes on while verification fails; where no check applies nothing can fail, so its first answer
    is kept.
    """
    names = (order.specialist, *order.others)
    if order.team == "ensemble":
        found = await asyncio.gather(*(attempt(name) for name in names))
        done = list(zip(names, found, strict=True))
    else:
        done = []
        for name in names:
            done.append((name, await attempt(name)))
            if done[-1][1].status != "failed":
                break
    winner = max(range(len(done)), key=lambda k: (*_rank(done[k][1]), -k))
    who, best = done[winner]
    if len(names) == 1:
        return who, best
    return who, best.model_copy(
        update={
            "members": {name: outcome.status for name, outcome in done},
            "attempts": sum(outcome.attempts for _, outcome in done),
            "failures": tuple(f for _, outcome in done for f in outcome.failures),
        }
    )


def _rank(outcome: Outcome) -> tuple[int, int]:
    """How good an outcome is: how it ended, then how many checks it passed."""
    ends = {"verified": 3, "unverified": 2, "exhausted": 1}
    return ends.get(outcome.status, 0), sum(check.passed for check in outcome.checks)
