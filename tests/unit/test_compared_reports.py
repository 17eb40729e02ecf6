"""Reports side by side, and differences tested again from the texts beside them."""

import json
import shutil
from dataclasses import replace

import pytest
from made_up_reports import report_of

from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.comparison import Outputs, compare
from lass_plugin.evaluation.texts import write_texts
from lass_plugin.tables.compared_reports import LabelledReport, compare_reports
from lass_plugin.tables.retesting import add_tests, missing_tests

BASE = {"en-de": 20.0, "de-en": 30.0}
GAIN = {"en-de": 22.0, "de-en": 29.5}


def places(tmp_path, *reports_, labels=("a", "b", "c")):
    found = []
    for label, report in zip(labels, reports_, strict=False):
        report_file.write(report, tmp_path / label)
        found.append(LabelledReport.read(f"{label}={tmp_path / label}"))
    return found


def test_a_place_may_have_an_equals_sign_in_its_name(tmp_path):
    folder = tmp_path / "ratio=0.3"
    report_file.write(report_of(base=BASE, ours=GAIN), folder)
    found = LabelledReport.read(folder)
    assert (found.label, found.folder) == ("ratio=0.3", folder)
    assert LabelledReport.read(f"a={folder}").label == "a"


def test_one_report_is_as_it_was(tmp_path):
    compared = compare_reports(places(tmp_path, report_of(base=BASE, ours=GAIN)))
    assert [entry.name for entry in compared.systems] == ["base", "ours"]
    assert compared.pairs == ("en-de", "de-en") and compared.metrics == ("BLEU", "chrF")
    assert compared.others[0].scores.average("BLEU", compared.pairs) == 25.75
    assert compared.tests["ours", "BLEU", "en-de"].p_value == 0.01
    assert not missing_tests(compared)
    assert compared.notes == ("translated in one way",)


def test_how_text_was_translated_is_told_of_each_report_where_they_differ(tmp_path):
    notes = ("beam 5", "in one text"), ("beam 1", "in one text")
    reports = [
        replace(report_of(**{name: BASE}), notes=of)
        for name, of in zip(("base", "ours"), notes, strict=True)
    ]
    found = places(tmp_path, *reports)
    said = compare_reports(found).notes
    assert said == ("a: beam 5", "in one text", "b: beam 1")
    alike = [replace(each, label="report") for each in found]
    assert f"{tmp_path / 'b'}: beam 1" in compare_reports(alike).notes
    # a report that no system is taken from has no say
    assert compare_reports(found, systems=["ours"]).notes == notes[1]


def test_the_same_system_in_two_reports_is_one_and_keeps_its_tests(tmp_path):
    compared = compare_reports(
        places(
            tmp_path, report_of(base=BASE, ours=GAIN), report_of(base=BASE, more=GAIN)
        )
    )
    assert [entry.name for entry in compared.systems] == ["base", "ours", "more"]
    assert ("more", "chrF", "de-en") in compared.tests
    assert not missing_tests(compared)


def test_different_systems_of_one_name_carry_the_label(tmp_path):
    other = {pair: value + 1 for pair, value in BASE.items()}
    compared = compare_reports(
        places(
            tmp_path, report_of(base=BASE, ours=GAIN), report_of(base=other, ours=GAIN)
        )
    )
    # 'ours' is one system: the same checkpoint, mask and scores
    assert [entry.name for entry in compared.systems] == ["base", "ours", "b/base"]
    assert compared.system("b/base").scores.name == "base"
    third = report_of(base={pair: value + 2 for pair, value in BASE.items()})
    with pytest.raises(LassError, match="two different systems are called 'b/base'"):
        compare_reports(
            places(
                tmp_path,
                *(report_of(base=BASE), report_of(base=other)),
            )
            + [replace(places(tmp_path / "x", third)[0], label="b")]
        )


def test_a_baseline_and_systems_of_choice(tmp_path):
    three = report_of(base=BASE, ours=GAIN, more=BASE)
    found = places(tmp_path, three)
    compared = compare_reports(found, baseline="more")
    assert [entry.name for entry in compared.systems] == ["more", "base", "ours"]
    compared = compare_reports(found, systems=["ours", "base"])
    assert [entry.name for entry in compared.systems] == ["ours", "base"]
    # the report compares with base, so that nothing is known of base against ours
    assert not compared.tests and len(missing_tests(compared)) == 2
    with pytest.raises(LassError, match="no system 'mine'; the systems are base, ours"):
        compare_reports(found, baseline="mine")


def test_a_system_without_a_pair_is_named(tmp_path):
    small = report_of(other={"en-de": 25.0})
    found = places(tmp_path, report_of(base=BASE), small)
    with pytest.raises(
        LassError, match="system other has no scores of de-en.*--common"
    ):
        compare_reports(found)
    assert compare_reports(found, common=True).pairs == ("en-de",)
    found = places(tmp_path / "x", report_of(base=BASE), report_of(o={"en-fr": 1.0}))
    with pytest.raises(LassError, match="no pair in common"):
        compare_reports(found, common=True)


def test_pairs_of_one_system_may_stand_in_several_reports(tmp_path):
    found = places(tmp_path, report_of(base=BASE), report_of(base={"en-fr": 5.0}))
    compared = compare_reports(found)
    assert compared.pairs == ("en-de", "de-en", "en-fr")
    assert compared.baseline.folders["en-fr"] == tmp_path / "b"


