"""Splits text into sentences at places where every reader would."""

from __future__ import annotations

import re

_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z0-9(])")


def sentences(text: str) -> list[str]:
    """``text`` cut after full stops, question and exclamation marks."""
    return [s.strip() for s in _SENTENCE.split(text.strip()) if s.strip()]
