"""Named sets of suites, and today's results against a stored baseline, problem by problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from eval import statistics
from eval.comparison import ALPHA, Attempt
from state.errors import UsageError

SETS: dict[str, tuple[tuple[str, int], ...]] = {
    "quick": (("horizon/8", 5), ("pocket-code", 5)),
    "pocket": (
        ("horizon/4", 100), ("horizon/8", 100), ("horizon/16", 100), ("horizon/32", 100),
        ("multistage", 50), ("pocket-code", 50),
    ),
    "general": (("classics", 1000),),
}  # fmt: skip
"""Set → (suite, problems from the first on)."""


class Record(BaseModel):
    """The attempts of one bench, as they are stored for later."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    model: str
    attempts: tuple[Attempt, ...]


class Change(BaseModel):
    """One suite, then and now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    problems: int
    now: float
    """Solve rate."""
    before: float | None
    """``None`` without a baseline."""
    gained: tuple[str, ...] = ()
    """Problems solved now and not before."""
    lost: tuple[str, ...] = ()
    p: float | None = None
    """McNemar, exact."""
    tokens: float = 0.0
    """Per problem, now."""

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``no change`` (none that the problems can tell), or ``new``."""
        if self.p is None:
            return "new"
        if self.p > ALPHA:
            return "no change"
        return "better" if len(self.gained) > len(self.lost) else "worse"


def read_record(path: Path) -> Record | None:
    """A stored baseline; ``None`` where there is none yet. Raises UsageError for a broken one."""
    if not path.exists():
        return None
    try:
        return Record.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValidationError):
        raise UsageError(f"{path}: not a baseline of eval bench") from None


def changes(now: Record, before: Record | None) -> list[Change]:
    """Every suite of ``now`` against the baseline, on the problems that both hold.

    Raises UsageError where a suite's problems differ: rates of different problems are no change.
    """
    suites = list(dict.fromkeys(a.suite for a in now.attempts))
    return [_change(suite, now.attempts, before.attempts if before else ()) for suite in suites]


def _change(suite: str, now: Sequence[Attempt], before: Sequence[Attempt]) -> Change:
    new = {a.problem: a for a in now if a.suite == suite}
    old = {a.problem: a for a in before if a.suite == suite}
    rate = sum(a.solved for a in new.values()) / len(new)
    tokens = sum(a.tokens for a in new.values()) / len(new)
    if not old:
        return Change(suite=suite, problems=len(new), now=rate, before=None, tokens=tokens)
    if old.keys() != new.keys():
        raise UsageError(
            f"suite {suite}: the baseline holds {len(old)} problems, this bench {len(new)}, and they "
            "are not the same: make a new baseline with --save"
        )
    gained = tuple(p for p in new if new[p].solved and not old[p].solved)
    lost = tuple(p for p in new if old[p].solved and not new[p].solved)
    return Change(
        suite=suite, problems=len(new), now=rate, tokens=tokens,
        before=sum(a.solved for a in old.values()) / len(old),
        gained=gained, lost=lost, p=statistics.mcnemar(len(gained), len(lost)),
    )  # fmt: skip
