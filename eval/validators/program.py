"""Finds the whole program in an answer, and completes it where needed and possible.

Models wrap code in prose, fences and markers, stop in the middle, indent, continue the prompt
instead of repeating it, and leave out the imports that the prompt showed. Readings are tried in the
order of their likelihood; the first ones are exact slices of the answer, and a reading that changes
anything is tried only where no slice is a program. A complete block that does not parse stays
unchanged.
"""

from __future__ import annotations

import ast
import doctest
import html
import keyword
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
from eval.validators.names import (
    Firmness,
    bound,
    defined,
    firmness,
    parser_lines,
    without_words,
)

_START = re.compile(
    r"^(?:(?:from|import|async def|def|class)\s|@\w|#|\"\"\"|'''|[A-Za-z_]\w*\s*(?::[^=\n]+)?=(?!=))",
    re.MULTILINE,
)
_WORDS = "BEGIN|DONE|END|PYTHON|CODE|ANSWER|SOLUTION"
# Possessive, and begun where a run of characters begins: the time grows with the text, not its square.
_MARKER = re.compile(
    rf"(?<![ \t])[ \t]*+(?:\[/?(?:{_WORDS})\]"
    r"|</?(?:(?i:code|pre|answer|solution|python|output|execute|script)(?:\s[^<>\n]*)?|s)>"
    r"|<\|[\w/|]+\|>|\\(?:begin|end)\{\w+\})(?:[ \t\r]*\n)?"
)
_CLOSING = re.compile(r"^(?:`{3,}|~{3,})[ \t\r]*$", re.MULTILINE)
_FENCE_END = re.compile(r"(?:(?<!`)`{3,}+|(?<!~)~{3,}+)[ \t\r]*+$")
_FENCE_LINE = re.compile(r"\s*(?:`{3,}|~{3,})[\w.+-]*\s*$")
_SPAN = re.compile(r"(`{3,99}+)(?:(?:python3?|py)[ \t]++)?([^`\n]++)\1")
MOST_CUTS = 20
MOST_STARTS = 10
MOST_MARKERS = 10
MOST_FENCES = 10


def extract_code(text: str, entry_point: str | None = None) -> str | None:
    """The program in ``text``, unchanged: the fenced block that defines ``entry_point`` (the last one
    of several), else the last Python block, else the last block, else the whole text. None where
    nothing is left."""
    source = _found(text, entry_point, lambda answer: _slices(answer, entry_point))
    if source is not None:
        return source
    answer = strip_thoughts(text)
    fenced = [block for block in blocks(answer) if block.text.strip()]
    if not fenced:
        return answer if answer.strip() and not blocks(answer) else None
    return _bare((_python(fenced) or fenced)[-1])


def complete_program(text: str, entry_point: str | None, prompt: str = "") -> str | None:
    """The program of ``text`` that defines ``entry_point``; ``None`` where there is no code.

    ``prompt`` is the code that the answer continues or repeats; its imports and helpers before
    ``entry_point`` are put in front. Where nothing that defines ``entry_point`` parses, the result
    is that of :func:`extract_code`, for the error message.
    """
    plain = extract_code(text, entry_point)
    if entry_point is None or plain is None:
        return plain
    head = preamble(prompt, entry_point)
    # The test of parsing alone would accept a body that lost its indentation.
    source = _found(text, entry_point, lambda answer: _sources(answer, entry_point, prompt))
    return _joined(head, plain if source is None else source)


def preamble(prompt: str, entry_point: str) -> str:
    """Imports and helpers that ``prompt`` defines before ``entry_point``; empty if it does not
    parse."""
    opening = re.search(rf"^(?:async\s+def|def|class)\s+{re.escape(entry_point)}\b", prompt, re.M)
    head = prompt[: opening.start()] if opening else ""
    return head if head.strip() and parsed(head) is not None else ""


def _found(
    text: str, entry_point: str | None, readings: Callable[[str], Iterator[str]]
) -> str | None:
    """The first reading of the answer in ``text`` that fits; None where there is none."""
    if len(text) > LONGEST:
        return None
    answer = after_thoughts(text)
    if has_tags(answer):  # Tags in the program itself, or around a thought.
        source = _best(readings(answer), entry_point) or ""
        if has_tags(source):
            return source
        answer = strip_thoughts(text)
    return _best(readings(answer), entry_point)


