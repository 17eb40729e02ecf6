"""Reports: hand-worked averages, files that read back, errors that name the fault."""

import csv
import json
import re
from dataclasses import replace

import pytest

from lass_plugin.errors import LassError
from lass_plugin.evaluation.choice import Choice
from lass_plugin.evaluation.comparison import (
    Outputs,
    PairScores,
    Report,
    SystemScores,
    compare,
)
from lass_plugin.evaluation.metrics import Score, bleu, chrf
from lass_plugin.evaluation.report_file import read, write
from lass_plugin.evaluation.report_tables import render, to_markdown
from lass_plugin.evaluation.significance import Difference

REFERENCES = {
    "de-en": ["one two three four five six", "the old house at the end of the road"],
    "en-de": ["eins zwei drei vier fünf sechs", "das alte Haus am Ende der Straße"],
    "it-en": ["seven eight nine ten eleven", "a letter for you came this morning"],
}
WEAK = {
    "de-en": ["one two three four nine six", "an old house at the end of a road"],
    "en-de": ["eins zwei drei vier acht sechs", "ein Haus am Ende der Straße"],
    "it-en": ["seven eight nine ten eleven", "a letter for you came this morning"],
}
SIGNATURE = "nrefs:1|tok:13a"


def made_up(values, baseline=None):
    """Scores with BLEU *values* and chrF 10 above, on pairs with 50 sentences each."""
    pairs = {}
    for pair, value in values.items():
        result = PairScores(
            50,
            {
                "BLEU": Score("BLEU", value, SIGNATURE),
                "chrF": Score("chrF", value + 10, "nrefs:1|nc:6"),
            },
        )
        if baseline:
            delta = value - baseline[pair]
            p = 0.01 if abs(delta) > 1 else 0.3
            test = Difference(delta, p, delta - 1, delta + 1, 1000, 12345)
            result.differences.update(BLEU=test, chrF=test)
        pairs[pair] = result
    return pairs


BASE = {"en-de": 20.0, "en-nl": 30.0, "de-en": 25.0, "nl-en": 35.0, "de-nl": 10.0}
GAIN = {"en-de": 22.0, "en-nl": 30.5, "de-en": 24.0, "nl-en": 35.0, "de-nl": 13.0}


@pytest.fixture
def report():
    return Report(
        "detokenised",
        (
            SystemScores("baseline", "base.pt", None, made_up(BASE)),
            SystemScores("sub-networks", "joint.pt", "lass", made_up(GAIN, BASE)),
        ),
    )


def test_averages_and_win_ratio_are_the_hand_worked_ones(report):
    base, system = report.systems
    assert report.groups == {
        "all": ["en-de", "en-nl", "de-en", "nl-en", "de-nl"],
        "en→X": ["en-de", "en-nl"],
        "X→en": ["de-en", "nl-en"],
        "X→Y": ["de-nl"],
    }
    means = [base.average("BLEU", pairs) for pairs in report.groups.values()]
    assert means == [24.0, 25.0, 30.0, 10.0]
    assert system.average("BLEU", report.pairs) == pytest.approx(24.9)
    assert system.average_difference("BLEU", report.groups["en→X"]) == 1.25
    assert system.average_difference("chrF", report.groups["X→en"]) == -0.5
    assert system.wins("BLEU") == 3  # nl-en is a draw, not a win
    assert system.win_ratio("BLEU") == 0.6


def test_groups_know_codes_with_a_script_and_are_never_empty():
    values = {"eng_Latn-deu_Latn": 1.0, "deu_Latn-fra_Latn": 2.0}
    system = SystemScores("a", "a.pt", None, made_up(values))
    assert Report("detokenised", (system,)).groups == {
        "all": list(values),
        "en→X": ["eng_Latn-deu_Latn"],
        "X→Y": ["deu_Latn-fra_Latn"],
    }
    foreign = SystemScores("a", "a.pt", None, made_up({"de-nl": 1.0, "nl-de": 2.0}))
    groups = Report("detokenised", (foreign,)).groups
    assert groups == {"all": ["de-nl", "nl-de"]}  # not once more as X→Y


PARTS = "own decoder of each target (de, en)"


def test_what_a_system_has_is_said_in_its_own_words(tmp_path):
    made = [
        Outputs("base", "a.pt", None, WEAK),
        Outputs("masks", "b.pt", "masks/lass (0.4)", REFERENCES),
        Outputs("own", "c.pt", PARTS, REFERENCES, kind=""),
    ]
    report = compare(made, REFERENCES)
    write(report, tmp_path)
    page = (tmp_path / "scores.md").read_text()
    assert "checkpoint `a.pt`, no mask (dense)" in page
    assert "checkpoint `b.pt`, mask `masks/lass (0.4)`" in page
    assert f"checkpoint `c.pt`, `{PARTS}`" in page
    assert read(tmp_path / "scores.json") == report
    record = json.loads((tmp_path / "scores.json").read_text())
    stated = record["systems"]
    assert [system["mask"] for system in stated] == [None, "masks/lass (0.4)", PARTS]
    assert ["kind" in system for system in stated] == [False, False, True]
    with (tmp_path / "scores.csv").open(newline="") as rows:
        assert {row["mask"] for row in csv.DictReader(rows)} >= {PARTS}


