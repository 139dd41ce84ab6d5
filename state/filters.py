"""What a listing of beads may be narrowed to, as SQL conditions."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TypedDict, Unpack

from sqlalchemy import ColumnElement, String, cast, func, or_
from sqlmodel import col

from state.models import BEAD_KINDS, BEAD_STATUSES, Bead
from state.rows import one_of

NO_RUN = ""
"""Stands for a run where beads are asked for that belong to none."""


class Filters(TypedDict, total=False):
    """What beads may be asked for; ``None`` filters nothing."""

    run_id: str | None
    """:data:`NO_RUN` for beads that no run made."""
    kind: str | Collection[str] | None
    status: str | Collection[str] | None
    tier: str | None
    assignee: str | None
    label: str | None
    priority: int | None
    text: str | None
    """Looked for in title and body, in any case."""


def matching(**filters: Unpack[Filters]) -> list[ColumnElement[bool]]:
    """Conditions that hold for beads which match all filters.

    Raises UsageError for an unknown kind or status.
    """
    run_id = filters.get("run_id")
    equal = (
        (Bead.run_id, run_id or None), (Bead.tier, filters.get("tier")),
        (Bead.assignee, filters.get("assignee")), (Bead.priority, filters.get("priority")),
    )  # fmt: skip
    conditions = [col(column) == value for column, value in equal if value is not None]
    if run_id == NO_RUN:
        conditions.append(col(Bead.run_id).is_(None))
    if (kind := filters.get("kind")) is not None:
        conditions.append(col(Bead.kind).in_(one_of("bead kind", kind, BEAD_KINDS)))
    if (status := filters.get("status")) is not None:
        conditions.append(col(Bead.status).in_(one_of("bead status", status, BEAD_STATUSES)))
    if (label := filters.get("label")) is not None:
        # Unlike LIKE, replace() minds the case on every database.
        stored = cast(col(Bead.labels), String)
        conditions.append(func.replace(stored, json.dumps(label), "") != stored)
    if (text := filters.get("text")) is not None:
        in_title = col(Bead.title).icontains(text, autoescape=True)
        conditions.append(or_(in_title, col(Bead.body).icontains(text, autoescape=True)))
    return conditions
