"""The whole program in an answer: found, completed, or given up.

Models wrap code in prose, fences and markers, stop in the middle, indent, continue the prompt instead
of repeating it, and leave out the imports that the prompt showed. Readings are tried from the
likeliest on; the first ones are exact slices of the answer, and a reading that changes anything is
tried only where no slice is a program. A complete block that does not parse stays as it is.
"""

from __future__ import annotations

import ast
import doctest
import html
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence

from eval.validators.extract import (
    LONGEST,
    PYTHON_NAMES,
    Block,
    after_thoughts,
    blocks,
    dedented,
    has_tags,
    is_program,
    parsed,
    strip_thoughts,
    without_mark,
)

_START = re.compile(
    r"^(?:(?:from|import|async def|def|class)\s|@\w|#|\"\"\"|'''|[A-Za-z_]\w*\s*(?::[^=\n]+)?=(?!=))",
    re.MULTILINE,
)
_WORDS = "BEGIN|DONE|END|PYTHON|CODE|ANSWER|SOLUTION"
_MARKER = re.compile(
    rf"[ \t]*(?:\[/?(?:{_WORDS})\]"
    r"|</?(?:(?i:code|pre|answer|solution|python|output|execute|script)(?:\s[^<>\n]*)?|s)>"
    r"|<\|[\w/|]+\|>|\\(?:begin|end)\{\w+\})(?:[ \t\r]*\n)?"
)
_CLOSING = re.compile(r"^(?:`{3,}|~{3,})[ \t\r]*$", re.MULTILINE)
_FENCE_END = re.compile(r"(?:`{3,}|~{3,})[ \t\r]*$")
_FENCE_LINE = re.compile(r"\s*(?:`{3,}|~{3,})[\w.+-]*\s*$")
_SPAN = re.compile(r"(`{3,})(?:(?:python3?|py)[ \t]+)?([^`\n]+)\1")
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
MOST_CUTS = 20
MOST_STARTS = 10
MOST_MARKERS = 10
MOST_FENCES = 10


def extract_code(text: str, entry_point: str | None = None) -> str | None:
    """The program in ``text``, unchanged: the fenced block that defines ``entry_point`` (the last one
    of several), else the last Python block, else the last block, else the whole text. None where
    nothing is left."""
    source = _found(text, entry_point, _slices)
    if source is not None:
        return source
    answer = strip_thoughts(text)
    fenced = [block for block in blocks(answer) if block.text.strip()]
    if not fenced:
        return answer if answer.strip() and not blocks(answer) else None
    return _bare((_python(fenced) or fenced)[-1])


def complete_program(text: str, entry_point: str | None, prompt: str = "") -> str | None:
    """The program of ``text`` that defines ``entry_point``; ``None`` where there is no code.

    ``prompt`` is the code that the answer goes on from or repeats; its imports and helpers before
    ``entry_point`` are put in front. Where nothing that defines ``entry_point`` parses, the result
    is what :func:`extract_code` finds, for the error message.
    """
    plain = extract_code(text, entry_point)
    if entry_point is None or plain is None:
        return plain
    head = preamble(prompt, entry_point)
    # parsing alone would take a body that lost its indentation for a program
    source = _found(text, entry_point, lambda answer: _sources(answer, entry_point, prompt))
    return _joined(head, plain if source is None else source)


def preamble(prompt: str, entry_point: str) -> str:
    """What ``prompt`` defines before ``entry_point``: imports and helpers; empty if it does not parse."""
    opening = re.search(rf"^(?:async\s+def|def|class)\s+{re.escape(entry_point)}\b", prompt, re.M)
    head = prompt[: opening.start()] if opening else ""
    return head if head.strip() and parsed(head) is not None else ""


def defined(source: str) -> set[str]:
    """Names that the top level of ``source`` binds, and the methods of a class ``Solution``; empty
    where it does not parse."""
    tree = parsed(source)
    return _bound(tree.body) if tree else set()


def _bound(body: Sequence[ast.stmt]) -> set[str]:
    names: set[str] = set()
    for node in body:
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
            for part in ("body", "orelse", "handlers", "finalbody"):
                inner = getattr(node, part, [])
                names |= _bound(inner if isinstance(inner, list) else [])
    return names


def _found(
    text: str, entry_point: str | None, readings: Callable[[str], Iterator[str]]
) -> str | None:
    """The first reading of the answer in ``text`` that fits; None where there is none."""
    if len(text) > LONGEST:
        return None
    answer = after_thoughts(text)
    if has_tags(answer):  # in the program itself, or around a thought
        source = next((s for s in readings(answer) if _fits(s, entry_point)), "")
        if has_tags(source):
            return source
        answer = strip_thoughts(text)
    return next((s for s in readings(answer) if _fits(s, entry_point)), None)


def _slices(answer: str) -> Iterator[str]:
    """Exact pieces of the answer that may be its program, the likeliest first."""
    fenced = [b for b in blocks(answer) if b.text.strip()]
    pieces = [answer, *(_bare(block) for block in reversed(_python(fenced)))]
    for match in list(_CLOSING.finditer(answer))[:MOST_FENCES]:
        pieces.append(answer[: match.start()])  # the prompt opened the fence that this closes
    for block in reversed(fenced):
        inner = [b for b in blocks(block.text) if b.text.strip()]
        pieces += map(_bare, reversed(inner))
    yield from filter(_is_clean, map(without_mark, pieces))
    for piece in pieces:
        yield from _between_markers(piece)


