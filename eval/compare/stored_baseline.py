"""Named sets of suites, and present results compared with a stored baseline, problem by problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from eval import statistics
from eval.compare.analysis import SMALLEST_EFFECT, judge
from eval.compare.attempts import Attempt, Frozen
from state.errors import UsageError

SETS: dict[str, tuple[tuple[str, int], ...]] = {
    "quick": (("horizon/8", 5), ("pocket-code", 5)),
    "pocket": (
        ("horizon/4", 100), ("horizon/8", 100), ("horizon/16", 100), ("horizon/32", 100),
        ("multistage", 50), ("pocket-code", 50),
    ),
    "general": (("classics", 1000),),
}  # fmt: skip
"""Set → (suite, number of its first problems)."""


class Record(Frozen):
    """The attempts of one bench, as they are stored for later."""

    name: str
    model: str
    attempts: tuple[Attempt, ...]


class Change(Frozen):
    """Change of one suite since the baseline."""

    suite: str
    problems: int
    """Number of problems with a result now and, if there is a baseline, also then."""
    lost_attempts: int
    """Number of problems without a result, now or then."""
    now: float | None
    """Solve rate now; ``None`` where every attempt was lost."""
    before: float | None
    """Solve rate of the baseline; ``None`` without a baseline."""
    gained: tuple[str, ...] = ()
    """Problems that are solved now and were not before."""
    lost: tuple[str, ...] = ()
    """Problems that were solved before and are not now."""
    p: float | None = None
    """p value of McNemar's test, exact."""
    power: float | None = None
    """Probability of finding a true change of the smallest effect with as many problems."""
    problems_needed: int | None = None
    """Problems needed for 80% power; where there is that much power, for a decisive interval."""
    tokens: float = 0.0
    """Mean tokens for each problem, now."""
    verdict: Literal["better", "worse", "no change", "undecided", "new"]
    """Verdict on the change. ``no change`` is reported only where the problems would have shown the
    smallest effect and the interval excludes it in both directions; ``new`` is a suite without a
    baseline."""


def read_record(path: Path) -> Record | None:
    """A stored baseline; ``None`` where there is none yet. Raises UsageError for a broken one."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValidationError:
        raise UsageError(f"{path}: not a baseline of eval bench") from None


def changes(
    now: Record, before: Record | None, smallest_effect: float = SMALLEST_EFFECT
) -> list[Change]:
    """Every suite of ``now`` compared with the baseline, on the problems for which both have a
    result.

    Raises UsageError where a suite's problems differ: rates of different problems cannot be
    compared.
    """
    suites = list(dict.fromkeys(a.suite for a in now.attempts))
    held = before.attempts if before else ()
    return [_change(suite, now.attempts, held, smallest_effect) for suite in suites]


def _change(
    suite: str, now: Sequence[Attempt], before: Sequence[Attempt], smallest: float
) -> Change:
    new = {a.problem: a for a in now if a.suite == suite}
    old = {a.problem: a for a in before if a.suite == suite}
    if old and old.keys() != new.keys():
        raise UsageError(
            f"suite {suite}: the baseline holds {len(old)} problems, this bench {len(new)}, and they "
            "are not the same: make a new baseline with --save"
        )
    told = [p for p in new if not new[p].lost and not (old and old[p].lost)]
    gained = tuple(p for p in told if old and new[p].solved and not old[p].solved)
    lost = tuple(p for p in told if old and old[p].solved and not new[p].solved)
    share = 1 / len(told) if told else None
    change = Change(
        suite=suite, problems=len(told), lost_attempts=len(new) - len(told),
        now=share and sum(new[p].solved for p in told) * share,
        before=sum(old[p].solved for p in told) * share if old and share else None,
        gained=gained, lost=lost, tokens=sum(new[p].tokens for p in told) * (share or 0.0),
        verdict="new",
    )  # fmt: skip
    if not old:
        return change
    p = statistics.mcnemar(len(gained), len(lost))
    found = statistics.resolution(smallest, len(gained) + len(lost), len(told))
    steps = [float(new[name].solved) - float(old[name].solved) for name in told]
    interval = statistics.paired_bootstrap(steps) if steps else statistics.Interval(0.0, -1.0, 1.0)
    verdict, needed = judge(p, interval, found, smallest, both=True), found.needed
    if verdict == "undecided" and found.suffices:
        needed = statistics.pairs_to_decide(interval, smallest, len(told), both=True)
    return change.model_copy(
        update={
            "p": p, "power": found.power, "problems_needed": needed,
            "verdict": "no change" if verdict == "no benefit" else verdict,
        }
    )  # fmt: skip
