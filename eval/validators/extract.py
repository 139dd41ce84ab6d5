"""Where the program, or the text, of a model's answer stands: positions of thoughts and of fences.

Everything here returns exact slices of the answer. A fence ends where CommonMark ends it, except that
a Python block ends at the first closing fence up to which it parses, so a fence inside a string
literal ends nothing. Lines end at newlines alone: the other separators that ``str.splitlines`` knows
may stand in a string literal. Source: https://spec.commonmark.org/0.31.2/#fenced-code-blocks.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

PYTHON_NAMES = frozenset({"python", "python3", "py", "py3", "pycon", "ipython", "ipython3"})
LONGEST = 200_000
"""Characters of an answer that is worth more than a plain look."""
MOST_ENDS = 20
"""Closing fences that are tried as the end of one block."""
# Possessive, and only where a line or the text begins: the time grows with the text, not its square.
_FENCE = re.compile(r"(?<![^\n\ufeff])([ \t]*+)(`{3,}+|~{3,}+)[ \t\r]*+([^\n]*+)$", re.MULTILINE)
_LATE_FENCE = re.compile(
    r"[^\S\n]*+[^`\s][^`\n]*+(`{3,}+)[ \t]*+([\w+#.-]*+)[ \t\r]*+$", re.MULTILINE
)
_TAG = r"think(?:ing)?|thoughts?|reasoning|reflection|scratchpad|seed:think"
_OPENED = re.compile(rf"<({_TAG})>|\[(THINK)\]|◁(think)▷", re.IGNORECASE)
_CLOSED = re.compile(rf"</({_TAG})>|\[/(THINK)\]|◁/(think)▷", re.IGNORECASE)
_BLANK = re.compile(r"[\s\ufeff]*")


@dataclass(frozen=True)
class Block:
    """A fenced block: the language of its fence, lower case, and its text."""

    language: str
    text: str
    """The lines between the fences as they stand in the answer, the last newline included."""
    closed: bool = True
    """False where the answer ends inside the block."""
    indent: str = ""
    """White space before the opening fence."""
    span: tuple[int, int] = (0, 0)
    """Where the block stands in the answer, its fences included."""

    @property
    def is_python(self) -> bool:
        """Whether its language, or that it names none, makes it Python."""
        return not self.language or self.language in PYTHON_NAMES


@functools.lru_cache(maxsize=64)
def parsed(source: str) -> ast.Module | None:
    """The syntax tree of ``source``; None where it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def is_program(source: str) -> bool:
    """Whether ``source`` parses and does anything: words alone can parse too."""
    tree = parsed(source)
    return tree is not None and any(
        not isinstance(node, ast.Expr) or isinstance(node.value, (ast.Call, ast.Await))
        for node in tree.body
    )


def strip_thoughts(text: str) -> str:
    """``text`` without the thoughts that a model writes before, or between, what it answers.

    A thought is ``<think>…</think>`` (or the like) that begins the text or a line, or follows a word
    without a space, outside fences and outside a program. One that never closes takes all that
    follows; a closing tag alone ends a thought that the prompt template opened. Tags in quotes or
    between spaces are words like others.
    """
    answer = after_thoughts(text)
    if not has_tags(answer) or len(text) > LONGEST or is_program(answer):
        return answer
    fenced = blocks(answer)
    for closing in _CLOSED.finditer(answer):
        if _OPENED.search(answer, 0, closing.start()):
            break
        if not _quoted(answer, closing) and not _inside_program(fenced, closing.start()):
            return strip_thoughts(answer[closing.end() :])
    return _without_later(answer, fenced)


def after_thoughts(text: str) -> str:
    """``text`` after a byte-order mark and the thoughts that it begins with."""
    text, start = without_mark(text), 0
    while opening := _OPENED.match(text, _skip(text, start)):
        closing = _closing(text, opening)
        if closing is None:
            return ""
        start = closing.end()
    return text[start:]


def has_tags(text: str) -> bool:
    """Whether a tag of a thought stands anywhere in ``text``."""
    return bool(_OPENED.search(text) or _CLOSED.search(text))


def blocks(text: str) -> list[Block]:
    """The fenced blocks of ``text``, in order; one that never closes runs to the end."""
    return list(_scan(text))


def dedented(block: Block) -> str:
    """The text without the white space that its fence is indented by, where every line has it."""
    lines = block.text.split("\n")
    indent = block.indent
    if not indent or any(line.strip() and not line.startswith(indent) for line in lines):
        return block.text
    return "\n".join(line.removeprefix(indent) for line in lines)


