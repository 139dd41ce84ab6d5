"""The tests' process: controls the candidate's access to the tests' objects, and the candidate's
influence on the verdict.

Two rules keep a verdict from being forged. The candidate may use the tests' own objects only in
ways in which a function would use its arguments. And an operator of the candidate's that would
receive the tests' own data (``candidate(x) == 3``) is called only for classes that the tests
themselves use as classes; for any other object the judge compares plain data, or reports that it
cannot.
"""

from __future__ import annotations

import ast
import builtins
import io
import os
import signal
import sys
import types

from .forwarding import is_mirror, stdlib_only
from .lending import TESTS, Lending, of_tests
from .mirror import refill
from .peer import Gone, Peer
from .plain import PLAIN_OF, Limit
from .special import BASES, BINARY, COMPARE, OPEN, SPECIAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

OUT_OF_TIME = (signal.SIGXCPU, signal.SIGKILL)
"""Signals with which the kernel ends a process at its CPU limit; nothing else kills a candidate
while it is read."""
OURS = [f"validators.inside.{name}" for name in ("forwarding", "judge", "mirror", "peer")]
"""Modules whose frames an exception passes on its way to the caller of a mirror."""
LOUD_MODULES = frozenset(
    ["antigravity", "idlelib", "test", "this", "tkinter", "turtle", "turtledemo"]
)
FUNCTION_NAMES = ("__name__", "__qualname__", "__doc__", "__module__")
STREAMS = (io.StringIO, io.BytesIO)


class TimeSpent(BaseException):
    """The candidate's process used up its CPU time."""


