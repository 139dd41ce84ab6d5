"""Public checks of a programming task: the example calls with results in its own text.

HumanEval (Chen et al. 2021, arXiv 2107.03374) writes examples in many forms: doctest prompts,
``f(x) == y``, ``f(x) ➞ y``, ``f(x) returns y``, ``For lst = [1] the output should be 1``. Examples
without a literal call and a literal result are left out, so a task may have no public check.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from eval.validators import extract_code
from tiers.protocol import Check

CALL_SECONDS = 2.0
"""Wall-clock limit of one example call."""

_ARROW = re.compile(
    r"\s*(?:,?\s*#\s*)?(?:should\s+)?(?:returns?\b|==>|=>|==|➞|->|=|returned\b)\s*[:=]?>?\s*"
)
_SENTENCE = re.compile(r"For\s+(\w+)\s*=\s*(.+?)\s+the output should be\s+(.+?)\.?\s*$", re.M)
_INPUT = re.compile(r"Input:\s*(.+?)\n\s*Output:\s*(.+?)\s*$", re.M)
_AFTER = re.compile(r"\s*(?:$|#|[.,;)]\s|[.,;)]$|\()")


def public_cases(prompt: str, entry_point: str) -> list[dict[str, Any]]:
    """Examples of ``prompt`` as ``{"args", "kwargs", "expected"}``, in order, without repeats.

    Only calls of ``entry_point`` with literal arguments and a literal result count.
    """
    found = [*_calls(prompt, entry_point), *_told(prompt)]
    unique: dict[str, dict[str, Any]] = {}
    for case in found:
        unique.setdefault(repr(case["args"]) + repr(case["kwargs"]), case)
    return list(unique.values())


def public_check(prompt: str, entry_point: str) -> Check | None:
    """The examples of ``prompt`` as one ``function`` check, or ``None`` where it has none."""
    cases = public_cases(prompt, entry_point)
    if not cases:
        return None
    spec = {"entry_point": entry_point, "cases": cases, "tol": 1e-6, "timeout": CALL_SECONDS}
    return Check(kind="function", spec=spec)


def runnable(prompt: str, entry_point: str, completion: str) -> str:
    """The program in ``completion``, preceded by the code in ``prompt`` before the requested
    function.

    Chat models often leave out the imports and helpers that the prompt has shown them.
    """
    preamble, _, _ = prompt.partition(f"def {entry_point}(")
    code = extract_code(completion, entry_point) or ""
    return f"```python\n{preamble}\n{code}\n```"


def _calls(prompt: str, entry_point: str) -> list[dict[str, Any]]:
    cases = []
    for match in re.finditer(rf"\b{re.escape(entry_point)}\(", prompt):
        line_start = prompt.rfind("\n", 0, match.start()) + 1
        if prompt[line_start : match.start()].strip().endswith("def"):
            continue
        end = _closing(prompt, match.end() - 1)
        if end is None:
            continue
        arguments = _arguments(prompt[match.start() : end])
        expected = _result(prompt, end, ">>>" in prompt[line_start : match.start()])
        if arguments is not None and expected is not None:
            args, kwargs = arguments
            cases.append({"args": args, "kwargs": kwargs, "expected": expected[0]})
    return cases


def _told(prompt: str) -> list[dict[str, Any]]:
    """Examples without a call: one argument, or the ``name = value`` pairs of an input line."""
    cases = []
    for _, value, result in _SENTENCE.findall(prompt):
        parsed, expected = _literal(value), _literal(result)
        if parsed is not None and expected is not None:
            cases.append({"args": [parsed[0]], "kwargs": {}, "expected": expected[0]})
    for given, result in _INPUT.findall(prompt):
        arguments = _arguments(f"f({given})")
        expected = _literal(result)
        if arguments is not None and expected is not None:
            args, kwargs = arguments
            cases.append({"args": args, "kwargs": kwargs, "expected": expected[0]})
    return cases


def _closing(text: str, start: int) -> int | None:
    """The index after the bracket that closes the one at ``start``; brackets in quotes do not
    count."""
    depth, quote, k = 0, "", start
    while k < len(text):
        char = text[k]
        if quote:
            k += char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return k + 1
        k += 1
    return None


def _arguments(call: str) -> tuple[list[Any], dict[str, Any]] | None:
    try:
        node = ast.parse(call.strip(), mode="eval").body
        if not isinstance(node, ast.Call):
            return None
        args = [ast.literal_eval(a) for a in node.args]
        kwargs = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    except (SyntaxError, ValueError):
        return None
    return args, kwargs


def _result(prompt: str, end: int, doctest: bool) -> tuple[Any] | None:
    """The literal that represents the result of a call that ends at ``end``."""
    line, _, rest = prompt[end:].partition("\n")
    if doctest and not line.strip():
        return _literal(rest.partition("\n")[0])
    arrow = _ARROW.match(line)
    return _literal(line[arrow.end() :]) if arrow else None


def _literal(text: str) -> tuple[Any] | None:
    """The longest literal that ``text`` begins with, if nothing but prose follows it."""
    text = text.strip()
    if " = " in text:
        text = text.rpartition(" = ")[2]
    for end in range(len(text), 0, -1):
        if not _AFTER.match(text[end:]):
            continue
        try:
            return (ast.literal_eval(text[:end].strip()),)
        except (SyntaxError, ValueError, TypeError):
            continue
    return None
