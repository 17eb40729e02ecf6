"""``lass report``: ours beside the papers' tables, worked by hand."""

import csv
import json

import numpy as np
import pytest
from made_up_reports import report_of

from lass_plugin.cli.main import main
from lass_plugin.corpora.xtreme.tasks import TASKS
from lass_plugin.data.amounts import Sizes
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.xtreme.measured import mean_of
from lass_plugin.evaluation.xtreme.report import TaskScores, write_scores
from lass_plugin.evaluation.zero_shot_tables import ZERO_SHOT
from lass_plugin.language_families import first_code
from lass_plugin.methods.lowrank.estimation.demands import ESTIMATE
from lass_plugin.papers.comparing import compare_with_paper
from lass_plugin.papers.figures import MEAN
from lass_plugin.papers.places import look_for_results
from lass_plugin.papers.reading import paper_of
from lass_plugin.papers.scores import Wanted
from lass_plugin.resource_types import LANG12, flores_types
from lass_plugin.tables.cost import Cost, size_table, speed_table
from lass_plugin.tables.layout import Layout
from lass_plugin.tables.table_files import write_tables


def both(values):
    """Language -> (from English, into English) as pairs."""
    pairs = {f"en-{code}": there for code, (there, _) in values.items()}
    return pairs | {f"{code}-en": back for code, (_, back) in values.items()}


DENSE = both({"fa": (10.0, 20.0), "pl": (11.0, 21.0), "xx": (1.0, 2.0)})
OURS = both({"fa": (12.0, 21.5), "pl": (11.5, 23.5), "xx": (9.0, 9.0)})


def compared(place, paper, number, sizes=None, **options):
    layout = Layout(sizes=sizes) if sizes is not None else Layout()
    tested = options.pop("tested", False)
    wanted = Wanted(layout, options.pop("metric", None), tested)
    found = look_for_results([str(place)])
    return compare_with_paper(paper_of(paper).table(number), found, wanted, **options)


def cells(table, **wanted):
    return [
        record
        for record in table.records
        if all(record[key] == value for key, value in wanted.items())
    ]


def one(table, **wanted):
    (record,) = cells(table, **wanted)
    return record


def row(table, label):
    """Heading -> cell of the row *label*."""
    (found,) = [line for line in table.rows if line[0] == label]
    return dict(zip(table.header, found, strict=True))


@pytest.fixture
def run(tmp_path):
    report = report_of(dense=DENSE, **{"gradient-gradual": OURS}, wide=OURS)
    report_file.write(report, tmp_path / "run" / "report")
    return tmp_path / "run"


def test_gains_differences_and_stars_by_hand(run):
    found = compared(run, "he2023", 1)
    (table,) = found.tables
    assert table.header[:3] == ("BLEU", "Fa", "Pl")
    assert row(table, "Baseline (paper)")["Fa"] == "17.54"
    assert row(table, "dense (ours)")["Fa"] == "15.00"  # (10 + 20) / 2
    # GradientGradual: (12 + 21.5) / 2 - 15, both pairs by more than 1 point
    ours = row(table, "gradient-gradual (ours)")
    assert (ours["Fa"], ours["Pl"], ours["Ar"]) == ("+1.75*", "+1.50", "–")
    record = one(table, row="GradientGradual", of="fa")
    assert (record["theirs"], record["is_gain"]) == (1.13, True)
    assert record["ours"] == 1.75 and record["our_score"] == 16.75
    assert record["difference"] == pytest.approx(0.62)
    assert record["significant"] is True and record["pairs"] == "en-fa fa-en"
    # of Polish one pair has p = 0.3
    assert one(table, row="GradientGradual", of="pl")["significant"] is False
    base = one(table, row="Baseline", of="fa")
    assert base["difference"] == pytest.approx(15 - 17.54) and not base["is_gain"]
    assert base["significant"] is None
    assert found.facts["rows"] == {
        "Baseline": "dense",
        "GradientGradual": "gradient-gradual",
    }
    assert found.notes == ["ours without a row in He 2023, Table 1: wide"]


