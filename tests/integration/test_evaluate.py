"""``lass evaluate``: the translations of fairseq-generate, written and scored."""

import json
import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from unittest.mock import ANY

import pytest
import torch
from conftest import MODEL_FLAGS, PAIRS, TASK_FLAGS, load
from in_process import random_mask

from lass_plugin.cli import evaluate as command
from lass_plugin.errors import LassError
from lass_plugin.evaluation import evaluation
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.report_file import read
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import System
from lass_plugin.evaluation.translation import Translator
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import MaskSet, save_masks
from lass_plugin.places.devices import Device
from lass_plugin.settings import parse_words

PHASES = ("translating", "scoring")
PLAIN = Decoding(beam=3, max_len_b=20, cpu=True)
LONGER = ("--max-update", 200, "--no-epoch-checkpoints", "--disable-validation")


@pytest.fixture(scope="module")
def joint(commands, base, tmp_path_factory) -> Path:
    """A checkpoint trained jointly from the base until it says something."""
    folder = tmp_path_factory.mktemp("joint")
    weights = load(base)["model"]
    masks = MaskSet(random_mask(key, weights, ratio=0.3) for key in PAIRS)
    save_masks(folder / "masks", masks)
    start = ("--finetune-from-model", base, "--masks", folder / "masks")
    commands.train(folder, *start, *LONGER)
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def report_of(commands, base, joint, data, tmp_path_factory):
    """The command on both systems: its process and its folder."""
    out = tmp_path_factory.mktemp("report")
    process = commands.run(
        "lass",
        *("evaluate", data, "--cpu", "--beam", 3, "--max-len-b", 20, "--out", out),
        *("--system", f"baseline={base}", "--system", f"sub-networks={joint}"),
        *("--system", f"no masks={joint}", "--dense", "no masks"),
    )
    return process, out


def generate(commands, data, checkpoint, pair, *flags, task=TASK_FLAGS):
    """What fairseq-generate translates *pair* to, in the order of the data."""
    source, target = pair.split("-")
    process = commands.run(
        "generate",
        *(data, *task, "--path", checkpoint, "-s", source, "-t", target, "--cpu"),
        *("--beam", 3, "--max-len-b", 20, "--num-workers", 0, *flags),
    )
    lines = [line for line in process.stdout.splitlines() if line.startswith("H-")]
    lines.sort(key=lambda line: int(line.split("\t")[0][2:]))
    return [line.split("\t")[2] for line in lines]


def written(out, system, pair):
    path = out / "translations" / system / f"test.{pair}.{pair.split('-')[1]}"
    return path.read_text().removesuffix("\n").split("\n")


def test_translations_are_those_of_fairseq_generate(commands, data, joint, report_of):
    _, out = report_of
    for pair in ("de-en", "en-nl"):
        expected = generate(commands, data, joint, pair)
        assert len(expected) == 13 and len(set(expected)) > 5
        assert written(out, "sub-networks", pair) == expected
    dense = generate(commands, data, joint, "en-nl", "--dense")
    assert written(out, "no masks", "en-nl") == dense
    assert dense != expected


def test_the_report_has_all_systems_and_says_what_was_done(report_of, data, joint):
    process, out = report_of
    report = read(out / "scores.json")
    assert [system.name for system in report.systems] == [
        *("baseline", "sub-networks", "no masks")
    ]
    assert report.pairs == list(PAIRS)
    assert all(each.sentences == 13 for each in report.baseline.pairs.values())
    assert report.systems[0].mask is None and report.systems[2].mask is None
    assert "random ratio 0.3" in report.systems[1].mask
    assert report.systems[1].checkpoint == str(joint)
    assert "beam 3" in report.notes[0] and str(data / "raw") in report.notes[1]
    assert report.systems[1].average("chrF", report.pairs) > 10
    for text in (process.stdout, (out / "scores.md").read_text()):
        assert "beam 3" in text and "references: " in text
    for name in ("baseline", "sub-networks", "no masks"):
        for pair in PAIRS:
            assert len(written(out, name, pair)) == 13
    run = json.loads((out / "run.json").read_text())
    assert run["systems"]["sub-networks"]["sentences"] == 52
    assert run["data"] == str(data) and run["versions"]["torch"] == version("torch")
    assert run["systems"]["sub-networks"]["tokens_per_second"] > 0
    assert "translating: done in" in process.stderr
    assert "INFO" not in process.stderr and "Warning" not in process.stderr


