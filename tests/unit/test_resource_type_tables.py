"""The table from resource type to resource type, with the cells of Cao 2024."""

import json
from pathlib import Path

import pytest
from made_up_reports import report_of

from lass_plugin.cli.main import main as lass
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.resource_types import LANG12, LANG30, flores_types
from lass_plugin.tables.compared_reports import LabelledReport, compare_reports
from lass_plugin.tables.layout import Layout
from lass_plugin.tables.score_tables import score_tables

# Table 1, then Table 2: cells from each type into each, and AVG
LANG12_CELLS = {
    "Pretrain": (31.76, 20.06, 5.56, 20.71, 17.12, 3.47, 9.24, 5.03, 0.52, 12.26),
    "Ft-all": (29.29, 20.46, 12.53, 19.28, 17.14, 8.95, 15.23, 11.02, 6.66, 15.43),
    "GPS": (33.13, 22.33, 12.93, 21.49, 18.58, 9.23, 16.59, 11.38, 7.04, 16.73),
}
LANG30_CELLS = {
    "Pretrain": (
        *(28.93, 20.77, 6.29, 3.60, 22.94, 17.26, 4.82, 2.73),
        *(11.28, 8.01, 3.03, 1.51, 7.04, 4.34, 1.68, 0.55, 9.53),
    ),
    "GPS": (
        *(29.92, 22.90, 11.11, 10.06, 23.60, 19.20, 9.53, 8.61),
        *(15.34, 12.70, 8.05, 7.25, 13.75, 11.31, 7.37, 6.11, 13.86),
    ),
}


def compared_of(report):
    return compare_reports([LabelledReport("report", Path("report"), report)])


def one(table, **wanted):
    (found,) = [
        record
        for record in table.records
        if all(record[key] == value for key, value in wanted.items())
    ]
    return found


def names(kinds):
    return [f"{source}2{target}" for source in kinds for target in kinds]


def scores(cells, languages, kinds):
    """Every pair has the score of its cell."""
    of = dict(zip(names(kinds), cells[:-1], strict=True))
    types = flores_types()
    return {
        f"{source}-{target}": of[f"{types[source]}2{types[target]}"]
        for source in languages
        for target in languages
        if source != target
    }


@pytest.mark.parametrize(
    "table, languages, kinds",
    [(LANG12_CELLS, LANG12, "HMV"), (LANG30_CELLS, LANG30, "HMLV")],
)
def test_the_average_of_the_paper_is_over_pairs(table, languages, kinds):
    systems = {name: scores(row, languages, kinds) for name, row in table.items()}
    compared = compared_of(report_of(**systems))
    (made,) = score_tables(
        compared, Layout(resource_types="flores"), ["BLEU"], ["types"]
    )
    assert made.header == ("BLEU", *names(kinds), "AVG")
    for name, row in table.items():
        cells = dict(zip(made.header[1:], row, strict=True))
        for column, value in cells.items():
            record = one(made, system=name, column=column)
            assert record["score"] == pytest.approx(value, abs=0.011)
    assert (
        f"AVG: mean over the {len(languages) * (len(languages) - 1)} pairs"
        in (made.notes[0])
    )


def test_a_type_of_one_language_has_no_column_of_its_own():
    compared = compared_of(report_of(base={"de-en": 10.0, "en-de": 20.0, "en-oc": 3.0}))
    layout = Layout(resource_types="H=de,en;V=oc")
    (made,) = score_tables(compared, layout, ["BLEU"], ["types"])
    assert made.header == ("BLEU", "H2H", "H2V", "AVG")
    assert made.rows == (("base", "15.00", "3.00", "11.00"),)
    assert made.notes[0].startswith("H: de, en; V: oc; AVG")


def test_only_where_it_is_asked_for():
    compared = compared_of(report_of(base={"de-en": 10.0, "en-de": 20.0}))
    made = {table.name for table in score_tables(compared, Layout(), ["BLEU"])}
    assert "types.bleu" not in made
    with pytest.raises(LassError, match="'types' cannot be made.*--resource-types"):
        score_tables(compared, Layout(), ["BLEU"], ["types"])
    with pytest.raises(LassError, match="de has no resource type in H=en"):
        score_tables(compared, Layout(resource_types="H=en"), ["BLEU"], ["types"])


def test_the_command_writes_it_in_every_format(tmp_path: Path, capsys):
    systems = {n: scores(r, LANG12, "HMV") for n, r in LANG12_CELLS.items()}
    report_file.write(report_of(**systems), tmp_path / "report")
    words = ["--tables", "types", "--resource-types", "flores", "--metrics", "BLEU"]
    words += ["--show", "score", "--no-test", "--out", str(tmp_path / "tables")]
    assert lass(["table", "scores", str(tmp_path / "report"), *words]) == 0
    assert "H2H" in capsys.readouterr().out
    markdown = (tmp_path / "tables" / "table-scores.md").read_text()
    assert "| BLEU | H2H | H2M | H2V | M2H |" in markdown and "**33.13**" in markdown
    assert "33.13" in (tmp_path / "tables" / "table-scores.tex").read_text()
    content = json.loads((tmp_path / "tables" / "table-scores.json").read_text())
    assert content["tables"][0]["name"] == "types.bleu"
    csv = (tmp_path / "tables" / "table-scores.types.bleu.csv").read_text()
    assert csv.splitlines()[0].startswith("metric,system,column,pairs,score")


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--resource-types", "flores", "without the table types"),
        ("--wins-by", "pair", "without the table groups or wins"),
    ],
)
def test_an_option_of_a_table_that_is_not_made(option, value, told, tmp_path, capsys):
    report_file.write(report_of(a={"en-de": 10.0}, b={"en-de": 11.0}), tmp_path)
    words = ["table", "scores", str(tmp_path), "--tables", "metrics", option, value]
    assert lass(words) == 1
    assert f"{option} has no effect {told}" in capsys.readouterr().err
