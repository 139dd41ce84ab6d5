"""Many small writes as one: what is asked for at the same moment is done in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


class Coalesce(Generic[Item, Done]):
    """``await coalesce(item)`` is the result for the item of ``do`` on all items of this moment.

    A moment is one turn of the event loop, so nobody waits for items that are yet to come. An
    exception of ``do`` reaches everybody who asked.
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
        waiting = [asked for _, asked in items]  # Those cancelled meanwhile wait no more.
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
