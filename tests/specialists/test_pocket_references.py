"""The pocket generators' reference answers are right, and their judge knows right from wrong."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from specialists.pocket import arithmetic, domains, explain, functions, split, stories
from specialists.pocket.domains import CELLS
from specialists.pocket.stories import Story, draw_story

EDGES = [
    ("+", 0, 0), ("+", 9999, 9999), ("+", 5, 9995), ("-", 1000, 1), ("-", 7, 7), ("-", 9999, 0),
    ("*", 999, 99), ("*", 0, 45), ("*", 105, 90), ("/", 9900, 99), ("/", 0, 7), ("/", 9999, 9),
    ("/", 1001, 13),
]  # fmt: skip


def drawn_pairs(test: bool) -> list[tuple[str, int, int]]:
    rng = random.Random(f"pairs|{test}")
    ops = [rng.choice("+-*/") for _ in range(2000)]
    return [(op, *arithmetic.draw_pair(rng, op, test=test)) for op in ops]


def drawn_stories() -> list[tuple[Story, bool]]:
    rng = random.Random("stories")
    sizes = [1, 2, 3, 5, 8, 13, 21, 32] * 25 + [64, 128] * 4
    return [(draw_story(rng, n, test=bool(k % 2)), bool(k % 2)) for k, n in enumerate(sizes)]


STORIES = drawn_stories()


@pytest.mark.parametrize("pairs", [EDGES, drawn_pairs(False), drawn_pairs(True)])
def test_worked_results(pairs: list[tuple[str, int, int]]) -> None:
    python = {
        "+": lambda a, b: a + b, "-": lambda a, b: a - b,
        "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    }  # fmt: skip
    for op, a, b in pairs:
        worked = arithmetic.work(op, a, b)
        assert arithmetic.read_result(worked) == python[op](a, b), worked
        assert arithmetic.parse(f"{a} {op} {b}") == (a, op, b)
        assert arithmetic.within_reach(op, a, b)


@pytest.mark.slow
def test_every_line_of_the_work_is_true() -> None:
    """Each column's equation holds, and each line ends with the digits of the result so far."""
    for op, a, b in EDGES + drawn_pairs(True):
        *lines, last = arithmetic.work(op, a, b).splitlines()
        result = last.removeprefix("= ")
        text = "\n".join(lines)
        for x, y, carry, total in re.findall(r"(\d)\+(\d)\+(\d)=(\d+)", text):
            assert int(x) + int(y) + int(carry) == int(total)
        for x, y, borrow, lent, digit in re.findall(r"(\d)-(\d)-(\d)=(\d)(\d)", text):
            assert int(x) + 10 * int(lent) - int(y) - int(borrow) == int(digit)
        for x, y, carry, total in re.findall(r"(\d)\*(\d)\+(\d+)=(\d+)", text):
            assert int(x) * int(y) + int(carry) == int(total)
        heads = [line for line in lines[1:] if ": " in line]
        done = (heads if op == "/" else lines)[-1].rsplit(" ", 1)[1]
        assert str(int(done)) == result
        if op in "+-":
            for k, line in enumerate(lines[1:-1], 1):
                assert line.rsplit(" ", 1)[1] == result.zfill(len(done))[-k:]
        if op == "*":
            parts = re.split(r"^\*(\d)$", text, flags=re.M)[1:]
            for digit, work in zip(parts[::2], parts[1::2], strict=True):
                columns = re.findall(r"^\d\*.* (\d+)$", work, re.M)
                assert int(columns[-1]) == a * int(digit)
        if op == "/":
            rest, table = 0, [f"{n} {b * n}" for n in range(1, 10)]
            assert [
                " ".join(map(str, map(int, e))) for e in re.findall(r"(\d) (\d+)", lines[0])
            ] == table
            for k, line in enumerate(heads):
                current, tried, digit, so_far = re.fullmatch(
                    r"(\d+): (.*) (\d) (\d+)", line
                ).groups()
                assert int(current) == rest * 10 + int(str(a)[k])
                for n, multiple, beside, sign in re.findall(r"(\d) (\d+) (\d+)([<>])", tried):
                    assert int(multiple) == b * int(n)
                    assert beside == current
                    assert (int(multiple) > int(current)) == (sign == ">")
                assert int(digit) == int(current) // b == min(9, tried.count("<"))
                rest = int(current) - int(digit) * b
                assert len(so_far) == k + 1
                if int(digit):
                    columns = lines[lines.index(line) + len(current) + 1]
                    assert int(columns.rsplit(" ", 1)[1]) == rest
            assert rest == 0


@pytest.mark.parametrize(("op", "a", "b"), [("-", 1, 2), ("/", 7, 2), ("/", 7, 0), ("^", 1, 1)])
def test_no_natural_result(op: str, a: int, b: int) -> None:
    with pytest.raises(ValueError, match="no natural result"):
        arithmetic.apply(op, a, b)
    assert op == "^" or not arithmetic.within_reach(op, a, b)


def test_chains_of_operations() -> None:
    rng = random.Random("chains")
    for k in range(500):
        chain = arithmetic.draw_chain(rng, test=bool(k % 2))
        value = chain[0][0]
        for a, op, b in chain:
            assert a == value
            assert arithmetic.within_reach(op, a, b)
            value = arithmetic.apply(op, a, b)
        assert arithmetic.read_result(arithmetic.work_chain(chain)) == value <= arithmetic.LIMIT


