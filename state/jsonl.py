"""Converts one issue to one line of the beads JSONL format, and back, without loss.

Fields for which a bead has no column, and values that it cannot hold exactly (a time to the
nanosecond or in another zone, an unknown status), are kept in ``extra`` until export. Fields that
only our beads have are written under the name ``hi_moe``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from state.fields import (
    NOTHING,
    Malformed,
    finite,
    items_of,
    known,
    labels_of,
    moment,
    no_number,
    number_of,
    priority_of,
    refuse_odd,
    refuse_odd_texts,
    same,
    text_of,
    time_of,
)
from state.models import BEAD_KINDS, BEAD_STATUSES, Bead, Comment, Dependency, ForeignLine

OURS = "hi_moe"
ASIDE = ("pinned", "is_template", "ephemeral", "wisp")
"""Fields of the format that exclude an issue from ready work; ``wisp`` is an older name of
``ephemeral``."""
IMPORTED_TEXTS = ("design", "acceptance_criteria")
"""Texts of the format that a bead keeps in ``extra``."""

_TEXTS = {
    "title": "title", "description": "body", "notes": "notes", "assignee": "assignee",
    "close_reason": "close_reason",
}  # fmt: skip
TIMES = ("created_at", "updated_at", "closed_at", "due_at", "defer_until")
DELETION = ("deleted_at", "deleted_by", "delete_reason", "original_type")
"""Fields of the format for a tombstone; a bead keeps them in ``extra``."""
ISSUE = "issue"
"""Value of ``_type`` in a line that is an issue; a line without ``_type`` is an issue too."""
COMPUTED = ("dependency_count", "dependent_count", "comment_count", "parent")
"""Fields that the format's own program computes for each export and never reads."""
HEADER = "header"
"""Type under which a file's first line is kept, which has no type and says how the file was
made."""
_HEADER = "_schema"
"""Field that only the header line has."""
_OWN: dict[str, tuple[type, ...]] = {
    "key": (str,), "parent": (str,), "run_id": (str,), "tier": (str,), "lease_until": (int, float),
    "attempts": (int,), "confidence": (int, float), "surprise": (int, float), "data": (dict,),
}  # fmt: skip
_ORDER = (
    "_type", "id", "title", "description", "design", "acceptance_criteria", "notes", "spec_id",
    "status", "priority", "issue_type", "assignee", "owner", "estimated_minutes", "created_at",
    "created_by", "updated_at", "started_at", "closed_at", "close_reason", "closed_by_session",
    "due_at", "defer_until", "external_ref", "source_system", "metadata", "compaction_level",
    "compacted_at", "compacted_at_commit", "original_size", "labels", "dependencies", "comments",
    *DELETION, "sender", "ephemeral", "no_history", "wisp_type", "pinned", "is_template",
    "bonded_from", "await_type", "await_id", "timeout", "waiters", "source_formula",
    "source_location", "mol_type", "work_type", "event_kind", "actor", "target", "payload",
    *COMPUTED,
)  # fmt: skip
"""Fields in the order of the format; others follow in the order in which they came."""
_ESCAPES = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
"""Characters that the format's own program escapes, and those that UTF-8 cannot encode."""


@dataclass
class Issue:
    """A bead with its dependencies and comments."""

    bead: Bead
    edges: list[Dependency] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)


# --- reading ---------------------------------------------------------------------------------


def parse(line: str) -> Issue | ForeignLine:
    """The issue on a line, or the line itself if its type says that it is no issue.

    Raises Malformed.
    """
    try:
        record = json.loads(line, parse_constant=no_number, parse_float=finite)
    except RecursionError:
        raise Malformed("is nested too deeply") from None
    except ValueError as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        hint = "; it is a mark of an unresolved merge" if line[:7] in _MERGE_MARKS else ""
        raise Malformed(f"no JSON ({why}){hint}") from None
    if not isinstance(record, dict):
        raise Malformed("no JSON object")
    type = record.get("_type", HEADER if _HEADER in record else ISSUE)
    if type == ISSUE:
        if "\\u" in line:
            refuse_odd_texts(record)
        return decode(record)
    type = type if isinstance(type, str) else json.dumps(type)
    name = record["key"] if isinstance(record.get("key"), str) else None
    for what, text in (("_type", type), ("key", name or ""), ("line", line)):
        refuse_odd(what, text)
    return ForeignLine(type=type, name=name, text=line)


