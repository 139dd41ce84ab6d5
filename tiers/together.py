"""Many small writes as one: what is asked for at the same moment is done in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


class Together(Generic[Item, Done]):
    """``await together(item)`` is the result for the item of ``do`` on all items of this moment.

    A moment is one turn of the event loop, so nobody waits for items that are yet to come. An
    exception of ``do`` reaches everybody who asked.
    """

    def __init__(self, do: Callable[[list[Item]], Sequence[Done]]) -> None:
        self._do = do
        self._items: list[Item] = []
        self._doing: asyncio.Task[Sequence[Done]]

    async def __call__(self, item: Item) -> Done:
        place = len(self._items)
        self._items.append(item)
        if place == 0:
            self._doing = asyncio.create_task(self._do_all())
        return (await asyncio.shield(self._doing))[place]

    async def _do_all(self) -> Sequence[Done]:
        items, self._items = self._items, []
        return self._do(items)
