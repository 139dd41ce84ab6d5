"""``harness bead edit``: a text of a bead in the user's editor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.bead.bead_options import Id, me
from harness.cli.look import Json

FIELDS = {
    "description": "body", "title": "title", "notes": "notes", "design": "design",
    "acceptance": "acceptance_criteria",
}  # fmt: skip
"""Name of an editable text → field of the bead; the last two are kept in the format of an
import."""


def edit(
    context: typer.Context,
    id: Id,
    field: Annotated[
        str, typer.Option("--field", metavar="NAME", help=f"One of {', '.join(FIELDS)}.")
    ] = "description",
    title: Annotated[bool, typer.Option("--title", help="Edit the title.")] = False,
    notes: Annotated[bool, typer.Option("--notes", help="Edit the notes.")] = False,
    as_json: Json = False,
) -> None:
    """Edit the description of a bead, or another text of it, in $VISUAL or $EDITOR."""
    from harness.cli.bead.place import existing
    from harness.cli.bead.render import bead_row, print_json
    from harness.ui.live_progress import one_line
    from state.errors import UsageError
    from state.filters import one_of
    from state.tracker import Tracker

    field = "title" if title else "notes" if notes else field
    one_of("field", field, FIELDS)
    with existing(context, id) as store:
        bead = store.get(id)
    name = FIELDS[field]
    before = str(getattr(bead, name, "") or bead.extra.get(name, ""))
    path = _written(before, bead.id)
    after = _edited(path, before)
    if after != before and name == "title":
        after = " ".join(after.split())
    if after != before:
        changes: Any = {name: after} if hasattr(bead, name) else {"extra": {name: after}}
        with existing(context, bead.id) as store:
            now = store.get(bead.id)
            if str(getattr(now, name, "") or now.extra.get(name, "")) != before:
                raise UsageError(
                    f"bead {bead.id} was changed meanwhile; nothing was changed, and what you "
                    f"wrote is in {path}"
                )
            (bead,) = Tracker(store).update([bead.id], by=me(), **changes)
    path.unlink()
    if as_json:
        print_json(bead_row(bead))
    else:
        what = "unchanged" if after == before else "updated"
        typer.echo(f"{what} {bead.id}  {one_line(bead.title)}")


def _written(text: str, id: str) -> Path:
    import tempfile

    with tempfile.NamedTemporaryFile(
        prefix=f"{id.replace('/', '-')}-", suffix=".md", delete=False
    ) as stream:
        stream.write(text.encode())
    return Path(stream.name)


def _edited(path: Path, before: str) -> str:
    """The content of the file after the user's editor ended. Raises UsageError if there is none."""
    import shlex
    import subprocess

    from state.errors import UsageError
    from state.text import is_storable

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        path.unlink()
        raise UsageError("no editor is set; set EDITOR, or use `harness bead update`")
    try:
        code = subprocess.call([*shlex.split(editor), str(path)])
    except (OSError, ValueError) as error:
        path.unlink()
        raise UsageError(f"the editor {editor!r} cannot be started ({error})") from None
    if code:
        raise UsageError(
            f"the editor ended with code {code}; nothing was changed, and what you wrote is in {path}"
        )
    try:
        after = path.read_bytes().decode()  # Line endings stay as they are.
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text; nothing was changed") from None
    if not is_storable(after):
        raise UsageError(f"{path} holds NUL, which no database can store; nothing was changed")
    # Editors add a line end to the last line, whether or not it had one.
    if before.endswith("\n") or not after.endswith("\n"):
        return after
    return before if after == before + "\n" else after[:-1].removesuffix("\r")
