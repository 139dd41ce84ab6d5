"""What a listing of beads may be narrowed to, as SQL conditions."""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import ColumnElement, String, cast, func, or_
from sqlmodel import col

from state.models import BEAD_KINDS, BEAD_STATUSES, Bead
from state.rows import one_of


def matching(
    *,
    run_id: str | None = None,
    kind: str | Collection[str] | None = None,
    status: str | Collection[str] | None = None,
    tier: str | None = None,
    assignee: str | None = None,
    label: str | None = None,
    priority: int | None = None,
    text: str | None = None,
) -> list[ColumnElement[bool]]:
    """Conditions that hold for beads which match all filters; ``None`` filters nothing.

    ``text`` is looked for in title and body, in any case. Raises UsageError for an unknown kind or
    status.
    """
    equal = (
        (Bead.run_id, run_id), (Bead.tier, tier), (Bead.assignee, assignee),
        (Bead.priority, priority),
    )  # fmt: skip
    conditions = [col(column) == value for column, value in equal if value is not None]
    if kind is not None:
        conditions.append(col(Bead.kind).in_(one_of("bead kind", kind, BEAD_KINDS)))
    if status is not None:
        conditions.append(col(Bead.status).in_(one_of("bead status", status, BEAD_STATUSES)))
    if label is not None:
        # Unlike LIKE, replace() minds the case on every database.
        stored = cast(col(Bead.labels), String)
        conditions.append(func.replace(stored, json.dumps(label), "") != stored)
    if text is not None:
        in_title = col(Bead.title).icontains(text, autoescape=True)
        conditions.append(or_(in_title, col(Bead.body).icontains(text, autoescape=True)))
    return conditions
