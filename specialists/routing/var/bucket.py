"""A token bucket over requests: how often the expensive path may be taken.

Claim. With capacity ``b`` tokens and ``r`` tokens added for each request, any ``n`` consecutive
requests draw at most ``b + r·n`` tokens, whatever is asked and in whatever order. With
``r = share − b / horizon``, every window of at least ``horizon`` requests draws at most ``share·n``.

Proof sketch. Let ``L`` be the level before the window; the level never exceeds the capacity, so
``L ≤ b``. Each request adds at most ``r`` (what would overflow is lost) and each draw removes
exactly 1 and happens only at a level of 1 or more, so the level never falls below 0. The level after
the window is ``L + added − draws ≥ 0``; hence ``draws ≤ L + added ≤ b + r·n``. For ``n ≥ horizon``:
``b + r·n = b + share·n − b·n / horizon ≤ share·n``. Nothing here looks at the requests, so the bound
holds for an adversary who sees the state. Levels are integers (millionths of a token, the rate
rounded down), so no rounding error adds up over a long run.
"""

from __future__ import annotations

from state import UsageError

UNIT = 1_000_000
"""Cost of one draw, in millionths of a token."""


class TokenBucket:
    """At most ``share`` of any ``horizon`` or more consecutive requests draw a token.

    ``burst`` tokens may be drawn in a row; by default a third of what the horizon allows.
    """

    def __init__(
        self, share: float = 0.15, *, horizon: int = 100, burst: int | None = None
    ) -> None:
        if not 0 < share <= 1:
            raise UsageError(f"the expensive share is above 0 and at most 1, not {share}")
        if horizon < 1:
            raise UsageError(f"the horizon of a share is at least one request, not {horizon}")
        self.share, self.horizon = share, horizon
        self.burst = max(1, int(share * horizon / 3)) if burst is None else burst
        if self.burst < 1 or self.burst > share * horizon:
            most = int(share * horizon)
            raise UsageError(f"a burst is 1 to {most} for {share} of {horizon}, not {self.burst}")
        # A share of 1 limits nothing: every request may draw.
        self.rate = UNIT if share == 1 else int(UNIT * share) - -(-UNIT * self.burst // horizon)
        self.level = UNIT * self.burst

    def advance(self, requests: int) -> None:
        """Count ``requests`` new requests, which fill the bucket."""
        self.level = min(UNIT * self.burst, self.level + requests * self.rate)

    def draw(self) -> bool:
        """Take a token for the request counted last; returns false, and takes nothing, when there
        is none."""
        if self.level < UNIT:
            return False
        self.level -= UNIT
        return True

    def limit(self, requests: int) -> int:
        """Most draws in any window of this many requests."""
        return min(requests, (UNIT * self.burst + requests * self.rate) // UNIT)
