"""The one reader of numbers: what it reads, and that it never takes a part for the whole."""

from __future__ import annotations

import json
import random
import time
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.shared_data import shared
from tiers.numbers import answer_number, bare_number, write_number

READ: dict[str, list[tuple[str, str | int]]] = {
    "plain": [
        ("42", 42), ("The total is 7 apples.", 7), ("-7", -7), ("+5", 5), (".5", "1/2"), ("7.", 7),
        ("007", 7), ("value -.5", "-1/2"), ("so it is -3", -3), ("(5)", 5), ("(-5)", -5),
        ("-(5)", -5), ("1e3", 1000), ("1.5E-2", "3/200"), ("10^5", 100000), ("- 5 apples", 5),
        ("x = - 5", -5),
    ],
    "grouped": [
        ("1,234.50", "1234.5"), ("1.234.567", 1234567), ("1.234,56", "1234.56"), ("12 500", 12500),
        ("12\u00a0500", 12500), ("12\u202f500,5", "12500.5"), ("1'234'567.5", "1234567.5"),
        ("1’234", 1234), ("1_200", 1200), ("1,00,000", 100000), ("12,34,567.50", "1234567.5"),
    ],
    "fractions": [
        ("3/4", "3/4"), ("2 1/2", "5/2"), ("-2 1/2", "-5/2"), ("½", "1/2"), ("2½", "5/2"),
        ("2 ½", "5/2"), ("⅔ of it", "2/3"), ("5 1/2 cups", "11/2"), ("1,200 1/2", "2401/2"),
        ("(1)/(2)", "1/2"),
    ],
    "powers of ten": [
        ("1.2×10^5", 120000), ("1.2 x 10^5", 120000), ("1.2·10⁵", 120000), ("1.2 * 10**5", 120000),
        (r"1.2 \times 10^{5}", 120000), (r"1.2\cdot10^{-2}", "0.012"), ("5 million", 5000000),
        ("$1.5 billion", 1500000000),
    ],
    "Unicode": [
        ("−7", -7), ("－７", -7), ("５４", 54), ("٣٤", 34), ("٣٫٥", "3.5"), ("1\u200b000", 1000),
    ],
    "units": [
        ("25%", 25), ("25 percent", 25), (r"25\%", 25), ("$18", 18), ("-$1,000", -1000),
        ("$-5.20", "-5.2"), ("18 €", 18), ("18€", 18), ("USD 18", 18), ("Rs. 500", 500),
        ("45 m^2", 45), ("45 m²", 45), ("45 cm3", 45), ("45 km/h", 45), ("45km/h", 45),
        ("9.8 m/s^2", "9.8"), ("90°", 90), ("25 °C", 25), (r"90^\circ", 90), ("$5/hour", 5),
        ("60 miles per hour", 60), ("12 apples a day", 12),
    ],
    "LaTeX": [
        (r"\boxed{1{,}200}", 1200), (r"\boxed{12\,500}", 12500), (r"\boxed{12\;500}", 12500),
        (r"\boxed{12\ 500}", 12500), (r"\boxed{12~500}", 12500), (r"\boxed{\frac{3}{4}}", "3/4"),
        (r"\boxed{-\dfrac{3}{4}}", "-3/4"), (r"\boxed{\tfrac{-3}{4}}", "-3/4"),
        (r"\boxed{\frac34}", "3/4"), (r"\boxed{2\frac{1}{2}}", "5/2"),
        (r"\boxed{\displaystyle \frac{1}{2}}", "1/2"), (r"\boxed{\left(5\right)}", 5),
        (r"\boxed{\mathbf{72}}", 72), (r"\boxed{{72}}", 72), (r"\boxed{45 \text{ m}^2}", 45),
        (r"\boxed{45\ \mathrm{m^2}}", 45), (r"\boxed{45 m^2}", 45), (r"\boxed{\text{5 kg}}", 5),
        (r"\boxed{12\%}", 12), (r"\boxed{1.2 x 10^5}", 120000), (r"\boxed{2e3}", 2000),
        (r"\boxed{\$18}", 18), (r"\boxed{90^{\circ}}", 90), (r"\boxed{x = 12}", 12),
        (r"\[ \boxed{\dfrac{7}{2}} \]", "7/2"), (r"\(x = 12\)", 12), (r"-\boxed{5}", -5),
        (r"\boxed{5}\%", 5), (r"\boxed{\boxed{5}}", 5), (r"$3 + 2 = \boxed{5}$", 5),
        (r"\boxed{\text{The answer is } 72}", 72), ("\\boxed{\n72\n}", 72),
    ],
    "marks": [
        ("so we get 12.\n#### 1,234", 1234), ("#### 5\nnot 6", 5), ("#### 1\n#### 2", 2),
        ("Answer: 12 (that is 3 * 4)", 12), ("Answer: 3*4 = 12", 12), ("answer is $-5.20.", "-5.2"),
        ("**Answer:** 72", 72), ("**Answer**: 72", 72), ("Answer:\n\n- 72", 72),
        ('{"answer": 5}', 5), (r"so \boxed{42} it is, as in step 3", 42),
        ("Answer: 12 (as x = 3)", 12), ("Answer: 3 boxes * 4 apples per box = 12 apples", 12),
        ("#### Final Answer\n72", 72), ("The answer is as follows:\nTotal = 7", 7),
        ("#### none, but 4 before", 4), ("Answer: yes. Total 3", 3), ("<think>#### 9</think> 8", 8),
    ],
    "no mark": [
        ("25% of 80 is 20", 20), ("He paid $20 for 4 tickets, so each cost $5.", 5),
        ("$5! = 120$", 120), (r"$1+2+\cdots+10 = 55$", 55), ("1000(1.05)^2 = 1102.5", "1102.5"),
        ("7 (seven)", 7), ("Total = 3 × 4\n= 12", 12), ("1) 5\n2) 7", 7), ("3+4=7 ✓", 7),
        ("7.0 USD", 7), ("1 hour and 30 minutes = 90 minutes", 90), ("first 3, then 4", 4),
        ("x2 = 5", 5), ("2-3=-1", -1), ("10/3 ≈ 3.33", "3.33"), ("≈ 5", 5), ("~5", 5),
        ("16 - 3 = <<16-3=13>>13 ducks", 13), ("**18**", 18), ("__18__", 18), ("`18`", 18),
        ("_18_", 18), ("~~70~~ 72", 72), ("| 5 | 6 |", 6), ("<b>5</b>", 5),
        ("12 – that is all", 12), ("A4 costs 3", 3),
    ],
    "remarks": [
        ("42 (see step 3)", 42), ("42 (step 3)", 42), ("So 42 apples (3 boxes of 14)", 42),
        ("42 (rounded to 2 decimals)", 42), ("8 hours (480 minutes)", 8), ("-5 (5 below zero)", -5),
        ("1,234 (rounded from 1,233.6)", 1234), ("$8 (2 coins of $4)", 8), ("7.99 (≈ 8)", "7.99"),
        ("8 (= 2 * 4)", 8), ("3/4 (or 0.75)", "3/4"), ("8 [see step 3]", 8), ("8 *(2 steps)*", 8),
        ("8, (2 steps)", 8), ("We get 8 (see eq. (2)).", 8), ("f(2) = 8 (step 3)", 8),
        ("The result (after 3 steps) is 8 (see 4)", 8), ("8 (out of 10)", 8), ("8 (2 steps", 8),
        ("8 (2 steps) apples", 8), ("16 in base 10 (ten)", 16), ("16 (base 10)", 16),
        ("12 (5 + 7) = 12", 12), ("total (in $): 8", 8), ("(8 apples)", 8), ("(see 3): 8", 8),
        ("The answer is 8 (2 steps).", 8), ("Answer: we need 8 (2 steps)", 8),
        ("Answer: 12 (5 + 7)", 12), (r"\boxed{8} (2 steps)", 8), (r"\boxed{8 (2 steps)}", 8),
        ("3 boxes is (12)", 12), ("7 [seven]", 7),
    ],
    "notes below": [
        ("I get 8\n(2 steps)", 8), ("It is 8.\n\n(Used 3 steps.)\n(And 2 hints.)", 8),
        ("8\n> (2 steps)", 8), ("8\n- (2 steps)", 8), ("42 [1]\n[1] See page 5", 42),
        ("8\n[^1]: In 2 steps.", 8), ("42*\n* rounded to 2 places", 42),
        ("8†\n† 2 steps", 8), ("8\nNote: 8 is even", 8), ("(2 steps)", 2), ("Note: 8", 8),
        ("(2 steps)\n8", 8),
    ],
    "tables": [
        ("| -5 |", -5), ("| Total | -5 |", -5), ("| -5 | (2 items)", -5), ("| −5 | -6 |", -6),
        ("|x|y|\n|-|-|\n|3|-5|", -5), ("| a | b |\n| --- | ---: |\n| 1 | **7** (see 2) |", 7),
    ],
}  # fmt: skip
NONE = {
    "expressions": [
        "8-3", "8 - 3", "3+4", "5 * 3", "5×3", "5·3", "3(4)", "(3)(4)", "2**10", "2^{10}", "2²",
        "10!", "10 !", "√16", "sqrt(16)", "f(5)", "5 ± 1", "±5", "--5", "|-5|", "5 mod 3",
        "3 and 4", "3 or 4", "5 squared", "3 and a half", "3 and 1/2", "3 dozen", "half of 12",
        "negative 5", "12 out of 20", "50% of 20", "9 per cent of 5", "2 times 3", "3 to 5", "3-5",
        "3–5", "10—12", "3~5", "3 : 4", "3:4", "x > 5", "5!!", "5 = ", "5/0", "1/2/3", "2 3/2",
        "2-1/2", "1 2", "4 pens 5 pins", "2 million 500 thousand", "5 feet 3 inches",
        "5 feet, 3 inches", "2 hours and 30 minutes", "the answer is not 5",
        "Answer: 12 because x = 3", "Answer: 3, 4", "Answer: 5; 6", "Answer: 1) 12", "5 choose 2",
    ],
    "symbols": [
        "3x", "3 x", "5i", "3π", "3 π", r"3\pi", "5/x", "x-5", "60/total", "3½x", "1e5x", "5k",
        "5M", "$5m", "5m people", "3rd", "1990s", "5pm", "12-year-old", "0x1F", "1e", "nan", "inf",
        "∞", "3²", "5①", "5万",
    ],
    "dates and names": [
        "12:30", "1.2.3", "2024-01-05", "1/5/2024", "Jan 5, 2024", "A4", "v1.2.3", "555-1234",
    ],
    "two groupings": [
        "3,5", "12,50", "0,5", "1,23,45", "1.23.45", "1_20", "0,123", "0.333 333", "1234,567",
    ],
    "cut short": [
        "0.333...", "0.(3)", r"0.\overline{3}", "3…", r"\boxed{12", r"\boxed{\frac{1}{2}",
        "<think>12",
    ],
    "LaTeX": [
        r"\boxed{3\sqrt{2}}", r"\boxed{3\pi}", r"\boxed{2^{10}}", r"\boxed{3x}", r"\boxed{3 x}",
        r"\boxed{3 a}", r"\boxed{1, 2}", r"\boxed{(2, 3)}", r"\boxed{x=1, y=2}", r"\boxed{\pm 5}",
        r"\boxed{5!}", r"\boxed{A4}", r"\boxed{\frac{\pi}{2}}", r"\boxed{\frac{1}{\sqrt{2}}}",
        r"\boxed{\frac{1}{2}+1}", r"\boxed{12 \text{ or } 13}", r"\boxed{\binom{5}{2}}",
        r"\boxed{101_2}", r"\boxed{101_{2}}", r"\boxed{x \ge 5}", r"\boxed{\infty}",
        r"\boxed{\log 5}", r"\boxed{\text{yes}} 3", r"\frac{1}{2}x", r"x\frac{1}{2}",
        r"\boxed{5} + 1", r"2\boxed{5}", r"\boxed{5}\times 10^3", r"\boxed{5} = 2 + 3",
        r"10^{\boxed{3}}", r"\boxed{10\text{ h }30\text{ min}}",
    ],
    "marks without a number": [
        "#### unknown", "The total is 4.\n#### unknown", "3 + 4 = 7. Answer: cannot be determined",
        "Total 4\n#### 3x", "7 or so. The answer is 3:4", "#### Step 2: compute\nSo 7 apples",
        "no number", "",
    ],
    "brackets that are more than a remark": [
        "1010 (base 2)", "1010 (in binary)", "1010 in base 2", "FF (base 16)", "12 in octal",
        r"\boxed{1010} (base 2)", "3 (4)", "8 (2 + 6)", "50% (1/2)", "5 (or 6)", "42 apples (1)",
        "5 (five) and 6 (six)", "8 (apples) + 2 (pears)", "For 3 values x in (2, 5)",
        "Answer: 5 (or 6)", "16 in base 10 (10 in base 16)",
    ],
    "places to look at": ["see 3", "| 42 | see step 3 |", "8\nNote: 2 steps", "|-5|+|3|"],
    "too long": [
        "9" * 500, "1e999999999",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"), [pytest.param(*row, id=f"{kind}: {row[0]}") for kind in READ for row in READ[kind]]
)  # fmt: skip
def test_what_is_read(text: str, value: str | int) -> None:
    assert answer_number(text) == Fraction(value)


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"{kind}: {text[:40]}") for kind in NONE for text in NONE[kind]]
)
def test_what_is_not_one_quantity_is_none(text: str) -> None:
    assert answer_number(text) is None


