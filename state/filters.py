"""The filters of bead listings, as SQL conditions with their parameters."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Literal, TypedDict, Unpack

from state.errors import UsageError
from state.models import BEAD_KINDS, BEAD_STATUSES, DONE, RECORD_KINDS
from state.transactions import listed

NO_RUN = ""
"""Value of the filter ``run_id`` for beads that belong to no run."""

Order = Literal["priority", "created", "updated", "due"]
"""Orders of a listing: most urgent first, oldest first, last changed first, or soonest due
first."""

ORDERS: dict[Order, str] = {
    "priority": "ORDER BY priority, created_at, id",
    "created": "ORDER BY created_at, id",
    "updated": "ORDER BY updated_at DESC, id",
    "due": "ORDER BY due_at IS NULL, due_at, priority, id",
}


class Work(TypedDict, total=False):
    """Filters of beads, apart from the assignee; ``None`` filters nothing."""

    run_id: str | None
    """Id of a run; :data:`NO_RUN` for beads that no run made."""
    kind: str | Collection[str] | None
    status: str | Collection[str] | None
    tier: str | None
    label: str | Collection[str] | None
    """Labels that a bead must have, all of them."""
    priority: int | None
    parent: str | None
    """Whole id of the parent."""
    text: str | None
    """Text that occurs in title or body, in upper or lower case."""
    due_before: float | None
    """Time before which an unfinished bead is due."""


class Filters(Work, total=False):
    """All filters of beads, the assignee included."""

    assignee: str | None


def matching(**filters: Unpack[Filters]) -> tuple[list[str], dict[str, Any]]:
    """SQL conditions of beads that match all filters, and their parameters.

    Raises UsageError for an unknown kind or status.
    """
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for name in ("run_id", "tier", "assignee", "priority", "parent"):
        value = filters.get(name)
        if value is not None and value != NO_RUN:
            conditions.append(f"{name} = %({name})s")
            values[name] = value
    kind = filters.get("kind")
    kinds = [] if kind is None else one_of("bead kind", kind, BEAD_KINDS)
    if kinds:
        conditions.append(f"kind IN {listed(kinds)}")
    if filters.get("run_id") == NO_RUN:
        conditions.append("run_id IS NULL")
        # Beads in the memory of all runs belong to no single run.
        if not set(kinds) & set(RECORD_KINDS):
            conditions.append("tier IS NULL")
    if (status := filters.get("status")) is not None:
        conditions.append(f"status IN {listed(one_of('bead status', status, BEAD_STATUSES))}")
    label = filters.get("label") or ()
    for number, one in enumerate([label] if isinstance(label, str) else label):
        # Unlike LIKE, replace() is case-sensitive on every database.
        stored = "CAST(labels AS VARCHAR)"
        conditions.append(f"replace({stored}, %(label{number})s, '') <> {stored}")
        values[f"label{number}"] = json.dumps(one)
    if (text := filters.get("text")) is not None:
        found = "lower({}) LIKE lower(%(text)s) ESCAPE '/'"
        conditions.append(f"({found.format('title')} OR {found.format('body')})")
        values["text"] = f"%{escaped(text)}%"
    if (due_before := filters.get("due_before")) is not None:
        conditions.append(f"due_at < %(due_before)s AND status NOT IN {listed(DONE)}")
        values["due_before"] = due_before
    return conditions, values


def where(conditions: Collection[str]) -> str:
    """The conditions as a WHERE clause; empty where there are none."""
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def escaped(text: str) -> str:
    """``text`` for a LIKE with ``ESCAPE '/'``."""
    return text.replace("/", "//").replace("%", "/%").replace("_", "/_")


def one_of(what: str, value: str | Collection[str], allowed: Collection[str]) -> list[str]:
    """``value`` as a list, each member being one of ``allowed``. Raises UsageError."""
    values = [value] if isinstance(value, str) else list(value)
    for member in values:
        if member not in allowed:
            raise UsageError(f"unknown {what} {member!r}; choose one of {', '.join(allowed)}")
    return values
