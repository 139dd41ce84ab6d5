"""The first program of a ``unit_test`` launch, and of each candidate's process: imports ``inside``
and starts it.

The modules are files of the launch: ``/run/files/inside.NAME.py`` and ``/run/files/driver.py``. A
candidate's process receives them compiled, which saves half of its start.
"""

from __future__ import annotations

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types

FOLDER = "/run/files/"
PACKAGES = ("validators", "validators.inside")
CODES: dict[str, types.CodeType] = {}
"""Compiled modules, by name."""


def code_of(name: str) -> types.CodeType:
    """The compiled module."""
    if name not in CODES:
        file = "inside.__init__" if name in PACKAGES else name.partition(".")[2]
        with open(f"{FOLDER}{file}.py", encoding="utf-8") as handle:
            CODES[name] = compile(handle.read(), f"{file}.py", "exec", dont_inherit=True)
    return CODES[name]


class Finder:
    """Finds and loads the launch's modules; see :mod:`importlib.abc`."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module's specification; None for other modules."""
        if name.partition(".")[0] != "validators":
            return None
        return ModuleSpec(name, cls, is_package=name in PACKAGES)  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: object) -> None:
        """Modules are created in the usual way."""

    @staticmethod
    def exec_module(module: types.ModuleType) -> None:
        """Run the module's code."""
        exec(code_of(module.__name__), module.__dict__)


def read_codes(descriptor: int) -> None:
    """Read the compiled modules from the pipe, and not a byte more."""

    def read(count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += os.read(descriptor, count - len(data)) or sys.exit("no modules")
        return data

    CODES.update(marshal.loads(read(int.from_bytes(read(8), "big"))))


def start(part: str) -> None:
    """Run the ``main`` of a module."""
    __import__(f"validators.inside.{part}")
    sys.modules[f"validators.inside.{part}"].main(code_of)


if __name__ == "__main__":
    sys.meta_path.append(Finder)
    if len(sys.argv) > 1:
        read_codes(int(sys.argv[2]))
        start("candidate")
    else:
        start("launch")
