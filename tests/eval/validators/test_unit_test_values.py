"""``unit_test`` on programs of many kinds: right ones pass, wrong ones fail, forged ones do neither."""

from __future__ import annotations

import asyncio

import pytest

from eval.sandbox import BubblewrapSandbox, Limits
from eval.validators.unit_test import judge_many
from tests.eval.validators.unit_forgeries import FORGERIES, PROMPTS
from tests.eval.validators.unit_programs import CASES, UNCARRIED
from tiers.protocol import Check, CheckResult

pytestmark = pytest.mark.slow

BOX = BubblewrapSandbox()


def judged(*programs: str, test: str, entry: str = "f", prompt: str = "") -> list[CheckResult]:
    spec = {"entry_point": entry, "test": test, "prompt": prompt, "timeout": 60}
    return asyncio.run(judge_many(BOX, programs, Check(kind="unit_test", spec=spec)))


@pytest.mark.parametrize("name", CASES)
def test_a_right_program_passes_and_a_wrong_sibling_fails(name: str) -> None:
    case = CASES[name]
    right, wrong = judged(
        case.right, case.sibling, test=case.test, entry=case.entry, prompt=case.prompt
    )
    assert right.passed, right.detail
    assert wrong.refutes, wrong.detail


@pytest.mark.parametrize("name", UNCARRIED)
def test_a_right_program_is_never_blamed(name: str) -> None:
    case = UNCARRIED[name]
    right, wrong = judged(case.right, case.sibling, test=case.test, entry=case.entry)
    assert right.inconclusive, right.detail
    assert right.signature == "not-carried"
    assert wrong.refutes, wrong.detail


SLOW = {"a generator for ever", "stops the judge"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in FORGERIES]
)
def test_no_program_can_make_itself_right(name: str) -> None:
    program, test = FORGERIES[name]
    spec = {"entry_point": "f", "test": test, "prompt": PROMPTS.get(name, ""), "timeout": 10}
    (result,) = asyncio.run(judge_many(BOX, [program], Check(kind="unit_test", spec=spec)))
    assert not result.passed, result


def test_an_iteration_that_the_candidate_ends_is_its_mistake() -> None:
    (ended,) = judged("def f(x): raise StopIteration\n", test="assert all(map(f, [1]))")
    assert (ended.refutes, ended.signature) == (True, "StopIteration")


READERS = ("reads the job", "reads memory", "reads frames and objects")


@pytest.mark.parametrize("name", READERS)
def test_the_tests_cannot_be_read(name: str) -> None:
    program, _ = FORGERIES[name]
    shown = program.replace("return found", "return found or 'nothing'")
    (hidden,) = judged(shown, test="WANTED = '(1) == 3'\nassert f(1) == 'nothing'")
    assert hidden.passed, hidden.detail


