"""Instructions about form belong to the request that they modify; further requests are steps."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from tests.shared_data import shared
from tiers.segments import asks_in_stages, segment

ONE = """\
Why is the sky blue? Answer in two sentences.
Why is the sky blue? Tell me the answer in French.
Why is the sky blue? Explain like I'm five.
Answer in two sentences: why is the sky blue?
Answer the following question in one word: what is the capital of France?
What is the capital of France? Explain in one sentence.
What is gravity? Explain like I'm five.
What is 15% of 240? Show your work.
What is 15% of 240? Just tell me the number.
What is 15% of 240? Say only the number.
How many days are in a leap year? Explain briefly.
Explain photosynthesis. Answer as a poem.
Explain photosynthesis, and answer in German.
Explain photosynthesis. Write one paragraph.
Explain photosynthesis. Compute nothing.
Write a Python function that reverses a string. Explain nothing.
Write a Python function that reverses a string. Add comments that explain each step.
Write a Python function that reverses a string. Use type hints and explain it in comments.
Write a function f(n) that returns the sum of the digits. Compute it without strings.
Implement a class Counter. add(x) counts x. get(x) returns how many times x was added.
Summarise this article. Answer in bullet points.
What is the difference between a list and a tuple? Give examples in Python.
What are the pros and cons of nuclear power? Say which side is stronger.
Why do cats purr? Cite a source. Answer in at most 50 words.
Estimate the population of Paris. Say how sure you are.
Compare Python and Java, and say which one is easier.
Is a tomato a fruit? Answer yes or no, and explain in one sentence.
Summarise the following email: Hi Bob, please write a script that sums numbers. Then explain it.
Translate this text into German: Please solve the puzzle, then explain why it works.
Which is larger, 9.11 or 9.9? Reply with the number and nothing else.
Tom has 3 boxes with 4 pens each. How many pens are there? Give your answer in words.""".splitlines()

TWO = """\
What is 15% of 240? Explain how you got it.
Why is the sky blue? Answer in two sentences, then write a Python program that prints them.
Write a Python function that reverses a string. Then explain how it works.
Explain recursion in two sentences. Then write a recursive function for Fibonacci.
How many ways can 5 people sit in a row? Answer with a number. Then write a program that counts them.
Write a program that sorts a list. What does it print for 3, 1, 2?
Explain merge sort. Then compute how many comparisons it needs for 8 items. Answer with the number.
Tom has 12 apples and buys 8. How many has he? Implement it as a function. Use type hints.""".splitlines()


@pytest.mark.parametrize("text", ONE)
def test_an_instruction_about_form_is_no_further_step(text: str) -> None:
    assert not asks_in_stages(text), segment(text)


@pytest.mark.parametrize("text", TWO)
def test_a_further_request_is(text: str) -> None:
    assert len(segment(text)) == 2, segment(text)


def test_the_instruction_stays_with_its_request() -> None:
    text = "Explain primes. Answer in one line. Then write a test for them in code. Use no loops."
    assert [one.text for one in segment(text)] == [
        "Explain primes. Answer in one line.",
        "write a test for them in code. Use no loops.",
    ]


def test_a_pasted_text_ends_where_a_fence_or_a_blank_line_ends_it() -> None:
    fenced = "Explain this code:\n```\nx = 1\n```\nThen write a faster function."
    assert [one.label for one in segment(fenced)] == ["explain", "code"]
    pasted = (
        "Summarise this message: solve it, then code it.\n\nThen write a program that mails it."
    )
    assert [one.label for one in segment(pasted)] == ["explain", "code"]


def test_what_is_pasted_below_a_request_is_none() -> None:
    for text in (
        "Summarise the text below.\n\nFirst compute the total. Then write code for it.",
        "Explain this code:\ndef f(x):\n    # then write a program; compute it\n    return x",
    ):
        assert [one.label for one in segment(text)] == ["explain"]
    assert [one.label for one in segment("For this data: 4, 8. Compute the mean and explain it.")] == [
        "solve", "explain",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_word_problem_is_one_request() -> None:
    with shared("gsm8k_train.jsonl").open() as rows:
        questions = [json.loads(row)["question"] for row in islice(rows, 1000)]
    assert sum(asks_in_stages(question) for question in questions) <= 1
