"""The whole program in an answer that should define a name: found, completed, or given up.

Models wrap code in prose and several fences, stop in the middle, indent, continue the prompt instead
of repeating it, and leave out the imports that the prompt showed. What is done about it here never
changes a statement of the program; a complete block that does not parse stays as it is.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence

from eval.validators.extract import PYTHON_NAMES, Block, blocks, extract_code, strip_thoughts

_START = re.compile(r"^(?:from|import|async def|def|class|@\w)", re.MULTILINE)
_FENCE_END = re.compile(r"(?:`{3,}|~{3,})[ \t]*$")
_FENCE_LINE = re.compile(r"^\s*(?:`{3,}|~{3,})[\w.+-]*\s*$")
MOST_CUTS = 20
MOST_STARTS = 10
LONGEST = 200_000
"""Characters of an answer that is worth more than a plain look."""


def complete_program(text: str, entry_point: str | None, prompt: str = "") -> str | None:
    """The program of ``text`` that defines ``entry_point``; ``None`` where there is no code.

    ``prompt`` is the code that the answer goes on from or repeats; its imports and helpers before
    ``entry_point`` are put in front. Where nothing that defines ``entry_point`` parses, the result
    is what :func:`eval.validators.extract.extract_code` finds, for the error message.
    """
    plain = extract_code(text, entry_point)
    if entry_point is None or plain is None:
        return plain
    head = preamble(prompt, entry_point)
    if len(text) <= LONGEST:
        answer = strip_thoughts(text)
        for source in _sources(answer, entry_point, prompt):
            # parsing alone would take a body that lost its indentation for a program
            if entry_point in defined(source) and _compiles(source):
                return _joined(head, source)
    return _joined(head, plain)


def preamble(prompt: str, entry_point: str) -> str:
    """What ``prompt`` defines before ``entry_point``: imports and helpers; empty if it does not parse."""
    opening = re.search(rf"^(?:async\s+def|def|class)\s+{re.escape(entry_point)}\b", prompt, re.M)
    head = prompt[: opening.start()] if opening else ""
    return head if head.strip() and _parses(head) else ""


def defined(source: str) -> set[str]:
    """Names that the top level of ``source`` binds, and the methods of a class ``Solution``; empty
    where it does not parse."""
    tree = _parsed(source)
    names: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
            if isinstance(node, ast.ClassDef) and node.name == "Solution":
                names |= {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        else:
            names |= {
                n.id
                for n in ast.walk(node)
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
    return names


def _sources(answer: str, entry_point: str, prompt: str) -> Iterator[str]:
    """Readings of the answer, the likeliest first."""
    fenced = [b for b in blocks(answer) if b.text.strip()]
    python = [b for b in fenced if b.language in PYTHON_NAMES] or fenced
    for number in reversed(range(len(python))):
        for text in _variants(python[number]):
            if entry_point in defined(text):
                yield _with_helpers(text, python[:number])
    if len(python) > 1:
        yield "\n".join(b.text for b in python)
    if not fenced:
        for match in list(_START.finditer(answer))[:MOST_STARTS]:
            yield _cut(answer[match.start() :])
        if answer[:1] in (" ", "\t"):
            yield textwrap.dedent(answer)
    if prompt:
        for body in [b.text for b in python] or [answer]:
            yield from _continued(prompt, body)


def _variants(block: Block) -> Iterator[str]:
    """The block as it is; else without fences left inside; cut off where the answer was."""
    yield block.text
    lines = [_FENCE_END.sub("", x) for x in block.text.splitlines() if not _FENCE_LINE.match(x)]
    bare = textwrap.dedent("\n".join(lines) + "\n")
    yield bare
    if not block.closed:
        yield _cut(bare)


def _with_helpers(source: str, earlier: Sequence[Block]) -> str:
    """``source`` after those earlier blocks of pure definitions that bind names it lacks."""
    tree = _parsed(source)
    assert tree is not None
    missing = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - defined(source)
    helpers: list[str] = []
    for block in reversed(earlier):
        other = _parsed(block.text)
        pure = other and not any(isinstance(n, (ast.Expr, ast.For, ast.While)) for n in other.body)
        if pure and missing & (names := defined(block.text)):
            helpers.insert(0, block.text)
            missing -= names
    return "\n".join([*helpers, source])


def _continued(prompt: str, body: str) -> Iterator[str]:
    """``body`` as the body of the function that ``prompt`` opens."""
    head = prompt.rstrip() + "\n"
    trimmed = re.sub(r"\A(?:[ \t\r]*\n)+", "", body)
    yield head + trimmed
    first, _, rest = trimmed.partition("\n")
    if rest[:1] in (" ", "\t"):  # the first line alone lost its indentation
        yield f"{head}    {first.lstrip()}\n{rest}"
    yield head + textwrap.indent(textwrap.dedent(trimmed), "    ")


def _cut(source: str) -> str:
    """``source`` up to the statement in which it stops parsing; itself where it parses."""
    for _ in range(MOST_CUTS):
        try:
            ast.parse(source)
        except SyntaxError as error:
            line = error.lineno or 1
            lines = source.splitlines(keepends=True)
            source = "".join(lines[: min(line, len(lines)) - 1])
        except (ValueError, RecursionError, MemoryError):
            return ""
        else:
            break
    return source


def _joined(head: str, source: str) -> str:
    whole = f"{head}\n{source}" if head else source
    return whole if not head or _compiles(whole) or not _compiles(source) else source


def _compiles(source: str) -> bool:
    try:
        compile(source, "candidate.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _parses(source: str) -> bool:
    return _parsed(source) is not None


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
