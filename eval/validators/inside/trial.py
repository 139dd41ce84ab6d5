"""One trial of a candidate: tests and candidate in two processes, or both in one.

Each trial writes a verdict: ``{"passed": true}``, or the failure, with ``stage`` ``load``, ``test``
or ``end``, ``type``, ``message`` and ``line``; ``limit`` names a value that could not be sent.
"""

from __future__ import annotations

import ast
import builtins
import os
import resource
import sys
import time
import types

from ..driver import describe, find, load
from . import suite
from .forwarding import is_class
from .judge import Judge, TimeSpent
from .lending import TESTS
from .peer import Gone
from .plain import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing

OWN = 4
"""Divisor of the CPU limit. If the candidate's time ran out while the tests' side, which copies as
much, spent less than this part of the limit, the candidate itself used up its time."""


def apart(job: dict[str, typing.Any], source: str) -> dict[str, object]:
    """Trial with the tests in this process and the candidate in one of its own."""
    tree = suite.parse(job["test"])
    module = sys.modules[TESTS] = types.ModuleType(TESTS)
    scope = vars(module)
    judge = Judge(*_start(job["modules"]), scope, tree)
    stage = "load"
    try:
        own = _class_names(tree) | _class_names(ast.parse(job["prompt"]))
        judge.send(("done", (source, job["entry_point"], tuple(own))))
        told, *ready = judge.answer()
        if told == "load":
            return {"stage": "load", "definite": True, **dict(ready[0])}
        stage = "test"
        judge.missing = set(ready[2])
        _set_scene(judge, job, tree, ready[0], own.intersection(ready[1]))
        before = judge.asked
        suite.run(job["test"], tree, scope, job["entry_point"])
        if judge.asked == before:
            raise Limit(f"tests that never use {job['entry_point']}")
        judge.look_for_ends()
        if judge.crossed:
            raise judge.crossed[0]
        verdict: dict[str, object] = {"passed": True}
    except TimeSpent:
        verdict = {"stage": stage, "type": "timeout", "definite": _hardly_copied()}
    except Gone as gone:
        verdict = {"stage": stage, "type": "Gone", "message": str(gone)}
    except BaseException as error:  # noqa: BLE001 - a verdict, whatever it is
        verdict = {"stage": stage, **told_of(error, job)}
        if judge.ended:
            verdict["definite"] = True
    if Limit.noted:
        more = {"passed": False, "definite": False, "limit": Limit.noted[0]}
        verdict = {"stage": stage, **verdict, **more}
    return verdict


def _hardly_copied() -> bool:
    """Whether this process has spent only a small part of the CPU limit that applies to both
    processes."""
    limit, _ = resource.getrlimit(resource.RLIMIT_CPU)
    return limit == resource.RLIM_INFINITY or time.process_time() * OWN < limit


def together(job: dict[str, typing.Any], source: str) -> dict[str, object]:
    """Trial with both in this process and in one namespace. Only a failure is reliable."""
    scope = load(source, "candidate")
    scope[job["entry_point"]] = find(scope, job["entry_point"])
    try:
        suite.run(job["test"], suite.parse(job["test"]), scope, job["entry_point"])
    except BaseException as error:  # noqa: BLE001 - a verdict, whatever it is
        verdict: dict[str, object] = {"stage": "test", **told_of(error, job)}
        if Limit.noted:
            verdict["limit"] = Limit.noted[0]
        return verdict
    return {"passed": True}


def _start(modules: bytes) -> tuple[int, tuple[int, int]]:
    """Start the candidate's process as a new program, which has nothing of this process except two
    pipes."""
    asks, asked = os.pipe(), os.pipe()
    for descriptor in (asks[0], asked[1]):
        os.set_inheritable(descriptor, True)
    python = [sys.executable, "-I", "-S", "-B", "-X", "utf8"]
    process = os.posix_spawn(
        sys.executable,
        [*python, "/run/program.py", "candidate", str(asks[0]), str(asked[1])],
        {name: value for name, value in os.environ.items() if name != "RESULT_FD"},
    )
    os.close(asks[0])
    os.close(asked[1])
    data = len(modules).to_bytes(8, "big") + modules
    while data:
        data = data[os.write(asks[1], data) :]
    return process, (asked[0], asks[1])


def _class_names(tree: ast.Module) -> set[str]:
    """Names of classes that code defines, test cases excluded."""
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and not any("TestCase" in ast.unparse(base) for base in node.bases)
    }


def _set_scene(judge: Judge, job: dict[str, typing.Any], tree: ast.Module,
               theirs: tuple[str, ...], common: set[str]) -> None:  # fmt: skip
    """Fill the tests' namespace: helpers of the prompt, names of the candidate."""
    scope, entry = judge.scope, job["entry_point"]
    judge.wire.common, judge.wire.scope = frozenset(common), scope
    exec(compile(job["prompt"], "prompt.py", "exec", dont_inherit=True), scope)
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    wanted = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in sorted(wanted.intersection(theirs) - imported - common):
        if name not in scope and not hasattr(builtins, name):
            scope[name] = judge.told[name] = judge.request("name", name)
    scope[entry] = judge.request("name", "")
    classes = used_as_classes(tree)
    aliases = {
        node.args.args[0].arg
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "check" and node.args.args
    }
    for name in [*classes, *([entry] if classes & aliases else [])]:
        if is_class(scope.get(name)):
            kind: typing.Any = scope[name]
            judge.classes.add(kind)


def told_of(error: BaseException, job: dict[str, typing.Any]) -> dict[str, object]:
    """Type and message of an exception, the line of the tests, and whose code raised it."""
    trace, line, file = error.__traceback__, 0, ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name == suite.SOURCE:
            line = trace.tb_lineno
        if name in (suite.SOURCE, "candidate.py", "prompt.py"):
            file = name
        trace = trace.tb_next
    lines = job["test"].split("\n")
    text = lines[line - 1].strip()[:300] if 0 < line <= len(lines) else ""
    return {**describe(error), "line": text, "by": file}


def used_as_classes(tree: ast.Module) -> set[str]:
    """Names that test code uses like classes, not like functions that return plain data."""
    names: set[str] = set()
    made: dict[str, str] = {}
    reads: set[str] = set()

    def called(node: ast.expr) -> str | None:
        inner = node.func if isinstance(node, ast.Call) else None
        return inner.id if isinstance(inner, ast.Name) else None

    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            reads.add(ast.unparse(node.value))
            names.add(
                called(node.value) or (node.value.id if isinstance(node.value, ast.Name) else "")
            )
        elif isinstance(node, ast.Assign) and called(node.value):
            made.update({ast.unparse(t): called(node.value) or "" for t in node.targets})
        elif isinstance(node, ast.Compare):
            names |= {called(other) or "" for other in node.comparators}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
            "isinstance",
            "issubclass",
        ):
            names |= {
                n.id for arg in node.args[1:] for n in ast.walk(arg) if isinstance(n, ast.Name)
            }
    return names | {name for target, name in made.items() if target in reads}
