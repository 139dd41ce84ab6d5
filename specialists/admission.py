"""Adds adapters to a fleet, as specialists with a card made from a plain peft folder, and removes
them.

Values that the adapter itself contains are never asked for: base, rank, modules, digest.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from specialists.registry import (
    CARD_FILE,
    CONFIG_FILE,
    WEIGHTS_FILE,
    Card,
    Registry,
    check_fit,
    check_shapes,
    checked_card,
    has_base,
    read_card,
    read_config,
)
from state import AdapterError, UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Pattern of names that are safe as a folder and at an endpoint."""
EXAMPLE_KEYS = ("prompt", "question", "instruction", "input", "statement", "text")
"""Keys under which a row of a data set may hold its task, in the order in which they are tried."""
MOST_EXAMPLES = 20
"""Most prototypes that routing keeps of a specialist (specs of the embedding scorer)."""


def add(
    adapter: Path,
    fleet: Path,
    *,
    name: str | None = None,
    domain: str | None = None,
    description: str | None = None,
    examples: Sequence[str] = (),
    system: str | None = None,
    max_tokens: int | None = None,
) -> Card:
    """Add an adapter's folder to the fleet at ``fleet``, and return its card.

    The adapter is copied to ``fleet/adapters/NAME`` unless it is there already; if there is a base
    model at ``fleet/base``, the adapter is checked against it. Adding an adapter again keeps the
    values of its card that the call does not give. Raises ``AdapterError`` for a folder that is no
    plain LoRA adapter or does not fit the base, and ``UsageError`` for a name that is taken or
    invalid; in both cases nothing has changed.
    """
    name = name or adapter.resolve().name
    if not NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: use letters, digits, '.', '_' and '-'")
    if not adapter.is_dir():
        raise AdapterError(f"there is no folder {adapter}")
    config = read_config(adapter)
    target = fleet / "adapters" / name
    inside = target.exists() and target.resolve() == adapter.resolve()
    if target.exists() and not inside:
        raise UsageError(
            f"the fleet at {fleet} has a specialist {name!r}: give --name, or remove that one first"
        )
    before = read_card(adapter) if (adapter / CARD_FILE).is_file() else None
    base = fleet / "base" if has_base(fleet / "base") else None
    # Checked here, so that the error names the path that the user gave.
    check_shapes(adapter, base)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=target.parent) as scratch:
        staged = Path(scratch, name)
        staged.mkdir()
        for file in (CONFIG_FILE, WEIGHTS_FILE):
            if (adapter / file).is_file():
                shutil.copyfile(adapter / file, staged / file)
        card = Registry.write_card(
            staged,
            base,
            description=description
            or (before.description if before else "")
            or _description(adapter, name, config),
            domain=domain or (before.domain if before else name),
            examples=examples or (before.examples if before else ()),
            system=system if system is not None else (before.system if before else None),
            metrics=dict(before.metrics) if before else None,
            retry=before.retry if before else "feedback",
            max_tokens=max_tokens or (before.max_tokens if before else 1024),
            declines=before.declines if before else None,
        )
        if inside:
            (staged / CARD_FILE).replace(target / CARD_FILE)
        else:
            staged.replace(target)
    return card


def remove(fleet: Path, name: str) -> Path:
    """Delete a specialist's folder from the fleet; returns the deleted folder.

    Raises ``UsageError`` naming the existing specialists.
    """
    folder = fleet / "adapters" / name
    if not NAME.fullmatch(name) or not folder.is_dir():
        homes = fleet.joinpath("adapters").glob("[!.]*")
        known = ", ".join(sorted(p.name for p in homes if p.is_dir())) or "none"
        raise UsageError(f"no specialist {name!r} in {fleet}; known: {known}")
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)
    return folder


def examine(fleet: Path) -> list[tuple[str, str | None]]:
    """(name, fault or ``None``) of every specialist: card, weights, and fit to the fleet's base."""
    found: list[tuple[str, str | None]] = []
    for home in sorted(p for p in (fleet / "adapters").glob("[!.]*") if p.is_dir()):
        try:
            card = checked_card(home)
            if card.adapter is not None and has_base(fleet / "base"):
                check_fit(home, fleet / "base")
            found.append((home.name, None))
        except AdapterError as error:
            found.append((home.name, str(error)))
    return found


def read_examples(file: Path) -> tuple[str, ...]:
    """Up to :data:`MOST_EXAMPLES` example tasks from a text file with one a line, or from JSON or
    JSONL.

    Rows of JSON are texts, objects with one of :data:`EXAMPLE_KEYS`, or chats with ``messages``.
    Raises ``UsageError`` naming the file and the row.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--examples {file}: cannot be read as UTF-8 text: {error}") from None
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        if file.suffix == ".json":
            rows = json.loads(text)
        elif file.suffix == ".jsonl":
            rows = [json.loads(line) for line in lines]
        else:
            rows = [line.strip() for line in lines]
    except ValueError as error:
        raise UsageError(f"--examples {file}: {error}") from None
    if not isinstance(rows, list) or not rows:
        raise UsageError(f"--examples {file}: holds no list of tasks")
    return tuple(_task(file, k, row) for k, row in enumerate(rows[:MOST_EXAMPLES], 1))


def _task(file: Path, number: int, row: object) -> str:
    if isinstance(row, dict):
        chat = row.get("messages")
        asked = [m for m in chat if isinstance(m, dict)] if isinstance(chat, list) else []
        row = next(
            (m.get("content") for m in asked if m.get("role") == "user"),
            next((row[key] for key in EXAMPLE_KEYS if key in row), None),
        )
    if not isinstance(row, str) or not row.strip():
        raise UsageError(
            f"--examples {file}: row {number} has no task: wanted a text, or an object with "
            f"one of {', '.join(EXAMPLE_KEYS)}"
        )
    return row.strip()


def _description(adapter: Path, name: str, config: dict[str, object]) -> str:
    """The first sentence of the adapter's own model card, else a description from its
    configuration."""
    try:
        text = (adapter / "README.md").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)  # Front matter of the model card.
    for line in text.split("\n"):
        line = line.strip()
        if len(line.split()) >= 3 and not re.match(r"[#<!\[\-*|`>]", line) and "[More" not in line:
            return line[:300]
    words = name.replace("-", " ").replace("_", " ")
    return f"{words} (LoRA on {config.get('base_model_name_or_path') or 'its base'})"
