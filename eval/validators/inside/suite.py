"""Runs test code as its author intended: asserts, ``check(candidate)``, unittest, pytest's
functions.

The same runner is used for both kinds of trial, with the candidate in another process
(``judge.py``) and in this one (``together.py``). Raises the exception of the first failing test.
"""

from __future__ import annotations

import ast
import sys
import types

from .plain import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

SOURCE = "test.py"


def parse(test: str) -> ast.Module:
    """The syntax tree of the tests."""
    return ast.parse(test, SOURCE)


def run(test: str, tree: ast.Module, scope: dict[str, typing.Any], entry: str) -> None:
    """Run all of the tests in ``scope``, where the candidate is ``entry``."""
    module = sys.modules[scope["__name__"]]
    if "pytest" in test:
        from . import pytest_part

        sys.modules.setdefault("pytest", pytest_part.module())
    if "unittest" in test:
        import unittest

        unittest.main = lambda *args, **kwargs: None  # type: ignore[assignment]
    exec(compile(test, SOURCE, "exec", dont_inherit=True), scope)
    if vars(module) is not scope:
        vars(module).update(scope)
    own = [
        node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    ]
    for node in own:
        value = scope.get(node.name)
        if node.name == "check" and callable(value) and not _calls(tree, "check"):
            value(scope[entry])
        elif isinstance(value, type):
            _run_class(value, scope)
        elif not node.name.startswith("test") or _calls(tree, node.name):
            continue
        elif isinstance(value, types.FunctionType):
            _run_function(value, scope)


def _calls(tree: ast.Module, name: str) -> bool:
    """Whether the tests themselves call one of their functions."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            continue
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and getattr(inner.func, "id", None) == name:
                return True
    return False


def _run_class(value: type, scope: dict[str, typing.Any]) -> None:
    unittest = sys.modules.get("unittest")
    if unittest is not None and issubclass(value, unittest.TestCase):
        _run_case(unittest, value)
    elif value.__name__.startswith("Test"):
        for name in [name for name in vars(value) if name.startswith("test")]:
            made = value()
            for before in ("setup_class", "setup_method", "setup"):
                _call_if_there(made, before)
            _run_function(getattr(made, name), scope)
            for after in ("teardown_method", "teardown", "teardown_class"):
                _call_if_there(made, after)


def _call_if_there(made: object, name: str) -> None:
    method = getattr(made, name, None)
    if method is not None:
        method(*[None] * len(_parameters(method)))


def _run_case(unittest: typing.Any, value: type) -> None:
    class Result(unittest.TestResult):  # type: ignore[misc]
        """Stores the exceptions, and stops at the first."""

        raised: typing.ClassVar[list[BaseException]] = []

        def addError(self, test: object, err: typing.Any) -> None:
            self.raised.append(err[1])
            self.stop()

        addFailure = addError

        def addSubTest(self, test: object, subtest: object, err: typing.Any) -> None:
            if err is not None:
                self.addError(subtest, err)

        def addUnexpectedSuccess(self, test: object) -> None:
            self.addError(test, (None, AssertionError(f"{test} succeeds"), None))

    result = Result()
    unittest.defaultTestLoader.loadTestsFromTestCase(value).run(result)
    if result.raised:
        raise result.raised[0]
    if result.skipped:
        raise Limit(f"a test that is skipped: {result.skipped[0][1]}")


def _run_function(function: typing.Any, scope: dict[str, typing.Any]) -> None:
    """Run one test function, with the values and fixtures that it requires."""
    given: list[dict[str, object]] = [{}]
    for names, rows in getattr(function, "parametrized", ()):
        given = [{**some, **dict(zip(names, row))} for row in rows for some in given]  # noqa: B905
    for values in given:
        with _Fixtures(scope) as fixtures:
            for name in _parameters(function):
                if name not in values:
                    values[name] = fixtures.value(name)
            _finish(function(**values))


def _parameters(function: typing.Any) -> list[str]:
    """The names of the arguments that a test, or a fixture, requires."""
    import inspect

    return list(inspect.signature(function).parameters)


def _finish(value: object) -> None:
    if isinstance(value, types.CoroutineType):
        import asyncio

        asyncio.run(value)


class _Fixtures:
    """The fixtures of one test, created when requested and torn down at its end."""

    def __init__(self, scope: dict[str, typing.Any]) -> None:
        self.scope = scope
        self.made: dict[str, object] = {}
        self.open: list[typing.Any] = []

    def __enter__(self) -> _Fixtures:
        for name, value in list(self.scope.items()):
            if isinstance(value, types.FunctionType) and vars(value).get("fixture_for_all"):
                self.value(name)
        return self

    def __exit__(self, *error: object) -> None:
        for end in reversed(self.open):
            next(end, None)

    def value(self, name: str) -> object:
        """The fixture's value. Raises Limit for an unknown fixture."""
        if name not in self.made:
            function = self.scope.get(name)
            if not (
                isinstance(function, types.FunctionType) and hasattr(function, "fixture_for_all")
            ):
                from .pytest_part import BUILT_IN

                if name not in BUILT_IN:
                    raise Limit(f"the fixture {name} of the tests")
                function = BUILT_IN[name]
            needs = {need: self.value(need) for need in _parameters(function)}
            made: typing.Any = function(**needs)
            if isinstance(made, types.GeneratorType):
                self.open.append(made)
                made = next(made)
            self.made[name] = made
        return self.made[name]
