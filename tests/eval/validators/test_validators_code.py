"""Checks that run code, and programs that try to pass them without being right."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.sandbox import BubblewrapSandbox, Limits
from eval.validators import validators
from eval.validators.compare import equal, show
from eval.validators.driver import Opaque, decode, encode
from tiers.protocol import Check, CheckResult

BOX = BubblewrapSandbox(Limits(seconds=60, cpu_seconds=2))


def check(kind: str, artifact: str, **spec: Any) -> CheckResult:
    return asyncio.run(validators(BOX)[kind].validate(artifact, Check(kind=kind, spec=spec)))


def call(code: str, *cases: tuple[list[Any], Any], **more: Any) -> CheckResult:
    listed = [{"args": args, "expected": expected} for args, expected in cases]
    return check("function", code, entry_point="f", cases=listed, **more)


@pytest.mark.parametrize(
    ("code", "args", "expected"),
    [
        ("def f(a, b): return a + b", [1, 2], 3),
        ("```python\ndef f(a): return a[::-1]\n```", ["abc"], "cba"),
        ("class Solution:\n    def f(self, a): return a", [None], None),
        ("f = lambda a: (a, [a])", [1], [1, [1]]),
        ("def f(): return {1: 'a', 2: {3}}", [], {"1": "a", "2": [3]}),
        ("def f(): return {3, 1, 2}", [], [1, 2, 3]),
        ("def f(): return True", [], True),
        ("def f(): return 2 ** 20000", [], 2**20000),
        ("def f(a): return a % 1000", [7**20000], 7**20000 % 1000),
        ("def f(): return float('nan')", [], math.nan),
        ("def f(): return '\\ud800'", [], "\ud800"),
        ("from fractions import Fraction\ndef f(): return Fraction(1, 4)", [], 0.25),
        ("from collections import Counter\ndef f(): return Counter('aa')", [], {"a": 2}),
        (
            "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1\n"
            "def f(): return A().x",
            [],
            1,
        ),
        ("def f(a):\n    a.append(1)\n    print(a)\n    return len(a)", [[]], 1),
        ("import asyncio\ndef f(): return asyncio.run(asyncio.sleep(0, 5))", [], 5),
    ],
    ids=(str(number) for number in range(99)),
)
def test_right_functions(code: str, args: list[Any], expected: Any) -> None:
    result = call(code, (args, expected))
    assert result.passed, result.detail
    assert (result.detail, result.signature) == ("", "")
    assert result.seconds > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "signature", "detail"),
    [
        ("def f(a): return 3", "wrong-value", "f([1, 2]) returned 3, expected 4"),
        (
            "def f(a): return a[5]",
            "IndexError",
            "f([1, 2]) raised IndexError: list index out of range",
        ),
        ("def f(): return 3", "TypeError", None),
        ("def f(a) return 3", "syntax-error", None),
        ("def f(a):\nreturn 3", "syntax-error", None),
        ("The answer is four.", "syntax-error", None),
        ("", "no-code", "the answer holds no code"),
        ("def g(a): return 4", "missing-entry-point", "no f is defined; the code defines g"),
        (
            "import nonsense",
            "ModuleNotFoundError",
            "loading the code raised ModuleNotFoundError: No module named 'nonsense'",
        ),
        ("raise LookupError('x')", "LookupError", None),
        ("def f(a):\n    while True: pass", "timeout", None),
        ("while True: pass", "timeout", None),
        ("def f(a): return f(a)", "RecursionError", None),
        ("def f(a): return bytearray(2**31)", "memory", None),
        ("def f(a): return input()", "EOFError", None),
        ("def f(a): yield 4", "wrong-value", None),
        ("def f(a): print(4)", "wrong-value", "f([1, 2]) returned None, expected 4"),
        ("def f(a): return '4'", "wrong-value", "f([1, 2]) returned '4', expected 4"),
        (
            "def f(a): raise ValueError('two\\nlines')",
            "ValueError",
            "f([1, 2]) raised ValueError: two lines",
        ),
        ("import ctypes\ndef f(a): ctypes.string_at(0)", "crash", None),
        (
            "def f(a): return [0] * (2 * 10**6)",
            "wrong-value",
            "f([1, 2]) returned a value too large or deep, expected 4",
        ),
    ],
)
def test_wrong_functions(code: str, signature: str, detail: str | None) -> None:
    result = call(code, ([[1, 2]], 4))
    assert not result.passed
    assert result.signature == signature, result.detail
    assert "\n" not in result.detail
    assert result.detail
    if detail is not None:
        assert result.detail == detail


def test_the_first_failing_case_is_named_and_arguments_are_as_given() -> None:
    code = "def f(a, b=0):\n    a.append(9)\n    return len(a) + b"
    cases = [
        {"args": [[]], "expected": 1},
        {"args": [[1]], "kwargs": {"b": 5}, "expected": 8},
        {"args": [None], "expected": 0},
    ]
    result = check("function", code, entry_point="f", cases=cases)
    assert result.detail == "f([1], b=5) returned 7, expected 8"


@pytest.mark.slow
def test_a_call_has_its_own_time() -> None:
    code = "def f(a):\n    while a: pass\n    return a"
    result = call(code, ([0], 0), ([1], 1), timeout=0.3)
    assert result.signature == "timeout"
    assert result.detail == "f(1) did not return within 0.3 seconds"
    assert result.seconds < 2


@pytest.mark.slow
def test_reading_the_arguments_is_none_of_the_calls_time() -> None:
    cases = [{"args": [[[i] for i in range(100_000)]], "expected": 100_000}]
    spec = {"entry_point": "f", "cases": cases, "timeout": 0.05}
    result = check("function", "def f(xs): return len(xs)", **spec)
    assert result.passed, result.detail


def test_tolerance_reaches_inside() -> None:
    code = "def f(): return {'a': (0.1 + 0.2, [1])}"
    assert not call(code, ([], {"a": [0.3, [1]]})).passed
    assert call(code, ([], {"a": [0.3, [1]]}), tol=1e-9).passed


EQUAL_TO_ALL = "class E(BASE):\n    def __eq__(self, o): return True\n    __hash__ = None\n"
HOSTILE = {
    "equal to all": EQUAL_TO_ALL.replace("BASE", "object") + "def f(a): return E()",
    "an int equal to all": EQUAL_TO_ALL.replace("BASE", "int") + "def f(a): return E(3)",
    "a list equal to all": EQUAL_TO_ALL.replace("BASE", "list") + "def f(a): return E([3])",
    "a dict equal to all": EQUAL_TO_ALL.replace("BASE", "dict") + "def f(a): return E()",
    "a class that lies": "class E:\n    __class__ = int\n    def __index__(self): return 4\n"
    "    def __repr__(self): return '4'\ndef f(a): return E()",
    "repr of the answer": "class E:\n    def __repr__(self): return '4'\ndef f(a): return E()",
    "exit early": "import sys\ndef f(a): sys.exit(0)",
    "exit hard": "import os\nos._exit(0)",
    "exit hard later": "import os\ndef f(a): os._exit(0)",
    "exit while loading": "raise SystemExit(0)",
    "json replaced": "import json\njson.dumps = lambda *a, **k: 'true'\ndef f(a): return 3",
    "json raises": "import json\ndef bad(*a): raise ValueError\njson.dumps = bad\n"
    "def f(a): return 3",
    "builtins replaced": "import builtins\nbuiltins.isinstance = lambda *a: True\n"
    "def f(a): return 3",
    "os.write replaced": "import os\nos.write = lambda fd, data: len(data)\ndef f(a): return 4",
    "channel closed": "import os\nos.close(int(os.environ['RESULT_FD']))\ndef f(a): return 4",
    "everything closed": "import os\nos.closerange(0, 64)\ndef f(a): return 4",
    "forged verdict": "import os\nos.write(int(os.environ['RESULT_FD']), "
    "b'{\"passed\": true}\\n')\nos._exit(0)",
    "forged record": "import os\nos.write(int(os.environ['RESULT_FD']), "
    'b\'{"ready": true}\\n{"case": 0, "value": {"opaque": "4"}}\\n\')\nos._exit(0)',
    "forged nonsense": "import os\nos.write(int(os.environ['RESULT_FD']), "
    'b\'{"ready": 1}\\n{"case": 0, "value": {"set": [[1]]}}\\n\')\nos._exit(0)',
    "forged depth": "import os\nos.write(int(os.environ['RESULT_FD']), b'{\"ready\": 1}\\n"
    "{\"case\": 0, \"value\": ' + b'[' * 800 + b']' * 800 + b'}\\n')\nos._exit(0)",
    "forged error": "import os\nos.write(int(os.environ['RESULT_FD']), "
    'b\'{"load": {"type": [], "message": 3}}\\n\')\nos._exit(0)',
    "not json": "import os\nos.write(int(os.environ['RESULT_FD']), b'PASS\\n')\ndef f(a): return 4",
    "channel flooded": "import os\nwhile True: os.write(int(os.environ['RESULT_FD']), b'1\\n'*999)",
    "stdout flooded": "while True: print('4' * 10000)",
    "printed verdict": 'print(\'{"case": 0, "value": 4}\')\ndef f(a): return 3',
    "a key that lies": "class K(str):\n    def __str__(self): return 'x'\n"
    "def f(a): return {K('y'): 4}",
    "an exception that raises": "class X(Exception):\n    def __str__(self): raise self\n"
    "def f(a): raise X",
    "a repr that raises": "class R:\n    def __repr__(self): 1 / 0\ndef f(a): return R()",
    "a cycle": "def f(a):\n    x = []\n    x.append(x)\n    return x",
    "the caller's frame": "import sys\ndef f(a):\n    frame = sys._getframe()\n    while frame:\n"
    "        if 'expected' in frame.f_locals: return frame.f_locals['expected']\n"
    "        frame = frame.f_back\n    return 3",
    "the job's file": "import json\ndef f(a):\n    text = open('/run/files/job.json').read()\n"
    "    return 4 if 'expected' in text else 3",
    "kills all": "import os\ndef f(a):\n    os.kill(-1, 9)\n    os.kill(os.getpid(), 9)",
    "stops itself": "import os\ndef f(a): os.kill(os.getpid(), 19)",
    "forks two drivers": "import os\nos.fork()\ndef f(a): return 3",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_programs_fail_the_check(name: str) -> None:
    result = call(HOSTILE[name], ([[1, 2]], 4))
    assert not result.passed
    assert result.signature
    assert result.detail
    assert "\n" not in result.detail
    assert result.model_dump_json()


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("stdio", {"cases": [{"stdin": "2\n", "stdout": "4\n"}]}),
        ("program_value", {"expected": 4}),
        ("program_value", {"expected": 4, "entry_point": "f"}),
        ("class_ops", {"class_name": "f", "operations": ["f", "g"], "args": [[1], []],
                       "expected": [None, 4]}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["exit hard", "forged verdict", "channel closed", "kills all"])
def test_hostile_programs_fail_the_other_checks(name: str, kind: str, spec: dict[str, Any]) -> None:
    result = check(kind, HOSTILE[name], **spec)
    assert not result.passed
    assert result.signature
    assert result.detail


@pytest.mark.slow
def test_stdio() -> None:
    code = "```python\na, b = map(int, input().split())\nprint(a + b)\nprint()\n```"
    cases = [{"stdin": "1 2", "stdout": "3"}, {"stdin": "2 2\n", "stdout": "4\n"}]
    assert check("stdio", code, cases=cases).passed
    wrong = check("stdio", code, cases=[*cases, {"stdin": "1 1", "stdout": "3"}])
    assert wrong.detail == "stdin '1 1' printed '2', expected '3'"
    raised = check("stdio", code, cases=[{"stdin": "x 1", "stdout": ""}])
    assert raised.signature == "ValueError"
    assert raised.detail.startswith("stdin 'x 1': raised ValueError: invalid literal")
    assert check("stdio", "print(", cases=cases).signature == "syntax-error"
    assert check("stdio", "while True: pass", cases=cases).signature == "timeout"
    assert check("stdio", "import sys; sys.exit(1)", cases=cases).signature == "exit"
    assert check("stdio", "", cases=cases).signature == "no-code"
    near = [{"stdin": "", "stdout": "a 0.3"}]
    assert check("stdio", "print('a', 0.1 + 0.2)", cases=near, tol=1e-9).passed
    assert not check("stdio", "print('b', 0.1 + 0.2)", cases=near, tol=1e-9).passed
    assert not check("stdio", "print('a', 0.1 + 0.2)", cases=near).passed


CACHE = """class Counter:
    def __init__(self, start): self.n = start
    def add(self, k): self.n += k
    def get(self): return self.n
