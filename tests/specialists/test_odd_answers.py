"""Unusual answers of endpoints: each is reported in one line, and different faults have different
lines."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialists.backends import (
    AdapterRef,
    GenerateRequest,
    GenerateResponse,
    Message,
    OpenAICompatibleBackend,
    Sampling,
)
from specialists.backends.answers import read_chat, read_log_probs, read_models, read_tokens
from specialists.backends.failures import Failure, asked_to_wait, one_line
from specialists.backends.http import Pace
from state import (
    AdapterError,
    BackendTimeout,
    BackendUnavailable,
    BadAnswer,
    RequestRefused,
    UsageError,
)
from state.errors import PromptTooLong, Unanswered
from state.text import storable
from tests.specialists.scripted import Reply, Scripted, answering, chat, choice


def request(deadline: float | None = None, **sampling: Any) -> GenerateRequest:
    return GenerateRequest(
        messages=(Message(role="user", content="2 + 4?"),),
        sampling=Sampling.model_validate(sampling),
        deadline=deadline,
    )


def ask(
    endpoint: Scripted, *asked: GenerateRequest, adapter: str | None = None, **options: Any
) -> list[GenerateResponse]:
    async def main() -> list[GenerateResponse]:
        backend = OpenAICompatibleBackend(endpoint.url, "m", **options)
        try:
            if adapter is not None:
                ref = AdapterRef.listed(adapter)
                backend._adapters[ref.digest] = ref
                return await backend.generate(
                    [r.model_copy(update={"adapter": ref.digest}) for r in asked]
                )
            return await backend.generate(asked)
        finally:
            await backend.close()

    return asyncio.run(main())


def refused(reply: Reply, **options: Any) -> tuple[BackendUnavailable, int]:
    """The exception where every answer is ``reply``, and the number of requests."""
    with answering(lambda body, number: reply) as endpoint:
        with pytest.raises(BackendUnavailable) as caught:
            ask(endpoint, request(), **options)
        said = str(caught.value)
        assert endpoint.url in said
        assert "\n" not in said
        assert len(said) < 600
        return caught.value, len(endpoint.calls)


def answered(reply: Reply) -> GenerateResponse:
    with answering(lambda body, number: reply) as endpoint:
        return ask(endpoint, request())[0]


def usage(**counts: Any) -> dict[str, Any]:
    return chat(usage=counts)


WORDS = {"role": "assistant", "content": "#### 6"}

UNUSABLE: list[tuple[Reply, str]] = [
    (Reply(chat(choices=None)), "no choices"),
    (Reply(chat(choices=[])), "no choices"),
    (Reply(chat(choices=[None])), "no choices"),
    (Reply(chat(choices={"0": {"message": WORDS}})), "no choices"),
    (Reply({"id": "c"}), "no choices"),
    (Reply(chat(choices=[{"index": 0, "finish_reason": "stop"}])), "without a message"),
    (Reply(choice(None)), "without a message"),
    (Reply(choice("#### 6")), "without a message"),
    (Reply(choice({"role": "assistant"}, None)), "without content"),
    (Reply(choice({"content": ""}, "error")), "without content"),
    (Reply(choice({"content": 6})), "no text"),
    (Reply(choice({"content": {"text": "#### 6"}})), "no text"),
    (Reply(choice({"content": [{"type": "image_url"}]})), "no text"),
    (Reply(choice({"content": [None]})), "no text"),
    (Reply(chat(usage=None)), "no usage"),
    (Reply(chat(usage=[5, 3])), "no usage"),
    (Reply(usage()), "how many tokens"),
    (Reply(usage(total_tokens=8)), "how many tokens"),
    (Reply(usage(prompt_tokens=None, completion_tokens=3)), "how many tokens"),
    (Reply(usage(prompt_tokens=9, total_tokens=8)), "how many tokens"),
    (Reply(usage(prompt_tokens=-5, completion_tokens=3)), "prompt_tokens is -5"),
    (Reply(usage(prompt_tokens=5, completion_tokens=3.5)), "completion_tokens is 3.5"),
    (Reply(usage(prompt_tokens=5, completion_tokens=True)), "completion_tokens is true"),
    (Reply(usage(prompt_tokens=10**30, completion_tokens=3)), "prompt_tokens is 1000"),
    (Reply(usage(prompt_tokens="many", completion_tokens=3)), 'prompt_tokens is "many"'),
    (Reply(usage(prompt_tokens=5, completion_tokens=float("nan"))), "completion_tokens is NaN"),
    (Reply([1, 2]), "no completion"),
    (Reply("hello"), "no completion"),
    (Reply(raw=b"null"), "no completion"),
    (Reply(raw=b""), "empty answer"),
    (Reply(raw=b" \n"), "empty answer"),
    (Reply(raw=b'{"id": "x", "choices": ['), "not JSON"),
    (Reply(raw=b"[" * 100_000), "not JSON"),
    (Reply(raw=b"\xff\xfe\xfa{}"), "not utf-8 text"),
    (Reply(raw=b"<html><title>Sign in</title><body>" + b"x" * 9000), "an HTML page: Sign in"),
    (Reply(raw=b'data: {"choices": [{"delta": {}}]}\n\ndata: [DONE]\n\n'), "a stream"),
    (Reply(chat(), cut=50), "not whole"),
    (Reply(chat(), headers={"content-encoding": "gzip"}), "not whole"),
    (Reply(chat(error={"message": "Provider returned error"})), "Provider returned error"),
    (Reply({"error": "something went wrong"}), "something went wrong"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("reply", "says"), UNUSABLE, ids=[says for _, says in UNUSABLE])
def test_an_answer_that_is_none_is_one_line(reply: Reply, says: str) -> None:
    error, _ = refused(reply, max_retries=0)
    assert type(error) is BadAnswer
    assert says in str(error)


USABLE: list[tuple[Reply, str]] = [
    (Reply(chat("#### 6", usage={"prompt_tokens": "5", "completion_tokens": "3"})), "#### 6"),
    (Reply(chat("#### 6", usage={"prompt_tokens": 5.0, "completion_tokens": 3.0})), "#### 6"),
    (Reply(chat("#### 6", usage={"prompt_tokens": 5, "total_tokens": 8})), "#### 6"),
    (Reply(chat("#### 6", usage={"completion_tokens": 3, "total_tokens": 8})), "#### 6"),
    (Reply(choice(WORDS, None)), "#### 6"),
    (Reply(choice(WORDS, "eos_token")), "#### 6"),
    (Reply(choice(WORDS, 7)), "#### 6"),
    (Reply(choice({"content": [{"type": "text", "text": "#### "}, "6"]})), "#### 6"),
    (
        Reply(choice({"content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "7?"}]},
            {"type": "text", "text": "#### 6"},
        ]})),
        "#### 6",
    ),
    (Reply(choice({"content": [{"type": "refusal", "refusal": "I cannot."}]})), "I cannot."),
    (Reply(choice({"content": None, "refusal": "I cannot."})), "I cannot."),
    (Reply(raw=b"\xef\xbb\xbf" + json.dumps(chat()).encode()), "#### 6"),
    (
        Reply(
            raw=json.dumps(chat("é"), ensure_ascii=False).encode("latin-1"),
            headers={"content-type": "application/json; charset=latin-1"},
        ),
        "é",
    ),
    (Reply(chat(), headers={"content-type": "application/json; charset=no-such"}), "#### 6"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("reply", "text"), USABLE)
def test_an_answer_that_can_be_read_without_a_guess_is_read(reply: Reply, text: str) -> None:
    found = answered(reply)
    assert (found.text, found.finish_reason, found.remarks) == (text, "stop", {})
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (5, 3)


THOUGHT = {"content": None, "reasoning_content": "let me think"}
CALLED = {"content": None, "tool_calls": [{"function": {"name": "f"}}]}


@pytest.mark.parametrize(
    ("reply", "ended", "says"),
    [
        (choice(THOUGHT, "length"), "length", "reasoning, up to the limit of tokens"),
        (choice({"content": None}, "max_tokens"), "length", "up to the limit of tokens"),
        (choice(THOUGHT, "stop"), "stop", "reasoning alone"),
        (choice(CALLED, "tool_calls"), "stop", "called a tool"),
        (choice({"content": ""}, "content_filter"), "stop", "content_filter"),
        (choice({"content": ""}, "stop"), "stop", "the model wrote no answer"),
    ],
)
def test_a_model_that_writes_nothing_is_said_to(
    reply: dict[str, Any], ended: str, says: str
) -> None:
    found = answered(Reply(reply))
    assert (found.text, found.finish_reason) == ("", ended)
    assert says in found.remarks["empty"]


ERRORS: list[tuple[Any, int, type[Exception], int]] = [
    # body, HTTP status, what it is, how often it is asked with two more tries
    (chat(choices=None, error={"message": "later", "code": 429}), 200, BackendUnavailable, 3),
    (chat(choices=None, error={"message": "later", "code": "429"}), 200, BackendUnavailable, 3),
    ({"error": {"message": "later", "type": "overloaded_error"}}, 200, BackendUnavailable, 3),
    ({"error": {"message": "later", "code": "rate_limit_exceeded"}}, 200, BackendUnavailable, 3),
    ({"error": {"message": "bad", "status": "UNAVAILABLE"}}, 200, BackendUnavailable, 3),
    ([{"error": {"message": "later", "code": 503}}], 200, BackendUnavailable, 3),
    (choice(WORDS, error={"message": "later", "code": 502}), 200, BackendUnavailable, 3),
    ({"object": "error", "message": "bad thing", "code": 400}, 200, RequestRefused, 1),
    ({"error": {"message": "bad thing", "code": 400}}, 200, RequestRefused, 1),
    ({"error": {"message": "odd", "code": 7}}, 200, BadAnswer, 1),
    ({"detail": "odd"}, 200, BadAnswer, 1),
    ({"error": {"message": "no key", "code": 401}}, 200, BackendUnavailable, 1),
    ({"error": {"message": "slow down"}}, 429, BackendUnavailable, 3),
    ({"error": {"message": "no", "code": "insufficient_quota"}}, 429, BackendUnavailable, 1),
    ({"error": {"message": "no", "type": "insufficient_quota"}}, 429, BackendUnavailable, 1),
    ({"error": {"message": "no", "code": "insufficient_quota"}}, 200, BackendUnavailable, 1),
    ({"error": {"message": "pay"}}, 402, BackendUnavailable, 1),
    ({"error": {"message": "oops"}}, 500, BackendUnavailable, 3),
    ({"error": "model loading"}, 503, BackendUnavailable, 3),
    ({"error": {"message": "timeout"}}, 408, BackendUnavailable, 3),
    ({"error": "model is loading"}, 400, RequestRefused, 1),
    ({"detail": [{"loc": ["body", "x"], "msg": "field required"}]}, 422, RequestRefused, 1),
    ({"object": "error", "message": "bad thing", "code": 400}, 400, RequestRefused, 1),
    ({"error": {"message": "longer than the context"}}, 400, PromptTooLong, 1),
    ({"error": {"message": "too large"}}, 413, PromptTooLong, 1),
    ({"error": {"message": "denied"}}, 403, BackendUnavailable, 1),
    (None, 500, BackendUnavailable, 3),
    ([], 400, RequestRefused, 1),
    ({"error": {"message": {"a": 1}}}, 400, RequestRefused, 1),
]


@pytest.mark.slow
@pytest.mark.parametrize(("body", "status", "kind", "times"), ERRORS)
def test_an_error_object_counts_by_its_own_code(
    body: Any, status: int, kind: type[Exception], times: int
) -> None:
    reply = Reply(body, status, {"retry-after": "0.01"})
    with answering(lambda asked, number: reply) as endpoint:
        if status == 200:  # No header speaks for an error inside an answer.
            kinds = pytest.MonkeyPatch()
            kinds.setattr("specialists.backends.http._backoff", lambda tries: 0.01)
        try:
            with pytest.raises(BackendUnavailable) as caught:
                ask(endpoint, request(), max_retries=2)
        finally:
            if status == 200:
                kinds.undo()
        assert type(caught.value) is kind
        assert len(endpoint.calls) == times
        assert endpoint.url in str(caught.value)


@pytest.mark.slow
def test_what_passes_is_tried_again() -> None:
    replies = [
        Reply({"error": {"message": "loading"}}, 503, {"retry-after": "0.01"}),
        Reply(chat(choices=None, error={"message": "later", "code": 429})),
        Reply(chat()),
    ]
    with answering(lambda body, number: replies[number - 1]) as endpoint:
        assert ask(endpoint, request())[0].text == "#### 6"


def test_a_page_of_markup_is_named_and_not_quoted() -> None:
    page = b"<!DOCTYPE html><html><head><title>502 Bad\nGateway</title></head>" + b"<p>x" * 5000
    error, _ = refused(Reply(raw=page, status=502), max_retries=0)
    assert "an HTML page: 502 Bad Gateway" in str(error)
    assert len(str(error)) < 200


def test_a_redirection_is_followed() -> None:
    def answer(body: dict[str, Any], number: int) -> Reply:
        if body["path"].startswith("/v1"):
            return Reply({}, 307, {"location": "/other/chat/completions"})
        return Reply(chat())

    with answering(answer) as endpoint:
        assert ask(endpoint, request())[0].text == "#### 6"


@pytest.mark.parametrize("url", ["foo", "ftp://host/v1", "http://", "http://[::1", "/v1"])
def test_a_url_that_is_none_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="--base-url"):
        OpenAICompatibleBackend(url, "m")


def test_a_key_that_no_header_can_hold_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="API key"):
        OpenAICompatibleBackend("http://host/v1", "m", api_key="schlüssel")
    OpenAICompatibleBackend("http://host/v1", "m", api_key="key\n")


# -- deadlines


def timed(endpoint: Scripted, asked: GenerateRequest, **options: Any) -> float:
    began = time.monotonic()
    with pytest.raises(BackendTimeout, match="in the time left") as caught:
        ask(endpoint, asked, **options)
    assert endpoint.url in str(caught.value)
    return time.monotonic() - began


@pytest.mark.parametrize("dated", [False, True])
def test_the_deadline_bounds_the_pause_that_an_endpoint_asks_for(dated: bool) -> None:
    wait = formatdate(time.time() + 100, usegmt=True) if dated else "100"
    reply = Reply({"error": {"message": "slow down"}}, 429, {"retry-after": wait})
    with answering(lambda body, number: reply) as endpoint:
        assert timed(endpoint, request(time.monotonic() + 45)) < 30  # It need not wait for it.


@pytest.mark.slow
def test_a_pause_within_the_deadline_is_kept() -> None:
    def answer(body: dict[str, Any], number: int) -> Reply:
        late = Reply({"error": "later"}, 429, {"retry-after": "1"})
        return late if number == 1 else Reply(chat())

    with answering(answer) as endpoint:
        began = time.monotonic()
        assert ask(endpoint, request(began + 60))[0].text == "#### 6"
        assert time.monotonic() - began >= 1


def test_an_endpoint_that_asks_for_an_hour_is_down() -> None:
    reply = Reply({"error": "daily limit"}, 429, {"retry-after": "3600"})
    error, times = refused(reply)
    assert times == 1
    assert "asks to wait 3600 s" in str(error)


@pytest.mark.slow
def test_the_deadline_bounds_a_call_under_way_and_the_wait_for_a_connection() -> None:
    free = threading.Event()

    def answer(body: dict[str, Any], number: int) -> Reply:
        free.wait(20)
        return Reply(chat())

    with answering(answer) as endpoint:
        try:
            assert timed(endpoint, request(time.monotonic() + 0.5)) < 10
            second = request(time.monotonic() + 0.5, seed=1)
            assert timed(endpoint, second, concurrency=1) < 10
        finally:
            free.set()


def test_nothing_is_sent_after_the_deadline() -> None:
    with answering(lambda body, number: Reply(chat())) as endpoint:
        timed(endpoint, request(time.monotonic() - 1))
        assert endpoint.seen == []


def test_a_request_is_the_same_with_any_deadline() -> None:
    assert request(5.0).model_dump_json() == request().model_dump_json()


@pytest.mark.slow
def test_a_limit_that_the_user_sets_ends_a_call() -> None:
    with answering(lambda body, number: time.sleep(1) or Reply(chat())) as endpoint:  # type: ignore[func-returns-value]
        with pytest.raises(BackendUnavailable, match="request_timeout") as caught:
            ask(endpoint, request(), timeout=0.2, max_retries=0)
        assert not isinstance(caught.value, BackendTimeout)


@pytest.mark.slow
def test_what_may_have_been_worked_on_is_not_sent_again() -> None:
    with answering(lambda body, number: time.sleep(1) or Reply(chat())) as endpoint:  # type: ignore[func-returns-value]
        with pytest.raises(Unanswered):
            ask(endpoint, request(), timeout=0.2)
        assert len(endpoint.calls) == 1
    with answering(lambda body, number: Reply(chat(), cut=9)) as endpoint:
        with pytest.raises(BackendUnavailable):
            ask(endpoint, request())
        assert len(endpoint.calls) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "says",
    [
        "This model's maximum context length is 2048 tokens. However, your prompt has 3000.",
        "The decoder prompt (length 99) is longer than the maximum model length: context length",
        "the request exceeds the available context size, try increasing it",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Input is too long for requested model.",
    ],
)
def test_a_prompt_beyond_the_context_has_its_own_kind(says: str) -> None:
    assert type(refused(Reply({"error": {"message": says}}, 400))[0]) is PromptTooLong
    other = Reply({"error": {"message": "tools are not allowed here"}}, 400)
    assert type(refused(other)[0]) is RequestRefused


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Invalid schema for response_format 'plan': 'required' is required"},
        {"message": "not here", "param": "response_format"},
    ],
)
def test_an_endpoint_that_dislikes_the_schema_is_asked_without(error: dict[str, str]) -> None:
    def answer(body: dict[str, Any], number: int) -> Reply:
        return Reply({"error": error}, 400) if "response_format" in body else Reply(chat())

    with answering(answer) as endpoint:
        [found] = ask(endpoint, request(json_schema='{"type": "object"}'))
        assert found.text == "#### 6"
        assert "response_format" in found.remarks["parameters"]


def test_the_limit_follows_the_speed_of_the_endpoint() -> None:
    pace = Pace()
    at_first = pace.limit(1536)
    assert at_first > 1536 / 2.5  # An endpoint of 2.5 tokens a second is not too slow.
    pace.note(seconds=10.0, tokens=1000)
    assert pace.limit(1536) == at_first
    pace.note(seconds=1000.0, tokens=500)
    assert pace.limit(1536) > 1536 * 2.0
    assert Pace(30.0).limit(1536) == 30.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": formatdate(1000.0 + 7, usegmt=True)}, 7.0),
        ({"retry-after": formatdate(1000.0 - 7, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_to_wait(headers, 1000.0) == seconds


# -- parameters


def picky(refuses: Callable[[dict[str, Any]], str | None]) -> Callable[..., Reply]:
    def answer(body: dict[str, Any], number: int) -> Reply:
        says = refuses(body)
        return Reply({"error": {"message": says}}, 400) if says else Reply(chat())

    return answer


def test_max_tokens_goes_by_its_new_name_once_the_old_one_is_refused() -> None:
    says = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with answering(picky(lambda body: says if "max_tokens" in body else None)) as endpoint:

        async def main() -> None:
            backend = OpenAICompatibleBackend(endpoint.url, "m")
            for seed in (1, 2):
                [found] = await backend.generate([request(max_tokens=9, seed=seed)])
                assert found.remarks == {}
            await backend.close()

        asyncio.run(main())
        assert [c.get("max_completion_tokens") for c in endpoint.calls] == [None, 9, 9]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("temperature", "Unsupported value: 'temperature' does not support 0 with this model."),
        ("seed", "Unrecognized request argument supplied: seed"),
        ("top_p", "`temperature` is fine, but top_p is not supported"),
        ("stop", "Unsupported parameter: 'stop' is not supported with this model."),
    ],
)
def test_a_parameter_that_is_not_supported_is_left_out_and_remarked(name: str, says: str) -> None:
    def answer(body: dict[str, Any], number: int) -> Reply:
        if name in body:
            return Reply({"error": {"message": says, "param": name}}, 400)
        return Reply(chat("6 END 7"))

    with answering(answer) as endpoint:
        [found] = ask(endpoint, request(stop=("END",)))
        assert name in found.remarks["parameters"]
        assert found.text == "6 "  # Whoever does not know it: generation ends at a stop string.
        assert len(endpoint.calls) == 2


@pytest.mark.parametrize(
    "says",
    [
        "temperature must be at most 1",
        "max_tokens is too large: 4096. This model supports at most 2048 completion tokens",
        "This model's maximum context length is 2048 tokens",
        "unsupported image",
    ],
)
def test_other_refusals_are_final(says: str) -> None:
    with answering(picky(lambda body: says)) as endpoint:
        with pytest.raises(RequestRefused, match=says[:20]):
            ask(endpoint, request())
        assert len(endpoint.calls) == 1


# -- identity


@pytest.mark.parametrize(
    ("name", "remark"),
    [("m", None), ("m-2024-07-18", "m-2024-07-18"), ("openai/m", "openai/m"), (None, "no name")],
)
def test_another_name_of_the_base_is_remarked(name: str | None, remark: str | None) -> None:
    found = answered(Reply(chat(model=name)))
    assert found.model == "m"
    assert found.remarks.get("model") == remark


@pytest.mark.parametrize("name", ["sql-lora", "openai/sql-lora"])
def test_an_adapter_answers_by_its_name(name: str) -> None:
    with answering(lambda body, number: Reply(chat(model=name))) as endpoint:
        assert ask(endpoint, request(), adapter="sql-lora")[0].remarks == {}


@pytest.mark.parametrize("name", ["m", "sql-lora-2", "other-sql-lora", None, ""])
def test_no_other_name_answers_for_an_adapter(name: str | None) -> None:
    with (
        answering(lambda body, number: Reply(chat(model=name))) as endpoint,
        pytest.raises(AdapterError, match="asked sql-lora, but"),
    ):
        ask(endpoint, request(), adapter="sql-lora")


def test_no_adapter_answers_for_the_base() -> None:
    with answering(lambda body, number: Reply(chat(model="sql-lora"))) as endpoint:

        async def main() -> None:
            backend = OpenAICompatibleBackend(endpoint.url, "m")
            ref = AdapterRef.listed("sql-lora")
            backend._adapters[ref.digest] = ref
            with pytest.raises(AdapterError, match="asked m, but the adapter sql-lora answered"):
                await backend.generate([request()])
            await backend.close()

        asyncio.run(main())


# -- scoring


@pytest.mark.slow
def test_texts_are_scored_one_at_a_time_unless_more_is_asked_for() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def answer(body: dict[str, Any], number: int) -> Reply:
        nonlocal under_way, most
        if body["path"] == "/tokenize":
            return Reply({"tokens": [1, 2]})
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1
        entry = {"1": {"logprob": -1.0}, "2": {"logprob": -2.0}}
        return Reply(chat(choices=[{"prompt_logprobs": [None, entry, entry, entry]}]))

    def score(endpoint: Scripted, **options: Any) -> None:
        async def main() -> None:
            backend = OpenAICompatibleBackend(endpoint.url, "m", **options)
            pairs = [([Message(role="user", content="a")], "b")] * 6
            table = await backend.score(pairs, [None])
            assert [row[0].log_probs for row in table] == [(-1.0, -2.0)] * 6
            await backend.close()

        asyncio.run(main())

    with answering(answer) as endpoint:
        score(endpoint)
        assert most == 1
        score(endpoint, score_concurrency=6)
        assert most > 1


@pytest.mark.parametrize("tokens", [{"tokens": None}, {"tokens": ["a"]}, {}, [], "x"])
def test_odd_tokens_are_one_line(tokens: Any) -> None:
    with answering(lambda body, number: Reply(tokens)) as endpoint:

        async def main() -> None:
            backend = OpenAICompatibleBackend(endpoint.url, "m")
            with pytest.raises(BadAnswer, match="no tokens"):
                await backend.score([([Message(role="user", content="a")], "b")], [None])
            await backend.close()

        asyncio.run(main())


# -- properties

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["choices", "error", "message", "content", "usage", "code", "model", "detail", "type", "data"]
)
KNOWN_JSON = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@given(KNOWN_JSON)
def test_any_json_is_an_answer_or_a_failure(body: Any) -> None:
    for read in (read_chat, read_models, read_tokens, lambda said: read_log_probs(said, [1])):
        with contextlib.suppress(Failure):
            read(body)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else ()
    )  # fmt: skip
    return [path, *(p for key, inner in items for p in _places(inner, (*path, key)))]


@pytest.mark.slow
@given(st.sampled_from(_places(chat())[1:]), KNOWN_JSON)
def test_any_change_of_an_answer_is_an_answer_or_a_failure(
    place: tuple[Any, ...], value: Any
) -> None:
    body = copy.deepcopy(chat())
    spot: Any = body
    for key in place[:-1]:
        spot = spot[key]
    spot[place[-1]] = value
    try:
        found = read_chat(body)
    except Failure:
        return
    assert isinstance(found.text, str)
    assert 0 <= found.usage.completion_tokens < 2**31


ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.slow
@given(ANY_TEXT)
def test_any_text_becomes_storable(text: str) -> None:
    kept = storable(text)
    kept.encode()
    assert "\0" not in kept
    assert storable(kept) == kept
    if text.isprintable():
        assert kept == text
    assert "\n" not in one_line(text)


def test_surrogates_that_belong_together_are_their_character() -> None:
    assert storable("a\ud83d\ude00b") == "a\U0001f600b"
    assert storable("\ude00\ud83d x\0") == "\ufffd\ufffd x\ufffd"


@given(ANY_TEXT)
def test_what_was_replaced_in_an_answer_is_remarked(text: str) -> None:
    made = GenerateResponse.model_validate(
        {
            "text": text, "finish_reason": "stop", "usage": {}, "adapter": None, "model": "m",
            "latency_s": 0.0,
        }
    )  # fmt: skip
    assert made.text == storable(text)
    assert ("text" in made.remarks) == (made.text != text)
    assert GenerateResponse.model_validate_json(made.model_dump_json()) == made
