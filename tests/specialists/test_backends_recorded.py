"""Recordings: their content, and the requests that they refuse."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from specialists.backends import GenerateRequest, LocalBackend, Message, RecordedBackend, Sampling
from specialists.backends.recorded import request_key
from state import AdapterError, BackendUnavailable, UsageError
from tests.specialists.tiny import tiny


def ask(text: str, adapter: str | None = None, seed: int = 0) -> GenerateRequest:
    return GenerateRequest(
        messages=(Message(role="user", content=text),),
        adapter=adapter,
        sampling=Sampling(max_tokens=4, seed=seed),
    )


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    async def main() -> None:
        backend = RecordedBackend.record(LocalBackend(tiny().base), tmp_path / "calls.jsonl")
        await backend.load(tiny().refs[0])
        await backend.generate([ask("a"), ask("b", tiny().refs[0].digest)])
        backend.count_tokens("some text")
        await backend.close()

    asyncio.run(main())
    return tmp_path / "calls.jsonl"


def test_the_key_is_the_content() -> None:
    same, other = ask("a"), [ask("b"), ask("a", "0" * 16), ask("a", seed=1)]
    assert request_key(ask("a")) == request_key(same)
    assert len({request_key(r) for r in [same, *other]}) == 4


def test_an_unknown_request_is_named(recording: Path) -> None:
    backend = RecordedBackend.replay(recording)
    with pytest.raises(BackendUnavailable, match=r"calls\.jsonl holds no answer to.*'what is new'"):
        asyncio.run(backend.generate([ask("what is new")]))
    with pytest.raises(BackendUnavailable, match="other text"):
        backend.count_tokens("other text")
    assert backend.count_tokens("some text") > 0


def test_an_adapter_that_was_not_recorded_is_refused(recording: Path) -> None:
    first, second, _ = tiny().refs
    backend = RecordedBackend.replay(recording)
    with pytest.raises(AdapterError, match=f"{second.served_name}.*{first.served_name}"):
        asyncio.run(backend.load(second))


def test_a_replay_opens_with_the_recorded_adapters(recording: Path) -> None:
    ref = tiny().refs[0]
    backend = RecordedBackend.replay(recording)
    assert [r.served_name for r in backend.adapters().values()] == [ref.served_name]
    assert asyncio.run(backend.generate([ask("b", ref.digest)]))[0].adapter == ref.digest


def test_a_torn_last_line_is_left_out_and_then_replaced(recording: Path) -> None:
    whole = recording.read_bytes()
    recording.write_bytes(whole + b'{"kind": "gener')
    RecordedBackend.replay(recording)

    async def main() -> None:
        backend = RecordedBackend.record(LocalBackend(tiny().base), recording)
        await backend.generate([ask("c")])
        await backend.close()

    asyncio.run(main())
    lines = recording.read_bytes()
    assert lines.startswith(whole)
    assert [json.loads(line)["kind"] for line in lines[len(whole) :].splitlines()] == ["generate"]
    assert len(asyncio.run(RecordedBackend.replay(recording).generate([ask("a"), ask("c")]))) == 2


def test_a_malformed_file_names_the_line(recording: Path, tmp_path: Path) -> None:
    recording.write_bytes(recording.read_bytes() + b"nonsense\n")
    with pytest.raises(UsageError, match=r"calls\.jsonl:\d+ is not a line"):
        RecordedBackend.replay(recording)
    with pytest.raises(BackendUnavailable, match="no recording at"):
        RecordedBackend.replay(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UsageError, match="names no base model"):
        RecordedBackend.replay(tmp_path / "empty.jsonl")


def test_two_bases_do_not_share_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text('{"kind": "base", "model": "another"}\n')
    backend = LocalBackend(tiny().base)
    with pytest.raises(UsageError, match="records base another"):
        RecordedBackend.record(backend, path)
