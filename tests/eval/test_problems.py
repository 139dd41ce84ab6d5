"""Problems: the public view, sections, scoring, and every way to name a problem wrongly."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval import Problem, join_sections, load_problem, score, sections, suite_problems
from eval.validators.numeric import NumericValidator
from state.errors import UsageError
from tiers.protocol import Check, CheckResult, Task

SECRET = "hidden-4711"


def load(spec: str, text: str = "") -> Problem:
    return load_problem(spec, io.StringIO(text))


def refusal(spec: str, text: str = "") -> str:
    with pytest.raises(UsageError) as caught:
        load(spec, text)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 500
    return line


class Recorder:
    """A validator that keeps what it was given and accepts it."""

    kinds = frozenset({"exact"})

    def __init__(self) -> None:
        self.calls: list[tuple[str, Check]] = []

    async def validate(self, artifact: str, check: Check) -> CheckResult:
        self.calls.append((artifact, check))
        return CheckResult(kind=check.kind, passed=True)


def test_nothing_hidden_in_the_public_view() -> None:
    problem = Problem(
        id="p", kind="text", statement="Say it.",
        public_checks=(Check(kind="exact", spec={"expected": "it"}),),
        hidden_checks=(Check(kind="exact", spec={"expected": SECRET}),),
        checker=SECRET, meta={"note": SECRET},
    )  # fmt: skip
    task = problem.task()
    assert SECRET in problem.model_dump_json()
    assert SECRET not in task.model_dump_json() + repr(task)
    assert task.public_checks == problem.public_checks
    assert not {"hidden_checks", "checker", "meta"} & set(Task.model_fields)
    with pytest.raises(ValueError, match="frozen"):
        problem.statement = "other"  # type: ignore[misc]


LINES = ("def f():", "    return 1", "", "\\solve:", "code:", "Explain: ", "\\\\code:\r", "else:")
PARTS = st.dictionaries(
    st.sampled_from(["solve", "explain", "code"]),
    st.lists(st.sampled_from(LINES) | st.text(max_size=8)).map("\n".join),
)


@pytest.mark.slow
@given(PARTS)
def test_sections_read_back_what_was_joined(parts: dict[str, str]) -> None:
    read = sections(join_sections(parts))
    assert list(read) == list(parts)
    for label, body in parts.items():
        assert read[label].strip() == body.strip()
    assert sections(join_sections(read)) == read


def test_sections_of_a_plain_answer() -> None:
    text = "Sure.\n\nSolve:\n42\n\nexplain: \nBecause.\n\n"
    text += "\ncode:\n\n    x = 1\n\n    y = 2\nsolve:\n43\n"
    assert sections(text) == {
        "solve": "42",
        "explain": "Because.",
        "code": "    x = 1\n\n    y = 2\nsolve:\n43",
    }
    assert sections("just 42") == {}
    with pytest.raises(ValueError, match="no section 'proof'"):
        join_sections({"proof": "x"})


def test_score_hands_each_check_its_section_and_a_bare_spec() -> None:
    specs = ({"section": s, "expected": s} for s in ("solve", "code"))
    checks = [Check(kind="exact", spec=spec) for spec in (*specs, {"expected": "all"})]
    problem = Problem(id="p", kind="multistage", statement="s", hidden_checks=tuple(checks))
    recorder = Recorder()
    answer = "solve:\none\n\nexplain:\ntwo"
    results = asyncio.run(score(problem, answer, {"exact": recorder}))
    assert [r.passed for r in results] == [True, False, True]
    assert results[1].signature == "no-section"
    assert recorder.calls == [
        ("one", Check(kind="exact", spec={"expected": "solve"})),
        (answer, Check(kind="exact", spec={"expected": "all"})),
    ]


def test_score_without_checks_or_validator() -> None:
    assert asyncio.run(score(load("-", "Hello?"), "anything", {})) == []
    with pytest.raises(UsageError, match="no validator runs checks of kind 'numeric'"):
        asyncio.run(score(load("3"), "42", {}))


def test_public_checks_are_not_scored() -> None:
    problem = Problem(
        id="p", kind="text", statement="s",
        public_checks=(Check(kind="numeric", spec={"expected": 1}),),
        hidden_checks=(Check(kind="numeric", spec={"expected": 2}),),
    )  # fmt: skip
    for answer, right in (("2", True), ("1", False)):
        (result,) = asyncio.run(score(problem, answer, {"numeric": NumericValidator()}))
        assert result.passed is right


def test_numbers_and_suite_ids() -> None:
    assert load("3") == load("horizon/16-3") == suite_problems("horizon", [3])[0]
    assert load("multistage/12").id == "multistage/12"
    assert load("pocket-code/007").id == "pocket-code/7"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("-1", "numbers run from 0"),
        ("9999999999", "numbers run from 0"),
        ("chess/4", "no suite 'chess' and no such file; suites: horizon, multistage, pocket-code"),
        ("horizon", "ids look like horizon/E-K"),
        ("horizon/16", "ids look like horizon/E-K"),
        ("horizon/0-1", "1 to 1024"),
        ("horizon/1025-1", "1 to 1024"),
        ("horizon/16--1", "ids look like horizon/E-K"),
        ("multistage/x", "ids look like multistage/K"),
        ("pocket-code/1.5", "ids look like pocket-code/K"),
        ("", "give a number, suite/id"),
        (" ", "give a number, suite/id"),
        ("a\0b", "give a number, suite/id"),
        ("x" * 5000, "give a number, suite/id"),
        ("nowhere.yaml", "problem file 'nowhere.yaml': no such file"),
        ("my problem.yml", "problem file 'my problem.yml': no such file"),
        ("./my problem", "problem file 'my problem': no such file"),
        ("~/problems/1", "problem file '~/problems/1': no such file"),
        ("data/a problem of mine.json", "no such file"),
        ("notes.txt", "no such file"),
        ("problem", "no such file; give a number, suite/id"),
        ("horizn/4-1", "no suite 'horizn' and no such file"),
        ("\ud800 and two words", "is not UTF-8 text"),
        ("²", "give a number"),
    ],
)
def test_bad_names(spec: str, says: str) -> None:
    assert says in refusal(spec)


@pytest.mark.parametrize(
    "text",
    [
        "What is 2.5 and\n2?",
        "347+586",
        "12 * 7",
        "Ann has 3 apples and/or 4 pears.",
        "Write a program that reads data.json",
        "horizon is what?",
    ],
)
def test_any_other_text_is_the_problem(text: str) -> None:
    problem = load(text)
    assert (problem.kind, problem.statement) == ("text", text)
    assert problem == load("-", text)


def test_free_text() -> None:
    problem = load("-", "  What is two and two?\n")
    assert (problem.kind, problem.statement) == ("text", "What is two and two?")
    assert problem.checker == "none"
    assert not problem.public_checks + problem.hidden_checks
    assert problem.id == load("-", "What is two and two?").id != load("-", "Other").id
    assert "standard input is empty" in refusal("-", " \n")
    assert "null character" in refusal("-", "2 + \0 2?")
    assert "not UTF-8" in refusal("-", "caf\udce9")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_problem("-", io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8"))


def test_files(tmp_path: Path) -> None:
    fields = {
        "statement": "What is 6 times 7?",
        "hidden_checks": [{"kind": "numeric", "spec": {"expected": 42}}],
        "meta": {"source": "here"},
    }
    as_json = tmp_path / "six.json"
    as_json.write_text("\ufeff" + json.dumps(fields), "utf-8")
    as_yaml = tmp_path / "six.yaml"
    as_yaml.write_text(
        "statement: What is 6 times 7?\nmeta: {source: here}\n"
        "hidden_checks:\n- kind: numeric\n  spec: {expected: 42}\n"
    )
    problem = load(str(as_json))
    assert problem == load(str(as_yaml))
    assert (problem.id, problem.kind, problem.checker) == ("six", "text", "numeric")
    (result,) = asyncio.run(score(problem, "It is 42.", {"numeric": NumericValidator()}))
    assert result.passed


CHECK = "statement: s\nhidden_checks:\n- {kind: exact, spec: {expected: a}}\n- "
BAD_FILES = [
    (b"statement: [1, 2\nid: x\n", "line 2: broken YAML"),
    (b"statement: a\n\tid: x\n", "line 2: broken YAML"),
    (b"statement: a\nid: \x07\n", "line 2: broken YAML"),
    (b"a: &a [*a]\nstatement: s", "unknown field 'a'"),
    (b"statement: s\nmeta: &a {x: *a}", "meta: only plain data"),
    (b"statement: s\nmeta: {on: 2024-01-01}", "meta: only plain data"),
    (b"statement: s\nmeta: {on: 2024-13-41}", "cannot be read as data"),
    (b"[" * 5000, "cannot be read as data"),
    (b"statement: s\nhiden_checks: []\n", "unknown field 'hiden_checks'; fields: id, kind"),
    (b"id: x\n", "no statement"),
    (b"statement: ' '\n", "statement: is empty"),
    (b'statement: "a \\ud800 b"\n', "half a character"),
    (b'statement: "a \\0 b"\n', "null character"),
    (b'statement: s\nmeta: {a: [b, {"\\udfff": c}]}\n', "half a character"),
    (b"statement: 5\n", "statement: Input should be a valid string"),
    (b"statement: s\nkind: riddle\n", "kind: no 'riddle'; kinds: code, story, multistage, text"),
    (b"", "holds nothing"),
    (b"- a\n", "holds a list"),
    (b"just text", "holds plain text"),
    (b"statement: caf\xe9\n", "is not UTF-8 text (byte 14)"),
    (b"statement: s\npublic_checks: {kind: exact}\n", "public_checks: is a mapping"),
    (f"{CHECK}{{spec: {{}}}}".encode(), "hidden_checks[1]: kind: Field required"),
    (f"{CHECK}exact".encode(), "hidden_checks[1]: check:"),
    (f"{CHECK}{{kind: exakt}}".encode(), "hidden_checks[1]: kind: no 'exakt'; kinds: exact, "),
    (f"{CHECK}{{kind: exact, spec: 3}}".encode(), "hidden_checks[1]: spec: Input should be"),
    (f"{CHECK}{{kind: numeric}}".encode(), "hidden_checks[1]: expected: Field required"),
    (f"{CHECK}{{kind: numeric, spec: {{expected: many}}}}".encode(), "'many' is not a number"),
    (f"{CHECK}{{kind: function, spec: {{entry_point: f, cases: [{{args: []}}]}}}}".encode(),
     "hidden_checks[1]: cases.0.expected: Field required"),
    (f"{CHECK}{{kind: exact, spec: {{expected: 2024-01-01}}}}".encode(),
     "hidden_checks[1]: spec: only"),
    (f"{CHECK}{{kind: any_of, spec: {{checks: [{{kind: exact}}]}}}}".encode(),
     "hidden_checks[1]: checks[0]: expected: Field required"),
    (f"{CHECK}{{kind: exact, spec: {{expected: a, section: proof}}}}".encode(),
     "hidden_checks[1]: section: no 'proof'; sections: solve, explain, code"),
    (b"statement: s\npublic_checks: [{kind: exact, spec: {expected: a, section: solve}}]",
     "public_checks[0]: section: only a hidden check"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("content", "says"), BAD_FILES)
def test_bad_files(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(content)
    assert says in refusal(str(path))


PREDICATE = "def accepts(answer): return 12 % int(answer) == 0"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"predicate": f"{PREDICATE}\n1 / 0"}, "loading the code raised ZeroDivisionError"),
        (
            {"predicate": PREDICATE, "examples": [{"answer": "6"}, {"answer": "six"}]},
            "predicate: on its own example 'six' it raised ValueError",
        ),
        (
            {"predicate": PREDICATE, "examples": [{"answer": "5"}]},
            "on its own example '5' it refuses what it should accept",
        ),
        (
            {"predicate": PREDICATE, "examples": [{"answer": "6", "accepted": False}]},
            "on its own example '6' it accepts what is wrong",
        ),
    ],
)
def test_a_predicate_that_fails_its_own_examples(
    tmp_path: Path, spec: dict[str, object], says: str
) -> None:
    path = tmp_path / "p.json"
    check = {"kind": "predicate", "spec": spec}
    path.write_text(json.dumps({"statement": "x", "public_checks": [check]}))
    said = refusal(str(path))
    assert says in said
    assert "public_checks[0]: predicate" in said


def test_a_predicate_that_keeps_to_its_own_examples(tmp_path: Path) -> None:
    examples = [{"answer": "6"}, {"answer": "5", "accepted": False}]
    path = tmp_path / "p.json"
    check = {"kind": "predicate", "spec": {"predicate": PREDICATE, "examples": examples}}
    path.write_text(json.dumps({"statement": "x", "hidden_checks": [check]}))
    assert load(str(path)).hidden_checks[0].spec["examples"] == examples


def test_bad_places(tmp_path: Path) -> None:
    broken = tmp_path / "p.json"
    broken.write_text('{"statement": "s",\n"id": }')
    assert "line 2: broken JSON" in refusal(str(broken))
    text = tmp_path / "notes.txt"
    text.write_text("What?")
    assert "name it .yaml, .yml or .json" in refusal(str(text))
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert "is a folder" in refusal(str(folder))
    big = tmp_path / "big.yaml"
    big.write_bytes(b"a" * 4_000_001)
    assert "larger than" in refusal(str(big))
