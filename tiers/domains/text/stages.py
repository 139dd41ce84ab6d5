"""Plans a request for several things as its segments, in order."""

from __future__ import annotations

from tiers.protocol import Plan, PlanStep
from tiers.segments import labels, segment


def stages(statement: str) -> Plan | None:
    """The segments of a request as steps in order, each building on all before it.

    ``None`` when it asks for fewer than two things.
    """
    parts = segment(statement)
    if len(parts) < 2:
        return None
    sections = labels(parts)
    names = [section.replace(" ", "_") for section in sections]
    steps = tuple(
        PlanStep(
            name=name, kind="code" if part.label == "code" else "text", objective=part.text,
            inputs=tuple(names[:k]), meta={"role": part.label},
        )
        for k, (name, part) in enumerate(zip(names, parts, strict=True))
    )  # fmt: skip
    return Plan(
        steps=steps, answer=dict(zip(sections, names, strict=True)), decomposer="rules",
        why=f"the request has {len(steps)} segments: {', '.join(sections)}",
    )  # fmt: skip
