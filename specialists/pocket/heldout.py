"""What training may never see: a tenth of every domain's contents, chosen by hash of the content.

Training generators redraw until :func:`held_out` is false, test generators until it is true, so the
two splits cannot meet whatever the seeds are.
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

    Pairs of single digits are the tables that column arithmetic is made of: never held out.
    """
    if a < 10 and b < 10:
        return False
    if op in "+*" and a > b:
        a, b = b, a
    return held_out(f"{a}{op}{b}")
