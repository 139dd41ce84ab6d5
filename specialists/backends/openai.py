"""A backend for OpenAI-compatible endpoints; on vLLM it also loads adapters at run time and scores
texts.

The endpoint's run-time updates of adapters are for trusted networks only.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from specialists.backends.answers import (
    ChatAnswer,
    check_error,
    read_chat,
    read_log_probs,
    read_models,
    read_tokens,
)
from specialists.backends.base import (
    AdapterRef,
    GenerateRequest,
    GenerateResponse,
    Message,
    RemarkKind,
    Sampling,
    ScoredText,
    most_prompt_tokens,
)
from specialists.backends.dialect import Dialect, cut_at
from specialists.backends.failures import Failure
from specialists.backends.http import HttpEndpoint
from specialists.registry import adapter_digest
from state.errors import AdapterError, BackendUnavailable, RequestRefused, UsageError

Result = TypeVar("Result")

RUNTIME_HINT = "start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
LIST_S = 20.0
"""Seconds in which an endpoint must list its models, else it counts as unavailable."""
NO_LIST = (403, 404, 405, 501)
"""HTTP statuses by which endpoints say that they do not list their models."""
TOKEN_LIKE = re.compile(r"[A-Za-z]{1,3}|\n|[^A-Za-z\s]")


class ServedModel(BaseModel):
    """One entry of an endpoint's list of models; only vLLM fills in all fields."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    parent: str | None = None
    """Base model of an adapter; ``None`` for a base model."""
    root: str | None = None
    """Folder or hub name from which the entry was loaded."""