@pytest.mark.parametrize("mark", ["{}", "#### {}", "Answer: {}", "The answer is **{}**.", "So {}"])
@pytest.mark.parametrize("text", [t for kind in ("expressions", "symbols") for t in NONE[kind]])
def test_a_mark_or_emphasis_changes_nothing(mark: str, text: str) -> None:
    if text.endswith(("!", "= ")) or "nswer" in text:
        return
    assert answer_number(mark.format(text)) is None


def grouped(digits: str, mark: str) -> str:
    head = len(digits) % 3
    parts = [digits[:head], *(digits[k : k + 3] for k in range(head, len(digits), 3))]
    return mark.join(p for p in parts if p)


MARKS = [",", ".", "'", "’", "_", " ", "\u00a0", "\u202f", "\u2009", "{,}", r"\,", r"\;", r"\ "]


@st.composite
def written(draw: st.DrawFn) -> tuple[str, Fraction]:
    """A number and one of the ways to write it."""
    whole = draw(st.integers(0, 10**12) | st.integers(0, 9999))
    below = draw(st.integers(2, 99))
    above = draw(st.integers(1, below - 1))
    part = Fraction(above, below)
    kind = draw(st.sampled_from(["group", "decimal", "european", "fraction", "mixed", "power"]))
    if kind == "group":
        mark = draw(st.sampled_from(MARKS))
        text = grouped(str(whole), mark)
        # a lone point is a decimal point
        value = Fraction(text) if mark == "." and text.count(".") == 1 else Fraction(whole)
    elif kind == "decimal":
        decimals = draw(st.text("0123456789", min_size=1, max_size=9))
        mark = draw(st.sampled_from([m for m in MARKS if m != "."] + [""]))
        text, value = f"{grouped(str(whole), mark)}.{decimals}", Fraction(f"{whole}.{decimals}")
    elif kind == "european":
        decimals = draw(st.text("0123456789", min_size=1, max_size=9))
        whole += 1000
        mark = draw(st.sampled_from([".", " ", "\u00a0", "'"]))
        text, value = f"{grouped(str(whole), mark)},{decimals}", Fraction(f"{whole}.{decimals}")
    elif kind == "fraction":
        form = draw(
            st.sampled_from([r"\frac{%d}{%d}", r"\dfrac{%d}{%d}", "%d/%d", "%d⁄%d", "%d / %d"])
        )
        text, value = form % (above, below), part
    elif kind == "mixed":
        form = draw(st.sampled_from([r"%d\frac{%d}{%d}", "%d %d/%d"]))
        text, value = form % (whole, above, below), whole + part
    else:
        tens = draw(st.integers(-9, 9))
        form = draw(
            st.sampled_from(
                ["%de%d", "%d × 10^%d", r"%d \times 10^{%d}", "%d*10**%d", "%d x 10^(%d)"]
            )
        )
        text, value = form % (whole, tens), whole * Fraction(10) ** tens
    if draw(st.booleans()):
        text, value = draw(st.sampled_from("-−")) + text, -value
    return text, value  # fmt: skip


