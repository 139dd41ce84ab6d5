"""Items that are submitted in the same turn of the event loop are written together."""

from __future__ import annotations

import asyncio

import pytest

from tiers.coalesce import Coalesce


def test_items_of_one_moment_are_done_at_once_and_each_gets_its_own() -> None:
    batches: list[list[int]] = []

    def double(items: list[int]) -> list[int]:
        batches.append(items)
        return [2 * item for item in items]

    async def main() -> None:
        coalesce = Coalesce(double)
        assert await asyncio.gather(*(coalesce(n) for n in range(4))) == [0, 2, 4, 6]
        assert await coalesce(9) == 18

    asyncio.run(main())
    assert batches == [[0, 1, 2, 3], [9]]


def test_a_failure_reaches_all_of_its_moment_and_no_other() -> None:
    def refuse(items: list[int]) -> list[int]:
        if 1 in items:
            raise ValueError("one")
        return items

    async def main() -> None:
        coalesce = Coalesce(refuse)
        found = await asyncio.gather(coalesce(0), coalesce(1), return_exceptions=True)
        assert [str(error) for error in found] == ["one", "one"]
        assert await coalesce(2) == 2

    asyncio.run(main())


def test_what_was_asked_is_done_though_the_asker_is_cancelled() -> None:
    done: list[int] = []

    def note(items: list[int]) -> list[int]:
        done.extend(items)
        return items

    async def main() -> None:
        coalesce = Coalesce(note)
        asker = asyncio.create_task(coalesce(1))
        other = asyncio.create_task(coalesce(2))
        await asyncio.sleep(0)
        asker.cancel()
        assert await other == 2
        with pytest.raises(asyncio.CancelledError):
            await asker

    asyncio.run(main())
    assert done == [1, 2]
