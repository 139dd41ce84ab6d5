"""Queries with known segments: written by hand, and drawn from templates.

Markup: ``<s>…</s>`` is a segment to solve, ``<e>…</e>`` to explain, ``<c>…</c>`` to code; what stands
between belongs to no segment.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

TAGS = {"s": "solve", "e": "explain", "c": "code"}
_TAG = re.compile(r"</?([sec])>")

HAND: tuple[str, ...] = (
    "<s>Solve 3x + 7 = 22</s>, then <e>explain why each step is valid</e>, and finally "
    "<c>write Python code that solves any linear equation</c>.",
    "<s>What is 15% of 240?</s> <e>Explain how you got it.</e>",
    "<c>Write a function that reverses a linked list</c> and <e>explain its running time</e>.",
    "<e>Explain what a prime number is</e>. Then <c>write a Python function that tests for one</c>. "
    "Finally, <s>find all primes below 50</s>.",
    "<s>How many ways can 5 people sit in a row?</s> <e>Why?</e>",
    "<s>Compute the area of a circle of radius 4</s>; next, <c>implement it in Python</c>.",
    "Please <s>work out 347 * 29</s>, and then <e>walk me through the multiplication</e>.",
    "<s>Tom has 12 apples. He gives 5 to Ann and then buys 8 more. How many does he have now?</s> "
    "<e>Explain your reasoning in words.</e> <c>Write a program that prints the answer.</c>",
    "First <s>determine the derivative of x^3 sin x</s>. After that, <e>describe the product rule in "
    "plain words</e>. Last, <c>code a numerical check in Python</c>.",
    "<c>Implement binary search in Python</c>.",
    "<e>Explain why the sky is blue</e>.",
    "<s>Find x such that 2^x = 64</s>.",
    "<s>Evaluate 7! / 5!</s> and <c>write a script that computes factorials</c>.",
    "1. <s>Solve the system x + y = 10, x - y = 4.</s>\n2. <e>Explain the elimination method.</e>\n"
    "3. <c>Write code that does it for any 2x2 system.</c>",
    "- <s>Calculate the mean of 4, 8, 15, 16, 23, 42</s>\n- <e>Explain what the mean tells us</e>\n"
    "- <c>Write a Python function mean(xs)</c>",
    "<e>Describe how quicksort works</e>, then <c>implement it</c>, and finally <e>discuss its worst "
    "case</e>.",
    "I want you to <s>compute 2 + 2 * 3</s> and <e>justify the order of operations</e>.",
    "Could you <c>write a Python script that counts the words of a file</c> and then <e>explain each "
    "line</e>?",
    "<s>A train travels 120 km in 1.5 h. What is its average speed?</s> Then <e>explain the formula</e>.",
    "<s>Simplify (a + b)^2 - (a - b)^2</s>, <e>explain the identity</e>, and <c>verify it with a Python "
    "program</c>.",
    "<c>Write a function to find the largest number and compute the mean of a list</c>.",
    "<c>Write a program that explains its own output</c>.",
    "<e>Explain the code below and its purpose.\n```python\nx = 1\n# then write more code\n```</e>",
    "<c>Refactor this function:\n```python\ndef f(x):\n    return x  # solve it, then explain\n```</c>\n"
    "Then <e>explain what you changed</e>.",
    "<e>Tell me why 0.1 + 0.2 is not 0.3 in floating point</e>; <c>write a short Python snippet that "
    "shows it</c>.",
    "<s>Find the greatest common divisor of 84 and 126</s> - then <e>say how Euclid's algorithm gets "
    "there</e>.",
    "<s>How much is 3/4 of 96</s>, and <e>why</e>?",
    "<s>If 5 machines make 5 widgets in 5 minutes, how long do 100 machines take for 100 widgets?</s> "
    "<e>Explain the trick.</e>",
    "<s>Ben starts with 30 coins, loses 12 and then doubles what is left. Work out how many coins he "
    "has.</s> Next, <c>turn it into Python</c>.",
    "Hi, <s>calculate the compound interest on $1000 at 5% for 3 years</s>, please, and <e>explain the "
    "formula you used</e>.",
    "<c>Create a Python class for a bank account</c>, then <c>add unit tests</c>.",
    "<e>Summarise the idea of dynamic programming</e> and <c>give me a Python function for the knapsack "
    "problem</c>, followed by <e>an analysis of its complexity</e>.",
    "<s>Convert 100 degrees Fahrenheit to Celsius</s>. In addition, <c>write a function for it</c>.",
    "<s>Determine whether 221 is prime</s>. <e>Give a short justification.</e>",
    "To start, <s>add up all the multiples of 3 below 100</s>. Afterwards <c>write a one-liner in Python "
    "that does it</c>.",
    "<s>Solve the story. Mia has 14 shells. She finds 9 shells. How many shells does Mia have?</s> And "
    "<e>explain it to a child</e>.",
    "<c>Translate this into Python: for each number from 1 to 10, print its square.</c>",
    "<e>In two sentences, explain recursion.</e> Then <c>show me a recursive function for "
    "Fibonacci.</c>",
    "<s>Integrate x e^x dx</s> and then <e>outline integration by parts</e>.",
    "Once you have <s>solved 5x - 3 = 2x + 9</s>, <e>explain the steps</e>, and <c>write solve() in "
    "Python</c>.",
    "After <s>computing the sum of the first 100 integers</s>, <e>explain Gauss's trick</e>.",
    "<e>Before writing any code, explain the algorithm</e>. Then <c>code it</c>.",
    "<c>Debug this: `print(1/0)`</c> and <e>explain the error</e>.",
    "<s>What is the probability of rolling two sixes?</s> <e>How did you get that?</e> <c>Simulate it "
    "with a Python script.</c>",
    "Given the triangle with sides 3, 4 and 5, <s>find its area</s> and <e>explain which formula "
    "applies</e>.",
    "Using the quadratic formula, <s>solve x^2 - 5x + 6 = 0</s>. Finally, <c>program the solution</c>.",
    "<c>Write a Python function is_even(n)</c>. <e>Explain it in one sentence.</e> <s>What does "
    "is_even(7) return?</s>",
    "<s>Count the vowels in \"then explain and write code\"</s>.",
    "<e>Discuss the meaning of 'solve, then code'</e>.",
    "<s>Estimate how many piano tuners work in Chicago</s>, <e>state your assumptions</e>.",
    "My request: <e>explain gradient descent</e> → <c>implement it in Python</c> → <s>compute two steps "
    "for f(x) = x^2 from x = 4</s>.",
    "<s>Factorise 360</s>; <e>explain what prime factors are</e>; <c>write code for it</c>",
    "<c>Build a small command-line tool that converts miles to kilometres</c>",
    "Can you <e>explain how hash tables work</e> and also <c>make a simple implementation in "
    "Python</c>?",
    "<s>Leo bought 3 pens at $2 and 4 books at $5. How much did he spend, and how much change does he "
    "get from $50?</s>",
    "<e>Why does the harmonic series diverge?</e> <c>Write a script that prints its partial sums.</c>",
    "<s>Compute 17 mod 5</s>, then <s>17 // 5</s>, and <e>explain the difference</e>.",
    "<s>Kim reads 20 pages a day, then takes a break, and finally reads 50 pages. After 6 days and the "
    "last evening, how many pages has she read?</s> <e>Explain.</e>",
    "Dr. Lee has 3.5 litres of acid, e.g. for cleaning. <s>Work out how many 0.25 litre bottles it "
    "fills.</s> <e>Explain the division.</e>",
    "<e>Explain to me in words what a derivative is, how it is defined, and why it matters.</e>",
    "(a) <s>Solve 9 - 4 * 2.</s> (b) <c>Write a calculator in Python.</c>",
    "<c>Provide Python code for bubble sort</c>, then <e>compare it with insertion sort in words</e>.",
    "<s>Derive the formula for the sum of squares</s> and <c>check it with a program for n up to "
    "100</c>.",
    "<c>Code a stack</c>. <e>Comment on its complexity</e>.",
    "<s>Multiply 48 by 52</s>, <e>show me why the difference of squares helps</e>, and lastly <c>write a "
    "function that uses it</c>.",
    "Please <e>teach me about the Pythagorean theorem</e>; then <s>find the hypotenuse for legs 6 and "
    "8</s>.",
    "<c>Port this to Python: `for (i = 0; i < 3; i++) puts(\"hi\");`</c> and <e>elaborate on the "
    "differences</e>.",
    "<s>How far does a ball fall in 3 s?</s> <c>Write Python that plots it.</c>",
)  # fmt: skip

_SOLVE = (
    "solve {x}a + {y} = {z}", "calculate {x} times {y}", "find the total cost of {x} pens at ${y} each",
    "work out how many days are in {x} weeks", "determine the remainder of {z} divided by {y}",
    "compute the perimeter of a {x} by {y} rectangle", "get the sum of {x}, {y} and {z}",
    "figure out the average of {x} and {y}", "evaluate {x} + {y} * 2",
    "find out how many eggs fit into {x} boxes of {y}", "answer the riddle about the {x} boats",
    "add {x} to {z}", "estimate the square root of {z}", "simplify {x}/{z}",
)  # fmt: skip
_EXPLAIN = (
    "explain your reasoning", "describe each step in plain words", "tell me how you got there",
    "justify the result", "explain why this works", "walk me through the solution",
    "say why the order matters", "summarise the method in two sentences",
    "give a short explanation for beginners", "outline the idea behind it",
    "show me why it is correct", "clarify what the numbers mean", "explain it to a ten-year-old",
    "spell out the assumptions",
)  # fmt: skip
_CODE = (
    "write Python code for it", "implement it as a function", "write a small program that prints it",
    "give me a script that does the same", "turn it into a Python function",
    "code it in Python", "create a function with tests", "write a class that stores the result",
    "program the general case", "build a script that reads the numbers from a file",
    "write a function that takes the numbers and returns the result",
    "produce a Python module for it", "write code which checks the answer", "make a program out of it"
)  # fmt: skip
_FIRST = (
    "",
    "",
    "",
    "Please ",
    "First, ",
    "First of all, ",
    "Could you ",
    "I'd like you to ",
    "To begin, ",
)
_NEXT = (
    ", then ",
    " and then ",
    ". Then ",
    ". After that, ",
    "; next, ",
    ". Next, ",
    ", and ",
    ". ",
    "; ",
)
_LAST = (
    ", and finally ",
    ". Finally, ",
    ". Lastly, ",
    " and finally ",
    ". In the end, ",
    ", and ",
    " and ",
)
_BEFORE = (
    "", "", "Nina has {x} stamps and gets {y} more. ", "A shop sells {x} kinds of tea. ",
    "Here is my homework. ", "We had {z} guests, then {y} left. ",
)  # fmt: skip
_ORDERS = ("sec", "sec", "se", "sc", "ec", "ce", "ces", "sce", "ecs", "s", "e", "c")


@dataclass(frozen=True)
class Query:
    """A request and its true segments: (label, start, end) in characters."""

    text: str
    segments: tuple[tuple[str, int, int], ...]
    source: str


def read(markup: str, source: str) -> Query:
    """A query from its markup. Neighbours of one label count as one segment."""
    text, spans, at, start = "", list[tuple[str, int, int]](), 0, 0
    for match in _TAG.finditer(markup):
        text += markup[at : match.start()]
        at = match.end()
        if match[0][1] != "/":
            start = len(text)
        elif spans and spans[-1][0] == TAGS[match[1]]:
            spans[-1] = (spans[-1][0], spans[-1][1], len(text))
        else:
            spans.append((TAGS[match[1]], start, len(text)))
    return Query(text + markup[at:], tuple(spans), source)


def drawn(count: int, seed: int = 0) -> list[Query]:
    """Queries from templates, all different."""
    rng = random.Random(f"queries|{seed}")
    phrases = {"s": _SOLVE, "e": _EXPLAIN, "c": _CODE}
    found: dict[str, Query] = {}
    while len(found) < count:
        numbers = {"x": rng.randint(2, 20), "y": rng.randint(2, 40), "z": rng.randint(41, 400)}
        order = rng.choice(_ORDERS)
        text = rng.choice(_BEFORE).format(**numbers) + rng.choice(_FIRST)
        for k, label in enumerate(order):
            if k:
                text += rng.choice(_LAST if k + 1 == len(order) else _NEXT)
            phrase = rng.choice(phrases[label]).format(**numbers)
            if not text or text.endswith(". "):
                phrase = phrase[0].upper() + phrase[1:]
            text += f"<{label}>{phrase}</{label}>"
        query = read(text + rng.choice((".", ".", "!", "")), "template")
        found.setdefault(query.text, query)
    return list(found.values())


def queries(templates: int = 200, seed: int = 0) -> list[Query]:
    """The whole set: all by hand, and ``templates`` by template."""
    return [*(read(markup, "hand") for markup in HAND), *drawn(templates, seed)]
