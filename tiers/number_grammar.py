"""The grammar of numbers in text: which tokens form one expression, and what its value is.

An *expression* is read whole or not at all. It has a value where it is one quantity: digits with
separators, a decimal, a fraction, a mixed number, a power of ten, with a sign, a percent sign, a
currency, a scale ("million") or a unit. Numbers that are joined by anything else (operators, "and",
a range, a list, a date, a variable) form an expression without a value, so that no part of a longer
expression is mistaken for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tiers.number_tokens import Token


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNITS = _words(
    "km m dm cm mm nm mi ft in yd kg g mg lb lbs oz l L dl cl ml mL h hr hrs min mins s sec secs ms "
    "mph kmh kph W kW kWh MW V J kJ kcal cal N Pa kPa Hz kHz MHz GHz KB MB GB TB gal qt pt rad deg "
    "USD EUR GBP percent"
)
"""Units that may follow digits without a space between them."""
_PARTED = _words(
    "hour hours minute minutes second seconds day days week weeks month months year years foot feet "
    "inch inches pound pounds ounce ounces dollar dollars cent cents euro euros meter meters metre "
    "metres mile miles degree degrees gallon gallons quart quarts pint pints cup cups person"
)
"""Units of which a quantity may have several (5 feet, 3 inches), or that end a rate ($5/hour)."""
_SCALES = {
    "hundred": 100, "thousand": 1000, "lakh": 10**5, "million": 10**6, "crore": 10**7,
    "billion": 10**9, "trillion": 10**12,
}  # fmt: skip
LINKS = _words("and or to plus minus times per over by divided multiplied")
"""Words that join two quantities into an expression."""
_NEAR_LINKS = LINKS | _words("in of out point vs versus than x X")
"""Words that join two quantities when they stand right after a number."""
SAYS = _words("is are was were equals makes gives")
"""Verbs after which another quantity begins."""
_BENT_AFTER = _words(
    "dozen dozens score half halves third thirds fourth fourths quarter quarters fifth fifths sixth "
    "sixths seventh sevenths eighth eighths ninth ninths tenth tenths hundreds thousands millions "
    "billions trillions hundredth hundredths thousandth thousandths squared cubed factorial"
)
_BENT_BEFORE = _words(
    "not negative minus half third quarter twice double triple root sqrt log ln exp sin cos tan "
    "power"
)
"""Words after, and before, a number that change which number is meant."""

_REFERS = _words("see cf")
"""Words that are followed by a reference to a place in the text."""


@dataclass(frozen=True, slots=True)
class Run:
    """An expression with a number in it, or an equation of several expressions, and its value if it
    has one."""

    start: int
    side: int
    """Index at which the last side of an equation begins."""
    end: int
    value: Fraction | None


def expressions(cut: Sequence[Token]) -> list[Run]:
    """The expressions of a line with numbers in them, in order."""
    return _Grammar(cut).runs()


_NOTHING = Token("stop", "", spaced=True)
_DEEP = 30
"""Deepest nesting of brackets that is still read."""
_FAR = 3
"""Most words between a number and the quantity that it is joined to."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece that was read: where it ends, its value, and whether a number is in it."""

    end: int
    value: Fraction | None = None
    numeric: bool = True
    simple: bool = False
    """Whether the part may stand above or below a fraction bar."""