def decode(record: Mapping[str, Any]) -> Issue:
    """The issue in a record. Raises Malformed."""
    id = text_of(record, "id")
    if not id or id != id.strip() or not id.isprintable():
        raise Malformed("needs an id")
    if "title" not in record:
        raise Malformed(f"{id} needs a title")
    bead = Bead(
        id=id,
        kind=known(text_of(record, "issue_type"), BEAD_KINDS, "task"),  # type: ignore[arg-type]
        # A bead with an unknown status is unfinished, but is not offered as work.
        status=known(text_of(record, "status"), BEAD_STATUSES, "deferred", "open"),  # type: ignore[arg-type]
        priority=priority_of(record),
        labels=labels_of(record),
        title=text_of(record, "title") or "",
        body=text_of(record, "description") or "",
        notes=text_of(record, "notes") or "",
        assignee=text_of(record, "assignee") or None,
        close_reason=text_of(record, "close_reason") or None,
        created_at=time_of(record, "created_at") or 0.0,
        updated_at=time_of(record, "updated_at") or time_of(record, "created_at") or 0.0,
        closed_at=time_of(record, "closed_at"),
        due_at=time_of(record, "due_at"),
        defer_until=time_of(record, "defer_until"),
    )
    for name in (*IMPORTED_TEXTS, *DELETION):  # Changes of these fields are kept as text.
        refuse_odd(name, value if isinstance(value := record.get(name), str) else "")
    edges = [_edge(id, item) for item in items_of(record, "dependencies")]
    comments = [_comment(id, item) for item in items_of(record, "comments")]
    bead.parent = next((edge.to_id for edge in edges if edge.type == "parent-child"), None)
    for name, value in _own(record).items():
        setattr(bead, name, value)
    issue = Issue(bead, sorted(edges, key=_edge_order), comments)
    plain = encode(issue)
    bead.extra = {
        name: value
        for name, value in record.items()
        if name not in ("dependencies", "comments") and not same(value, plain.get(name, NOTHING))
    }
    return issue


def _edge(id: str, item: Mapping[str, Any]) -> Dependency:
    target = text_of(item, "depends_on_id")
    if not target:
        raise Malformed(f"{id} has a dependency without depends_on_id")
    if target == id:
        raise Malformed(f"{id} depends on itself")
    edge = Dependency(
        from_id=id,
        to_id=target,
        type=text_of(item, "type") or "blocks",  # type: ignore[arg-type]
        created_at=time_of(item, "created_at"),
        created_by=text_of(item, "created_by"),
    )
    edge.extra = _remainder(item, _plain_edge(edge))
    return edge


def _comment(id: str, item: Mapping[str, Any]) -> Comment:
    comment = Comment(
        bead_id=id,
        author=text_of(item, "author") or "",
        text=text_of(item, "text") or "",
        created_at=time_of(item, "created_at") or 0.0,
    )
    comment.extra = _remainder(item, _plain_comment(comment))
    return comment


def _own(record: Mapping[str, Any]) -> dict[str, Any]:
    own = record.get(OURS, {})
    if not isinstance(own, dict):
        raise Malformed(f"{OURS} should be an object")
    return {name: _own_value(name, value) for name, value in own.items() if name in _OWN}


def _own_value(name: str, value: Any) -> Any:
    what, types = f"{OURS}.{name}", _OWN[name]
    if not isinstance(value, types) or isinstance(value, bool):
        raise Malformed(f"{what} has a value of the wrong type")
    if isinstance(value, str):
        refuse_odd(what, value)
    return number_of(what, value, whole=float not in types) if int in types else value


_MERGE_MARKS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")


# --- writing ---------------------------------------------------------------------------------


