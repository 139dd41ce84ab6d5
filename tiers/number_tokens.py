"""The tokens of text with numbers in it: Unicode and LaTeX are made plain, then cut into tokens.

``plain`` writes every variant of a digit, sign, space or operator in one way; ``tokens`` cuts one
line of the result. :mod:`tiers.numbers` interprets the tokens.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

LONGEST = 400
"""Most characters of a text that is read as one number."""
BOX, BOX_END = "\ue010", "\ue011"
"""Characters that enclose the content of a ``\\boxed{}``."""
_FRACTION, _OVER, _END, _CLEAR = "\ue000", "\ue001", "\ue002", "\ue003"
_DEPTH = 24
"""Deepest nesting of LaTeX groups that is still read."""

Kind = Literal[
    "number", "word", "operator", "relation", "suffix", "symbol", "open", "close", "comma", "stop"
]
"""Kinds of token. A ``symbol`` has a value that is not known here; a ``stop`` ends an
expression."""

Form = Literal["integer", "decimal", "power", "fraction", ""]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of one line."""

    kind: Kind
    text: str
    spaced: bool
    """Whether white space stands before the token."""
    value: Fraction | None = None
    """Value of a number; None where its digits can be read in two ways, or in none."""
    form: Form = ""
    money: bool = False
    """Whether a currency stands before the token."""
    box: int = 0
    """Number of the ``\\boxed{}`` of the line that holds the token; 0 outside boxes."""


_SAME = {
    **dict.fromkeys("\u2212\ufe63\u2010\u2011\u2012\u02d7", "-"),
    **dict.fromkeys("\u00a0\u2007\u2008\u2009\u200a\u202f", "\u2009"),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f", ""),
    **{"\u066b": ".", "\u066c": ",", "\u2019": "'", "\u02bc": "'", "\u02bb": "'", "\u2062": "×"},
    **dict.fromkeys("\ue000\ue001\ue002\ue003\ue010\ue011", "\ufffd"),
}
_DASH = re.compile(r"(?<=\s)[–—](?=\s+[^\W\d_]{2})|(?<=[^\W\d_]{2}\s)[–—](?=\s)|(?<=[^\W\d_]{2})—")
"""Dashes that separate clauses; an operator of mathematics never has this form."""
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-" * 2)

_COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_COMMANDS = {
    **dict.fromkeys(("times", "ast"), "×"),
    **dict.fromkeys(("to", "rightarrow", "Rightarrow", "implies", "therefore", "iff"), "→"),
    **dict.fromkeys(("approx", "sim", "simeq", "cong", "thickapprox"), "≈"),
    **dict.fromkeys(("le", "leq", "leqslant", "lt"), "≤"),
    **dict.fromkeys(("ge", "geq", "geqslant", "gt"), "≥"),
    **dict.fromkeys(("ldots", "dots", "cdots", "dotsc"), "…"),
    **dict.fromkeys((",", ";", ":", " ", "thinspace", "medspace", "thickspace"), "\u2009"),
    **dict.fromkeys(("quad", "qquad", "\\", "newline"), " ; "),
    **dict.fromkeys(("{", "lbrace"), "("),
    **dict.fromkeys(("}", "rbrace"), ")"),
    **dict.fromkeys(
        (
            *("left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr"),
            *("displaystyle", "textstyle", "limits", "bf", "rm", "it", "sf", "tt", "normalsize"),
            *("small", "large", "Large", "LARGE", "huge", "Huge", "!", "(", ")", "[", "]", "$"),
        ),
        _CLEAR,
    ),
    **{"cdot": "·", "div": "÷", "pm": "±", "mp": "±", "equiv": "=", "ne": "≠", "neq": "≠"},
    **{"pi": "π", "circ": "°", "degree": "°", "%": "%", "#": "#", "&": "&", "_": "_"},
}  # fmt: skip
_BARE = r"\{([^{}]*)\}"
_GROUPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\{\s*\{([^{}]*)\}\s*\}"), r"{\1}"),
    (re.compile(r"\^\s*(?:\{\s*°\s*\}|°)"), "°"),
    (re.compile(rf"([\^_])\s*{_BARE}"), r"\1(\2)"),
    (re.compile(rf"\\sqrt\s*{_BARE}"), r"√(\1)"),
    (
        re.compile(rf"\\(?:[dtc]?frac|sfrac|nicefrac)\s*(?:{_BARE}|(\d))\s*(?:{_BARE}|(\d))"),
        rf"{_FRACTION}\1\2{_OVER}\3\4{_END}",
    ),
    (
        re.compile(
            rf"\\(?:text\w*|math(?:rm|bf|it|sf|tt|normal)|mbox|hbox|fbox|operatorname\*?|boldsymbol|bm"
            rf"|underline|emph|num)\s*{_BARE}"
        ),
        rf"{_CLEAR}\1{_CLEAR}",
    ),
)
_BOXED = re.compile(rf"\\boxed\s*{_BARE}")


