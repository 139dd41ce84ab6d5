"""The candidate's process: loads the program, then carries out the requests of the tests.

Candidate code shares this process and may break anything here; all it can gain is to return other
values. It learns about expected values only what its arguments reveal.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
import types

from ..driver import describe, find, load
from .forwarding import stdlib_only
from .peer import Peer
from .plain import PLAIN_OF

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

MOST_PRINTED = 1024 * 1024
"""Most bytes that the candidate prints between two messages; the excess is dropped, and this is
reported."""


class Tape(io.RawIOBase):
    """Keeps printed output until the next message."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = bytearray()
        self.lost = False

    def writable(self) -> bool:
        return True

    def write(self, data: typing.Any) -> int:
        room = MOST_PRINTED - len(self.parts)
        self.parts += bytes(data)[:room]
        self.lost = self.lost or len(data) > room
        return len(data)

    def take(self) -> str:
        """The output printed since the last call."""
        text = self.parts.decode("utf-8", "replace")
        self.parts.clear()
        return text


class Asked(io.RawIOBase):
    """Standard input, read line by line from the tests' process."""

    def __init__(self, candidate: Candidate) -> None:
        super().__init__()
        self.candidate, self.rest = candidate, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: typing.Any) -> int:
        if not self.rest:
            self.rest = self.candidate.request("line").encode("utf-8", "surrogatepass")
        count = min(len(buffer), len(self.rest))
        buffer[:count], self.rest = self.rest[:count], self.rest[count:]
        return count


class Candidate(Peer):
    """The end that serves requests."""

    def __init__(self) -> None:
        super().__init__(1, *map(int, sys.argv[-2:]))
        self.scope: dict[str, object] = {}
        self.entry: object = None
        self.printed = [Tape(), Tape()]
        self.loop: typing.Any = None
        self.random: object = None
        """The state of ``random`` as last sent to the tests, where the tests use it too."""
        self.told: dict[str, object] = {}
        """The program's globals that the tests use, as last sent to the tests."""
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(tape, "utf-8", "surrogatepass", write_through=True)  # type: ignore[type-var]
            for tape in self.printed
        )
        sys.stdin = io.TextIOWrapper(io.BufferedReader(Asked(self)), "utf-8", "surrogatepass")
        builtins.input = self.input

    def input(self, prompt: object = "") -> str:
        """``input`` of the tests' process, which may have replaced it."""
        text: str = self.request("input", str(prompt))
        return text

    def notes(self) -> tuple[object, ...]:
        out, err = (tape.take() for tape in self.printed)
        state = sys.modules["random"].getstate() if self.random is not None else None
        changed, self.random = state != self.random, state
        lost = any(tape.lost for tape in self.printed)
        bound = [(n, self.scope[n]) for n in self.told if self.scope.get(n) is not self.told[n]]
        self.told.update(bound)
        return out, err, lost, state if changed else None, tuple(bound)

    def noted(self, notes: tuple[typing.Any, ...]) -> None:
        for name, value in notes[0]:
            self.scope.setdefault(name, value)
        if notes[1] is not None:
            self.random = notes[1]
            import random

            random.setstate(notes[1])

    def global_name(self, value: object) -> list[str] | None:
        kind = type(value)
        if kind is types.ModuleType:
            name = str(getattr(value, "__name__", ""))
            return [name, ""] if stdlib_only(name) else None
        if isinstance(value, type) and (value.__module__, value.__qualname__) in PLAIN_OF:
            return [value.__module__, value.__qualname__]
        return None

    def find_global(self, module: str, name: str) -> object:
        __import__(module)
        found: object = sys.modules[module]
        for part in name.split(".") if name else ():
            found = getattr(found, part)
        return found

    def do_name(self, name: str) -> object:
        """A global of the program; the empty name is the entry point."""
        if name:
            self.told[name] = self.scope[name]
        return self.scope[name] if name else self.entry

    def do_await(self, target: typing.Any) -> object:
        """Run an awaitable to its end."""
        import asyncio

        if self.loop is None:
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)

        async def finish() -> object:
            return await target

        return self.loop.run_until_complete(finish())

    def run(self) -> None:
        """Load the program that comes first, report it, and serve requests until there are no
        more."""
        source, entry, classes = self.answer()
        try:
            self.scope = load(source, "candidate")
            self.entry = find(self.scope, entry)
        except BaseException as error:  # noqa: BLE001 - reported, whatever it is
            self.send(("done", ("load", tuple(describe(error).items()))))
            return
        own = {
            name: value
            for name, value in self.scope.items()
            if isinstance(value, type) and getattr(value, "__module__", "") == "candidate"
        }
        self.wire.common, self.wire.scope = frozenset(classes).intersection(own), self.scope
        known = {*self.scope, *vars(builtins)}
        ready = tuple(self.scope), tuple(own), tuple(used(source) - known)
        self.send(("done", ("ready", *ready)))
        while True:
            what, *rest = self.receive()
            if what == "do":
                self.serve(*rest)


def used(source: str) -> set[str]:
    """The global names that a program uses, and the attributes."""
    names: set[str] = set()
    codes = [compile(source, "candidate.py", "exec", dont_inherit=True)]
    while codes:
        code = codes.pop()
        codes += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]
        names.update(code.co_names)
    return names


def main(code_of: object) -> None:
    """Entry point of the process; exits without the candidate's exit handlers and threads."""
    try:
        Candidate().run()
    finally:
        os._exit(0)
