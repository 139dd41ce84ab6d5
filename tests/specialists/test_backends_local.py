"""Guarantees of the embedded backend alone."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from specialists.backends import GenerateRequest, LocalBackend, Message, Sampling
from specialists.backends.decoding import Row, choose, decode
from specialists.registry import base_digest
from state import (
    AdapterError,
    BackendTimeout,
    BackendUnavailable,
    RequestRefused,
    UsageError,
)
from state.text import storable
from tests.specialists.tiny import CONTEXT, tiny


def ask(text: str, adapter: str | None = None, **sampling: Any) -> GenerateRequest:
    settings = Sampling.model_validate({"max_tokens": 16, **sampling})
    return GenerateRequest(
        messages=(Message(role="user", content=text),), adapter=adapter, sampling=settings
    )


async def opened(**options: Any) -> LocalBackend:
    backend = LocalBackend(tiny().base, threads=1, **options)
    for ref in tiny().refs:
        await backend.load(ref)
    return backend


@pytest.mark.slow
def test_greedy_answers_are_those_of_peft() -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    async def ours() -> list[str]:
        backend = await opened()
        requests = [
            ask(p, ref.digest) for ref in tiny().refs for p in ("3 + 4", "Tom has 7 apples.")
        ]
        found = [r.text for r in await backend.generate(requests)]
        await backend.close()
        return found

    backend = LocalBackend(tiny().base)
    expected = []
    for ref in tiny().refs:
        base = AutoModelForCausalLM.from_pretrained(tiny().base, dtype=torch.float32)
        model = PeftModel.from_pretrained(base, str(ref.path)).eval()
        for prompt in ("3 + 4", "Tom has 7 apples."):
            text = backend.prompt_text([Message(role="user", content=prompt)])
            ids = torch.tensor([backend.token_ids(text)])
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=16,
                do_sample=False,
            )
            tokens = out[0, ids.shape[1] :]
            expected.append(storable(backend._tokenizer.decode(tokens, skip_special_tokens=True)))
    assert asyncio.run(ours()) == expected


def test_scores_are_those_of_peft() -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    ref, prompt = tiny().refs[1], [Message(role="user", content="3 + 4")]

    async def main() -> None:
        backend = await opened()
        longer = [*prompt, Message(role="assistant", content="no"), *prompt]
        table = await backend.score([(prompt, "7 apples"), (longer, "x")], [ref.digest, None])
        base = AutoModelForCausalLM.from_pretrained(tiny().base, dtype=torch.float32)
        model = PeftModel.from_pretrained(base, str(ref.path)).eval()
        head = backend.token_ids(backend.prompt_text(prompt))
        tail = backend.token_ids("7 apples")
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([head + tail])).logits[0].log_softmax(-1)
        expected = [float(logits[len(head) - 1 + k, t]) for k, t in enumerate(tail)]
        assert table[0][0].log_probs == pytest.approx(expected, abs=1e-4)
        await backend.close()

    asyncio.run(main())


@pytest.mark.slow
def test_the_tokenizer_is_the_trained_one() -> None:
    from specialists.pocket.tokenizer import chat_text, train_tokenizer

    trained, backend = train_tokenizer(examples=300), LocalBackend(tiny().base)
    text = "Tom has 1234 apples — naïve\n  x = y"
    assert backend.token_ids(text) == trained(text, add_special_tokens=False)["input_ids"]
    assert backend.prompt_text([Message(role="user", content=text)]) == chat_text(text)
    assert backend.model_id == base_digest(tiny().base)


@pytest.mark.slow
def test_a_sample_does_not_depend_on_its_batch_mates() -> None:
    async def main() -> None:
        backend = await opened(max_batch=5)
        wanted = ask("3 + 4", tiny().refs[0].digest, temperature=1.2, top_p=0.9, seed=7)
        [alone] = await backend.generate([wanted])
        noise = [
            ask("Tom has apples. " * k, tiny().refs[k % 3].digest, temperature=k / 3, seed=k)
            for k in range(1, 12)
        ]
        among = (await backend.generate([*noise, wanted]))[-1]
        assert among.text == alone.text
        await backend.close()

    asyncio.run(main())


@pytest.mark.slow
def test_sampling_follows_temperature_and_top_p() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))

    def counts(**sampling: float) -> list[float]:
        rows = [
            Row([1], None, Sampling.model_validate({"seed": s, **sampling})) for s in range(2000)
        ]
        drawn = choose(logits.expand(2000, -1), rows)
        return [drawn.count(k) / 2000 for k in range(4)]

    assert counts(temperature=0.0) == [1.0, 0.0, 0.0, 0.0]
    assert counts(temperature=1.0) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.04)
    assert counts(temperature=1.0, top_p=0.7) == pytest.approx([0.625, 0.375, 0, 0], abs=0.04)
    assert counts(temperature=1.0, top_p=0.01) == [1.0, 0.0, 0.0, 0.0]
    assert counts(temperature=0.5)[0] > 0.6


def test_the_end_token_ends_one_row_and_not_the_others() -> None:
    backend = LocalBackend(tiny().base)
    rows = [Row(backend.token_ids(p), None, Sampling(max_tokens=8)) for p in ("3 + 4", "x")]
    decode(backend._model, backend._tokenizer, rows, backend._bank.select, frozenset())
    end = next(t for t in rows[0].tokens if t not in rows[1].tokens)
    again = [Row(r.prompt, None, r.sampling) for r in rows]
    decode(backend._model, backend._tokenizer, again, backend._bank.select, frozenset({end}))
    place = rows[0].tokens.index(end)
    assert (again[0].tokens, again[0].finish) == (rows[0].tokens[: place + 1], "stop")
    assert again[0].text == backend._tokenizer.decode(rows[0].tokens[:place])
    assert (again[1].tokens, again[1].finish) == (rows[1].tokens, "length")


@pytest.mark.slow
def test_concurrent_calls_share_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        backend = await opened(max_batch=8)
        sizes: list[int] = []
        run = backend._batcher._run

        def counted(jobs: Any) -> None:
            sizes.append(len(jobs))
            run(jobs)

        monkeypatch.setattr(backend._batcher, "_run", counted)
        await asyncio.gather(*(backend.generate([ask(str(k))]) for k in range(12)))
        # How many of them are there when the first batch begins is up to the threads.
        assert sum(sizes) == 12
        assert len(sizes) <= 3
        assert max(sizes) <= 8
        await backend.close()

    asyncio.run(main())


@pytest.mark.slow
def test_rows_that_leave_at_any_time_change_no_other() -> None:
    backend = LocalBackend(tiny().base)
    prompts = [backend.token_ids("Tom has 7 apples. " * (1 + k % 3) + str(k)) for k in range(7)]
    lengths = [150, 1, 9, 300, 9, 40, 2]

    def decoded(pairs: list[tuple[list[int], int]]) -> list[list[int]]:
        rows = [Row(p, None, Sampling(max_tokens=n)) for p, n in pairs]
        decode(backend._model, backend._tokenizer, rows, backend._bank.select, frozenset())
        return [row.tokens for row in rows]

    pairs = list(zip(prompts, lengths, strict=True))
    assert decoded(pairs) == [decoded([pair])[0] for pair in pairs]


@pytest.mark.slow
def test_a_sliding_window_is_left_to_transformers() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
             "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 96}  # fmt: skip
    model: Any = MistralForCausalLM(MistralConfig(**shape, sliding_window=8)).eval()
    rows = [
        Row(p, None, Sampling(max_tokens=4 + 8 * k))
        for k, p in enumerate([[5, 6, 7], [8] * 20, [9, 10]])
    ]
    decode(model, LocalBackend(tiny().base)._tokenizer, rows, lambda a: None, frozenset())
    for row in rows:
        ids = torch.tensor([row.prompt])
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, eos_token_id=None,
            max_new_tokens=row.sampling.max_tokens, pad_token_id=0,
        )  # fmt: skip
        assert row.tokens == out[0, ids.shape[1] :].tolist()


def test_cancelling_one_caller_leaves_the_others() -> None:
    async def main() -> None:
        backend = await opened()
        [expected] = await backend.generate([ask("3 + 4")])
        doomed = asyncio.create_task(backend.generate([ask("x", max_tokens=200)]))
        kept = asyncio.create_task(backend.generate([ask("3 + 4")]))
        await asyncio.sleep(0.02)
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        assert (await kept)[0].text == expected.text
        assert (await backend.generate([ask("3 + 4")]))[0].text == expected.text
        await backend.close()

    asyncio.run(main())


def test_a_deadline_ends_decoding_and_tells_what_was_spent() -> None:
    async def main() -> None:
        backend = await opened()
        backend._end_ids = frozenset()
        [short] = await backend.generate([ask("3 + 4", max_tokens=1)])
        began = time.monotonic()
        long = ask("3 + 4", max_tokens=200).model_copy(update={"deadline": began + 0.02})
        with pytest.raises(BackendTimeout, match="in the time left") as caught:
            await backend.generate([long])
        prompt, completion = caught.value.spent or (0, 0)
        assert completion < 200
        assert prompt == (short.usage.prompt_tokens if completion else 0)
        await backend.generate([ask("3 + 4", max_tokens=1)])
        assert time.monotonic() - began < 5, "the worker is free again"
        with pytest.raises(BackendTimeout):
            await backend.generate([long])
        await backend.close()

    asyncio.run(main())


@pytest.mark.slow
def test_a_short_answer_does_not_wait_for_a_long_one() -> None:
    async def main() -> None:
        backend = await opened()
        long = asyncio.create_task(backend.generate([ask("x", max_tokens=200)]))
        [short] = await backend.generate([ask("y", max_tokens=1)])
        assert not long.done()
        assert short.latency_s < (await long)[0].latency_s
        await backend.close()

    asyncio.run(main())


def test_a_failing_batch_fails_its_callers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        backend = await opened()
        run = backend._batcher._run

        def broken(jobs: Any) -> None:
            raise RuntimeError("out of memory")

        monkeypatch.setattr(backend._batcher, "_run", broken)
        with pytest.raises(RuntimeError, match="out of memory"):
            await backend.generate([ask("a"), ask("b")])
        monkeypatch.setattr(backend._batcher, "_run", run)
        assert len(await backend.generate([ask("a"), ask("b")])) == 2
        await backend.close()

    asyncio.run(main())


def test_what_it_cannot_do_is_refused() -> None:
    async def main() -> None:
        backend = await opened()
        with pytest.raises(
            RequestRefused, match=rf"\d+ prompt tokens and max_tokens {CONTEXT} exceed"
        ):
            await backend.generate([ask("3 + 4", max_tokens=CONTEXT)])
        with pytest.raises(UsageError, match="json_schema"):
            await backend.generate([ask("3 + 4", json_schema="{}")])
        with pytest.raises(RequestRefused, match="context too long"):
            await backend.score([([Message(role="user", content="a")], "b " * CONTEXT)], [None])
        assert await backend.generate([]) == []
        assert await backend.score([], [None]) == []
        await backend.close()
        with pytest.raises(BackendUnavailable, match="closed"):
            await backend.generate([ask("3 + 4")])

    asyncio.run(main())


def test_changed_or_broken_weights_are_not_loaded(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    ref = tiny().refs[0]
    home = tmp_path / "alpha"
    shutil.copytree(ref.path, home)
    weights = load_file(home / "adapter_model.safetensors")
    first = sorted(weights)[0]
    weights[first] = weights[first] * float("nan")
    save_file(weights, home / "adapter_model.safetensors")

    async def main() -> None:
        from specialists.registry import adapter_digest

        backend = LocalBackend(tiny().base)
        moved = ref.model_copy(update={"path": home})
        with pytest.raises(AdapterError, match=f"not {ref.digest}"):
            await backend.load(moved)
        with pytest.raises(AdapterError, match="NaN"):
            await backend.load(moved.model_copy(update={"digest": adapter_digest(home)}))
        assert backend.adapters() == {}
        await backend.close()

    asyncio.run(main())


def test_a_folder_without_a_model_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="holds no base model"):
        LocalBackend(tmp_path)
    shutil.copytree(tiny().base, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BackendUnavailable, match="cannot be loaded"):
        LocalBackend(tmp_path / "cut")
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny().base, tmp_path / "partial")
    weights = tmp_path / "partial" / "model.safetensors"
    tensors = load_file(weights)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(BackendUnavailable, match=r"lacks weights: model\.layers\.1\.mlp\.up_proj"):
        LocalBackend(tmp_path / "partial")
