"""The role of a piece of a request, by its cue words: to solve, to explain, or to write code.

The verb that opens a piece decides, after polite and sequential words: "Explain the code" asks to
explain, "write code that explains" to write code. An instruction about form ("Answer in two
sentences.") has no role: see :mod:`specialists.routing.manner`.
"""

from __future__ import annotations

import re
from typing import Literal

from specialists.routing import manner

Role = Literal["solve", "explain", "code"]

ROLES: tuple[Role, ...] = ("solve", "explain", "code")

_PROGRAM = (
    r"(?:python|code|program|function|script|class|solve\(\)|method|module|snippet|implementation"
    r"|unit tests?|tests?|loop|subroutine|one-liner|routine|cli|command-line tool)"
)
_SOME = r"(?:[\w'-]+\s+){0,4}?"
_VERBS: dict[Role, str] = {
    "solve": r"solve|work (?:it |this |that )?out|compute|calculate|find(?: out)?|evaluate|determine"
    r"|answer|simplify|add up|add(?= (?:\d|(?:and|all|both|them|these|those|the)\b|\w+ (?:and|to)\b))"
    r"|estimate|count|figure out|get|derive|integrate|differentiate"
    r"|factori[sz]e|convert|sum|multiply|divide|subtract|prove"
    r"|how (?:many|much|long|far|old|fast|tall|heavy)"
    r"|what(?:'s| is| are| was| would| will| does| do| did)|state the|give me the"
    r" (?:answer|result|number|total|value)|tell me (?:the (?:answer|result|total|value)|how many"
    r"|how much)|check whether|say how many",
    "explain": r"explain|describe|justify|why|summari[sz]e|outline|walk (?:me|us)|show (?:me |us )?"
    r"(?:how|why|your)|tell|say|discuss|clarify|interpret|comment on|elaborate|teach|reflect|compare"
    r"|break (?:it |this |that )?down|in words|spell out|give (?:me |us )?(?:[\w'-]+\s+){0,3}?"
    r"(?:reason|reasons|intuition|reasoning|explanation|justification|summary|rationale)"
    r"|how (?:did|do|does|you|it)|state (?:why|your)|put it in words|argue|provide (?:[\w'-]+\s+){0,3}?"
    r"(?:explanation|reasoning|justification|summary|rationale)|write (?:[\w'-]+\s+){0,4}?"
    r"(?:explanation|paragraph|summary|justification)",
    "code": rf"code|program|implement|script|write {_SOME}{_PROGRAM}|refactor|debug"
    rf"|turn {_SOME}into {_SOME}{_PROGRAM}|give (?:me |us )?{_SOME}{_PROGRAM}"
    rf"|(?:translate|convert|port|put) {_SOME}(?:in)?to {_SOME}{_PROGRAM}"
    rf"|(?:build|create|make|develop|provide|draft|produce) {_SOME}{_PROGRAM}"
    rf"|(?:verify|check|simulate|plot|test|solve) {_SOME}(?:with|in|by|using) {_SOME}{_PROGRAM}"
    rf"|show (?:me |us )?{_SOME}{_PROGRAM}"
    rf"|add {_SOME}(?:unit tests?|tests|a test|type hints)|express {_SOME}(?:in|as) {_SOME}{_PROGRAM}",
}
_NOUNS: dict[Role, str] = {
    "solve": r"answer|result|total|sum|equation|value|many|much|number|amount|product|cost|price",
    "explain": r"why|reason(?:ing)?|explanation|intuition|justification|in words|each step|steps",
    "code": r"python|code|function|script|program|implementation|solve\(\)",
}
LEAD = (
    r"\W*(?:(?:\d{1,2}|[a-e]|i{1,3})[.)]\s+)?"
    r"(?:(?:please|first|firstly|first of all|second|secondly|third|thirdly|then|next|now|finally"
    r"|lastly|also|and|after that|after this|afterwards?|at last|to start(?: with)?|start by"
    r"|begin by|to begin(?: with)?|could you|can you|would you|will you|i want you to|i need you to"
    r"|i'd like you to|i would like you to|i'd like to|you should|help me(?: to)?|let's|kindly|start"
    r"|last|last of all|to finish|in the end|subsequently|once (?:that|this|it)(?:'s| is| has been)"
    r" (?:done|solved|finished|clear)|when (?:done|finished|that is done|you are done)|that done"
    r"|with that (?:done|in hand)|having done (?:that|so)|followed by|before that|step \w+|part \w+"
    r"|task \w+|me|us|just|briefly|clearly|carefully|simply|quickly|i want|i need"
    r"|my request|task|question|hi|hello|hey|thanks|ok|okay|so|but|of all|too|again)\b[\s,:;.)(-]*)*"
)
_OPENS = {
    role: re.compile(LEAD + rf"(?P<verb>{cues})(?!\w|\()", re.I) for role, cues in _VERBS.items()
}
"""Patterns of opening verbs. A verb right before a bracket is the name of a function: "get(x)
returns how many"."""
_WHAT = re.compile(r"what\b", re.I)
_QUANTITY = re.compile(
    r"\d|[=+*/^%]|\b(?:numbers?|amount|sum|total|values?|probabilit\w+|chances?|odds|areas?|volume"
    r"|perimeter|speed|distance|average|mean|median|mode|cost|price|root|derivative|integral|product"
    r"|remainder|percent\w*|results?|answer|solution|return|output|print|age|height|length|width"
    r"|weight|time|rate|ratio|change|profit|salary|temperature|factorial|gcd|lcm|x|y|n)\b",
    re.I,
)
"""Topics of a "what is" question that asks to solve; any other topic asks to explain."""
_LEADS = re.compile(LEAD, re.I)
_INSIDE = {role: re.compile(rf"\b(?:{cues})\b", re.I) for role, cues in _VERBS.items()}
_NAMED = {role: re.compile(rf"\b(?:{cues})(?!\w)", re.I) for role, cues in _NOUNS.items()}
_GERUNDS: dict[Role, str] = {
    "solve": r"solving|computing|calculating|finding|evaluating|determining|working (?:it )?out"
    r"|solved|computed|calculated|found|determined|worked (?:it |this )?out",
    "explain": r"explaining|describing|justifying|summari[sz]ing|explained|described|justified",
    "code": rf"coding|programming|implementing|writing {_SOME}{_PROGRAM}|implemented|coded",
}
_BY = LEAD + r"(?:after|by|once you(?: have|'ve)|when you(?: have|'ve)|having|before|with)?\s*"
_GERUND = {role: re.compile(_BY + rf"(?:{cues})\b", re.I) for role, cues in _GERUNDS.items()}


