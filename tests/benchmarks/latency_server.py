"""An OpenAI-compatible server that answers every question the same after a fixed time.

python -m tests.benchmarks.latency_server PORT SECONDS
"""

from __future__ import annotations

import asyncio
import json
import sys


def completion(text: str) -> bytes:
    """The body of every answer."""
    return json.dumps(
        {
            "id": "x", "object": "chat.completion", "created": 0, "model": "fixed",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text},
                         "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
    ).encode()  # fmt: skip


BODIES = {
    b"POST": completion("It is 6 times 7.\n#### 42"),
    b"GET ": json.dumps({"object": "list", "data": [{"id": "fixed", "object": "model"}]}).encode(),
}


async def serve(port: int, seconds: float) -> None:
    """Until killed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next((int(h[15:]) for h in lines if h.startswith(b"content-length:")), 0)
                await reader.readexactly(length)
                if head.startswith(b"POST"):
                    await asyncio.sleep(seconds)
                body = BODIES[head[:4]]
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                    + str(len(body)).encode() + b"\r\n\r\n" + body
                )  # fmt: skip
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