AROUND = [
    "{}",
    "#### {}",
    r"\boxed{{{}}}",
    "Answer: {}",
    "so the total is {}.",
    "**{}**",
    "= {}",
    "{} apples",
]


@pytest.mark.slow
@given(written(), st.sampled_from(AROUND))
def test_every_written_form_is_read(number: tuple[str, Fraction], around: str) -> None:
    text, value = number
    assert answer_number(around.format(text)) == value
    if around == "{}":
        assert bare_number(text) == value


WORDS = st.lists(st.text(st.characters(categories=["L"]), min_size=2), max_size=5).map(" ".join)


@pytest.mark.slow
@given(WORDS, written(), WORDS, st.sampled_from(["", ".", ",", ":", "\n"]))
def test_prose_around_a_number_makes_no_other_number_of_it(
    before: str, number: tuple[str, Fraction], after: str, end: str
) -> None:
    text, value = number
    assert answer_number(f"{before} {text}{end} {after}") in (value, None)


JOINTS = [
    "+", "-", "*", " + ", " - ", " * ", "^", "**", " and ", " or ", " to ", ", ", "; ", "–", " – ",
    "×", " × ", r"\times ", r"\cdot ", "·", ":", " : ", "±", "!", "!+", "(", ")(", r"\sqrt{2}+",
    r"\pi\cdot ", "x+", " mod ", "//", " over ", " times ", "^{", "_", " feet ", " in ", " < ", ">",
    "≤", "|", "x", "π", "..", "...", "² + ", " plus ", " minus ", "~", "!! ", " per ", "\\", "%+",
    " - x", "/x+",
]  # fmt: skip


