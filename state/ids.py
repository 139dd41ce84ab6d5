"""Short ids that machines can draw without coordination."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Iterator

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32: no letter looks like a digit."""

_SHORT = 4
_KEYED = 10
_LENGTH_UP_TO = ((32, 4), (180, 5), (1000, 6))
"""(number of beads, characters of an id): up to this number, the chance n²/32^L of a clash on a
merge stays under 1/1000."""

COUNT_UP_TO = 1000
"""Number of ids above which the length no longer grows."""


def digest(text: str, length: int = 51) -> str:
    """The first ``length`` of the 51 characters of the SHA-256 of ``text`` in lower-case base32."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    return "".join([_ALPHABET[number >> shift & 31] for shift in range(250, 250 - 5 * length, -5)])


def random_digest() -> str:
    """A digest that no other machine, process or moment draws."""
    import socket
    import uuid

    return digest(f"{uuid.uuid4()}|{socket.gethostname()}|{time.time_ns()}")


def random_length(population: int) -> int:
    """Characters a random id needs where ``population`` random ids exist already."""
    return next((length for limit, length in _LENGTH_UP_TO if population < limit), _KEYED)


@functools.lru_cache(maxsize=4096)
def keyed_id(key: str) -> str:
    """The id that a bead created with ``key`` gets on every machine (50 bits of the key's hash)."""
    return f"hm-{digest(key, _KEYED)}"


def candidates(whole: str, length: int, prefix: str = "hm-") -> list[str]:
    """Ids from the digest ``whole``, of ``length`` and more characters, for taking the first free
    one."""
    return [f"{prefix}{whole[:end]}" for end in range(max(length, _SHORT), len(whole) + 1)]


def keyed_candidates(key: str) -> Iterator[str]:
    """Like :func:`candidates`, for a bead with ``key``."""
    first = keyed_id(key)
    yield first
    yield from candidates(digest(key), _KEYED)[1:]
