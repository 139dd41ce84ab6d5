"""Writes files completely or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from state.errors import StoreError, UsageError


def write_whole(file: Path, lines: Iterable[str]) -> None:
    """Write the lines of a file, or leave the file unchanged. Raises UsageError."""
    try:
        _replace(file, lines)
    except OSError as error:
        raise UsageError(f"--output {file}: cannot be written: {error.strerror}") from None


def write_pages(folder: Path, pages: Mapping[str, str]) -> None:
    """Write files by name, each completely or not at all, into a new folder. Raises StoreError."""
    for name, text in pages.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(folder / name, [text.removesuffix("\n")])
        except OSError as error:
            raise StoreError(f"{folder / name} cannot be written: {error.strerror}") from error


def _replace(file: Path, lines: Iterable[str]) -> None:
    target = file.resolve()
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, delete=False) as stream:
            temporary = stream.name
            stream.writelines(f"{line}\n".encode() for line in lines)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