def line(issue: Issue) -> str:
    """The issue as a line, without its line end."""
    text = json.dumps(encode(issue), ensure_ascii=False, separators=(",", ":"))
    return _ESCAPES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def encode(issue: Issue) -> dict[str, Any]:
    """The issue as a record of the format."""
    bead = issue.bead
    said = {
        "id": bead.id, "title": bead.title, "description": bead.body or None, "notes": bead.notes or None,
        "status": bead.status, "priority": bead.priority, "issue_type": bead.kind,
        "assignee": bead.assignee, **{name: moment(getattr(bead, name)) for name in TIMES},
        "close_reason": bead.close_reason, "labels": list(bead.labels) or None,
        "dependencies": [_whole_edge(e) for e in sorted(issue.edges, key=_edge_order)] or None,
        "comments": [_whole_comment(comment) for comment in issue.comments] or None,
        OURS: _our_own(issue) or None,
    }  # fmt: skip
    record: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    for name, value in bead.extra.items():
        if _still_says(name, value, bead):
            record[name] = value
    if "parent" in bead.extra:
        record["parent"] = bead.parent
    known = {name: record.pop(name) for name in _ORDER if name in record}
    return {**known, **record}


def _still_says(name: str, value: Any, bead: Bead) -> bool:
    """Whether an imported value still has the same meaning as the bead's field."""
    record = {name: value}
    if name == OURS or name == "id":
        return False
    if name in _TEXTS:
        return (value or "") == (getattr(bead, _TEXTS[name]) or "")
    if name == "created_at":
        return (time_of(record, name) or 0.0) == bead.created_at
    if name == "updated_at":
        return time_of(record, name) in (bead.updated_at, None if bead.updated_at else 0.0)
    if name in TIMES:
        try:
            return bool(time_of(record, name) == getattr(bead, name))
        except Malformed:  # The value was kept before this field was read.
            return getattr(bead, name) is None
    if name == "status":
        return known(value, BEAD_STATUSES, "deferred", "open") == bead.status
    if name == "issue_type":
        return known(value, BEAD_KINDS, "task") == bead.kind
    if name == "priority":
        return priority_of(record) == bead.priority
    if name == "labels":
        return labels_of(record) == list(bead.labels)
    return True


def aside_of(status: str, extra: Mapping[str, Any]) -> int:
    """1 for issues that the format's own program never offers as work: pinned, a template,
    ephemeral.

    2 for the status ``pinned``, which does not block the issues that depend on it.
    """
    if status == "deferred" and extra.get("status") == "pinned":
        return 2
    return int(any(extra.get(name) is True for name in ASIDE))


def _our_own(issue: Issue) -> dict[str, Any]:
    """Fields that issues of other programs do not have, where they differ from their defaults."""
    bead = issue.bead
    edges = sorted(issue.edges, key=_edge_order)
    first = next((edge.to_id for edge in edges if edge.type == "parent-child"), None)
    values = {name: getattr(bead, name) for name in _OWN}
    values["parent"] = None if bead.parent == first else bead.parent
    known = {name: value for name, value in values.items() if value not in (None, 0, {})}
    foreign = bead.extra.get(OURS, {})
    return {**known, **{name: value for name, value in foreign.items() if name not in _OWN}}


def _whole_edge(edge: Dependency) -> dict[str, Any]:
    return _overlaid(_plain_edge(edge), edge.extra)


def _plain_edge(edge: Dependency) -> dict[str, Any]:
    said = {
        "issue_id": edge.from_id, "depends_on_id": edge.to_id, "type": edge.type,
        "created_at": moment(edge.created_at), "created_by": edge.created_by,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def _whole_comment(comment: Comment) -> dict[str, Any]:
    own = {} if comment.sequence is None else {"id": comment.sequence}
    return _overlaid({**own, **_plain_comment(comment)}, comment.extra)


def _plain_comment(comment: Comment) -> dict[str, Any]:
    return {
        "issue_id": comment.bead_id, "author": comment.author, "text": comment.text,
        "created_at": moment(comment.created_at),
    }  # fmt: skip


def _overlaid(plain: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its imported fields. Dependencies and comments never change, so their
    imported fields always apply."""
    if "id" in extra:
        plain = {"id": extra["id"], **plain}
    return {**plain, **extra}


def _remainder(item: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    return {n: value for n, value in item.items() if not same(value, plain.get(n, NOTHING))}


def _edge_order(edge: Dependency) -> tuple[float, str, str]:
    return edge.created_at or 0.0, edge.type, edge.to_id