def test_the_mean_over_what_both_have_stands_beside_the_papers(run):
    (table,) = compared(run, "he2023", 1).tables
    assert table.header[-2:] == ("Average", "2 in common")
    assert row(table, "gradient-gradual (ours)")["Average"] == "–"
    paper, ours = (
        row(table, label)["2 in common"]
        for label in ("GradientGradual (paper)", "gradient-gradual (ours)")
    )
    assert (paper, ours) == ("+0.90", "+1.62")  # (1.13 + .67) / 2, (1.75 + 1.5) / 2
    assert row(table, "Baseline (paper)")["2 in common"] == "17.39"
    assert row(table, "Adapter.128 (paper)")["2 in common"] == "+0.83"
    notes = " ".join(table.notes)
    assert "ours lack rows Adapter.128," in notes
    assert "columns Ar, He, Nl, De, It, Es, Average" in notes
    assert "another metric than the paper's BLEU" in notes
    assert "gains over Baseline (paper), over dense (ours)" in notes


def test_tokenised_text_is_the_papers_metric(tmp_path):
    report = report_of(text="tokenised", dense=DENSE, ours=OURS)
    report_file.write(report, tmp_path)
    (table,) = compared(tmp_path, "he2023", 1).tables
    assert "another metric" not in " ".join(table.notes)
    (table,) = compared(tmp_path, "he2023", 1, metric="chrF").tables
    assert "another metric" in " ".join(table.notes)
    assert one(table, row="Baseline", of="fa")["ours"] == 25.0


def papers_own(number, paper="he2023"):
    """System -> pair -> score, as the paper's table of languages has them."""
    table = paper_of(paper).table(number)
    part, found = table.parts[0], {}
    base = part.rows[table.baseline].figures
    for name, line in part.rows.items():
        found[name] = {}
        for column in part.measured():
            figure = line.figures[column.code]
            value = figure.value + (base[column.code].value if figure.gain else 0)
            for pair in (f"en-{column.code}", f"{column.code}-en"):
                found[name][pair] = value
    return found


def test_the_papers_own_scores_have_no_differences(tmp_path):
    report_file.write(report_of(**papers_own(1)), tmp_path)
    (table,) = compared(tmp_path, "he2023", 1).tables
    assert table.header[-1] == "Average" and len(table.rows) == 3 * 9
    for record in table.records:
        assert abs(record["difference"]) < 0.011, record
    report_file.write(report_of(**papers_own(1, "lin2021")), tmp_path)
    (table,) = compared(tmp_path, "lin2021", 1).tables
    assert all(abs(record["difference"]) < 1e-9 for record in table.records)


@pytest.fixture
def wmt(tmp_path):
    """The pairs of He 2023, Tables 6 to 8, and a size within the bounds of each."""
    systems, sizes = {}, {}
    for number, size in ((6, 500_000), (7, 5_000_000), (8, 20_000_000)):
        for part in paper_of("he2023").table(number).parts:
            base = part.rows["Baseline"].figures
            for name, line in part.rows.items():
                for column in part.measured():
                    value = line.figures[column.code].value
                    start = base[column.code].value if name != "Baseline" else 0.0
                    systems.setdefault(name, {})[column.code] = start + value
                    sizes[column.code] = size
    report_file.write(report_of(**systems), tmp_path)
    return tmp_path, Sizes(sizes, "the paper")


@pytest.mark.parametrize("number", [6, 7, 8])
def test_pairs_of_one_direction_are_a_part_each(wmt, number):
    tables = compared(wmt[0], "he2023", number).tables
    assert [table.name for table in tables] == [f"he2023-{number}-{n}" for n in (1, 2)]
    for table in tables:
        assert table.header[-1] == "Average"
        assert cells(table) and all(abs(r["difference"]) < 0.011 for r in cells(table))
    (table,) = compared(wmt[0], "he2023", number, part="X→En").tables
    assert table.title.startswith(f"He 2023, Table {number}: X→En: each pair")


def test_groups_and_win_ratios_need_sizes(wmt):
    place, sizes = wmt
    (table,) = compared(place, "he2023", 3, sizes).tables
    assert len(cells(table)) == 12
    assert all(abs(record["difference"]) < 0.011 for record in cells(table))
    (table,) = compared(place, "he2023", 9, sizes).tables
    (line,) = [each for each in table.rows if each[0] == "GradientGradual (ours)"]
    assert line[1:] == ("60", "86", "83", "78")
    with pytest.raises(LassError, match="none of the columns.*Low, Med.*give --sizes"):
        compared(place, "he2023", 3)


