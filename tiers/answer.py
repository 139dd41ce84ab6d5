"""An answer of several stages as one text, and back: ``solve:``, ``explain:`` and ``code:`` sections."""

from __future__ import annotations

import re
from collections.abc import Mapping

LABELS = ("solve", "explain", "code")
"""Labels of the sections: the roles of a request (``specialists.routing.roles``)."""
RESULT = LABELS[0]
"""The section that holds the result itself."""

_HEADER = re.compile(rf"^({'|'.join(LABELS)}):[ \t\r]*$", re.ASCII | re.IGNORECASE | re.MULTILINE)
_ESCAPABLE = re.compile(rf"^(?=\\*{_HEADER.pattern[1:]})", _HEADER.flags)
_ESCAPED = re.compile(rf"^\\(?=\\*{_HEADER.pattern[1:]})", _HEADER.flags)


def sections(text: str) -> dict[str, str]:
    """The labelled sections of an answer, in order: ``solve:`` on a line of its own opens one.

    What stands before the first label belongs to none; a label seen before is ordinary text. Blank
    lines around a section do not count, those inside it do.
    """
    found: dict[str, str] = {}
    label, start = "", 0
    for match in _HEADER.finditer(text):
        if match[1].lower() in found or match[1].lower() == label:
            continue
        if label:
            found[label] = _plain(text[start : match.start()])
        label, start = match[1].lower(), match.end()
    if label:
        found[label] = _plain(text[start:])
    return found


def join_sections(parts: Mapping[str, str]) -> str:
    """The answer that :func:`sections` reads back; labels inside a section get a backslash.

    Raises ValueError for a label that no section has.
    """
    if unknown := set(parts) - set(LABELS):
        raise ValueError(f"no section {sorted(unknown)[0]!r}; sections: {', '.join(LABELS)}")
    return "\n\n".join(f"{label}:\n{_escaped(body)}" for label, body in parts.items())


def _escaped(body: str) -> str:
    return _ESCAPABLE.sub(r"\\", _trim(body))


def _plain(body: str) -> str:
    return _ESCAPED.sub("", _trim(body))


def _trim(body: str) -> str:
    """Without blank lines around, the first line's indentation kept."""
    return re.sub(r"\A(?:[ \t\r]*\n)+", "", body.rstrip())
