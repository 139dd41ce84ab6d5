"""Moments as people write them: a date, a time, a weekday, so many days from now."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def moment_of(
    text: str, option: str, *, end_of_day: bool = False, now: float | None = None
) -> float:
    """Seconds since the epoch for ``2025-01-31``, ``2025-01-31T12:00Z``, ``+6h``, ``+2w``, ``today``,
    ``tomorrow`` or ``friday``; without a zone it is the machine's.

    A day alone means its beginning, or its last second. Raises UsageError.
    """
    from state.errors import UsageError

    here = datetime.fromtimestamp(time.time() if now is None else now).astimezone()
    words = text.strip().lower()
    if found := re.fullmatch(r"([+-]\d{1,6})([mhdw])", words):
        try:
            return (here + timedelta(**{_UNITS[found[2]]: int(found[1])})).timestamp()
        except OverflowError:
            raise UsageError(f"{option}: {text} is too far away") from None
    day = _day(words.removeprefix("next "), here)
    try:
        if day is None and re.fullmatch(r"\d{4}-?\d\d-?\d\d", words):
            day = datetime.fromisoformat(words)
        if day is None:
            return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: should be a date such as 2025-01-31, a time such as 2025-01-31T12:00, "
            f"+6h, +2d, +1w, tomorrow or friday, not {text!r}"
        ) from None
    clock = {"hour": 23, "minute": 59, "second": 59} if end_of_day else {"hour": 0, "minute": 0}
    whole = datetime(day.year, day.month, day.day)  # Its zone may have another offset than today's.
    return whole.replace(**clock).astimezone().timestamp()  # type: ignore[arg-type]


def _day(words: str, here: datetime) -> datetime | None:
    if words in ("today", "tomorrow"):
        return here + timedelta(days=words == "tomorrow")
    if words in _DAYS:
        ahead = (_DAYS.index(words) - here.weekday() - 1) % 7 + 1
        return here + timedelta(days=ahead)
    return None


def set_time(text: str | None, option: str, *, end_of_day: bool = False) -> float | None:
    """Read a time like :func:`moment_of`; ``none`` or nothing takes the time away."""
    if text is None or text.strip().lower() in ("", "none"):
        return None
    return moment_of(text, option, end_of_day=end_of_day)
