"""Data that was tokenised and truecased: raw lines in and out, scores that say so."""

import io
import json
import random
import sys
from pathlib import Path

import pytest
from comet_stand_in import comet_package
from conftest import load
from forked import ForkedCommands
from in_process import random_mask

from lass_plugin.cli.main import main
from lass_plugin.data import moses
from lass_plugin.data.data_folder import text_steps_of
from lass_plugin.data.preparation import prepare
from lass_plugin.data.preparation_settings import PreparationSettings
from lass_plugin.data.text_settings import TextSettings
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import System
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import MaskSet, save_masks

WORDS = {
    "en": ["Berlin", "house", "tree", "dog's", "garden"],
    "de": ["Berlin", "Haus", "Baum", "Hund", "Garten"],
    "nl": ["Berlijn", "huis", "boom", "hond", "tuin"],
    "uk": ["Берлін", "дім", "дерево", "собака", "сад"],
}
FORMS = {
    "en": "The {}, the {}, the {}.",
    "de": "Das {}, das {}, das {}.",
    "nl": "Het {}, het {}, het {}.",
    "uk": "Це {}, це {}, це {}.",
}
PAIRS = "de-en,en-de,en-nl,nl-en"
SHORT = ("--cpu", "--beam", 1)
TOKENS = ("--tokenize", "none", "--metrics", "COMET", "--comet-model", "hub/model")
METRICS = ["BLEU", "chrF", "COMET"]


def lines(code: str, split: str, count: int) -> list[str]:
    draw = random.Random(split)
    every = [draw.choices(range(5), k=3) for _ in range(count)]
    return [FORMS[code].format(*(WORDS[code][n] for n in each)) for each in every]


def write(folder: Path, pair: str, **splits: int) -> Path:
    folder.mkdir(exist_ok=True)
    for split, count in splits.items():
        for code in pair.split("-"):
            text = "".join(f"{line}\n" for line in lines(code, split, count))
            (folder / f"{split}.{pair}.{code}").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def moses_data(tmp_path_factory) -> Path:
    text, out = tmp_path_factory.mktemp("text"), tmp_path_factory.mktemp("data")
    for pair in ("de-en", "en-nl"):
        write(text, pair, train=100, valid=9, test=11)
    prepare(
        PreparationSettings(
            text=text,
            out=out,
            pairs=tuple(parse_pairs(PAIRS)),
            test_pairs=tuple(parse_pairs("de-nl")),
            through="en",
            subword="bpe",
            merges=40,
            written=TextSettings(moses=True, truecase=True),
            workers=1,
        )
    )
    return out


@pytest.fixture(scope="module")
def own(moses_data, tmp_path_factory):
    """The commands, on this data."""
    return ForkedCommands(moses_data, tmp_path_factory.mktemp("forked"))