@pytest.mark.slow
@given(written(), st.sampled_from(JOINTS), written(), st.sampled_from(AROUND))
@example(("3", Fraction(3)), "^{", ("2", Fraction(2)), "Answer: {}")
def test_no_part_of_a_longer_expression_is_read(
    left: tuple[str, Fraction], joint: str, right: tuple[str, Fraction], around: str
) -> None:
    text = left[0] + joint + right[0]
    found = answer_number(around.format(text))
    assert found is None or found not in (left[1], right[1]) or 0 in (left[1], right[1]), text


TAILS = [
    "x", "π", r"\pi", "i", "!", "^2", "^{10}", "²", "...", "…", r"\sqrt{2}", "k", "(x)", " x",
    " dozen", " + y", "-x", "+1", "th", " and a half", "M", r"\cdot x", "^n", "_2", "_{2}", ":30",
    "/x", "/2/3", "e", r"\times y", " squared", " mod 7", r"\ldots", "% + 1", " per cent of 5",
    " choose 2", "i + 2", "±1", "~6", "—6", "[2]", "\u0305", "∞",
]  # fmt: skip


@pytest.mark.slow
@given(written(), st.sampled_from(TAILS), st.sampled_from(AROUND[:-1]))
def test_nothing_that_a_number_goes_on_with_is_cut_off(
    number: tuple[str, Fraction], tail: str, around: str
) -> None:
    assert answer_number(around.format(number[0] + tail)) is None


