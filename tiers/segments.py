"""Segments of a request: what to solve, to explain and to code, in the order asked.

Sentences come from a library (sentencex); within a sentence the text is cut at sequential cues where
what follows opens with the verb of a role. A cue word belongs to neither side. Code in fences, inline
code, quotations and a text that the request is about are never cut nor read for cues; what asks for
nothing of its own, as an instruction about form, stays with the segment before it, or with the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from specialists.routing.manner import brief
from specialists.routing.roles import LEAD, Role, instructs, opening_role, role_of

_PROTECTED = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`|\"[^\"\n]*\"|“[^”\n]*”|(?<!\w)'[^'\n]+'(?!\w)",
    re.S,
)
_TEXT = (
    r"text|e-?mail|article|passage|paragraph|message|sentence|letter|note|quote|quotation|document"
    r"|review|post|tweet|poem|excerpt|transcript|conversation|dialogue|abstract|essay|comment|headline"
    r"|phrase|proverb|speech"
)
_LINES = rf"{_TEXT}|report|code|program|function|snippet|script|error|log|output|data|table"
_POINTED = r"\b(?:following|this|these|that|my)\s+(?:\w+\s+){0,2}?"
_NOT_MARKED = r"(?!\s*(?:```|~~~|[`\"“']))"
_PASTED = re.compile(
    rf"{_POINTED}(?:{_TEXT})s?\b[^.?!:\n]{{0,60}}:[ \t]*{_NOT_MARKED}(?=\S).*?(?=\n\s*\n|\Z)"
    rf"|(?:{_POINTED}(?:{_LINES})s?\b[^.?!:\n]{{0,60}}:|\b(?:{_LINES})s?\s+below\b[^\n]{{0,80}})[ \t]*"
    rf"\n{_NOT_MARKED}.*\Z",
    re.I | re.S,
)
"""A text that a request is about, pasted behind a colon or below the request without marks of its
own."""
LONGEST = 8_000
"""Most characters of a request that is split; a longer one is a document with one thing to do."""
_FENCE = re.compile(r"```|~~~")
_BLANKS = re.compile(r"\s{40,}")
"""A long run of blanks, on which patterns that end in blanks would try every length."""
_STRONG = (
    r"(?:[,;:–—-]\s*|\s+)(?:and\s+|but\s+)?(?:then|next|finally|lastly|afterwards?|after\s+that|"
    r"after\s+this|subsequently|at\s+last|in\s+the\s+end|last\s+of\s+all|once\s+(?:that|this|it)"
    r"(?:'s|\s+is)\s+(?:done|solved|finished)|when\s+(?:done|finished)|that\s+done|followed\s+by|"
    r"second(?:ly)?|third(?:ly)?|before)\b,?\s+"
)
_WEAK = (
    r"\s*;\s*|\s*(?:[–—→]|->)\s*|\s+-\s+|,\s+(?:and\s+|as\s+well\s+as\s+|but\s+also\s+|plus\s+)?(?:also\s+)?"
    r"|\s+and\s+(?:also\s+)?|\s+as\s+well\s+as\s+|:\s+"
)
_CUE = re.compile(rf"(?P<strong>{_STRONG})|(?P<weak>{_WEAK})", re.I)
_ITEM = re.compile(
    r"^[^\S\n]*(?:\(?(?:\d{1,2}|[a-e]|i{1,3})[.)]|[-*•])\s+|(?<!\w)\((?:\d|[a-e]|i{1,3})\)\s+", re.M
)
_BARE_ITEM = re.compile(r"\s*\(?(?:\d{1,2}|[a-e]|i{1,3})[.)]\s*$")
_CUES_AHEAD = re.compile(
    r"^(?:\W*\b(?:and|then|next|finally|lastly|afterwards?|after (?:that|this)|at last|in the end|"
    r"first(?:ly)?|first of all|second(?:ly)?|third(?:ly)?|last of all|subsequently|also|"
    r"to (?:start|begin|finish)(?: with)?|followed by)\b,?)*[\s,;:]*",
    re.I,
)
_INTRODUCED = re.compile(
    r"^\W*(?:in|for|using|with|based on|given|if|as|from|when|once|after|to)\b[^,]{0,60},\s+", re.I
)
_OWN_CLAUSE = re.compile(r"\b(?:to|that|which|and)\s*$|\b(?:to|that|which|who)\s+\w+", re.I)


@dataclass(frozen=True)
class Segment:
    """One stage of a request."""

    label: Role
    text: str
    """Text of the segment, without the cue words before it."""
    start: int
    """Where ``text`` begins in the request, in characters."""
    end: int


def segment(request: str) -> list[Segment]:
    """Ordered, labelled segments; neighbours differ in label. Empty when the request asks for
    nothing."""
    if len(request) > LONGEST:
        role = role_of(request[:LONGEST])
        return [] if role is None else [Segment(role, request, 0, len(request))]
    filled = _BLANKS.sub(_filled, request)
    masked = _without(filled, _PROTECTED, _PASTED)
    pieces: list[tuple[Role | None, int, int]] = []
    for start, end in _sentences(masked, filled):
        asked = bool(pieces) and masked[: pieces[-1][2]].rstrip().endswith("?")
        if asked and brief(masked[start:end]):
            pieces.append((None, start, end))
        else:
            pieces += _clauses(masked, start, end, bool(pieces) and pieces[-1][0] is not None)
    merged: list[tuple[Role, int, int]] = []
    waiting: int | None = None
    for role, start, end in pieces:
        if role is None and not merged:
            waiting = start if waiting is None else waiting
        elif merged and (role is None or role == merged[-1][0]):
            merged[-1] = (merged[-1][0], merged[-1][1], end)
        elif role is not None:
            merged.append((role, start if waiting is None else waiting, end))
            waiting = None
    if not merged and (role := role_of(masked)) is not None:
        merged = [(role, 0, len(request))]
    return [_tidy(request, masked, role, start, end) for role, start, end in merged]


def _without(request: str, *patterns: re.Pattern[str]) -> str:
    """``request`` with an ``x`` for each character that a pattern finds, line ends kept."""
    masked = request
    for pattern in patterns:
        for found in pattern.finditer(request):
            hidden = re.sub(r"[^\n]", "x", found[0])
            masked = masked[: found.start()] + hidden + masked[found.end() :]
    return masked


def _filled(blanks: re.Match[str]) -> str:
    """A run of blanks of the same length with one word inside, on a line of its own if the run was
    one."""
    edge = "\n\n" if "\n" in blanks[0] else " "
    return edge + "x" * (len(blanks[0]) - 2 * len(edge)) + edge


def asks_in_stages(request: str) -> bool:
    """Whether ``request`` asks for two things or more."""
    return len(segment(request)) > 1


def _sentences(masked: str, request: str) -> list[tuple[int, int]]:
    """Spans of sentences and list items; fenced code belongs to the sentence before it."""
    import sentencex

    if not masked:
        return []
    cuts, at = {0}, 0
    for part in sentencex.segment("en", masked):
        found = masked.find(part, at)
        cuts.add(at if found < 0 else found)
        at = (at if found < 0 else found) + len(part)
    cuts |= {match.start() for match in _ITEM.finditer(masked)}
    cuts |= {match.end() for match in re.finditer(r"\n\s*\n|\n(?=[^\S\n]*(?:\d|[-*•]))", masked)}
    ordered = sorted(c for c in cuts if c < len(masked))
    spans: list[tuple[int, int]] = []
    for start, end in zip(ordered, [*ordered[1:], len(masked)], strict=True):
        bare = spans and _BARE_ITEM.match(masked[spans[-1][0] : spans[-1][1]])
        if spans and (bare or _FENCE.match(request[start:end].lstrip())):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def _clauses(masked: str, start: int, end: int, led: bool) -> list[tuple[Role | None, int, int]]:
    """One sentence cut at its cues: (role, start, end) of each piece.

    ``led`` says that a segment precedes the sentence; a sentence without a verb then continues it.
    """
    pieces: list[tuple[Role | None, int, int]] = []
    begin, (role, at) = start, _sentence_role(masked[start:end], masked[:start])
    at += start
    while (match := _CUE.search(masked, at, end)) is not None:
        at = match.end() if match.end() > match.start() else match.start() + 1
        follows = opening_role(masked[match.end() : end], masked[: match.end()])
        before = masked[begin : match.start()]
        if follows is None or not _complete(before):
            continue
        if match["weak"] and _continues(before, role, follows):
            continue
        pieces.append((role, begin, match.start()))
        begin, role = match.end(), follows
    pieces.append((role, begin, end))
    if led or len(pieces) > 1 or role is not None:
        return pieces
    return [(None, start, end)]


def _sentence_role(text: str, before: str) -> tuple[Role | None, int]:
    """The role that a sentence asks for at its beginning, perhaps after "In Python," or "Given
    that, ", and where the clause begins: the introduction is no clause of its own."""
    if instructs(text):
        return None, 0
    if found := opening_role(text, before):
        return found, 0
    match = _INTRODUCED.match(text)
    if match and (found := opening_role(text[match.end() :], before + text[: match.end()])):
        return found, match.end()
    return (role_of(text, before) if text.rstrip().endswith("?") else None), 0


