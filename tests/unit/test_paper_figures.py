"""The papers' tables as data: complete, and their means follow from their cells."""

import re
from statistics import fmean

import pytest
import yaml
from conftest import ROOT

from lass_plugin.errors import LassError
from lass_plugin.papers.figures import (
    COSTS,
    KINDS,
    LANGUAGES,
    MEAN,
    PAIRS,
    TASKS,
    TYPES,
    WINS,
    XNLI,
    normal,
)
from lass_plugin.papers.reading import DATA, figure_of, paper_of, papers
from lass_plugin.resource_types import LANG12, LANG30, flores_types
from lass_plugin.tables.xtreme_tables import average

TABLES = [table for paper in papers().values() for table in paper.tables.values()]
HEADINGS = {  # of docs/tables_and_figures.md
    "he2023": "He 2023",
    "lin2021": "Lin 2021 (LaSS)",
    "xie2021": "Xie 2021",
    "cao2024": "Cao 2024",
    "li2022": "Li 2022",
}


def half(digits):
    """What rounding to so many digits may change, and floating point."""
    return 0.5 * 10**-digits + 1e-9


def row_of(paper, number, name, part=0):
    return papers()[paper].table(number).parts[part].rows[name]


def values(row, *codes):
    return [row.figures[code].value for code in codes]


def weights_of(languages):
    """Resource type into resource type -> how many pairs of *languages* it has."""
    types, found = flores_types(), {}
    for source in languages:
        for target in languages:
            if source != target:
                key = f"{types[source]}2{types[target]}"
                found[key] = found.get(key, 0) + 1
    return found


def mean_of(table, part, row):
    """The mean of the cells of *row*, and what their rounding may change in it."""
    of = {c.code: row.figures[c.code] for c in part.measured() if c.code in row.figures}
    slack = fmean(half(figure.digits) for figure in of.values())
    if table.columns == TASKS:
        tasks = {}
        for code, figure in of.items():
            tasks.setdefault(code.partition(".")[0], []).append(figure.value)
        return average(tasks, table.average), slack
    if table.columns == TYPES:
        weights = weights_of(LANG12 if len(of) == 9 else LANG30)
        assert weights.keys() == of.keys()
        total = sum(weights[code] * figure.value for code, figure in of.items())
        return total / sum(weights.values()), slack
    assert table.columns in (LANGUAGES, PAIRS, XNLI)
    return fmean(figure.value for figure in of.values()), slack


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_means_follow_from_the_cells_but_where_a_slip_says_so(table):
    for part in table.parts:
        for name, row in part.rows.items():
            if MEAN in row.figures:
                mean, slack = mean_of(table, part, row)
                printed = row.figures[MEAN]
                follows = abs(mean - printed.value) <= slack + half(printed.digits)
                said = "mean" in table.slips.get(name, "") and name != "ρ = 90%"
                assert follows != said, (table.title, part.name, name, mean)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_a_table_is_whole(table):
    assert table.columns in KINDS and table.about and "lass " in table.command
    assert set(table.slips) <= set(table.rows)
    assert not table.baseline or table.baseline in table.rows + ["MagnitudeOneshot"]
    for part in table.parts:
        codes = [column.code for column in part.columns]
        assert len(set(codes)) == len(codes)
        for name, row in part.rows.items():
            assert row.figures and set(row.figures) <= set(codes), name
            for code, figure in row.figures.items():
                signed = figure.text[0] in "+-" or not figure.value
                if figure.gain:
                    assert signed and name != table.baseline
                else:
                    assert not figure.text.startswith("+")
                assert (code in COSTS) or not figure.text.endswith("M")


