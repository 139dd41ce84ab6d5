"""Failures that only endpoints have, each reported in one clear line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from specialists.backends import (
    GenerateRequest,
    Message,
    OpenAICompatibleBackend,
    Sampling,
)
from state import AdapterError, BackendUnavailable, BadAnswer, RequestRefused, UsageError
from tests.specialists.endpoint import Endpoint, serving
from tests.specialists.tiny import CONTEXT, tiny


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(tiny().base) as served:
        yield served


def ask(adapter: str | None = None, **sampling: Any) -> GenerateRequest:
    return GenerateRequest(
        messages=(Message(role="user", content="3 + 4"),),
        adapter=adapter,
        sampling=Sampling.model_validate({"max_tokens": 4, **sampling}),
    )


def use(
    url: str, scenario: Callable[[OpenAICompatibleBackend], Awaitable[None]], **options: Any
) -> None:
    async def main() -> None:
        settings = {"model": "base", "max_retries": 0, "timeout": 10.0, **options}
        backend = OpenAICompatibleBackend(url, **settings)
        try:
            await scenario(backend)
        finally:
            await backend.close()

    asyncio.run(main())


def refused(
    endpoint: Endpoint, kind: type[Exception], match: str, request: GenerateRequest, **options: Any
) -> None:
    async def scenario(backend: OpenAICompatibleBackend) -> None:
        with pytest.raises(kind, match=match) as caught:
            await backend.generate([request])
        assert "\n" not in str(caught.value)
        assert endpoint.url in str(caught.value)

    use(endpoint.url, scenario, **options)


def test_a_wrong_key(endpoint: Endpoint) -> None:
    endpoint.faults.add("key")
    refused(endpoint, BackendUnavailable, "refused the API key: Incorrect", ask())


def test_an_unknown_base(endpoint: Endpoint) -> None:
    refused(endpoint, BackendUnavailable, "does not serve other", ask(), model="other")


def test_a_missing_usage_is_not_zero(endpoint: Endpoint) -> None:
    endpoint.faults.add("usage")
    refused(endpoint, BadAnswer, "sent no usage", ask())


@pytest.mark.slow
def test_a_slow_endpoint(endpoint: Endpoint) -> None:
    endpoint.faults.add("slow")
    refused(endpoint, BackendUnavailable, "did not answer in time", ask(), timeout=0.2)


def test_a_prompt_longer_than_the_context(endpoint: Endpoint) -> None:
    refused(endpoint, RequestRefused, "context too long", ask(max_tokens=CONTEXT))


def test_nobody_listens() -> None:
    async def scenario(backend: OpenAICompatibleBackend) -> None:
        with pytest.raises(
            BackendUnavailable, match=r"http://127\.0\.0\.1:9/v1 cannot be reached: .+"
        ):
            await backend.generate([ask()])

    use("http://127.0.0.1:9/v1", scenario)


@pytest.mark.slow
def test_the_base_answering_for_an_adapter_is_an_error(endpoint: Endpoint) -> None:
    async def scenario(backend: OpenAICompatibleBackend) -> None:
        ref = tiny().refs[0]
        await backend.load(ref)
        endpoint.faults.add("identity")
        with pytest.raises(AdapterError, match=f"asked {ref.served_name}, but base answered"):
            await backend.generate([ask(ref.digest)])

    use(endpoint.url, scenario)


@pytest.mark.slow
def test_an_adapter_lost_by_the_endpoint_is_an_error(endpoint: Endpoint) -> None:
    async def scenario(backend: OpenAICompatibleBackend) -> None:
        ref = tiny().refs[0]
        await backend.load(ref)
        endpoint.served.clear()
        with pytest.raises(AdapterError, match=f"does not serve {ref.served_name}"):
            await backend.generate([ask(ref.digest)])

    use(endpoint.url, scenario)


@pytest.mark.slow
def test_without_runtime_updates_the_hint_says_what_to_start(endpoint: Endpoint) -> None:
    endpoint.faults.add("frozen")

    async def scenario(backend: OpenAICompatibleBackend) -> None:
        with pytest.raises(AdapterError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"):
            await backend.load(tiny().refs[0])
        assert backend.adapters() == {}

    use(endpoint.url, scenario)


@pytest.mark.slow
def test_an_adapter_already_served_is_recognised_by_name(endpoint: Endpoint) -> None:
    ref = tiny().refs[0]

    async def first(backend: OpenAICompatibleBackend) -> None:
        await backend.load(ref)

    async def second(backend: OpenAICompatibleBackend) -> None:
        await backend.load(ref)
        assert (await backend.generate([ask(ref.digest)]))[0].adapter == ref.digest

    use(endpoint.url, first)
    endpoint.faults.add("frozen")
    use(endpoint.url, second)
    loads = [s for s in endpoint.seen if s["path"] == "/v1/load_lora_adapter"]
    assert [s["lora_name"] for s in loads] == [ref.served_name]


def test_weights_that_changed_on_disk_are_not_loaded(endpoint: Endpoint) -> None:
    async def scenario(backend: OpenAICompatibleBackend) -> None:
        stale = tiny().refs[0].model_copy(update={"digest": "0" * 16})
        with pytest.raises(AdapterError, match="not 0000000000000000"):
            await backend.load(stale)

    use(endpoint.url, scenario)


@pytest.mark.slow
def test_a_schema_is_sent_as_response_format(endpoint: Endpoint) -> None:
    async def scenario(backend: OpenAICompatibleBackend) -> None:
        await backend.generate([ask(json_schema='{"type": "object"}')])
        with pytest.raises(UsageError, match="not JSON"):
            await backend.generate([ask(json_schema="{")])

    use(endpoint.url, scenario)
    sent = endpoint.seen[-1]["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["schema"] == {"type": "object"}


def test_scores_need_an_endpoint_that_can(endpoint: Endpoint) -> None:
    endpoint.faults.add("plain")

    async def scenario(backend: OpenAICompatibleBackend) -> None:
        with pytest.raises(BackendUnavailable, match="does not serve /tokenize"):
            await backend.score([([Message(role="user", content="a")], "b")], [None])

    use(endpoint.url, scenario)


@pytest.mark.slow
def test_scores_equal_those_of_the_local_backend(endpoint: Endpoint) -> None:
    async def scenario(backend: OpenAICompatibleBackend) -> None:
        ref = tiny().refs[0]
        await backend.load(ref)
        pairs = [([Message(role="user", content="3 + 4")], "7 apples")]
        [[far]] = await backend.score(pairs, [ref.digest])
        [[near]] = await endpoint.backend.score(pairs, [ref.digest])
        assert far.log_probs == pytest.approx(near.log_probs, abs=1e-5)

    use(endpoint.url, scenario)


def test_the_token_estimate_is_an_upper_one(endpoint: Endpoint) -> None:
    async def scenario(backend: OpenAICompatibleBackend) -> None:
        for text in ("12 + 34 = 46", "Tom has 1234 apples\n\nand naïve 模型", "def f(x): return x"):
            assert len(text) / 3 < backend.count_tokens(text) <= 2 * len(text.encode())

    use(endpoint.url, scenario)
