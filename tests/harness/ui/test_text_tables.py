"""Tables at every width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from harness.ui.text_tables import Cell, Column, lines, wrapped

COLUMNS = (
    Column("id"),
    Column("kind", rank=1),
    Column("n", rank=2, right=True),
    Column("title", text=True),
)
ROWS = [
    ("hm-3f9a", "task", "12", "short"),
    ("hm-3f9abcdefg", "feature", "3", "a title that is much longer than all of the others here"),
]


def test_a_pipe_gets_everything_and_no_padding_to_the_longest_title() -> None:
    assert lines(COLUMNS, ROWS) == [
        "\x1b[1mid\x1b[0m             \x1b[1mkind\x1b[0m      \x1b[1mn\x1b[0m  \x1b[1mtitle\x1b[0m",
        "hm-3f9a        task     12  short",
        "hm-3f9abcdefg  feature   3  a title that is much longer than all of the others here",
    ]


def test_a_narrow_terminal_wraps_the_text_and_leaves_columns_out_by_rank() -> None:
    assert lines(COLUMNS, ROWS, 54, head=False)[1:] == [
        "hm-3f9abcdefg  feature   3  a title that is much",
        "                            longer than all of the",
        "                            others here",
    ]
    assert lines(COLUMNS, ROWS, 50, head=False)[0] == "hm-3f9a        task     short"
    assert lines(COLUMNS, ROWS, 40, head=False)[0] == "hm-3f9a        short"


def test_what_must_stay_whole_does_at_any_width() -> None:
    assert all(row[0] in "\n".join(lines(COLUMNS, ROWS, 5)) for row in ROWS)
    path = "/a/path/that/is/longer/than/the/whole/terminal/file.py"
    assert path in wrapped(f"see {path} there", 24)


def test_cells_with_lines_of_their_own_and_with_colours() -> None:
    found = lines(COLUMNS, [("a", "b", "1", "one\n  two"), ("c", Cell("d", "red"), "2", "")], None)
    assert [line.rstrip() for line in found[1:]] == [
        "a   b     1  one",
        "             two".replace("two", "  two"),
        "c   \x1b[31md\x1b[0m     2",
    ]


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=200)), min_size=1, max_size=5),
    st.integers(40, 120),
)
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, str]], width: int) -> None:
    columns = (Column("id"), Column("text", text=True))
    ids = [(id.replace("\n", " ")[:12], text) for id, text in rows]
    for line in lines(columns, [(id, text) for id, text in ids], width, head=False):
        assert cell_len(line) <= width or max(map(cell_len, line.split())) > 20


@pytest.mark.parametrize("text", ["", "a", "日本語のとても長い題名" * 5, "a\nb\n"])
def test_wrapping_loses_nothing(text: str) -> None:
    assert "".join("".join(wrapped(text, 24)).split()) == "".join(text.split())
