"""A cache of recent decisions with a time limit, in which the least recently used ones are dropped
first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from specialists.routing.contract import Scores
from state import UsageError


@dataclass(frozen=True)
class _Entry:
    row: Scores
    until: float


class DecisionCache:
    """Score rows by key, kept for ``ttl`` seconds of the clock; only confident rows are stored."""

    def __init__(self, size: int = 1000, ttl: float = 60.0, confidence: float = 0.8) -> None:
        if size < 0 or ttl < 0:
            raise UsageError(f"a cache has a size and a lifetime of 0 or more, not {size}, {ttl}")
        self._size, self._ttl, self._confidence = size, ttl, confidence
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, now: float) -> Scores | None:
        """The row under ``key``, unless it is too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry.until:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry.row

    def put(self, key: Hashable, row: Scores, confidence: float, now: float) -> None:
        """Store ``row`` if it is confident enough."""
        if confidence < self._confidence or not self._size:
            return
        self._entries[key] = _Entry(row.copy(), now + self._ttl)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def drop(self, key: Hashable) -> None:
        """Remove ``key``, if it is there."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Remove everything, after a change of the fleet."""
        self._entries.clear()
