"""Tables of scores: those of He 2023 again from its own cells, and hand-worked ones."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_reports import report_of

from lass_plugin.cli import table_scores
from lass_plugin.data.amounts import Sizes, parse_count
from lass_plugin.errors import LassError
from lass_plugin.tables.compared_reports import LabelledReport, compare_reports
from lass_plugin.tables.layout import Layout
from lass_plugin.tables.score_tables import KINDS, score_tables, win_ratio

# He 2023, Tables 6, 7 and 8: language, training data, then en→X and X→en: the baseline
# and what MagnitudeOneshot and GradientGradual are above it
WMT = """
Gu 7.5K   1.2 +0.1 -0.2   0.3 +0.4  0.0
Kk 102K   2.5 +1.3 +1.4   9.5 -0.5 -2.5
Tr 198K  17.8 +1.7 +1.7  21.3 -0.4 -0.2
Ro 596K  31.1 +0.8 +1.9  26.6 +0.2 +0.8
Ta 605K  14.1 +3.1 +6.0  15.7 +0.3 +0.2
Ps 1M     4.1 +0.4 +2.6   9.8  0.0 +1.1
Fi 2M    14.7 +1.8 +2.3  22.1 +0.4 +0.7
Lv 2.1M  14.1 +1.1 +2.0  18.8 +0.4 +0.6
Et 2.1M  15.1 +1.3 +2.3  22.4 +0.5 +1.2
Ru 2.3M  22.2 +2.4 +3.5  28.7 +0.5 +1.1
Lt 3.4M   8.6 +0.1  0.0  17.1 +0.3 +0.3
De 4.4M  19.9 +2.0 +2.9  27.9 +0.7 +1.3
Cs 11M   19.4 +1.9 +2.7  28.7 -0.5 -0.2
Pl 11M   15.9 +1.6 +1.6  24.8 +0.8 +0.7
Zh 11.9M 22.7 +0.7 +3.0  15.5 +1.7 +2.5
Es 12.9M 29.4 +1.1 +2.0  31.4 +0.4 +1.1
Ja 16.5M 20.0 +1.2 +2.3  15.8 +0.8 +1.2
Fr 37M   32.6 +1.8 +2.5  33.7 +0.4 +0.6
"""
SYSTEMS = ("Baseline", "MagnitudeOneshot", "GradientGradual")


def compared_of(*reports, **options):
    places = [
        LabelledReport(f"report{number}", Path(f"report{number}"), report)
        for number, report in enumerate(reports)
    ]
    return compare_reports(places, **options)


@pytest.fixture(scope="module")
def wmt():
    systems, sizes = {name: {} for name in SYSTEMS}, {}
    for line in WMT.strip().splitlines():
        language, size, *numbers = line.split()
        code = language.lower()
        sizes[f"en-{code}"] = parse_count(size)
        cells = list(map(float, numbers))
        for pair, (base, *gains) in (
            (f"en-{code}", cells[:3]),
            (f"{code}-en", cells[3:]),
        ):
            for name, gain in zip(SYSTEMS, [0.0, *gains], strict=True):
                systems[name][pair] = round(base + gain, 6)
    return compared_of(report_of(**systems)), Sizes(sizes, "the paper")


def records(table, **wanted):
    return [
        record
        for record in table.records
        if all(record[key] == value for key, value in wanted.items())
    ]


def one(table, **wanted):
    (record,) = records(table, **wanted)
    return record


def test_groups_are_those_of_he_2023_table_3(wmt):
    compared, sizes = wmt
    (table,) = score_tables(compared, Layout(sizes=sizes), ["BLEU"], ["groups"])
    expected = {
        "Baseline": (14.01, 17.54, 24.16, 18.76),
        "MagnitudeOneshot": (0.70, 0.85, 0.99, 0.85),
        "GradientGradual": (0.91, 1.56, 1.67, 1.41),
    }
    for name, numbers in expected.items():
        for group, number in zip(
            ("low", "medium", "high", "all"), numbers, strict=True
        ):
            record = one(table, system=name, column=group)
            key = "score" if name == "Baseline" else "difference"
            # the paper adds up averages of two digits
            assert record[key] == pytest.approx(number, abs=0.0101)
    assert table.header[1::2] == ("low (10)", "medium (14)", "high (12)", "all (36)")
    assert "low: < 1M training sentences, medium: < 10M, high: ≥ 10M" in table.notes[0]


def test_win_ratios_by_language_are_those_of_he_2023_table_9(wmt):
    compared, sizes = wmt
    reports = compared_of(
        report_of(
            MagnitudeOneshot=scores(compared, "MagnitudeOneshot"),
            GradientGradual=scores(compared, "GradientGradual"),
        )
    )
    layout = Layout(sizes=sizes, wins_by="language")
    (table,) = score_tables(reports, layout, ["BLEU"], ["groups"])
    ratios = [
        one(table, system="GradientGradual", column=group)["win_ratio"]
        for group in ("low", "medium", "high", "all")
    ]
    assert ratios == [3 / 5, 6 / 7, 5 / 6, 14 / 18]
    assert table.rows[1][2::2] == ("60.0", "85.7", "83.3", "77.8")
    assert table.rows[0][2] == "–"


def scores(compared, name):
    entry = compared.system(name).scores
    return {pair: entry.average("BLEU", [pair]) for pair in compared.pairs}


def test_win_ratios_by_pair_count_each_direction(wmt):
    compared, sizes = wmt
    layout = Layout(sizes=sizes)
    (table,) = score_tables(compared, layout, ["BLEU"], ["groups"])
    # GradientGradual over the baseline: none of Gu, one of Kk and Tr, two of Ro and Ta
    record = one(table, system="GradientGradual", column="low")
    assert (record["wins"], record["of"]) == (6, 10)
    (table,) = score_tables(compared, layout, ["BLEU"], ["wins"])
    record = one(table, system="MagnitudeOneshot", against="GradientGradual")
    # en-gu, gu-en, kk-en, ta-en, en-lt, pl-en; en-tr, lt-en, en-pl are ties
    assert (record["wins"], record["of"]) == (6, 36)


def test_directions_have_the_averages_of_he_2023_tables_6_to_8(wmt):
    compared, _ = wmt
    medium = ("ps", "fi", "lv", "et", "ru", "lt", "de")
    pairs = {f"en-{code}": 0 for code in medium} | {f"{code}-en": 0 for code in medium}
    part = compared_of(
        report_of(
            **{
                name.replace(" ", ""): {p: scores(compared, name)[p] for p in pairs}
                for name in SYSTEMS
            }
        )
    )
    out, back = score_tables(part, Layout(), ["BLEU"], ["from-centre", "into-centre"])
    for table, numbers in ((out, (14.10, 1.30, 2.23)), (back, (20.97, 0.40, 0.90))):
        found = [one(table, system=name, column="Average") for name in SYSTEMS]
        assert found[0]["score"] == pytest.approx(numbers[0], abs=0.005)
        for record, number in zip(found[1:], numbers[1:], strict=True):
            assert record["difference"] == pytest.approx(number, abs=0.005)
    assert out.header == ("BLEU", *medium, "Average")
    assert out.rows[0][1:3] == ("4.10", "14.70")
    assert out.rows[2][1:3] == ("6.70 +2.60*", "17.00 +2.30*")
    assert out.rows[2][6] == "8.60 0.00"  # Lt: no difference has no sign


def test_each_language_is_the_mean_of_both_directions():
    base = {"en-de": 20.0, "de-en": 30.0, "en-fa": 10.0, "fa-en": 14.0}
    gain = {"en-de": 21.0, "de-en": 34.0, "en-fa": 9.0, "fa-en": 16.0}
    sizes = Sizes({"de-en": 160_000, "en-fa": 89_000}, "a file")
    compared = compared_of(report_of(base=base, ours=gain))
    (table,) = score_tables(compared, Layout(sizes=sizes), ["BLEU"], ["languages"])
    assert table.header == ("BLEU", "fa 89K", "de 160K", "Average")  # by data
    assert table.rows == (
        ("base", "12.00", "25.00", "18.50"),
        ("ours", "12.50 +0.50", "27.50 +2.50", "20.00 +1.50"),
    )
    assert table.strong == {(1, 1), (1, 2), (1, 3)}
    only = Layout(sizes=sizes, show="difference")
    (table,) = score_tables(compared, only, ["BLEU"], ["languages"])
    assert table.rows[1] == ("ours", "+0.50", "+2.50", "+1.50")
    (table,) = score_tables(compared, Layout(show="score"), ["chrF"], ["languages"])
    assert table.rows[1] == ("ours", "37.50", "22.50", "30.00")


def test_pairs_without_english_are_averaged_by_source_and_by_target():
    base = {"en-de": 20.0, "de-en": 30.0, "de-fr": 10.0, "fr-de": 16.0, "nl-de": 40.0}
    compared = compared_of(report_of(base=base))
    tables = {table.name: table for table in score_tables(compared, Layout(), ["BLEU"])}
    assert set(tables) == {
        *("languages.bleu", "from-centre.bleu", "into-centre.bleu", "pairs.bleu"),
        *("sources.bleu", "targets.bleu", "metrics"),
    }
    sources, targets = tables["sources.bleu"], tables["targets.bleu"]
    assert sources.header[1:] == ("en", "de", "fr", "nl")
    assert sources.rows[0][1:] == ("20.00", "20.00", "16.00", "40.00")
    assert targets.header[1:] == ("de", "en", "fr")
    assert targets.rows[0][1:] == ("25.33", "30.00", "10.00")
    assert tables["pairs.bleu"].header[1:] == ("de-fr", "fr-de", "nl-de", "Average")
    assert tables["metrics"].rows == (("base", "23.20"),)


def test_another_centre_and_codes_with_a_script():
    pairs = ["eng_Latn-deu_Latn", "de-fr", "fr-eng_Latn"]
    assert Layout().with_centre(pairs) == {"deu_Latn": [pairs[0]], "fr": [pairs[2]]}
    compared = compared_of(report_of(base={"de-fr": 1.0, "fr-de": 3.0}))
    (table,) = score_tables(compared, Layout(centre="de"), ["BLEU"], ["languages"])
    assert table.rows == (("base", "2.00", "2.00"),)


def test_a_language_with_one_direction_is_named():
    compared = compared_of(report_of(base={"en-de": 1.0, "de-en": 3.0, "en-fr": 5.0}))
    (table,) = score_tables(compared, Layout(), ["BLEU"], ["languages"])
    assert table.rows == (("base", "2.00", "5.00", "3.50"),)
    assert "one direction only: fr" in table.notes


@pytest.mark.parametrize(
    "kind, reason",
    [
        ("groups", "give --sizes"),
        ("sources", "all pairs have the language en"),
        ("wins", "one system only"),
        ("into-centre", "no pair is into en"),
        ("table-9", "there is no table 'table-9'"),
    ],
)
def test_a_table_that_cannot_be_made_is_refused_with_the_reason(kind, reason):
    compared = compared_of(report_of(base={"en-de": 1.0}))
    with pytest.raises(LassError, match=reason):
        score_tables(compared, Layout(), (), [kind])


def test_a_metric_that_a_system_lacks_is_refused():
    with pytest.raises(LassError, match="not every system has COMET"):
        score_tables(compared_of(report_of(base={"en-de": 1.0})), Layout(), ["COMET"])


def test_wins_by_language_need_the_centre_in_all_pairs():
    values = {"en-de": 1.0, "de-fr": 2.0}
    compared = compared_of(report_of(base=values, ours=dict(values)))
    with pytest.raises(LassError, match="--wins-by pair"):
        score_tables(compared, Layout(wins_by="language"), ["BLEU"], ["wins"])


def test_a_group_without_pairs_is_left_out():
    compared = compared_of(report_of(base={"en-de": 1.0}, ours={"en-de": 2.0}))
    layout = Layout(sizes=Sizes({"en-de": 5}, "a file"), low=3, high=10)
    (table,) = score_tables(compared, layout, ["BLEU"], ["groups"])
    assert table.header == ("BLEU", "medium (1)", "WR", "all (1)", "WR")


@given(
    st.lists(
        st.tuples(*[st.integers(0, 20).map(float)] * 2), min_size=1, max_size=12
    ).map(lambda rows: {f"en-x{i}": row for i, row in enumerate(rows)})
)
def test_wins_of_two_systems_and_their_ties_are_all_pairs(rows):
    first = {pair: row[0] for pair, row in rows.items()}
    second = {pair: row[1] for pair, row in rows.items()}
    compared = compared_of(report_of(a=first, b=second))
    a, b = compared.systems
    units = [[pair] for pair in rows]
    ties = sum(first[pair] == second[pair] for pair in rows)
    won = [win_ratio(*two, "BLEU", units)["wins"] for two in ((a, b), (b, a))]
    assert sum(won) + ties == len(rows)


def test_every_kind_of_table_is_described():
    for kind in KINDS:
        assert re.search(rf"\b{kind}\b", table_scores.__doc__)
