"""Errors of endpoints: error objects of many shapes, each reduced to one line and one status.

OpenAI, vLLM, llama.cpp, FastAPI, Google and the proxies in front of them agree on little; some send
the error inside an answer with status 200.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from state.text import storable

LONGEST = 300
"""Most characters of the endpoint's message that are quoted."""
PASSING = (408, 409, 425, 429)
"""Statuses below 500 after which the same request may succeed a little later."""
SPENT = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_credits")
"""Codes of a 429 error that does not pass with time."""
STATUS_OF = {
    "rate_limit_exceeded": 429, "rate_limit_error": 429, "RESOURCE_EXHAUSTED": 429,
    "too_many_requests": 429, **dict.fromkeys(SPENT, 429),
    "server_error": 500, "api_error": 500, "internal_server_error": 500, "INTERNAL": 500,
    "InternalServerError": 500,
    "service_unavailable": 503, "UNAVAILABLE": 503, "overloaded_error": 529, "overloaded": 529,
    "timeout": 408, "DEADLINE_EXCEEDED": 504,
    "invalid_api_key": 401, "authentication_error": 401, "UNAUTHENTICATED": 401,
    "permission_error": 403, "PERMISSION_DENIED": 403,
    "model_not_found": 404, "not_found_error": 404, "NOT_FOUND": 404, "NotFoundError": 404,
    "invalid_request_error": 400, "context_length_exceeded": 400, "INVALID_ARGUMENT": 400,
    "BadRequestError": 400, "content_filter": 400, "unsupported_parameter": 400,
    "unsupported_value": 400,
}  # fmt: skip
"""Code or type in an error object → HTTP status."""

Kind = Literal["refused", "lost", "slow", "odd"]


class Failure(Exception):
    """One request without an answer; ``str(failure)`` is the endpoint's own message, on one
    line."""

    def __init__(
        self,
        says: str,
        kind: Kind,
        *,
        status: int = 0,
        codes: tuple[str, ...] = (),
        param: str = "",
        wait: float | None = None,
    ) -> None:
        super().__init__(says)
        self.kind = kind
        """Kind of failure. refused: an error object or status; lost: the connection; slow: no
        answer in time; odd: an invalid answer."""
        self.status = status
        """HTTP status, or the one that an error object means; 0 where there is none."""
        self.codes = codes
        """The error's code and type, those of them that are words."""
        self.param = param
        """The parameter of the request that the error is about, where it says so."""
        self.wait = wait
        """Seconds that the endpoint asks to wait."""

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed a little later."""
        if self.kind == "refused":
            later = self.status in PASSING or self.status >= 500
            return later and not self.no_money
        # A request that reached the endpoint may have been worked on, and is then paid for: no
        # repetition.
        return self.kind == "lost" and not self.status

    @property
    def too_long(self) -> bool:
        """Whether the request does not fit the model's context."""
        says = " ".join((str(self), *self.codes))
        return self.status == 413 or bool(_TOO_LONG.search(says))

    @property
    def no_money(self) -> bool:
        """Whether the account is out of credit."""
        return self.status == 402 or any(code in SPENT for code in self.codes)


_TOO_LONG = re.compile(
    r"context[_ ](?:length|window|size)|maximum context|prompt is too long|too many (?:input )?tokens"
    r"|input is too long|longer than the (?:context|maximum|model)"
    r"|exceeds? the (?:available |model'?s? )?context",
    re.IGNORECASE,
)


def refusal(body: Any, status: int, wait: float | None = None) -> Failure:
    """The failure in an error ``body``: parsed JSON, or text that is no JSON.

    ``status`` is the HTTP status; in an answer with status 200 the error's own code counts.
    """
    found = error_object(body)
    words = tuple(
        str(found[k]) for k in ("code", "type", "status") if isinstance(found.get(k), str)
    )
    if status < 400:
        status = _own_status(found)
    param = found.get("param")
    return Failure(
        _said(found, body) or f"HTTP {status}", "refused", status=status, codes=words,
        param=param if isinstance(param, str) else "", wait=wait,
    )  # fmt: skip


def error_object(body: Any) -> dict[str, Any]:
    """The innermost object of ``body`` that describes an error; empty where there is none."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return {}
    for key in ("error", "errors", "detail"):
        inner = body.get(key)
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            inner = inner[0]
        if isinstance(inner, dict) and inner:
            outer = {k: v for k, v in body.items() if k in ("code", "type", "status", "message")}
            return {**outer, **inner}
    return body


def _own_status(found: dict[str, Any]) -> int:
    for key in ("code", "status", "status_code", "type"):
        value = found.get(key)
        if isinstance(value, str):
            value = int(value) if re.fullmatch(r"[45]\d\d", value) else STATUS_OF.get(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
            return value
    return 0


def _said(found: dict[str, Any], body: Any) -> str:
    """The endpoint's message on one line; markup and dumps are named, not quoted."""
    if isinstance(body, str):
        return one_line(_of_text(body))
    for key in ("message", "msg", "error", "detail", "error_message", "errors"):
        value = found.get(key)
        if value and isinstance(value, str | list):
            says = value if isinstance(value, str) else json.dumps(value)
            place = found.get("loc")
            if isinstance(place, list):
                says = f"{'.'.join(map(str, place))}: {says}"
            return one_line(" ".join([_of_text(says), *_raw(found, says)]))
    return one_line(json.dumps(body)) if body else ""


def _raw(found: dict[str, Any], says: str) -> Iterator[str]:
    """Messages of the provider behind a proxy, as the proxy passes them on."""
    metadata = found.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, str) and raw and raw not in says:
        yield f"({_of_text(raw)})"


def _of_text(text: str) -> str:
    if not re.match(r"\s*<(!doctype|html|head|body|\?xml)", text, re.IGNORECASE):
        return text
    title = re.search(r"<title[^>]*>([^<]{1,200})</title>", text[:20_000], re.IGNORECASE)
    words = re.sub(r"<[^>]*>", " ", text[:20_000])
    inside = " ".join((title[1] if title else words).split())
    return f"an HTML page: {inside[:100]}" if inside else "an HTML page"


def one_line(text: str) -> str:
    """``text`` on one line of at most :data:`LONGEST` characters, without control characters."""
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", storable(text[: 20 * LONGEST]))
    words = " ".join(plain.split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


def asked_to_wait(headers: Any, now: float) -> float | None:
    """Seconds that a response asks to wait before the next try: ``Retry-After`` as seconds or as a
    date (RFC 9110, 10.2.3), or ``retry-after-ms``. ``None`` without such a header; ``now`` is Unix
    time."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = str(headers.get(name, "")).strip()
        if re.fullmatch(r"\d{1,9}(\.\d*)?", text):
            return float(text) / scale
        if text and scale == 1.0:
            try:
                return max(0.0, parsedate_to_datetime(text).timestamp() - now)
            except (ValueError, TypeError, OverflowError):
                return None
    return None