def without_mark(text: str) -> str:
    """``text`` after a byte-order mark."""
    return text.removeprefix("\ufeff")


def _scan(text: str) -> Iterator[Block]:
    position = 0
    while position < len(text):
        line_end = _line_end(text, position)
        opening = _FENCE.match(text, _skip_mark(text, position))
        if opening and not ("`" in opening[2] and "`" in opening[3]):
            indent, fence, info = opening.groups()
            block = _block(text, (position, line_end), (indent, fence, info), 3)
        elif late := _LATE_FENCE.match(text, position):
            block = _block(text, (position, line_end), ("", late[1], late[2]), 99)
        else:
            position = line_end
            continue
        yield block
        position = block.span[1]


def _block(text: str, line: tuple[int, int], opening: tuple[str, str, str], slack: int) -> Block:
    """The block whose opening fence stands on ``line``."""
    (indent, fence, info), start = opening, line[1]
    ends = [
        match
        for match in _FENCE.finditer(text, start)
        if not match[3] and match[2].startswith(fence) and _begins_line(text, match)
    ]
    depth = len(indent.expandtabs(4)) + slack
    near = [m for m in ends if len(m[1].expandtabs(4)) <= depth]
    language = _language(info)

    def made(end: int, after: int, closed: bool) -> Block:
        return Block(language, text[start:end], closed, indent, (line[0], after))

    closings = [made(m.start(), _line_end(text, m.start()), True) for m in near or ends]
    rest = made(len(text), len(text), False)
    tried = [*closings[:MOST_ENDS], rest]
    if len(tried) > 1 and rest.is_python and len(text) <= LONGEST:
        for block in tried:
            if any(parsed(without_mark(t)) is not None for t in (block.text, dedented(block))):
                return block
    return tried[0]


def _begins_line(text: str, match: re.Match[str]) -> bool:
    return match.start() == 0 or text[match.start() - 1] == "\n"


def _line_end(text: str, position: int) -> int:
    return text.find("\n", position) + 1 or len(text)


def _skip(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    return found.end() if found else position


def _skip_mark(text: str, position: int) -> int:
    return position + 1 if text.startswith("\ufeff", position) else position


def _language(info: str) -> str:
    # "python", "python title=x", "{.python .numberLines}", "python:main.py"
    words = re.findall(r"[\w+#-]+", info.lower())
    return words[0] if words else ""


def _closing(text: str, opening: re.Match[str]) -> re.Match[str] | None:
    """The tag that closes ``opening``; a quoted one only where there is no other."""
    name = (opening[1] or opening[2] or opening[3]).lower()
    same = [
        match
        for match in _CLOSED.finditer(text, opening.end())
        if (match[1] or match[2] or match[3]).lower() == name
    ]
    return next((m for m in same if not _quoted(text, m)), same[0] if same else None)


def _quoted(text: str, tag: re.Match[str]) -> bool:
    """Whether the tag stands in quotes that open and close on its line, right beside one of them."""
    before = text[text.rfind("\n", 0, tag.start()) + 1 : tag.start()]
    if not before.strip("` \t"):
        before = ""  # a fence closes here
    after = text[tag.end() : _line_end(text, tag.end())]
    for opens, closes in ('""', "''", "``", "“”", "‘’"):
        beside = before.endswith(opens) or after.startswith(closes)
        inside = (
            before.count(opens) % 2
            if opens == closes
            else before.rfind(closes) < before.rfind(opens)
        )
        if beside and inside and closes in after:
            return True
    return False


def _inside_program(fenced: list[Block], position: int) -> bool:
    """Whether a tag at ``position`` stands in a block that is a program as it is."""
    return any(
        block.span[0] <= position < block.span[1] and parsed(dedented(block)) is not None
        for block in fenced
    )


def _without_later(answer: str, fenced: list[Block]) -> str:
    """``answer`` without thoughts after its beginning."""
    kept, start = [], 0
    for opening in _OPENED.finditer(answer):
        at = opening.start()
        before = answer[answer.rfind("\n", 0, at) + 1 : at]
        glued = not before.strip() or before[-1].isalnum() or before[-1] in ".!?:>"
        if at < start or not glued or any(b.span[0] <= at < b.span[1] for b in fenced):
            continue
        if closing := _closing(answer, opening):
            kept.append(answer[start:at])
            start = closing.end()
        elif not any(block.closed and block.span[0] > at for block in fenced):
            return "".join([*kept, answer[start:at]])
    return "".join([*kept, answer[start:]])