class _Grammar:
    """Reads one line. A rule returns None where it does not apply."""

    def __init__(self, cut: Sequence[Token]) -> None:
        self.cut, self.closing = _brackets(cut)

    def at(self, index: int) -> Token:
        return self.cut[index] if 0 <= index < len(self.cut) else _NOTHING

    def word(self, index: int) -> str:
        token = self.at(index)
        return token.text.lower() if token.kind == "word" else ""

    def runs(self) -> list[Run]:
        found, at = list[Run](), 0
        while at < len(self.cut):
            run, numeric = self.equation(at)
            if numeric:
                found.append(run)
            at = max(run.end, at + 1)
        return found

    def equation(self, start: int) -> tuple[Run, bool]:
        """Sides joined by ``=``, ``≈`` or ``→``, and whether a number is in them; the last side
        gives the value."""
        end, side, value, numeric, unlike = start, start, None, False, set[Fraction]()
        while (part := self.expression(side) or self.name(side)) is not None:
            end, value, numeric = part.end, part.value, numeric or part.numeric
            relation = self.past_words(end)
            if self.at(relation).kind != "relation" or not (numeric or relation == end):
                break
            if relation > end and value is not None:
                unlike.add(value)  # "2 hours = 120", or "2 because x = 120"
            end = side = relation + 1
            value = None
        if unlike - {value}:
            value = None
        return Run(start, side, end, value), numeric

    def name(self, start: int) -> _Part | None:
        """Words before ``=``."""
        end = self.past_words(start)
        named = end > start and self.at(end).kind == "relation"
        return _Part(end, numeric=False) if named else None

    def past_words(self, at: int, links: frozenset[str] = frozenset()) -> int:
        end = at
        while end < at + _FAR and self.at(end).kind == "word" and self.word(end) not in links:
            end += 1
        return end

    def expression(self, start: int) -> _Part | None:
        """Operands joined by operators, by words, or by nothing."""
        part = self.operand(start, first=True)
        while part is not None:
            if self.binary(part.end):
                part = self.operation(part)
            elif part.numeric and (end := self.joined(part.end)) is not None:
                after = self.operand(end)
                part = _Part(after.end if after else end)
            else:
                return part
        return None

    def operation(self, left: _Part) -> _Part:
        """``left`` and the operand that an operator joins to it; fractions and rates alone have a
        value."""
        sign, at = self.at(left.end).text, left.end + 1
        if sign == "/" and (self.unit(at) or self.word(at) in _PARTED):
            return replace(left, end=at + 1, simple=False)
        right = self.operand(at) or _Part(at, numeric=False)
        value = None
        if sign in "/\u2044∕" and left.simple and right.simple and right.value:
            value = (left.value or 0) / right.value
        return _Part(right.end, value, left.numeric or right.numeric)

    def binary(self, index: int) -> bool:
        """Whether the token is an operator with a left side, and not the sign of a number."""
        token, left = self.at(index), self.at(index - 1)
        if token.kind != "operator":
            return False
        signs = token.text in "+-~" and token.spaced and not self.at(index + 1).spaced
        return not signs or left.kind != "word" or len(left.text) == 1

    def joined(self, end: int) -> int | None:
        """Where the quantity continues that words or a comma join to the one that ends at
        ``end``."""
        far = self.past_words(end, LINKS if self.word(end) not in _NEAR_LINKS else _NEAR_LINKS)
        if far > end and self.binary(far):
            return far
        if far == end + 1 and self.numeral(far) and self.word(end) not in SAYS:
            return far
        if self.at(far).kind == "comma" and self.numeral(far + 1):
            return far + 1 if far == end or self.word(end) in _PARTED else None
        after = self.past_words_of(far, LINKS if far > end else _NEAR_LINKS)
        if after > far and self.numeral(after):
            return after
        half = self.word(after) in ("a", "one") and self.word(after + 1) in _BENT_AFTER
        return after + 2 if after > far and half else None

    def past_words_of(self, at: int, words: frozenset[str]) -> int:
        while self.word(at) in words:
            at += 1
        return at

    def numeral(self, index: int) -> bool:
        """Whether a number begins at ``index``, with or without a sign."""
        token = self.at(index)
        signed = token.kind == "operator" and token.text in "+-~±"
        return self.at(index + signed).kind == "number"

    def operand(self, start: int, *, first: bool = False) -> _Part | None:
        """A quantity, a group or a name: the ``first`` of an expression, or one after an operator."""
        token = self.at(start)
        if token.kind == "number":
            return self.quantity(start)
        if token.kind == "operator":
            return self.prefixed(start)
        if token.kind == "open":
            group = self.group(start, needed=not first)
            return self.tail(group) if group else None
        if token.kind == "symbol":
            return self.tail(_Part(start + 1, numeric=False))
        if token.kind != "word":
            return None
        after = self.at(start + 1)
        if after.form == "fraction" and (not after.spaced or len(token.text) == 1):
            return self.tail(_Part(start + 1, numeric=False))
        if after.kind == "open" and not after.spaced:
            call = self.group(start + 1, needed=True)
            return self.tail(replace(call, value=None, simple=False)) if call else None
        return None if first and not self.binary(start + 1) else _Part(start + 1, numeric=False)

    def prefixed(self, start: int) -> _Part | None:
        """An operator without a left side, and its operand; a sign before a number has a value."""
        token, before, after = self.at(start), self.at(start - 1), self.at(start + 1)
        end = start + 1
        while self.at(end).kind == "operator":
            end += 1
        part = self.operand(end)
        if part is None:
            return None
        free = before.kind in ("stop", "comma", "relation", "open") or token.spaced
        opens = before.kind in ("relation", "open") or (token.box and before.box != token.box)
        clear = free and after.kind != "operator" and (opens or not after.spaced)
        if part.value is None or not clear or token.text not in ("+", "-", "~"):
            return replace(part, value=None, simple=False)
        return replace(part, value=-part.value) if token.text == "-" else part

    def group(self, start: int, *, needed: bool) -> _Part | None:
        """Brackets around an expression with at most a unit. Brackets may hold anything where an
        operand is ``needed``, or an operator follows."""
        close = self.closing.get(start)
        if close is None:
            return None
        run, numeric = self.equation(start + 1)
        if numeric and self.past_words(run.end) == close:
            return _Part(close + 1, run.value, simple=run.value is not None and run.end == close)
        if needed or self.binary(close + 1):
            inside = self.cut[start:close]
            return _Part(close + 1, numeric=any(t.kind == "number" for t in inside))
        return None

    def quantity(self, start: int) -> _Part:
        """A number, plain or mixed, with its sign, unit or scale."""
        token, part, over = self.at(start), self.at(start + 1), self.at(start + 2)
        before = start - 1 - (self.word(start - 1) == "of")
        bent = (
            self.referred(start)
            or self.word(before) in _BENT_BEFORE
            or self.word(start - 1)[-1:].isdigit()
        )
        bent = bent or (token.money and self.word(start + 1) == "m")  # metres, or millions
        value, end = token.value, start + 1
        if token.form == "integer" and value is not None and part.kind == "number":
            below = self.at(start + 3)
            if part.form == "fraction" and part.value is not None and 0 < part.value < 1:
                value, end = value + part.value, start + 2
            elif (
                part.form == below.form == "integer" and over.text in ("/", "\u2044", "∕")
                and not over.spaced and not below.spaced and part.text[0] != "0"
                and part.value and below.value and part.value < below.value
            ):  # fmt: skip
                value, end = value + part.value / below.value, start + 4
        simple = end == start + 1 and token.form in ("integer", "decimal") and not bent
        return self.tail(_Part(end, None if bent else value, simple=simple))

    def referred(self, start: int) -> bool:
        """Whether a number is a reference to a place: "see step 3"."""
        before = [self.word(index) for index in range(start - 1, start - 1 - _FAR, -1)]
        said = before[: before.index("")] if "" in before else before
        return not _REFERS.isdisjoint(said)

    def tail(self, part: _Part) -> _Part:
        """What follows a quantity without an operator: its unit or scale, or a factor."""
        while True:
            token, word = self.at(part.end), self.word(part.end)
            glued = not token.spaced and self.unit(part.end) and not self.factor(part.end)
            if token.kind == "suffix" or glued:
                part = replace(part, end=part.end + 1, simple=False)
            elif word in _SCALES and part.value is not None:
                part = _Part(part.end + 1, part.value * _SCALES[word])
            elif token.kind in ("number", "symbol") or self.factor(part.end):
                numeric = part.numeric or token.kind == "number"
                part = _Part(part.end + 1, numeric=numeric)
            elif token.kind == "open" and not token.spaced and part.end in self.closing:
                part = _Part(self.closing[part.end] + 1, numeric=part.numeric)
            else:
                return part

    def unit(self, index: int) -> bool:
        """Whether a word is made of units: ``km/h``, ``m^2``."""
        token = self.at(index)
        names = re.split("[/·]", re.sub(r"\^\(?[-+]?\d\)?|\d", "", token.text))
        return token.kind == "word" and all(n in _UNITS or n in _PARTED for n in names)

    def factor(self, index: int) -> bool:
        """Whether a word after a number changes its value: one glued to it, a variable,
        "squared"."""
        token = self.at(index)
        if token.kind != "word" or self.unit(index):
            # "5m people" may be millions, the 1990s are no seconds
            millions = token.text == "m" and self.at(index + 1).kind == "word"
            return not token.spaced and (millions or token.text == "s")
        letters = re.match(r"[^\W\d_]*", token.text)
        single = letters is not None and len(letters[0]) == 1 and token.text not in ("a", "A", "I")
        link = token.text in ("x", "X") and self.numeral(index + 1)
        return not link and (not token.spaced or single or self.word(index) in _BENT_AFTER)


def _brackets(cut: Sequence[Token]) -> tuple[list[Token], dict[int, int]]:
    """The tokens, and for each closed bracket the index of its end. An unclosed bracket with text
    right before and behind it becomes a symbol."""
    opened, closing, stray = list[int](), dict[int, int](), list[int]()
    for index, token in enumerate(cut):
        if token.kind == "open":
            opened.append(index)
        elif token.kind == "close" and opened and len(opened) <= _DEEP:
            closing[opened.pop()] = index
        elif token.kind == "close":
            stray.append(index)
    found, padded = list(cut), [*cut, _NOTHING]
    for index in (*opened, *stray):
        if index and not cut[index].spaced and not padded[index + 1].spaced:
            found[index] = replace(cut[index], kind="symbol")
    return found, closing
