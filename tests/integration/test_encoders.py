"""Masked language modelling by fairseq's own commands."""

import re
from argparse import Namespace
from signal import SIGKILL
from types import SimpleNamespace

import pytest
import torch
from conftest import load
from encoders import ENCODER_FLAGS, LANGUAGES, as_public, encoder_flags
from runs import assert_same, differences, train_by_two


@pytest.fixture
def train(commands, language_data):
    def run(folder, *given, **more):
        start = ("--save-dir", folder)
        flags = (*encoder_flags(*given), *start)
        return commands.run("train", language_data, *flags, **more)

    return run


SAVING = ("--save-interval-updates", 4, "--keep-interval-updates", 1)
SAVING += ("--no-epoch-checkpoints",)


def test_every_language_has_its_loss_and_a_killed_run_ends_with_the_same_bytes(
    train, commands, language_data, tmp_path
):
    flags = ("--max-update", 18, "--update-freq", 2, *SAVING)
    for update in (6, 15):
        death = ("die_at_update", update)
        dead = train(tmp_path / "a", *flags, prepare=death, check=False)
        assert dead.returncode == -SIGKILL, dead.stderr[-2000:]
    train(tmp_path / "a", *flags)
    whole = train(tmp_path / "b", *flags)
    killed, left = (load(tmp_path / each / "checkpoint_last.pt") for each in "ab")
    assert left["extra_state"]["train_iterator"]["epoch"] > 1
    assert differences(killed, left) == []
    assert left["task_state"]["language_tokens"]["languages"] == list(LANGUAGES)
    assert left["task_state"]["dictionaries"]["subwords"]["kind"] == "sentencepiece"
    named = {f"loss_{code}" for code in LANGUAGES} | {"language_loss"}
    assert named <= set(re.findall(r"\w+", whole.stdout))
    shares = dict(re.findall(r"(share_\w+) ([\d.]+)", whole.stdout))
    assert float(shares["share_sw"]) > 0.12  # of 192 sentences it has 6 %
    path = (
        "--path",
        tmp_path / "b" / "checkpoint_last.pt",
        "--cpu",
        "--num-workers",
        0,
    )
    task = (*ENCODER_FLAGS[:4], "--max-tokens", 160)
    validated = commands.run("validate", language_data, *task, *path)
    last = [line for line in whole.stdout.splitlines() if "valid on" in line][-1]
    losses = [re.findall(r"loss_\w+ [\d.]+", text) for text in (last, validated.stdout)]
    assert len(losses[0]) == len(LANGUAGES) and losses[0] == losses[1]


@pytest.mark.slow
def test_two_processes_share_a_training_and_its_validation(train, tmp_path):
    flags = ("--max-update", 6, "--save-interval-updates", 4, *SAVING[2:])
    commands = SimpleNamespace(train=train)
    whole = train_by_two(commands, tmp_path / "whole", *flags)
    assert "language_loss" in "".join(rank.stdout for rank in whole)
    death = {"prepare": ("die_at_update", 5), "check": False}
    dead = train_by_two(commands, tmp_path / "killed", *flags, **death)
    assert {rank.returncode for rank in dead} == {-SIGKILL}
    train_by_two(commands, tmp_path / "killed", *flags)
    states = [load(tmp_path / n / "checkpoint_last.pt") for n in ("whole", "killed")]
    assert differences(*states) == []


def test_xmod_trains_the_module_of_the_language(train, tmp_path):
    flags = ("--arch", "xmod_languages", "--no-epoch-checkpoints")
    train(tmp_path, *flags, "--max-update", 1, "--langs", "sw,de,en")
    state = load(tmp_path / "checkpoint_last.pt")
    first = "encoder.sentence_encoder.layers.0.adapter_modules.{}.fc1.weight"
    assert {code for code in LANGUAGES if first.format(code) in state["model"]} == {
        *LANGUAGES
    }
    steps = state["last_optimizer_state"]["state"]
    moved = [value for value in steps.values() if bool(value["exp_avg"].any())]
    of_others = 2 * 2 * 4  # languages, layers, parameters of a module
    assert 0 < len(moved) <= len(state["model"]) - of_others


@pytest.mark.parametrize(
    "flags, told",
    [
        (("--langs", "de,xx"), "data of xx in"),
        (("--tokens-per-sample", 2), "--tokens-per-sample 2 is not 3 or more"),
        (("--multilang-sampling-alpha", -1), "--multilang-sampling-alpha -1.0"),
        (("--mask-prob", 0), "--mask-prob 0"),
        (("--max-positions", 8), "are longer than 8"),
    ],
)
def test_mistakes_are_named(train, tmp_path, flags, told):
    ended = train(tmp_path, *flags, "--max-update", 1, check=False)
    assert ended.returncode and told in ended.told, ended.stderr[-2000:]


def test_a_public_checkpoint_begins_a_training_and_teaches_half_of_it(
    train, commands, tmp_path
):
    short = ("--no-epoch-checkpoints", "--disable-validation", "--max-update")
    train(tmp_path / "first", *short, 2)
    state = load(tmp_path / "first" / "checkpoint_last.pt")
    options = Namespace(**{**vars(state["cfg"]["model"]), "task": "masked_lm"})
    public = {
        "args": options,
        "model": as_public(state["model"]),
        "optimizer_history": state["optimizer_history"],
        "extra_state": {"train_iterator": {"epoch": 1}},
    }
    torch.save(public, tmp_path / "model.pt")
    begun = ("--finetune-from-model", tmp_path / "model.pt", "--lr", 0)
    train(tmp_path / "again", *begun, *short, 1)
    again = load(tmp_path / "again" / "checkpoint_last.pt")["model"]
    assert_same(again, state["model"])

    teacher, half = tmp_path / "first" / "checkpoint_last.pt", tmp_path / "half.pt"
    public = tmp_path / "model.pt"
    told = commands.run("lass", "encoder", "halve", public, "--out", half).stdout
    assert "1 layers (train it with --encoder-layers 1)" in told
    flags = ("--criterion", "masked_lm_distillation", "--encoder-layers", 1)
    started = ("--finetune-from-model", half)
    for taught in (teacher, tmp_path / "model.pt"):
        out = tmp_path / f"by_{taught.name}"
        ended = train(out, *flags, *started, "--teacher", taught, *short, 3)
        assert re.search(r"divergence [\d.]*[1-9]", ended.stdout)
    weights = load(out / "checkpoint_last.pt")["model"]
    assert not any(".layers.1." in name or "teacher" in name for name in weights)
    more = (*flags, "--teacher", half, *short, 4)
    assert "begun with other teacher" in train(out, *more, check=False).told
    hotter = ("--teacher", taught, "--distillation-temperature", 3, *short, 4)
    told = train(out, *flags, *hotter, check=False).told
    assert "begun with other distillation (T 2.0) than it has now (T 3.0)" in told
