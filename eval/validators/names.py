"""The names that a program binds at its top level, and lines there that are words instead of code.

A model writes the language, a heading or a remark on a line of its own (``python``, ``Solution``,
``Done``). Such a line parses as an expression of an unbound name.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator, Sequence
from enum import IntEnum

from eval.validators.extract import parsed

_OF_SITE = {"copyright", "credits", "exit", "help", "license", "quit"}
_ALWAYS = {*dir(builtins), "__file__", "__annotations__"} - _OF_SITE
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_ACTS = (
    ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.Lambda, ast.JoinedStr,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


class Firmness(IntEnum):
    """How a name is bound."""

    NOT = 0
    LOOSELY = 1
    """Loose binding: an import, a function or class without a body of its own, a name for an
    imported object, or the variable of a loop, a ``with`` or an ``except``."""
    DEFINED = 2


def defined(source: str) -> set[str]:
    """Names that the top level of ``source`` binds, and the methods of a class ``Solution``; empty
    where it does not parse."""
    return set(bound(source))


def firmness(source: str, name: str) -> Firmness:
    """How the top level of ``source`` binds ``name``."""
    return bound(source).get(name, Firmness.NOT)


def bound(source: str) -> dict[str, Firmness]:
    """How the top level of ``source`` binds each of its names; empty where it does not parse."""
    tree = parsed(source)
    found: dict[str, Firmness] = {}
    imported: set[str] = set()
    for name, how in _bindings(tree.body if tree else [], imported):
        found[name] = max(how, found.get(name, Firmness.NOT))
    return found


def parser_lines(source: str) -> list[str]:
    """The lines of ``source`` as Python's parser counts them, with their line ends."""
    return _LINES.findall(source)


def without_words(source: str) -> str:
    """``source`` without statements at its top level that are only words; an exact slice where they
    stand at its ends."""
    tree = parsed(source)
    if tree is None or not any(isinstance(node, (ast.Expr, ast.AnnAssign)) for node in tree.body):
        return source
    told = {name for n in ast.walk(tree) if isinstance(n, ast.Global) for name in n.names}
    known = _ALWAYS | defined(source) | told
    # Lines with a statement after a semicolon.
    shared = {node.lineno for node in tree.body if node.col_offset}
    words = [
        not shared.intersection((node.lineno, node.end_lineno)) and _is_words(node, known)
        for node in tree.body
    ]
    if not any(words) or all(words):
        return source
    lines = parser_lines(source)
    first, last = words.index(False), len(words) - 1 - words[::-1].index(False)
    for node, is_words in zip(tree.body[first:last], words[first:last], strict=True):
        if is_words:
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = "\n"
    end = tree.body[last + 1].lineno - 1 if last + 1 < len(words) else len(lines)
    start = (tree.body[first - 1].end_lineno or 0) if first else 0
    return "".join(lines[start:end])


def _is_words(node: ast.stmt, known: set[str]) -> bool:
    """Whether a statement only looks up names, of which one is not ``known``."""
    if isinstance(node, ast.AnnAssign) and node.value is None and node.simple:
        value = node.annotation  # "Language: Python"
    elif isinstance(node, ast.Expr):
        value = node.value
    else:
        return False
    inner = list(ast.walk(value))
    return not any(isinstance(n, _ACTS) for n in inner) and any(
        isinstance(n, ast.Name) and n.id not in known for n in inner
    )


def _bindings(body: Sequence[ast.stmt], imported: set[str]) -> Iterator[tuple[str, Firmness]]:
    """Each binding of a block; ``imported`` collects names from modules outside the standard
    library."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, _of(node)
            if isinstance(node, ast.ClassDef) and node.name == "Solution":
                methods = (ast.FunctionDef, ast.AsyncFunctionDef)
                yield from ((n.name, _of(n)) for n in node.body if isinstance(n, methods))
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                name = (alias.asname or alias.name).partition(".")[0]
                module = getattr(node, "module", alias.name) or ""
                if module.partition(".")[0] not in sys.stdlib_module_names:
                    imported.add(name)
                yield name, Firmness.LOOSELY
            continue
        names = set(_stored(node))
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        made = value is not None
        if _root(value) in imported:
            imported |= names
        how = Firmness.DEFINED if made and not names & imported else Firmness.LOOSELY
        if made or not isinstance(node, ast.AnnAssign):
            yield from ((name, how) for name in names)
        if isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name, Firmness.LOOSELY
        for part in ("body", "orelse", "handlers", "finalbody", "cases"):
            inner = getattr(node, part, [])
            yield from _bindings(inner if isinstance(inner, list) else [], imported)


def _stored(node: ast.AST) -> Iterator[str]:
    """Names that a statement itself binds, without those of its blocks and of inner scopes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.stmt, ast.ExceptHandler, ast.Lambda, *_ACTS[-4:])):
            continue
        if type(child).__name__ == "match_case":
            continue
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        yield from _stored(child)


def _root(value: ast.expr | None) -> str:
    """The name that an attribute, or a call of one, is taken from: ``a`` of ``a.b().c``."""
    while isinstance(value, (ast.Attribute, ast.Call)):
        value = value.func if isinstance(value, ast.Call) else value.value
    return value.id if isinstance(value, ast.Name) else ""


def _of(node: ast.stmt) -> Firmness:
    """Whether a function or class has a body of its own."""
    return Firmness.LOOSELY if _is_stub(node) else Firmness.DEFINED


def _is_stub(node: ast.stmt) -> bool:
    """Whether a statement belongs to a skeleton without an implementation."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        built_on = isinstance(node, ast.ClassDef) and (node.bases or node.decorator_list)
        return not built_on and all(map(_is_stub, node.body))
    if isinstance(node, ast.Pass):
        return True
    if isinstance(node, ast.Raise):
        return _root(node.exc) == "NotImplementedError"
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Return):
        given = node.value
        return given is None or (isinstance(given, ast.Constant) and given.value in (None, ...))
    return isinstance(node, ast.AnnAssign) and node.value is None
