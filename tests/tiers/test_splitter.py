"""The rule splitter: sentences, stages, and what the rest is about."""

from __future__ import annotations

import pytest

from eval import suite_problems
from tiers.domains.story.splitter import (
    read_request,
    sentences,
    story,
    windows,
)


def test_sentences_and_windows() -> None:
    text = "Ana has 3 pens. Ben gives her 2 pens! How many pens does Ana have now?"
    assert len(sentences(text)) == 3
    assert windows(5, 2) == [range(0, 2), range(2, 4), range(4, 5)]


@pytest.mark.parametrize("number", range(60))
def test_a_multistage_request_is_cut_where_its_story_begins(number: int) -> None:
    (problem,) = suite_problems("multistage", [number])
    request = read_request(problem.statement)
    assert request is not None
    assert set(request.stages) == {"solve", "explain", "code"}
    assert request.body == problem.statement.removeprefix(problem.meta["request"]).strip()


def test_a_story_is_no_request() -> None:
    for problem in suite_problems("horizon/8", range(30)):
        assert read_request(problem.statement) is None
        assert story(problem.statement) == problem.statement
