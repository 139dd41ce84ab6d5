"""The contract of a model backend. Every implementation plays every scenario.

A scenario is a coroutine function over an open backend. The recorded backend plays it twice: first
recording a local one, then replaying the file without any model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from specialists.backends import (
    Backend,
    GenerateRequest,
    LocalBackend,
    Message,
    OpenAICompatibleBackend,
    RecordedBackend,
    Sampling,
)
from state import AdapterError
from tests.specialists.endpoint import serving
from tests.specialists.tiny import tiny

pytestmark = pytest.mark.slow

Scenario = Callable[[Backend], Awaitable[None]]
Play = Callable[[Scenario], None]


async def _play(backend: Backend, scenario: Scenario) -> None:
    try:
        await scenario(backend)
    finally:
        await backend.close()


def local(scenario: Scenario, folder: Path) -> None:
    asyncio.run(_play(LocalBackend(tiny().base), scenario))


def recorded(scenario: Scenario, folder: Path) -> None:
    path = folder / "calls.jsonl"
    asyncio.run(_play(RecordedBackend.record(LocalBackend(tiny().base), path), scenario))
    asyncio.run(_play(RecordedBackend.replay(path), scenario))


def openai(scenario: Scenario, folder: Path) -> None:
    with serving(tiny().base) as endpoint:

        async def main() -> None:
            await _play(OpenAICompatibleBackend(endpoint.url, "base", max_retries=0), scenario)

        asyncio.run(main())


@pytest.fixture(params=[local, recorded, openai], ids=lambda made: str(made.__name__))
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    return lambda scenario: request.param(scenario, tmp_path)


def ask(text: str, adapter: str | None = None, **sampling: object) -> GenerateRequest:
    settings = Sampling.model_validate({"max_tokens": 12, **sampling})
    return GenerateRequest(
        messages=(Message(role="user", content=text),), adapter=adapter, sampling=settings
    )


async def texts(backend: Backend, requests: list[GenerateRequest]) -> list[str]:
    return [response.text for response in await backend.generate(requests)]


def mixed_requests() -> list[GenerateRequest]:
    adapters = [None, *(ref.digest for ref in tiny().refs)]
    prompts = ["3 + 4", "Tom has 7 apples and buys 25 more of them. How many?", "a", "12 * 9"]
    return [ask(p, a) for p in prompts for a in adapters]


async def load_all(backend: Backend) -> None:
    for ref in tiny().refs:
        await backend.load(ref)


def test_greedy_is_deterministic(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        once = await texts(backend, [ask("3 + 4"), ask("12 * 9")])
        again = await texts(backend, [ask("3 + 4"), ask("12 * 9")])
        assert once == again
        assert once[0] != once[1]

    play(scenario)


def test_a_mixed_batch_equals_separate_calls(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        await load_all(backend)
        together = await texts(backend, mixed_requests())
        apart = [(await texts(backend, [request]))[0] for request in mixed_requests()]
        assert together == apart
        assert len(set(together[:4])) == 4  # each adapter, and the base, has its own answer

    play(scenario)


def test_responses_stand_in_the_order_of_the_requests(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        await load_all(backend)
        requests = mixed_requests()
        forward = await texts(backend, requests)
        assert await texts(backend, requests[::-1]) == forward[::-1]

    play(scenario)


def test_concurrent_calls_get_their_own_answers(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        await load_all(backend)
        requests = mixed_requests()
        at_once = await asyncio.gather(*(backend.generate([r]) for r in requests))
        assert [r.text for [r] in at_once] == await texts(backend, requests)
        assert [r.adapter for [r] in at_once] == [r.adapter for r in requests]

    play(scenario)


def test_a_seed_fixes_a_sample_and_other_seeds_differ(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        requests = [ask("3 + 4", temperature=1.0, top_p=0.95, seed=s) for s in (1, 2, 3)]
        once = await texts(backend, requests)
        alone = [(await texts(backend, [request]))[0] for request in requests]
        assert once == alone
        assert len(set(once)) == 3

    play(scenario)


def test_max_tokens_ends_by_length(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        short, long = await backend.generate(
            [ask("3 + 4", max_tokens=3), ask("3 + 4", max_tokens=9)]
        )
        assert (short.finish_reason, short.usage.completion_tokens) == ("length", 3)
        assert (long.finish_reason, long.usage.completion_tokens) == ("length", 9)
        assert long.text.startswith(short.text.rstrip("\ufffd"))

    play(scenario)


def test_generation_ends_before_a_stop_string(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        [whole] = await texts(backend, [ask("3 + 4", max_tokens=24)])
        stop = next(w for k in range(8, len(whole)) if "\ufffd" not in (w := whole[k : k + 2]))
        [cut, free] = await backend.generate(
            [ask("3 + 4", max_tokens=24, stop=("@never@", stop)), ask("3 + 4", max_tokens=24)]
        )
        assert cut.text == whole[: whole.index(stop)]
        assert cut.finish_reason == "stop"
        assert cut.usage.completion_tokens < 24
        assert free.text == whole

    play(scenario)


def test_usage_is_real(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        short, long = await backend.generate([ask("3 + 4"), ask("3 + 4 and 3 + 4 and 3 + 4")])
        assert 5 <= short.usage.prompt_tokens < long.usage.prompt_tokens
        assert short.usage.completion_tokens == 12
        assert short.latency_s > 0

    play(scenario)


def test_the_adapter_asked_for_is_the_one_that_answers(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        first, second, _ = tiny().refs
        await backend.load(first)
        await backend.load(second)
        answers = await backend.generate(
            [ask("a", second.digest), ask("a"), ask("a", first.digest)]
        )
        assert [r.adapter for r in answers] == [second.digest, None, first.digest]
        assert {r.model for r in answers} == {backend.model_id}
        assert backend.adapters() == {first.digest: first, second.digest: second}

    play(scenario)


def test_an_unknown_adapter_is_an_error(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        known, other, _ = tiny().refs
        await backend.load(known)
        with pytest.raises(AdapterError, match=f"{other.digest}.*{known.served_name}"):
            await backend.generate([ask("a", known.digest), ask("a", other.digest)])
        with pytest.raises(AdapterError, match=other.digest):
            await backend.unload(other.digest)

    play(scenario)


def test_loading_twice_does_nothing_and_unloading_forgets(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        ref = tiny().refs[0]
        await backend.load(ref)
        await backend.load(ref)
        [before] = await texts(backend, [ask("a", ref.digest)])
        await backend.unload(ref.digest)
        assert backend.adapters() == {}
        with pytest.raises(AdapterError, match=ref.digest):
            await backend.generate([ask("a", ref.digest)])
        await backend.load(ref)
        assert await texts(backend, [ask("a", ref.digest)]) == [before]

    play(scenario)


def test_scores_are_the_log_probabilities_of_the_text(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        await load_all(backend)
        adapters = [None, *(ref.digest for ref in tiny().refs)]
        prompt = [Message(role="user", content="3 + 4")]
        table = await backend.score(
            [(prompt, "7"), (prompt, "seven apples"), (prompt, "")], adapters
        )
        assert [[cell.adapter for cell in row] for row in table] == [adapters] * 3
        assert [len(row[0].log_probs) for row in table][::2] == [1, 0]
        assert all(p < 0 for row in table for cell in row for p in cell.log_probs)
        assert len({round(cell.log_probs[0], 4) for cell in table[0]}) == 4
        alone = await backend.score([(prompt, "seven apples")], adapters[1:2])
        assert alone[0][0].log_probs == pytest.approx(table[1][1].log_probs, abs=1e-4)

    play(scenario)


def test_tokens_are_counted(play: Play) -> None:
    async def scenario(backend: Backend) -> None:
        assert backend.count_tokens("") == 0
        assert 0 < backend.count_tokens("12 + 34") < backend.count_tokens("12 + 34 and 12 + 34")

    play(scenario)
