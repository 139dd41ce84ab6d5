"""Cards of the fleet, and the checks of an adapter against its card and its base model.

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

from specialists.backends.base import SERVED, AdapterRef, Frozen
from state import AdapterError, BackendUnavailable

WEIGHTS = Path(__file__).parent / "pocket" / "weights"
BASE_FOLDER = WEIGHTS / "base"
"""Folder of the embedded base model."""
ADAPTERS_FOLDER = WEIGHTS / "adapters"
"""Folder of the embedded fleet's adapters."""

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
"""Settings of peft beyond plain LoRA, which no backend here computes; an adapter that uses one is
refused."""


Status = Literal["candidate", "promoted", "control"]
"""Status of a specialist. A candidate has not passed the gate; a control is for comparison only and
never routed to."""


class Card(Frozen):
    """Description of one specialist for the fleet."""

    name: str
    description: str
    domain: str
    examples: tuple[str, ...] = ()
    """Example tasks of the specialist, worded like real ones."""
    system: str | None = None
    """System prompt that the specialist was trained with."""
    adapter: str | None = None
    """Key of the adapter, as :attr:`AdapterRef.digest` gives it; ``None`` for a specialist that has
    only a prompt."""
    base: str | None = None
    """Digest of the base model that it was trained on (``base_digest``); ``None`` if unknown."""
    rank: int = Field(default=0, ge=0)
    target_modules: tuple[str, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    status: Status = "candidate"
    retry: Literal["resample", "feedback"] = "resample"
    """How the specialist tries again: with a new sample, or by reading which check failed."""
    max_tokens: int = Field(default=256, gt=0)
    """Most tokens to request for an answer."""
    declines: str | None = None
    """The specialist's complete answer to a task that is not its own, if it was trained to
    decline."""


class Described(Frozen):
    """The user's description in ``harness.toml`` of an adapter that an endpoint lists."""

    description: str = ""
    domain: str = ""
    examples: tuple[str, ...] = ()
    system: str | None = None
    retry: Literal["resample", "feedback"] = "feedback"
    max_tokens: int = Field(default=1024, gt=0)

    def card(self, adapter: AdapterRef) -> Card:
        """The adapter's card; values that the user does not give are replaced by its name."""
        words = adapter.name.replace("-", " ").replace("_", " ")
        return Card(
            name=adapter.name, adapter=adapter.digest, description=self.description or words,
            domain=self.domain or adapter.name, examples=self.examples, system=self.system,
            retry=self.retry, max_tokens=self.max_tokens,
        )  # fmt: skip


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
    if not files[0].is_file():
        raise AdapterError(f"{folder} is not an adapter: it has no {CONFIG_FILE}")
    if not files[1].is_file():
        raise AdapterError(missing_weights(folder))
    return _digest(files)


def has_base(folder: Path) -> bool:
    """Whether a folder holds a base model."""
    return (folder / "config.json").is_file() and any(folder.glob("model*.safetensors"))


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


def read_config(folder: Path) -> dict[str, Any]:
    """peft's configuration of an adapter. Raises ``AdapterError`` unless it is plain LoRA."""
    try:
        config = json.loads((folder / CONFIG_FILE).read_text())
    except (OSError, ValueError) as error:
        raise AdapterError(f"{folder / CONFIG_FILE} cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise AdapterError(f"{folder / CONFIG_FILE} is not a JSON object")
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
    config = read_config(folder)
    rank = math.sqrt(config["r"]) if config.get("use_rslora") else config["r"]
    return float(config["lora_alpha"]) / rank


def check_fit(adapter: Path, base: Path) -> None:
    """Check that an adapter fits a base model: digest and rank on its card, then the shapes.

    Raises ``AdapterError`` with the first mismatch.
    """
    if (adapter / CARD_FILE).is_file():
        card, found, rank = read_card(adapter), base_digest(base), read_config(adapter)["r"]
        if card.base is None:
            raise AdapterError(
                f"{adapter}: its card names no base model: `harness specialist add {adapter}` "
                f"checks it against {base}"
            )
        if card.base != found:
            raise AdapterError(f"{adapter} was trained on base {card.base}, this base is {found}")
        if card.rank != rank:
            raise AdapterError(f"{adapter}: rank {rank}, its card says {card.rank}")
    check_shapes(adapter, base)


def check_shapes(adapter: Path, base: Path | None) -> tuple[str, ...]:
    """Names of the modules that an adapter changes, after checks of its tensors: pairs, rank, and
    width.

    Without a ``base`` the widths of its layers are not checked. Raises ``AdapterError`` with the
    first mismatch.
    """
    config = read_config(adapter)
    try:
        tensors = tensor_shapes(adapter / WEIGHTS_FILE)
    except FileNotFoundError:
        raise AdapterError(missing_weights(adapter)) from None
    except (OSError, ValueError) as error:
        raise AdapterError(f"weights of {adapter} cannot be read: {error}") from None
    layers = None if base is None else base_shapes(base)
    targets, seen = config.get("target_modules"), set()
    for key, shape in tensors.items():
        module, _, part = key.removeprefix("base_model.model.").rpartition(".lora_")
        if not module or part not in ("A.weight", "B.weight"):
            raise AdapterError(f"{adapter}: tensor {key} is not a LoRA matrix")
        if layers is not None and len(layers.get(module + ".weight", ())) != 2:
            raise AdapterError(f"{adapter}: the base has no linear module {module}")
        twin = "B.weight" if part == "A.weight" else "A.weight"
        if key.removesuffix(part) + twin not in tensors:
            raise AdapterError(f"{adapter}: module {module} has only one of its two matrices")
        if len(shape) != 2 or config["r"] != shape[0 if part[0] == "A" else 1]:
            raise AdapterError(f"{adapter}: {key} has shape {shape}, its rank is {config['r']}")
        if layers is not None:
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
    return tuple(sorted(seen))


def missing_weights(folder: Path) -> str:
    """One line on an adapter folder without readable weights, and what to do."""
    other = sorted(p.name for p in folder.glob("adapter_model*"))
    if other:
        return (
            f"{folder} holds {other[0]}, and only {WEIGHTS_FILE} is read: save it again with peft's "
            "save_pretrained, which writes safetensors"
        )
    return f"{folder} is not an adapter: it has no {WEIGHTS_FILE}"


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


def has_weights(folder: Path) -> bool:
    """Whether a folder holds an adapter, complete or not: peft's configuration or weights."""
    return (folder / CONFIG_FILE).exists() or any(folder.glob("adapter_model*"))


def checked_card(folder: Path) -> Card:
    """The card of a specialist's folder, checked against the weights beside it.

    Raises ``AdapterError`` for a missing or malformed card, another specialist's card, weights that
    the card was not written for, weights that it does not name, and weights that it names but that
    are missing: otherwise the base model would answer unnoticed in the specialist's place.
    """
    add = f"harness specialist add {folder}"
    if not (folder / CARD_FILE).exists():
        if has_weights(folder):
            raise AdapterError(f"{folder} is an adapter without a card: `{add}` writes one")
        raise AdapterError(f"{folder} holds no specialist: neither {CARD_FILE} nor an adapter")
    card = read_card(folder)
    if card.name != folder.name:
        raise AdapterError(
            f"{folder / CARD_FILE} is the card of {card.name!r}, not {folder.name!r}"
        )
    if card.adapter is None:
        if has_weights(folder):
            raise AdapterError(
                f"{folder}: the card names no adapter, but there are weights beside it: "
                f"`{add}` enters their digest, or remove them for a specialist by prompt alone"
            )
        return card
    if card.adapter.startswith(SERVED):
        raise AdapterError(
            f"{folder}: the card's adapter is {card.adapter!r}: adapters that an endpoint lists "
            "need no card; describe them in harness.toml"
        )
    if not has_weights(folder):
        raise AdapterError(
            f"{folder}: the card names adapter {card.adapter}, but the weights are not there: "
            f"copy {CONFIG_FILE} and {WEIGHTS_FILE} back, or remove the folder"
        )
    found = adapter_digest(folder)
    if card.adapter != found:
        raise AdapterError(
            f"{folder}: weights {found} are not those of its card, {card.adapter}: restore them, "
            f"or `{add}` accepts them as they are"
        )
    return card


def fleet_version(cards: Iterable[Card]) -> str:
    """Digest of cards in any order, which changes whenever the fleet does."""
    text = "\n".join(c.model_dump_json() for c in sorted(cards, key=lambda card: card.name))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


class Registry:
    """The cards of one folder, each checked against the weights beside it."""

    def __init__(self, folder: Path, cards: Iterable[Card]) -> None:
        self.folder = folder
        self._cards = {card.name: card for card in cards}

    @classmethod
    def load(cls, folder: Path) -> Registry:
        """Read every specialist under ``folder``; a specialist without an adapter is just a card.

        Raises ``AdapterError`` if the folder is missing, a card is malformed, or weights are not
        the ones its card was written for.
        """
        if not folder.is_dir():
            raise AdapterError(f"no fleet at {folder}")
        homes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        return cls(folder, [checked_card(home) for home in homes])

    @property
    def version(self) -> str:
        """Digest of all cards, which changes whenever the fleet does."""
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
        """The reference with which a backend loads a specialist's adapter. Raises ``AdapterError``
        for unknown names."""
        digest = self.card(name).adapter
        if digest is None:
            raise AdapterError(f"{name} is a specialist by prompt: it has no adapter")
        return AdapterRef(name=name, digest=digest, path=self.folder / name)

    @staticmethod
    def write_card(
        folder: Path,
        base: Path | None,
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
        Without a ``base`` the card has no base digest, and only an endpoint can serve the adapter.
        """
        modules = check_shapes(folder, base)
        config = read_config(folder)
        card = Card(
            name=folder.name,
            description=description,
            domain=domain,
            examples=tuple(examples),
            system=system,
            adapter=adapter_digest(folder),
            base=None if base is None else base_digest(base),
            rank=config["r"],
            target_modules=modules,
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
