"""Cards of the fleet and the checks that keep an adapter honest: content digest, fit to the base.

A registry is a folder with one folder per specialist: peft's ``adapter_config.json`` and
``adapter_model.safetensors`` beside our ``card.json``. Nothing here needs torch: shapes are read
from the safetensors headers.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from specialists.backends.base import AdapterRef, Frozen
from state import AdapterError, BackendUnavailable

WEIGHTS = Path(__file__).parent / "pocket" / "weights"
BASE_FOLDER = WEIGHTS / "base"
"""The embedded base model."""
ADAPTERS_FOLDER = WEIGHTS / "adapters"
"""The embedded fleet."""

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "card.json",
)
DIGEST_LENGTH = 16
UNSUPPORTED = (
    "alora_invocation_tokens", "alpha_pattern", "fan_in_fan_out", "layer_replication", "lora_bias",
    "megatron_config", "modules_to_save", "rank_pattern", "target_parameters",
    "trainable_token_indices", "use_dora", "use_qalora",
)  # fmt: skip
"""Settings of peft beyond plain LoRA, which no backend here computes: set means refused."""


Status = Literal["candidate", "promoted", "control"]
"""A candidate has not passed the gate; a control exists to be compared with, never routed to."""


class Card(Frozen):
    """What the fleet knows about one specialist."""

    name: str
    description: str
    domain: str
    examples: tuple[str, ...] = ()
    """Tasks it is meant for, as they would be asked."""
    system: str | None = None
    """System prompt it was trained with."""
    adapter: str | None = None
    """Digest of the adapter (``adapter_digest``); ``None`` is a specialist by prompt alone."""
    base: str | None = None
    """Digest of the base model it was trained on (``base_digest``)."""
    rank: int = Field(default=0, ge=0)
    target_modules: tuple[str, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    status: Status = "candidate"
    retry: Literal["resample", "feedback"] = "resample"
    """How it tries again: with a new sample, or by reading which check failed."""
    max_tokens: int = Field(default=256, gt=0)
    """Longest answer to ask of it, in tokens."""
    declines: str | None = None
    """Its whole answer to a task that is not its own, if it was trained to decline."""


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            one = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{file.name} {one}\n".encode())
    return total.hexdigest()[:DIGEST_LENGTH]


def base_digest(folder: Path) -> str:
    """First 16 hex digits of the SHA-256 over ``config.json`` and the safetensors of a base model.

    Raises ``BackendUnavailable`` where there is no model.
    """
    return _digest([folder / "config.json", *_base_weights(folder)])


def adapter_digest(folder: Path) -> str:
    """First 16 hex digits of the SHA-256 over an adapter's configuration and weights.

    Raises ``AdapterError`` where there is no adapter.
    """
    files = [folder / CONFIG_FILE, folder / WEIGHTS_FILE]
    for file in files:
        if not file.is_file():
            raise AdapterError(f"{folder} is not an adapter: it has no {file.name}")
    return _digest(files)


def _base_weights(folder: Path) -> list[Path]:
    weights = sorted(folder.glob("model*.safetensors"))
    if not weights or not (folder / "config.json").is_file():
        raise BackendUnavailable(f"{folder} holds no base model (config.json, model.safetensors)")
    return weights


def tensor_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of a safetensors file, from its header alone.

    Raises ``ValueError`` unless the header is whole and the file holds all the bytes it promises.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        if length > size - 8:
            raise ValueError(f"{file} is cut short")
        entries = json.loads(stream.read(length))
    entries.pop("__metadata__", None)
    try:
        end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file} has a malformed header: {error!r}") from None
    if 8 + length + end != size:
        raise ValueError(f"{file} is cut short")
    return shapes


def base_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of a base model's tensors. Raises ``BackendUnavailable`` if files are cut."""
    try:
        return {k: v for file in _base_weights(folder) for k, v in tensor_shapes(file).items()}
    except ValueError as error:
        raise BackendUnavailable(f"the model in {folder} cannot be loaded: {error}") from None


def _adapter_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG_FILE).read_text())
    except (OSError, ValueError) as error:
        raise AdapterError(f"{folder / CONFIG_FILE} cannot be read: {error}") from None
    if config.get("peft_type") != "LORA" or not isinstance(config.get("r"), int) or config["r"] < 1:
        raise AdapterError(
            f"{folder} is not a LoRA adapter (peft_type {config.get('peft_type')!r})"
        )
    beyond = [key for key in UNSUPPORTED if config.get(key)]
    if config.get("bias", "none") != "none":
        beyond.append("bias")
    if beyond:
        raise AdapterError(f"{folder} is more than plain LoRA: it sets {', '.join(beyond)}")
    return dict(config)


def lora_scale(folder: Path) -> float:
    """alpha / rank (Hu et al. 2021); alpha / sqrt(rank) if rank-stabilised (Kalajdzievski 2023)."""
    config = _adapter_config(folder)
    rank = math.sqrt(config["r"]) if config.get("use_rslora") else config["r"]
    return float(config["lora_alpha"]) / rank


