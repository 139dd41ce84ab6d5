"""The program, or the text, that a model's answer carries."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, replace

PYTHON_NAMES = frozenset({"", "python", "python3", "py", "py3", "pycon", "ipython"})
_OPENING = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*(.*?)[ \t]*$")
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """A fenced block: the language of its fence, lower case, and its text."""

    language: str
    text: str
    closed: bool = True
    """False where the answer ends inside the block."""


def strip_thoughts(text: str) -> str:
    """``text`` without ``<think>`` parts; a part that never closes takes all that follows.

    A closing tag alone ends a thought that the prompt template opened.
    """
    rest = _THOUGHT.sub("", text)
    return _THOUGHT_END.split(rest)[-1]


def blocks(text: str) -> list[Block]:
    """The fenced blocks of ``text``, in order; one that never closes runs to the end."""
    found: list[Block] = []
    fence, indent, language, body = "", "", "", list[str]()
    for line in text.splitlines():
        opening = _OPENING.match(line)
        if not fence:
            if opening and "`" not in opening[3]:
                indent, fence, info = opening.groups()
                language, body = _language(info), []
        elif opening and not opening[3] and opening[2].startswith(fence):
            found.append(_block(language, body, indent))
            fence = ""
        else:
            body.append(line)
    if fence:
        found.append(replace(_block(language, body, indent), closed=False))
    return found


def extract_code(text: str, entry_point: str | None = None) -> str | None:
    """The program in ``text``: the fenced block that defines ``entry_point`` (the last one of
    several), else the last Python block, else the last block, else the whole text. None where
    nothing is left."""
    answer = strip_thoughts(text)
    fenced = [block for block in blocks(answer) if block.text.strip()]
    python = [block for block in fenced if block.language in PYTHON_NAMES] or fenced
    if not python:
        return answer if answer.strip() and not blocks(answer) else None
    if entry_point is not None:
        name = re.escape(entry_point)
        defines = re.compile(rf"^\s*(?:(?:async\s+)?def|class)\s+{name}\b|^{name}\s*[:=]", re.M)
        defining = [block for block in python if defines.search(block.text)]
        python = defining or python
    return python[-1].text


def _language(info: str) -> str:
    # "python", "python title=x", "{.python .numberLines}", "python:main.py"
    words = re.findall(r"[\w+#-]+", info.lower())
    return words[0] if words else ""


def _block(language: str, lines: list[str], indent: str) -> Block:
    text = "\n".join(lines) + "\n"
    return Block(language, textwrap.dedent(text) if indent else text)
