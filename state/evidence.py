"""Evidence: how often something held, stored as beads, and the Beta record that it adds up to.

A piece of evidence is an outcome bead under the bead that it is about, so it is written once
however often a run is resumed. Expected evidence loses weight with age; surprising evidence keeps
it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from state.models import Bead
from state.store import BeadStore
from state.vectors import QUIET

HALF_LIFE = 32.0
"""Number of later pieces of evidence after which an expected one counts half."""
EXPECTED = math.log(4)
"""Limit of expected surprise in nats: an outcome of probability 1/4 or more is expected."""
LABEL, TIER = "evidence", "memory"
WON, LOST = "won", "lost"


@dataclass(frozen=True)
class Record:
    """Beta(1 + won, 1 + lost) over the chance that the subject holds again."""

    won: float = 0.0
    lost: float = 0.0

    @property
    def chance(self) -> float:
        """Mean of the posterior."""
        return (1 + self.won) / (2 + self.won + self.lost)

    def surprise(self, *, won: bool) -> float:
        """−log p of the next outcome, in nats."""
        return -math.log(self.chance if won else 1 - self.chance)


def fade(age: float, surprise: float | None, half_life: float = HALF_LIFE) -> float:
    """Weight of evidence that is ``age`` pieces old: halved every ``half_life``, full if it was
    surprising."""
    return 1.0 if (surprise or 0.0) > EXPECTED else 0.5 ** (age / half_life)


def tally(pieces: Sequence[tuple[bool, float | None]], *, decay: bool = True) -> Record:
    """The record of (won, surprise) pieces, oldest first; without ``decay`` all count alike."""
    won = lost = 0.0
    for age, (held, surprise) in enumerate(reversed(pieces)):
        weight = fade(age, surprise) if decay else 1.0
        won, lost = (won + weight, lost) if held else (won, lost + weight)
    return Record(won, lost)


def record_of(store: BeadStore, subject: str, *, decay: bool = True) -> Record:
    """The record of the bead ``subject``, given as a whole id."""
    sql = (
        "SELECT close_reason, surprise FROM bead WHERE parent = %(subject)s "
        "AND kind = 'outcome' AND tier = %(tier)s ORDER BY created_at, id"
    )
    rows = store.database.rows(sql, {"subject": subject, "tier": TIER})
    return tally([(reason == WON, surprise) for reason, surprise in rows], decay=decay)


def evidence(subject: str, source: str, run_id: str, record: Record, *, won: bool) -> Bead:
    """The bead that says whether ``subject`` held in ``source``; there is one for each source."""
    return Bead(
        key=f"evidence|{subject}|{source}", kind="outcome", parent=subject, run_id=run_id,
        title="it held" if won else "it did not hold", tier=TIER, status="closed",
        close_reason=WON if won else LOST, surprise=record.surprise(won=won),
        labels=[LABEL, QUIET], data={"source": source},
    )  # fmt: skip