def _best(readings: Iterator[str], entry_point: str | None) -> str | None:
    """The first reading that defines ``entry_point``, else the first that binds it in any way, else
    None; without ``entry_point`` the first that does anything."""
    loose: str | None = None
    for source in map(without_words, readings):
        if entry_point is None:
            firm = Firmness.DEFINED if is_program(source) else Firmness.NOT
        else:
            firm = firmness(source, entry_point)
        if firm is Firmness.DEFINED and _compiles(source):
            return source
        if firm and loose is None and _compiles(source):
            loose = source
    return loose


def _slices(answer: str, entry_point: str | None) -> Iterator[str]:
    """Exact pieces of the answer that may be its program, the likeliest first."""
    fenced = [b for b in blocks(answer) if b.text.strip()]
    pieces = [answer, *(_bare(block) for block in reversed(_python(fenced)))]
    for match in list(_CLOSING.finditer(answer))[:MOST_FENCES]:
        pieces.append(answer[: match.start()])  # The prompt opened the fence that this closes.
    for block in reversed(fenced):
        inner = [b for b in blocks(block.text) if b.text.strip()]
        pieces += map(_bare, reversed(inner))
    if entry_point is not None:  # Perhaps only the tests were marked as Python.
        others = [block for block in reversed(fenced) if block.language not in PYTHON_NAMES]
        pieces += map(_bare, sorted(others, key=lambda block: block.language != ""))
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
    yield from _slices(answer, entry_point)
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
            if entry_point not in defined(textwrap.dedent(body)):
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
    """The block without inner fences; truncated where the answer was."""
    lines = [_FENCE_END.sub("", x) for x in block.text.split("\n") if not _FENCE_LINE.match(x)]
    bare = textwrap.dedent("\n".join(lines) + "\n")
    yield bare
    if not block.closed:
        yield _cut(_bare(block))
        yield _cut(bare)


def _bare(block: Block) -> str:
    """The block's text, without the indentation of its fence unless it is a program with it."""
    text = without_mark(block.text)
    return text if parsed(text) is not None else without_mark(dedented(block))


def _told_otherwise(body: str) -> Iterator[str]:
    """``body`` read as a session with prompts, as a quotation, and as text of a web page."""
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
    """``source`` preceded by those earlier blocks of pure definitions that bind names it lacks."""
    source = without_words(source)
    tree = parsed(source)
    assert tree is not None
    missing = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - defined(source)
    helpers: dict[int, str] = {}
    for least in (Firmness.DEFINED, Firmness.LOOSELY):
        for number in reversed(range(len(earlier))):
            text = without_words(_bare(earlier[number]))
            other = parsed(text)
            pure = other and not any(
                isinstance(n, (ast.Expr, ast.For, ast.While)) for n in other.body
            )
            names = {name for name, how in bound(text).items() if how >= least}
            if pure and missing & names:
                helpers[number] = text
                missing -= defined(text)
    return "\n".join([*(helpers[number] for number in sorted(helpers)), source])


def _continued(prompt: str, body: str) -> Iterator[str]:
    """``body`` as the body of the function at the end of ``prompt``."""
    head = prompt.rstrip() + "\n"
    trimmed = re.sub(r"\A(?:[ \t\r]*\n)+", "", body)
    word, _, rest = trimmed.partition("\n")
    if word.strip().isidentifier() and not keyword.iskeyword(word.strip()):
        trimmed = rest  # The first line is a word above the code.
    yield head + trimmed
    first, _, rest = trimmed.partition("\n")
    if rest[:1] in (" ", "\t"):  # Only the first line lost its indentation.
        yield f"{head}    {first.lstrip()}\n{rest}"
    lines = textwrap.dedent(trimmed).split("\n")
    yield head + "\n".join("    " + line if line.strip() else line for line in lines)


def _cut(source: str) -> str:
    """``source`` up to the statement in which it stops parsing; unchanged where it parses."""
    for _ in range(MOST_CUTS):
        try:
            ast.parse(source)
        except SyntaxError as error:
            line = error.lineno or 1
            lines = parser_lines(source)
            source = "".join(lines[: min(line, len(lines)) - 1])
        except (ValueError, RecursionError, MemoryError):
            return ""
        else:
            break
    return source


def _python(fenced: Sequence[Block]) -> list[Block]:
    """The blocks that are marked as Python, else those without a language."""
    told = [block for block in fenced if block.language in PYTHON_NAMES]
    return told or [block for block in fenced if not block.language]


def _joined(head: str, source: str) -> str:
    whole = f"{head}\n{source}" if head else source
    return whole if not head or _compiles(whole) or not _compiles(source) else source


def _compiles(source: str) -> bool:
    try:
        compile(source, "candidate.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