def check_fit(adapter: Path, base: Path) -> None:
    """Check that an adapter belongs to a base: digest on its card, target modules, rank, shapes.

    Raises ``AdapterError`` with the first thing that does not fit.
    """
    config = _adapter_config(adapter)
    if (adapter / CARD_FILE).is_file():
        card, found = read_card(adapter), base_digest(base)
        if card.base != found:
            raise AdapterError(f"{adapter} was trained on base {card.base}, this base is {found}")
        if card.rank != config["r"]:
            raise AdapterError(f"{adapter}: rank {config['r']}, its card says {card.rank}")
    try:
        tensors = tensor_shapes(adapter / WEIGHTS_FILE)
    except (OSError, ValueError) as error:
        raise AdapterError(f"weights of {adapter} cannot be read: {error}") from None
    layers = base_shapes(base)
    targets, seen = config["target_modules"], set()
    for key, shape in tensors.items():
        module, _, part = key.removeprefix("base_model.model.").rpartition(".lora_")
        if not module or part not in ("A.weight", "B.weight"):
            raise AdapterError(f"{adapter}: tensor {key} is not a LoRA matrix")
        if len(layers.get(module + ".weight", ())) != 2:
            raise AdapterError(f"{adapter}: the base has no linear module {module}")
        twin = "B.weight" if part == "A.weight" else "A.weight"
        if key.removesuffix(part) + twin not in tensors:
            raise AdapterError(f"{adapter}: module {module} has only one of its two matrices")
        outputs, inputs = layers[module + ".weight"]
        wanted = (config["r"], inputs) if part[0] == "A" else (outputs, config["r"])
        if shape != wanted:
            raise AdapterError(f"{adapter}: {key} has shape {shape}, the base needs {wanted}")
        seen.add(module.rpartition(".")[2])
    if not seen:
        raise AdapterError(f"{adapter}: no weights")
    if isinstance(targets, list) and {t.rpartition(".")[2] for t in targets} != seen:
        raise AdapterError(
            f"{adapter}: weights for {sorted(seen)}, target modules are {sorted(targets)}"
        )


def read_card(folder: Path) -> Card:
    """The card of an adapter folder. Raises ``AdapterError`` if it is missing or malformed."""
    file = folder / CARD_FILE
    try:
        return Card.model_validate_json(file.read_text())
    except OSError as error:
        raise AdapterError(f"{folder} has no readable card: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AdapterError(f"{file} is malformed: {where}: {first['msg']}") from None


def fleet_version(cards: Iterable[Card]) -> str:
    """Digest of cards, whatever their order: changes whenever the fleet does."""
    text = "\n".join(c.model_dump_json() for c in sorted(cards, key=lambda card: card.name))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


class Registry:
    """The cards of one folder, each checked against the weights beside it."""

    def __init__(self, folder: Path, cards: Iterable[Card]) -> None:
        self.folder = folder
        self._cards = {card.name: card for card in cards}

    @classmethod
    def load(cls, folder: Path) -> Registry:
        """Read every specialist under ``folder``; one by prompt alone is just a card.

        Raises ``AdapterError`` if the folder is missing, a card is malformed, or weights are not
        the ones its card was written for.
        """
        if not folder.is_dir():
            raise AdapterError(f"no fleet at {folder}")
        cards = []
        for home in sorted(
            p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")
        ):
            card = read_card(home)
            found = None if card.adapter is None else adapter_digest(home)
            if card.name != home.name:
                raise AdapterError(
                    f"{home / CARD_FILE} is the card of {card.name!r}, not {home.name!r}"
                )
            if card.adapter != found:
                raise AdapterError(
                    f"{home}: weights {found} are not those of its card, {card.adapter}"
                )
            cards.append(card)
        return cls(folder, cards)

    @property
    def version(self) -> str:
        """Digest of all cards: changes whenever the fleet does."""
        return fleet_version(self._cards.values())

    def cards(self, status: Status | None = None) -> list[Card]:
        """Cards by name, all or those of one status."""
        return [c for _, c in sorted(self._cards.items()) if status in (None, c.status)]

    def card(self, name: str) -> Card:
        """The card of one specialist. Raises ``AdapterError`` naming the known ones."""
        if name not in self._cards:
            known = ", ".join(sorted(self._cards)) or "none"
            raise AdapterError(f"no specialist {name!r} in {self.folder}; known: {known}")
        return self._cards[name]

    def ref(self, name: str) -> AdapterRef:
        """What a backend needs to load it. Raises ``AdapterError`` for unknown names."""
        digest = self.card(name).adapter
        if digest is None:
            raise AdapterError(f"{name} is a specialist by prompt: it has no adapter")
        return AdapterRef(name=name, digest=digest, path=self.folder / name)

    @staticmethod
    def write_card(
        folder: Path,
        base: Path,
        *,
        description: str,
        domain: str,
        examples: Iterable[str] = (),
        system: str | None = None,
        metrics: dict[str, float] | None = None,
        status: Status = "candidate",
        retry: Literal["resample", "feedback"] = "resample",
        max_tokens: int = 256,
        declines: str | None = None,
    ) -> Card:
        """Write ``card.json`` for a trained adapter after checking that it fits its base.

        Name, digests, rank and target modules are taken from the files; an older card is replaced.
        """
        (folder / CARD_FILE).unlink(missing_ok=True)
        check_fit(folder, base)
        config = _adapter_config(folder)
        modules = {
            key.split(".lora_")[0].rpartition(".")[2]
            for key in tensor_shapes(folder / WEIGHTS_FILE)
        }
        card = Card(
            name=folder.name,
            description=description,
            domain=domain,
            examples=tuple(examples),
            system=system,
            adapter=adapter_digest(folder),
            base=base_digest(base),
            rank=config["r"],
            target_modules=tuple(sorted(modules)),
            metrics=metrics or {},
            status=status,
            retry=retry,
            max_tokens=max_tokens,
            declines=declines,
        )
        part = folder / (CARD_FILE + ".part")
        part.write_text(card.model_dump_json(indent=1) + "\n")
        part.replace(folder / CARD_FILE)
        return card
