"""Text from outside, made such that every store, file and terminal can hold it."""

from __future__ import annotations

REPLACEMENT = "\ufffd"


def is_storable(text: str) -> bool:
    """Whether every store, file and terminal can hold ``text`` as it is."""
    return storable(text) == text


def storable(text: str) -> str:
    """``text`` with U+FFFD for each NUL and each lone surrogate; two surrogates that belong together
    become the one character that they stand for.

    PostgreSQL refuses NUL, and lone surrogates are no UTF-8.
    """
    if text.isascii():
        whole = text
    else:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", REPLACEMENT)
