"""A small HTTP server that answers each request as the test defines, for endpoints with unusual
answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """A reply: ``body`` as JSON, or ``raw`` bytes; ``cut`` bytes are announced and not sent."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    cut: int = 0


@dataclass
class Scripted:
    """The server as a test sees it."""

    url: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the requests, each with its ``path``."""

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Those that ask for a completion."""
        return [body for body in self.seen if body["path"].endswith("/chat/completions")]


def chat(text: Any = "#### 6", **changes: Any) -> dict[str, Any]:
    """A chat completion; ``changes`` replace its fields."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
        **changes,
    }  # fmt: skip


def choice(message: Any, finish_reason: Any = "stop", **changes: Any) -> dict[str, Any]:
    """A chat completion whose one choice is given."""
    first = {"index": 0, "message": message, "finish_reason": finish_reason, **changes}
    return chat(choices=[first])


Answer = Callable[[dict[str, Any], int], Reply]
"""(body of a request, its number from 1) → reply."""


@contextmanager
def answering(answer: Answer) -> Iterator[Scripted]:
    """Serve on a free port of the loopback; a list of the models is answered without ``answer``."""
    scripted = Scripted()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            scripted.seen.append({"path": self.path})
            self.reply(Reply({"object": "list", "data": [{"id": "m"}]}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                scripted.seen.append({"path": self.path, **body})
                number = sum(1 for seen in scripted.seen if seen["path"] == self.path)
            self.reply(answer({"path": self.path, **body}, number))

        def reply(self, made: Reply) -> None:
            data = json.dumps(made.body).encode() if made.raw is None else made.raw
            self.send_response(made.status)
            for name, value in {"content-type": "application/json", **made.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) + made.cut))
            self.end_headers()
            with suppress(ConnectionError):  # the client may have given up
                self.wfile.write(data)
            self.close_connection = bool(made.cut)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    scripted.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