def plain(text: str) -> str:
    """``text`` with one way to write each digit, sign, space, power, fraction and box."""
    text = text.replace("{,}", ",")
    if not text.isascii():
        text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+", lambda m: f"^({m[0].translate(_RAISED)})", text)
        text = re.sub("[₀-₉₊₋]+", lambda m: f"_({m[0].translate(_RAISED)})", text)
        text = re.sub(r"[^\x00-\x7f]", lambda m: _same(m[0]), text)
        text = _DASH.sub(" ; ", text).replace("–", "-")
    return _latex(text) if "\\" in text else text


@lru_cache(4096)
def _same(character: str) -> str:
    if character in _SAME:
        return _SAME[character]
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    top, slash, bottom = unicodedata.normalize("NFKC", character).partition("\u2044")
    if slash and top.isdecimal() and bottom.isdecimal():
        return f"{_FRACTION}{top}{_OVER}{bottom}{_END}"
    return character


def _latex(text: str) -> str:
    text = _COMMAND.sub(lambda m: _COMMANDS.get(m[1], m[0]), text)
    for _ in range(_DEPTH):
        before = text
        for pattern, written in _GROUPS:
            text = pattern.sub(written, text)
        text = _BOXED.sub(_box, text)
        if text == before:
            break
    return text


def _box(match: re.Match[str]) -> str:
    """The content of a box as mathematics: ``~`` is a space, a letter is a factor, two letters may
    be a unit."""
    inside = re.sub(r"\s+", " ", match[1].replace("~", " ").strip())
    inside = re.sub(r"(?<=\d) +(?=[A-Za-z]{2}(?![A-Za-z]))", "", inside)
    inside = re.sub(r"(?<=\d) ?(?![eE][-+]?\d|[xX] ?\d)(?=[A-Za-z](?![A-Za-z^]))", "×", inside)
    return f"{BOX}{inside}{BOX_END}"


