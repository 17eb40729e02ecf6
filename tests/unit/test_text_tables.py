"""Tables as text: columns, and Markdown that shows what was given."""

from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.records.text_tables import in_columns, markdown_table, rule, widths_of

ROWS = [["pair", "BLEU"], ["de-en", "3.1"], ["en-zh", "12.25"]]


def test_columns_by_hand():
    assert in_columns(ROWS) == ["pair    BLEU", "de-en    3.1", "en-zh  12.25"]
    assert in_columns(ROWS, left=(0, 1)) == [
        "pair   BLEU",
        "de-en  3.1",
        "en-zh  12.25",
    ]
    assert rule(widths_of(ROWS)) == "-" * len("en-zh  12.25")


def test_markdown_by_hand():
    assert markdown_table([["a|b", "x"], ["*1*", "two\nlines"]]) == [
        "| a\\|b | x |",
        "|:--|--:|",
        "| \\*1\\* | two lines |",
    ]
    assert markdown_table([["a", "b", "c"]], left=2)[1] == "|:--|:--|--:|"


@given(st.lists(st.lists(st.text("ab |*"), min_size=3, max_size=3), min_size=1))
def test_every_row_has_its_cells(rows):
    for line in markdown_table(rows):
        assert line.replace("\\|", "").count("|") == 4
    assert max(map(len, in_columns(rows))) <= len(rule(widths_of(rows)))
