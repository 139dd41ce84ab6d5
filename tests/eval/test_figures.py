"""Figures and pages: whatever a label holds, they are well-formed, escaped and need no other file."""

from __future__ import annotations

import re
import warnings
from xml.etree import ElementTree

import pytest
from jinja2 import UndefinedError

from eval.figures import LONGEST, bars, intervals, lines, scatter
from eval.pages import page

NASTY = "<script>alert('$x_1$')</script> & \x00\x1b[31m\ud800 名前 _"


def drawn() -> list[str]:
    return [
        intervals({NASTY: (0.5, 0.4, 0.6), "b": (1.0, 1.0, 1.0)}, NASTY),
        intervals({NASTY: (-0.2, -0.4, 0.1)}, NASTY, low=-1, high=1),
        lines({NASTY: {4: 1.0, 64: 0.2}, "_b": {4: 0.5}}, NASTY, NASTY),
        scatter([(0.0, 1.0, -1, NASTY), (2.0, 3.0, 11, "b"), (0.0, 1.0, 11, "c")], NASTY),
        bars({NASTY: 3.0, "x" * 300: 0.0}, NASTY, NASTY),
        intervals({}, "empty"), lines({}, "empty", "x"), scatter([], "empty"), bars({}, "empty", "x"),
    ]  # fmt: skip


@pytest.mark.slow
def test_any_label_makes_a_well_formed_element() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = drawn()
    for figure in figures:
        root = ElementTree.fromstring(figure)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "<script" not in figure
        assert set(re.findall(r"https?://[^\"]*", figure)) == {"http://www.w3.org/2000/svg"}
    assert "$x_1$" in figures[0], "no label is read as a formula"
    assert "_b" in figures[2], "a name with an underscore in front is drawn as well"
    assert "x" * LONGEST not in figures[4]


def test_every_point_has_its_own_text() -> None:
    points = [(float(n), float(n % 3), n % 4 - 1, f"text {n}") for n in range(40)]
    root = ElementTree.fromstring(scatter(points, "failures"))
    space = "{http://www.w3.org/2000/svg}"
    shown = {
        mark.findtext(f"{space}title"): float(mark.attrib["x"]) for mark in root.iter(f"{space}use")
    }
    assert sorted(shown, key=lambda says: shown[str(says)]) == [p[3] for p in points]


@pytest.mark.slow
def test_the_same_figures_are_the_same_text_and_share_no_ids() -> None:
    first = drawn()[:5]
    assert first == drawn()[:5]
    ids = [one for figure in (bars({"a": 1.0}, "one", "x"), bars({"a": 1.0}, "two", "x"))
           for one in set(re.findall(r'\bid="(.*?)"', figure))]  # fmt: skip
    assert len(ids) == len(set(ids))


def test_a_page_escapes_every_value_but_ready_figures() -> None:
    figure = bars({"a": 1.0}, "tokens", "tokens")
    made = page("cost", titles=["<a>"], total=[["<b>"]], groups=[(figure, [["<i>&"]])])
    assert figure in made
    for word in ("&lt;a&gt;", "&lt;b&gt;", "&lt;i&gt;&amp;"):
        assert word in made
    assert made.startswith("<!doctype html>")


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        page("cost", titles=[])
