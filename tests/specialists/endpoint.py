"""A small real HTTP server that speaks vLLM's dialect over a local backend."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from specialists.backends import (
    AdapterRef,
    GenerateRequest,
    LocalBackend,
    Message,
    Sampling,
)
from specialists.registry import adapter_digest
from state import AdapterError, RequestRefused, UsageError


class NotServed(Exception):
    """Becomes a 404."""


class Endpoint:
    """The served models, and the faults of the server."""

    def __init__(self, backend: LocalBackend) -> None:
        self.backend = backend
        self.served: dict[str, AdapterRef] = {}
        self.faults: set[str] = set()
        """Any of: key, usage, identity, frozen, slow, plain."""
        self.seen: list[dict[str, Any]] = []
        self.url = ""

    def adapter(self, model: str) -> str | None:
        if model == "base":
            return None
        if model not in self.served:
            raise NotServed(f"The model `{model}` does not exist.")
        return self.served[model].digest

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.seen.append({"path": path, **body})
        if "key" in self.faults:
            return 401, {"error": {"message": "Incorrect API key"}}
        if "slow" in self.faults:
            time.sleep(1.0)
        routes = {
            "/v1/models": self.models,
            "/v1/chat/completions": self.chat,
        }
        if "frozen" not in self.faults:
            routes |= {
                "/v1/load_lora_adapter": self.load,
                "/v1/unload_lora_adapter": self.unload,
            }
        if "plain" not in self.faults:
            routes |= {"/tokenize": self.tokenize, "/v1/completions": self.completions}
        if path not in routes:
            return 404, {"detail": "Not Found"}
        try:
            return routes[path](body)
        except NotServed as error:
            return 404, {"error": {"message": str(error), "type": "NotFoundError"}}
        except (UsageError, RequestRefused, AdapterError) as error:
            return 400, {"error": {"message": str(error), "type": "BadRequestError"}}

    def models(self, body: dict[str, Any]) -> tuple[int, Any]:
        entries: list[dict[str, Any]] = [{"id": "base", "object": "model", "parent": None}]
        entries += [{"id": n, "object": "model", "parent": "base"} for n in self.served]
        return 200, {"object": "list", "data": entries}

    def load(self, body: dict[str, Any]) -> tuple[int, Any]:
        name, path = body["lora_name"], Path(body["lora_path"])
        if not path.is_dir():
            raise NotServed(f"No adapter found for {path}")
        if name in self.served:
            raise UsageError(f"The lora adapter '{name}' has already been loaded.")
        ref = AdapterRef(name=name, digest=adapter_digest(path), path=path)
        asyncio.run(self.backend.load(ref))
        self.served[name] = ref
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def unload(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body["lora_name"] not in self.served:
            raise NotServed("The lora adapter cannot be found.")
        ref = self.served.pop(body["lora_name"])
        asyncio.run(self.backend.unload(ref.digest))
        return 200, "Success"

    def chat(self, body: dict[str, Any]) -> tuple[int, Any]:
        sampling = Sampling(
            max_tokens=body["max_tokens"], temperature=body["temperature"], top_p=body["top_p"],
            seed=body["seed"], stop=tuple(body.get("stop", ())),
        )  # fmt: skip
        messages = tuple(Message(**m) for m in body["messages"])
        adapter = self.adapter(body["model"])
        request = GenerateRequest(messages=messages, adapter=adapter, sampling=sampling)
        [out] = asyncio.run(self.backend.generate([request]))
        usage = {
            "prompt_tokens": out.usage.prompt_tokens,
            "completion_tokens": out.usage.completion_tokens,
            "total_tokens": out.usage.prompt_tokens + out.usage.completion_tokens,
        }
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": out.text},
            "finish_reason": out.finish_reason,
        }
        return 200, {
            "id": "chat-1", "object": "chat.completion", "created": 0, "choices": [choice],
            "model": "base" if "identity" in self.faults else body["model"],
            "usage": None if "usage" in self.faults else usage,
        }  # fmt: skip

    def tokenize(self, body: dict[str, Any]) -> tuple[int, Any]:
        if "messages" in body:
            text = self.backend.prompt_text([Message(**m) for m in body["messages"]])
        else:
            text = body["prompt"]
        return 200, {"tokens": self.backend.token_ids(text)}

    def completions(self, body: dict[str, Any]) -> tuple[int, Any]:
        ids = body["prompt"]
        row = (ids[:1], ids[1:], self.adapter(body["model"]))
        [found] = asyncio.run(self.backend.score_tokens([row]))
        listed = [{str(t): {"logprob": p}} for t, p in zip(ids[1:], found, strict=True)]
        choice = {
            "index": 0,
            "text": "",
            "finish_reason": "length",
            "prompt_logprobs": [None, *listed],
        }
        return 200, {
            "id": "c-1", "object": "text_completion", "created": 0, "model": body["model"],
            "choices": [choice],
        }  # fmt: skip


@contextmanager
def serving(base: Path) -> Iterator[Endpoint]:
    """Serve the model of a folder on a free port of the loopback."""
    endpoint = Endpoint(LocalBackend(base))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.reply(*endpoint.answer(self.path, {}))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self.reply(*endpoint.answer(self.path, json.loads(self.rfile.read(length))))

        def reply(self, status: int, content: Any) -> None:
            plain = isinstance(content, str)
            data = (content if plain else json.dumps(content)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if plain else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with suppress(ConnectionError):  # the client may have given up
                self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        asyncio.run(endpoint.backend.close())
