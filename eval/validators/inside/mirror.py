"""Objects of the other process, used by reference: classes, functions, generators, exceptions.

A *mirror* of an object forwards operations to the process that owns it; the mirror of a class is a
class, so ``isinstance`` and ``except`` work. A mirror whose class is derived from ``int``, ``str``,
``tuple`` or the like holds that data itself: it compares by received data, not by the candidate's
methods. One object has one mirror, and a mirror that is sent back becomes the object itself.
"""

from __future__ import annotations

import types

from .forwarding import (
    PEERS,
    Home,
    MirrorType,
    attributes,
    copied,
    forward,
    mirrored_coroutine,
    mirrored_generator,
)
from .plain import TYPE_NAMES, base_value
from .special import ALWAYS, BASES, FIXED, LOCAL, OF_ERRORS, SPECIAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

    from .peer import Peer


class Mirrors:
    """The objects that one side shares, and its mirrors of the other side's objects."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        PEERS[:] = [peer]
        self.owned: dict[int, typing.Any] = {}
        self.handles: dict[int, int] = {}
        self.met: dict[int, typing.Any] = {}
        self.mirrored: dict[int, int] = {}
        self.told: list[list[object]] = []

    # ---------------------------------------------------------------- ours

    def handle_of(self, value: object) -> int | None:
        """The number by which the other side knows the object that ``value`` mirrors."""
        if type(value) is Home:
            return value.handle
        return self.mirrored.get(id(value))

    def introductions(self) -> list[list[object]]:
        """The objects that the other side does not know yet."""
        told, self.told = self.told, []
        return told

    def encode(self, value: typing.Any) -> dict[str, object]:
        """A reference to an object that is not copied."""
        wire = self.peer.wire
        if isinstance(value, type) and wire.is_shared(value):
            return {"s": value.__name__}
        named = self.peer.global_name(value)
        if named is not None:
            return {"g": named}
        return self._own(value)

    def _own(self, value: typing.Any) -> dict[str, object]:
        """A number for an object of this side, introduced with its first use."""
        handle = self.handles.get(id(value))
        if handle is None:
            handle = len(self.owned)
            self.owned[handle], self.handles[id(value)] = value, handle
            told = self._class(value) if isinstance(value, type) else self._object(value)
            self.told.append([handle, told])
        return {"p": handle}

    def _class(self, value: type) -> dict[str, object]:
        bases = [base for base in value.__bases__ if not issubclass(base, type)] or [object]
        owners = {name: _owner(value, name) for name in SPECIAL}
        special = sorted(name for name, owner in owners.items() if owner is not None)
        return {
            "class": value.__name__,
            "module": str(getattr(value, "__module__", "")),
            "bases": [self._kind(base) for base in bases],
            "special": special,
            "own": [name for name in special if owners[name] not in BASES],
            "unhashable": getattr(value, "__hash__", None) is None,
        }

    def _kind(self, kind: type) -> object:
        """The class of an object: itself for plain data or an error, else a mirror."""
        wire = self.peer.wire
        if (
            self.handle_of(kind) is not None
            or kind in TYPE_NAMES
            or issubclass(kind, BaseException)
        ):
            return wire.encode(kind)
        return self._own(kind)

    def _object(self, value: typing.Any) -> dict[str, object]:
        encode = self.peer.wire.encode
        kind = type(value)
        if kind is types.GeneratorType:
            return {"kind": "generator", "name": value.__name__}
        if kind is types.CoroutineType:
            return {"kind": "coroutine"}
        told: dict[str, object] = {"kind": "object", "of": self._kind(kind)}
        if isinstance(value, BaseException):
            told.update(kind="error", args=encode(tuple(value.args)))
            told["state"] = encode(tuple(vars(value).items()) if self.peer.tells(kind) else ())
            if value.__cause__ is not None:
                told["cause"] = encode(value.__cause__)
        elif isinstance(value, BASES):
            told["base"] = encode(base_value(value))
        return told

    # -------------------------------------------------------------- theirs

    def decode(self, tag: str, body: typing.Any) -> object:
        """The object of a reference. Raises ValueError for one that was not introduced."""
        try:
            if tag == "p":
                return self.met[body]
            if tag == "q":
                return self.owned[body]
            if tag == "s":
                return self.peer.wire.shared(body)
            if tag == "g":
                return self.peer.find_global(*body)
        except (KeyError, TypeError) as error:
            raise ValueError("unknown name") from error
        raise ValueError("unknown tag")

    def meet(self, handle: int, told: dict[str, typing.Any]) -> None:
        """Create the mirror of an object that is introduced."""
        if handle in self.met:
            raise ValueError("introduced twice")
        mirror = self._mirror_class(told) if "class" in told else self._mirror(handle, told)
        self.met[handle] = mirror
        self.mirrored[id(mirror)] = handle

    def _mirror_class(self, told: dict[str, typing.Any]) -> type:
        real = self.peer.real_class(str(told["module"]), str(told["class"]))
        if real is not None:
            return real
        bases = tuple(self.peer.wire.decode(base) for base in told["bases"])
        bases = tuple(
            base for base in bases if isinstance(base, type) and base not in (type, bool)
        ) or (object,)
        special = [name for name in told["special"] if name in SPECIAL]
        space: dict[str, object] = {name: forward(self.peer, name) for name in (*ALWAYS, *special)}
        if any(issubclass(base, BaseException) for base in bases):
            space.update(attributes(self.peer, OF_ERRORS))
        else:
            space.update(attributes(self.peer, LOCAL))
        if told["unhashable"]:
            space["__hash__"] = None
        elif "__hash__" not in space and "__eq__" in space:
            space["__hash__"] = object.__hash__
        space.update(
            __mirror__=True,
            __own__=frozenset(told["own"]),
            __module__=str(told["module"]),
            __slots__=(),
            __copy__=copied(self.peer, "copy"),
            __deepcopy__=copied(self.peer, "deepcopy"),
        )
        name, make = str(told["class"]), type.__call__
        try:
            mirror: type = make(MirrorType, name, bases, space)
        except TypeError:  # The two built-in bases have incompatible layouts.
            mirror = make(MirrorType, name, (object,), space)
        return mirror

    def _mirror(self, handle: int, told: dict[str, typing.Any]) -> object:
        decode = self.peer.wire.decode
        if told["kind"] == "generator":
            return mirrored_generator(self.peer, handle)
        if told["kind"] == "coroutine":
            return mirrored_coroutine(self.peer, handle)
        kind = decode(told["of"])
        if not isinstance(kind, type):
            raise ValueError("not a class")
        if told["kind"] == "error":
            args = decode(told["args"])
            error = _new_error(kind, args)
            if "cause" in told:
                error.__cause__ = decode(told["cause"])
            if not isinstance(kind, MirrorType):
                error.__dict__.update(decode(told["state"]))
            return error
        base = next((base for base in BASES if issubclass(kind, base)), None)
        if base is None:
            return object.__new__(kind)
        data = decode(told["base"])
        if base in FIXED:
            return base.__new__(kind, data)
        mirror: object = base.__new__(kind)
        refill(base, mirror, data)
        return mirror


def refill(base: typing.Any, mirror: typing.Any, data: typing.Any) -> None:
    """Replace the data of a container's mirror by the received data."""
    if base is list:
        list.__setitem__(mirror, slice(None), data)
    else:
        base.clear(mirror)
        base.update(mirror, data)


def _new_error(kind: typing.Any, args: tuple[object, ...]) -> BaseException:
    if not issubclass(kind, BaseException):
        raise ValueError("not an exception")
    try:
        error: BaseException = kind.__new__(kind, *args)
        if not isinstance(kind, MirrorType):
            error.__init__(*args)  # type: ignore[misc]
    except TypeError:  # An example is UnicodeDecodeError without its five arguments.
        error = Exception.__new__(kind)
    error.args = args
    return error


def _owner(value: type, name: str) -> type | None:
    """The class that defines a special method which the mirror does not have anyway."""
    for owner in value.__mro__:
        if name in owner.__dict__:
            known = owner is object or owner in FIXED or issubclass(BaseException, owner)
            known = known or (owner.__module__ == "builtins" and issubclass(owner, BaseException))
            return None if known or owner.__dict__[name] is None else owner
    return None