class Judge(Peer):
    """The end that makes requests. ``process`` is the candidate's."""

    def __init__(self, process: int, pipes: tuple[int, int], scope: dict[str, object],
                 tree: ast.Module) -> None:  # fmt: skip
        super().__init__(0, *pipes)
        self.process, self.scope, self.tree = process, scope, tree
        self.lending = Lending(tree)
        self.missing: set[str] = set()
        """Names that the candidate uses and does not define, but that the tests may define."""
        self.classes: set[type] = set()
        """Classes of the candidate that the tests use as classes."""
        self.crossed: list[BaseException] = []
        """The tests' own failures that were raised in the candidate, which may suppress them."""
        self.steps: list[object] = []
        """Methods by which the tests advance the candidate's iterators: these may raise
        StopIteration."""
        self.stop: StopIteration | None = None
        """The StopIteration that another call raised last."""
        self.ended = False
        """Whether an iteration of the tests has ended by such a StopIteration."""
        self.sinks = (sys.stdout, sys.stderr)
        self.source: object = sys.stdin
        self.random: object = None
        self.told: dict[str, object] = {}
        """The candidate's globals, as known to the tests."""

    # ------------------------------------------------------------- notes

    def notes(self) -> tuple[object, ...]:
        found = [
            (name, self.scope[name])
            for name in self.missing
            if name in self.scope and self._may_be_lent(name, self.scope[name])
        ]
        self.missing -= {name for name, _ in found}
        return tuple(found), self._random_state()

    def _random_state(self) -> object:
        """The state of ``random`` where it differs from the candidate's."""
        if "random" not in self.scope:
            return None
        state = sys.modules["random"].getstate()
        changed, self.random = state != self.random, state
        return state if changed else None

    def _may_be_lent(self, name: str, value: object) -> bool:
        # The object would be asked while a message is being built.
        if self.mirrors.handle_of(value) is not None:
            return False
        return self.lending.lends(name, value)

    def noted(self, notes: tuple[typing.Any, ...]) -> None:
        for text, sink, stream in zip(notes, self.sinks, (sys.stdout, sys.stderr)):  # noqa: B905 - Python 3.9
            if stream is not sink:
                stream.write(text)
                if notes[2]:
                    raise Limit("more than 1 MiB of printed text")
        for name, value in notes[4]:
            if name in self.told and self.scope.get(name) is self.told[name]:
                self.scope[name] = self.told[name] = value
        if notes[3] is not None and "random" in self.scope:
            self.random = notes[3]
            sys.modules["random"].setstate(notes[3])

    def request(self, op: str, *args: object) -> typing.Any:
        """See :meth:`Peer.request`. A StopIteration from a call must not end an iteration of the
        tests: where it did, the tests have failed, as with a generator (PEP 479)."""
        self.look_for_ends()
        try:
            value = super().request(op, *args)
        except StopIteration as error:
            steps = args[1:2] == ("__next__",) or any(args[0] is one for one in self.steps)
            if not steps:
                self.stop = error
            raise
        if op == "get" and args[1] == "__next__":
            self.steps.append(value)
        return value

    def look_for_ends(self) -> None:
        """Note a StopIteration that no code of the tests received, because a built-in iterator took
        it."""
        error, self.stop = self.stop, None
        trace = error.__traceback__ if error else None
        if error and trace and trace.tb_frame.f_globals.get("__name__") in OURS:
            self.crossed.append(error)
            self.ended = True

    def gone(self) -> BaseException:
        _, status = os.waitpid(self.process, 0)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            return TimeSpent() if number in OUT_OF_TIME else Gone(f"by signal {number}")
        return Gone("before returning")

    # ------------------------------------------- what the candidate may have

    def permit(self, op: str, args: tuple[typing.Any, ...]) -> None:
        target: typing.Any = args[0] if args else None
        if op in ("get", "set", "del"):
            name, kind = args[1], type(target)
            own, is_class = of_tests(target), isinstance(target, type)
            public = isinstance(name, str) and name[:1] != "_"
            allowed = public and own and not is_class
            if op == "get":
                allowed = public and own and self.lending.reads(target, name)
                allowed = allowed or (public and (kind in STREAMS or _is_double(target, name)))
                allowed = allowed or isinstance(target, types.FunctionType)
                allowed = allowed or (public and isinstance(target, BaseException))
            if not allowed:
                owner = target.__name__ if is_class else kind.__name__
                raise Limit(f"the attribute {name} of the tests' own {owner}")
        elif op == "special":
            if args[1] not in SPECIAL:
                raise Limit(f"{args[1]} of the tests' own object")
        elif op not in ("call", "advance", "await", "line", "input", "copy"):
            raise Limit(f"the request {op}")

    def do_get(self, target: typing.Any, name: str) -> object:  # type: ignore[override]
        if isinstance(target, types.FunctionType):
            if name in FUNCTION_NAMES:
                return getattr(target, name)
            if name in ("__dict__", "__annotations__"):
                return {}
            if name in vars(target) and name[:1] != "_":
                return vars(target)[name]
            raise AttributeError(name)
        return getattr(target, name)

    def do_call(self, target: typing.Any, args: typing.Any, kwargs: typing.Any) -> object:  # type: ignore[override]
        return self.lending.call(target, args, kwargs)

    def do_set(self, target: object, name: str, value: object) -> None:  # type: ignore[override]
        self.lending.put(target, value)
        setattr(target, name, value)

    def do_await(self, target: typing.Any) -> object:
        """Run an awaitable of the tests that never has to wait."""
        steps = target.__await__()
        while True:
            try:
                if next(steps) is not None:
                    raise Limit("a coroutine of the tests that waits")
            except StopIteration as end:
                return end.value

    def do_line(self) -> str:
        """A line of standard input, where the tests have replaced it."""
        return "" if sys.stdin is self.source else str(sys.stdin.readline())

    def do_input(self, prompt: str) -> str:
        return str(builtins.input(prompt))

    def blame(self, error: BaseException) -> None:
        if self.mirrors.handle_of(error) is None and isinstance(error, AssertionError):
            self.crossed.append(error)

    def global_name(self, value: typing.Any) -> list[str] | None:
        if isinstance(value, types.ModuleType):
            return [value.__name__, ""] if stdlib_only(value.__name__) else None
        owner = getattr(value, "__objclass__", None)
        module = getattr(owner or value, "__module__", None)
        name = getattr(value, "__qualname__", None)
        if not isinstance(module, str) or not isinstance(name, str) or module == TESTS:
            return None
        if not stdlib_only(module) or isinstance(
            getattr(value, "__self__", None), (list, dict, set)
        ):
            return None
        found: object = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        return [module, name] if found is value else None

    def find_global(self, module: str, name: str) -> object:
        if (module, name) in PLAIN_OF:
            return getattr(__import__(module), name)
        if not name and stdlib_only(module) and module.partition(".")[0] not in LOUD_MODULES:
            __import__(module)
            return sys.modules[module]
        raise Limit(f"the object {module}.{name} by its name")

    def real_class(self, module: str, name: str) -> type | None:
        """The standard library's own exception of that name, where the tests can know it."""
        if module.partition(".")[0] in ("unittest", "pytest", TESTS) or not stdlib_only(module):
            return None
        found = getattr(sys.modules.get(module), name, None)
        return found if isinstance(found, type) and issubclass(found, BaseException) else None

    # --------------------------------------------- what of the candidate's counts

    def operate(self, mirror: typing.Any, name: str, args: tuple[typing.Any, ...]) -> object:
        if name in COMPARE:
            return self.compare(mirror, name, args[0])
        trusted = bool(self.classes.intersection(type(mirror).__mro__))
        if (name in BINARY or name == "__contains__") and not trusted:
            self._among_themselves(mirror, args[0])
        value = super().operate(mirror, name, args)
        if name in ("__exit__", "__aexit__") and args[1] is not None:
            own = isinstance(args[1], AssertionError) and self.mirrors.handle_of(args[1]) is None
            if own:  # The candidate must not suppress a failed test.
                self.crossed.append(args[1])
            elif value and self._asserts_after(args[1]):
                raise Limit("a with statement of the candidate's that skips asserts")
        return value

    def compare(self, mirror: typing.Any, name: str, other: object) -> object:
        """A comparison by the data of the built-in type that the class is derived from, else by the
        object's own method."""
        kind = type(mirror)
        base: typing.Any = next((base for base in BASES if issubclass(kind, base)), None)
        if base is not None:
            for value in (mirror, other):
                open_base = next((b for b in OPEN if isinstance(value, b)), None)
                if open_base is not None and is_mirror(value):
                    refill(open_base, value, self.request("content", value))
            found = getattr(base, name)(mirror, other)
            own = type.__getattribute__(kind, "__dict__").get("__own__", ())
            if name not in own or (found is (name == "__eq__") and name in ("__eq__", "__ne__")):
                return found
        if other is None:
            return NotImplemented
        self._among_themselves(mirror, other)
        return super().operate(mirror, name, (other,))

    def _among_themselves(self, mirror: object, other: object) -> None:
        if self.mirrors.handle_of(other) is None:
            name = type(mirror).__name__
            raise Limit(f"an object of the candidate's class {name} with the tests' own data")

    def _asserts_after(self, error: BaseException) -> bool:
        """Whether the with statement that ``error`` leaves has asserts that are not reached."""
        trace, line = error.__traceback__, 0
        while trace is not None:
            line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == "test.py" else line
            trace = trace.tb_next
        for node in ast.walk(self.tree):
            end = getattr(node, "end_lineno", 0) or 0
            if not isinstance(node, (ast.With, ast.AsyncWith)) or not node.lineno <= line <= end:
                continue
            if any(_asserts(inner, line) for inner in ast.walk(node)):
                return True
        return False


def _asserts(node: ast.AST, line: int) -> bool:
    """Whether ``node`` is an assert, or a call of unittest's, on ``line`` or after it."""
    call = isinstance(node, ast.Call) and "assert" in ast.unparse(node.func)
    return (call or isinstance(node, ast.Assert)) and getattr(node, "lineno", 0) >= line


def _is_double(target: object, name: str) -> bool:
    """Whether attribute ``name`` of a mock is generated by the mock, and not its own."""
    mock = sys.modules.get("unittest.mock")
    return mock is not None and isinstance(target, mock.NonCallableMock) and not (
        hasattr(mock.MagicMock, name) or name.startswith("assert")
    )  # fmt: skip