def test_other_names_are_those_of_rows():
    for path in DATA.glob("*.yaml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        tables = papers()[path.stem].tables
        rows = {normal(row) for table in tables.values() for row in table.rows}
        own = [table.get("names", {}) for table in content["tables"].values()]
        named = [row for names in (content["names"], *own) for row in names]
        assert {normal(row) for row in named} <= rows, path


def test_differences_that_are_printed_are_those_of_the_scores():
    checked = 0
    for table in TABLES:
        for name, printed in table.differences.items():
            (part,) = table.parts
            texts = [text for cell in printed for text in cell.split("/")]
            for column, text in zip(part.columns, texts, strict=True):
                ours, base = (
                    part.rows[row].figures[column.code].value
                    for row in (name, table.baseline)
                )
                assert round(ours - base, 6) == float(text), (table.title, column)
                checked += 1
    assert checked == 8 + 60


def test_groups_of_he_2023_are_the_means_of_its_pairs():
    groups = {"low": 6, "medium": 7, "high": 8}
    for group, number in groups.items():
        for name in ("Baseline", "MagnitudeOneshot", "GradientGradual"):
            rows = [row_of("he2023", number, name, part) for part in (0, 1)]
            mean = fmean(row.figures[MEAN].value for row in rows)
            assert mean == pytest.approx(
                row_of("he2023", 3, name).figures[group].value, abs=0.011
            )


def test_win_ratios_of_he_2023_follow_from_its_pairs():
    wins = {}
    for group, number in {"low": 6, "medium": 7, "high": 8}.items():
        table = papers()["he2023"].table(number)
        won = []
        for there, back in zip(*(part.measured() for part in table.parts), strict=True):
            ours, theirs = (
                sum(
                    part.rows[name].figures[column.code].value
                    for part, column in zip(table.parts, (there, back), strict=True)
                )
                for name in ("GradientGradual", "MagnitudeOneshot")
            )
            won.append(ours > theirs + 1e-9)
        wins[group] = won
    wins["all"] = sum(wins.values(), [])
    printed = row_of("he2023", 9, "GradientGradual").figures
    for group, won in wins.items():
        assert round(100 * sum(won) / len(won)) == printed[f"{group}.{WINS}"].value


def test_figures_that_stand_in_two_tables_are_the_same():
    for name in ("Baseline", "Adapter.128", "GradientGradual", "SepaDec"):
        row = row_of("he2023", 1, name)
        mean = row.figures[MEAN].value + 26.74 * (name != "Baseline")
        assert mean == pytest.approx(
            row_of("he2023", 12, name).figures["BLEU"].value, abs=0.011
        )
    first = row_of("cao2024", 1, "2;2;8+WL+GPS(0.9)")
    for number, name in (
        (3, "2;2;8+WL+GPS(0.9)"),
        (4, "All: 2;2;8+WL+GPS(0.9)"),
        (8, "E=2,K=8"),
    ):
        assert row_of("cao2024", number, name).figures == first.figures
    for number in (3, 4, 8):
        again = row_of("cao2024", number, "Pre-trained").figures
        assert again == row_of("cao2024", 1, "Pretrain").figures
    ours = row_of("xie2021", 1, "Our Method-TE").figures
    again = row_of("xie2021", 3, "ρ = 90%").figures
    assert {c for c in again if again[c].value != ours[c].value} == {"en-it", MEAN}
    zero = row_of("lin2021", 5, "merged masks").figures["fr-zh"].value
    assert zero == row_of("lin2021", 3, "LaSS").figures["fr-zh"].value == 32.0
    li = row_of("li2022", 1, "Grad (shared)", 1).figures
    for code in ("xnli", "udpos", "panx", "tydiqa.F1", "tydiqa.EM"):
        assert row_of("li2022", 3, "Grad (shared)").figures[code] == li[code]
        found = [
            row_of("li2022", 2, "Impv. L0"),
            row_of("li2022", 3, "L0 (non-shared)"),
        ]
        assert found[0].figures[code] == found[1].figures[code]


def test_correlations_of_cao_2024_have_the_means_that_it_prints():
    for number in (9, 10):
        rows = papers()["cao2024"].table(number).parts[0].rows
        mean = fmean(row.figures["r"].value for n, row in rows.items() if n != "AVG")
        assert mean == pytest.approx(rows["AVG"].figures["r"].value, abs=0.011)


@pytest.mark.parametrize("key", HEADINGS)
def test_every_table_that_the_page_names_is_here_and_the_other_way_round(key):
    page = (ROOT / "docs" / "tables_and_figures.md").read_text(encoding="utf-8")
    section = page.split(f"\n## {HEADINGS[key]}\n")[1].split("\n## ")[0]
    named = set()
    for plural, numbers in re.findall(r"^\| Table(s?) ([\d, –]+) \|", section, re.M):
        first, *rest = [int(number) for number in re.findall(r"\d+", numbers)]
        last = rest[0] if rest else first
        named |= set(range(first, last + 1)) if "–" in numbers else {first, last}
        assert bool(plural) == bool(rest)
    paper = papers()[key]
    assert named == set(paper.tables) | set(paper.without)
    assert not set(paper.tables) & set(paper.without)
    assert set(papers()) == set(HEADINGS)


def test_cells_are_read_as_numbers_with_their_units():
    assert figure_of("237.56 ± 2.70", "GPU").deviation == 2.7
    disk = figure_of("1.8G", "disk")
    assert disk.value == 1843.2 and disk.digits == 0
    assert figure_of("64.69M", "parameters").digits == 2
    assert figure_of("+2.8", "fa", gains=True).gain
    assert not figure_of("80.0", "low.wins", gains=True).gain
    for wrong in ("", "12.", "a", "1.2.3", "12M±3"):
        with pytest.raises(ValueError, match="is no figure"):
            figure_of(wrong, "fa")


def test_papers_and_tables_that_are_not_there_name_the_nearest():
    assert paper_of("He 2023") is paper_of("he2023")
    with pytest.raises(LassError, match=r"'he2032' \(did you mean he2023\?"):
        paper_of("he2032")
    with pytest.raises(LassError, match="no paper 'zzz' \\(there are lin2021, xie2021"):
        paper_of("zzz")
    with pytest.raises(LassError, match=r"no Table 15 \(did you mean 13\?\).*are 1, 2"):
        paper_of("he2023").table(15)
    with pytest.raises(
        LassError, match="Table 4 of He 2023 has no results.*table data"
    ):
        paper_of("he2023").table(4)
    with pytest.raises(LassError, match="has no single part 'x', it has no parts"):
        paper_of("he2023").table(1).part("x")
    table = paper_of("lin2021").table(2)
    assert table.part("big").name == "Transformer-big"
    with pytest.raises(LassError, match="parts are Transformer-base, Transformer-big"):
        table.part("transformer")
