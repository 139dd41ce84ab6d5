"""Notes on how to continue after an error, which are shown to the user, unlike the notes of
libraries."""

from __future__ import annotations


class Hint(str):
    """A note on an exception, shown in brackets after its line."""

    __slots__ = ()


def go_on(command: str) -> Hint:
    """A note with the command that resumes the work which an error ended."""
    return Hint(f"then continue with: {command}")
