"""Parses the answers of OpenAI-compatible endpoints: text, finish reason, usage, and model name.

Endpoints and proxies send many answers that the API's description does not allow. Answers that can
be understood without a guess are accepted; any other raises :class:`Failure`, which describes the
actual content.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from specialists.backends.base import RemarkKind, Usage
from specialists.backends.failures import Failure, error_object, one_line, refusal

MOST_TOKENS = 2**31 - 1
"""Largest accepted count of tokens, which is also the largest integer of a database."""
CUT = ("length", "max_tokens", "MAX_TOKENS", "model_length")
"""Finish reasons that mean the limit of tokens."""


@dataclass(frozen=True)
class ChatAnswer:
    """The content of a chat completion; ``text`` is empty where the model wrote none."""

    text: str
    finish_reason: Literal["stop", "length"]
    usage: Usage
    model: str | None
    """The name of the model that answered, where the answer gives one."""
    remarks: dict[RemarkKind, str]


def read_chat(body: Any) -> ChatAnswer:
    """Parse a chat completion. Raises :class:`Failure` for an error object and for an invalid
    completion."""
    choice = first_choice(body)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise _odd("a choice without a message", choice)
    text, ended = _content(message), choice.get("finish_reason")
    if ended == "error" or (text is None and ended is None):
        raise _odd("a message without content", choice)
    name = body.get("model")
    remarks: dict[RemarkKind, str] = {} if text else {"empty": _why_empty(message, ended)}
    return ChatAnswer(
        text=text or "",
        finish_reason="length" if ended in CUT else "stop",
        usage=_usage(body.get("usage")),
        model=name if isinstance(name, str) and name else None,
        remarks=remarks,
    )


def first_choice(body: Any) -> dict[str, Any]:
    """The first choice of a completion. Raises :class:`Failure` where there is an error or none."""
    check_error(body)
    if not isinstance(body, dict):
        raise _odd("JSON that is no completion", body)
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _odd("no choices", body)
    check_error(choices[0])
    first: dict[str, Any] = choices[0]
    return first


def check_error(body: Any) -> None:
    """Raise :class:`Failure` for an error object inside an answer with status 200."""
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if isinstance(body, dict) and (body.get("error") or body.get("object") == "error"):
        raise refusal(body, 200)
    if isinstance(body, dict) and "choices" not in body and "detail" in body:
        raise refusal(body, 200)


def read_models(body: Any) -> list[dict[str, Any]]:
    """The entries of a list of models, each with its ``id``. Raises :class:`Failure`."""
    check_error(body)
    entries = body.get("data") if isinstance(body, dict) else body
    if not isinstance(entries, list):
        raise _odd("no list of models", body)
    return [e for e in entries if isinstance(e, dict) and isinstance(e.get("id"), str)]


def read_tokens(body: Any) -> list[int]:
    """The token ids of vLLM's ``/tokenize``. Raises :class:`Failure`."""
    check_error(body)
    tokens = body.get("tokens") if isinstance(body, dict) else None
    if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
        raise _odd("no tokens", body)
    return tokens


def read_log_probs(body: Any, tokens: list[int]) -> tuple[str | None, tuple[float, ...] | None]:
    """The name of the model, and the log-probabilities of the last ``tokens`` of a prompt; ``None``
    where the endpoint gives none. Raises :class:`Failure`."""
    found, name = first_choice(body).get("prompt_logprobs"), body.get("model")
    answered = name if isinstance(name, str) and name else None
    if not isinstance(found, list) or len(found) < len(tokens):
        return answered, None
    try:
        tail = zip(tokens, found[len(found) - len(tokens) :], strict=True)
        return answered, tuple(float(entry[str(token)]["logprob"]) for token, entry in tail)
    except (KeyError, TypeError, ValueError):
        raise Failure("prompt_logprobs that lack the prompt's own tokens", "odd") from None


def _content(message: dict[str, Any]) -> str | None:
    """The text of a message: a string, or the text of its parts; a refusal counts as text."""
    content, refused = message.get("content"), message.get("refusal")
    if not content and isinstance(refused, str) and refused:
        return refused
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise _odd("content that is no text", message)
    return "".join(_part(part, message) for part in content)


def _part(part: Any, message: dict[str, Any]) -> str:
    """The text of one part; reasoning is not part of the answer."""
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        for key in ("text", "refusal"):
            if isinstance(part.get(key), str):
                return "" if part.get("type") in ("thinking", "reasoning") else str(part[key])
        if part.get("type") in ("thinking", "reasoning", "redacted_thinking", "tool_use"):
            return ""
    raise _odd("content with a part that is no text", message)


def _why_empty(message: dict[str, Any], ended: Any) -> str:
    """One line for an answer without text."""
    thought = any(message.get(k) for k in ("reasoning_content", "reasoning", "thinking"))
    if ended in CUT:
        spent = "reasoning, up to the limit of tokens" if thought else "up to the limit of tokens"
        return f"the model wrote no answer ({spent})"
    if message.get("tool_calls") or message.get("function_call"):
        return "the model wrote no answer (it called a tool)"
    if thought:
        return "the model wrote no answer (reasoning alone)"
    said = f" ({one_line(str(ended))[:40]})" if ended not in (None, "stop") else ""
    return f"the model wrote no answer{said}"


def _usage(found: Any) -> Usage:
    """Tokens as counted by the endpoint. A missing count is not zero."""
    if not isinstance(found, dict):
        raise Failure("no usage, so its tokens cannot be counted against the budget", "odd")
    counts = {
        name: _count(found, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    }
    prompt, completion, total = counts.values()
    if prompt is None and completion is not None and total is not None:
        prompt = total - completion
    if completion is None and prompt is not None and total is not None:
        completion = total - prompt
    if prompt is None or completion is None or min(prompt, completion) < 0:
        raise Failure(f"usage that does not say how many tokens: {_shown(found)}", "odd")
    return Usage(prompt_tokens=prompt, completion_tokens=completion)


def _count(found: dict[str, Any], name: str) -> int | None:
    value = found.get(name)
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) <= MOST_TOKENS:
        value = int(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_TOKENS:
        raise Failure(f"usage in which {name} is {_shown(value)}", "odd")
    return value


def _odd(what: str, there: Any) -> Failure:
    says = f": {_shown(there)}" if there not in (None, [], {}) else ""
    if isinstance(there, dict) and (told := error_object(there).get("message")):
        says = f": {one_line(str(told))}" if isinstance(told, str) else says
    return Failure(what + says, "odd")


def _shown(value: Any) -> str:
    """A value as shortened JSON."""
    try:
        return one_line(json.dumps(value, ensure_ascii=False))[:160]
    except (ValueError, RecursionError):
        return "what cannot be shown"