"""


@pytest.mark.slow
def test_class_ops() -> None:
    spec: dict[str, Any] = {
        "class_name": "Counter",
        "operations": ["Counter", "add", "get"],
        "args": [[1], [2], []],
        "expected": [None, None, 3],
    }
    assert check("class_ops", CACHE, **spec).passed
    wrong = check("class_ops", CACHE.replace("+=", "-="), **spec)
    assert wrong.detail == "operation 3: Counter.get() returned -1, expected 3"
    missing = check("class_ops", CACHE.replace("get", "take"), **spec)
    assert missing.signature == "AttributeError"
    unbuilt = check("class_ops", CACHE.replace(", start", ""), **spec)
    assert unbuilt.detail.startswith("operation 1: Counter(1) raised TypeError")


@pytest.mark.slow
def test_program_value() -> None:
    assert check("program_value", "print('total:', 6 * 7)", expected=42).passed
    assert check("program_value", "def solve():\n    return 0.1 + 0.2", expected=0.3,
                 entry_point="solve").passed  # fmt: skip
    assert check("program_value", "answer = '42 apples'", expected=42, entry_point="answer").passed
    printed = "def solve():\n    print(42)"
    assert check("program_value", printed, expected=42, entry_point="solve").passed
    wrong = check("program_value", "print(41)", expected=42)
    assert (wrong.signature, wrong.detail) == ("wrong-value", "the program gives 41, expected 42")
    assert check("program_value", "x = 1", expected=42).signature == "no-number"
    assert check("program_value", "1/0", expected=42).signature == "ZeroDivisionError"
    for code in ("x = True", "x = float('inf')", "x = object()", "x = [42]"):
        result = check("program_value", code, expected=42, entry_point="x")
        assert result.signature == "no-number", code
    assert check("program_value", "y = 1", expected=42, entry_point="x").signature == (
        "missing-entry-point"
    )


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.integers(), inner)
    | st.dictionaries(st.text(), inner) | st.frozensets(st.integers() | st.text()),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.slow
@given(plain)
def test_plain_values_survive_the_way_out(value: object) -> None:
    assert equal(decode(encode(value)), value) or "nan" in repr(value)
    assert show(value)


@pytest.mark.slow
@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner)
       | st.dictionaries(st.sampled_from(["set", "dict", "int", "complex", "tuple", "opaque",
                                          "number", "bytes"]), inner, max_size=1)))  # fmt: skip
def test_forged_values_are_values_or_value_errors(data: object) -> None:
    try:
        value = decode(data)
    except ValueError:
        return
    equal(value, value)
    show(value)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({1: "a", "1": "b"}, {"1": "b"}, False),
        ({1: "a", "1": "b"}, {1: "a", "1": "b"}, True),
        ({1: "a", "1": "b"}, {1: "b", "1": "a"}, False),
        ({2: 1, 1: 1, "1": 2}, {"1": 1, "2": 1}, False),
        ({"k": [{True: 1, "true": 2}]}, {"k": [{"true": 2}]}, False),
        ({None: 1, "null": 2}, {None: 2, "null": 1}, False),
        ({1: "a", None: "b", False: "c"}, {"1": "a", "null": "b", "false": "c"}, True),
        ({1.05: "a", "2": "b"}, {"1": "a", "2": "b"}, True),
        ({10**5000: 1}, {10**5001: 1}, False),
        ({10**5000: 1}, {10**5000: 1}, True),
        ({float("nan"): 1, -float("nan"): 2}, {float("nan"): 2}, False),
        ({True: 1}, {1: 1}, True),
        ({"1": 1}, {True: 1}, False),
        ({"1 ": 1}, {1: 1}, False),
    ],
)
def test_no_key_of_a_dictionary_is_lost(
    left: dict[Any, Any], right: dict[Any, Any], same: bool
) -> None:
    assert equal(left, right, 0.1) is same
    assert equal(right, left, 0.1) is same


@pytest.mark.parametrize("value", [{Decimal("0.1"): "a", 0.1: "b"}, {Decimal("0.1"), 0.1}])
def test_no_key_is_lost_on_the_way_out(value: Any) -> None:
    assert not equal(decode(encode(value)), {0.1: "b"} if isinstance(value, dict) else {0.1})


def test_an_opaque_value_equals_nothing() -> None:
    same = Opaque("4")
    assert not equal(same, same)
    assert not equal(Opaque("4"), "4")
    assert not equal([1], "1")
    assert not equal("ab", ["a", "b"])
    assert not equal(10**400, 1.5, 1.0)
    assert equal({1.0, 2.0}, [1.0000001, 2.0], 1e-3)


NAN = float("nan")


@pytest.mark.parametrize(
    ("actual", "expected", "tol", "same"),
    [
        ({(1.0, "a"), (2.0, "b")}, [[1.0001, "a"], [2.0, "b"]], 1e-3, True),
        ({(1.0, "a"), (2.0, "b")}, [[1.0001, "b"], [2.0, "a"]], 1e-3, False),
        ({(1.0, 5.0), (1.05, 0.0)}, {(1.1, 0.0), (1.05, 5.0)}, 0.06, True),
        ({1.0, 1.05}, {1.05, 1.1}, 0.06, True),
        ({(0, 1.0), (0, 1.05)}, {(0, 1.05), (0, 1.1)}, 0.06, True),
        ({(0, 1.0), (0, 1.2)}, {(0, 1.05), (0, 1.1)}, 0.06, False),
        ({frozenset({1.0, 2.0}), frozenset({3.0})}, [[3.01], [2.01, 0.99]], 0.05, True),
        ({frozenset({1.0, 2.0})}, [[1.0, 3.0]], 0.05, False),
        ({((1.0, (2.0,)), "x")}, [[[1.01, [1.99]], "x"]], 0.05, True),
        ({1 + 1j, 2}, [2.01, 1 + 1.01j], 0.05, True),
        ({1 + 1j}, [1 + 2j], 0.05, False),
        ({(NAN, 1)}, [[float("nan"), 1]], 0.0, True),
        ({(NAN, 1)}, [[0.0, 1]], 9.0, False),
        ([complex(NAN, 1)], [complex(float("nan"), 1)], 0.0, True),
        ([complex(NAN, 1)], [complex(float("nan"), 2)], 0.0, False),
        ({float("inf")}, [float("inf")], 0.1, True),
        ({float("inf")}, [float("-inf")], 0.1, False),
        ({1.0: "a", 2.0: "b"}, {"1.001": "a", "2": "b"}, 0.01, True),
        ({1.0: "a", 2.0: "b"}, {"1.001": "b", "2": "a"}, 0.01, False),
        ({(1.0, 2): 3.0}, {(1.001, 2): 3.001}, 0.01, True),
        ({1: "a"}, {"1": "a"}, 0.0, True),
        ({"1.0": "a"}, {"1.00": "a"}, 0.1, False),
        ({True: 1}, {"true": 1.05}, 0.1, True),
        ({"a": {(1.0, 2.0)}}, {"a": [[1.01, 2.0]]}, 0.1, True),
        ({10**400, 1}, [10**400 + 1, 1], 1, True),
        ({10**400}, [10**400 + 2], 1, False),
        (set(), [], 0.1, True),
        ({1, 2}, [1, 1], 0.0, False),
        ({"a", "b"}, ["b", "c"], 1.0, False),
        ({(1, Opaque("4"))}, [[1, Opaque("4")]], 1.0, False),
    ],
)
def test_tolerance_holds_inside_sets_and_keys(
    actual: object, expected: object, tol: float, same: bool
) -> None:
    assert equal(actual, expected, tol) is same


near = st.integers(0, 6).map(lambda n: n / 4)


@pytest.mark.slow
@given(
    st.sets(st.tuples(near, near), min_size=1, max_size=5),
    st.lists(st.lists(near, min_size=2, max_size=2), min_size=1, max_size=5),
    st.sampled_from([0.0, 0.25, 0.3, 0.5]),
)
def test_elements_are_paired_whenever_they_can_be(
    actual: set[tuple[float, float]], expected: list[list[float]], tol: float
) -> None:
    can = len(actual) == len(expected) and any(
        all(abs(x - y) <= tol for a, e in zip(actual, turn, strict=True)
            for x, y in zip(a, e, strict=True))
        for turn in itertools.permutations(expected)
    )  # fmt: skip
    assert equal(actual, expected, tol) is can
    assert equal(dict.fromkeys(actual, 1), {tuple(e): 1 for e in expected}, tol) is (
        equal(actual, {tuple(e) for e in expected}, tol)
    )


@pytest.mark.slow
def test_large_sets_are_compared_in_time() -> None:
    points = {(k % 140, k // 140, "p") for k in range(15_000)}
    moved = [[x + 0.25, y - 0.25, p] for x, y, p in points]
    started = time.process_time()
    assert equal(points, moved, 0.3)
    assert not equal(points, [*moved[1:], [0.4, 0.0, "p"]], 0.3)
    assert time.process_time() - started < 10