def test_wins_of_lin_are_counted_by_pair_in_each_part(wmt):
    place, sizes = wmt
    tables = compared(place, "lin2021", 2, sizes, rows=["LaSS=GradientGradual"]).tables
    assert len(tables) == 2
    record = one(tables[0], row="LaSS", of="low.wins")
    assert record["ours"] == 60.0 and record["difference"] == -20.0  # 6 of 10 pairs
    assert one(tables[1], row="LaSS", of="low.wins")["difference"] == 10.0
    (table,) = compared(
        place, "lin2021", 2, sizes, rows=["LaSS=GradientGradual"], part="big"
    ).tables
    assert one(table, row="Baseline", of="low.wins")["difference"] is None


def scored(system, task, share):
    """A share of 40 German and 40 English examples is right."""
    values = (np.arange(40) < 40 * share).astype(float)
    languages = {
        code: {
            metric: mean_of(metric, f"{task} {code}", values, "s")
            for metric in TASKS[task].metrics
        }
        for code in ("de", "en")
    }
    gold = dict.fromkeys(languages, "g")
    return TaskScores(system, TASKS[task], "test", languages, gold, {})


def write_costs(folder):
    def cost(name, parameters, base=0):
        size = 4 * 2**20
        return Cost(name, f"{name}.pt", parameters, 0, {}, size, 2**20, 9, False, base)

    class Speed:
        mean, deviation, runs, tokens, sentences = 60.5, 1.0, (60.5,), 10, 2

    costs = [cost("base", 64_000_000), cost("taylor", 70_500_000, 70_000_000)]
    speeds = {"CPU": {"base": Speed, "0.3": Speed}}
    tables = [size_table(costs, {"base": ("BLEU", 31.0)})]
    tables.append(speed_table(speeds, {"CPU": "a processor"}))
    write_tables(tables, folder, "cost", "Cost")


def test_pairs_and_parameters_of_xie(tmp_path):
    table = paper_of("xie2021").table(1)
    values = table.parts[0].rows["Multilingual"].figures
    base = {code: f.value for code, f in values.items() if "-" in code}
    ours = {pair: value + 2 for pair, value in base.items()}
    report_file.write(
        report_of(base=base, taylor=ours, extra=ours), tmp_path / "report"
    )
    write_costs(tmp_path / "cost")
    found = compared(tmp_path, "xie2021", 1)
    (table,) = found.tables
    assert one(table, row="Multilingual", of=MEAN)["difference"] == pytest.approx(
        0, abs=0.006
    )
    line = row(table, "taylor (ours)")
    assert line["It→En"] == "39.55*" and line["Para"] == "70.50M"
    assert row(table, "Our Method-TE (paper)")["Para"] == "64.69M"
    assert one(table, row="Our Method-TE", of="parameters")["difference"] == (
        pytest.approx(5.81)
    )
    assert "ours lack rows Individual, +TS, +Adapter, Our Method-AV" in table.notes
    assert not any("its parameters" in note for note in table.notes)
    text = (tmp_path / "cost" / "table-cost.json").read_text()
    (tmp_path / "cost" / "table-cost.json").write_text(text.replace("base.pt", "b.pt"))
    (table,) = compared(tmp_path, "xie2021", 1).tables
    note = "the scores of base are of base.pt, its parameters and disk of b.pt"
    assert note in table.notes


def test_parameters_disk_and_speed_of_he(tmp_path):
    write_costs(tmp_path)
    (table,) = compared(tmp_path, "he2023", 12).tables
    line = row(table, "base (ours)")
    assert line["of a pair"] == "64M" and line["disk"] == "5M"
    assert line["BLEU"] == "31.00"  # of --scores
    assert row(table, "SepaDec (paper)")["disk"] == "1.8G"
    (table,) = compared(tmp_path, "he2023", 13).tables
    assert row(table, "0.3 (ours)")["CPU"] == "60.50"
    assert row(table, "0.3 (ours)")["GPU"] == "–"
    assert row(table, "Baseline (paper)")["CPU"] == "59.98 ± 2.73"


def resource_report(signature_of):
    """The paper's own mean for each pair of lang12."""
    types = flores_types()
    part = paper_of("cao2024").table(1).parts[0]
    systems = {}
    for name in ("Ft-all", "2;2;8+WL", "8;8;8+WL"):
        figures = part.rows[name].figures
        systems[name] = {
            f"{a}-{b}": figures[f"{types[a]}2{types[b]}"].value
            for a in LANG12
            for b in LANG12
            if a != b
        }
    report = report_of(**systems)
    for system in report.systems:
        for scores in system.pairs.values():
            score = scores.scores["BLEU"]
            scores.scores["BLEU"] = type(score)("BLEU", score.value, signature_of)
    return report


