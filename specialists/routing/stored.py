"""Trained routers on disk: numbered versions, each with the fleet it was trained for.

``learned-3.npz`` is the third version of the kind ``learned``; the highest number is in force. A
file of another fleet is stale and refused, because it is about specialists that no longer exist.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from specialists.registry import Card, fleet_version
from state import UsageError

FORMAT = 1


@dataclass(frozen=True)
class Stored:
    """One version of a trained router."""

    kind: str
    number: int
    fleet: str
    figures: dict[str, Any]
    """Measurements at the time of training."""
    state: dict[str, Any]
    """Arrays by name."""

    def check(self, cards: Sequence[Card]) -> Stored:
        """The version itself. Raises ``UsageError`` when it was trained for another fleet."""
        if self.fleet != fleet_version(cards):
            raise UsageError(
                f"the {self.kind} router {self.number} is stale, the fleet has changed: run "
                "`harness router train`"
            )
        return self


def save(
    folder: Path, kind: str, cards: Sequence[Card], state: Mapping[str, Any],
    figures: Mapping[str, Any],
) -> Stored:  # fmt: skip
    """Write the next version."""
    number = max(_numbers(folder, kind), default=0) + 1
    made = Stored(kind, number, fleet_version(cards), dict(figures), dict(state))
    meta = {"format": FORMAT, "kind": kind, "fleet": made.fleet, "figures": made.figures}
    buffer = io.BytesIO()
    np.savez(buffer, meta=np.array(json.dumps(meta)), **made.state)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{kind}-{number}.npz"
    part = file.with_name(file.name + ".part")
    part.write_bytes(buffer.getvalue())
    part.replace(file)
    return made


def newest(folder: Path, kind: str) -> Stored:
    """The version in force. Raises ``UsageError`` if there is none, or the file is damaged."""
    numbers = _numbers(folder, kind)
    if not numbers:
        raise UsageError(f"there is no {kind} router yet: run `harness router train`")
    file = folder / f"{kind}-{max(numbers)}.npz"
    try:
        with np.load(file, allow_pickle=False) as held:
            state = {name: held[name] for name in held.files}
        meta = json.loads(str(state.pop("meta")))
        if meta["format"] != FORMAT or meta["kind"] != kind:
            raise ValueError(f"format {meta['format']} of kind {meta['kind']}")
        return Stored(kind, max(numbers), meta["fleet"], meta["figures"], state)
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{file}: is no {kind} router: {error}") from None


def _numbers(folder: Path, kind: str) -> list[int]:
    names = folder.glob(f"{kind}-*.npz") if folder.is_dir() else ()
    found = (re.fullmatch(rf"{re.escape(kind)}-(\d+)\.npz", file.name) for file in names)
    return [int(match[1]) for match in found if match]
