# ruff: noqa: E501 - one program a line
"""Small programs of many kinds for ``unit_test``: a right one, a wrong sibling, and their test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """``wrong`` replaces parts of ``right``: pairs of old and new text, separated by ``→``."""

    right: str
    wrong: str
    test: str
    entry: str = "f"
    prompt: str = ""

    @property
    def sibling(self) -> str:
        """The wrong program."""
        old, _, new = self.wrong.partition(" → ")
        assert old in self.right
        return self.right.replace(old, new)


NODE = """class Node:
    def __init__(self, val, next=None):
        self.val = val
        self.next = next


"""
POINT = """import math


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)

    def __mul__(self, k):
        return Point(self.x * k, self.y * k)

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)

    def __repr__(self):
        return f"Point({self.x}, {self.y})"

    def __lt__(self, other):
        return (self.x, self.y) < (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))

    def __len__(self):
        return 2

    def __iter__(self):
        yield self.x
        yield self.y

    def __contains__(self, value):
        return value in (self.x, self.y)

    def __bool__(self):
        return self.x != 0 or self.y != 0
"""

CASES: dict[str, Case] = {
    "in place": Case(
        "def f(xs):\n    xs.sort()\n", "sort() → reverse()",
        "xs = [3, 1, 2]\nassert f(xs) is None\nassert xs == [1, 2, 3]",
    ),
    "in place, nested": Case(
        "def f(m):\n    for row in m:\n        row.reverse()\n    m.append([0])\n",
        "row.reverse() → pass",
        "row = [1, 2]\nm = [row, row, [3]]\nf(m)\nassert m == [[1, 2], [1, 2], [3], [0]]\n"
        "assert m[0] is row and m[1] is row\nm = [[1, 2]]\nf(m)\nassert m == [[2, 1], [0]]",
    ),
    "in place, all kinds": Case(
        "def f(d, s, q, b):\n    d['k'] = d.pop('a')\n    s.discard(1)\n    q.rotate(1)\n    b[0] = 65\n",
        "rotate(1) → rotate(2)",
        "from collections import deque\nd, s, q, b = {'a': 1}, {1, 2}, deque([1, 2, 3], 3), bytearray(b'x')\n"
        "f(d, s, q, b)\nassert (d, s, b) == ({'k': 1}, {2}, b'A')\nassert q == deque([3, 1, 2])\n"
        "assert q.maxlen == 3",
    ),
    "the same object comes back": Case(
        "def f(xs):\n    xs.append(1)\n    return xs\n", "return xs → return list(xs)",
        "xs = []\nassert f(xs) is xs\nassert xs == [1]",
    ),
    "a list of views": Case(
        "def f(xs):\n    return [sorted(v) for v in xs]\n", "sorted(v) → list(v)[:1]",
        "d = {1: 2}\nxs = [d.keys()]\nassert f(xs) == [[1]]\nd[0] = 2\nassert f(xs) == [[0, 1]]",
    ),
    "an argument that is kept": Case(
        "KEPT = []\ndef f(xs):\n    KEPT.append(xs)\n    return sum(map(sum, KEPT))\n",
        "KEPT.append(xs) → KEPT.append(list(xs))",
        "xs = [1]\nassert f(xs) == 1\nxs.append(5)\nassert f([1]) == 7",
    ),
    "a lambda": Case(
        "def f(n):\n    return lambda x: x + n\n", "x + n → x - n",
        "add = f(2)\nassert callable(add)\nassert add(3) == 5\nassert [*map(add, [1, 2])] == [3, 4]",
    ),
    "a closure with state": Case(
        "def f():\n    count = 0\n    def step(by=1):\n        nonlocal count\n        count += by\n"
        "        return count\n    return step\n", "count += by → count = by",
        "a, b = f(), f()\nassert [a(), a(by=5), b()] == [1, 6, 1]\nassert a.__name__ == 'step'",
    ),
    "a function of functions": Case(
        "def f(*fs):\n    def composed(x):\n        for g in reversed(fs):\n            x = g(x)\n"
        "        return x\n    return composed\n", "reversed(fs) → fs",
        "def double(x):\n    return x * 2\nassert f(double, lambda x: x + 1)(3) == 8\n"
        "assert f(len, str)(123) == 3\nassert f(str.upper)('a') == 'A'",
    ),
    "a decorator": Case(
        "import functools\ndef f(g):\n    @functools.wraps(g)\n    def inner(*a, **k):\n"
        "        inner.calls += 1\n        return g(*a, **k)\n    inner.calls = 0\n    return inner\n",
        "+= 1 → += 2",
        "@f\ndef add(x, y=1):\n    'Adds.'\n    return x + y\n"
        "assert add(1) + add(1, y=2) == 5\nassert add.calls == 2\nassert add.__name__ == 'add'\n"
        "assert add.__doc__ == 'Adds.'",
    ),
    "a generator": Case(
        "def f(n):\n    for i in range(n):\n        yield i * i\n", "i * i → i",
        "import types\ng = f(4)\nassert isinstance(g, types.GeneratorType)\nassert next(g) == 0\n"
        "assert list(g) == [1, 4, 9]\nassert list(g) == []\nassert sum(f(3)) == 5",
    ),
    "an endless generator, told things": Case(
        "def f():\n    total = 0\n    while True:\n        got = yield total\n        total += got or 1\n",
        "or 1 → or 2",
        "import itertools\nassert list(itertools.islice(f(), 3)) == [0, 1, 2]\ng = f()\nnext(g)\n"
        "assert g.send(5) == 5\ng.close()\nassert next(g, None) is None",
    ),
    "a generator as argument": Case(
        "def f(it):\n    return [x + 1 for x in it]\n", "x + 1 → x",
        "assert f(x for x in (1, 2)) == [2, 3]\nassert f(iter([1])) == [2]\nassert f(map(abs, [-1])) == [2]\n"
        "assert f(range(2)) == [1, 2]\nassert f({1: 2}.keys()) == [2]",
    ),
    "iterators and views": Case(
        "def f(d):\n    return zip(d.keys(), d.values()), reversed([1, 2]), d.items(), range(0, 9, 3)\n",
        "0, 9, 3 → 0, 8, 2",
        "z, r, i, g = f({'a': 1})\nassert list(z) == [('a', 1)]\nassert list(r) == [2, 1]\n"
        "assert i == {'a': 1}.items()\nassert g == range(0, 9, 3)",
    ),
    "collections": Case(
        "from collections import Counter, OrderedDict, defaultdict, deque\ndef f(s):\n"
        "    d = defaultdict(list)\n    for c in s:\n        d[c].append(1)\n"
        "    return Counter(s), OrderedDict.fromkeys(s), d, deque(s, maxlen=2)\n", "append(1) → append(2)",
        "from collections import *\nc, o, d, q = f('aab')\nassert c == Counter('aab') and c['z'] == 0\n"
        "assert c.most_common(1) == [('a', 2)]\nassert list(o) == ['a', 'b']\n"
        "assert d == {'a': [1, 1], 'b': [1]} and d['new'] == []\nassert q == deque('ab')\n"
        "assert isinstance(d, defaultdict)",
    ),
    "exact numbers": Case(
        "from fractions import Fraction\nfrom decimal import Decimal\ndef f(x):\n"
        "    return Fraction(x, 3), Decimal(x) / 4, complex(x, 1), x ** 9000\n", "x, 3 → x, 4",
        "from fractions import Fraction\nfrom decimal import Decimal\nq, d, c, n = f(7)\n"
        "assert q == Fraction(7, 3) and q.denominator == 3\nassert d == Decimal('1.75')\n"
        "assert isinstance(d, Decimal)\nassert c == 7 + 1j\nassert n == 7 ** 9000",
    ),
    "dates": Case(
        "from datetime import *\ndef f(d):\n    return d + timedelta(days=1), datetime(d.year, 1, 1, "
        "tzinfo=timezone.utc), time(1, 2), timezone(timedelta(hours=2))\n", "days=1 → days=2",
        "import datetime as dt\na, b, c, z = f(dt.date(2024, 2, 28))\nassert a == dt.date(2024, 2, 29)\n"
        "assert b == dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)\nassert c.minute == 2\n"
        "assert (a - dt.date(2024, 1, 1)).days == 59\nassert z.utcoffset(None) == dt.timedelta(hours=2)",
    ),
    "bytes, sets and singletons": Case(
        "def f(x):\n    return bytes(x), {x, -x}, frozenset([x]), ..., slice(1, x), None\n", "-x → x",
        "assert f(2) == (b'\\0\\0', {2, -2}, frozenset([2]), Ellipsis, slice(1, 2), None)\n"
        "assert f(2)[3] is ...",
    ),
    "patterns and paths": Case(
        "import re, pathlib, uuid\ndef f(x):\n    return re.compile(x), pathlib.Path('a', x), "
        "uuid.UUID(int=1), re.match(x, 'abc')\n", "'a', x → x, 'a'",
        "p, q, u, m = f('b|a')\nassert p.match('a') and str(q) == 'a/b|a'\nassert u.int == 1\n"
        "assert m.group() == 'a' and m.span() == (0, 1)",
    ),
    "a large value": Case(
        "def f(n):\n    return list(range(n)), 'x' * n\n", "range(n) → range(1, n + 1)",
        "xs, s = f(300000)\nassert xs == list(range(300000))\nassert s == 'x' * 300000",
    ),
    "a deep value": Case(
        "def f(n):\n    x = []\n    for _ in range(n):\n        x = [x]\n    return x\n", "range(n) → range(n - 1)",
        "x, depth = f(5000), 0\nwhile x:\n    x, depth = x[0], depth + 1\nassert depth == 5000",
    ),
    "a cycle": Case(
        "def f():\n    x = {}\n    x['me'] = x\n    return x\n", "= x → = dict(x)",
        "x = f()\nassert x['me'] is x",
    ),
    "strings with odd characters": Case(
        "def f(s):\n    return s[::-1]\n", "[::-1] → ",
        "assert f('a\\ud800\\0\\u2028') == '\\u2028\\0\\ud800a'\nassert f('') == ''",
    ),
    "a namedtuple": Case(
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(a):\n    return P(a, a + 1)\n",
        "a + 1 → a + 2",
        "p = f(1)\nassert p == (1, 2)\nassert p.x == 1 and p.y == 2\nx, y = p\nassert isinstance(p, tuple)\n"
        "assert repr(p) == 'P(x=1, y=2)'\nassert p._replace(x=5).x == 5",
    ),
    "a dataclass": Case(
        "from dataclasses import dataclass, field\n@dataclass(order=True)\nclass P:\n    x: int\n"
        "    tags: list = field(default_factory=list)\ndef f(x):\n    return P(x, ['t'])\n", "['t'] → ['u']",
        "p = f(1)\nassert p.x == 1 and p.tags == ['t']\nassert p == P(1, ['t']) and p < P(2)\n"
        "assert isinstance(p, P)\np.tags.append('u')\nassert p.tags == ['t', 'u']\n"
        "assert repr(P(1)) == 'P(x=1, tags=[])'\np.x = 9\nassert p.x == 9",
    ),
    "an enum": Case(
        "from enum import Enum, IntEnum\nclass Color(Enum):\n    RED = 1\n    BLUE = 2\n"
        "class Level(IntEnum):\n    LOW = 1\ndef f(n):\n    return Color(n)\n", "Color(n) → Color(3 - n)",
        "assert f(1) is Color.RED and f(1) == Color.RED\nassert f(2).name == 'BLUE' and f(2).value == 2\n"
        "assert [c.name for c in Color] == ['RED', 'BLUE']\nassert Color['RED'] is Color(1)\n"
        "assert len(Color) == 2 and f(2) != Color.RED\nassert {f(1): 'x'}[Color.RED] == 'x'\n"
        "assert Level.LOW == 1 and Level.LOW < 2",
    ),
    "an object": Case(
        "class Stack:\n    size = 0\n    def __init__(self, items=()):\n        self.items = list(items)\n"
        "    def push(self, x):\n        self.items.append(x)\n        return self\n    def pop(self):\n"
        "        return self.items.pop()\n    def __len__(self):\n        return len(self.items)\n",
        "pop() → pop(0)",
        "s = Stack([1])\ns.push(2).push(3)\nassert len(s) == 3 and s.pop() == 3\nassert s.items == [1, 2]\n"
        "s.items.append(7)\nassert s.pop() == 7\nassert isinstance(s, Stack) and type(s) is Stack\n"
        "assert hasattr(s, 'push') and not hasattr(s, 'peek')\nassert Stack.size == 0\n"
        "try:\n    Stack().pop()\nexcept IndexError:\n    pass\nelse:\n    assert False", entry="Stack",
    ),
    "operators": Case(
        POINT, "self.x * k, self.y * k → self.x * k, self.y",
        "p = Point(1, 2)\nassert p + Point(3, 4) == Point(4, 6)\nassert p * 2 == Point(2, 4)\n"
        "assert repr(p) == str(p) == 'Point(1, 2)'\nassert sorted([Point(2, 1), p])[0] is p\n"
        "assert len({p, Point(1, 2)}) == 1\nassert list(p) == [1, 2] and len(p) == 2\nx, y = p\n"
        "assert 2 in p and 5 not in p\nassert bool(p) and not Point(0, 0)\nassert p != Point(0, 0)",
        entry="Point",
    ),
    "a subclass of a container": Case(
        "from collections import OrderedDict\nclass LRU(OrderedDict):\n    def __init__(self, n):\n"
        "        super().__init__()\n        self.n = n\n    def put(self, k, v):\n        self[k] = v\n"
        "        self.move_to_end(k)\n        if len(self) > self.n:\n            self.popitem(last=False)\n",
        "last=False → last=True",
        "c = LRU(2)\nfor k in 'abc':\n    c.put(k, 1)\nassert c == {'b': 1, 'c': 1}\nassert 'a' not in c\n"
        "assert list(c) == ['b', 'c'] and c['b'] == 1 and len(c) == 2\nassert isinstance(c, dict)\n"
        "assert sorted(c.items()) == [('b', 1), ('c', 1)]", entry="LRU",
    ),
    "inheritance": Case(
        "from abc import ABC, abstractmethod\nclass Shape(ABC):\n    @abstractmethod\n    def area(self): ...\n"
        "    @property\n    def twice(self):\n        return 2 * self.area()\n"
        "class Square(Shape):\n    def __init__(self, a):\n        self.a = a\n    def area(self):\n"
        "        return self.a ** 2\n    @classmethod\n    def unit(cls):\n        return cls(1)\n"
        "    @staticmethod\n    def sides():\n        return 4\n", "2 * self → 3 * self",
        "s = Square(3)\nassert isinstance(s, Shape) and issubclass(Square, Shape)\nassert s.area() == 9\n"
        "assert s.twice == 18\nassert Square.unit().a == 1 and Square.sides() == 4\n"
        "try:\n    Shape()\nexcept TypeError:\n    pass\nelse:\n    assert False", entry="Square",
    ),
    "a shared class": Case(
        "def f(head):\n    back = None\n    while head:\n        head.next, back, head = back, head, head.next\n"
        "    return back\n", "return back → return head",
        "def values(n):\n    out = []\n    while n:\n        out.append(n.val)\n        n = n.next\n    return out\n"
        "last = Node(3)\nhead = f(Node(1, Node(2, last)))\nassert values(head) == [3, 2, 1]\n"
        "assert head is last and isinstance(head, Node)\nassert f(None) is None",
        prompt=NODE + "def f(head):\n    '''Reverse the list in place.'''\n",
    ),
    "a shared class that the answer repeats": Case(
        NODE + "def f(xs):\n    head = None\n    for x in reversed(xs):\n        head = Node(x, head)\n"
        "    return head\n", "reversed(xs) → xs",
        "n = f([1, 2])\nassert isinstance(n, Node) and n.val == 1\nassert n.next.val == 2",
        prompt=NODE + "def f(xs):\n",
    ),
    "a class of the candidate's in a test": Case(
        "class Pair(object):\n    def __init__(self, a, b):\n        self.a = a\n        self.b = b\n"
        "def f(arr, n):\n    return max(p.b - p.a for p in arr[:n])\n", "p.b - p.a → p.a",
        "assert f([Pair(5, 24), Pair(15, 25)], 2) == 19\nassert f([Pair(1, 2)], 1) == 1",
    ),
    "a class that the test defines": Case(
        "def f(node):\n    if node is None:\n        return 0\n    node.seen = True\n"
        "    return 1 + max(f(node.left), f(node.right))\n", "1 + max → max",
        "class Tree:\n    def __init__(self, left=None, right=None):\n        self.left, self.right = left, right\n"
        "t = Tree(Tree(), Tree(Tree()))\nassert f(t) == 3\nassert t.seen and t.left.seen",
    ),
    "a class that only the test defines": Case(
        "def f(xs):\n    top = Node(0)\n    at = top\n    for x in xs:\n        at.next = Node(x)\n"
        "        at = at.next\n    assert at.next is None and at.val in (0, *xs)\n"
        "    return top.next\n", "Node(x) → Node(0)",
        "class Node:\n    kind = 'node'\n    def __init__(self, val=0, next=None):\n"
        "        self.val, self.next = val, next\n"
        "n = f([4, 5])\nassert isinstance(n, Node) and n.val == 4 and n.next.val == 5\nassert f([]) is None",
    ),
    "methods and members of classes that only the test defines": Case(
        "def f(xs):\n    s = Stack.of(*xs)\n    s.push(9)\n    assert s.size == len(s.items) == len(xs) + 1\n"
        "    return s, Color.RED, isinstance(xs, Stack)\n", "push(9) → push(8)",
        "import enum\nclass Color(enum.Enum):\n    RED = 1\n    BLUE = 2\nclass Stack:\n"
        "    def __init__(self):\n        self.items = []\n    def push(self, x):\n        self.items.append(x)\n"
        "    @classmethod\n    def of(cls, *xs):\n        made = cls()\n        for x in xs:\n"
        "            made.push(x)\n        return made\n    @property\n    def size(self):\n"
        "        return len(self.items)\n"
        "s, color, same = f([1])\nassert isinstance(s, Stack) and s.items == [1, 9] and not same\n"
        "assert color is Color(1)",
    ),
    "an iterator that ends": Case(
        "class f:\n    def __init__(self, n): self.n = n\n    def __iter__(self): return self\n"
        "    def __next__(self):\n        if self.n == 0:\n            raise StopIteration\n"
        "        self.n -= 1\n        return self.n\n", "self.n == 0 → self.n == 1",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        it = f(1)\n"
        "        self.assertEqual(next(it), 0)\n        self.assertRaises(StopIteration, next, it)\n"
        "        with self.assertRaises(StopIteration):\n            it.__next__()\n"
        "assert list(zip(f(2), f(3))) == [(1, 2), (0, 1)]\nassert next(f(0), 7) == 7\n"
        "assert list(iter(f(2).__next__, None)) == [1, 0]",
    ),
    "an end that the tests expect": Case(
        "def f(xs):\n    for x in xs:\n        return x\n    raise StopIteration('none')\n", "'none' → 'no'",
        "import pytest\nassert list(map(f, [[1], [2]])) == [1, 2]\nwith pytest.raises(StopIteration):\n"
        "    f([])\ntry:\n    f([])\nexcept StopIteration as e:\n    assert e.value == 'none'",
    ),
    "a helper of the prompt": Case(
        "def f(x):\n    return helper(x) + 1\n", "+ 1 → + 2",
        "def check(candidate):\n    assert candidate(3) == helper(3) + 1\n    assert candidate(0) == 1",
        prompt="def helper(x):\n    return x * 10\n\n\ndef f(x):\n    '''One more.'''\n",
    ),
    "a constant and a helper of the candidate's": Case(
        "LIMIT = 3\ndef clamp(x):\n    return min(x, LIMIT)\ndef f(xs):\n    return [clamp(x) for x in xs]\n",
        "clamp(x) for → x for",
        "assert LIMIT == 3\nassert clamp(9) == 3\nassert f([1, 9]) == [1, LIMIT]",
    ),
    "a global that changes": Case(
        "count = 0\ndef f():\n    global count\n    count += 1\n    return count\n", "+= 1 → += 2",
        "assert f() == 1 and count == 1\nassert f() == 2\nassert count == 2\ncount = 9\nassert count == 9",
    ),
    "imports that only the test makes": Case(
        "def f(x):\n    return math.floor(x)\n", "floor → ceil",
        "import math\nassert f(2.5) == 2",
    ),
    "an exception": Case(
        "def f(x):\n    if x < 0:\n        raise ValueError(f'bad {x}')\n    return x\n", "bad {x} → {x}",
        "try:\n    f(-1)\n    assert False\nexcept ValueError as e:\n    assert str(e) == 'bad -1'\n"
        "    assert e.args == ('bad -1',)",
    ),
    "an exception of one's own": Case(
        "class BankError(Exception):\n    pass\nclass TooLittle(BankError, ValueError):\n"
        "    def __init__(self, need, have):\n        super().__init__(f'{need} > {have}')\n"
        "        self.need = need\n    def missing(self):\n        return self.need * 2\n"
        "def f(need, have):\n    if need > have:\n        raise TooLittle(need, have)\n    return have - need\n",
        "* 2 → * 3",
        "try:\n    f(3, 1)\nexcept TooLittle as e:\n    assert e.need == 3 and e.missing() == 6\n"
        "    assert str(e) == '3 > 1' and isinstance(e, ValueError)\nelse:\n    assert False\n"
        "for kind in (BankError, ValueError, Exception):\n    try:\n        f(2, 0)\n    except kind:\n"
        "        pass\n    else:\n        assert False\nassert f(1, 3) == 2",
    ),
    "an exception of the standard library": Case(
        "import json\ndef f(s):\n    return json.loads(s)\n", "loads(s) → loads(s or '1')",
        "import json\nassert f('[1]') == [1]\ntry:\n    f('')\nexcept json.JSONDecodeError as e:\n"
        "    assert e.pos == 0\nelse:\n    assert False",
    ),
    "a cause": Case(
        "def f(d, k):\n    try:\n        return d[k]\n    except KeyError as e:\n"
        "        raise RuntimeError('none') from e\n", " from e →  from None",
        "try:\n    f({}, 'a')\nexcept RuntimeError as e:\n    assert isinstance(e.__cause__, KeyError)\n"
        "    assert e.__cause__.args == ('a',)\nelse:\n    assert False",
    ),
    "an exception of the test's": Case(
        "def f(g):\n    try:\n        return g()\n    finally:\n        LOG.append(1)\nLOG = []\n",
        "append(1) → append(2)",
        "class Oops(Exception):\n    pass\ndef bad():\n    raise Oops('x')\ntry:\n    f(bad)\n"
        "except Oops as e:\n    assert e.args == ('x',)\nelse:\n    assert False\nassert LOG == [1]",
    ),
    "an exit": Case(
        "import sys\ndef f(x):\n    if x:\n        sys.exit(x)\n", "exit(x) → exit(0)",
        "try:\n    f(3)\nexcept SystemExit as e:\n    assert e.code == 3\nelse:\n    assert False\nf(0)",
    ),
    "printed text": Case(
        "def f(n):\n    for i in range(n):\n        print(i, end=' ')\n    print('é', flush=True)\n",
        "end=' ' → end=''",
        "import io, contextlib, sys\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f(2)\n"
        "    print('mine')\nassert out.getvalue() == '0 1 é\\nmine\\n'\nold, sys.stdout = sys.stdout, io.StringIO()\n"
        "f(1)\ntext, sys.stdout = sys.stdout.getvalue(), old\nassert text == '0 é\\n'",
    ),
    "much printed text": Case(
        "def f(n):\n    for i in range(n):\n        print('x' * 1000)\n    return n\n", "return n → return 0",
        "assert f(20000) == 20000",
    ),
    "input": Case(
        "def f():\n    name = input('Name? ')\n    print('Hello ' + name)\n", "'Hello ' → 'Hallo '",
        "import io, sys\nfrom unittest import mock\nfrom contextlib import redirect_stdout\nout = io.StringIO()\n"
        "with mock.patch('builtins.input', return_value='Ann'), redirect_stdout(out):\n    f()\n"
        "assert out.getvalue() == 'Hello Ann\\n'\nsys.stdin = io.StringIO('Bo\\n')\nout = io.StringIO()\n"
        "with redirect_stdout(out):\n    f()\nassert out.getvalue() == 'Name? Hello Bo\\n'",
    ),
    "recursion": Case(
        "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\n", "n < 2 → n < 3",
        "assert f(500) > 0\nassert f(5) == 120\ntry:\n    f(10 ** 6)\nexcept RecursionError:\n    pass\n"
        "else:\n    assert False",
    ),
    "async": Case(
        "import asyncio\nasync def f(n):\n    await asyncio.sleep(0.001)\n    return n + 1\n", "n + 1 → n",
        "import asyncio\nassert asyncio.run(f(1)) == 2\nasync def both():\n"
        "    return await asyncio.gather(f(1), f(2))\nassert asyncio.run(both()) == [2, 3]",
    ),
    "an async generator": Case(
        "async def f(n):\n    for i in range(n):\n        yield i\n", "yield i → yield i + 1",
        "import asyncio\nasync def main():\n    return [x async for x in f(3)]\n"
        "assert asyncio.run(main()) == [0, 1, 2]",
    ),
    "a context manager": Case(
        "from contextlib import contextmanager\nclass Timer:\n    def __enter__(self):\n        self.on = True\n"
        "        return self\n    def __exit__(self, kind, value, trace):\n        self.on = False\n"
        "        return kind is KeyError\n@contextmanager\ndef f(log):\n    log.append('in')\n    try:\n"
        "        yield 5\n    finally:\n        log.append('out')\n", "append('out') → append('in')",
        "log = []\nwith f(log) as x:\n    assert x == 5 and log == ['in']\nassert log == ['in', 'out']\n"
        "with Timer() as t:\n    assert t.on\n    {}['x']\nassert not t.on",
    ),
    "random numbers": Case(
        "import random\ndef f(n):\n    return [random.randint(1, 6) for _ in range(n)]\n", "1, 6 → 0, 6",
        "import random\nrandom.seed(4)\nwant = [random.randint(1, 6) for _ in range(3)]\nafter = random.random()\n"
        "random.seed(4)\nassert f(3) == want\nassert random.random() == after\n"
        "assert all(1 <= x <= 6 for x in f(500))",
    ),
    "unittest": Case(
        "def f(a, b):\n    if b == 0:\n        raise ZeroDivisionError('b')\n    return a / b\n", "a / b → a // b",
        "import unittest\nclass TestF(unittest.TestCase):\n    def setUp(self):\n        self.x = 1\n"
        "    def test_value(self):\n        self.assertAlmostEqual(f(self.x, 3), 0.3333333, places=5)\n"
        "    def test_raises(self):\n        with self.assertRaisesRegex(ZeroDivisionError, 'b'):\n"
        "            f(1, 0)\n    def test_rows(self):\n        for n in (1, 2):\n"
        "            with self.subTest(n=n):\n                self.assertEqual(f(n, 1), n)\n"
        "if __name__ == '__main__':\n    unittest.main()",
    ),
    "pytest": Case(
        "class Empty(Exception):\n    pass\ndef f(xs):\n    if not xs:\n        raise Empty('no values')\n"
        "    print('seen', len(xs))\n    return sum(xs) / len(xs)\n", "/ len(xs) → / 2",
        "import pytest\n@pytest.fixture\ndef xs():\n    return [0.1, 0.2, 0.3]\n"
        "@pytest.mark.parametrize('n, want', [(1, 1.0), (4, 2.5)])\ndef test_rows(n, want):\n"
        "    assert f(list(range(1, n + 1))) == want\ndef test_near(xs, capsys):\n"
        "    assert f(xs) == pytest.approx(0.2)\n    assert capsys.readouterr().out == 'seen 3\\n'\n"
        "class TestErrors:\n    def test_empty(self):\n        with pytest.raises(Empty, match='no'):\n"
        "            f([])",
    ),
    "mocks": Case(
        "def f(send, items):\n    for item in items:\n        send(item, n=1)\n    return send.call()\n", "n=1 → n=2",
        "from unittest.mock import Mock, call\nm = Mock()\nm.call.return_value = 5\nassert f(m, ['a', 'b']) == 5\n"
        "m.assert_has_calls([call('a', n=1), call('b', n=1)])\nassert m.call_count == 2",
    ),
    "an entry that is a method": Case(
        "class Solution:\n    def f(self, xs):\n        xs[0] = 5\n        return self.g(xs)\n"
        "    def g(self, xs):\n        return len(xs)\n", "xs[0] = 5 → pass",
        "def check(candidate):\n    xs = [1, 2]\n    assert candidate(xs) == 2\n    assert xs == [5, 2]",
    ),
    "copies": Case(
        "import copy\nclass Board:\n    def __init__(self):\n        self.cells = [[0]]\n    def copy(self):\n"
        "        return copy.deepcopy(self)\n", "deepcopy → copy",
        "import copy\na = Board()\nb = a.copy()\nb.cells[0][0] = 1\nassert a.cells == [[0]]\n"
        "c = copy.deepcopy(a)\nc.cells[0][0] = 2\nassert a.cells == [[0]] and b.cells == [[1]]",
        entry="Board",
    ),
    "threads": Case(
        "import threading\ndef f(g, n):\n    out = []\n"
        "    ts = [threading.Thread(target=lambda i=i: out.append(i)) for i in range(n)]\n"
        "    [t.start() for t in ts]\n    [t.join() for t in ts]\n    return sorted(map(g, out))\n",
        "map(g, out) → out", "assert f(lambda x: x * 2, 3) == [0, 2, 4]",
    ),
    "a file": Case(
        "def f(path):\n    with open(path) as file:\n        return [line.strip() for line in file]\n",
        ".strip() → ", "with open('a.txt', 'w') as out:\n    out.write('x\\ny\\n')\nassert f('a.txt') == ['x', 'y']",
    ),
}  # fmt: skip


UNCARRIED: dict[str, Case] = {
    "the environment": Case(
        "import os\ndef f(): return os.environ.get('A')\n", "'A' → 'B'",
        "import os\nos.environ['A'] = '1'\nassert f() == '1'",
    ),
    "a patched module": Case(
        "import time\ndef f(): return time.time()\n", "time.time() → 5.5",
        "from unittest import mock\nwith mock.patch('time.time', return_value=5):\n    assert f() == 5",
    ),
    "a subclass in the tests": Case(
        "class Base:\n    def run(self): return self.step() * 2\n", "* 2 → * 3",
        "class Sub(Base):\n    def step(self): return 4\nassert Sub().run() == 8", entry="Base",
    ),
    "a signature": Case(
        "def f(a, b=2, *, c): return a\n", "b=2 → d=2",
        "import inspect\nassert list(inspect.signature(f).parameters) == ['a', 'b', 'c']",
    ),
    "threads that wait for each other": Case(
        "import threading\nclass B:\n    def __init__(self): self.e = threading.Event()\n"
        "    def wait(self): return self.e.wait(1)\n    def set(self): self.e.set()\n",
        "self.e.set() → pass",
        "import threading\nb, out = B(), []\nt = threading.Thread(target=lambda: out.append(b.wait()))\n"
        "t.start()\nb.set()\nt.join()\nassert out == [True]", entry="B",
    ),
    "an abstract class of the standard library": Case(
        "def f(n):\n    return iter({1: n}.items())\n", "1: n → 1: n + 1",
        "import types\nassert not isinstance(f(2), types.GeneratorType)\nassert type(f(2)) is type(iter({}.items()))\n"
        "assert list(f(2)) == [(1, 2)]",
    ),
    "a comparison with plain data": Case(
        "class Money:\n    def __init__(self, n): self.n = n\n    def __eq__(self, other):\n"
        "        return self.n == getattr(other, 'n', other)\n", "self.n == → 0 ==",
        "assert Money(3) == 3", entry="Money",
    ),
}  # fmt: skip
"""Values that the two processes cannot exchange: a right program is not blamed, a wrong one still
fails."""
