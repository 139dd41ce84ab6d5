"""One server that speaks JSON over HTTP: retries passing failures, keeps deadlines, explains
errors."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

from specialists.backends.failures import Failure, Kind, asked_to_wait, one_line, refusal
from state.errors import (
    BackendTimeout,
    BackendUnavailable,
    BadAnswer,
    PromptTooLong,
    RequestRefused,
    Unanswered,
    UsageError,
)

Read = TypeVar("Read")

MOST_BYTES = 64 * 2**20
"""Most bytes of an answer; a longer one is refused."""
LONGEST_WAIT_S = 300.0
"""Longest pause in seconds that an endpoint may ask for; with a longer one it counts as down."""
CONNECT_S = 20.0
QUEUE_S = 120.0
"""Seconds that any answer may take, for the queue at the server and the prompt."""
SLOWEST_S = 0.5
"""Seconds a token that are allowed before the speed of the endpoint is known."""
SPARE = 4.0
"""Factor by which an answer may be slower than the slowest answer so far."""
SHORTEST = 32
"""Tokens below which the duration of an answer says little about the speed."""

_AS_IT_COMES = {"X-Stainless-Raw-Response": "stream"}
"""Header that asks the client for the unread answer, as its ``with_streaming_response`` does."""


class Pace:
    """Time limit of an answer, by the speed of the endpoint.

    ``fixed`` is a limit in seconds that the user sets. Without it, the limit is :data:`QUEUE_S`
    and, for each requested token, :data:`SPARE` times the time of the slowest of the latest
    answers.
    """

    def __init__(self, fixed: float | None = None) -> None:
        self._fixed = fixed
        self._seen: deque[float] = deque(maxlen=16)

    def limit(self, tokens: int) -> float:
        """Seconds that an answer of up to ``tokens`` tokens may take."""
        if self._fixed is not None:
            return self._fixed
        return QUEUE_S + tokens * max(SLOWEST_S, SPARE * max(self._seen, default=0.0))

    def note(self, seconds: float, tokens: int) -> None:
        """Record that an answer of ``tokens`` tokens took ``seconds``."""
        self._seen.append(seconds / max(tokens, SHORTEST))


class HttpEndpoint:
    """Sends JSON and returns the JSON of the answer. Every failure is one line that names the URL.

    ``timeout`` is the limit of one request in seconds; without it, the limit follows the endpoint's
    speed. Lost connections and passing refusals are tried ``retries`` more times. Belongs to the
    event loop in which it is first used. Raises ``UsageError`` for an invalid URL or key.
    """

    def __init__(
        self, url: str, api_key: str, *, timeout: float | None, retries: int, concurrency: int
    ) -> None:
        import httpx2
        from openai import AsyncOpenAI

        self.url = url.rstrip("/")
        self.pace = Pace(timeout)
        self._retries = retries
        self._slots = asyncio.Semaphore(concurrency)
        key = api_key.strip()
        if not key.isascii() or not key.isprintable():
            raise UsageError("the API key has characters that no key has; was it copied whole?")
        try:
            parsed = httpx2.URL(self.url)
        except httpx2.InvalidURL as error:
            raise UsageError(f"--base-url {one_line(url)}: {error}") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise UsageError(f"--base-url {one_line(url)}: not a URL such as http://HOST:8000/v1")
        # The client's own retries and time limits are off, because they do not know the deadline of
        # a run.
        self._client = AsyncOpenAI(
            base_url=self.url,
            api_key=key or "none",
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_S),
            http_client=httpx2.AsyncClient(
                follow_redirects=True,
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=concurrency),
            ),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(
        self,
        path: str,
        body: object,
        read: Callable[[Any], Read],
        *,
        what: str,
        tokens: int = 0,
        deadline: float | None = None,
        plain: bool = False,
        within: AbstractAsyncContextManager[Any] | None = None,
    ) -> Read:
        """POST ``body``, or GET where it is ``None``, and return what ``read`` makes of the answer.

        ``read`` receives parsed JSON, or with ``plain`` any text, and raises :class:`Failure` for
        an unusable answer. ``what`` names the request in words; ``tokens`` is the most that the
        answer can have; ``deadline`` is in ``time.monotonic()`` seconds and includes retries and
        waiting; ``within`` limits how many such requests are under way, in addition to the limit on
        all. Raises ``BackendTimeout`` when the deadline passes, else ``BackendUnavailable`` or a
        subclass, with the :class:`Failure` as its cause.
        """
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise self._late(what)
        try:
            async with asyncio.timeout(left), within or nullcontext(), self._slots:
                return await self._tried(path, body, read, what, tokens, deadline, plain)
        except TimeoutError:
            raise self._late(what) from None

    async def _tried(
        self,
        path: str,
        body: object,
        read: Callable[[Any], Read],
        what: str,
        tokens: int,
        deadline: float | None,
        plain: bool,
    ) -> Read:
        limit, tries = self.pace.limit(tokens), 0
        while True:
            try:
                return read(await self._once(path, body, limit, plain))
            except Failure as failure:
                tries += 1
                last = tries > self._retries
                pause = failure.wait if failure.wait is not None else _backoff(tries)
                if not failure.passing or last or pause > LONGEST_WAIT_S:
                    raise self._error(failure, what) from failure
                if deadline is not None and time.monotonic() + pause >= deadline:
                    raise self._late(what, failure) from failure
            await asyncio.sleep(pause)

    async def _once(self, path: str, body: object, limit: float, plain: bool) -> Any:
        import httpx2
        from openai import APIConnectionError, APIStatusError

        status, headers, received = 0, httpx2.Headers(), bytearray()
        try:
            async with asyncio.timeout(limit):
                answer = await self._sent(path, body)
                try:
                    status, headers = answer.status_code, answer.headers
                    async for piece in answer.aiter_bytes():
                        received += piece
                        if len(received) > MOST_BYTES:
                            says = f"an answer of more than {MOST_BYTES >> 20} MiB"
                            raise Failure(says, "odd", status=status)
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise Failure(f"no answer within {limit:.0f} s", "slow", status=status) from None
        except APIStatusError as error:
            status, headers = error.response.status_code, error.response.headers
            received[:] = error.response.content
        except APIConnectionError as error:
            cause = error.__cause__ or error
            kind: Kind = "lost" if isinstance(cause, httpx2.TransportError) else "odd"
            raise Failure(one_line(str(cause)) or type(cause).__name__, kind) from cause
        except httpx2.InvalidURL as error:  # The URL comes from a redirection.
            raise Failure(one_line(str(error)), "odd", status=status) from None
        except httpx2.RequestError as error:  # The server answered, but cut its answer short.
            says = one_line(str(error)) or type(error).__name__
            kind = "lost" if isinstance(error, httpx2.TransportError) else "odd"
            raise Failure(f"the answer is not whole: {says}", kind, status=status) from error
        if status >= 300:
            said = _json_or_text(bytes(received), headers)
            raise refusal(said, status, asked_to_wait(headers, time.time()))
        return (_json_or_text if plain else _parsed)(bytes(received), headers)

    async def _sent(self, path: str, body: object) -> Any:
        """The client's answer with its body still unread and unchecked."""
        import httpx2

        options: Any = {"headers": _AS_IT_COMES}
        if body is None:
            return await self._client.get(path, cast_to=httpx2.Response, options=options)
        return await self._client.post(path, cast_to=httpx2.Response, body=body, options=options)

    def _late(self, what: str, failure: Failure | None = None) -> BackendTimeout:
        why = f": {failure}{_asks(failure)}" if failure else ""
        return BackendTimeout(f"{self.url} did not answer in the time left ({what}){why}")

    def _error(self, failure: Failure, what: str) -> BackendUnavailable:
        """The error for people, which says whether it is about this request or about the
        endpoint."""
        url, status = self.url, failure.status
        if failure.kind == "odd":
            return BadAnswer(f"{url} sent {failure} (asked for {what})")
        if failure.kind == "slow":
            return Unanswered(
                f"{url} did not answer in time ({what}): {failure}; where that is its speed, set "
                "request_timeout"
            )
        if failure.kind == "lost":
            if status:
                return BadAnswer(f"{url} failed on {what}: {failure}")
            return BackendUnavailable(f"{url} cannot be reached: {failure}")
        if failure.no_money:
            return BackendUnavailable(f"{url} has no credit left for this key: {failure}")
        if status == 401:
            return BackendUnavailable(f"{url} refused the API key: {failure}")
        if status == 403:
            return BackendUnavailable(f"{url} refused access to {what}: {failure}")
        if status in (404, 405, 501):
            return BackendUnavailable(f"{url} does not serve {what}: {failure}")
        if failure.passing:
            return BackendUnavailable(
                f"{url} failed on {what} ({status}): {failure}{_asks(failure)}"
            )
        if status == 0:
            return BadAnswer(f"{url} answered {what} with an error: {failure}")
        kind = PromptTooLong if failure.too_long else RequestRefused
        return kind(f"{url} refused the request to {what} ({status}): {failure}")


