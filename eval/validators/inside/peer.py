"""One of the two processes as seen by the other: it sends requests, answers, and serves requests
while it waits.

The two take turns, so a message is a request or the answer to the last one. Every message includes
the changes of shared containers (``wire.py``) and notes of its sender.
"""

from __future__ import annotations

import copy
import os
from _thread import RLock

from .forwarding import stdlib_only
from .mirror import Mirrors
from .plain import Limit, base_value
from .wire import MAX_MESSAGE, Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing


class Gone(BaseException):
    """The other process ended, or wrote an invalid message."""


class Peer:
    """The common part of both ends. ``reading`` and ``writing`` are descriptors."""

    def __init__(self, parity: int, reading: int, writing: int) -> None:
        self.wire = Wire(parity)
        self.mirrors = self.wire.mirror = Mirrors(self)
        self.incoming = os.fdopen(reading, "rb")
        self.writing = writing
        self.lock = RLock()
        self.asked = 0
        """Requests made so far."""
        self.waiting = 0
        """Requests of this side without an answer yet."""
        self.depth = 0
        """Requests of the other side that are being served."""

    # ------------------------------------------------ what the two ends add

    def notes(self) -> tuple[object, ...]:
        """The notes to send with the next message."""
        return ()

    def noted(self, notes: tuple[typing.Any, ...]) -> None:
        """Receive the notes of a message."""

    def permit(self, op: str, args: tuple[typing.Any, ...]) -> None:
        """Raise Limit for a request that is refused."""

    def blame(self, error: BaseException) -> None:
        """Inspect an exception before it is sent."""

    def gone(self) -> BaseException:
        """The exception that says how the other process ended."""
        return Gone("ended the program before returning")

    def global_name(self, value: object) -> list[str] | None:
        """Module and name by which the other side finds the same object; None where it does not."""
        return None

    def find_global(self, module: str, name: str) -> object:
        """The object of that name. Raises ValueError where access is not allowed."""
        raise ValueError("no object goes by its name here")

    def real_class(self, module: str, name: str) -> type | None:
        """The class to use instead of a mirror of the one with that name."""
        return None

    def tells(self, kind: type) -> bool:
        """Whether the attributes of an exception of that class are sent with it."""
        return stdlib_only(kind.__module__)

    def operate(self, mirror: object, name: str, args: tuple[typing.Any, ...]) -> object:
        """Call a special method of a mirror's object."""
        return self.request("special", mirror, name, args)

    # -------------------------------------------------------------- turns

    def request(self, op: str, *args: object) -> typing.Any:
        """Send a request, and wait for the answer. Raises the exception that the other side
        raised."""
        with self.lock:
            self.asked += 1
            self.send(("do", op, args), self.depth == 0)
            self.waiting += 1
            try:
                return self.answer()
            finally:
                self.waiting -= 1

    def answer(self) -> typing.Any:
        """The next answer; requests that arrive before it are served."""
        while True:
            what, *rest = self.receive()
            if what == "do":
                self.serve(*rest)
            elif what == "done":
                return rest[0]
            elif what == "raised" and isinstance(rest[0], BaseException):
                raise rest[0]
            elif what == "refused":
                raise Limit(str(rest[0]))
            else:
                raise Gone("left a result that is not the driver's")

    def serve(self, op: str, args: tuple[typing.Any, ...]) -> None:
        """Carry out a request of the other side and answer it."""
        reply: tuple[object, ...]
        self.depth += 1
        try:
            self.permit(op, args)
            reply = ("done", getattr(self, "do_" + op)(*args))
        except Gone:
            raise
        except Limit as limit:
            reply = ("refused", str(limit))
        except BaseException as error:  # noqa: BLE001 - it is the other side's to handle
            self.blame(error)
            reply = ("raised", error)
        self.depth -= 1
        try:
            self.send(reply, self.depth == self.waiting == 0)
        except Limit as limit:
            self.send(("refused", str(limit)))

    def send(self, body: tuple[object, ...], whole: bool = True) -> None:
        """Write one message; ``whole`` where it begins or ends a request of the tests."""
        line = self.wire.pack((self.notes(), body), whole)
        try:
            while line:
                line = line[os.write(self.writing, line) :]
        except BrokenPipeError:  # The other process is gone; reading finds out how it ended.
            pass

    def receive(self) -> tuple[typing.Any, ...]:
        """Read one message. Raises the exception of ``gone`` where none comes."""
        line = self.incoming.readline(MAX_MESSAGE + 1)
        if not line.endswith(b"\n"):
            raise self.gone()
        try:
            notes, body = self.wire.unpack(line)
        except (ValueError, TypeError) as error:
            raise Gone("left a result that is not the driver's") from error
        self.noted(notes)
        return tuple(body)

    # ------------------------------------------------------ what is asked

    @staticmethod
    def do_call(target: typing.Any, args: typing.Any, kwargs: typing.Any) -> object:
        return target(*args, **kwargs)

    @staticmethod
    def do_get(target: object, name: str) -> object:
        return getattr(target, name)

    @staticmethod
    def do_set(target: object, name: str, value: object) -> None:
        setattr(target, name, value)

    @staticmethod
    def do_del(target: object, name: str) -> None:
        delattr(target, name)

    @staticmethod
    def do_special(target: typing.Any, name: str, args: typing.Any) -> object:
        if name == "__getitem__":
            return target[args[0]]
        if name in PLAINLY:
            return PLAINLY[name](target, *args)
        return getattr(type(target), name)(target, *args)

    @staticmethod
    def do_advance(target: typing.Any, how: str, given: object) -> tuple[bool, object]:
        try:
            return True, next(target) if how == "next" else getattr(target, how)(
                *() if how == "close" else (given,)
            )
        except StopIteration as end:
            return False, end.value

    @staticmethod
    def do_copy(target: object, how: str) -> object:
        return copy.deepcopy(target) if how == "deepcopy" else copy.copy(target)

    @staticmethod
    def do_content(target: object) -> object:
        return base_value(target)


PLAINLY: dict[str, typing.Callable[..., object]] = {
    "__iter__": iter, "__next__": next, "__len__": len, "__bool__": bool, "__hash__": hash,
    "__repr__": repr, "__str__": str, "__format__": format, "__reversed__": reversed,
    "__contains__": lambda target, item: item in target, "__dir__": dir,
}  # fmt: skip
"""Special methods that are better called through their function, which also handles a class's
own."""