async def _together(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Run coroutines concurrently; the first failure cancels the others."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def estimate_tokens(text: str) -> int:
    """An upper estimate of the tokens of ``text`` under any tokenizer of the usual kinds."""
    return sum(1 if p.isascii() else len(p.encode()) for p in TOKEN_LIKE.findall(text))


class OpenAICompatibleBackend:
    """Chat completions of one served model and its adapters.

    ``base_url`` ends in ``/v1``. ``timeout`` is the limit of one request in seconds; without one,
    it follows the speed of the endpoint. ``max_retries`` applies to lost connections and passing
    failures (429, 5xx, an error object of that kind). ``concurrency`` limits requests in flight and
    ``score_concurrency`` those among them that score texts: more than one has brought servers down.
    Belongs to the event loop in which it is first used. Every failure is one line that names the
    URL.
    """

    name = "openai"
    context_tokens: int | None = None

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str = "none",
        timeout: float | None = None,
        max_retries: int = 3,
        concurrency: int = 16,
        score_concurrency: int = 1,
    ) -> None:
        self._http = HttpEndpoint(
            base_url, api_key, timeout=timeout, retries=max_retries, concurrency=concurrency
        )
        self._url = self._http.url
        self._model = model
        self._dialect = Dialect()
        self._scoring = asyncio.Semaphore(score_concurrency)
        self._adapters: dict[str, AdapterRef] = {}

    @property
    def model_id(self) -> str:
        """The served name of the base model."""
        return self._model

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        """Complete the requests concurrently, in order; the first failure cancels the rest.

        Raises ``AdapterError`` for an adapter that is not loaded or an answer by another model,
        ``BadAnswer`` for a request with an unusable answer (``RequestRefused`` where the request is
        at fault), ``BackendTimeout`` when a deadline passes, ``BackendUnavailable`` otherwise.
        """
        for request in requests:
            self._served_name(request.adapter)
        return await _together(self._complete(request) for request in requests)

    async def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]], adapters: Sequence[str | None]
    ) -> list[list[ScoredText]]:
        """Log-probabilities of each (prompt, text) under each adapter: [pair][adapter].

        Uses vLLM's ``/tokenize`` and ``prompt_logprobs``; ``BackendUnavailable`` where an endpoint
        lacks them.
        """
        for adapter in adapters:
            self._served_name(adapter)
        encoded = await _together(self._tokenize(messages, text) for messages, text in pairs)
        flat = iter(
            await _together(
                self._score_one(prompt, text, adapter)
                for prompt, text in encoded
                for adapter in adapters
            )
        )
        return [[ScoredText(adapter=a, log_probs=next(flat)) for a in adapters] for _ in pairs]

    def count_tokens(self, text: str) -> int:
        """An upper estimate: three letters a token, and one token for each byte of other visible
        characters."""
        return estimate_tokens(text)

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """An upper bound: one token a byte, and the usual template."""
        return most_prompt_tokens(messages)

    def adapters(self) -> dict[str, AdapterRef]:
        """Adapters that the endpoint is known to serve, by digest."""
        return dict(self._adapters)

    async def load(self, adapter: AdapterRef) -> None:
        """Find the adapter among the served models by its content-hashed name, or have it loaded.

        The adapter's path must be the same on the endpoint's machine. Raises ``AdapterError`` if
        the files do not match the digest, or the endpoint refuses or cannot load at run time.
        """
        if adapter.digest in self._adapters:
            return
        if adapter.served_name not in await self._served_models():
            if adapter.path is None:
                raise AdapterError(f"{self._url} does not list the adapter {adapter.served_name}")
            found = adapter_digest(adapter.path)
            if found != adapter.digest:
                raise AdapterError(
                    f"adapter {adapter.name} at {adapter.path} is {found}, not {adapter.digest}"
                )
            body = {"lora_name": adapter.served_name, "lora_path": str(adapter.path.resolve())}
            refusal: AdapterError | None = None
            try:
                await self._update("/load_lora_adapter", body)
            except AdapterError as error:
                refusal = error  # Another process may have loaded it meanwhile, which is fine.
            if adapter.served_name not in await self._served_models():
                raise refusal or AdapterError(
                    f"{self._url} accepted {adapter.served_name} but does not list it"
                )
        self._adapters[adapter.digest] = adapter

    async def unload(self, digest: str) -> None:
        """Have the endpoint unload an adapter. Raises ``AdapterError`` if it is unknown."""
        name = self._served_name(digest)
        del self._adapters[digest]
        await self._update("/unload_lora_adapter", {"lora_name": name})

    async def close(self) -> None:
        """Close the connections."""
        self._adapters.clear()
        await self._http.close()

    def _served_name(self, digest: str | None) -> str:
        if digest is None:
            return self._model
        if digest not in self._adapters:
            known = ", ".join(ref.served_name for ref in self._adapters.values()) or "none"
            raise AdapterError(f"adapter {digest} is not loaded at {self._url}; loaded: {known}")
        return self._adapters[digest].served_name

    async def _complete(self, request: GenerateRequest) -> GenerateResponse:
        served, sampling = self._served_name(request.adapter), request.sampling
        began = time.monotonic()
        answer, left_out = await self._chat(request, served)
        seconds = time.monotonic() - began
        self._http.pace.note(seconds, answer.usage.completion_tokens)
        remarks = {**answer.remarks, **self._other_name(answer.model, served, request.adapter)}
        if left_out:
            remarks["parameters"] = f"sent without {', '.join(sorted(left_out))}"
        return GenerateResponse(
            text=cut_at(answer.text, sampling.stop),
            finish_reason=answer.finish_reason,
            usage=answer.usage,
            adapter=request.adapter,
            model=self._model,
            latency_s=seconds,
            remarks=remarks,
        )

    async def _chat(
        self, request: GenerateRequest, served: str
    ) -> tuple[ChatAnswer, frozenset[str]]:
        """The answer, and the parameters that were left out of its request: those that the endpoint
        refuses, as learned when they are first sent."""
        sampling = request.sampling
        body = {
            "model": served,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            **_parameters(sampling),
        }
        while True:
            spoken = self._dialect
            try:
                answer = await self._http.ask(
                    "/chat/completions", spoken.put(body), read_chat, what=served,
                    tokens=sampling.max_tokens, deadline=request.deadline,
                )  # fmt: skip
            except RequestRefused as error:
                known = self._dialect.after(error.__cause__, spoken.put(body))
                if known == spoken:
                    raise
                self._dialect = known
            except BackendUnavailable as error:
                raise self._lost(error, request.adapter) from error.__cause__
            else:
                return answer, spoken.missing(body)

    def _lost(self, error: BackendUnavailable, adapter: str | None) -> Exception:
        """``error``, or an AdapterError where it says that an adapter is gone."""
        cause = error.__cause__
        if adapter is not None and isinstance(cause, Failure) and cause.status == 404:
            return AdapterError(str(error))
        return error

    def _other_name(
        self, answered: str | None, asked: str, adapter: str | None
    ) -> dict[RemarkKind, str]:
        """Remarks for an answer under another name than the requested one.

        Servers call a base model by its dated or full name, and proxies add their own prefix or
        give no name. An adapter must answer by its name, which identifies its weights, and no
        adapter may answer for the base. Raises ``AdapterError``.
        """
        if answered == asked:
            return {}
        if adapter is not None:
            if answered is None or not _same_but_for_provider(answered, asked):
                who = answered or "a model without a name"
                raise AdapterError(f"{self._url}: asked {asked}, but {who} answered")
            return {}
        if answered in {ref.served_name for ref in self._adapters.values()}:
            raise AdapterError(f"{self._url}: asked {asked}, but the adapter {answered} answered")
        return {"model": answered or "no name"}

    async def _tokenize(
        self, messages: Sequence[Message], text: str
    ) -> tuple[list[int], list[int]]:
        chat = [{"role": m.role, "content": m.content} for m in messages]
        prompt = {"model": self._model, "messages": chat, "add_generation_prompt": True}
        heads, tails = await _together([self._tokens(prompt), self.token_ids(text)])
        return heads, tails

    async def _tokens(self, body: dict[str, Any]) -> list[int]:
        url = self._url.removesuffix("/v1") + "/tokenize"
        return await self._http.ask(url, body, read_tokens, what="/tokenize")

    async def token_ids(self, text: str) -> list[int]:
        """Token ids of ``text`` under the served base, by vLLM's ``/tokenize``.

        Raises ``BackendUnavailable`` where the endpoint has no such route.
        """
        return await self._tokens(
            {"model": self._model, "prompt": text, "add_special_tokens": False}
        )

    async def _score_one(
        self, prompt: list[int], text: list[int], adapter: str | None
    ) -> tuple[float, ...]:
        if not text:
            return ()
        served = self._served_name(adapter)
        body = {
            "model": served, "prompt": prompt + text, "max_tokens": 1, "temperature": 0.0,
            "prompt_logprobs": 0,
        }  # fmt: skip
        try:
            answered, found = await self._http.ask(
                "/completions", body, lambda said: read_log_probs(said, text), what=served,
                tokens=1, within=self._scoring,
            )  # fmt: skip
        except BackendUnavailable as error:
            raise self._lost(error, adapter) from error.__cause__
        self._other_name(answered, served, adapter)
        if found is None:
            raise BackendUnavailable(
                f"{self._url} cannot score texts: it returns no prompt_logprobs"
            )
        return found

    async def models(self, seconds: float = LIST_S) -> list[ServedModel]:
        """The entries of the endpoint's list: base models, and adapters where it says whose they
        are.

        Raises ``BackendUnavailable`` where there is no list, no endpoint, or no answer within
        ``seconds``.
        """
        deadline = time.monotonic() + seconds
        entries = await self._http.ask(
            "/models", None, read_models, what="/models", deadline=deadline
        )
        texts = ("id", "parent", "root")
        return [
            ServedModel.model_validate({k: e[k] for k in texts if isinstance(e.get(k), str)})
            for e in entries
        ]

    async def models_if_listed(self, seconds: float = LIST_S) -> list[ServedModel]:
        """Like :meth:`models`, but returns nothing where the endpoint answers without a list."""
        try:
            return await self.models(seconds)
        except BackendUnavailable as error:
            said = error.__cause__
            if isinstance(said, Failure) and (said.status in NO_LIST or said.kind == "odd"):
                return []
            raise

    async def _served_models(self) -> set[str]:
        return {model.id for model in await self.models()}

    async def _update(self, path: str, body: dict[str, str]) -> None:
        """Request a run-time change of adapters."""
        try:
            await self._http.ask(path, body, check_error, what=body["lora_name"], plain=True)
        except BackendUnavailable as error:
            cause = error.__cause__
            if not isinstance(cause, Failure) or cause.status not in (400, 404, 405, 422):
                raise
            if cause.status != 400 and not cause.codes:  # The route itself is missing.
                raise AdapterError(
                    f"{self._url} cannot change adapters at run time: {RUNTIME_HINT}"
                ) from cause
            raise AdapterError(
                f"{self._url} refused {path} for {body['lora_name']}: {cause}"
            ) from cause


def _same_but_for_provider(one: str, other: str) -> bool:
    """Whether two names of a model are equal without the prefix that a proxy puts before a
    slash."""
    return one.endswith(f"/{other}") or other.endswith(f"/{one}")


def _parameters(sampling: Sampling) -> dict[str, Any]:
    """The sampling as the parameters of a chat completion."""
    sent: dict[str, Any] = {
        "max_tokens": sampling.max_tokens, "temperature": sampling.temperature,
        "top_p": sampling.top_p, "seed": sampling.seed,
    }  # fmt: skip
    if sampling.stop:
        sent["stop"] = list(sampling.stop)
    if sampling.json_schema is not None:
        schema = {"name": "answer", "strict": True, "schema": _parsed(sampling.json_schema)}
        sent["response_format"] = {"type": "json_schema", "json_schema": schema}
    return sent


def _parsed(schema: str) -> dict[str, Any]:
    try:
        parsed = json.loads(schema)
    except ValueError as error:
        raise UsageError(f"json_schema is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise UsageError("json_schema is not a JSON object")
    return parsed