@pytest.mark.parametrize("tokenizer", ["flores101", "13a"])
def test_resource_types_of_cao_and_their_weighted_mean(tmp_path, tokenizer):
    report_file.write(resource_report(f"nrefs:1|tok:{tokenizer}"), tmp_path)
    (table,) = compared(tmp_path, "cao2024", 1).tables
    found = [record for record in cells(table) if record["ours"] is not None]
    assert len(found) == 3 * 10
    assert all(abs(record["difference"]) < 0.011 for record in found)
    assert len(one(table, row="Ft-all", of="H2H")["pairs"].split()) == 12
    # H2H 28.49 against 29.29: less than 1 point in each pair, which has p = 0.3
    assert one(table, row="8;8;8+WL", of="H2H")["significant"] is False
    assert one(table, row="8;8;8+WL", of="H2M")["significant"] is True
    warned = "another metric than the paper's spBLEU" in " ".join(table.notes)
    assert warned == (tokenizer == "13a")


def test_spbleu_by_the_pieces_of_flores_200_is_another_metric(tmp_path):
    report = resource_report("nrefs:1|tok:13a")
    for system in report.systems:
        for of in system.pairs.values():
            bleu = of.scores["BLEU"]
            signature = "nrefs:1|tok:flores200"
            of.scores["spBLEU"] = type(bleu)("spBLEU", bleu.value, signature)
            if "BLEU" in of.differences:
                of.differences["spBLEU"] = of.differences["BLEU"]
    report_file.write(report, tmp_path)
    (table,) = compared(tmp_path, "cao2024", 1).tables
    assert one(table, row="Ft-all", of="H2H")["metric"] == "spBLEU"
    assert "another metric than the paper's spBLEU" in " ".join(table.notes)


def test_zero_shot_of_lin_with_its_accuracy(tmp_path):
    scores = {"fr-zh": 5.0, "de-fra": 6.0}
    merged = {"fr-zh": 30.0, "de-fra": 5.5}
    report = report_of(baseline=scores, **{"merged masks": merged})
    report_file.write(report, tmp_path)
    base = {"value": 10.0, "signature": "among:all", "difference": None}
    test = {"delta": 20.0, "p_value": 0.001, "low": 1.0, "high": 2.0}
    ours = {"value": 30.0, "signature": "among:all", "difference": test}
    systems = {
        name: {"pairs": {"fr-zh": {"on-target": value}, "de-fra": {}}}
        for name, value in (("baseline", base), ("merged masks", ours))
    }
    ZERO_SHOT.write(tmp_path / "zero_shot.json", {"systems": systems})
    (table,) = compared(tmp_path, "lin2021", 3).tables
    assert table.header[1:] == (
        "baseline (paper)",
        "baseline (ours)",
        "difference",
        "LaSS (paper)",
        "merged masks (ours)",
        "difference",
    )
    assert "ours: on-target: among:all" in table.notes
    lines = {line[0]: line[1:] for line in table.rows}
    assert lines["Fr→Zh BLEU"] == ("5.5", "5.0", "-0.5", "32.0", "30.0*", "-2.0")
    assert lines["Fr→Zh ACC"] == ("4.9", "10.0", "+5.1", "31.3", "30.0*", "-1.3")
    assert lines["De→Fr BLEU"][1] == "6.0"
    (table,) = compared(tmp_path, "lin2021", 3, baseline="merged masks").tables
    # its accuracy was tested against the other one
    assert one(table, row="LaSS", of="fr-zh.on-target")["significant"] is None
    assert lines["Zh→Ru BLEU"][1] == "–"


def test_masks_of_other_languages_of_lin(tmp_path):
    names = ("merged masks", "decoder of en-cs", "encoder of ru-en")
    values = {name: {"fr-zh": 30.0 - n} for n, name in enumerate(names)}
    report_file.write(report_of(**values), tmp_path)
    (table,) = compared(tmp_path, "lin2021", 5).tables
    assert one(table, row="decoder of Fr→Cs", of="fr-zh")["ours"] == 29.0
    assert one(table, row="encoder of Ru→Zh", of="fr-zh")["difference"] == (
        pytest.approx(28 - 29.6)
    )


