"""Joins an answer of several stages into one text with labelled sections, and parses it again.

A label such as ``explain:`` stands on a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from specialists.routing.roles import ROLES

RESULT = ROLES[0]
"""The section that holds the result itself."""


def labels() -> tuple[str, ...]:
    """Labels of the sections: the roles of a request, and what domains announce."""
    from tiers.domains import installed

    return tuple(dict.fromkeys((*ROLES, *installed().sections)))


@lru_cache(maxsize=4)
def _header(known: tuple[str, ...]) -> re.Pattern[str]:
    """Pattern of the line that opens a section, with any backslashes before it that make it
    ordinary text."""
    names = "|".join(known)
    flags = re.ASCII | re.IGNORECASE | re.MULTILINE
    return re.compile(rf"^(?P<escape>\\*)(?P<label>{names}):[ \t\r]*$", flags)


def sections(text: str) -> dict[str, str]:
    """The labelled sections of an answer, in order: ``solve:`` on a line of its own opens one.

    Text before the first label belongs to no section; a repeated label is ordinary text. Blank
    lines around a section are dropped, those inside it are kept.
    """
    found: dict[str, str] = {}
    label, start = "", 0
    for match in _header(labels()).finditer(text):
        name = match["label"].lower()
        if match["escape"] or name in found or name == label:
            continue
        if label:
            found[label] = _plain(text[start : match.start()])
        label, start = name, match.end()
    if label:
        found[label] = _plain(text[start:])
    return found


def join_sections(parts: Mapping[str, str]) -> str:
    """The answer that :func:`sections` reads back; labels inside a section get a backslash.

    Raises ValueError for a label that no section has.
    """
    if unknown := set(parts) - set(known := labels()):
        raise ValueError(f"no section {sorted(unknown)[0]!r}; sections: {', '.join(known)}")
    return "\n\n".join(f"{label}:\n{_escaped(body)}" for label, body in parts.items())


def _escaped(body: str) -> str:
    return _header(labels()).sub(lambda line: "\\" + line[0], _trim(body))


def _plain(body: str) -> str:
    return _header(labels()).sub(lambda line: line[0].removeprefix("\\"), _trim(body))


def _trim(body: str) -> str:
    """``body`` without blank lines around it; the indentation of its first line is kept."""
    return re.sub(r"\A(?:[ \t\r]*\n)+", "", body.rstrip())
