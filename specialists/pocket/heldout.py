"""The held-out contents: a tenth of every domain, chosen by hash of the content, never seen in
training.

Training generators redraw until :func:`held_out` is false, test generators until it is true, so the
two splits are disjoint for any seeds.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

_SHARE = 10


@lru_cache(maxsize=200_000)
def held_out(key: str) -> bool:
    """Whether the content named by ``key`` is reserved for tests (one key in ten)."""
    return int.from_bytes(blake2b(key.encode(), digest_size=4).digest(), "big") % _SHARE == 0


def pair_held_out(op: str, a: int, b: int) -> bool:
    """Whether the operand pair of ``a op b`` is reserved for tests.

    Pairs of single digits are never held out, because column arithmetic is built from their tables.
    """
    if a < 10 and b < 10:
        return False
    if op in "+*" and a > b:
        a, b = b, a
    return held_out(f"{a}{op}{b}")
