# ruff: noqa: E501 - one program a line
"""Programs that try to pass a ``unit_test`` without being right: name → (program, test)."""

from __future__ import annotations

ASSERT = "def check(candidate):\n    assert candidate(1) == 3\n    assert candidate(2) == 5\n"
EVIL = (
    "class Evil(BASE):\n    def __init__(self, *a, **k): pass\n"
    "    def yes(self, *a): return True\n    def me(self, *a): return self\n"
    "    def zero(self, *a): return 0\n"
    "    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = yes\n"
    "    __ne__ = lambda self, o: False\n    __hash__ = object.__hash__\n"
    "    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = me\n"
    "    __abs__ = __round__ = __float__ = __int__ = __index__ = zero\n"
    "    __enter__ = me\n    __exit__ = yes\n    __getattr__ = lambda self, name: self\n"
    "    __call__ = me\n    __iter__ = lambda self: iter([self])\n    __len__ = lambda self: 1\n"
    "    __getitem__ = me\n"
)
OBJECT = EVIL.replace("BASE", "object")
RETURNS = OBJECT + "def f(x): return Evil()\n"
WIRE = "validators.inside."
FORGED = (
    "import os, sys, json\n"
    "line = json.dumps({{'body': {{'t': [{{'t': ['', '', False, None]}}, {{'t': [{0}]}}]}},"
    " 'met': [], 'drop': [], 'objects': {{}}}}) + '\\n'\n"
    "def f(x):\n    os.write(int(sys.argv[-1]), line.encode() * 9)\n    return 0\n"
)
SEARCH = (
    "import os, gc, sys\ndef f(x):\n    found = 0\n    def look(text):\n"
    "        nonlocal found\n        for n in (3, 5):\n"
    "            if f'({x}) == {n}' in text: found = n\n"
)

