"""Opens the backend that the options ask for, with the fleet that it serves.

The router of a run is opened in :mod:`harness.routing`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.report import RunOptions
from specialists.backends.base import AdapterRef, Backend
from specialists.registry import ADAPTERS_FOLDER, BASE_FOLDER, Card, Described, Registry
from state.errors import UsageError
from state.vectors import Embedding

POCKET = "pocket"

PROMPT_FLEET: tuple[Card, ...] = (
    Card(
        name="general", domain="general", retry="feedback", max_tokens=1024,
        description="Plans and answers any question.",
        examples=("What follows from these results?", "Summarise the answer."),
        system="You solve one step of a larger problem. Give the result of the step, nothing else.",
    ),
    Card(
        name="solver", domain="solver", retry="feedback", max_tokens=1024,
        description="Solves problems of arithmetic and logic step by step.",
        examples=("How many are left?", "Compute the total cost.", "347 + 586"),
        system="You solve problems step by step. Write the final answer after '####'.",
    ),
    Card(
        name="coder", domain="code", retry="feedback", max_tokens=1536,
        description="Writes Python functions.",
        examples=("Write a function that returns the sum of a list.", "def f(xs):"),
        system="You write correct Python. Reply with one code block and nothing else.",
    ),
)  # fmt: skip
"""Specialists that have only a prompt, for endpoints that serve a general model and no adapters."""


async def open_backend(options: RunOptions) -> tuple[Backend, list[Card]]:
    """The backend with its adapters loaded, and the cards of the fleet.

    Raises ``UsageError`` for missing options, ``SetupError`` where the machine lacks a requirement.
    """
    backend = _open(options)
    try:
        cards = await _fleet(backend, options)
    except BaseException:
        await backend.close()
        raise
    if options.record:
        from specialists.backends.recorded import RecordedBackend

        backend = RecordedBackend.record(backend, Path(options.record))
    return backend, cards


def check_specialist(name: str | None, cards: Sequence[Card]) -> None:
    """Raise ``UsageError`` for a specialist that the fleet lacks; ``None`` means no particular
    specialist."""
    if name not in (None, *(card.name for card in cards)):
        names = ", ".join(card.name for card in cards)
        raise UsageError(f"no specialist {name!r} in the fleet: it has {names}")


def folders(fleet: str | None) -> tuple[Path, Path]:
    """(base, adapters) of a fleet: the embedded one, or a folder that holds ``adapters`` and, unless
    an endpoint serves it, ``base``. Raises ``UsageError``."""
    if fleet is None or fleet == POCKET:
        return BASE_FOLDER, ADAPTERS_FOLDER
    root = Path(fleet)
    if not (root / "adapters").is_dir():
        raise UsageError(
            f"--fleet {fleet}: there is no folder {root / 'adapters'}; "
            f"`harness specialist add ADAPTER --fleet {fleet}` makes it"
        )
    return root / "base", root / "adapters"


def _open(options: RunOptions) -> Backend:
    if options.backend == "local":
        from specialists.backends.local import LocalBackend

        base, _ = folders(options.fleet)
        return LocalBackend(base, threads=1)
    if options.backend == "openai":
        from specialists.backends.openai import OpenAICompatibleBackend

        if not options.base_url or not options.model:
            raise UsageError("the openai backend needs --base-url and --model (or harness.toml)")
        key = options.api_key or "none"
        return OpenAICompatibleBackend(
            options.base_url, options.model, api_key=key, timeout=options.request_timeout,
            concurrency=options.max_connections, score_concurrency=options.score_concurrency,
        )  # fmt: skip
    from specialists.backends.recorded import RecordedBackend

    if not options.recording:
        raise UsageError("the recorded backend needs --recording FILE")
    if not Path(options.recording).is_file():
        raise UsageError(f"--recording: there is no file {options.recording}")
    return RecordedBackend.replay(Path(options.recording))


async def _fleet(backend: Backend, options: RunOptions) -> list[Card]:
    general = options.fleet is None and (
        options.backend == "openai" or (options.backend == "recorded" and not backend.adapters())
    )
    if general:
        listed = await _listed(backend, options)
        named = {card.name for card in listed}
        return [*(card for card in PROMPT_FLEET if card.name not in named), *listed]
    base, adapters = folders(options.fleet)
    registry = Registry.load(adapters)
    if options.backend == "openai":
        from specialists.backends.base_check import check_base
        from specialists.backends.openai import OpenAICompatibleBackend

        assert isinstance(backend, OpenAICompatibleBackend)
        await check_base(backend, adapters, registry.cards(), base)
    for card in registry.cards():
        if card.adapter is not None:
            await backend.load(registry.ref(card.name))
    return registry.cards()


async def _listed(backend: Backend, options: RunOptions) -> list[Card]:
    """Cards of the adapters that an endpoint serves already, loaded under their served names.

    These are the adapters that the endpoint assigns to the base model in use, and those that the
    user names, as ``--specialist`` or in ``harness.toml``. An endpoint without a list has none.
    """
    from specialists.backends.recorded import RecordedBackend

    names: list[str] = []
    if isinstance(backend, RecordedBackend):
        names = backend.listed()
    else:
        from specialists.backends.openai import LIST_S, OpenAICompatibleBackend

        assert isinstance(backend, OpenAICompatibleBackend)
        named = {options.specialist, *options.specialists}
        names = [
            model.id
            for model in await backend.models_if_listed(
                min(LIST_S, options.budget.seconds or LIST_S)
            )
            if model.id != options.model and (model.parent == options.model or model.id in named)
        ]
    cards = []
    for name in names:
        ref = AdapterRef.listed(name)
        await backend.load(ref)
        cards.append(options.specialists.get(name, Described()).card(ref))
    return cards


def open_counter(backend: str, fleet: str | None) -> Callable[[str], int]:
    """A function that counts tokens like the configured model, without loading the model."""
    if backend == "openai" and not (fleet and (folders(fleet)[0] / "tokenizer.json").is_file()):
        from specialists.backends.openai import estimate_tokens

        return estimate_tokens
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folders(fleet)[0] / "tokenizer.json"))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def open_embedding(embedder: str | None) -> Embedding:
    """The embedder with which memory searches, the same that routing uses; loaded at first use."""
    from specialists.routing.embedder import Embedder

    return Embedder(embedder)
