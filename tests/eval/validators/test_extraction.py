"""Programs come out of answers unchanged, whatever they hold and however they are wrapped."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.validators import complete_program, extract_code, strip_thoughts
from tests.shared_data import shared

T = "```"
DOCSTRING = (
    f'def f(x):\n    """Doc.\n\n    {T}\n    >>> f(1)\n    2\n    {T}\n    """\n    return x + 1\n'
)
OUTER = f'"""Module.\n\n{T}python\nf(1)\n{T}\n"""\n\n\ndef f(x):\n    return x + 1\n'
TAGS = 'def f(s):\n    return s.replace("<think>", "").replace("</think>", "")\n'
COMMENT = "def f(s):\n    # drop <think> ... </think> before the answer\n    return s\n"
SEPARATORS = "def f(s):\n    return s == '\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029'\n"
MARKERS = 'def f(s):\n    return s.split("[BEGIN]")[1].split("[DONE]")[0] + """\n[DONE]\n"""\n'
PLAIN = "import math\n\n\ndef f(x):\n    return math.floor(x)\n"
TRAILING = 'def f(x):\n    return """a  \n   \n\tb"""\n'
PROGRAMS = [DOCSTRING, OUTER, TAGS, COMMENT, SEPARATORS, MARKERS, PLAIN, TRAILING]

WRAPPINGS: dict[str, Callable[[str], str]] = {
    "nothing": lambda p: p,
    "a fence": lambda p: f"{T}python\n{p}{T}",
    "a fence without a language": lambda p: f"{T}\n{p}{T}\n",
    "a fence with attributes": lambda p: f'{T}python title="a.py"\n{p}{T}\n',
    "a tilde fence": lambda p: f"~~~python\n{p}~~~\n",
    "a tilde fence that never closes": lambda p: f"~~~python\n{p}",
    "a longer fence": lambda p: f"`````python\n{p}`````\n",
    "a fence of other line ends": lambda p: f"{T}python\r\n{p}{T}\r\n",
    "prose around": lambda p: (
        f"Here it is, without <think> tags:\n\n{T}python\n{p}{T}\n\nIt works."
    ),
    "a fence that prose opens": lambda p: f"The code is: {T}python\n{p}{T}\nDone.",
    "a fence that never closes": lambda p: f"Sure.\n{T}python\n{p}",
    "a fence that the prompt opened": lambda p: f"{p}{T}\n\nThis adds.",
    "a prefilled fence and a usage": lambda p: f"{p}{T}\nUse it:\n{T}python\nprint(f(1))\n{T}\n",
    "a fence indented in a list": lambda p: (
        f"1. So:\n\n   {T}python\n{_in(p, '   ')}   {T}\n2. Ok."
    ),
    "a mark": lambda p: f"\ufeff{p}",
    "a mark and a fence": lambda p: f"\ufeff{T}python\n{p}{T}",
    "a mark in a fence": lambda p: f"{T}python\n\ufeff{p}{T}",
    "markers": lambda p: f"[BEGIN]\n{p}[DONE]\n",
    "markers that the prompt opened": lambda p: f"{p}[DONE]\n\nYou are",
    "other markers": lambda p: f"[PYTHON]\n{p}[/PYTHON]",
    "tags": lambda p: f"<answer>\n{p}</answer>",
    "a fence in tags": lambda p: f"<answer>\n{T}python\n{p}{T}\n</answer>",
    "markers in a fence": lambda p: f"{T}\n[BEGIN]\n{p}[DONE]\n{T}",
    "a token that ends": lambda p: f"{p}<|endoftext|>",
    "a thought before": lambda p: (
        f"<think>\nIs it\n{T}python\ndef f(x): return 0\n{T}?\n</think>\n{p}"
    ),
    "a thought and a fence": lambda p: f"<think>draft</think>\n\n{T}python\n{p}{T}",
    "a thought that quotes its tag": lambda p: f'<think>strip "</think>"</think>\n{T}py\n{p}{T}',
    "a thought that the template opened": lambda p: f"so be it\n</think>\n\n{T}python\n{p}{T}",
    "a draft in a thought that the template opened": lambda p: (
        f"try\n{T}python\ndef f(x): return 0\n{T}\n</think>\n\n{T}python\n{p}{T}"
    ),
    "other blocks": lambda p: f"{T}bash\nls\n{T}\n{T}python\n{p}{T}\n{T}text\n4\n{T}\n",
    "an output block": lambda p: f"{T}python\n{p}{T}\nprints\n{T}\n4\n{T}\n",
    "a usage block": lambda p: f"{T}python\n{p}{T}\nUse:\n{T}python\nprint(f(1))\n{T}\n",
    "a word before": lambda p: f"python\n{p}",
    "words around": lambda p: f"python\nCopy\nEdit\n{p}Done\n",
    "a file name before": lambda p: f"src/solution.py\n{p}",
    "a language before": lambda p: f"Language: Python\n{p}Done",
    "words in a fence": lambda p: f"{T}\npython\n{p}Done\n{T}\nEnjoy!",
    "a word in markers": lambda p: f"[PYTHON]\npython\n{p}[/PYTHON]",
    "a word before a fence that the prompt opened": lambda p: f"python\n{p}{T}\nDone",
    "tests that import it": lambda p: (
        f"{T}python\n{p}{T}\n{T}python\nfrom solution import f\n{T}\n"
    ),
    "tests that name an import of it": lambda p: (
        f"{T}python\n{p}{T}\n{T}python\nimport solution\nf = solution.Solution().f\n{T}\n"
    ),
    "tests in Python, and it in none": lambda p: (
        f"{T}\n{p}{T}\n{T}python\nfrom solution import f\nassert f\n{T}\n"
    ),
    "a stub after it": lambda p: f"{T}python\n{p}{T}\nof\n{T}python\ndef f(x): ...\n{T}\n",
    "a stub with a docstring": lambda p: (
        f"{T}python\n{p}{T}\nof\n{T}python\ndef f(x):\n    'Doc.'\n    raise NotImplementedError\n{T}"
    ),
    "a stub of a class": lambda p: (
        f"{T}python\n{p}{T}\n{T}python\nclass Solution:\n    def f(self, x):\n        pass\n{T}"
    ),
    "a loop over its name": lambda p: (
        f"{T}python\n{p}{T}\n{T}python\nfor f in [min, max]:\n    print([f for f in [f]])\n{T}"
    ),
    "a fence in a fence": lambda p: f"~~~~markdown\n{T}python\n{p}{T}\n~~~~\n",
}


def _in(program: str, indent: str) -> str:
    """The program as a list item shows it."""
    return "".join(indent + line + "\n" for line in program.split("\n")[:-1])


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
@pytest.mark.parametrize("name", WRAPPINGS)
def test_a_program_comes_out_as_it_went_in(name: str, program: str) -> None:
    text = WRAPPINGS[name](program)
    assert (complete_program(text, "f") or "").lstrip("\n") == program
    assert (extract_code(text, "f") or "").lstrip("\n") == program


PIECES = st.sampled_from(
    [T, f"{T}python", "~~~", "<think>", "</think>", "[DONE]", "\u2028", "\x0c", "\x85", "\x1c", " ",
     "a", "&lt;", "#", "\\n", "    "]
)  # fmt: skip
LITERALS = st.lists(PIECES, max_size=6).map("".join)
LINES = st.lists(LITERALS, min_size=1, max_size=5)
STATEMENTS = st.one_of(
    LITERALS.map(lambda s: f"    x = {s!r}\n" if s.isprintable() else f"    x = '{_kept(s)}'\n"),
    LINES.map(lambda lines: '    y = """' + "\n".join(map(_kept, lines)) + '\n"""\n'),
    LITERALS.map(lambda s: f"    # {s}\n"),
    st.just("    if x0:\n        pass\n"),
)


def _kept(text: str) -> str:
    return text.replace("\\", "/").replace("'", "")


@pytest.mark.slow
@given(st.lists(STATEMENTS, max_size=5), st.sampled_from(sorted(WRAPPINGS)))
def test_any_program_comes_out_as_it_went_in(statements: list[str], name: str) -> None:
    program = "def f(x0):\n" + "".join(statements) + "    return x0\n"
    try:
        compile(program, "program", "exec")
    except SyntaxError:
        return
    assert (complete_program(WRAPPINGS[name](program), "f") or "").lstrip("\n") == program


def test_the_cases_that_went_wrong() -> None:
    for name in ("code-docstring-fence.md", "code-think-literal.md"):
        text = shared(f"../cases/{name}").read_text("utf-8")
        program = text.partition("\n")[2].rpartition(T)[0]
        assert complete_program(text, "f") == program


@pytest.mark.parametrize(
    "text",
    [
        ">>> def f(x):\n...     return x + 1\n...\n>>> f(1)\n2\n",
        f"{T}pycon\n>>> def f(x):\n...     return x + 1\n>>> f(1)\n2\n{T}",
        f"{T}python\nif 1 &lt; 2:\n    def f(x): return x + 1\n{T}",
        '<pre><code class="python">def f(x):\n    return x + 1\n</code></pre>',
        f"Use {T}def f(x): return x + 1{T} here.",
        f"{T}python\ndef f(x):\n    return x + 1{T}\nIt adds.",
        "Note first.\n\nSTEP = 1\n\n\ndef f(x):\n    return x + STEP\n\nThat is all.",
        "> def f(x):\n>     return x + 1\n",
        f"{T}python\nfrom os import sep\n{T}\nthen\n{T}python\ndef f(x):\n    return x + 1\n\nfor x in",
        "try:\n    import absent_\nexcept ImportError:\n    def f(x): return x + 1\n",
    ],
)
def test_other_forms(text: str) -> None:
    scope: dict[str, object] = {}
    exec(complete_program(text, "f") or "", scope)
    assert scope["f"](1) == 2  # type: ignore[operator]


@pytest.mark.parametrize("text", [f"{T}python\nprint(4)\n{T}\nOutput:\n{T}\n4\n{T}\n",
                                  f"print(4)\n{T}\nThe output is 4.", "[BEGIN]\nprint(4)\n[DONE]",
                                  "\ufeffprint(4)"])  # fmt: skip
def test_a_program_without_a_name(text: str) -> None:
    assert (extract_code(text) or "").strip() == "print(4)"
    words = f"Code\n{T}\npython\nprint(4)\nDone\n{T}", "python\nprint(4)\nDone"
    assert [(extract_code(text) or "").strip() for text in words] == ["print(4)"] * 2


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        (
            "python\nimport math\nCode\n\ndef f(x): return math.floor(x) + 1\nOutput\nprint(f(1))",
            "",
        ),
        ("python\n    return x + 1\nDone", "def f(x):\n    'Doc.'\n"),
        (f"{T}python\npython\nreturn x + 1\n{T}", "def f(x):\n    'Doc.'\n"),
        (
            f"{T}python\nHelper\ndef g(x): return x\n{T}\n{T}python\nfrom solution import g\n{T}\n"
            f"{T}python\nMain\ndef f(x): return g(x) + 1\n{T}",
            "",
        ),
    ],
)
def test_words_between_the_code(text: str, prompt: str) -> None:
    scope: dict[str, object] = {}
    exec(complete_program(text, "f", prompt) or "", scope)
    assert scope["f"](1) == 2  # type: ignore[operator]


@pytest.mark.parametrize("text", ["from math import gcd\n", "def gcd(a, b):\n    pass\n",
                                  "def gcd(a, b):\n    raise NotImplementedError\n"])  # fmt: skip
def test_an_import_or_a_stub_alone_is_the_program(text: str) -> None:
    assert complete_program(text, "gcd", "def gcd(a, b):\n    'Doc.'\n") == text


@pytest.mark.parametrize("line", ["x", "g(1)", "[y for y in '']", "...", "'text'", "Ok; y = 1"])
def test_a_line_that_may_do_something_is_kept(line: str) -> None:
    program = f"x = 1\n{line}\ndef f(x):\n    return x\n{line}\n"
    assert complete_program(program, "f") == program


def test_prose_about_tags_keeps_what_it_says() -> None:
    for text in ("Write <think> first.\nYES", 'The tag "</think>" ends it. YES', "`<think>` opens"):
        assert strip_thoughts(text) == text
    assert strip_thoughts("<think>a\n<reflection>b</reflection>\n</think>c") == "c"
    assert strip_thoughts("<think>one</think>\n<think>two</think>three") == "three"
    assert strip_thoughts("done\n<think>but wait") == "done\n"
    assert strip_thoughts(textwrap.dedent(TAGS)) == TAGS
