"""Options at which fairseq fails with a traceback are named before work begins."""

import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, load
from fairseq import options
from runs import Run

from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.uncaught import _hook


@pytest.mark.parametrize(
    "flags, told",
    [
        ("--update-freq 0", "--update-freq 0 is not 1 or more"),
        ("--update-freq 2,0", "--update-freq 0 is not 1 or more"),
        ("--required-batch-size-multiple 0", "--required-batch-size-multiple 0 is not"),
        ("--encoder-attention-heads 3", "is no multiple of --encoder-attention-heads"),
        ("--encoder-embed-dim 30", "the model cannot be built: --share-all-embeddings"),
        ("--decoder-attention-heads 0", "--decoder-attention-heads 0 is not 1 or more"),
        ("--encoder-ffn-embed-dim -4", "--encoder-ffn-embed-dim -4 is not 1 or more"),
        ("--max-source-positions -1", "--max-source-positions -1 is not 1 or more"),
        ("--store-ema", "--store-ema is not supported"),
    ],
)
def test_a_training_that_would_fail_is_not_begun(data, flags, told):
    words = flags.split()
    if len(words) == 2 and words[1][0] == "-":
        words = ["=".join(words)]
    with pytest.raises(LassError, match=told):
        Run(data, *words)


@pytest.mark.parametrize(
    "flags, told",
    [
        ("--beam 0", "--beam 0 is not 1 or more"),
        ("--nbest 0", "--nbest 0 is not 1 or more"),
        ("--lenpen nan", "--lenpen nan is no number to translate with"),
        ("--max-len-a inf", "--max-len-a inf is no number to translate with"),
        ("--beam 2 --nbest 3", "--nbest 3 is more than --beam 2"),
        ("--beam 4 --diverse-beam-groups 2", "--diverse-beam-groups does not go with"),
        ("--constraints ordered", "--constraints is not supported"),
        ("--required-batch-size-multiple 0", "--required-batch-size-multiple 0 is not"),
    ],
)
def test_a_translation_that_would_fail_is_not_begun(commands, data, base, flags, told):
    said = commands.run(
        *("generate", data, "--task", "translation_subnetwork", "--path", base),
        *("--user-dir", ROOT / "lass_plugin", "-s", "de", "-t", "en", "--cpu"),
        *flags.split(),
        check=False,
    )
    assert said.returncode == 1 and "Traceback" not in said.stderr
    assert told in said.stderr


def changed(base: Path, target: Path, **entries) -> Path:
    content = load(base)
    history = content["optimizer_history"][-1]
    history.update({k: v for k, v in entries.items() if k in history})
    content["model"].update({k: v for k, v in entries.items() if k not in history})
    torch.save(content, target)
    return target


def test_a_run_without_a_model_is_not_begun(data, capsys):
    words = [str(data), "--task", "translation"]
    try:
        options.parse_args_and_arch(options.get_training_parser(), words)
    except RuntimeError:
        _hook(*sys.exc_info())
    assert capsys.readouterr().err.startswith("error: no model is given; add --arch")


def test_a_run_without_an_optimizer_is_not_begun(commands, data, tmp_path):
    said = commands.run(
        *("train", data, "--user-dir", ROOT / "lass_plugin", "--cpu", "--lr", 0.1),
        *("--task", "translation_subnetwork", "--lang-pairs", "de-en"),
        *("--arch", "transformer_tiny", "--max-tokens", 500, "--save-dir", tmp_path),
        check=False,
    )
    assert said.returncode == 1 and "Traceback" not in said.stderr
    assert "no optimizer is given" in said.stderr


def test_another_optimizer_or_criterion_on_resume_is_named(data, base, tmp_path):
    run = Run(data)
    for name in ("optimizer_name", "criterion_name"):
        path = changed(base, tmp_path / "a.pt", **{name: "Another"})
        kind = name.partition("_")[0]
        with pytest.raises(LassError, match=f"trained with the {kind} Another, but"):
            run.trainer.load_checkpoint(str(path))


def test_other_parameters_on_resume_are_named(data, base):
    run = Run(data, "--task", "translation_decoders")
    with pytest.raises(LassError, match="other parameters than this run trains"):
        run.trainer.load_checkpoint(str(base))


@pytest.mark.parametrize(
    "flags",
    [
        "--task translation_lslo --lslo-ranks 3 --base",
        "--task translation_adapters --freeze-base --finetune-from-model",
    ],
)
def test_noise_in_a_frozen_base_is_refused(data, base, flags):
    with pytest.raises(LassError, match="--quant-noise-pq changes the weights of the"):
        Run(data, "--quant-noise-pq", 0.1, *flags.split(), base)


def test_a_base_of_another_vocabulary_or_shape_is_named(data, base, tmp_path):
    run = Run(data)
    embedding = "encoder.embed_tokens.weight"
    weights = load(base)["model"]
    path = changed(base, tmp_path / "a.pt", **{embedding: weights[embedding][:-1]})
    with pytest.raises(LassError, match=r"encoder of .*a\.pt has embeddings of \d+"):
        run.trainer.load_checkpoint(str(path))
    fc1 = "encoder.layers.0.fc1.weight"
    path = changed(base, tmp_path / "a.pt", **{fc1: weights[fc1][:-1]})
    with pytest.raises(LassError, match=f"{fc1} has shape"):
        run.trainer.load_checkpoint(str(path))
    path = changed(base, tmp_path / "a.pt", **{"encoder.more": weights[fc1]})
    with pytest.raises(LassError, match="encoder.more is in the model of .*a.pt and"):
        run.trainer.load_checkpoint(str(path))


def test_a_sentence_too_long_for_validation_is_said_before_training(
    commands, data, tmp_path
):
    said = commands.train(
        *(tmp_path, "--max-source-positions", 6, "--max-target-positions", 6),
        *("--max-update", 1),
        check=False,
    )
    assert said.returncode == 1 and "Traceback" not in said.stderr
    assert "begin training epoch" not in said.stdout + said.stderr


FIT = "lslo fit DATA --base b.pt --pairs de-en --out OUT".split()
ALLOCATE = "allocate DATA --base b.pt --searches s --out OUT".split()


@pytest.mark.parametrize(
    "command, flags, told",
    [
        (FIT, "--budget=-5", "--budget"),
        (FIT, "--budget 0", "--budget must be 1 or more"),
        (FIT, "--budget-rank 0", "--budget-rank must be 1 or more"),
        (FIT, "--budget-rank 2 --epochs 4", "--epochs 4 ends before the estimation"),
        (FIT, "--budget-rank 2 --ratio 1.5", "outside"),
        (FIT, "--budget-rank 2 --ratio nan", "is no number"),
        (FIT, "--budget-rank 2 --ratio 0", "--ratio 0 prunes nothing"),
        (FIT, "--budget-rank 2 --rank 0", "--rank must be 1 or more"),
        (FIT, "--budget-rank 2 --length 0", "--length must be 1 or more"),
        (ALLOCATE, "--budget 0.95", "--budget 0.95 is outside the ratios to choose"),
        (ALLOCATE, "--budget -1", "outside"),
        (ALLOCATE, "--budget nan", "is no number"),
    ],
)
def test_a_search_for_ranks_or_ratios_that_cannot_end_is_not_begun(
    command, flags, told, capsys
):
    assert main([*command, *flags.split()]) != 0
    assert told in capsys.readouterr().err
