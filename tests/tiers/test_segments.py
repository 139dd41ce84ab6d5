"""Segments of a request, and the sequential pipeline that they become."""

from __future__ import annotations

import pytest

from scripts.research.split_queries import queries, read
from scripts.research.splitting import accuracy, by_regex, by_rules
from tiers.domains.text import stages
from tiers.segments import asks_in_stages, segment


def found(text: str) -> list[tuple[str, str]]:
    return [(one.label, one.text) for one in segment(text)]


def test_the_request_of_the_issue() -> None:
    text = "Solve 2x + 1 = 5, then explain why, and finally write Python code that checks it."
    assert found(text) == [
        ("solve", "Solve 2x + 1 = 5"), ("explain", "explain why"),
        ("code", "write Python code that checks it."),
    ]  # fmt: skip
    for one in segment(text):
        assert text[one.start : one.end] == one.text


def test_neighbours_of_one_label_are_one_segment() -> None:
    assert [label for label, _ in found("Explain the idea. Describe each step. Then code it.")] == [
        "explain", "code",
    ]  # fmt: skip


def test_code_in_fences_and_quotations_is_neither_cut_nor_read() -> None:
    text = "Explain this:\n```python\n# then write code; finally solve it\n```\nThen solve 1 + 1."
    assert [label for label, _ in found(text)] == ["explain", "solve"]
    assert "finally solve it" in found(text)[0][1]
    assert [label for label, _ in found('Count the words in "explain, then code it".')] == ["solve"]


def test_cue_words_of_one_segment_do_not_name_another() -> None:
    assert found("Write a program that explains its result and solve 3 + 4.")[0][0] == "code"
    assert [label for label, _ in found("Explain the code, then compute 3 + 4.")] == [
        "explain", "solve",
    ]  # fmt: skip


@pytest.mark.parametrize("blank", ["\n", " ", "\t", " \n", "\n\t "])
def test_long_runs_of_blanks_cost_nothing_and_change_nothing(blank: str) -> None:
    text = "Compute 3 + 4," + blank * (7000 // len(blank)) + "then explain it."
    assert found(text) == [("solve", "Compute 3 + 4"), ("explain", "explain it.")]


@pytest.mark.parametrize("text", ["", "   ", "Good morning.", "```\nsolve\n```", "\n\n\n"])
def test_what_asks_for_nothing_has_no_stages(text: str) -> None:
    assert not asks_in_stages(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "a" * 5000, "then " * 500, "1. " * 300, "é, then explain why 日本" * 20,
        "Solve it." + "\n" * 30_000 + "Then explain it.", "Solve it, then explain it. " * 1000,
    ],
)  # fmt: skip
def test_odd_texts_are_segmented_within_their_bounds(text: str) -> None:
    at = 0
    for one in segment(text):
        assert at <= one.start < one.end <= len(text)
        assert text[one.start : one.end] == one.text
        at = one.end


def test_the_splitter_beats_the_plain_expression_on_the_whole_set() -> None:
    everything = queries()
    assert len(everything) >= 200
    assert len({q.text for q in everything}) == len(everything)
    ours, plain = accuracy(everything, by_rules), accuracy(everything, by_regex)
    assert ours.boundary_precision > 0.9
    assert ours.boundary_recall > 0.9
    assert ours.label_recall > 0.9 > plain.label_recall


def test_the_measure_itself() -> None:
    query = read("Hi, <s>add 1 and 2</s>, then <e>say why</e>.", "hand")
    assert query.text == "Hi, add 1 and 2, then say why."
    cut = query.text.index("say")
    end = query.text.index(", then")
    right = accuracy([query], lambda text: [("solve", 0, end), ("explain", cut, len(text))])
    assert (right.exact, right.boundary_recall, right.label_precision) == (1, 1, 1)
    late = accuracy([query], lambda text: [("solve", 0, end), ("explain", cut + 2, len(text))])
    assert (late.exact, late.boundary_precision, late.label_recall) == (0, 0, 0.5)
    none = accuracy([query], lambda text: [("solve", 0, len(text))])
    assert (none.boundary_precision, none.boundary_recall) == (1, 0)


def test_segments_become_steps_that_build_on_each_other() -> None:
    plan = stages("Explain primes, then write code for it, then explain its speed.")
    assert plan is not None
    assert [s.name for s in plan.steps] == ["explain", "code", "explain_2"]
    assert [s.inputs for s in plan.steps] == [(), ("explain",), ("explain", "code")]
    assert plan.answer == {"explain": "explain", "code": "code", "explain 2": "explain_2"}
    assert stages("Explain primes.") is None
