"""How to go on after an error: a note that the error boundary shows, unlike those of libraries."""

from __future__ import annotations


class Hint(str):
    """A note on an exception that stands behind its line, in brackets."""

    __slots__ = ()


def go_on(command: str) -> Hint:
    """The command that takes up again what an error ended."""
    return Hint(f"then continue with: {command}")