def _asks(failure: Failure) -> str:
    """The pause that the endpoint asks for, in words, where it is long enough to mention."""
    return f" (it asks to wait {failure.wait:.0f} s)" if (failure.wait or 0) >= 1 else ""


def _backoff(tries: int) -> float:
    """Seconds before the next try: doubled each time up to 8, with a random part."""
    pause: float = min(8.0, 0.5 * 2 ** (tries - 1))
    return pause * random.uniform(0.75, 1.25)


def _decoded(raw: bytes, headers: Any) -> str:
    """The body as text, in its declared charset, else UTF-8."""
    declared = str(headers.get("content-type", "")).lower().partition("charset=")[2]
    charset = declared.split(";")[0].strip(" \"'") or "utf-8"
    try:
        return raw.decode(charset if charset not in ("utf-8", "utf8") else "utf-8-sig")
    except LookupError:
        return raw.decode("utf-8-sig")


def _parsed(raw: bytes, headers: Any) -> Any:
    """The JSON of a body. Raises :class:`Failure` where it is none."""
    if not raw.strip():
        raise Failure("an empty answer", "odd")
    try:
        text = _decoded(raw, headers)
    except UnicodeDecodeError as error:
        raise Failure(f"an answer that is not {error.encoding} text", "odd") from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    said = str(refusal(text, 200))
    if text.lstrip().startswith(("data:", "event:", ":")):
        said = f"a stream, though none was asked for: {said}"
    elif not said.startswith("an HTML page"):
        said = f"what is not JSON: {said}"
    raise Failure(said, "odd")


def _json_or_text(raw: bytes, headers: Any) -> Any:
    try:
        return json.loads(_decoded(raw, headers))
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")
