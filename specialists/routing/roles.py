"""What a piece of a request asks for, by its cue words: to solve, to explain, or to write code.

Cues that open a piece weigh most: "Explain the code" asks to explain, "write code that explains" to
write code.
"""

from __future__ import annotations

import re
from typing import Literal

Role = Literal["solve", "explain", "code"]

ROLES: tuple[Role, ...] = ("solve", "explain", "code")

NATIVE: dict[Role, tuple[str, ...]] = {
    "solve": ("math", "solver", "chain"),
    "explain": ("explain", "general"),
    "code": ("code", "coder"),
}
"""Domains of the cards that a role belongs to, the first that the fleet has."""

_VERBS: dict[Role, str] = {
    "solve": r"solve|work out|compute|calculate|find(?: out)?|evaluate|determine|answer|simplify"
    r"|add up|estimate|count|figure out|how (?:many|much|long|far|old|fast)|get|derive|integrate"
    r"|differentiate|factori[sz]e|convert|sum|multiply|divide|subtract|prove|compare|what(?:'s| is)",
    "explain": r"explain|describe|justify|why|summari[sz]e|outline|walk|show (?:me )?(?:how|why)"
    r"|tell|say|discuss|clarify|interpret|comment on|give (?:me )?(?:the |a |your |an )?"
    r"(?:reason|intuition|reasoning|explanation|justification|summary|rationale)|elaborate"
    r"|teach|reflect|break down|in words|spell out|how (?:did|do|does|you|it)",
    "code": r"code|program|implement|script|write (?:me )?(?:\w+ ){0,3}?(?:python|code|program|"
    r"function|script|class|solve\(\)|method|module|snippet|test|unit tests?)|refactor|debug"
    r"|turn (?:it|this|that|the \w+) into (?:python|code|a (?:python|program|function|script))"
    r"|give (?:me )?(?:\w+ ){0,2}?(?:code|program|function|script|python)"
    r"|(?:translate|convert|port) (?:it|this|that|the \w+) (?:in)?to (?:python|code)"
    r"|(?:build|create|make|develop|provide) (?:\w+ ){0,3}?(?:function|script|program|code|class)",
}
_NOUNS: dict[Role, str] = {
    "solve": r"answer|result|total|sum|equation|value|many|much|number|amount|product|cost|price",
    "explain": r"why|reason(?:ing)?|explanation|intuition|justification|in words|each step|steps",
    "code": r"python|code|function|script|program|implementation|solve\(\)",
}
_LEAD = (
    r"^\W*(?:(?:please|first|firstly|second|secondly|third|thirdly|then|next|now|finally|lastly|also"
    r"|and|after that|afterwards|at last|to start|start by|begin by|could you|can you|would you"
    r"|i want you to|i need you to|i'd like you to|i would like you to|you should|help me|help me to"
    r"|let's|kindly|start|last|to finish|once (?:that|this)(?:'s| is) done|when done|step \d+"
    r"|\d+|[a-c])\b[\s,:;.)]*)*"
)
_OPENS = {role: re.compile(_LEAD + rf"(?:{cues})\b", re.I) for role, cues in _VERBS.items()}
_INSIDE = {role: re.compile(rf"\b(?:{cues})\b", re.I) for role, cues in _VERBS.items()}
_NAMED = {role: re.compile(rf"\b(?:{cues})(?!\w)", re.I) for role, cues in _NOUNS.items()}
_GERUND = re.compile(
    r"^\W*(?:start(?:ing)? by |begin(?:ning)? by |by )?"
    r"(?P<verb>solving|computing|calculating|finding|evaluating|determining|working out|"
    r"explaining|describing|justifying|summari[sz]ing|coding|programming|implementing)\b",
    re.I,
)
_OF_GERUND: dict[str, Role] = {"expl": "explain", "desc": "explain", "just": "explain",
                               "summ": "explain", "codi": "code", "prog": "code",
                               "impl": "code"}  # fmt: skip


def opening_role(text: str) -> Role | None:
    """The role of the verb that ``text`` opens with, polite and sequential words left aside."""
    if gerund := _GERUND.match(text):
        return _OF_GERUND.get(gerund["verb"][:4].lower(), "solve")
    # "convert it to Python" opens with a verb of two roles: the longer cue is the one meant.
    found = [(m.end(), role) for role in ROLES if (m := _OPENS[role].match(text))]
    return max(found)[1] if found else None


def role_of(text: str) -> Role | None:
    """The role that ``text`` asks for: by its opening verb, else by the cue that comes first."""
    if opens := opening_role(text):
        return opens
    for cues in (_INSIDE, _NAMED):
        found = [(m.start(), -m.end(), role) for role in ROLES if (m := cues[role].search(text))]
        if found:
            return min(found)[2]
    return None
