"""Context packs: what a specialist that reads free text is shown beside its own objective."""

from __future__ import annotations

from state import Bead
from tiers.room import Room

LIMIT_TOKENS = 1024


def pack(room: Room, step: Bead, inputs: dict[str, str]) -> str:
    """The problem and the results that ``step`` builds on, within :data:`LIMIT_TOKENS` tokens.

    Empty for the trained specialists, which know their one form of prompt and nothing else.
    """
    if step.data["kind"] != "text" or "memory" in room.without:
        return ""
    lines = [f"Problem: {room.task.statement}"]
    lines += [f"Known, {name}: {artifact}" for name, artifact in inputs.items()]
    while len(lines) > 1 and room.caller.backend.count_tokens("\n".join(lines)) > LIMIT_TOKENS:
        lines.pop(1)
    return "\n".join(lines)