def _complete(before: str) -> bool:
    """Whether the text before a cue is more than a lone verb that shares the next verb's object."""
    rest = re.sub(LEAD, "", before, count=1, flags=re.I)
    return len(re.findall(r"\w+", rest)) >= 2 or bool(
        re.search(r"\b(?:why|it|this|that)\s*$", rest)
    )


def _continues(before: str, role: Role | None, follows: Role) -> bool:
    """Whether a plain "and" or comma continues a clause: "a program to add and count them"."""
    return role == "code" and follows == "solve" and bool(_OWN_CLAUSE.search(before))


def _tidy(request: str, masked: str, role: Role, start: int, end: int) -> Segment:
    """The segment without cue words at its head and without space or a lone comma at its tail."""
    head = _CUES_AHEAD.match(masked[start:end])
    if head is not None and head.end() < end - start:
        start += head.end()
    text = request[start:end].rstrip()
    text = re.sub(r"(?:[\s,;:–—-]+(?:and)?)$", "", text) or text
    item = re.match(r"\(?(?:\d{1,2}|[a-e]|i{1,3})[.)]\s+|[-*•]\s+", text)
    if item and item.end() < len(text):
        start, text = start + item.end(), text[item.end() :]
    return Segment(role, text, start, start + len(text))


def labels(segments: Sequence[Segment]) -> list[str]:
    """Section names of an answer, one for each segment: a repeated label gets a number."""
    seen: dict[str, int] = {}
    names = []
    for one in segments:
        seen[one.label] = seen.get(one.label, 0) + 1
        names.append(one.label if seen[one.label] == 1 else f"{one.label} {seen[one.label]}")
    return names