def test_from_python_one_system_has_scores_and_no_comparison(joint, data):
    system = System("only", joint)
    pairs = parse_pairs("nl-en,de-en")
    result = evaluate(data, [system], pairs, decoding=PLAIN)
    assert result.report.pairs == ["nl-en", "de-en"]
    assert not result.report.others
    assert not result.report.baseline.pairs["nl-en"].differences
    for pair in ("nl-en", "de-en"):
        assert len(result.outputs[0].hypotheses[pair]) == 13
        assert len(result.test_set.sources[pair]) == 13
        assert result.test_set.sources[pair][0].startswith(pair[:2])
        assert result.test_set.references[pair][0].startswith("en")


def test_an_evaluation_that_is_interrupted_leaves_no_older_scores(
    joint, data, tmp_path, monkeypatch
):
    systems = [System("one", joint)]
    pairs = parse_pairs("de-en")
    evaluate(data, systems, pairs, decoding=PLAIN, out=tmp_path)
    assert (tmp_path / "scores.json").is_file()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(data, systems, pairs, decoding=replace(PLAIN, beam=1), out=tmp_path)
    assert [*tmp_path.iterdir()] and not [*tmp_path.glob("*.json")]


def test_an_evaluation_that_was_killed_goes_on(
    joint, data, tmp_path, monkeypatch, capsys
):
    systems = [System("dense", joint, dense=True), System("one", joint)]
    whole = evaluate(data, systems, decoding=PLAIN, out=tmp_path / "whole")
    stock, done = Translator.translate, []

    def translate(translator, split, advance, pairs):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append((translator.ready.system.name, *map(str, pairs)))
        return stock(translator, split, advance, pairs)

    monkeypatch.setattr(Translator, "translate", translate)
    with pytest.raises(KeyboardInterrupt):
        evaluate(data, systems, decoding=PLAIN, out=tmp_path / "out")
    done[:] = done[4:]
    again = evaluate(data, systems, decoding=PLAIN, out=tmp_path / "out")
    assert again == replace(whole, speeds=ANY)
    assert done == [("one", PAIRS[0]), *(("one", pair) for pair in PAIRS[1:])]
    told = capsys.readouterr().err
    assert f"5 of 8 translations of a pair are there ({tmp_path / 'out'}" in told
    speeds = again.speeds["one"]
    assert (speeds.sentences, speeds.tokens) == (52, whole.speeds["one"].tokens)
    # a system more translates itself, others not again
    done[:] = []
    more = [*systems, System("given", joint, str(joint.parent / "masks"))]
    more.append(System("other", joint, random_masks(joint)))
    evaluate(data, more, decoding=PLAIN, out=tmp_path / "out")
    assert done == [("other", pair) for pair in PAIRS[:4]]


def random_masks(checkpoint) -> MaskSet:
    weights = load(checkpoint)["model"]
    return MaskSet(random_mask(key, weights, ratio=0.6) for key in PAIRS)


def test_processes_share_what_is_translated(joint, base, data, tmp_path, capfd):
    systems = [
        System("dense", joint, dense=True),
        System("masks", joint),
        System("other", base, random_masks(base)),
    ]
    alone = evaluate(data, systems, decoding=PLAIN, out=tmp_path / "alone")
    capfd.readouterr()
    devices, out = [Device(None, 1)] * 2, tmp_path / "shared"
    shared = evaluate(data, systems, decoding=PLAIN, out=out, devices=devices)
    assert shared == replace(alone, speeds=ANY)
    assert shared.speeds["other"].sentences == 52
    printed = capfd.readouterr()
    assert not printed.out and "translating: done in" in printed.err
    lines = printed.err.splitlines()
    assert [line for line in lines if not line.startswith(PHASES)] == []
    # what a process refuses is told as by one
    too_long = joint.parent / "short.pt"
    state = load(joint)
    state["cfg"]["model"].max_source_positions = 3
    torch.save(state, too_long)
    systems = [System("short", too_long)]
    with pytest.raises(LassError, match="--truncate-source") as error:
        evaluate(data, systems, decoding=PLAIN, out=out, devices=devices)
    assert "system short takes at most" in error.value.message