def test_programs_of_stories_return_the_answer() -> None:
    for story, _ in STORIES:
        namespace: dict[str, Any] = {}
        exec(domains.story_program(story), namespace)  # the generator's own text, nobody else's
        assert namespace["solve"]() == story.answer


def test_steps_of_stories_lead_to_the_answer() -> None:
    """The notation alone, read as ``decompose`` writes it, gives every value and the answer."""
    for story, _ in STORIES:
        amounts: dict[str, int] = {}

        def value(operand: str, known: dict[str, int] = amounts) -> int:
            return int(operand) if operand.isdigit() else known[operand]

        results = []
        for step in story.steps:
            head, tail = str(step).split(": ")
            left, *rest = tail.split(" ")
            result = value(left)
            if rest:
                result = arithmetic.apply(rest[0], result, value(rest[1]))
            amounts[head] = amounts[head.partition("@")[0]] = result
            results.append(result)
        assert results == [v[3] for v in story.values if v[0].target != "answer"]
        asked = story.ask.removeprefix("answer: ").split(" + ")
        assert sum(map(value, asked)) == story.answer


def test_amounts_stay_within_reach() -> None:
    for story, test in STORIES:
        for step, a, b, result in story.values:
            assert 0 <= result <= arithmetic.LIMIT
            if step.op is not None:
                assert b is not None
                assert arithmetic.within_reach(step.op, a, b)
                assert arithmetic.apply(step.op, a, b) == result
                assert test or not domains.arithmetic.pair_held_out(step.op, a, b)
        assert story.values[-1][3] == story.answer
        assert story.text.count("?") == 1


def test_a_story_tells_each_number_of_its_steps() -> None:
    words = "half|twice|doubles|triples|three times"
    for story, _ in STORIES:
        for event in story.events:
            told = [int(n) for n in re.findall(r"\d+", event.sentence)]
            used = {int(n) for s in event.steps for n in (s.left, s.right or "") if n.isdigit()}
            assert used == set(told) or (not told and re.search(words, event.sentence))
            assert all(s.target in event.sentence for s in event.steps)


@pytest.mark.slow
@pytest.mark.parametrize("operations", [1, 2, 3, 4])
@pytest.mark.parametrize("test", [False, True])
def test_solutions_do_what_the_operations_say(operations: int, test: bool) -> None:
    rng = random.Random(f"functions|{operations}|{test}")
    for _ in range(200):
        task = functions.draw_function(rng, operations, test=test)
        namespace: dict[str, Any] = {}
        exec(task.solution, namespace)
        for case in task.cases(rng, 8):
            argument = case["args"][0]
            kept = list(argument) if isinstance(argument, list) else argument
            assert namespace[task.entry_point](argument) == case["expected"]
            assert argument == kept
            assert type(case["expected"]) in (int, str, bool, list)
        assert len(task.operations) == operations
        assert f"{task.entry_point}(" in task.prompt


def test_explanations_pass_and_spoilt_ones_fail() -> None:
    rng = random.Random("explain")
    for k in range(60):
        values, answer = explain.draw_explain(rng, test=k < 3)
        text = explain.explanation(values, answer)
        assert explain.explains(text, values, answer) == ""
        for match in re.finditer(r"\d+", text):
            wrong = f"{text[: match.start()]}{int(match[0]) + 1}{text[match.end() :]}"
            assert explain.explains(wrong, values, answer)
        sentences = text.splitlines()
        for i in range(len(sentences)):
            assert explain.explains("\n".join(sentences[:i] + sentences[i + 1 :]), values, answer)
        assert explain.explains(text + "\nThat is all.", values, answer)
        assert explain.explains(text.replace(values[0][0].target, "Xaver"), values, answer)
        assert explain.explains("", values, answer)
        assert explain.explains(text, values, answer + 1)


def test_requests_hold_their_segments() -> None:
    rng = random.Random("split")
    for k in range(300):
        text, segments = split.draw_split(rng, test=bool(k % 2))
        assert len({label for label, _ in segments}) == len(segments)
        spans = [text.lower().find(segment.lower()) for _, segment in segments]
        assert spans == sorted(spans)
        assert min(spans) >= 0


def test_expressions_are_decomposed() -> None:
    rng = random.Random("expressions")
    for k in range(300):
        text, answer = stories.draw_expression(rng, k % 4 + 1, test=True)
        head, *steps = answer.splitlines()
        assert head == f"#1 {text}"
        lines = dict(line.split(": ") for line in steps)
        whole = lines["answer"]
        for name in reversed(list(lines)):
            whole = re.sub(rf"\b{name}\b", f"({lines[name]})", whole) if name != "answer" else whole
        assert eval(f"({whole}) == ({text})".replace("/ 0", "/ 1"))


@pytest.mark.parametrize(("domain", "cell"), [(d, c) for d, cells in CELLS.items() for c in cells])
def test_the_judge(domain: str, cell: str) -> None:
    for example in domains.held_out_examples(domain, cell, 8):
        if domain == "code":
            assert domains.judge(example, example.answer) is None
            continue
        answer = example.answer
        assert domains.judge(example, answer) is True
        assert domains.judge(example, f"{answer}\n") is True
        for bad in ("", f"{answer} 10000", answer[: len(answer) // 2] + "?"):
            assert domains.judge(example, bad) is False, bad
        if re.search(r"\d\W*$", answer):
            last = re.sub(r"(\d)(\W*)$", lambda m: str(9 - int(m[1])) + m[2], answer)
            assert domains.judge(example, last) is False
