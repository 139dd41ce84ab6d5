"""Makes imports find the project's own packages even if a user's folder has the same names.

``python -m harness`` puts the working folder first on the path, and ``PYTHONPATH`` does so for any
command: a folder with a ``state`` or an ``eval`` of its own would hide the project's packages.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

NAMES = ("eval", "specialists", "state", "tiers")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class OwnPackages:
    """Finder for the project's own packages and nothing else; an entry of ``sys.meta_path``."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Location of one of the project's packages; ``None`` leaves every other name to the other
        finders."""
        return PathFinder.find_spec(name, [ROOT]) if name in NAMES else None


def claim() -> None:
    """Make ``import state`` and the like import the project's packages.

    Raises ImportError, one line, if another package of such a name has been imported already.
    """
    for name in NAMES:
        if (module := sys.modules.get(name)) is None:
            continue
        place = _place(module)
        if os.path.realpath(place) != os.path.realpath(os.path.join(ROOT, name)):
            raise ImportError(
                f"{place} hides the package {name!r} of hi-moe: rename it, or start elsewhere"
            )
    if OwnPackages not in sys.meta_path:
        sys.meta_path.insert(0, OwnPackages)


def leave_working_folder() -> None:
    """Remove from the path the working folder that ``python -m`` puts first; the installed script
    has none there.

    A file in that folder could hide any module of a library that is imported later.
    """
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]


def _place(module: ModuleType) -> str:
    """The folder of a package, or the file of a module."""
    folders = list(getattr(module, "__path__", ()))
    return str(folders[0] if folders else getattr(module, "__file__", None) or module.__name__)
