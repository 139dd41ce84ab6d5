"""The number that a text gives as its answer; all numbers in the output of models are read here.

:mod:`tiers.number_grammar` defines expressions and their values. Values are exact.
"""

from __future__ import annotations

import re
from fractions import Fraction

from tiers.number_grammar import Run, expressions
from tiers.number_remarks import is_note, is_remark, is_starred, without_remarks
from tiers.number_tokens import BOX, Token, plain, tokens

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_MARK = re.compile(
    rf"####|{BOX}|\\boxed\b|\banswer[\s*_\"'`]*(?:is\b|[:=])", re.IGNORECASE
)  # fmt: skip
_LISTED = re.compile(r"\s*\d{1,3}[.)]\s+\S")
_TABLE = re.compile(r"^[ \t]*\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t\r]*$", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|.*\|[ \t\r]*$", re.MULTILINE)
_BULLET = re.compile(r"\s*[-*•]\s+")
_TEXT, _LINE, _MARKS = 100_000, 4_000, 100
"""Most characters of a text, most characters of a line, and most answer marks that are read; the
last ones of each."""


def answer_number(text: str) -> Fraction | None:
    """The number that ``text`` gives as its answer, exact; None where there is none, or no clear
    one.

    The last mark decides: ``####``, ``\\boxed{}``, "answer is" or "answer:". The number is the
    expression after the mark, or the last side of an equation there; without a mark it is the last
    expression of the text. 25% is 25, 45 m² is 45.
    """
    text = plain(_THOUGHT_END.split(_THOUGHT.sub("", text))[-1][-_TEXT:])
    rest = text
    for mark in reversed(list(_MARK.finditer(text))[-_MARKS:]):
        found = _boxed(text, mark) if mark[0][0] in (BOX, "\\") else _marked(text, mark)
        if found is not None:
            return found.value
        if mark[0] != "####" and rest is text:
            # The text announces an answer, so numbers before the announcement are none.
            rest = text[mark.end() :].partition("\n")[2]
    return _last_of(_spaced_tables(rest))


def bare_number(text: str) -> Fraction | None:
    """The value of a text that is a number and nothing else: no words, no units."""
    cut = tokens(plain(text[:_LINE]))
    runs = expressions(cut)
    whole = len(runs) == 1 and (runs[0].start, runs[0].end) == (0, len(cut))
    return runs[0].value if whole and all(t.kind in ("number", "operator") for t in cut) else None


def write_number(value: Fraction) -> str:
    """``value`` in a form that the reader parses back: an integer, a finite decimal, or ``a/b``."""
    rest, places = value.denominator, 0
    while rest % 10 == 0 or rest % 5 == 0 or rest % 2 == 0:
        rest = rest // 10 if rest % 10 == 0 else rest // 5 if rest % 5 == 0 else rest // 2
        places += 1
    if rest != 1 or value.denominator == 1:
        return str(value)
    digits = str(abs(value.numerator) * 10**places // value.denominator).zfill(places + 1)
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


_NONE = Run(0, 0, 0, None)


def _last_of(text: str) -> Fraction | None:
    """The value of the last expression of a text, without remarks unless there is nothing else;
    None where a note gives another value."""
    aside: list[Run] = []
    notes: list[Run] = []
    for line in reversed(re.split(r"[\n\r]", text)):
        if not re.search("[0-9]", line) or not (runs := _of_line(line[-_LINE:])):
            continue
        if is_note(line):
            notes.append(runs[-1])
        elif is_remark(line) or is_starred(line, text):
            aside.append(runs[-1])
        else:
            clear = all(note.value == runs[-1].value for note in notes)
            return runs[-1].value if clear else None
    return next((run.value for run in (*notes, *aside)), None)


def _spaced_tables(text: str) -> str:
    """``text`` with spaces around the bars of its tables, because these are not absolute values."""
    if not _TABLE.search(text):
        return text
    return _ROW.sub(lambda row: row[0].replace("|", " | "), text)


def _read(line: str) -> list[Token]:
    return without_remarks(tokens(line))


def _of_line(line: str) -> list[Run]:
    """The expressions of a line that begins in ``line``, without its bullet or list number."""
    if bullet := _BULLET.match(line):
        line = line[bullet.end() :]
    runs = expressions(_read(line))
    return [_NONE, *runs[1:]] if runs and _LISTED.match(line) else runs


def _boxed(text: str, mark: re.Match[str]) -> Run:
    """The one expression of a box, read together with the text around the box."""
    start, end = text.rfind("\n", 0, mark.start()) + 1, text.find("\n", mark.start())
    start = max(start, mark.start() - _LINE)
    line = text[start : min(len(text) if end < 0 else end, mark.start() + _LINE)]
    number = text.count(BOX, start, mark.start()) + 1
    if mark[0] != BOX:
        return _NONE  # The box was cut off, or its content is not understood.
    cut = _read(line)
    runs = [r for r in expressions(cut) if any(t.box == number for t in cut[r.start : r.end])]
    inside = len(runs) == 1 and any(t.box == number for t in cut[runs[0].side : runs[0].end])
    return runs[0] if inside else _NONE


def _marked(text: str, mark: re.Match[str]) -> Run | None:
    """The expression after a mark in words or ``####``; None where the match is no mark of an
    answer."""
    tail = text[mark.end() :]
    after = tail.lstrip()
    line, _, more = after.partition("\n")
    line = line[:_LINE].partition("####")[0]
    below = "\n" in tail[: len(tail) - len(after)]
    cut = tokens(_BULLET.sub("", line, count=1) if below else line)
    cut = without_remarks(cut, marked=True)
    runs, heading = expressions(cut), mark[0] == "####" and bool(more.strip())
    if not runs:
        return None if heading or mark[0] != "####" else _NONE
    if _LISTED.match(line) and (below or heading):
        return _NONE
    if not any(t.kind == "word" for t in cut[: runs[0].start]):
        labels = len(runs) > 1 and cut[runs[0].end].kind == "close"  # "1) 12"
        return _NONE if labels else runs[0]
    return runs[0] if not heading and len({r.value for r in runs}) == 1 else _NONE
