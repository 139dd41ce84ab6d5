"""External text, cleaned so that every store, file and terminal can hold it."""

from __future__ import annotations

REPLACEMENT = "\ufffd"


def is_storable(text: str) -> bool:
    """Whether every store, file and terminal can hold ``text`` unchanged."""
    return storable(text) == text


def storable(text: str) -> str:
    """``text`` with U+FFFD for each NUL and each lone surrogate; a surrogate pair becomes the one
    character that it encodes.

    PostgreSQL refuses NUL, and UTF-8 cannot encode lone surrogates.
    """
    if text.isascii():
        whole = text
    else:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", REPLACEMENT)