def test_tasks_of_xtreme(tmp_path):
    for system, share in (("dense", 0.75), ("gradient", 0.5)):
        for task in ("xnli", "xquad"):
            write_scores(scored(system, task, share), tmp_path / f"{system}-{task}")
    tables = compared(tmp_path, "li2022", 1, tested=True).tables
    assert [table.name for table in tables] == ["li2022-1-1", "li2022-1-2"]
    line = row(tables[0], "gradient (ours)")
    assert line["XNLI"] == "50.0*" and line["XQuAD EM"] == "50.0*"
    assert line["NER"] == line["Avg"] == "–"
    # XNLI 70.4, XQuAD 64.2 and 48.3: three numbers of the mean
    paper = row(tables[0], "Grad (shared) 50% (paper)")
    assert paper["3 in common"] == "61.0" and line["3 in common"] == "50.0"
    (table,) = compared(tmp_path, "li2022", 1, part="translate").tables
    assert one(table, row="XLM-R", of="xnli")["theirs"] == 79.1
    given = ["L0 (non-shared) + DS=gradient", "mMiniLMv1=dense"]
    (table,) = compared(tmp_path, "li2022", 5, rows=given, tested=True).tables
    assert one(table, row="mMiniLMv1", of="en")["ours"] == 75.0
    assert one(table, row="mMiniLMv1", of=MEAN)["ours"] is None
    found = one(table, row="L0 (non-shared) + DS", of="de")
    assert found["significant"] is True and found["p_value"] < 0.05


def test_correlations_of_demand_and_data(tmp_path):
    sides = {"encoder": {"q": {"n": 5, "r": 0.5, "p": 0.04}}, "decoder": {}}
    sides["decoder"]["c-v"] = {"n": 5, "r": None, "p": None}
    content = {"correlation": {"sides": sides}}
    ESTIMATE.write(tmp_path / "estimate.json", content)
    (table,) = compared(tmp_path, "cao2024", 9).tables
    assert row(table, "q (ours)") == {"system": "q (ours)", "r": "0.50", "p": "0.040"}
    assert one(table, row="q", of="r")["difference"] == pytest.approx(-0.17)
    with pytest.raises(LassError, match="none of the columns of Cao 2024, Table 10"):
        compared(tmp_path, "cao2024", 10)
    ESTIMATE.write(tmp_path / "estimate.json", {"correlation": None})
    with pytest.raises(LassError, match="Table 9 needs an estimate.json, of which"):
        compared(tmp_path, "cao2024", 9)


def test_a_system_without_the_pairs_of_the_baseline_has_scores_but_no_gains(tmp_path):
    report_file.write(report_of(dense={"en-fa": 10.0, "fa-en": 20.0}), tmp_path / "a")
    report_file.write(report_of(LaSS={"en-pl": 10.0, "pl-en": 20.0}), tmp_path / "b")
    (table,) = compared(tmp_path, "lin2021", 1).tables
    assert one(table, row="LaSS", of="pl")["ours"] == 15.0
    assert one(table, row="LaSS", of="pl")["our_gain"] is None
    assert one(table, row="LaSS", of="fa")["ours"] is None
    assert "ours: LaSS has no pair in common with dense" in table.notes
    assert any("cells Fa of LaSS, Pl of Baseline" in note for note in table.notes)


def test_a_mean_of_one_direction_is_told(tmp_path):
    values = {"en-fa": 10.0, "fa-en": 20.0, "en-pl": 5.0}
    report_file.write(report_of(dense=values), tmp_path)
    (table,) = compared(tmp_path, "he2023", 1).tables
    assert one(table, row="Baseline", of="pl")["ours"] == 5.0
    told = "ours: dense has one direction only of en-pl, and the paper the mean of both"
    assert told in table.notes


def test_figures_of_two_files_are_not_mixed_without_a_word(tmp_path):
    for name, r in (("a", 0.5), ("b", 0.7), ("c", 0.5)):
        kinds = {"q": {"n": 5, "r": r, "p": 0.04}}
        content = {"correlation": {"sides": {"encoder": kinds}}}
        (tmp_path / name).mkdir()
        ESTIMATE.write(tmp_path / name / "estimate.json", content)
    (table,) = compared(tmp_path, "cao2024", 9).tables
    assert one(table, row="q", of="r")["ours"] == 0.5
    (told,) = [note for note in table.notes if "has other figures" in note]
    assert "b/estimate.json has other figures of q than a file before it" in told