def test_references_may_lie_elsewhere(joint, data, tmp_path):
    system = System("only", joint)
    found = evaluate(data, [system], parse_pairs("de-en"), decoding=PLAIN)
    path = tmp_path / "test.de-en.en"
    path.write_text("".join(f"{x}\n" for x in found.outputs[0].hypotheses["de-en"]))
    again = evaluate(
        data,
        [system],
        parse_pairs("de-en"),
        decoding=PLAIN,
        references=tmp_path,
    )
    assert again.report.baseline.average("chrF", ["de-en"]) == pytest.approx(100)
    assert str(tmp_path) in again.report.notes[1]


def test_of_several_folders_of_training_data_the_first_has_the_test_set(base, data):
    systems, few = [System("only", base)], replace(PLAIN, limit=2)
    expected = evaluate(data, systems, decoding=few)
    assert evaluate(f"{data}:{data.parent}", systems, decoding=few) == replace(
        expected, speeds=ANY
    )


@pytest.mark.slow
def test_a_checkpoint_of_the_stock_task_is_translated_as_there(
    commands, data, tmp_path
):
    task = ("--task", "translation_multi_simple_epoch", "--encoder-langtok", "tgt")
    pairs = ("--lang-pairs", ",".join(PAIRS))
    commands.run(
        "train",
        *(data, *task, *pairs, *MODEL_FLAGS, "--save-dir", tmp_path, *LONGER),
        *("--criterion", "label_smoothed_cross_entropy", "--lr", 0.003, "--cpu"),
        *("--optimizer", "adam", "--max-tokens", 160, "--num-workers", 0),
    )
    checkpoint = tmp_path / "checkpoint_last.pt"
    result = evaluate(data, [System("stock", checkpoint)], decoding=PLAIN)
    assert result.report.pairs == list(PAIRS)
    expected = generate(
        *(commands, data, checkpoint, "nl-en", *pairs),
        *("--required-batch-size-multiple", 1),
        task=(*TASK_FLAGS[:2], *task),
    )
    assert len(set(expected)) > 5
    assert result.outputs[0].hypotheses["nl-en"] == expected


def test_masks_can_be_given_for_any_checkpoint(base, joint, data):
    systems = [
        System("carried", joint),
        System("given", joint, str(joint.parent / "masks")),
        System("of another", base, str(joint)),
    ]
    result = evaluate(data, systems, decoding=PLAIN)
    carried, given, other = result.outputs
    assert carried.hypotheses == given.hypotheses != other.hypotheses
    digests = {output.mask.split("sha256")[1] for output in result.outputs}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--system", "a"], "--system a is not of the form NAME=CHECKPOINT"),
        (["--system", "a={base}", "--system", "a={base}"], "are called 'a'"),
        (["--system", "a={base}", "--dense", "b"], "--dense names the system 'b'"),
        (
            ["--system", "a={base}", "--inference-masks", "b=masks"],
            "--inference-masks names the system 'b'",
        ),
        (["--system", "a={base}", "--pairs", "de"], "'de' is not a language pair"),
        (["--system", "a={base}", "--tokenize", "13b"], "'13b' is not a tokenizer"),
        (["--system", "a={base}", "--split", "dev"], "no dev data of de-en"),
    ],
)
def test_mistakes_are_told_in_one_sentence(flags, named, base, data):
    words = [data, *(flag.format(base=base) for flag in flags)]
    with pytest.raises(LassError) as error:
        command.run(parse_words(command.SETTINGS, words))
    assert named in error.value.message
    assert "\n" not in error.value.message


def test_a_truncated_checkpoint_ends_the_command_with_status_1(
    commands, base, data, tmp_path
):
    shutil.copy(base, tmp_path / "cut.pt")
    with open(tmp_path / "cut.pt", "r+b") as file:
        file.truncate(base.stat().st_size // 2)
    process = commands.run(
        *("lass", "evaluate", data, "--system", f"a={tmp_path / 'cut.pt'}"), check=False
    )
    assert process.returncode == 1
    (line,) = process.stderr.splitlines()
    assert line.startswith("lass evaluate: error: ") and "cut.pt" in line
