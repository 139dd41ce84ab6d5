"""First program of a ``unit_test`` launch, and of each candidate's process: finds ``inside``, starts it.

The modules are files of the launch: ``/run/files/inside.NAME.py`` and ``/run/files/driver.py``.
"""

from __future__ import annotations

import importlib
import sys
from _frozen_importlib_external import spec_from_file_location

FOLDER = "/run/files/"
PACKAGES = ("validators", "validators.inside")


class Finder:
    """Finds the launch's modules."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> object:
        """See :meth:`importlib.abc.MetaPathFinder.find_spec`."""
        if name.partition(".")[0] != "validators":
            return None
        file = "inside.__init__" if name in PACKAGES else name.partition(".")[2]
        inner: list[str] | None = [] if name in PACKAGES else None
        return spec_from_file_location(name, f"{FOLDER}{file}.py", submodule_search_locations=inner)


if __name__ == "__main__":
    sys.meta_path.append(Finder)  # type: ignore[arg-type]
    part = "candidate" if len(sys.argv) > 1 else "launch"
    importlib.import_module(f"validators.inside.{part}").main()