def test_compare_gives_the_scores_and_differences_of_the_metrics():
    report = compare(
        [
            Outputs("weak", "a.pt", None, WEAK),
            Outputs("perfect", "b.pt", "masks", REFERENCES),
        ],
        REFERENCES,
    )
    for pair, lines in REFERENCES.items():
        weak, perfect = (system.pairs[pair] for system in report.systems)
        for metric in (bleu(pair, lines), chrf(pair, lines)):
            assert weak.scores[metric.name] == metric.score(WEAK[pair])
            assert perfect.scores[metric.name].value == pytest.approx(100)
            difference = perfect.differences[metric.name]
            assert difference.delta == (
                perfect.scores[metric.name].value - weak.scores[metric.name].value
            )
            assert (difference.n_samples, difference.seed) == (1000, 12345)
        assert weak.differences == {} and weak.sentences == 2
    assert report.systems[1].wins("BLEU") == 2
    assert report.systems[1].pairs["it-en"].differences["BLEU"].p_value == 1
    assert (report.systems[1].checkpoint, report.systems[1].mask) == ("b.pt", "masks")


def test_one_system_can_be_scored_alone_and_shown():
    weak = Outputs("weak", "a.pt", None, WEAK)
    system = compare([weak], REFERENCES, Choice("none")).baseline
    assert "tok:none" in system.pairs["de-en"].scores["BLEU"].signature
    report = Report("tokenised", (system,))
    text = render(report)
    assert "BLEU (tokenised text)" in text and "better than" not in text


def test_json_reads_back_as_the_same_report(tmp_path, report):
    write(report, tmp_path / "new" / "folder")
    assert read(tmp_path / "new" / "folder" / "scores.json") == report
    real = compare(
        [Outputs("a", "a.pt", None, WEAK), Outputs("b", "b.pt", "m", REFERENCES)],
        REFERENCES,
        n_samples=50,
    )
    path = write(real, tmp_path)[0]
    assert read(path) == real
    content = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert content["systems"][1]["win_ratio"]["BLEU"] == pytest.approx(2 / 3)
    assert content["systems"][1]["averages"]["all"]["BLEU"] == pytest.approx(100)
    first = [file.read_bytes() for file in write(real, tmp_path)]
    assert first == [file.read_bytes() for file in write(read(path), tmp_path)]
    assert sorted(file.name for file in tmp_path.glob("*.*")) == [
        *["scores.csv", "scores.json", "scores.md"]
    ]


