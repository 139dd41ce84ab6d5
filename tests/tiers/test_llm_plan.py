"""JSON plans of a general model: what is read, what is refused and in which words."""

from __future__ import annotations

import pytest

from tiers.llm_plan import read_plan

GOOD = (
    '{"steps": [{"name": "a", "objective": "x"}, '
    '{"name": "b", "objective": "y", "inputs": ["a"]}], "answer": "b"}'
)


def test_a_plan_may_stand_in_prose_and_fences() -> None:
    plan = read_plan(f"Here it is:\n```json\n{GOOD}\n```")
    assert [s.name for s in plan.steps] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no", "no JSON object"),
        ('{"steps": [], "answer": "a"}', "steps"),
        (GOOD.replace('["a"]', '["z"]'), "'z' is not an earlier step"),
        (GOOD.replace('"name": "b"', '"name": "a"'), "two steps are named a"),
        (GOOD.replace('"answer": "b"', '"answer": "q"'), "'q' is not a step"),
        (GOOD.replace('"objective": "x"', '"goal": "x"'), "objective"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_plan(text)
