"""JSON plans of a general model: accepted forms, refused ones, and the messages of the refusals."""

from __future__ import annotations

import json

import pytest

from tiers.domains.text.llm_plan import _NAME, _PROMPT, SCHEMA, _renamed, read_plan

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
        (GOOD[:-1], "cannot be read"),
        (GOOD.replace('"answer"', ', "answer"'), "cannot be read"),
        (GOOD.replace('"name": "b"', '"name": "A"'), "two steps are named a"),
        (GOOD.replace('"name": "b"', '"name": "?!"'), "name"),
        (GOOD.replace('"name": "b"', '"name": true'), "name"),
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


@pytest.mark.parametrize(
    ("name", "normal"),
    [("Day1", "day1"), ("Day 1", "day_1"), ("step-2", "step_2"), ("2", "step_2")],
)
def test_a_name_that_means_one_thing_is_normalised(name: str, normal: str) -> None:
    text = json.dumps(
        {
            "steps": [
                {"name": name, "objective": "Count.", "kind": "more than was asked"},
                {
                    "name": "Last",
                    "objective": f"Double {{{name}}} in set {{1, 2}}.",
                    "inputs": [name],
                },
            ],
            "answer": "LAST",
        }
    )
    found = read_plan(text)
    assert [s.name for s in found.steps] == [normal, "last"]
    assert found.steps[1].inputs == [normal]
    assert found.answer == "last"
    assert _renamed(f"Double {{{name}}} in set {{1, 2}}.", {normal}) == (
        f"Double {{{normal}}} in set {{1, 2}}."
    )


def test_a_number_for_a_name_and_no_inputs_are_understood() -> None:
    text = '{"steps": [{"name": 1, "objective": "x", "inputs": null}], "answer": 1}'
    assert read_plan(text).answer == "step_1"


def test_braces_around_the_plan_are_passed_over() -> None:
    assert read_plan(f"The set {{1, 2}} is {{}}. {GOOD} So {{done}}.").answer == "b"


def test_the_prompt_tells_the_pattern_and_the_schema_holds_a_server_to_it() -> None:
    assert "lower-case" in _PROMPT
    step = SCHEMA["$defs"]["_Step"]
    assert step["properties"]["name"]["pattern"] == _NAME
    assert step["additionalProperties"] is SCHEMA["additionalProperties"] is False
