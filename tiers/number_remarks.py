"""Remarks beside a number: text in brackets after it, and lines that are notes.

A remark is about the answer and is not part of it: ``8 (2 steps)`` is 8. Where brackets may be more
than a remark (another value, a factor, the base of the digits), the number has no clear value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tiers.number_grammar import LINKS, SAYS, expressions
from tiers.number_tokens import Token

_FUNCTIONS = frozenset(
    ["sqrt", "root", "log", "ln", "exp", "sin", "cos", "tan", "gcd", "lcm", "max", "min"]
)
_BASES = frozenset(["base", "radix", "binary", "octal", "hex", "hexadecimal"])
_IN_BASE = frozenset(["in", "as", "written", "two", "eight", "ten", "sixteen"]) | _BASES
_UNCLEAR = Token("number", "()", spaced=True)
_BREAK = Token("stop", "", spaced=True)
_BRACKETED = re.compile(
    r"[\s*_>]*(?:[-•]\s+)?([(\[])([^()\[\]]|[(\[][^()\[\]]*[)\]])*[)\]][\s*_.]*"
)
_WORD = re.compile(r"[^\W\d_]{2}")
_FOOTNOTE = re.compile(r"\s*(?:\[\^?\w{1,3}\]:?|[†‡§¶]|\^\(\d{1,2}\))\s*\S")
_STAR, _STARRED = re.compile(r"\d ?\*(?!\*|[ \t]*[\w(\\])"), re.compile(r"\s*\*(?!\*)\s*\S")
_NOTE = re.compile(
    r"[\s*_>]*(?:(?:foot|side)?notes?|n\.? ?b\.?|p\.? ?s\.?|remarks?|hints?|sources?|references?)"
    r"[*_]*\s*:",
    re.IGNORECASE,
)


def is_remark(line: str) -> bool:
    """Whether a line of plain text is a footnote, or words in brackets from its beginning to its end."""
    bracketed = _BRACKETED.fullmatch(line) and _WORD.search(line)
    return bool(bracketed or _FOOTNOTE.match(line))


def is_starred(line: str, text: str) -> bool:
    """Whether a line is a footnote whose star stands behind a number of ``text``."""
    return _STARRED.match(line) is not None and _STAR.search(text) is not None


def is_note(line: str) -> bool:
    """Whether a line declares itself a note."""
    return _NOTE.match(line) is not None


def without_remarks(cut: Sequence[Token], *, marked: bool = False) -> list[Token]:
    """The tokens of a line without remarks in brackets. Brackets that make the number before them
    unclear become a number without a value; a factor does so, except behind a mark of the answer
    (``marked``)."""
    found: list[Token] = []
    at = 0
    while at < len(cut):
        token, end = cut[at], _end(cut, at)
        if end is None:
            based = _base(cut, at)
            found.append(
                token if not based else _BREAK if _is_ten(cut[at : at + based]) else _UNCLEAR
            )
            at += based or 1
            continue
        verdict = _about(found, cut[at + 1 : end], token, _at(cut, end + 1), marked)
        if verdict is None:
            found += cut[at : end + 1]
        elif verdict is not _BREAK or not _goes_on(_at(cut, end + 1)):
            found.append(verdict)
        at = end + 1
    return found


def _at(cut: Sequence[Token], index: int) -> Token:
    return cut[index] if index < len(cut) else _BREAK


def _end(cut: Sequence[Token], start: int) -> int | None:
    """Index at which the brackets end that open at ``start`` as a separate word, or the end of the
    line if they never close; None where no such brackets open."""
    before = cut[start - 1] if start else _BREAK
    apart = cut[start].spaced or before.kind in ("stop", "comma", "suffix")
    if cut[start].kind != "open" or not apart:
        return None
    depth = 0
    for index in range(start, len(cut)):
        depth += (cut[index].kind == "open") - (cut[index].kind == "close")
        if depth == 0:
            return index
    return len(cut)


def _about(
    before: Sequence[Token], inside: Sequence[Token], opening: Token, after: Token, marked: bool
) -> Token | None:
    """The replacement of brackets: a break for a remark, a number without a value for unclear
    content, None to keep them."""
    words = [t.text.lower() for t in inside if t.kind == "word" and len(t.text) > 1]
    if words and _IN_BASE.issuperset(words) and not _BASES.isdisjoint(words) and len(inside) < 5:
        return _BREAK if _is_ten(inside) else _UNCLEAR
    if not any(t.kind == "number" and opening.box in (0, t.box) for t in before):
        return None
    if inside and inside[0].kind == "relation":
        return _BREAK
    runs, earlier = expressions(inside), expressions(before)
    same = bool(runs and earlier) and runs[-1].value == earlier[-1].value is not None
    if words and not _FUNCTIONS.issuperset(words):
        other = inside[0].text.lower() in LINKS and runs and not same
        return _UNCLEAR if other else _BREAK
    if (
        opening.text == "["
        and inside
        and all(t.form == "integer" or t.kind == "comma" for t in inside)
    ):
        return _BREAK
    if marked or not runs or not earlier or after.kind in ("operator", "relation"):
        return None
    between = before[earlier[-1].end :]
    if any(t.kind != "word" or t.text.lower() in SAYS for t in between):
        return None
    return _BREAK if same else _UNCLEAR


def _goes_on(token: Token) -> bool:
    """Whether an expression continues behind a remark."""
    return token.kind in ("operator", "relation") or token.text.lower() in LINKS


def _base(cut: Sequence[Token], at: int) -> int:
    """How many tokens at ``at`` say "in base 2" or "in binary"; 0 where none do."""
    said = [t.text.lower() for t in cut[at : at + 2]]
    if said == ["in", "base"]:
        return min(3, len(cut) - at)
    return 2 if len(said) == 2 and said[0] == "in" and said[1] in _BASES - {"radix"} else 0


def _is_ten(said: Sequence[Token]) -> bool:
    """Whether the named base is ten."""
    return said[-1].value == 10 or said[-1].text.lower() == "ten"