_LITERAL = (
    r"[0-9]+(?:[.,'_][0-9]+|[ \u2009](?=[0-9]{3}(?![0-9/\u2044]))[0-9]+)*|(?<![\w.])(?:\.[0-9]+)+"
)
_TO_THE = (
    r"\s*(?:\^|\*\*)\s*(?P<{0}_in>\(\s*)?(?P<{0}>[-+]?[0-9]{{1,3}})(?({0}_in)\s*\))(?!\.?[0-9])"
)
_NAME, _RAISED_TO = r"[^\W\d_]+(?:'[^\W\d_]+)*", rf"(?:{_CLEAR}?\^\(?[-+]?[0-9]+\)?)?"
_TOKEN = re.compile(
    rf"""(?P<space>\s+)
    |(?P<fraction>{_FRACTION}(?P<top>[^{_OVER}]*){_OVER}(?P<bottom>[^{_END}]*){_END})
    |(?P<box>[{BOX}{BOX_END}])
    |(?P<clear>{_CLEAR}|["“”„«»‘'`#@&]|<<[^<>]*>>|~~[^~]+~~|</?[A-Za-z][\w-]*\s?/?>)
    |(?P<bars>\|(?=[^\s|])[^|]{{0,80}}(?<=\S)\|)
    |(?P<tens>10{_TO_THE.format("ten")})
    |(?P<number>(?:(?P<money>[$€£¥₹])\s?)?(?P<digits>{_LITERAL})
        (?P<exponent>[eE][-+]?[0-9]{{1,3}}(?!\.?[0-9]))?
        (?:\s*[×xX*·⋅]\s*10{_TO_THE.format("power")})?)
    |(?P<unequal>[<>!]=)
    |(?P<relation>[-=]+>|:=|=+|[≈≃≅≡→⇒⟹⇔∴])
    |(?P<suffix>%|°\s?[CFK]?\b|[′″]|per\ ?cent\b)
    |(?P<word>(?:{_NAME}[0-9_]\w*(?:[.,'][0-9]\w*)*|{_NAME}){_RAISED_TO}(?:_\(\w*\))?
        (?:[/·]{_NAME}{_RAISED_TO})*)
    |(?P<dots>\.{{2,}}|…|(?<=[0-9])\.(?=[(\[\\]))
    |(?P<star>\*+|_+)
    |(?P<operator>[-+/^×✕✖÷∕\u2044·⋅∙•・∗±∓√∛∜<>≤≥≠~—]|(?<=[0-9){_END}])!+|(?<=\S)\|(?=\S)
        |(?<=[0-9){_END}]):(?=[-+$€£]?[0-9{_FRACTION}])
        |(?<=[0-9){_END}]\s):(?=\s[-+$€£]?[0-9{_FRACTION}]))
    |(?P<open>[(\[{{])
    |(?P<close>[)\]}}])
    |(?P<comma>[,،、])
    |(?P<other>\\[A-Za-z]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_WHOLE = re.compile(r"(?P<sign>[-+]?)\s*(?P<digits>[0-9][0-9.,'_\s]*|\.[0-9]+)")


def tokens(line: str) -> list[Token]:
    """The tokens of one line of :func:`plain` text; emphasis, quotes and currencies are left out."""
    found: list[Token] = []
    spaced, box, boxes = False, 0, 0
    for match in _TOKEN.finditer(line):
        kind = match.lastgroup or ""
        if kind == "space":
            spaced = True
        elif kind == "box":
            boxes += match[0] == BOX
            box = boxes if match[0] == BOX else 0
        elif token := _token(kind, match, spaced, box, found[-1] if found else None):
            found.append(token)
            spaced = False
    return found


def _token(
    kind: str, match: re.Match[str], spaced: bool, box: int, before: Token | None
) -> Token | None:
    text = match[0] if kind == "clear" else match[0].replace(_CLEAR, "")
    if kind in ("number", "tens", "fraction", "bars"):
        if kind == "bars" and not any(map(str.isdigit, text)):
            return Token("symbol", text, spaced, box=box)
        money = match["money"] is not None
        return Token("number", text, spaced, *_number(kind, match), money=money, box=box)
    if kind == "star":
        kind = "operator" if _multiplies(match, spaced, before) else "clear"
    elif kind == "dots":
        joins = before is not None and before.kind == "number"
        joins = joins or match.string[match.end() : match.end() + 1].isdigit()
        kind = "operator" if joins else "stop"
    elif kind == "other":
        kind = "operator" if text == "!" and before and before.kind == "number" else _other(text)
    elif kind == "unequal":
        kind = "operator"
    return None if kind == "clear" else Token(kind, text, spaced, box=box)  # type: ignore[arg-type]


def _number(kind: str, match: re.Match[str]) -> tuple[Fraction | None, Form]:
    if kind == "bars" or len(match[0]) > LONGEST:
        return None, ""
    if kind == "tens":
        return Fraction(10) ** int(match["ten"]), "power"
    if kind == "fraction":
        top, bottom = _signed(match["top"]), _signed(match["bottom"])
        return (top / bottom if top is not None and bottom else None), "fraction"
    value = literal(match["digits"])
    if value is None:
        return None, ""
    if match["exponent"] or match["power"]:
        tens = int((match["exponent"] or "e0")[1:]) + int(match["power"] or 0)
        return value * Fraction(10) ** tens, "power"
    whole = value == int(re.sub(r"\D", "", match["digits"]))
    return value, "integer" if whole else "decimal"


def _signed(text: str) -> Fraction | None:
    match = _WHOLE.fullmatch(text.replace(_CLEAR, "").strip())
    value = literal(match["digits"].strip()) if match else None
    return -value if match and value is not None and match["sign"] == "-" else value


def literal(text: str) -> Fraction | None:
    """The value of digits with separators; None where their grouping fits no convention, or two.

    A lone ``.`` is a decimal point and a lone ``,`` before three digits groups thousands, as in
    English; where both occur the last one is the decimal mark. Groups have three digits, in India
    two before the last three.
    """
    groups, marks = re.split(r"\D", text), re.findall(r"\D", text)
    if not marks:
        return Fraction(int(text))
    decimals = ""
    if marks[-1] in ".," and marks[-1] not in marks[:-1] and (marks[-1] == "." or marks[:-1]):
        decimals, marks = groups.pop(), marks[:-1]
    if marks and (len(set(marks)) > 1 or not _grouped(groups, marks[0])):
        return None
    return Fraction("".join(groups) + "." + decimals if decimals else "".join(groups))


def _grouped(groups: list[str], mark: str) -> bool:
    first, *middle, last = groups
    if len(last) != 3 or not first or first[0] == "0":
        return False
    sizes = {len(group) for group in middle}
    if sizes <= {3} and len(first) <= 3:
        return True
    return mark == "," and sizes == {2} and len(first) <= 2


def _multiplies(match: re.Match[str], spaced: bool, before: Token | None) -> bool:
    """Whether stars stand between two operands; stars around one operand are emphasis."""
    if before is None or before.kind not in ("number", "word", "close", "symbol"):
        return False
    after = match.string[match.end() : match.end() + 1]
    return (not after or after.isspace()) if spaced else after.isalnum() or after in ("(", "\\")


def _other(text: str) -> str:
    category = unicodedata.category(text[0]) if len(text) == 1 else "symbol"
    if category == "Sc":
        return "clear"
    if text == "\\":
        return "symbol"
    if text in ";|":
        return "comma" if text == ";" else "stop"
    return "stop" if category[0] == "P" or category in ("So", "Cc") else "symbol"