def instructs(text: str) -> bool:
    """Whether ``text`` opens with an instruction about form, with or without polite words before
    it."""
    lead = _LEADS.match(text)
    return manner.instructs(text.lstrip()) or bool(lead and manner.instructs(text[lead.end() :]))


def opening_role(text: str, before: str = "") -> Role | None:
    """The role of the verb that ``text`` opens with, after polite and sequential words. The text
    ``before`` may contain the numbers that a "what is" is about.

    Among several cues that match there, the longest counts: "convert it to Python" asks for code.
    """
    if instructs(text):
        return None
    found = [(m.end(), role, m) for role in ROLES if (m := _OPENS[role].match(text))]
    spoken = [(m.end(), role) for role in ROLES if (m := _GERUND[role].match(text))]
    ends = [*((end, role) for end, role, _ in found), *spoken]
    if not ends:
        return None
    role = max(ends)[1]
    asked = next((m["verb"] for _, name, m in found if name == role), "")
    if role == "solve" and _WHAT.match(asked) and not _about_numbers(text, before):
        return "explain"
    return role


def _about_numbers(text: str, before: str) -> bool:
    return bool(_QUANTITY.search(text)) or any(sign.isdigit() for sign in before)


def role_of(text: str, before: str = "") -> Role | None:
    """The role that ``text`` asks for: by its opening verb, else by the cue that comes first."""
    if opens := opening_role(text, before):
        return opens
    for cues in (_INSIDE, _NAMED):
        found = [(m.start(), -m.end(), role) for role in ROLES if (m := cues[role].search(text))]
        if found:
            return min(found)[2]
    return None