@pytest.mark.parametrize(
    ("program", "test", "what"),
    [
        ("class A:\n    def __eq__(self, o): return o == 3\ndef f(): return A()\n",
         "assert f() == 3", "an object of the candidate's class A with the tests' own data"),
        ("def f(): return 'x' * (17 * 2 ** 20)\n", "assert len(f()) == 17 * 2 ** 20",
         "a value of more than 16 MiB"),
        ("class A: pass\ndef f(): return A()\n", "class B(A):\n    pass\nassert isinstance(B(), A)",
         "a subclass of A"),
        ("def f(): return 1\n", "import pytest\n@pytest.mark.skipif(False, reason='')\n"
         "def test_a():\n    assert f() == 1", "pytest.mark.skipif"),
        ("def f(): return 1\n", "def test_a(mocker):\n    assert f() == 1",
         "the fixture mocker of the tests"),
        ("def f(): print('x' * 2 ** 21)\n", "import io, contextlib\nout = io.StringIO()\n"
         "with contextlib.redirect_stdout(out):\n    f()\nassert len(out.getvalue()) == 2 ** 21 + 1",
         "more than 1 MiB of printed text"),
        ("def f(): return 1\n", "x = 3", "tests that never use f"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_said_and_held_against_nobody(
    program: str, test: str, what: str
) -> None:
    (result,) = judged(program, test=test)
    assert result.inconclusive
    assert result.signature == "not-carried"
    assert result.detail.startswith(f"this judge cannot compare {what}")


def test_tests_that_need_what_the_sandbox_lacks_refute_nothing() -> None:
    (result,) = judged("def f(): return 1\n", test="import absent_module\nassert f() == 1")
    assert (result.inconclusive, result.signature) == (True, "no-module")
    assert result.detail == "the tests need the module absent_module"


def test_a_module_that_is_here_and_not_in_the_sandbox_refutes_nothing() -> None:
    here, nowhere = judged(
        "import pydantic\ndef f(): return 1\n", "import absent_module\ndef f(): return 1\n",
        test="assert f() == 1",
    )  # fmt: skip
    assert (here.inconclusive, here.signature) == (True, "no-module")
    assert (nowhere.refutes, nowhere.signature) == (True, "ModuleNotFoundError")


def test_one_that_ends_the_launch_does_not_end_the_others() -> None:
    killer = "import os\ndef f():\n    os.kill(-1, 9)\n    os.kill(os.getppid(), 9)\n"
    right = "def f(): return 1\n"
    results = judged(right, killer, right, test="assert f() == 1")
    assert [r.passed for r in results] == [True, False, True]


@pytest.mark.parametrize(
    "test",
    [
        "ds = [{i: str(i) for i in range(5000)} for _ in range(40)]\nfor d in ds:\n    assert f(d) == 5000",
        "xs = list(range(200000))\nfor _ in range(60):\n    assert f(xs) == 200000",
        "rows = [list(range(300)) for _ in range(300)]\nfor _ in range(60):\n    assert f(rows) == 300",
        "xs = [list(range(50)) for _ in range(1000)]\nassert f(xs, lambda r: r.append(0)) == 1000\n"
        "assert {len(x) for x in xs} == {51}",
    ],
)
def test_values_that_do_not_change_are_copied_once(test: str) -> None:
    program = (
        "def f(xs, g=None):\n    for x in xs if g else ():\n        g(x)\n    return len(xs)\n"
    )
    check = Check(kind="unit_test", spec={"entry_point": "f", "test": test, "timeout": 60})
    (result,) = asyncio.run(judge_many(BOX, [program], check, Limits(cpu_seconds=3)))
    assert result.passed, result.detail


def test_time_that_copying_takes_is_not_the_candidates() -> None:
    test = "for _ in range(40):\n    assert f([[i] for i in range(20000)]) == 20000"
    check = Check(kind="unit_test", spec={"entry_point": "f", "test": test, "timeout": 60})
    programs = ["def f(xs): return len(xs)\n", "def f(xs):\n    while True: pass\n"]
    right, slow = asyncio.run(judge_many(BOX, programs, check, Limits(cpu_seconds=2)))
    assert right.passed or (right.inconclusive and "so many values" in right.detail), right
    assert (slow.refutes, slow.signature) == (True, "timeout")


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("xs[0] = True", "xs[0] is True"),
        ("xs[0], xs[1] = xs[1], xs[0]", "xs == [2, 1, 3]"),
        ("xs[2] = 3.0", "type(xs[2]) is float"),
        ("xs.append(xs.pop(0))", "xs == [2, 3, 1]"),
    ],
)
def test_a_change_that_equality_hides_is_seen(change: str, seen: str) -> None:
    here, there = judged(
        f"def f(xs):\n    {change}\n",
        "def f(xs): pass\n",
        test=f"xs = [1, 2, 3]\nf(xs)\nassert {seen}",
    )
    assert here.passed, here.detail
    assert there.refutes
    (kept,) = judged(
        f"KEPT = []\ndef f(xs=None):\n    if xs:\n        KEPT.append(xs)\n    xs = KEPT[0]\n"
        f"    return {seen}\n",
        test=f"xs = [1, 2, 3]\nassert not f(xs)\n{change}\nassert f()",
    )
    assert kept.passed, kept.detail
