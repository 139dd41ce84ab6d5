"""Any OpenAI-compatible endpoint; on vLLM, adapters are loaded at run time and texts are scored.

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

from specialists.backends.base import (
    AdapterRef,
    GenerateRequest,
    GenerateResponse,
    Message,
    ScoredText,
    Usage,
)
from specialists.registry import adapter_digest
from state import AdapterError, BackendUnavailable, HarnessError, UsageError

Result = TypeVar("Result")

RUNTIME_HINT = "start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
NO_LIST = (403, 404, 405, 501)
"""HTTP statuses by which endpoints say that they do not list their models."""
TOKEN_LIKE = re.compile(r"[A-Za-z]{1,3}|\n|[^A-Za-z\s]")


class ServedModel(BaseModel):
    """One entry of an endpoint's list of models; vLLM fills in all of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    parent: str | None = None
    """For an adapter: the base model that it belongs to."""
    root: str | None = None
    """Folder or hub name that it was loaded from."""


async def _together(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Run concurrently; the first failure cancels the others."""
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

    ``base_url`` ends in ``/v1``; ``timeout`` in seconds; ``max_retries`` are the client's, for lost
    connections, 429 and 5xx; ``concurrency`` caps requests in flight. Belongs to the event loop in
    which it is first used. Every failure is one line that names the URL.
    """

    name = "openai"
    context_tokens: int | None = None

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str = "none",
        timeout: float = 120.0,
        max_retries: int = 2,
        concurrency: int = 16,
    ) -> None:
        from openai import AsyncOpenAI

        self._url = base_url.rstrip("/")
        self._model = model
        self._client = AsyncOpenAI(
            base_url=self._url, api_key=api_key, timeout=timeout, max_retries=max_retries
        )
        self._slots = asyncio.Semaphore(concurrency)
        self._adapters: dict[str, AdapterRef] = {}

    @property
    def model_id(self) -> str:
        """The served name of the base model."""
        return self._model

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        """Complete the requests concurrently, in order; the first failure cancels the rest.

        Raises ``AdapterError`` for an adapter that is not loaded or an answer by another model,
        ``UsageError`` for what the endpoint calls a bad request, ``BackendUnavailable`` otherwise.
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
        names = [self._served_name(adapter) for adapter in adapters]
        encoded = await _together(self._tokenize(messages, text) for messages, text in pairs)
        flat = iter(
            await _together(
                self._score_one(prompt, text, name) for prompt, text in encoded for name in names
            )
        )
        return [[ScoredText(adapter=a, log_probs=next(flat)) for a in adapters] for _ in pairs]

    def count_tokens(self, text: str) -> int:
        """An upper estimate: three letters a token, every other visible character by its bytes."""
        return estimate_tokens(text)

    def adapters(self) -> dict[str, AdapterRef]:
        """Adapters known to be served, by digest."""
        return dict(self._adapters)

    async def load(self, adapter: AdapterRef) -> None:
        """Find the adapter among the served models by its content-hashed name, or have it loaded.

        The adapter's path must be the same on the endpoint's machine. Raises ``AdapterError`` if
        the files are not those of the digest, or the endpoint refuses or cannot load at run time.
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
                refusal = error  # fine if somebody else loaded it in between
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
        await self._client.close()

    def _served_name(self, digest: str | None) -> str:
        if digest is None:
            return self._model
        if digest not in self._adapters:
            known = ", ".join(ref.served_name for ref in self._adapters.values()) or "none"
            raise AdapterError(f"adapter {digest} is not loaded at {self._url}; loaded: {known}")
        return self._adapters[digest].served_name

    async def _complete(self, request: GenerateRequest) -> GenerateResponse:
        served, sampling = self._served_name(request.adapter), request.sampling
        extra: dict[str, Any] = {"stop": list(sampling.stop)} if sampling.stop else {}
        if sampling.json_schema is not None:
            schema = {"name": "answer", "strict": True, "schema": _parsed(sampling.json_schema)}
            extra["response_format"] = {"type": "json_schema", "json_schema": schema}
        chat: list[Any] = [{"role": m.role, "content": m.content} for m in request.messages]
        began = time.monotonic()
        call = self._client.chat.completions.create(
            model=served,
            messages=chat,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            **extra,
        )
        answer = await self._ask(call, served)
        self._check_identity(answer.model, served)
        if answer.usage is None:
            raise BackendUnavailable(
                f"{self._url} does not report usage; tokens cannot be accounted for"
            )
        choice = answer.choices[0]
        if choice.finish_reason not in ("stop", "length") or choice.message.content is None:
            raise BackendUnavailable(
                f"{self._url}: {served} gave no text (finish_reason {choice.finish_reason!r})"
            )
        return GenerateResponse(
            text=choice.message.content,
            finish_reason="stop" if choice.finish_reason == "stop" else "length",
            usage=Usage(
                prompt_tokens=answer.usage.prompt_tokens,
                completion_tokens=answer.usage.completion_tokens,
            ),
            adapter=request.adapter,
            model=self._model,
            latency_s=time.monotonic() - began,
        )

    def _check_identity(self, answered: str | None, asked: str) -> None:
        if answered != asked:
            raise AdapterError(f"{self._url}: asked {asked}, but {answered} answered")

    async def _tokenize(
        self, messages: Sequence[Message], text: str
    ) -> tuple[list[int], list[int]]:
        chat = [{"role": m.role, "content": m.content} for m in messages]
        prompt = {"model": self._model, "messages": chat, "add_generation_prompt": True}
        plain = {"model": self._model, "prompt": text, "add_special_tokens": False}
        url = self._url.removesuffix("/v1") + "/tokenize"
        heads, tails = await _together(
            self._ask(self._client.post(url, body=body, cast_to=dict[str, Any]), "/tokenize")
            for body in (prompt, plain)
        )
        return list(heads["tokens"]), list(tails["tokens"])

    async def _score_one(
        self, prompt: list[int], text: list[int], served: str
    ) -> tuple[float, ...]:
        if not text:
            return ()
        call = self._client.completions.create(
            model=served,
            prompt=prompt + text,
            max_tokens=1,
            temperature=0.0,
            extra_body={"prompt_logprobs": 0},
        )
        answer = await self._ask(call, served)
        self._check_identity(answer.model, served)
        found = getattr(answer.choices[0], "prompt_logprobs", None)
        if not found or len(found) != len(prompt) + len(text):
            raise BackendUnavailable(
                f"{self._url} cannot score texts: it returns no prompt_logprobs"
            )
        tail = zip(text, found[len(prompt) :], strict=True)
        return tuple(float(entry[str(token)]["logprob"]) for token, entry in tail)

    async def _served_models(self) -> set[str]:
        return {model.id for model in await self.models()}

    async def models(self) -> list[ServedModel]:
        """What the endpoint lists: base models, and adapters where it says whose they are.

        Raises ``BackendUnavailable`` where it has no list or is not there.
        """
        listing = await self._ask(self._client.get("/models", cast_to=dict[str, Any]), "/models")
        entries = listing.get("data") if isinstance(listing, dict) else None
        if not isinstance(entries, list):
            raise BackendUnavailable(f"{self._url}/models gives no list of models")
        return [
            ServedModel.model_validate(e)
            for e in entries
            if isinstance(e, dict) and isinstance(e.get("id"), str)
        ]

    async def models_if_listed(self) -> list[ServedModel]:
        """Like :meth:`models`, but nothing where the endpoint answers that it keeps no list."""
        from openai import APIStatusError

        try:
            return await self.models()
        except BackendUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, APIStatusError) and cause.status_code in NO_LIST:
                return []
            raise

    async def token_ids(self, text: str) -> list[int]:
        """Tokens of ``text`` under the served base, by vLLM's ``/tokenize``.

        Raises ``BackendUnavailable`` where the endpoint has no such route.
        """
        plain = {"model": self._model, "prompt": text, "add_special_tokens": False}
        url = self._url.removesuffix("/v1") + "/tokenize"
        call = self._client.post(url, body=plain, cast_to=dict[str, Any])
        found = await self._ask(call, "/tokenize")
        return [int(token) for token in found["tokens"]]

    async def _update(self, path: str, body: dict[str, str]) -> None:
        """Ask for a run-time change of adapters."""
        from openai import BadRequestError, NotFoundError

        try:
            await self._ask(self._client.post(path, body=body, cast_to=str), body["lora_name"])
        except HarnessError as error:
            cause: Any = error.__cause__
            said_why = isinstance(getattr(cause, "body", None), dict) and "message" in cause.body
            if isinstance(cause, NotFoundError) and not said_why:  # the route itself is missing
                raise AdapterError(
                    f"{self._url} cannot change adapters at run time: {RUNTIME_HINT}"
                ) from cause
            if isinstance(cause, BadRequestError | NotFoundError):
                raise AdapterError(
                    f"{self._url} refused {path} for {body['lora_name']}: {_said(cause)}"
                ) from cause
            raise

    async def _ask(self, call: Coroutine[Any, Any, Result], what: str) -> Result:
        """Await a client call; its errors become ours, in one line."""
        import openai

        try:
            async with self._slots:
                return await call
        except openai.APITimeoutError as error:
            raise BackendUnavailable(f"{self._url} did not answer in time ({what})") from error
        except openai.APIConnectionError as error:
            reason = str(error.__cause__ or "") or type(error.__cause__ or error).__name__
            raise BackendUnavailable(f"{self._url} cannot be reached: {reason}") from error
        except openai.AuthenticationError as error:
            raise BackendUnavailable(f"{self._url} refused the API key: {_said(error)}") from error
        except openai.NotFoundError as error:
            lost = (
                AdapterError
                if what != self._model and not what.startswith("/")
                else BackendUnavailable
            )
            raise lost(f"{self._url} does not serve {what}: {_said(error)}") from error
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            raise UsageError(
                f"{self._url} refused the request to {what}: {_said(error)}"
            ) from error
        except openai.APIError as error:
            raise BackendUnavailable(f"{self._url} failed on {what}: {_said(error)}") from error


def _said(error: Exception) -> str:
    """The endpoint's own words, on one line."""
    body = getattr(error, "body", None)
    inner = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(inner or error).split())[:300]


def _parsed(schema: str) -> dict[str, Any]:
    try:
        parsed = json.loads(schema)
    except ValueError as error:
        raise UsageError(f"json_schema is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise UsageError("json_schema is not a JSON object")
    return parsed
