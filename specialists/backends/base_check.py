"""Checks that an endpoint serves the base model that a fleet's adapters were trained on.

A server may load an adapter onto another base without complaint (vLLM does, even where the widths
differ) and then answers nonsense under the adapter's name. The base is therefore compared before
the first call of a run, by the cheapest conclusive test: the list of models, the tokens of a text,
then *canaries*, which are short greedy answers of the bare base that this machine has computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from specialists.backends.base import (
    Backend,
    Frozen,
    GenerateRequest,
    Message,
    Sampling,
)
from specialists.backends.openai import OpenAICompatibleBackend, ServedModel
from specialists.registry import Card, base_digest, has_base, read_config
from state import AdapterError, BackendUnavailable, home

CANARIES, CANARY_TOKENS = 3, 8
"""Number of answers that are compared, and their tokens. They are short because the greedy answers
of one model in half precision diverge with length."""
COMPUTED_HERE = 2 * 2**30
"""Largest base weights, in bytes, for which canaries are computed on this machine."""
PROBE = "The quick brown fox (x1 = 3.50) jumps over 12,345 dogs.\n\tdef f(x): return x**2"
"""A text whose tokens differ between tokenizers."""


class Canary(Frozen):
    """A prompt and the greedy answer of the bare base."""

    prompt: str
    answer: str


_CANARIES = TypeAdapter(tuple[Canary, ...])


async def check_base(
    backend: OpenAICompatibleBackend, fleet: Path, cards: Sequence[Card], base: Path
) -> None:
    """Raise ``AdapterError`` unless the endpoint serves the base that ``cards`` were trained on.

    ``fleet`` is the folder of the adapters, ``base`` that of the base model; without a base folder
    only names can be compared.
    """
    models = {model.id: model for model in await backend.models()}
    served = models.get(backend.model_id)
    if served is None:
        some = ", ".join(sorted(models)[:8]) or "nothing"
        raise AdapterError(
            f"the endpoint does not serve {backend.model_id!r}; it has {some}: "
            "give one of them as --model"
        )
    if served.parent is not None:
        raise AdapterError(
            f"{served.id} is an adapter of {served.parent} there: give --model {served.parent}"
        )
    for card in cards:
        if card.adapter is None:
            continue
        if not has_base(base):
            _check_names(read_config(fleet / card.name).get("base_model_name_or_path"), served)
        elif card.base != (found := base_digest(base)):
            raise AdapterError(f"{card.name} was trained on base {card.base}, {base} is {found}")
    if has_base(base):
        await _check_tokens(backend, base, served)
        await _check_canaries(backend, base, cards, served)


def _check_names(trained_on: object, served: ServedModel) -> None:
    """Compare names where there is no better test: the last parts of hub names and of paths."""
    if not isinstance(trained_on, str) or not trained_on:
        return
    names = {trained_on.rstrip("/").rpartition("/")[2].lower()}
    there = {n.rstrip("/").rpartition("/")[2].lower() for n in (served.id, served.root or "") if n}
    if not names & there:
        raise AdapterError(
            f"the adapters were trained on {trained_on}, the endpoint serves "
            f"{served.root or served.id}: if that is the same model, serve it under that name "
            "(--served-model-name), or put the base model into the fleet's folder base/"
        )


async def _check_tokens(backend: OpenAICompatibleBackend, base: Path, served: ServedModel) -> None:
    from tokenizers import Tokenizer

    file = base / "tokenizer.json"
    if not file.is_file():
        return
    try:
        there = await backend.token_ids(PROBE)
    except BackendUnavailable:
        return  # Some endpoints do not say; the canaries decide.
    here = Tokenizer.from_file(str(file)).encode(PROBE, add_special_tokens=False).ids
    if here != there:
        raise AdapterError(_other_base(base, served, f"it cuts a text into {len(there)} tokens, "
                                       f"the fleet's base into {len(here)} others"))  # fmt: skip


async def _check_canaries(
    backend: OpenAICompatibleBackend, base: Path, cards: Sequence[Card], served: ServedModel
) -> None:
    canaries = await canaries_of(base, [e for card in cards for e in card.examples[:1]])
    if not canaries:
        return
    found = await _greedy(backend, [canary.prompt for canary in canaries])
    same = sum(one == canary.answer for one, canary in zip(found, canaries, strict=True))
    if 2 * same <= len(canaries):
        k = next(k for k, c in enumerate(canaries) if found[k] != c.answer)
        raise AdapterError(_other_base(base, served, f"to {canaries[k].prompt!r} it answers "
                                       f"{found[k]!r}, the fleet's base {canaries[k].answer!r}"))  # fmt: skip


def _other_base(base: Path, served: ServedModel, evidence: str) -> str:
    return (
        f"the endpoint's {served.id} is not the base of this fleet ({base}): {evidence}; "
        "serve that base, or use a fleet that was trained on this one"
    )


async def canaries_of(base: Path, prompts: Sequence[str]) -> tuple[Canary, ...]:
    """Canaries of a base model, from an earlier computation on this machine or computed now.

    Empty for a base of more than :data:`COMPUTED_HERE` bytes, which is not loaded for this purpose.
    """
    prompts = [*dict.fromkeys(prompts)][:CANARIES] or ["Hello."]
    folder = home() / "canaries"
    file = folder / f"{base_digest(base)}.json"
    try:
        known = _CANARIES.validate_json(file.read_bytes())
    except (OSError, ValueError):
        known = ()
    if [canary.prompt for canary in known] == prompts:
        return known
    if sum(weights.stat().st_size for weights in base.glob("model*.safetensors")) > COMPUTED_HERE:
        return ()
    from specialists.backends.local import LocalBackend

    backend = LocalBackend(base, threads=1)
    try:
        answers = await _greedy(backend, prompts)
    finally:
        await backend.close()
    made = tuple(Canary(prompt=p, answer=a) for p, a in zip(prompts, answers, strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(_CANARIES.dump_json(made))
    part.replace(file)
    return made


async def _greedy(backend: Backend, prompts: Sequence[str]) -> list[str]:
    sampling = Sampling(max_tokens=CANARY_TOKENS)
    requests = [
        GenerateRequest(messages=(Message(role="user", content=p),), sampling=sampling)
        for p in prompts
    ]
    return [response.text for response in await backend.generate(requests)]
