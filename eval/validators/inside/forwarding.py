"""Forwarding by mirrors: the methods, classes and generators of which mirrors consist."""

from __future__ import annotations

import sys

from .plain import Limit
from .special import OF_CLASSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

    from .peer import Peer


class Home:
    """Represents an object of the receiving side by its number."""

    def __init__(self, handle: int) -> None:
        self.handle = handle


PEERS: list[Peer] = []
"""The one end in this process."""


class MirrorType(type):
    """The type of mirrored classes: a call creates an object on the other side."""

    def __new__(mcs, name: str, bases: tuple[type, ...], space: dict[str, object]) -> typing.Any:
        if "__mirror__" not in space:
            raise Limit(f"a subclass of {bases[0].__name__}")
        return super().__new__(mcs, name, bases, space)

    def __call__(cls, *args: object, **kwargs: object) -> object:
        return PEERS[0].request("call", cls, args, kwargs)

    def __getattribute__(cls, name: str) -> object:
        if name in OF_CLASSES:
            return type.__getattribute__(cls, name)
        return PEERS[0].request("get", cls, name)

    def __setattr__(cls, name: str, value: object) -> None:
        PEERS[0].request("set", cls, name, value)

    def __delattr__(cls, name: str) -> None:
        PEERS[0].request("del", cls, name)

    def __iter__(cls) -> object:
        return PEERS[0].request("special", cls, "__iter__", ())

    def __len__(cls) -> object:
        return PEERS[0].request("special", cls, "__len__", ())

    def __getitem__(cls, key: object) -> object:
        return PEERS[0].request("special", cls, "__getitem__", (key,))

    def __contains__(cls, item: object) -> bool:
        return isinstance(item, cls) or bool(
            PEERS[0].request("special", cls, "__contains__", (item,))
        )

    def __or__(cls, other: object) -> typing.Any:
        raise Limit(f"a union with {type.__getattribute__(cls, '__name__')}")


def forward(peer: Peer, name: str) -> typing.Any:
    """A method that calls ``name`` on the other side."""

    def method(self: object, *args: object) -> object:
        if name in ("__exit__", "__aexit__"):
            args = (*args[:2], None)  # A traceback is not sent.
        return peer.operate(self, name, args)

    def called(self: object, *args: object, **kwargs: object) -> object:
        return peer.request("call", self, args, kwargs)

    def awaited(self: object) -> typing.Any:
        return peer.request("await", self)
        yield  # The awaited object is an iterator.

    return {"__await__": awaited, "__call__": called}.get(name, method)


def attributes(peer: Peer, local: frozenset[str]) -> dict[str, object]:
    """Methods that forward all attributes but the ``local`` ones."""

    def get(self: object, name: str) -> object:
        return (
            object.__getattribute__(self, name)
            if name in local
            else peer.request("get", self, name)
        )

    def put(self: object, name: str, value: object) -> None:
        if name in local:
            object.__setattr__(self, name, value)
        else:
            peer.request("set", self, name, value)

    def remove(self: object, name: str) -> None:
        peer.request("del", self, name)

    return {"__getattribute__": get, "__setattr__": put, "__delattr__": remove}


def copied(peer: Peer, how: str) -> typing.Any:
    """A method that copies the object on the side that owns it."""
    return lambda self, *memo: peer.request("copy", self, how)


def mirrored_generator(peer: Peer, handle: int) -> typing.Generator[object, object, object]:
    """A generator that advances the one on the other side."""
    how, given = "next", None
    while True:
        going, value = peer.request("advance", Home(handle), how, given)
        if not going:
            return value
        try:
            given = yield value
            how = "next" if given is None else "send"
        except GeneratorExit:
            peer.request("advance", Home(handle), "close", None)
            raise
        except BaseException as error:  # noqa: BLE001 - thrown into the owner's
            how, given = "throw", error


async def mirrored_coroutine(peer: Peer, handle: int) -> object:
    """A coroutine that runs the one on the other side to its end."""
    return peer.request("await", Home(handle))


def is_class(value: object) -> bool:
    """Whether ``value`` mirrors a class."""
    return isinstance(value, MirrorType)


def is_mirror(value: object) -> bool:
    """Whether ``value`` is an object, or a class, of the other side (generators excluded)."""
    return isinstance(value, MirrorType) or isinstance(type(value), MirrorType)


def stdlib_only(name: str) -> bool:
    """Whether a module belongs to the standard library."""
    names = getattr(sys, "stdlib_module_names", None)
    return name.partition(".")[0] in names if names is not None else name in sys.modules