def _sources(answer: str, entry_point: str, prompt: str) -> Iterator[str]:
    """Readings of the answer, the likeliest first."""
    fenced = [b for b in blocks(answer) if b.text.strip()]
    if _is_clean(answer):
        yield answer
    python = _python(fenced)
    for number in reversed(range(len(python))):
        if entry_point in defined(text := _bare(python[number])) and _is_clean(text):
            yield _with_helpers(text, python[:number])
    yield from _slices(answer)
    python = python or fenced
    for number in reversed(range(len(python))):
        for text in _mended(python[number]):
            if entry_point in defined(text):
                yield _with_helpers(text, python[:number])
    if len(python) > 1:
        yield "\n".join(map(_bare, python))
    if not fenced:
        for match in list(_START.finditer(answer))[:MOST_STARTS]:
            yield _cut(answer[match.start() :])
        if answer[:1] in (" ", "\t"):
            yield textwrap.dedent(answer)
    yield from (match[2].strip() for match in _SPAN.finditer(answer))
    if prompt:
        for body in map(_bare, python) if python else [answer]:
            yield from _continued(prompt, body)
    for body in map(_bare, python) if python else [answer]:
        yield from _told_otherwise(body)


def _is_clean(source: str) -> bool:
    """Whether ``source`` parses and holds no marker as a statement (``[BEGIN]`` parses as a list)."""
    tree = parsed(source)
    return tree is not None and not any(_is_marker(node, source) for node in tree.body)


def _between_markers(source: str) -> Iterator[str]:
    """The parts of ``source`` between any two markers that parse, the longest first."""
    marks = [match.span() for match in _MARKER.finditer(source)][:MOST_MARKERS]
    edges = [(0, 0), *marks, (len(source), len(source))]
    spans = [(a, b) for n, (_, a) in enumerate(edges) for b, _ in edges[n + 1 :]]
    if marks:
        for start, end in sorted(spans, key=lambda span: span[0] - span[1]):
            if _is_clean(piece := without_mark(source[start:end])):
                yield piece


def _is_marker(node: ast.stmt, source: str) -> bool:
    """Whether a statement is a list like ``[BEGIN]``, or an opening fence of tildes."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, (ast.List, ast.UnaryOp)):
        return False
    text = ast.get_source_segment(source, node) or ""
    return text.startswith("~~~") or _MARKER.fullmatch(text) is not None


def _mended(block: Block) -> Iterator[str]:
    """The block without fences left inside; cut off where the answer was."""
    lines = [_FENCE_END.sub("", x) for x in block.text.split("\n") if not _FENCE_LINE.match(x)]
    bare = textwrap.dedent("\n".join(lines) + "\n")
    yield bare
    if not block.closed:
        yield _cut(_bare(block))
        yield _cut(bare)


def _bare(block: Block) -> str:
    """The block's text; without the indentation of its fence where it is no program with it."""
    text = without_mark(block.text)
    return text if parsed(text) is not None else without_mark(dedented(block))


def _told_otherwise(body: str) -> Iterator[str]:
    """``body`` as a session with prompts, as a quotation, and as text of a web page."""
    try:
        examples = doctest.DocTestParser().get_examples(body)
    except ValueError:
        examples = []
    yield "".join(example.source for example in examples)
    lines = body.split("\n")
    if all(not line.strip() or line.startswith(">") for line in lines):
        yield "\n".join(line.removeprefix(">").removeprefix(" ") for line in lines)
    if (plain := html.unescape(body)) != body:
        yield plain
        yield from _between_markers(plain)


def _with_helpers(source: str, earlier: Sequence[Block]) -> str:
    """``source`` after those earlier blocks of pure definitions that bind names it lacks."""
    tree = parsed(source)
    assert tree is not None
    missing = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - defined(source)
    helpers: list[str] = []
    for block in reversed(earlier):
        text = _bare(block)
        other = parsed(text)
        pure = other and not any(isinstance(n, (ast.Expr, ast.For, ast.While)) for n in other.body)
        if pure and missing & (names := defined(text)):
            helpers.insert(0, text)
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
    lines = textwrap.dedent(trimmed).split("\n")
    yield head + "\n".join("    " + line if line.strip() else line for line in lines)


def _cut(source: str) -> str:
    """``source`` up to the statement in which it stops parsing; itself where it parses."""
    for _ in range(MOST_CUTS):
        try:
            ast.parse(source)
        except SyntaxError as error:
            line = error.lineno or 1
            lines = _LINES.findall(source)  # the lines that the parser counts
            source = "".join(lines[: min(line, len(lines)) - 1])
        except (ValueError, RecursionError, MemoryError):
            return ""
        else:
            break
    return source


def _python(fenced: Sequence[Block]) -> list[Block]:
    """The blocks that say they are Python, else those that say nothing."""
    told = [block for block in fenced if block.language in PYTHON_NAMES]
    return told or [block for block in fenced if not block.language]


def _fits(source: str, entry_point: str | None) -> bool:
    """Whether ``source`` compiles and defines ``entry_point``; without one, whether it does anything."""
    if entry_point is not None:
        return entry_point in defined(source) and _compiles(source)
    return is_program(source) and _compiles(source)


def _joined(head: str, source: str) -> str:
    whole = f"{head}\n{source}" if head else source
    return whole if not head or _compiles(whole) or not _compiles(source) else source


def _compiles(source: str) -> bool:
    try:
        compile(source, "candidate.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
