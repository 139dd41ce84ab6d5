"""Combines small writes: items submitted in the same turn of the event loop are written
together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


class Coalesce(Generic[Item, Done]):
    """``await coalesce(item)`` gives the result for this item of ``do`` on all items of the same
    turn.

    A batch holds the items of one turn of the event loop, so no caller waits for later items. An
    exception of ``do`` reaches every caller of the batch.
    """

    def __init__(self, do: Callable[[list[Item]], Sequence[Done]]) -> None:
        self._do = do
        self._items: list[tuple[Item, asyncio.Future[Done]]] = []

    async def __call__(self, item: Item) -> Done:
        loop = asyncio.get_running_loop()
        if not self._items:
            loop.call_soon(self._do_all)
        asked: asyncio.Future[Done] = loop.create_future()
        self._items.append((item, asked))
        return await asked

    def _do_all(self) -> None:
        items, self._items = self._items, []
        # Callers that were cancelled meanwhile no longer wait.
        waiting = [asked for _, asked in items]
        try:
            done = self._do([item for item, _ in items])
        except BaseException as error:
            for asked in waiting:
                if not asked.done():
                    asked.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for asked, one in zip(waiting, done, strict=True):
            if not asked.done():
                asked.set_result(one)
