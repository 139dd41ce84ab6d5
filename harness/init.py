"""A first ``harness.toml``: every setting with its meaning and its default, all commented out."""

from __future__ import annotations

import json
from pathlib import Path

from harness.settings import ENV_PREFIX, FILE_NAME, SECTIONS, places
from state.errors import UsageError

_HEAD = f"""\
# Settings of `harness`, for this folder and those below it; runs are kept in ./runs.
# The command line wins over {ENV_PREFIX}* variables, those win over this file.
# Every line starting with one # is a setting at its default, or an example where there is none.
"""
_SAYS = {
    "backend": "Who runs the model.",
    "run": "How a run is made.",
    "budget": "What one run may spend at most. No limit unless set.",
    "memory": "What a run takes from earlier work, and leaves for later work.",
    "routing": "How steps find their specialist.",
    "prices": "What the model costs, for the cost line and max_cost.",
}


_DESCRIBED = """\
## An adapter that the endpoint lists, by its name there; a section for each.
# [specialists.sql-lora]
# description = "Writes SQL queries."
# domain = "code"
# examples = ["Which customers ordered twice?"]
"""


def template() -> str:
    """The text of the file."""
    lines = [_HEAD]
    for section in SECTIONS:
        lines.append(f"## {_SAYS[section]}\n[{section}]")
        for name, field, key in places():
            if key.section == section:
                none = "" if field.default is not None else "; no default, for example:"
                lines.append(f"## {field.description} ({ENV_PREFIX}{name.upper()}{none})")
                value = field.default if field.default is not None else key.example
                lines.append(f"# {key.name} = {json.dumps(value)}")
        lines.append("")
    lines.append(_DESCRIBED)
    return "\n".join(lines)


def write(folder: Path, *, force: bool = False) -> Path:
    """Write the file into ``folder``. Raises UsageError if it exists or cannot be written."""
    file = folder / FILE_NAME
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(template())
    except FileExistsError:
        raise UsageError(f"{file} exists; --force replaces it") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None
    return file