def test_another_baseline_of_ours(run):
    (table,) = compared(run, "he2023", 1, baseline="wide").tables
    assert one(table, row="GradientGradual", of="fa")["ours"] == 0.0
    assert one(table, row="Baseline", of="fa")["our_gain"] == pytest.approx(-1.75)
    with pytest.raises(LassError, match="--baseline no is no system of ours"):
        compared(run, "he2023", 1, baseline="no")


def test_codes_of_languages_are_the_papers():
    codes = ("deu_Latn", "pes_Arab", "zh_CN", "heb", "en_GB", "fa")
    assert [first_code(code) for code in codes] == ["de", "fa", "zh", "he", "en", "fa"]


def test_nothing_in_common_names_both(tmp_path):
    report_file.write(report_of(dense={"en-xx": 1.0}), tmp_path)
    with pytest.raises(LassError, match=r"ours \(dense\).*\(Fa, Pl.*pairs en-xx"):
        compared(tmp_path, "he2023", 1)
    with pytest.raises(LassError, match="Table 13 needs a table-cost.json, of which"):
        compared(tmp_path, "he2023", 13)


def report(*words):
    return main(["report", *map(str, words)])


def test_the_command_prints_and_writes_all_forms(run, tmp_path, capsys):
    out = tmp_path / "out"
    words = (run, "--paper", "He 2023", "--table", "1", "--no-test", "--out", out)
    assert report(*words) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("He 2023, Table 1: each language with English")
    assert "gradient-gradual (ours)" in printed
    content = json.loads((out / "table-he2023-1.json").read_text())
    assert content["rows"]["Baseline"] == "dense" and content["paper"] == "he2023"
    assert content["systems"][0]["checkpoint"] == "dense.pt"
    with open(out / "table-he2023-1.he2023-1.csv", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == len(content["tables"][0]["records"]) == 9 * 10
    (fa,) = [e for e in lines if (e["row"], e["of"]) == ("GradientGradual", "fa")]
    assert float(fa["ours"]) == 1.75 and fa["system"] == "gradient-gradual"
    assert "| +1.75\\* |" in (out / "table-he2023-1.md").read_text()
    latex = (out / "table-he2023-1.tex").read_text()
    assert "+1.75* &" in latex and "ours $-$ paper" in latex and "−" not in latex
    for form in ("markdown", "latex"):
        assert report(*words[:-2], "--format", form, "--transpose") == 0
        assert "GradientGradual (paper)" in capsys.readouterr().out


def test_papers_and_tables_are_listed(capsys):
    assert report() == 0
    printed = capsys.readouterr().out
    assert "he2023" in printed and "1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13" in printed
    assert report("--paper", "lin2021") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "4 has no results: two sentences" in printed
    assert "3: from a report of 'lass evaluate' and a zero_shot.json, by" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--paper", "he2023", "--table", "15"], "nothing to lay beside"),
        (["RUN"], "its page, --html, or the table that its results"),
        (["RUN", "--paper", "he2023"], "say which table of he2023: --table N"),
        (["--table", "1"], "--table has no effect without --paper"),
        (["--paper", "he2023", "--part", "x"], "--part has no effect without --table"),
        (["--paper", "he2023", "--centre", "de"], "--centre has no effect without"),
        (["RUN", "--html", "--out", "there"], "--out has no effect with --html"),
        (["RUN", "--html", "--centre", "de"], "--centre has no effect with"),
        (["RUN", "--paper", "he2023", "--table", "15"], "did you mean 13?"),
        (["RUN", "--paper", "he2032", "--table", "1"], "did you mean he2023?"),
        (
            ["RUN", "--paper", "he2023", "--table", "1", "--part", "x"],
            "--part has no effect on He 2023, Table 1",
        ),
        (
            ["RUN", "--paper", "lin2021", "--table", "2", "--part", "x"],
            "its parts are Transformer-base, Transformer-big",
        ),
        (
            ["RUN", "--paper", "he2023", "--table", "1", "--resource-types", "flores"],
            "--resource-types has no effect on He 2023, Table 1",
        ),
        (
            ["RUN", "--paper", "he2023", "--table", "1", "--metric", "COMET"],
            "not every system has COMET",
        ),
        (["RUN", "--paper", "he2023", "--table", "9"], "give --sizes"),
        (["RUN", "--paper", "li2022", "--table", "1"], "needs scores of 'lass xtreme"),
    ],
)
def test_errors_are_a_sentence(run, capsys, words, message):
    assert report(*(run if word == "RUN" else word for word in words)) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error, error