@pytest.fixture(scope="module")
def model(own, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    flags = ("--max-update", 150, "--no-epoch-checkpoints", "--disable-validation")
    own.train(folder, "--lang-pairs", PAIRS, *flags)
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def joint_model(own, model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("joint")
    weights = load(model)["model"]
    masks = (random_mask(key, weights, ratio=0.3) for key in PAIRS.split(","))
    save_masks(folder / "masks", MaskSet(masks))
    start = ("--finetune-from-model", model, "--masks", folder / "masks")
    flags = ("--max-update", 5, "--no-epoch-checkpoints", "--disable-validation")
    own.train(folder, "--lang-pairs", PAIRS, *start, *flags)
    return folder / "checkpoint_last.pt"


@pytest.fixture
def comet(monkeypatch, tmp_path):
    fake = comet_package(tmp_path / "model.ckpt")
    monkeypatch.setitem(sys.modules, "comet", fake)


def lass(*words: object) -> None:
    assert main([str(word) for word in words]) == 0


def signatures(scores: dict) -> set[str]:
    return {score["signature"] for score in scores.values()}


PLAIN = Decoding(beam=1, max_len_b=20, cpu=True)


def test_translations_are_text_again(moses_data, model, tmp_path):
    system = [System("s", model)]
    result = evaluate(moses_data, system, out=tmp_path / "text", decoding=PLAIN)
    report, steps = result.report, text_steps_of(moses_data)
    assert report.text == "detokenised"
    bleu = report.baseline.pairs["de-en"].scores["BLEU"]
    assert "tok:13a" in bleu.signature and "text:" not in bleu.signature
    assert any("translations are detokenised (sacremoses" in n for n in report.notes)
    given = (moses_data / "raw" / "test.de-en.en").read_text().splitlines()
    assert result.test_set.references["de-en"] == given
    written = result.outputs[0].hypotheses["de-en"]
    assert any(", the" in line for line in written)
    assert not any(" , " in line or "&apos;" in line for line in written)
    assert all(line[:1].upper() == line[:1] for line in written)

    from lass_plugin.evaluation.choice import Choice

    tokens = evaluate(
        moses_data,
        system,
        out=tmp_path / "tokens",
        decoding=PLAIN,
        choice=Choice("none"),
    )
    assert tokens.report.text == "tokenised"
    scores = tokens.report.baseline.pairs["de-en"].scores
    mark = f"|text:tokenised|by:{moses.library()}"
    assert "tok:none" in scores["BLEU"].signature
    assert all(score.signature.endswith(mark) for score in scores.values())
    expected = [moses.tokenise(line, "en") for line in given]
    assert tokens.test_set.references["de-en"] == expected
    found = tokens.outputs[0].hypotheses["de-en"]
    assert [moses.detokenise(line, "en") for line in found] == written
    assert steps.recase(found[0]) == found[0]
    assert scores["BLEU"].value != bleu.value
    for folder, what in (("text", "detokenised"), ("tokens", "tokenised")):
        page = (tmp_path / folder / "scores.md").read_text()
        assert f"BLEU ({what} text)" in page
        assert report_file.read(tmp_path / folder / "scores.json").text == what


def test_given_references_must_be_raw(moses_data, model, tmp_path):
    for code in ("de", "en"):
        given = moses_data / "raw" / f"test.de-en.{code}"
        tokens = [moses.tokenise(line, code) for line in given.read_text().split("\n")]
        (tmp_path / given.name).write_text("\n".join(tokens))
    how = {"pairs": parse_pairs("de-en"), "decoding": PLAIN, "references": tmp_path}
    with pytest.raises(LassError, match="are tokenised and translations of .* are det"):
        evaluate(moses_data, [System("s", model)], **how)


def test_raw_lines_are_translated_to_raw_lines(moses_data, model, monkeypatch, capsys):
    result = evaluate(moses_data, [System("s", model)], decoding=PLAIN)
    pairs = ("de-en", "en-nl")
    text = "".join(
        f"{pair}\t{line}\n" for pair in pairs for line in result.test_set.sources[pair]
    )
    expected = [line for pair in pairs for line in result.outputs[0].hypotheses[pair]]
    stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    lass("translate", model, "--data", moses_data, *SHORT, "--max-len-b", 20)
    assert capsys.readouterr().out.split("\n")[:-1] == expected


@pytest.mark.slow
def test_a_sweep_says_what_was_scored(own, moses_data, model, comet, tmp_path, capsys):
    found = tmp_path / "searches"
    for key in ("de-en", "en-nl"):
        own.train(
            *(found / key, "--task", "translation_subnetwork_search"),
            *("--lang-pairs", key, "--finetune-from-model", model),
            *("--pruning-criterion", "gradient", "--max-update", 4),
            *("--no-epoch-checkpoints", "--disable-validation"),
        )
    out = tmp_path / "sweep"
    words = ["sweep", moses_data, "--base", model, "--searches", found, "--out", out]
    words += ["--ratios", "0.5", "--updates", 3, "--jobs", 2, *SHORT]
    check_sweep(words, out, capsys)


@pytest.mark.slow
def test_a_sweep_of_neurons_says_what_was_scored(
    own, moses_data, model, comet, tmp_path, capsys
):
    importance, out = tmp_path / "importance", tmp_path / "sweep"
    words = ("neurons", "importance", moses_data, "--checkpoint", model, "--cpu")
    lass(*words, "--out", importance)
    words = ["neurons", "sweep", moses_data, "--base", model, "--out", out]
    words += ["--importance", importance, "--general", "0.5", "--thresholds", "0.9"]
    words += ["--updates", 3, "--jobs", 1, *SHORT]
    check_sweep(words, out, capsys)


def check_sweep(words: list, out: Path, capsys) -> None:
    """Scores in tokens by three metrics, then of text by two; neither is the other."""
    flags = ("--", "--max-tokens", 120)
    lass(*words, *TOKENS, *flags)
    said = capsys.readouterr().out
    assert "Scores are of tokenised text." in said and "COMET all" in said
    record = json.loads((out / "sweep.json").read_text())
    assert record["text"] == "tokenised"
    for row in record["variants"]:
        for scores in row["scores"].values():
            assert list(scores) == METRICS
        for found in row["signatures"].values():
            assert all("|text:tokenised" in each for each in found.values())
            assert "tok:none" in found["BLEU"]
    assert "COMET" in (out / "sweep.csv").read_text().splitlines()[0]
    stamp = (out / "scores" / "scores.json").stat().st_mtime_ns
    lass(*words, *TOKENS, *flags)
    assert (out / "scores" / "scores.json").stat().st_mtime_ns == stamp
    lass(*words, *flags)
    assert "Scores are of detokenised text." in capsys.readouterr().out
    record = json.loads((out / "sweep.json").read_text())
    assert record["text"] == "detokenised"
    for row in record["variants"]:
        for found in row["signatures"].values():
            assert list(found) == METRICS[:2] and "tok:13a" in found["BLEU"]


@pytest.mark.slow
def test_zero_shot_says_what_was_scored(moses_data, joint_model, comet, tmp_path):
    words = ("zero-shot", moses_data, "--checkpoint", joint_model, "--out", tmp_path)
    lass(*words, *SHORT, *TOKENS, "--max-len-b", 20, "--identifier", "none")
    record = json.loads((tmp_path / "zero_shot.json").read_text())
    assert record["text"] == "tokenised"
    for system in record["systems"].values():
        scores = system["pairs"]["de-nl"]
        assert list(scores) == METRICS
        assert all("|text:tokenised" in each for each in signatures(scores))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_added_pairs_are_written_like_the_others(
    moses_data, joint_model, comet, tmp_path, capsys
):
    text = write(tmp_path / "new", "en-uk", train=60, test=6)
    out = tmp_path / "out"
    words = ["extend", joint_model, "--data", moses_data, "--text", text, "--out", out]
    words += ["--pairs", "en-uk,uk-en", "--ways", "disjoint", "--points", 1, *SHORT]
    words += ["--search-updates", 3, "--updates", 4, "--threads", 1]
    flags = ("--", "--max-tokens", 160, "--warmup-updates", 2)
    lass(*words, *TOKENS, *flags)
    record = json.loads((out / "extend.json").read_text())
    assert record["text"] == "tokenised" and record["settings"]["tokenize"] == "none"
    for change in record["changes"]:
        assert list(change["scores"]) == METRICS
        assert all("|text:tokenised" in s for s in signatures(change["scores"]))
    assert "scores are of tokenised text" in (out / "extend.md").read_text()
    # the new text has the model's steps, and casing of its own language beside theirs
    steps = text_steps_of(out / "data")
    assert steps.tokenise and steps.casing == out / "data"
    for code in ("de", "en", "nl"):
        name = f"truecase.{code}"
        assert (out / "data" / name).read_bytes() == (moses_data / name).read_bytes()
    assert "це (" in (out / "data" / "truecase.uk").read_text()
    lass(*words, *flags)  # another form is not taken for the same result
    record = json.loads((out / "extend.json").read_text())
    assert record["text"] == "detokenised"
    for change in record["changes"]:
        assert list(change["scores"]) == METRICS[:2]
