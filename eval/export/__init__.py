"""Export of recorded runs to files for other programs: training rows and Inspect's logs."""

from __future__ import annotations

from eval.export.collect import KINDS, Export, collect
from eval.export.problem_split import SPLITS
from eval.export.run_selection import chosen_runs, suite_of

__all__ = ["KINDS", "SPLITS", "Export", "chosen_runs", "collect", "suite_of"]