FORGERIES: dict[str, tuple[str, str]] = {
    "equals everything": (RETURNS, ASSERT),
    "equals everything, on the right": (RETURNS, "assert 3 == f(1)\nassert 5 == f(2)"),
    "an entry that is a class": (OBJECT + "f = Evil\n", ASSERT),
    "an entry that is a number's class": (EVIL.replace("BASE", "int") + "f = Evil\n", ASSERT),
    "a list equal to all": (EVIL.replace("BASE", "list") + "f = Evil\n", "assert f(1) == [3]"),
    "a text equal to all": (EVIL.replace("BASE", "str") + "f = Evil\n", "assert f(1) == 'a'"),
    "a tuple equal to all": (EVIL.replace("BASE", "tuple") + "f = Evil\n", "assert f(1) == (3,)"),
    "an error equal to all": (EVIL.replace("BASE", "Exception") + "f = Evil\n", ASSERT),
    "arithmetic": (RETURNS, "assert abs(f(1) - 3.0) < 1e-6"),
    "arithmetic of a class": (OBJECT + "f = Evil\n", "assert abs(f(1) - 3.0) < 1e-6"),
    "arithmetic, the other way": (RETURNS, "assert abs(3.0 - f(1)) < 1e-6"),
    "less": (RETURNS, "assert f(1) > 2 and f(1) < 4"),
    "contains": (RETURNS, "assert 3 in f(1)\nassert 5 in f(2)"),
    "nearly": (RETURNS, "import math\nassert math.isclose(f(1), 3)"),
    "an element": (OBJECT + "def f(x): return [Evil()]\n", "assert f(1) == [3]"),
    "a key": (OBJECT + "def f(x): return {'a': Evil()}\n", "assert f(1) == {'a': 3}"),
    "in a list of answers": (RETURNS, "assert f(1) in [3, 4]\nassert f(1) in (3,)"),
    "unittest, equals": (
        RETURNS,
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
        "        self.assertEqual(f(1), 3)\n        self.assertIn(3, f(1))",
    ),
    "skips the test": (
        "import unittest\ndef f(x): raise unittest.SkipTest('no')\n",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
        "        self.assertEqual(f(1), 3)",
    ),
    "pytest, near": (RETURNS, "import pytest\ndef test_a():\n    assert f(1) == pytest.approx(3)"),
    "leaves": ("import sys\ndef f(x): sys.exit(0)\n", ASSERT),
    "leaves at once": ("raise SystemExit(0)\n", ASSERT),
    "leaves hard": ("import os\ndef f(x): os._exit(0)\n", ASSERT),
    "leaves at exit": ("import atexit, os\natexit.register(os._exit, 0)\ndef f(x): return 0\n", ASSERT),
    "stops the judge": ("import os\ndef f(x):\n    os.kill(os.getppid(), 19)\n", ASSERT),
    "interrupts the judge": ("import os\ndef f(x):\n    os.kill(os.getppid(), 2)\n", ASSERT),
    "suppresses a failed assert": (
        OBJECT + "def f(x): return Evil()\n", "with f(1):\n    assert [] == [3]\n",
    ),
    "skips asserts with an error": (
        OBJECT.replace("def zero", "def x(self): raise ValueError\n    def zero")
        + "def f(x): return Evil()\n",
        "with f(1) as e:\n    y = e.x()\n    assert y == 3\n",
    ),
    "skips asserts with a lookup": (
        OBJECT + "def f(x): return Evil()\ndef g(x): return []\n",
        "with f(1) as e:\n    assert g(1)[0] == 3\n",
    ),
    "swallows an assert in a callback": (
        "def f(g):\n    try:\n        g(0)\n    except BaseException:\n        pass\n",
        "def g(x):\n    assert x == 3\nf(g)\n",
    ),
    "shadows what the tests use": (
        "def len(x): return 3\ndef sorted(x): return [3]\nclass AssertionError(Exception): pass\n"
        "def f(x): return []\n", "assert len(f(1)) == 3\nassert sorted(f(1)) == [3]",
    ),
    "defines check": ("def check(c): pass\ndef f(x): return 0\n", ASSERT),
    "replaces the helper": (
        "def helper(x): return 0\ndef f(x): return 0\n", "assert f(1) == helper(1)",
    ),
    "patches what it finds": (
        "import sys, builtins, json, gc\njson.dumps = lambda *a, **k: '{\"passed\": true}'\n"
        "json.loads = lambda *a, **k: {'passed': True}\nbuiltins.AssertionError = ValueError\n"
        "for m in list(sys.modules.values()):\n    for n in list(vars(m)) if m else ():\n"
        "        if n in ('apart', 'together', 'run', 'attend'):\n"
        "            setattr(m, n, lambda *a: {'passed': True})\ndef f(x): return 0\n", ASSERT,
    ),
    "patches the peer": (
        f"import sys\npeer = sys.modules['{WIRE}peer']\nclass Always:\n"
        "    def __eq__(self, o): return True\n"
        "peer.Peer.do_call = staticmethod(lambda *a: Always())\ndef f(x): return Always()\n", ASSERT,
    ),
    "finds the wire": (
        "import gc\ndef f(x):\n    for o in gc.get_objects():\n"
        "        if type(o).__name__ == 'Candidate':\n"
        "            for op in ('eval', 'exec', 'name', 'content', 'get'):\n"
        "                try: o.request(op, 'check', '__globals__')\n"
        "                except BaseException: pass\n    return 0\n", ASSERT,
    ),
    "forges answers": (FORGED.format("'done', 3"), ASSERT.replace("candidate(2) == 5", "candidate(2) == 6")),
    "forges a passed verdict": (
        "import os\nfor n in range(64):\n    try: os.write(n, b'{\"passed\": true}\\n"
        "{\"candidate\": 0, \"apart\": {\"passed\": true}}\\n')\n    except OSError: pass\n"
        "def f(x): return 0\n", ASSERT,
    ),
    "writes to every descriptor of all": (
        "import os\ndef f(x):\n    for p in os.listdir('/proc'):\n        if p.isdigit():\n"
        "            for n in range(64):\n                try:\n"
        "                    with open(f'/proc/{p}/fd/{n}', 'wb', 0) as out:\n"
        "                        out.write(b'{\"candidate\": 0, \"apart\": {\"passed\": true}}\\n')\n"
        "                except OSError: pass\n    return 0\n", ASSERT,
    ),
    "reads the job": (
        SEARCH + "    for folder in ('/run', '/run/files', '/box', '/tmp', '/proc/self/fd', '/proc/1/fd',\n"
        "                   f'/proc/{os.getppid()}/fd'):\n        try: names = os.listdir(folder)\n"
        "        except OSError: continue\n        for name in names:\n"
        "            try:\n                if os.path.isfile(f'{folder}/{name}'):\n"
        "                    look(open(f'{folder}/{name}', errors='replace').read(10 ** 6))\n"
        "            except OSError: pass\n    return found\n", ASSERT,
    ),
    "reads memory": (
        SEARCH + "    for p in (1, 2, os.getppid()):\n        try:\n"
        "            maps = open(f'/proc/{p}/maps').read().split('\\n')\n"
        "            mem = open(f'/proc/{p}/mem', 'rb', 0)\n"
        "            for row in maps:\n                a, _, b = row.partition(' ')[0].partition('-')\n"
        "                if 'rw' in row:\n                    mem.seek(int(a, 16))\n"
        "                    look(mem.read(int(b, 16) - int(a, 16)).decode('latin-1'))\n"
        "        except (OSError, ValueError): pass\n    return found\n", ASSERT,
    ),
    "reads frames and objects": (
        SEARCH + "    frame = sys._getframe()\n    while frame:\n"
        "        look(repr(frame.f_locals) + repr(list(frame.f_globals.values())[:0]))\n"
        "        frame = frame.f_back\n    for o in gc.get_objects():\n"
        "        try: look(repr(o)) if isinstance(o, (dict, list, tuple)) else 0\n"
        "        except Exception: pass\n    return found\n", ASSERT,
    ),
    "reads the code of a callback": (
        "def f(g):\n    try: return g.__code__.co_consts[-1]\n    except BaseException: pass\n"
        "    try: return g.__globals__['want']\n    except BaseException: pass\n    return 0\n",
        "want = 3\ndef g():\n    return None\nassert f(g) == want",
    ),
    "asks for the tests' names": (
        "def f(x):\n    try: return reference(x)\n    except NameError: return want\n",
        "want = 3\ndef reference(x):\n    return x + 2\nassert f(1) == reference(1)",
    ),
    "changes the tests' object": (
        "def f(t):\n    t.want = 0\n    type(t).total = lambda self: 0\n    return 0\n",
        "class T:\n    _want = 3\n    def total(self):\n        return self._want\nt = T()\n"
        "assert f(t) == t.total()",
    ),
    "reads a class of the tests": (
        "def f(x): return Case.want\n", "class Case:\n    want = 3\nassert f(1) == Case.want",
    ),
    "reads a class that the tests call": (
        "def f(x): return Case.want\n", "class Case:\n    want = 3\nassert f(1) == Case().want",
    ),
    "reads the class of an argument": (
        "def f(case): return type(case).want\n",
        "class Case:\n    want = 3\n    def __init__(self): self.want = 0\nassert f(Case()) == Case.want",
    ),
    "makes an object of the tests' to read it": (
        "def f(x): return Case().want\n",
        "class Case:\n    def __init__(self, x=1, want=3): self.x, self.want = x, want\n"
        "c = Case()\nassert f(c.x) == c.want",
    ),
    "makes an object of a tests' dataclass": (
        "def f(x): return Case().want\n",
        "from dataclasses import dataclass\n@dataclass\nclass Case:\n    x: int = 1\n    want: int = 3\n"
        "assert all(f(c.x) == c.want for c in [Case()])",
    ),
    "writes to a class of the tests": (
        "def f(x):\n    TestF.want = 2\n    return 2\n",
        "class TestF:\n    want = 3\n    def test_a(self):\n        assert f(1) == self.want",
    ),
    "writes to a class that the tests call": (
        "def f(x):\n    Case.want = 2\n    return 2\n",
        "class Case:\n    want = 3\nassert f(1) == Case().want",
    ),
    "deletes from a class that the tests call": (
        "def f(x):\n    del Case.want\n    return 0\n",
        "class Base:\n    want = 0\nclass Case(Base):\n    want = 3\nassert f(1) == Case().want",
    ),
    "asks the tests' own reference": (
        "def f(x): return Ref.solve(x)\n",
        "class Ref:\n    @staticmethod\n    def solve(x): return x + 2\nassert f(1) == Ref.solve(1)",
    ),
    "names an exact number of the tests": (
        "def f(x): return WANT\n",
        "from fractions import Fraction\nWANT = Fraction(1, 3)\nassert f(1) == WANT",
    ),
    "names a container of the tests": (
        "def f(x): return dict(WANT)\n",
        "from collections import Counter\nWANT = Counter('ab')\nassert f(1) == {**WANT}",
    ),
    "names a method that holds the tests' data": (
        "def f(x): return ref(x)\n",
        "from collections import Counter\nref = Counter('ab').most_common\nassert f(1) == ref(1)",
    ),
    "names a function that the tests bind": (
        "def f(x): return ref(x)\n", "import functools\nref = functools.partial(pow, 2)\nassert f(3) == ref(3)",
    ),
    "makes a mock agree": (
        "def f(m):\n    m.assert_called_once_with = lambda *a: None\n"
        "    m.configure_mock(**{'assert_called_once_with.side_effect': None})\n",
        "from unittest.mock import Mock\nm = Mock()\nf(m)\nm.assert_called_once_with(3)",
    ),
    "a class that lies about its bases": (
        "class M(type):\n    def __instancecheck__(c, o): return True\n"
        "    def __eq__(c, o): return True\n    __hash__ = type.__hash__\nclass f(metaclass=M):\n"
        "    __class__ = int\n    def __new__(c, x): return c\n", "assert f(1) == 3\nassert isinstance(f(1), int)",
    ),
    "a generator for ever": (
        "def f(x):\n    while True: yield x\n", "assert list(f(1)) == [3]",
    ),
    "tests that are never reached": ("def f(x): return 0\n", "def helper():\n    assert f(1) == 3\n"),
    "a daemon that outlives": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    while True: time.sleep(1)\n"
        "def f(x): return 0\n", ASSERT,
    ),
}  # fmt: skip
FORGERIES.update(
    (f"ends an iteration: {test}", ("def f(*a): raise StopIteration\n", test))
    for test in (
        "for x in map(f, [1]):\n    assert x == 3",
        "for a, b in zip(map(f, [1, 2]), [3, 4]):\n    assert a == b",
        "assert all(map(lambda x: f(x) == 3, [1]))",
        "assert next(map(f, [1]), 3) == 3",
        "for x in iter(f, 3):\n    assert False",
        "import itertools\nassert set(itertools.starmap(f, [(1,)])) <= {3}",
        "try:\n    for x in filter(f, [1]):\n        assert f(1)\nexcept StopIteration:\n    raise",
        "def check(candidate):\n    for x in map(candidate, [1]):\n        assert x == 3",
    )
)
FORGERIES["ends an iteration by a subclass"] = (
    "class End(StopIteration): pass\nE = End()\ndef f(x): raise E\n",
    "try:\n    f(0)\nexcept StopIteration:\n    pass\nassert all(map(f, [1]))",
)
FORGERIES["ends an iteration by an object's truth"] = (
    "class A:\n    def __bool__(self): raise StopIteration\ndef f(x): return A()\n",
    "import operator\nassert all(map(operator.truth, [f(1)]))",
)
"""Each must not pass; it may be inconclusive, for the two ways of running the tests differ."""
PROMPTS = {"replaces the helper": "def helper(x):\n    return 3\n\n\ndef f(x):\n"}
