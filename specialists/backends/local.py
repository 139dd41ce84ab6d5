"""The embedded backend: a transformers model and its LoRA adapters in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specialists.backends.base import (
    AdapterRef,
    GenerateRequest,
    GenerateResponse,
    Message,
    ScoredText,
    Usage,
)
from specialists.backends.microbatch import Job, MicroBatcher
from specialists.registry import adapter_digest, base_digest, base_shapes, check_fit
from state import (
    AdapterError,
    BackendTimeout,
    BackendUnavailable,
    UsageError,
)
from state.errors import PromptTooLong

if TYPE_CHECKING:
    from specialists.backends.decoding import Row

ScoreRow = tuple[list[int], list[int], str | None]
"""(prompt ids, text ids, adapter digest)."""

LOGITS_AT_ONCE = 2**26
"""Most logits that a scoring batch holds (256 MB in float32)."""


class LocalBackend:
    """Serves a base model from a folder of safetensors; concurrent calls share batches.

    Computes in float32 on CPU and in the checkpoint's type elsewhere. The same request gets the
    same answer whatever it is batched with, up to rounding of the logits. ``threads`` is the number
    of torch threads of the worker thread (one is the safe default beside a busy process). Raises
    ``BackendUnavailable`` if the folder holds no usable model.
    """

    name = "local"

    def __init__(
        self, folder: Path, *, device: str = "cpu", threads: int | None = None, max_batch: int = 32
    ) -> None:
        import torch
        from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
        from transformers.utils import logging

        from specialists.backends.lora import LoraBank

        logging.disable_progress_bar()
        self._folder = folder
        self._model_id = base_digest(folder)
        base_shapes(folder)
        try:
            # Not AutoTokenizer: for some model types it ignores tokenizer.json (specs/serving.md).
            self._tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(
                folder, local_files_only=True
            )
            loaded: tuple[Any, dict[str, Any]] = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32 if device == "cpu" else "auto", local_files_only=True,
                output_loading_info=True,
            )  # fmt: skip
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).strip().split("\n")[0]
            raise BackendUnavailable(f"the model in {folder} cannot be loaded: {reason}") from error
        self._model, lacking = loaded[0], sorted(loaded[1]["missing_keys"])
        if lacking:
            # transformers would use random numbers in place of missing weights.
            raise BackendUnavailable(
                f"the model in {folder} lacks weights: {', '.join(lacking[:3])}"
            )
        if not self._tokenizer.chat_template:
            raise BackendUnavailable(f"the tokenizer in {folder} has no chat template")
        self._model.to(device).eval()
        self._context = int(self._model.config.max_position_embeddings)
        self.context_tokens: int | None = self._context
        self._end_ids = self._find_end_ids()
        self._bank = LoraBank(self._model)
        self._adapters: dict[str, AdapterRef] = {}
        self._max_batch = max_batch
        self._batcher: MicroBatcher[Row] = MicroBatcher(
            self._run,
            max_batch,
            # Set in the worker thread, because OpenMP keeps its number of threads for each calling
            # thread.
            setup=(lambda: torch.set_num_threads(threads)) if threads else None,
        )

    @property
    def model_id(self) -> str:
        """Digest of the base model (``registry.base_digest``)."""
        return self._model_id

    @property
    def folder(self) -> Path:
        """Folder from which the base model was read."""
        return self._folder

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        """Complete a batch that may mix adapters; responses stand in the order of the requests.

        Raises ``AdapterError`` for an adapter that is not loaded, ``UsageError`` for a JSON schema
        (this backend has no constrained decoding), ``PromptTooLong`` for a prompt that with
        ``max_tokens`` exceeds the context, and ``BackendTimeout`` at the earliest deadline:
        decoding then ends at its next step.
        """
        from specialists.backends.decoding import Row

        rows = []
        for request in requests:
            self._check_loaded(request.adapter)
            if request.sampling.json_schema is not None:
                raise UsageError(
                    "the local backend cannot follow a json_schema: drop it or use an endpoint"
                )
            ids, room = self._prompt_ids(request.messages), request.sampling.max_tokens
            if len(ids) + room > self._context:
                raise PromptTooLong(
                    f"context too long: {len(ids)} prompt tokens and max_tokens {room} exceed "
                    f"the model's {self._context}"
                )
            rows.append(Row(ids, request.adapter, request.sampling))
        # Prompts of similar length share a batch, which needs less padding when there are several
        # batches.
        jobs = await self._by_deadline(requests, sorted(rows, key=lambda row: len(row.prompt)))
        waited = {id(job.item): job.seconds for job in jobs}
        return [
            GenerateResponse(
                text=row.text,
                finish_reason="stop" if row.finish == "stop" else "length",
                usage=Usage(prompt_tokens=len(row.prompt), completion_tokens=len(row.tokens)),
                adapter=row.adapter,
                model=self._model_id,
                latency_s=waited[id(row)],
            )
            for row in rows
        ]

    async def _by_deadline(
        self, requests: Sequence[GenerateRequest], rows: Sequence[Row]
    ) -> list[Job[Row]]:
        deadlines = [r.deadline for r in requests if r.deadline is not None]
        left = min(deadlines) - time.monotonic() if deadlines else None
        try:
            async with asyncio.timeout(left) as limit:
                return await self._batcher.submit(rows)
        except TimeoutError:
            if not limit.expired():
                raise
            late = BackendTimeout("the model did not answer in the time left")
            begun = [row for row in rows if row.tokens]
            late.spent = sum(len(r.prompt) for r in begun), sum(len(r.tokens) for r in begun)
            raise late from None

    async def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]], adapters: Sequence[str | None]
    ) -> list[list[ScoredText]]:
        """Log-probabilities of each (prompt, text) under each adapter: [pair][adapter].

        Raises ``AdapterError`` for an adapter that is not loaded, ``PromptTooLong`` for a pair
        longer than the context.
        """
        encoded = [(self._prompt_ids(messages), self.token_ids(text)) for messages, text in pairs]
        rows = [(prompt, text, adapter) for prompt, text in encoded for adapter in adapters]
        found = iter(await self.score_tokens(rows))
        return [[ScoredText(adapter=a, log_probs=next(found)) for a in adapters] for _ in pairs]

    async def score_tokens(self, rows: Sequence[ScoreRow]) -> list[tuple[float, ...]]:
        """Log-probability of each text token of rows (prompt ids, text ids, adapter digest)."""
        for prompt, text, adapter in rows:
            self._check_loaded(adapter)
            if len(prompt) + len(text) > self._context:
                raise PromptTooLong(
                    f"context too long: {len(prompt)} prompt tokens and {len(text)} of text exceed "
                    f"the model's {self._context}"
                )
        return await self._batcher.call(lambda: self._score(rows))

    def token_ids(self, text: str) -> list[int]:
        """Token ids of ``text``; special tokens are recognised, but none is added."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The text that the model reads: the messages in its chat template, ready for the
        answer."""
        plain = [{"role": m.role, "content": m.content} for m in messages]
        text: str = self._tokenizer.apply_chat_template(
            plain, tokenize=False, add_generation_prompt=True
        )
        return text

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text``."""
        return len(self.token_ids(text))

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the messages in the model's chat template."""
        return len(self._prompt_ids(messages))

    def adapters(self) -> dict[str, AdapterRef]:
        """Loaded adapters by digest."""
        return dict(self._adapters)

    async def load(self, adapter: AdapterRef) -> None:
        """Load an adapter after checking its digest and its fit; loading it again does nothing.

        Raises ``AdapterError`` if the files changed, do not fit the base, or hold NaN.
        """
        await self._batcher.call(lambda: self._load(adapter))

    async def unload(self, digest: str) -> None:
        """Remove a loaded adapter; requests made before still get their answers."""
        self._check_loaded(digest)
        del self._adapters[digest]
        await self._batcher.call(lambda: self._bank.remove(digest))

    async def close(self) -> None:
        """Refuse waiting requests and release the model."""
        await asyncio.to_thread(self._batcher.close)
        self._adapters.clear()
        self._model = None
        self._bank.clear()

    def _load(self, adapter: AdapterRef) -> None:
        if adapter.digest in self._adapters:
            return
        found = adapter_digest(adapter.folder)
        if found != adapter.digest:
            raise AdapterError(
                f"adapter {adapter.name} at {adapter.path} is {found}, not {adapter.digest}"
            )
        check_fit(adapter.folder, self._folder)
        self._bank.add(adapter)
        self._adapters[adapter.digest] = adapter

    def _check_loaded(self, digest: str | None) -> None:
        if digest is not None and digest not in self._adapters:
            known = ", ".join(ref.served_name for ref in self._adapters.values()) or "none"
            raise AdapterError(f"adapter {digest} is not loaded; loaded: {known}")

    def _prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        return self.token_ids(self.prompt_text(messages))

    def _find_end_ids(self) -> frozenset[int]:
        ends = [self._tokenizer.eos_token_id]
        for config in (self._model.config, self._model.generation_config):
            value = getattr(config, "eos_token_id", None)
            ends.extend(value if isinstance(value, list) else [value])
        return frozenset(end for end in ends if end is not None)

    def _run(self, jobs: Sequence[Job[Row]]) -> None:
        from specialists.backends.decoding import decode

        for job in jobs:
            job.item.cancelled, job.item.finished = job.done.cancelled, job.release
        rows = [job.item for job in jobs]
        decode(self._model, self._tokenizer, rows, self._bank.select, self._end_ids)

    def _score(self, rows: Sequence[ScoreRow]) -> list[tuple[float, ...]]:
        from specialists.backends.decoding import log_probs

        order = sorted(range(len(rows)), key=lambda k: len(rows[k][0]) + len(rows[k][1]))
        vocabulary = int(self._model.config.vocab_size)
        found: dict[int, tuple[float, ...]] = {}
        while order:
            longest = len(rows[order[-1]][0]) + len(rows[order[-1]][1])
            size = max(1, min(self._max_batch, LOGITS_AT_ONCE // (vocabulary * longest)))
            order, batch = order[:-size], order[-size:]
            scored = log_probs(self._model, [rows[k] for k in batch], self._bank.select)
            found.update(zip(batch, scored, strict=True))
        return [found[k] for k in range(len(rows))]
