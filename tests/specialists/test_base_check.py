"""Another base than the adapters' is refused before the first call of a run."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.report import RunOptions
from harness.wiring import open_backend
from specialists.backends.base import AdapterRef
from specialists.registry import ADAPTERS_FOLDER, BASE_FOLDER, Card, Described
from state import AdapterError, BackendUnavailable
from tests.specialists.endpoint import Endpoint, serving
from tests.specialists.tiny import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny_served() -> Iterator[Endpoint]:
    with serving(tiny().base) as running:
        yield running


@pytest.fixture
def endpoint(tiny_served: Endpoint) -> Endpoint:
    tiny_served.faults.clear()
    tiny_served.served.clear()
    tiny_served.seen.clear()
    return tiny_served


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def fleet_at(folder: Path, base: Path | None, adapters: Path) -> Path:
    shutil.copytree(adapters, folder / "adapters")
    if base is not None:
        shutil.copytree(base, folder / "base")
    return folder


def opened(url: str, fleet: Path | None = None, **more: object) -> list[Card]:
    options = RunOptions.model_validate(
        {
            "backend": "openai", "base_url": url, "model": "base",
            "fleet": None if fleet is None else str(fleet), **more,
        }
    )  # fmt: skip

    async def go() -> list[Card]:
        backend, cards = await open_backend(options)
        await backend.close()
        return cards

    return asyncio.run(go())


def paid(endpoint: Endpoint) -> list[str]:
    """Requests after which adapters would answer."""
    return [s["path"] for s in endpoint.seen if "lora" in s["path"]]


def test_the_right_base_is_accepted_and_its_canaries_are_kept(
    endpoint: Endpoint, tmp_path: Path, home: Path
) -> None:
    fleet = fleet_at(tmp_path / "fleet", tiny().base, tiny().adapters)
    assert [card.name for card in opened(endpoint.url, fleet)] == ["alpha", "beta", "gamma"]
    [file] = (home / "canaries").iterdir()
    kept = json.loads(file.read_text())
    assert [canary["prompt"] for canary in kept] == ["alpha one", "beta one", "gamma one"]
    assert opened(endpoint.url, fleet)


def test_another_base_is_refused_before_an_adapter_is_loaded(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    pocket = fleet_at(tmp_path / "pocket", BASE_FOLDER, ADAPTERS_FOLDER)
    for fault in (set(), {"plain"}):  # With and without /tokenize.
        endpoint.faults = set(fault)
        with pytest.raises(AdapterError, match="is not the base of this fleet"):
            opened(endpoint.url, pocket)
    assert paid(endpoint) == []


def test_one_tokenizer_and_other_weights_are_told_apart(endpoint: Endpoint, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from specialists.registry import base_digest

    fleet = fleet_at(tmp_path / "fleet", tiny().base, tiny().adapters)
    weights = fleet / "base" / "model.safetensors"
    torch.manual_seed(7)
    drawn = {
        k: torch.randn_like(v) * 0.4 if v.dim() > 1 else v for k, v in load_file(weights).items()
    }
    save_file(drawn, weights, {"format": "pt"})
    digest = base_digest(fleet / "base")
    for card in fleet.glob("adapters/*/card.json"):
        card.write_text(json.dumps({**json.loads(card.read_text()), "base": digest}))
    with pytest.raises(AdapterError, match=r"to 'alpha one' it answers .* the fleet's base"):
        opened(endpoint.url, fleet)
    assert paid(endpoint) == []


def test_a_model_that_is_not_served_is_named_with_those_that_are(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    fleet = fleet_at(tmp_path / "fleet", tiny().base, tiny().adapters)
    with pytest.raises(AdapterError, match="does not serve 'nosuch'; it has base"):
        opened(endpoint.url, fleet, model="nosuch")
    opened(endpoint.url, fleet)
    adapter = next(iter(endpoint.served))
    with pytest.raises(AdapterError, match="is an adapter of base there"):
        opened(endpoint.url, fleet, model=adapter)


def test_without_a_base_folder_names_are_compared(endpoint: Endpoint, tmp_path: Path) -> None:
    fleet = fleet_at(tmp_path / "fleet", None, tiny().adapters)
    configs = list(fleet.glob("adapters/*/adapter_config.json"))

    def trained_on(name: str) -> None:
        for file in configs:
            file.write_text(
                json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": name})
            )
            card = file.with_name("card.json")
            from specialists.registry import adapter_digest

            digest = adapter_digest(file.parent)
            card.write_text(json.dumps({**json.loads(card.read_text()), "adapter": digest}))

    trained_on("somebody/Base")
    assert len(opened(endpoint.url, fleet)) == 3
    endpoint.served.clear()
    trained_on("somebody/other-7b")
    with pytest.raises(
        AdapterError, match="trained on somebody/other-7b, the endpoint serves base"
    ):
        opened(endpoint.url, fleet)


def test_adapters_that_the_endpoint_lists_are_used_by_their_names(endpoint: Endpoint) -> None:
    ref = tiny().refs[0]
    asyncio.run(endpoint.backend.load(ref))
    endpoint.served["sql-lora"] = ref
    cards = {card.name: card for card in opened(endpoint.url)}
    assert cards["sql-lora"].adapter == AdapterRef.listed("sql-lora").digest == "served:sql-lora"
    said = Described(description="Writes SQL.", domain="code", examples=("Count the rows.",))
    cards = {c.name: c for c in opened(endpoint.url, specialists={"sql-lora": said})}
    assert cards["sql-lora"].description == "Writes SQL."
    assert cards["sql-lora"].domain == "code"


def test_an_endpoint_without_a_list_has_no_adapters_and_a_dead_one_is_an_error(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(body: object) -> tuple[int, object]:
        return 404, {"error": {"message": "no such route"}}

    monkeypatch.setattr(endpoint, "models", none)
    assert all(card.adapter is None for card in opened(endpoint.url))
    with pytest.raises(BackendUnavailable):
        opened("http://127.0.0.1:9/v1")