def test_what_cannot_be_compared_is_refused(tmp_path):
    one = report_of(base=BASE)
    tokenised = report_of(text="tokenised", ours=GAIN)
    with pytest.raises(LassError, match="tokenised and some of detokenised"):
        compare_reports(places(tmp_path, one, tokenised))
    text = report_file.to_json(report_of(ours=GAIN))
    for change, message in (
        ({"sentences": 49}, "49 sentences of en-de and base on 50"),
        ({"signature": "tok:char"}, "BLEU of en-de has the signature tok:char"),
    ):
        other = json.loads(json.dumps(text))
        pair = other["systems"][0]["pairs"]["en-de"]
        if "sentences" in change:
            pair.update(change)
        else:
            pair["scores"]["BLEU"].update(change)
        folder = tmp_path / "changed"
        folder.mkdir(exist_ok=True)
        report_file.REPORT.write(folder / "scores.json", other)
        with pytest.raises(LassError, match=message):
            compare_reports([*places(tmp_path, one), LabelledReport.read(folder)])


def test_a_half_written_folder_is_a_clear_error(tmp_path):
    (tmp_path / "translations").mkdir()
    with pytest.raises(LassError, match="was not finished; run 'lass evaluate' again"):
        LabelledReport.read(tmp_path)
    with pytest.raises(LassError, match="has no scores.json; give a folder"):
        LabelledReport.read(tmp_path / "translations")
    with pytest.raises(LassError, match="missing is not a report of scores"):
        LabelledReport.read(tmp_path / "missing")
    (tmp_path / "scores.json").write_text('{"format": ')
    with pytest.raises(LassError, match="scores.json is not a report of scores"):
        LabelledReport.read(tmp_path)
    with pytest.raises(LassError, match="there is no report"):
        compare_reports([])


# -- tests from the texts ------------------------------------------------------------

REFERENCES = {
    "de-en": ["one two three four five six", "the old house at the end of the road"],
    "en-de": ["eins zwei drei vier fünf sechs", "das alte Haus am Ende der Straße"],
}
WEAK = {
    "de-en": ["one two three four nine six", "an old house at the end of a road"],
    "en-de": ["eins zwei drei vier acht sechs", "ein Haus am Ende der Straße"],
}
OTHER = {
    "de-en": ["one two three nine five six", "the old house at the end of a road"],
    "en-de": ["eins zwei drei vier fünf acht", "das alte Haus am Ende"],
}


def evaluated(folder, **systems):
    """What ``lass evaluate`` leaves of these translations."""
    outputs = [Outputs(name, f"{name}.pt", None, t) for name, t in systems.items()]
    report_file.write(compare(outputs, REFERENCES, n_samples=60), folder)
    for name, texts in systems.items():
        write_texts(folder / "translations" / name, "test", texts)
    write_texts(folder / "references", "test", REFERENCES)
    (folder / "run.json").write_text('{"split": "test"}')
    return folder


@pytest.fixture
def two(tmp_path):
    return evaluated(tmp_path / "a", weak=WEAK), evaluated(tmp_path / "b", other=OTHER)


def test_tests_over_two_reports_are_those_of_one_comparison(two):
    compared = add_tests(compare_reports(list(map(LabelledReport.read, two))))
    outputs = [
        Outputs("weak", "weak.pt", None, WEAK),
        Outputs("other", "other.pt", None, OTHER),
    ]
    together = compare(outputs, REFERENCES)
    for pair in REFERENCES:
        for metric, expected in together.systems[1].pairs[pair].differences.items():
            assert compared.tests["other", metric, pair] == expected
    assert not missing_tests(compared)
    assert compared.baseline.name == "weak"


def test_references_may_be_given(two, tmp_path):
    elsewhere = shutil.move(tmp_path / "a" / "references", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "b" / "references")
    compared = compare_reports(list(map(LabelledReport.read, two)))
    without = add_tests(compared)
    assert not without.tests
    assert "no significance test of other on de-en, en-de" in without.notes[-1]
    assert len(add_tests(compared, elsewhere).tests) == 4
    (elsewhere / "test.de-en.en").unlink()
    with pytest.raises(LassError, match="has no references of de-en"):
        add_tests(compared, elsewhere)


def test_reports_over_other_references_are_not_compared(two):
    path = two[1] / "references" / "test.de-en.en"
    path.write_text(path.read_text().replace("\n", " !\n", 1))
    sentence = "other and weak were scored on de-en .* which differ in line 1; evaluate"
    with pytest.raises(LassError, match=f"different test sets: {sentence}"):
        compare_reports(list(map(LabelledReport.read, two)))


def test_texts_of_another_length_are_named(two):
    compared = compare_reports(list(map(LabelledReport.read, two)))
    path = two[1] / "references" / "test.de-en.en"
    whole = path.read_text()
    path.write_text(whole + "one more\n")
    with pytest.raises(LassError, match="has 3 references but 2 sentences of de-en"):
        add_tests(compared)
    path.write_text(whole)
    path = two[1] / "translations" / "other" / "test.en-de.de"
    path.write_text("eins\n")
    with pytest.raises(LassError, match="has 1 translations but 2 .*half written"):
        add_tests(compared)


def test_texts_that_are_not_those_that_were_scored_are_refused(two):
    compared = compare_reports(list(map(LabelledReport.read, two)))
    path = two[0] / "translations" / "weak" / "test.de-en.en"
    path.write_text("one two three\nthe old house\n")
    with pytest.raises(LassError, match="BLEU of weak on de-en is .* by the texts"):
        add_tests(compared)


def test_a_damaged_record_of_the_run_is_named(two):
    compared = compare_reports(list(map(LabelledReport.read, two)))
    (two[1] / "run.json").write_text('{"split"')
    with pytest.raises(LassError, match="run.json is not the record"):
        add_tests(compared)
    (two[1] / "run.json").unlink()
    assert not add_tests(compared).tests
