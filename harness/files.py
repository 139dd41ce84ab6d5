"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from state.errors import UsageError


def write_whole(file: Path, lines: Iterable[str]) -> None:
    """Write the lines of a file, or leave it as it was. Raises UsageError."""
    target = file.resolve()
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, delete=False) as stream:
            temporary = stream.name
            stream.writelines(f"{line}\n".encode() for line in lines)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise UsageError(f"--output {file}: cannot be written: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
