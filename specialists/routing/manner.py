"""Instructions about form: length, language, audience or shape of an answer.

"Why is the sky blue? Answer in two sentences." is one request. Its second sentence has a verb, but
asks for nothing beyond the first: it belongs to the request that it modifies.
"""

from __future__ import annotations

import re

_NUMBER = (
    r"(?:\d+(?:\s*(?:-|–|to|or)\s*\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|an?"
    r"|a few|half a|a single|a couple of)"
)
_MEASURE = (
    rf"{_NUMBER}(?:\s+|-)(?:\w+\s+){{0,2}}?(?:words?|sentences?|lines?|paragraphs?|bullets?"
    r"|bullet points?|pages?|characters?|letters?|tokens?|items?|points?)"
)
_BOUND = (
    r"(?:(?:at most|at least|no more than|not more than|no longer than|exactly|about|around|roughly"
    r"|up to|fewer than|less than|under|within|only|just|maximum|max)\s+)*"
)
_PRONOUN = r"(?:it|this|that|them|these|those|both|all|everything|each|the above)"
_OWN = (
    r"(?:your|the|my|this|that|each|every|all|a|an|one|only the|just the)?\s*"
    r"(?:(?:final|whole|full|complete|entire|short|brief|exact|numeric(?:al)?|resulting|last)\s+){0,2}"
    r"(?:answers?|responses?|reply|replies|results?|outputs?|solutions?|numbers?|values?)"
)
_YOURS = (
    r"your\s+(?:\w+\s+){0,2}(?:answers?|response|reply|results?|output|solution|explanation|code)"
)
_MANNER = (
    r"(?:in|as|with|to|on|onto|after|before|behind|using|inside|within|between|at|without|only|rounded"
    r"|under|below|by|like|from|into|for|and nothing|briefly|concisely|shortly|simply|clearly)\b"
)
_TELL = (
    r"(?:write|give(?:\s+me|\s+us)?|return|state|say|output|print|present|format|phrase|put|provide"
    r"|express|report|show(?:\s+me|\s+us)?|tell(?:\s+me|\s+us)?|submit|box|mark|enclose|wrap|deliver"
    r"|structure|render|display|list)"
)
_PROGRAM = r"(?:python|code|program|function|script|class|method|module)"
_FORMS = (
    # Answer briefly. Reply in French. Respond with yes or no. Answer:
    r"(?:answer|reply|respond)(?:\s+(?:me|us|it|this|that|them|both|each|all|everything|the above"
    r"|(?:each|every|the|this|these|all|my)(?:\s+\w+)?\s+questions?))?(?:\s*$|\s*[.!,;:]|\s+"
    r"(?:in|as|with|by|for|using|only|just|either|yes|no|true|within|at|to|like|under|below|on|from|without"
    r"|after|before|exactly|nothing|[a-z]+ly)\b)",
    # Give your answer … Write the final result in a box. Put it in a table.
    rf"{_TELL}\s+{_YOURS}\b",
    rf"{_TELL}\s+{_OWN}\s+{_MANNER}",
    rf"{_TELL}\s+{_PRONOUN}\s+{_MANNER}(?!.{{0,30}}\b{_PROGRAM}\b)",
    # Say only the number. Explain nothing. Output just the code.
    rf"(?:please\s+)?(?:just|only)\s+{_TELL}\b",
    r"[a-z]+(?:\s+me|\s+us)?\s+(?:only|just|nothing|no\s+(?:explanation|more|other)\w*)\b"
    r"(?!\s+(?:to|how|why|what)\b)",
    # Write two sentences. Use at most 50 words.
    rf"{_TELL}\s+{_BOUND}{_MEASURE}(?:\s+(?:or less|or fewer|max(?:imum)?|each|long|in total|at most"
    r"|only))*\s*(?:$|[.!,;])",
    # Show your work. Show all steps.
    r"(?:show|include|give|write(?: down)?)\s+(?:me\s+|us\s+)?(?:(?:all|every|each|the|your|of)\s+)*"
    r"(?:full\s+|intermediate\s+)?(?:work|working|workings|steps?|calculations?|computations?|math)\b",
    # Say how sure you are. Rate your confidence.
    r"(?:say|state|tell me|indicate|rate|give|add)\s+(?:me\s+)?(?:how (?:sure|certain|confident)"
    r"|(?:your|a)\s+(?:level of\s+)?confidence)",
    # Give an example. Include two examples.
    rf"(?:give|provide|include|add|show|use|cite|write)\s+(?:me\s+|us\s+)?(?:[\w'-]+\s+){{0,4}}?"
    rf"examples?\b(?!\s+{_PROGRAM})",
    # Explain it in comments. Compute it without loops.
    r"(?:explain|describe|document|comment on)\s+(?:\w+\s+){0,4}?in\s+(?:the\s+|a\s+|inline\s+|code\s+)*"
    r"(?:comments?|docstrings?)\b",
    rf"(?:compute|calculate|solve|do|find|get|work)\s+{_PRONOUN}?\s*(?:out\s+)?(?:without|using only)\b",
)
_INSTRUCTION = re.compile("|".join(_FORMS), re.I)


def instructs(text: str) -> bool:
    """Whether ``text`` opens with an instruction about the form of an answer.

    The caller removes polite and sequential words before the verb.
    """
    return bool(_INSTRUCTION.match(text))


_BRIEF = re.compile(
    r"\W*(?:please\s+)?(?:explain|describe|justify|say|tell me|summari[sz]e)\s*"
    r"(?:it|this|that|(?:your|the) answer)?\s*(?:briefly|shortly|simply|in short"
    rf"|in\s+{_BOUND}{_MEASURE}|in\s+(?:simple|plain|your own)\s+(?:words|terms))\W*$",
    re.I,
)


def brief(text: str) -> bool:
    """Whether ``text`` asks for the same answer with a short explanation: "Explain briefly."

    Such a text belongs to a question before it; after any other text it is a request of its own.
    """
    return bool(_BRIEF.match(text))
