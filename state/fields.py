"""Single fields of a record in the beads JSONL format: parsing, checking and writing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from state.text import is_storable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
FIRST, LAST = -62_135_596_800.0, 253_402_300_799.0
"""The first and the last second that has a date in UTC, in the years 1 and 9999."""
NOTHING = object()
"""Marker for a missing field; equal to no value."""


class Malformed(ValueError):
    """A line is no valid issue; the message says why, without the number of the line."""


def no_number(name: str) -> None:
    """Reject numbers that JSON cannot express: NaN, Infinity. Raises ValueError."""
    raise ValueError(f"{name} is no number")


def finite(text: str) -> float:
    """A number with a fraction or an exponent. Raises ValueError unless it is finite."""
    if not isfinite(number := float(text)):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def text_of(record: Mapping[str, Any], name: str) -> str | None:
    """A text field, or ``None`` where it is missing. Raises Malformed."""
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"{name} should be text, not {json.dumps(value)[:40]}")
    if value is not None:
        refuse_odd(name, value)
    return value


def refuse_odd(what: str, text: str) -> None:
    """Raise Malformed for a text with NUL or a lone surrogate."""
    if not is_storable(text):
        raise Malformed(f"{what} holds a character that no database can store")


def refuse_odd_texts(record: Mapping[str, Any]) -> None:
    """Raise Malformed for a name with NUL, and for a lone surrogate anywhere, since UTF-8 has no
    code for it."""
    work: list[tuple[str, Any]] = list(record.items())
    while work:
        name, value = work.pop()
        refuse_odd(f"the name {json.dumps(name)[:40]}", name)
        if isinstance(value, str):
            refuse_odd(name, value.replace("\0", ""))
        elif isinstance(value, list):
            work += ((name, item) for item in value)
        elif isinstance(value, dict):
            work += value.items()


def known(value: str | None, names: tuple[str, ...], other: str, absent: str = "task") -> str:
    """``value`` if it is one of ``names``, ``other`` for an unknown value, ``absent`` for none."""
    return absent if not value else value if value in names else other


def priority_of(record: Mapping[str, Any]) -> int:
    """The priority, 0 to 4. Raises Malformed."""
    value = record.get("priority")
    if value is None:
        return 2
    if isinstance(value, bool) or not isinstance(value, int) or value not in range(5):
        raise Malformed(f"priority is 0 (most urgent) to 4, not {json.dumps(value)[:40]}")
    return value


def number_of(what: str, value: Any, *, whole: bool) -> float:
    """A number that every database can hold. Raises Malformed."""
    try:
        if not whole:
            return float(value)
        if abs(value) < 2**31:
            return int(value)
    except OverflowError:
        pass
    raise Malformed(f"{what} is too large a number")


def labels_of(record: Mapping[str, Any]) -> list[str]:
    """The labels. Raises Malformed."""
    value = record.get("labels")
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed("labels should be a list of texts")
    return [text_of({"labels": label}, "labels") or "" for label in value]


def items_of(record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of objects. Raises Malformed."""
    value = record.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"{name} should be a list of objects")
    return value


def time_of(record: Mapping[str, Any], name: str) -> float | None:
    """A time in seconds since the epoch, to the microsecond; without a zone it is UTC. Raises
    Malformed."""
    value = text_of(record, name)
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Malformed(
            f"{name} should be a time such as 2025-01-31T12:00:00Z, not {value!r:.40}"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND / 1e6


def moment(seconds: float | None) -> str | None:
    """Seconds since the epoch as text of the format: UTC, to the microsecond, without trailing
    zeros.

    A time outside the years 1 to 9999 becomes their first or last second.
    """
    if seconds is None:
        return None
    whole, micro = divmod(round(min(max(seconds, FIRST), LAST) * 1e6), 1_000_000)
    text = (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{micro:06}".rstrip("0") if micro else ""
    return f"{text:0>19}{fraction}Z"


def same(a: Any, b: Any) -> bool:
    """Equal as JSON: ``1``, ``1.0`` and ``true`` are not."""
    if isinstance(a, str) or isinstance(b, str):
        return bool(a == b)
    return b is not NOTHING and json.dumps(a) == json.dumps(b)
