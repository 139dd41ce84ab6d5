"""The split of a request with several stages into labelled segments: solve, explain, code."""

from __future__ import annotations

import random

from specialists.pocket.heldout import held_out
from specialists.pocket.stories import ITEMS, NAMES

LABELS = ("solve", "explain", "code")

_PHRASES: dict[str, tuple[str, ...]] = {
    "solve": (
        "solve the story about {i}", "work out how many {i} {a} has", "compute {x} plus {y}",
        "find the number of {i}", "calculate {x} times {y}", "find out what {a} owns",
        "answer the question about {a}", "solve it", "determine how many {i} are left",
        "get the final count of {i}", "compute the total of {a} and {b}",
    ),
    "explain": (
        "explain why", "explain the steps", "tell me how you got there", "describe each step",
        "explain why {a} ends up with that many", "justify the result", "explain it in sentences",
        "say in words what happened to the {i}", "describe the reasoning", "explain it to {b}",
        "walk me through the solution",
    ),
    "code": (
        "write Python code for it", "write a Python function that computes it",
        "implement it in Python", "give me code that prints the result", "write a program for it",
        "code it as a function", "write a script that counts the {i}", "turn it into Python",
        "write code that checks the answer", "program the solution", "write solve() in Python",
    ),
}  # fmt: skip
_OPEN = ("", "", "Please ", "First ", "First, ", "Could you ", "I want you to ", "Start: ")
_NEXT = (
    ", then ",
    " and then ",
    ". Then ",
    ", after that ",
    ". After that, ",
    "; next, ",
    ". Next, ",
)
_LAST = (", and finally ", " and finally ", ". Finally, ", ". At last, ", ", and then ", " and ")


def draw_split(rng: random.Random, *, test: bool) -> tuple[str, list[tuple[str, str]]]:
    """(request, [(label, segment), …]) of two or three stages, from the requested split."""
    while True:
        labels = rng.choice(
            (LABELS, LABELS, ("solve", "explain"), ("solve", "code"), ("explain", "code"),
             ("code", "explain"), ("solve", "code", "explain"))
        )  # fmt: skip
        a, b = rng.sample(NAMES, 2)
        fill = {
            "a": a,
            "b": b,
            "i": rng.choice(ITEMS),
            "x": rng.randint(2, 999),
            "y": rng.randint(2, 99),
        }
        segments = [(label, rng.choice(_PHRASES[label]).format(**fill)) for label in labels]
        text = rng.choice(_OPEN) + segments[0][1]
        for k, (_, segment) in enumerate(segments[1:], 1):
            text += rng.choice(_LAST if k + 1 == len(segments) else _NEXT) + segment
        text = text[0].upper() + text[1:] + rng.choice((".", ".", "!", "?", ""))
        if held_out("split:" + text) == test:
            return text, segments


def segment_lines(segments: list[tuple[str, str]]) -> str:
    """The labelled segments in the output format of the ``split`` specialist, one a line."""
    return "\n".join(f"{label}: {text}" for label, text in segments)