def test_csv_has_a_row_for_each_pair_and_system(tmp_path, report):
    with open(write(report, tmp_path)[1], newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert {row["text"] for row in rows} == {"detokenised"}
    (row,) = [
        row for row in rows if (row["pair"], row["system"]) == ("de-en", "sub-networks")
    ]
    assert (row["source"], row["target"], row["mask"]) == ("de", "en", "lass")
    assert float(row["bleu"]) == 24 and float(row["bleu_delta"]) == -1
    assert row["bleu_signature"] == SIGNATURE and row["checkpoint"] == "joint.pt"
    assert (rows[0]["mask"], rows[0]["bleu_p_value"]) == ("", "")


def test_markdown_shows_differences_stars_and_signatures(report):
    text = to_markdown(report)
    assert "| en-de | 50 | 20.00 | 22.00 +2.00\\* |" in text
    assert "| de-en | 50 | 25.00 | 24.00 -1.00 |" in text
    assert "| nl-en | 50 | 35.00 | 35.00 0.00 |" in text
    assert "| mean en→X (2) |  | 25.00 | 26.25 +1.25 |" in text
    assert "| better than baseline |  |  | 3 of 5 (60%) |" in text
    assert f"- BLEU: `{SIGNATURE}`" in text and "- chrF: `nrefs:1|nc:6`" in text
    assert "## BLEU (detokenised text)" in text
    assert "checkpoint `joint.pt`, mask `lass`" in text
    assert "checkpoint `base.pt`, no mask (dense)" in text
    assert "p < 0.05" in text and "1000 samples, seed 12345" in text


def test_names_cannot_break_the_markdown_table(report):
    base, system = report.systems
    text = to_markdown(replace(report, systems=(base, replace(system, name="a|b"))))
    assert "| baseline | a\\|b |" in text


def test_pairs_of_different_signatures_are_named_below_the_table():
    references = {"en-zh": ["你好 世界 你好"], "en-de": ["ein Haus am See"]}
    text = render(compare([Outputs("a", "a.pt", None, references)], references))
    assert "BLEU (en-zh): nrefs:1|case:mixed|eff:no|tok:zh|" in text
    assert "BLEU (en-de): nrefs:1|case:mixed|eff:no|tok:13a|" in text


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_the_terminal_table_fits_100_columns_and_shows_every_system(count):
    names = [f"a system with a rather long name, number {i}" for i in range(count)]
    report = Report(
        "detokenised",
        tuple(
            SystemScores(name, "a.pt", None, made_up(GAIN, BASE if i else None))
            for i, name in enumerate(names)
        ),
    )
    text = render(report)
    assert max(map(len, text.splitlines())) <= 100
    for name in names:
        assert name[-10:] in text and f"{name}: checkpoint a.pt" in text


def test_the_terminal_table_is_aligned(report):
    lines = render(report).splitlines()
    assert lines[1].split() == ["pair", "sentences", "baseline", "sub-networks"]
    assert lines[3].split() == ["en-de", "50", "20.00", "22.00", "+2.00*"]
    points = [line.index(".") for line in lines[3:8]]
    assert len(set(points)) == 1


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda text: text[: len(text) // 2], "not a report of scores"),
        (lambda text: "", "not a report of scores"),
        (lambda text: "[1, 2]", "not a JSON object"),
        (lambda text: '{"a": 1}', "no 'format'"),
        (lambda text: text.replace("lass_plugin scores", "x"), "its format is 'x'"),
        (lambda text: text.replace('"version": 1', '"version": 3'), "newer"),
        (lambda text: text.replace("detokenised", "neither"), "neither"),
        (lambda text: text.replace('"value": 20.0', '"value": NaN'), "finite"),
        (lambda text: text.replace('"value": 20.0', '"value": 1e999'), "finite"),
        (
            lambda text: text.replace('"value": 20.0', '"value": 1' + "0" * 400),
            "finite",
        ),
        (lambda text: text.replace('"value": 20.0', '"value": "20"'), "en-de.*value"),
        (lambda text: text.replace('"value": 20.0', '"value": true'), "en-de.*value"),
        (lambda text: text.replace(SIGNATURE, "", 1), "no signature"),
        (lambda text: text.replace('"mask"', '"no"', 1), "no 'mask'"),
        (lambda text: text.replace('"en-de"', '"ende"'), "'ende'"),
        (lambda text: text.replace('"chrF"', '"TER"'), "BLEU, TER"),
        (lambda text: text.replace("sub-networks", "baseline"), "two systems"),
        (lambda text: text.replace('"sentences": 50', '"sentences": 49', 1), "numbers"),
        (lambda text: "[" * 100_000, "not a report of scores"),
    ],
)
def test_a_damaged_or_foreign_file_is_a_clear_error(tmp_path, report, change, message):
    path = write(report, tmp_path)[0]
    path.write_text(
        re.sub('"version": 2,.*\n.*"digest".*', '"version": 1,', path.read_text())
    )
    read(path)  # as written before there were digests
    changed = change(path.read_text())
    assert changed != path.read_text()
    path.write_text(changed)
    with pytest.raises(LassError, match=message) as error:
        read(path)
    assert str(path) in error.value.message


def test_a_file_that_cannot_be_read_is_a_clear_error(tmp_path):
    with pytest.raises(LassError, match="missing.json is not a report of scores"):
        read(tmp_path / "missing.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\xfd\x00")
    with pytest.raises(LassError, match="bytes.json is not a report of scores"):
        read(tmp_path / "bytes.json")


def test_systems_that_cannot_be_compared_are_errors():
    def system(name, hypotheses, checkpoint="a.pt", mask=None):
        return Outputs(name, checkpoint, mask, hypotheses)

    less = {pair: WEAK[pair] for pair in ("de-en", "en-de")}
    short = {**WEAK, "en-de": WEAK["en-de"][:1]}
    for systems, references, message in (
        ([], REFERENCES, "no systems"),
        ([system("a", WEAK), system("b", less)], REFERENCES, "b has no .* it-en"),
        ([system("a", WEAK)], less, "a has translations of it-en"),
        ([system("a", short)], REFERENCES, "en-de has 1 hypotheses for 2"),
        ([system("a", WEAK), system("a", WEAK)], REFERENCES, "two systems"),
        ([system(" ", WEAK)], REFERENCES, "name is ' '"),
        ([system("a", WEAK, checkpoint="")], REFERENCES, "checkpoint of a is ''"),
        ([system("a", WEAK, mask="b\nc")], REFERENCES, "mask of a is"),
        ([system("a", {})], {}, "list of language pairs is empty"),
    ):
        with pytest.raises(LassError, match=message):
            compare(systems, references, n_samples=40)


def test_scores_by_different_signatures_are_not_put_in_one_report():
    hypotheses = Outputs("a", "a.pt", None, WEAK)
    one = compare([hypotheses], REFERENCES).baseline
    other = compare([replace(hypotheses, name="b")], REFERENCES, Choice("char"))
    with pytest.raises(LassError, match="b on de-en has differences"):
        Report("detokenised", (one, other.baseline))
    compared = compare(
        [hypotheses, replace(hypotheses, name="b")],
        REFERENCES,
        Choice("char"),
        n_samples=40,
    )
    with pytest.raises(LassError, match="b and a .* different signatures on de-en"):
        Report("detokenised", (one, compared.others[0]))
