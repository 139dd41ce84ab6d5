"""Programming problems written for this project: one file each, with reference solution and
mutants."""

from eval.classics.library import Classic, classic, classics

__all__ = ["Classic", "classic", "classics"]