@pytest.mark.slow
@given(st.fractions() | st.decimals(allow_nan=False, allow_infinity=False, places=9).map(Fraction))
def test_a_number_is_written_as_it_is_read(value: Fraction) -> None:
    assert answer_number(write_number(value)) == value
    assert bare_number(write_number(value)) == value
    assert "/" not in write_number(Fraction(value.numerator, 10**5))


PIECES = st.sampled_from(
    [*JOINTS, *TAILS, *NONE["LaTeX"], *"{}()[]\\$^_&~#|", "\n", "1", "23", "answer is ", "####"]
)


@given(st.text() | st.lists(PIECES, max_size=30).map("".join))
def test_no_text_breaks_the_reader(text: str) -> None:
    found = answer_number(text)
    assert found is None or answer_number(write_number(found)) == found


HOSTILE = [
    *("(" * 10**5 + "5", "-" * 10**5 + "5", "answer is " * 10**5, r"\boxed{" * 10**5),
    *("^{" * 10**5, "1 " * 10**5, "f(" * 10**4 + ")" * 10**4, "a" * 10**6, "5=" * 10**5),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_takes_no_time(text: str) -> None:
    started = time.process_time()
    assert answer_number(text) is None
    assert time.process_time() - started < 5


def test_recorded_answers_are_read_as_their_judges_read_them() -> None:
    lines = shared("gsm8k_model_answers.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in random.Random(0).sample(lines, 120)]
    for row in rows:
        expected = answer_number(row["ground_truth"].rpartition("A:")[2])
        assert expected is not None
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
            right = answer_number(row[model]["solution"]) == expected
            assert right == row[model]["is_correct"], row[model]["solution"]
