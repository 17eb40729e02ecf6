"""A table as HTML, and tables read again from pages of Markdown."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.records.markdown_pages import read_tables, title_of
from lass_plugin.records.table import Table, to_html, to_markdown
from lass_plugin.records.text_tables import Markdown, verbatim

TABLE = Table(
    "speed",
    "Speed & <more>",
    ("system", "of", "s"),
    (("a", "x*", "+2.0*"), ("<b>", "y", "3"), ("mean", "", "2.5")),
    frozenset({(0, 2)}),
    ('n: "5"',),
    left=2,
    foot=1,
)


def test_html_by_hand():
    title = "Speed &amp; &lt;more&gt;"
    assert to_html(TABLE) == (
        f'<div class="table" role="region" aria-label="{title}" tabindex="0">\n'
        f"<table><caption>{title}</caption><thead><tr>"
        '<th scope="col">system</th><th scope="col" class="text">of</th>'
        '<th scope="col">s</th></tr>\n</thead>\n<tbody>'
        '<tr><th scope="row">a</th><td class="text">x*</td>'
        '<td><strong>+2.0<span class="star">*</span></strong></td></tr>\n'
        '<tr><th scope="row">&lt;b&gt;</th><td class="text">y</td><td>3</td></tr>\n'
        '</tbody><tbody class="foot">'
        '<tr><th scope="row">mean</th><td class="text"></td><td>2.5</td></tr>\n'
        "</tbody></table></div>\n"
        '<ul class="notes"><li>n: &quot;5&quot;</li></ul>\n'
    )


def test_a_page_is_read_as_the_tables_in_it():
    second = replace(TABLE, title="Second", notes=(), left=1)
    page = to_markdown([TABLE, second], "All", [Markdown(verbatim("a|b")), "the *end*"])
    assert title_of(page) == "All" and title_of("## x") == ""
    first, last = read_tables(page)
    assert first == replace(
        TABLE,
        name="table-1",
        header=list(TABLE.header),
        rows=[*map(list, TABLE.rows)],
        foot=0,
    )
    assert last.title == "Second" and last.rows == first.rows and last.left == 1
    assert last.notes == ("a|b", "the *end*")


def test_paragraphs_are_titles_or_notes():
    page = "Over k at 3: best:\n\n| a |\n|:--|\n| 1 |\n\nSaid.\n* more\n"
    (table,) = read_tables(page)
    assert table.title == "Over k at 3: best" and table.notes == ("more", "Said.")
    assert read_tables("# nothing\n\ntext\n") == []


@pytest.mark.parametrize("rows", ["| a |\n| 1 |\n", "| a |\n|:--|\n| 1 | 2 |\n"])
def test_what_is_no_table_of_ours_is_refused(rows):
    with pytest.raises(LassError, match="the table 'x' has no line|has 2 cells for 1"):
        read_tables(f"## x\n\n{rows}")


TEXTS = st.text("ab |*_<`\\&~-", max_size=6).map(str.strip)


@given(
    st.lists(st.lists(TEXTS, min_size=3, max_size=3), min_size=2, max_size=4),
    st.sets(st.sampled_from([(0, 0), (0, 2), (1, 1), (2, 2)])),
    st.lists(TEXTS.map(lambda text: text or "-"), max_size=2),
)
def test_every_table_is_read_as_it_was_written(rows, strong, notes):
    rows = [[" ".join(cell.split()) for cell in row] for row in rows]
    notes = tuple(" ".join(note.split()) for note in notes)
    strong = {(row, c) for row, c in strong if row < len(rows) - 1 and rows[row + 1][c]}
    table = Table("table-1", "T", rows[0], rows[1:], frozenset(strong), notes)
    assert read_tables(to_markdown([table])) == [table]
