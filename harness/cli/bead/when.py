"""Parses times as people write them: a date, a time, a weekday, or a number of days from now."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from math import inf

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def moment_of(
    text: str, option: str, *, end_of_day: bool = False, now: float | None = None
) -> float:
    """Seconds since the epoch for ``2025-01-31``, ``2025-01-31T12:00Z``, ``+6h``, ``+2w``,
    ``today``, ``tomorrow`` or ``friday``; without a zone, the machine's zone applies.

    A day without a time means its first second, or with ``end_of_day`` its last. Raises UsageError.
    """
    from state.errors import UsageError
    from state.fields import FIRST, LAST

    try:
        seconds = _read(text, end_of_day, time.time() if now is None else now)
    except OverflowError:
        seconds = inf
    if seconds is None:
        raise UsageError(
            f"{option}: should be a date such as 2025-01-31, a time such as 2025-01-31T12:00, "
            f"+6h, +2d, +1w, tomorrow or friday, not {text!r}"
        )
    if not FIRST <= seconds <= LAST:
        raise UsageError(f"{option}: {text} is too far away; choose a year from 2 to 9998")
    return seconds


def _read(text: str, end_of_day: bool, now: float) -> float | None:
    """Like :func:`moment_of`, but ``None`` for text that is no time. Raises OverflowError at the
    ends of the calendar."""
    here = datetime.fromtimestamp(now).astimezone()
    words = text.strip().lower()
    if found := re.fullmatch(r"([+-]\d{1,6})([mhdw])", words):
        return (here + timedelta(**{_UNITS[found[2]]: int(found[1])})).timestamp()
    day = _day(words.removeprefix("next "), here)
    try:
        if day is None and re.fullmatch(r"\d{4}-?\d\d-?\d\d", words):
            day = datetime.fromisoformat(words)
        moment = datetime.fromisoformat(text.strip()) if day is None else None
    except ValueError:
        return None
    if day is not None:
        # The zone may have another offset on that day than today.
        moment = datetime(day.year, day.month, day.day)
        if end_of_day:
            moment = moment.replace(hour=23, minute=59, second=59)
    try:
        return None if moment is None else moment.timestamp()
    except ValueError as error:  # The year does not exist in the machine's zone.
        raise OverflowError from error


def _day(words: str, here: datetime) -> datetime | None:
    if words in ("today", "tomorrow"):
        return here + timedelta(days=words == "tomorrow")
    if words in _DAYS:
        ahead = (_DAYS.index(words) - here.weekday() - 1) % 7 + 1
        return here + timedelta(days=ahead)
    return None


def set_time(text: str | None, option: str, *, end_of_day: bool = False) -> float | None:
    """Read a time like :func:`moment_of`; ``None`` for ``none`` or an empty text, which remove a
    time."""
    if text is None or text.strip().lower() in ("", "none"):
        return None
    return moment_of(text, option, end_of_day=end_of_day)
