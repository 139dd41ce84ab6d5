"""Transfer of values between two processes: copied, kept in step, or referred to by a number.

Immutable plain data is copied. Mutable containers, and instances of classes that both sides define,
are copied once and then kept in step: each message includes the changes since the last one, so a
change in place is seen by the other side, and two references to one list stay two references to one
list. Everything else stays in its process and is sent as a reference: see ``mirror.py``.
"""

from __future__ import annotations

import collections
import json
import sys
import types

from ..driver import BARE, MAX_BITS, all_bare
from .instances import restore, shell, take_apart
from .marks import marked, unchanged
from .plain import (
    CONTAINERS,
    KINDS,
    NAMED_TYPES,
    PLAIN_OF,
    SINGLE,
    TYPE_NAMES,
    VIEWS,
    Limit,
    remake,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

MAX_DEPTH = 100
MAX_MESSAGE = 16 * 1024 * 1024
"""Most characters of one message."""
TOO_LARGE = f"a value of more than {MAX_MESSAGE >> 20} MiB"
FEW = 8
"""Number of values of a container up to which they are encoded one by one, whatever their types."""
OFTEN = 50_000
"""Number of shared elements above which changes are looked for only after whole calls, not after
callbacks."""


class Wire:
    """One end: encodes outgoing values, decodes incoming ones, and remembers the shared containers.

    ``mirror`` handles all values that are not copied.
    """

    def __init__(self, parity: int) -> None:
        self.next = parity
        self.numbers: dict[int, int] = {}
        self.held: dict[int, list[typing.Any]] = {}
        """Number → [shared container, its mark when it was last in step, or else the hash of its text]."""
        self.counted: int | None = None
        self.views = 0
        """Number of views of dictionaries so far; the container behind a view changes without its
        elements."""
        self.pending: list[int] = []
        self.common: frozenset[str] = frozenset()
        """Names of classes that both sides define: their instances are copied."""
        self.scope: dict[str, typing.Any] = {}
        """Namespace with this side's classes of those names."""
        self.mirror: typing.Any = None
        probe = [object(), 0]
        self.alone = sys.getrefcount(probe[0])
        """The value of ``getrefcount`` for an object that only ``held`` refers to."""

    # ------------------------------------------------------------------ out

    def pack(self, body: object, look: bool = True) -> bytes:
        """One line that holds ``body`` and, with ``look``, every change since the last one."""
        looks = look or self._elements() < OFTEN
        alone = [n for n, e in self.held.items() if looks and sys.getrefcount(e[0]) == self.alone]
        fresh: dict[int, str] = {}
        encoded = self.encode(body)
        self._settle(fresh)
        if looks:
            for number, entry in list(self.held.items()):
                if number not in fresh and not self._in_step(*entry):
                    text = self._text(entry)
                    if text is not None:
                        fresh[number] = text
                    self._settle(fresh)
            self.counted = None
        drop = [n for n in alone if n in self.held]
        for number in drop:
            self.forget(number)
        met = self.mirror.introductions()
        parts = [f'"{number}":{text}' for number, text in fresh.items()]
        head = json.dumps({"body": encoded, "met": met, "drop": drop})
        line = f'{head[:-1]}, "objects": {{{",".join(parts)}}}}}\n'
        if len(line) > MAX_MESSAGE:
            raise Limit(TOO_LARGE)
        return line.encode("ascii")

    def _elements(self) -> int:
        """Number of elements in the shared containers when they were last checked."""
        if self.counted is None:
            self.counted = sum(len(e[0]) for e in self.held.values() if hasattr(e[0], "__len__"))
        return self.counted

    def encode(self, value: typing.Any, depth: int = 0) -> typing.Any:
        """``value`` as JSON data; containers are numbered and left to ``_settle``."""
        kind = type(value)
        if value is None or kind in (bool, str, float):
            return value
        if kind is int:
            return {"i": hex(value)} if value.bit_length() > MAX_BITS else value
        if depth > MAX_DEPTH:
            raise Limit(f"a value nested more than {MAX_DEPTH} deep")
        home = self.mirror.handle_of(value)
        if home is not None:
            return {"q": home}
        if kind is tuple or kind is frozenset:
            return {"t" if kind is tuple else "f": self._all(value, depth + 1)}
        if kind in CONTAINERS or self.is_shared(kind):
            return {"o": self._number(value)}
        if kind is bytes:
            return {"b": value.hex()}
        for name, single in SINGLE.items():
            if value is single:
                return {"k": name}
        if kind.__name__ in VIEWS and kind.__module__ == "builtins":
            self.views += 1
            return {"w": [kind.__name__, self._all(value, depth + 1)]}
        where = (kind.__module__, kind.__qualname__)
        if where in PLAIN_OF:
            args = [self.encode(item, depth + 1) for item in PLAIN_OF[where](value)]
            return {"v": [*where, args]}
        if isinstance(value, type) and value in TYPE_NAMES:
            return {"y": TYPE_NAMES[value]}
        return self.mirror.encode(value)

    def _all(self, values: typing.Any, depth: int = 0) -> list[typing.Any]:
        if 2 * len(values) > MAX_MESSAGE:
            raise Limit(TOO_LARGE)
        if len(values) > FEW and all_bare(values):
            return list(values)
        return [self.encode(item, depth) for item in values]

    def is_shared(self, kind: type) -> bool:
        """Whether ``kind`` is this side's class of a name that both sides define."""
        return kind.__name__ in self.common and self.scope.get(kind.__name__) is kind

    def shared(self, name: str) -> typing.Any:
        """This side's class of that name. Raises ValueError where there is none."""
        kind = self.scope.get(name)
        if name not in self.common or not isinstance(kind, type) or not self.is_shared(kind):
            raise ValueError("no class that both define")
        return kind

    def _number(self, value: object) -> int:
        number = self.numbers.get(id(value))
        if number is None:
            number, self.next = self.next, self.next + 2
            self.numbers[id(value)] = number
            self.held[number] = [value, None]
            self.pending.append(number)
        return number

    def _settle(self, fresh: dict[int, str]) -> None:
        while self.pending:
            number = self.pending.pop()
            fresh[number] = self._text(self.held[number]) or ""

    @staticmethod
    def _in_step(value: object, mark: typing.Any) -> bool:
        return isinstance(mark, list) and unchanged(value, mark)

    def _text(self, entry: list[typing.Any]) -> str | None:
        """The content of a shared container, which is then in step; None where it already was."""
        value, before = entry
        views = self.views
        text = json.dumps(self._content(value))
        entry[1] = marked(value) if self.views == views else None
        if entry[1] is None:
            entry[1] = hash(text)
            return None if before == entry[1] else text
        return text

    def _content(self, value: typing.Any) -> list[typing.Any]:
        """``[kind, content]``, with data needed before the content as a third element."""
        kind = type(value)
        if kind in (list, set):
            return [kind.__name__, self._all(value)]
        if kind is bytearray:
            return ["bytearray", value.hex()]
        if kind is collections.deque:
            return ["deque", self._all(value), value.maxlen]
        if kind is types.SimpleNamespace:
            return [kind.__name__, self.pairs(vars(value))]
        if kind in CONTAINERS:
            factory = self.encode(getattr(value, "default_factory", None))
            return [kind.__name__, self.pairs(value), factory]
        return take_apart(self, value, kind)

    def pairs(self, value: dict[typing.Any, typing.Any]) -> list[tuple[object, object]]:
        return list(zip(self._all(dict.keys(value)), self._all(dict.values(value))))  # noqa: B905 - Python 3.9

    def forget(self, number: int) -> None:
        """Remove a shared container that the other side, or this side, no longer uses."""
        entry = self.held.pop(number, None)
        if entry is not None:
            self.numbers.pop(id(entry[0]), None)

    # ------------------------------------------------------------------ in

    def unpack(self, line: bytes) -> typing.Any:
        """The body of a line that ``pack`` made. Raises ValueError for anything else."""
        try:
            message = json.loads(line)
            objects = {int(number): content for number, content in message["objects"].items()}
            for number, content in objects.items():
                if number not in self.held:
                    value = self._empty(content)
                    self.held[number] = [value, None]
                    self.numbers[id(value)] = number
            for handle, told in message["met"]:
                self.mirror.meet(handle, told)
            for number, content in objects.items():
                entry, views = self.held[number], self.views
                self._fill(entry[0], content)
                entry[1] = marked(entry[0]) if self.views == views else None
            for number in objects:
                if self.held[number][1] is None:
                    self._text(self.held[number])
            body = self.decode(message["body"])
            for number in message["drop"]:
                self.forget(number)
            return body
        except (KeyError, TypeError, AttributeError, OverflowError, IndexError, ArithmeticError,
                RecursionError, ImportError) as error:  # fmt: skip
            raise ValueError("malformed message") from error

    def decode(self, data: typing.Any) -> typing.Any:
        """The value that ``encode`` received."""
        if not isinstance(data, dict):
            if isinstance(data, list):
                raise ValueError("a bare list")
            return data
        ((tag, body),) = data.items()
        if tag == "o":
            return self.held[body][0]
        if tag == "t":
            return tuple(self._each(body))
        if tag == "f":
            return frozenset(self._each(body))
        if tag == "i":
            return int(body, 16)
        if tag == "b":
            return bytes.fromhex(body)
        if tag == "k":
            return SINGLE[body]
        if tag == "y":
            return NAMED_TYPES[body]
        if tag == "v":
            module, name, args = body
            return remake(module, name, [self.decode(item) for item in args])
        if tag == "w":
            self.views += 1
            return self._view(body[0], self._each(body[1]))
        return self.mirror.decode(tag, body)

    def _each(self, items: list[typing.Any]) -> list[typing.Any]:
        if type(items) is list and BARE.issuperset(map(type, items)):
            return items
        return [self.decode(item) for item in items]

    @staticmethod
    def _view(name: str, items: list[typing.Any]) -> object:
        if VIEWS[name] == 0:
            return dict.fromkeys(items).keys()
        return dict(enumerate(items)).values() if VIEWS[name] == 1 else dict(items).items()

    def _empty(self, content: list[typing.Any]) -> typing.Any:
        if content[0] == "instance":
            return shell(self, content)
        if content[0] == "deque":
            return collections.deque(maxlen=content[2])
        return KINDS[content[0]]()

    def _fill(self, value: typing.Any, content: list[typing.Any]) -> None:
        """Put ``content`` into ``value``, in place."""
        kind, body = content[0], content[1]
        if kind == "list":
            value[:] = self._each(body)
        elif kind == "set":
            new = set(self._each(body))
            value.clear()
            value.update(new)
        elif kind == "bytearray":
            value[:] = bytes.fromhex(body)
        elif kind == "deque":
            value.clear()
            value.extend(self._each(body))
        elif kind == "instance":
            restore(self, value, content)
        elif kind == "SimpleNamespace":
            value.__dict__.clear()
            value.__dict__.update(self.mapping(body))
        else:
            if kind == "defaultdict":
                value.default_factory = self.decode(content[2])
            new_items = self.mapping(body)
            value.clear()
            for key, item in new_items.items():
                value[key] = item

    def mapping(self, pairs: list[list[typing.Any]]) -> dict[typing.Any, typing.Any]:
        keys, items = zip(*pairs) if pairs else ((), ())  # noqa: B905
        return dict(zip(self._each(list(keys)), self._each(list(items))))  # noqa: B905 - Python 3.9
