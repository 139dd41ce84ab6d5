"""Recorded model calls: replays a file without a model, or records another backend into one.

A recording is JSONL. ``base`` and ``adapter`` lines describe the served models; ``generate``,
``score``, ``count`` and ``prompt`` lines hold one answer each under the SHA-256 of the request.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from specialists.backends.base import (
    SERVED,
    AdapterRef,
    Backend,
    GenerateRequest,
    GenerateResponse,
    Message,
    ScoredText,
    most_prompt_tokens,
)
from state import AdapterError, BackendUnavailable, UsageError


def request_key(request: GenerateRequest) -> str:
    """Content hash of a request: messages, adapter digest, sampling."""
    return _key("generate", request.model_dump(mode="json"))


def _key(kind: str, content: object) -> str:
    text = json.dumps([kind, content], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _score_key(messages: Sequence[Message], text: str, adapter: str | None) -> str:
    return _key("score", [[m.model_dump() for m in messages], text, adapter])


class RecordedBackend:
    """Answers from a recording, or passes requests on and records the answers.

    A request that a replayed file does not hold raises ``BackendUnavailable`` naming the request.
    """

    name = "recorded"

    def __init__(self, path: Path, inner: Backend | None) -> None:
        self._path = path
        self._inner = inner
        self._answers: dict[str, Any] = {}
        self._known: dict[str, AdapterRef] = {}
        self._loaded: dict[str, AdapterRef] = {}
        self._model_id = inner.model_id if inner else ""
        self.context_tokens = inner.context_tokens if inner else None

    @classmethod
    def replay(cls, path: Path) -> RecordedBackend:
        """Open a recording. Raises ``BackendUnavailable`` if missing, ``UsageError`` if malformed.

        The recorded adapters are loaded from the start, with the path of the recording. A last line
        without its end, from a killed recorder, is left out.
        """
        backend = cls(path, None)
        try:
            lines = path.read_bytes().split(b"\n")[:-1]
        except OSError as error:
            raise BackendUnavailable(f"no recording at {path}: {error.strerror}") from None
        for number, line in enumerate(lines, 1):
            try:
                backend._read(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(
                    f"{path}:{number} is not a line of a recording: {error!r}"
                ) from None
        if not backend._model_id:
            raise UsageError(f"{path} is not a recording: it names no base model")
        backend._loaded = dict(backend._known)
        return backend

    @classmethod
    def record(cls, inner: Backend, path: Path) -> RecordedBackend:
        """Pass requests to ``inner`` and append its answers to ``path``.

        Raises ``UsageError`` if the file already holds a recording of another base model.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.read_bytes() if path.exists() else b""
        whole = held.rfind(b"\n") + 1
        if whole < len(held):
            os.truncate(path, whole)
        backend = cls(path, inner)
        if whole:
            previous = cls.replay(path)
            if previous._model_id != inner.model_id:
                raise UsageError(f"{path} records base {previous._model_id}, not {inner.model_id}")
            backend._known, backend._answers = previous._known, previous._answers
        else:
            base = {"kind": "base", "model": inner.model_id, "context": inner.context_tokens}
            backend._append(base)
        for adapter in inner.adapters().values():
            backend._note_adapter(adapter)
        return backend

    @property
    def model_id(self) -> str:
        """Identity of the recorded base model."""
        return self._model_id

    async def generate(self, requests: Sequence[GenerateRequest]) -> list[GenerateResponse]:
        """Recorded answers in the order of the requests, or the inner backend's."""
        if self._inner is None:
            for request in requests:
                self._check_loaded(request.adapter)
            return [
                GenerateResponse.model_validate(self._find(request_key(r), r)) for r in requests
            ]
        responses = await self._inner.generate(requests)
        for request, response in zip(requests, responses, strict=True):
            asked, got = request.model_dump(mode="json"), response.model_dump(mode="json")
            line = {
                "kind": "generate",
                "key": request_key(request),
                "request": asked,
                "answer": got,
            }
            self._append(line)
        return responses

    async def score(
        self, pairs: Sequence[tuple[Sequence[Message], str]], adapters: Sequence[str | None]
    ) -> list[list[ScoredText]]:
        """Recorded log-probabilities: [pair][adapter], or the inner backend's."""
        if self._inner is None:
            for adapter in adapters:
                self._check_loaded(adapter)
            return [
                [
                    ScoredText(adapter=a, log_probs=self._find(_score_key(m, text, a), (text, a)))
                    for a in adapters
                ]
                for m, text in pairs
            ]
        table = await self._inner.score(pairs, adapters)
        for (messages, text), row in zip(pairs, table, strict=True):
            for cell in row:
                key = _score_key(messages, text, cell.adapter)
                self._append({"kind": "score", "key": key, "answer": list(cell.log_probs)})
        return table

    def count_tokens(self, text: str) -> int:
        """Tokens as the recorded backend counted them, so that a replay packs the same prompts."""
        key = _key("count", text)
        if self._inner is None:
            return int(self._find(key, text))
        if key not in self._answers:
            self._append({"kind": "count", "key": key, "answer": self._inner.count_tokens(text)})
        return int(self._answers[key])

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens as the recorded backend counted them; an upper bound where an older recording
        lacks the count."""
        key = _key("prompt", [m.model_dump() for m in messages])
        if key not in self._answers:
            if self._inner is None:
                return most_prompt_tokens(messages)
            found = self._inner.prompt_tokens(messages)
            self._append({"kind": "prompt", "key": key, "answer": found})
        return int(self._answers[key])

    def adapters(self) -> dict[str, AdapterRef]:
        """Loaded adapters by digest."""
        return self._inner.adapters() if self._inner else dict(self._loaded)

    def listed(self) -> list[str]:
        """Names of the recorded adapters whose weights only the endpoint had."""
        return [ref.name for ref in self._known.values() if ref.digest.startswith(SERVED)]

    async def load(self, adapter: AdapterRef) -> None:
        """Load into the inner backend; in a replay, check that the recording knows the adapter."""
        if self._inner is not None:
            await self._inner.load(adapter)
            self._note_adapter(adapter)
        elif adapter.digest not in self._known:
            known = ", ".join(sorted(ref.served_name for ref in self._known.values())) or "none"
            raise AdapterError(
                f"{self._path} recorded no adapter {adapter.served_name}; it has: {known}"
            )
        else:
            self._loaded[adapter.digest] = adapter

    async def unload(self, digest: str) -> None:
        """Remove a loaded adapter."""
        if self._inner is not None:
            await self._inner.unload(digest)
            return
        self._check_loaded(digest)
        del self._loaded[digest]

    async def close(self) -> None:
        """Close the inner backend, if any."""
        if self._inner is not None:
            await self._inner.close()

    def _check_loaded(self, digest: str | None) -> None:
        if digest is not None and digest not in self._loaded:
            known = ", ".join(ref.served_name for ref in self._loaded.values()) or "none"
            raise AdapterError(f"adapter {digest} is not loaded; loaded: {known}")

    def _find(self, key: str, asked: object) -> Any:
        if key not in self._answers:
            if isinstance(asked, GenerateRequest):
                sampling = asked.sampling.model_dump(exclude_defaults=True)
                last = asked.messages[-1].content[:120] if asked.messages else ""
                asked = (
                    f"adapter {asked.adapter or 'none'}, sampling {sampling}, last message {last!r}"
                )
            raise BackendUnavailable(f"{self._path} holds no answer to: {str(asked)[:400]}")
        return self._answers[key]

    def _read(self, line: dict[str, Any]) -> None:
        if line["kind"] == "base":
            self._model_id, self.context_tokens = str(line["model"]), line.get("context")
        elif line["kind"] == "adapter":
            ref = AdapterRef(name=line["name"], digest=line["digest"], path=self._path)
            self._known[ref.digest] = ref
        else:
            self._answers[line["key"]] = line["answer"]

    def _note_adapter(self, adapter: AdapterRef) -> None:
        if adapter.digest not in self._known:
            self._append({"kind": "adapter", "name": adapter.name, "digest": adapter.digest})

    def _append(self, line: dict[str, Any]) -> None:
        """Append one line by a single write, so that concurrent or killed recorders leave only
        whole lines."""
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(descriptor, data) != len(data):
                raise OSError(f"{self._path}: short write")
        finally:
            os.close(descriptor)
        self._read(line)
