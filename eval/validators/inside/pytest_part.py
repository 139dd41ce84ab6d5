"""A substitute for the part of pytest that tests of one function use, because the sandbox has no
pytest. All other parts raise Limit."""

from __future__ import annotations

import collections
import contextlib
import io
import math
import re
import sys
import types

from .plain import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing


class Failed(AssertionError):
    """``pytest.fail``, or an expected exception that was not raised."""


class Raises:
    """``pytest.raises`` as a context manager, and the object that it returns."""

    def __init__(self, expected: typing.Any, match: str | None = None) -> None:
        self.expected, self.pattern = expected, match
        self.value: typing.Any = None

    @property
    def type(self) -> typing.Any:
        """The exception's class."""
        return type(self.value)

    def match(self, pattern: str) -> bool:
        """Whether the message matches ``pattern``; fails where it does not."""
        if not re.search(pattern, str(self.value)):
            raise Failed(f"{str(self.value)!r} does not match {pattern!r}")
        return True

    def __enter__(self) -> Raises:
        return self

    def __exit__(self, kind: typing.Any, value: typing.Any, trace: object) -> bool:
        if kind is None:
            raise Failed(f"did not raise {self.expected}")
        if not issubclass(kind, self.expected):
            return False
        self.value = value
        if self.pattern is not None:
            self.match(self.pattern)
        return True


def raises(
    expected: typing.Any, *call: typing.Any, match: str | None = None, **kwargs: object
) -> Raises:
    """``pytest.raises``, in both its forms."""
    block = Raises(expected, match)
    if call:
        with block:
            call[0](*call[1:], **kwargs)
    return block


class Approx:
    """``pytest.approx`` of numbers, sequences and dictionaries of them."""

    def __init__(self, expected: typing.Any, rel: float | None = None, abs: float | None = None,
                 nan_ok: bool = False) -> None:  # fmt: skip
        self.expected, self.nan_ok = expected, nan_ok
        self.rel = 1e-6 if rel is None and abs is None else rel or 0.0
        self.abs = 1e-12 if abs is None else abs

    def __eq__(self, actual: object) -> bool:
        return self._same(self.expected, actual)

    __hash__ = None  # type: ignore[assignment]

    def _same(self, expected: typing.Any, actual: typing.Any) -> bool:
        if isinstance(expected, dict):
            same = isinstance(actual, dict) and expected.keys() == actual.keys()
            return same and all(self._same(expected[key], actual[key]) for key in expected)
        if isinstance(expected, (list, tuple)):
            same = isinstance(actual, (list, tuple)) and len(expected) == len(actual)
            return same and all(self._same(expected[n], actual[n]) for n in range(len(expected)))
        if isinstance(expected, (str, bytes, type(None))) or expected == actual:
            return bool(expected == actual)
        if isinstance(expected, float) and not math.isfinite(expected):
            return self.nan_ok and math.isnan(expected) and math.isnan(actual)
        return bool(abs(actual - expected) <= max(self.abs, self.rel * abs(expected)))

    def __repr__(self) -> str:
        return f"approx({self.expected!r})"


class Mark:
    """``pytest.mark``: parametrize is supported; marks that change whether a test runs raise
    Limit."""

    def parametrize(self, names: typing.Any, rows: typing.Any, **options: object) -> typing.Any:
        """Run the function once for each row."""
        listed = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
        table = [
            (row,) if len(listed) == 1 and not isinstance(row, Param) else tuple(row)
            for row in rows
        ]

        def decorate(function: typing.Any) -> typing.Any:
            function.parametrized = [*getattr(function, "parametrized", []), (listed, table)]
            return function

        return decorate

    def __getattr__(self, name: str) -> typing.Any:
        if name in ("skip", "skipif", "xfail", "usefixtures"):
            raise Limit(f"pytest.mark.{name}")

        def mark(*args: typing.Any, **kwargs: object) -> typing.Any:
            single = len(args) == 1 and not kwargs and callable(args[0])
            return args[0] if single else lambda function: function

        return mark


class Param(tuple):  # type: ignore[type-arg]
    """A row of ``pytest.param``."""


def fixture(function: typing.Any = None, **options: typing.Any) -> typing.Any:
    """``pytest.fixture``; every fixture is created again for each test."""
    if function is None:
        return lambda decorated: fixture(decorated, **options)
    function.fixture_for_all = bool(options.get("autouse", False))
    return function


def fail(reason: str = "", pytrace: bool = True, msg: str = "") -> None:
    """Fail the test."""
    raise Failed(reason or msg)


Captured = collections.namedtuple("Captured", "out err")


class Capture:
    """The fixture ``capsys``."""

    def __init__(self) -> None:
        self.streams = io.StringIO(), io.StringIO()

    def readouterr(self) -> tuple[str, ...]:
        """The output printed since the last call."""
        texts = [stream.getvalue() for stream in self.streams]
        for stream in self.streams:
            stream.seek(0)
            stream.truncate()
        return Captured(*texts)


def capsys() -> typing.Iterator[Capture]:
    """Fixture with both streams captured."""
    capture = Capture()
    with (
        contextlib.redirect_stdout(capture.streams[0]),
        contextlib.redirect_stderr(capture.streams[1]),
    ):
        yield capture


def tmp_path() -> object:
    """Fixture with a folder of the test's own."""
    import pathlib
    import tempfile

    return pathlib.Path(tempfile.mkdtemp())


def monkeypatch() -> typing.Iterator[object]:
    """Fixture whose ``setattr``, ``setitem`` and ``setenv`` are undone after the test."""
    import unittest.mock as mock

    class Patch:
        def setattr(self, target: typing.Any, name: typing.Any, *value: object) -> None:
            patch = (
                mock.patch(target, name) if not value else mock.patch.object(target, name, *value)
            )
            patch.start()

        def setitem(self, target: typing.Any, key: object, value: object) -> None:
            mock.patch.dict(target, {key: value}).start()

        def setenv(self, name: str, value: str) -> None:
            mock.patch.dict("os.environ", {name: value}).start()

    yield Patch()
    mock.patch.stopall()


BUILT_IN = {"capsys": capsys, "tmp_path": tmp_path, "monkeypatch": monkeypatch}


def module() -> types.ModuleType:
    """A module that replaces pytest."""
    made = types.ModuleType("pytest")

    def missing(name: str) -> object:
        raise Limit(f"pytest.{name}")

    parts = {
        "raises": raises, "approx": Approx, "mark": Mark(), "fixture": fixture, "fail": fail,
        "param": lambda *values, **options: Param(values), "main": lambda *args, **kwargs: 0,
        "__getattr__": missing,
    }  # fmt: skip
    vars(made).update(parts)
    sys.modules.setdefault("pytest", made)
    return made
