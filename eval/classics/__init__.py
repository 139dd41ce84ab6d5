"""Programming problems written for this project: a file each, with its reference and its mutants."""

from eval.classics.library import Classic, classic, classics

__all__ = ["Classic", "classic", "classics"]
