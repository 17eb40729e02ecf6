"""spBLEU against sacreBLEU itself; COMET with a package that stands in for its own."""

import sys
import types

import pytest
import sacrebleu
import sentencepiece
from comet_stand_in import FakeModel, comet_package

from lass_plugin.errors import LassError
from lass_plugin.evaluation import metrics
from lass_plugin.evaluation.choice import Choice, parse_further
from lass_plugin.evaluation.comparison import Outputs, compare
from lass_plugin.evaluation.metrics import Comet, CometModel, check_spbleu, spbleu
from lass_plugin.evaluation.report_file import read, write
from lass_plugin.evaluation.report_tables import render

SOURCES = ["eins zwei drei", "vier fünf", "sechs"]
REFERENCES = ["one two three", "four five", "six"]
WORSE = ["one two", "four four five", "six"]


@pytest.fixture
def no_model(monkeypatch, tmp_path):
    """sacreBLEU without its models, and without a network to fetch them."""
    from sacrebleu.tokenizers import tokenizer_spm

    def refuse(*_arguments, **_options):
        raise OSError("no network")

    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(metrics, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(tokenizer_spm, "download_file", refuse)
    return tmp_path


@pytest.fixture
def made_up_model(no_model):
    """A SentencePiece model of some words in the place of FLORES-200's."""
    folder = no_model / "models"
    folder.mkdir()
    name = metrics.SPM_MODELS["flores200"]["url"].rsplit("/", 1)[-1]
    with open(folder / name, "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(REFERENCES * 20),
            model_writer=file,
            vocab_size=18,
            minloglevel=2,
        )


@pytest.fixture
def package(monkeypatch, tmp_path):
    """What ``import comet`` finds."""
    fake = comet_package(tmp_path / "model.ckpt")
    monkeypatch.setitem(sys.modules, "comet", fake)
    return fake


def test_spbleu_is_that_of_sacrebleu(made_up_model):
    score = spbleu("de-en", REFERENCES).score(WORSE)
    theirs = sacrebleu.BLEU(tokenize="flores200")
    expected = theirs.corpus_score(WORSE, [REFERENCES])
    assert score.metric == "spBLEU" and 0 < score.value < 100
    assert score.value == pytest.approx(expected.score, abs=1e-12)
    assert score.signature == str(theirs.get_signature())
    assert "tok:flores200" in score.signature


def test_without_its_model_spbleu_is_refused_in_one_sentence(no_model):
    with pytest.raises(LassError, match="spBLEU needs .*leave spBLEU out") as error:
        check_spbleu()
    assert str(no_model) in error.value.message and "\n" not in error.value.message
    with pytest.raises(LassError, match="spBLEU needs"):
        Choice.make(["spBLEU"])


def test_comet_is_the_mean_of_its_sentences_scores(package):
    model = CometModel("hub/model")
    score = Comet("de-en", SOURCES, REFERENCES, model).score(WORSE)
    assert score.value == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert score.signature == "model:hub/model|comet:2.2.7"


def test_one_model_is_loaded_once_and_its_scores_stand_in_a_report(package, tmp_path):
    FakeModel.loaded = 0
    choice = Choice.make(parse_further("comet"), comet_model="hub/model")
    outputs = [
        Outputs("worse", "a.pt", None, {"de-en": WORSE, "nl-en": WORSE}),
        Outputs("same", "b.pt", None, {"de-en": REFERENCES, "nl-en": REFERENCES}),
    ]
    both = {"de-en": REFERENCES, "nl-en": REFERENCES}
    report = compare(
        outputs,
        both,
        n_samples=50,
        choice=choice,
        sources={"de-en": SOURCES, "nl-en": SOURCES},
    )
    assert FakeModel.loaded == 1
    assert report.metrics == ("BLEU", "chrF", "COMET")
    difference = report.systems[1].pairs["de-en"].differences["COMET"]
    assert difference.delta == pytest.approx(1 - 8 / 9)
    assert read(write(report, tmp_path)[0]) == report
    text = render(report)
    assert "0.8889" in text and "1.0000 +0.1111" in text
    assert "COMET: model:hub/model|comet:2.2.7" in text


def test_comet_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "comet", None)  # makes the import fail
    with pytest.raises(LassError, match=r"unbabel-comet.*lass-plugin\[comet\]"):
        CometModel()


def test_another_package_called_comet_is_told_apart(monkeypatch):
    monkeypatch.setitem(sys.modules, "comet", types.ModuleType("comet"))
    with pytest.raises(LassError, match="another package called comet"):
        CometModel()


def test_a_model_that_cannot_be_had_or_read_is_a_clear_error(package, tmp_path):
    with pytest.raises(LassError, match="hub/other is not on this machine"):
        CometModel("hub/other")
    with pytest.raises(LassError, match="there is no COMET model .*missing.ckpt"):
        CometModel(str(tmp_path / "missing.ckpt"))
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(b"?")
    with pytest.raises(LassError, match="broken.ckpt cannot be loaded.*no such"):
        Comet("de-en", SOURCES, REFERENCES, CometModel(str(broken))).score(WORSE)


def test_comet_needs_as_many_sources_and_hypotheses_as_references(package):
    model = CometModel("hub/model")
    with pytest.raises(LassError, match="2 sources for 3 references"):
        Comet("de-en", SOURCES[:2], REFERENCES, model)
    with pytest.raises(LassError, match="2 hypotheses for 3"):
        Comet("de-en", SOURCES, REFERENCES, model).score(WORSE[:2])
    with pytest.raises(LassError, match="needs the sources of de-en"):
        Choice.make(["COMET"], comet_model="hub/model").of("de-en", REFERENCES)


def test_metrics_are_named_in_any_case_and_only_those_there_are():
    assert parse_further("chrf, COMET,spbleu") == ("spBLEU", "COMET")
    assert parse_further("bleu") == ()
    with pytest.raises(LassError, match="no metric 'TER'"):
        parse_further("BLEU,TER")


def test_a_comet_model_without_comet_is_refused():
    with pytest.raises(LassError, match="--comet-model has no effect"):
        Choice.make((), comet_model="hub/model")
