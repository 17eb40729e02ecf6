"""A table as text, Markdown, LaTeX and CSV."""

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.errors import LassError
from lass_plugin.records.csv_table import to_csv
from lass_plugin.records.table import (
    Table,
    best_in_columns,
    to_latex,
    to_markdown,
    to_text,
)
from lass_plugin.records.text_tables import Markdown, escape, verbatim
from lass_plugin.tables.table_files import write_tables

TABLE = Table(
    "speed",
    "Speed",
    ("system", "a_b", "x → y"),
    (("base", "1.50", "2 ± 1"), ("50 % & more*", "2.00", "<3>")),
    frozenset({(1, 1)}),
    ("n: 5",),
    ({"system": "base", "value": 1 / 3}, {"system": "more", "p_value": 0.5}),
)


def test_markdown_marks_the_best_and_escapes():
    assert to_markdown([TABLE], "Cost", ["of a|b"]) == (
        "# Cost\n\n## Speed\n\n"
        "| system | a\\_b | x → y |\n|:--|--:|--:|\n"
        "| base | 1.50 | 2 ± 1 |\n"
        "| 50 % & more\\* | **2.00** | \\<3> |\n\n"
        "- n: 5\n\n- of a\\|b\n"
    )


def test_latex_is_a_table_with_rules_and_escapes():
    assert to_latex([TABLE], ["50 %"]) == (
        "% \\usepackage{booktabs}\n% 50 %\n\n"
        "\\begin{table}[t]\n\\centering\n\\begin{tabular}{lrr}\n\\toprule\n"
        "system & a\\_b & x $\\rightarrow$ y \\\\\n\\midrule\n"
        "base & 1.50 & 2 $\\pm$ 1 \\\\\n"
        "50 \\% \\& more* & \\textbf{2.00} & \\textless{}3\\textgreater{} \\\\\n"
        "\\bottomrule\n\\end{tabular}\n\\caption{Speed; n: 5.}\n\\label{tab:speed}\n"
        "\\end{table}\n"
    )


def test_text_is_aligned():
    assert to_text(TABLE).splitlines() == [
        "Speed",
        "system         a_b  x → y",
        "-------------------------",
        "base          1.50  2 ± 1",
        "50 % & more*  2.00    <3>",
        "n: 5",
    ]


def test_csv_has_the_unrounded_values():
    rows = list(csv.DictReader(io.StringIO(to_csv(TABLE.records))))
    assert rows[0] == {"system": "base", "value": repr(1 / 3), "p_value": ""}
    assert rows[1] == {"system": "more", "value": "", "p_value": "0.5"}


def test_files_are_written_beside_each_other(tmp_path):
    paths = write_tables([TABLE], tmp_path, "cost", "Cost", {"baseline": "b"}, ["note"])
    assert [path.name for path in paths] == [
        *("table-cost.json", "table-cost.md", "table-cost.tex", "table-cost.speed.csv")
    ]
    content = json.loads(paths[0].read_text())
    assert content["format"] == "lass_plugin table cost" and content["version"] == 1
    assert content["baseline"] == "b" and content["notes"] == ["note"]
    assert content["tables"][0]["records"] == list(TABLE.records)
    with pytest.raises(LassError, match="no table"):
        write_tables([], tmp_path, "cost", "Cost")


def test_a_row_of_another_length_is_refused():
    with pytest.raises(LassError, match="2 cells for 3 columns"):
        Table("a", "A", ("x", "y", "z"), (("1", "2"),))


def test_the_best_of_a_column_with_ties_and_gaps():
    values = [[1.0, None, 3.0], [2.0, None, 3.0], [0.5, 7.0, 1.0]]
    assert best_in_columns(values) == {(1, 1), (0, 3), (1, 3)}
    assert best_in_columns([]) == frozenset()


@given(st.integers(1, 4), st.integers(1, 4), st.randoms())
def test_transposing_twice_changes_nothing(rows, columns, random):
    cells = [[str(random.random()) for _ in range(columns)] for _ in range(rows)]
    header = tuple(f"h{i}" for i in range(columns))
    strong = frozenset(
        (row, column)
        for row in range(rows)
        for column in range(1, columns)
        if random.random() < 0.5
    )
    table = Table("a", "A", header, tuple(map(tuple, cells)), strong)
    assert table.transposed().transposed() == table


def test_a_table_that_compares_rows_with_columns_is_not_turned():
    assert replace(TABLE, may_turn=False).transposed().rows == TABLE.rows


def test_transposing_keeps_the_best_where_it_is():
    turned = TABLE.transposed()
    assert turned.header == ("system", "base", "50 % & more*")
    assert turned.rows[0] == ("a_b", "1.50", "2.00") and turned.strong == {(0, 2)}


def test_averages_stand_below_a_line_and_texts_to_the_left():
    rows = (("de-en", "a", "1.0"), ("nl-en", "bb", "22.0"), ("mean", "", "11.5"))
    table = Table("t", "Title", ("pair", "way", "x"), rows, left=2, foot=1)
    assert to_text(table).splitlines() == [
        "Title",
        "pair   way     x",
        "----------------",
        "de-en  a     1.0",
        "nl-en  bb   22.0",
        "----------------",
        "mean        11.5",
    ]
    assert "|:--|:--|--:|" in to_markdown([table])
    assert "\\begin{tabular}{llr}" in to_latex([table])


def test_a_wide_table_is_shown_in_parts_that_fit():
    header = ("pair", "first", "second", "third")
    table = Table("t", "T", header, (("de", "1", "2", "3"),), frozenset({(0, 3)}))
    table = replace(table, notes=("n: 5",))
    parts = list(table.fitting(len("pair  first  second"), keep=2))
    assert [part.header for part in parts] == [
        ["pair", "first", "second"],
        ["pair", "first", "third"],
    ]
    assert [part.rows for part in parts] == [[["de", "1", "2"]], [["de", "1", "3"]]]
    assert [part.strong for part in parts] == [frozenset(), {(0, 2)}]
    assert [part.notes for part in parts] == [(), ("n: 5",)]
    narrow = [part.header[-1] for part in table.fitting(3)]
    assert narrow == ["first", "second", "third"]  # one further column at least
    assert [part.header for part in table.fitting(100)] == [list(header)]


def test_what_is_markdown_already_is_not_escaped_again():
    table = Table("t", verbatim("a|`b"), ("x",), (("1",),))
    note = Markdown(f"{escape('a*')}: {verbatim('c_d')}")
    page = to_markdown([table], notes=[note, "e_f"])
    assert page.startswith("## `a|'b`\n")
    assert page.endswith("- a\\*: `c_d`\n- e\\_f\n")
