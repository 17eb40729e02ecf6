"""Sparse fine-tuning (Ansell 2022) through the commands: both phases, translation."""

import json
from pathlib import Path
from signal import SIGKILL

import pytest
import torch
from conftest import FROM_BASE, PAIRS, TASK_FLAGS, load
from in_process import load_model, logits, translation_task
from runs import differences, same_bits, train_by_two

from lass_plugin.cli.main import main as lass
from lass_plugin.masks import load_masks, save_mask
from lass_plugin.masks.mask import Provenance
from lass_plugin.methods.sparse_tuning.stored import Entry, is_difference

TASK = ("--task", "translation_sparse_tuning")
SIDES = ("source@de", "source@en", "source@nl", "target@de", "target@en", "target@nl")
GENERATE = ("--cpu", "--gen-subset", "test")


@pytest.fixture(scope="module")
def tuned(commands, base, tmp_path_factory) -> Path:
    """A folder of full fine-tunings of the base, one on each pair."""
    folder = tmp_path_factory.mktemp("tuned")
    for pair in PAIRS:
        flags = ("--restore-file", base, *FROM_BASE, "--max-update", 6)
        more = ("--lang-pairs", pair, "--langs", "de,en,nl", "--no-epoch-checkpoints")
        commands.train(folder / pair, *flags, *more, "--disable-validation")
    return folder


@pytest.fixture(scope="module")
def masks(tuned, base, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("changes")
    words = ["extract", tuned, "--base", base, "--ratio", 0.95]
    assert lass([*map(str, words), "--by", "language", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def trained(commands, base, masks, tmp_path_factory) -> Path:
    """Differences of the sources and targets of PAIRS; de-nl is a zero-shot one."""
    folder = tmp_path_factory.mktemp("sparse")
    flags = (*TASK, "--base", base, "--masks", masks, "--max-update", 40)
    commands.train(folder, *flags, "--disable-validation", "--no-epoch-checkpoints")
    return folder / "checkpoint_last.pt"


def hypotheses(commands, data, checkpoint, *flags, pair=("nl", "en")):
    source, target = pair
    out = commands.run(
        *("generate", data, *TASK_FLAGS, "--path", checkpoint, "-s", source),
        *("-t", target, *GENERATE, *flags),
    ).stdout
    lines = [line.split("\t") for line in out.splitlines() if line[:2] == "H-"]
    return {name: (text, round(float(score), 4)) for name, score, text in lines}


def test_masks_keep_what_moved_most(tuned, base, masks):
    before = load(base)["model"]
    found = load_masks(masks)
    assert tuple(found) == SIDES
    states = {
        pair: load(tuned / pair / "checkpoint_last.pt")["model"] for pair in PAIRS
    }
    for key, mask in found.items():
        side, language = key.split("@")
        place = ("source", "target").index(side)
        own = [pair for pair in PAIRS if pair.split("-")[place] == language]
        moved = torch.cat(
            [
                sum((states[pair][site] - before[site]).abs() for pair in own).view(-1)
                for site in mask.shapes
            ]
        )
        kept = torch.cat([mask.unpack(site).view(-1) for site in mask.shapes])
        assert int(kept.sum()) == kept.numel() - round(0.95 * kept.numel())
        assert moved[kept].min() >= moved[~kept].max()
        assert mask.provenance.criterion == "change"
        assert mask.provenance.ratio is None


def test_a_checkpoint_holds_differences_and_no_base(trained, base, masks):
    state = load(trained)
    assert state["model"] and all(map(is_difference, state["model"]))
    entry = Entry.from_state(state["task_state"]["sparse_tuning"], "it")
    assert entry.base == str(base)
    for key, mask in load_masks(masks).items():
        values = state["model"][f"sparse_differences.{key}"]
        assert values.numel() == entry.count(key) == mask.kept()
        assert float(values.abs().max()) > 0
    moments = state["last_optimizer_state"]["state"].values()
    numbers = sum(value.numel() for value in state["model"].values())
    assert sum(each["exp_avg"].numel() for each in moments) == numbers


def test_training_lowers_the_loss(trained, base, data):
    def loss(checkpoint):
        task = translation_task(data, "-s de -t en --cpu")
        model = load_model(checkpoint, task)
        with task.method_of(model).using("de-en"):
            log_probabilities = logits(model, task, "valid")
        dataset = next(iter(task.dataset("valid").parts.values()))
        target = dataset.collater([dataset[i] for i in range(len(dataset))])["target"]
        return torch.nn.functional.nll_loss(
            log_probabilities.flatten(0, 1), target.flatten(), ignore_index=1
        )

    assert loss(trained) < loss(base) - 0.02


def test_generate_uses_the_differences(commands, data, trained, base, tmp_path):
    own = hypotheses(commands, data, trained)
    dense = hypotheses(commands, data, trained, "--dense")
    assert len(own) == 13 and own != dense == hypotheses(commands, data, base)
    moved = tmp_path / "moved.pt"
    moved.write_bytes(base.read_bytes())
    assert hypotheses(commands, data, trained, "--base", moved) == own


def test_an_exported_direction_is_base_plus_differences(
    commands, data, trained, base, masks, tmp_path
):
    """In stock fairseq, for a zero-shot direction too; and it translates the same."""
    state, before = load(trained)["model"], load(base)["model"]
    for pair in ("nl-en", "de-nl"):
        out = tmp_path / f"{pair}.pt"
        ended = commands.run("lass", "export", trained, "--pair", pair, "--out", out)
        assert "weights that differ from the base" in ended.stdout
        exported = load(out)["model"]
        assert exported.keys() == before.keys()
        expected = {name: weight.clone() for name, weight in before.items()}
        source, target = pair.split("-")
        for key in (f"source@{source}", f"target@{target}"):
            mask, values, start = load_masks(masks)[key], None, 0
            values = state[f"sparse_differences.{key}"]
            for site in mask.shapes:
                kept = mask.unpack(site)
                count = int(kept.sum())
                expected[site][kept] += values[start : start + count]
                start += count
            assert start == values.numel()
        changed = [n for n in before if not torch.equal(before[n], exported[n])]
        assert changed
        for name, weight in expected.items():
            assert same_bits(weight, exported[name]), name
        pairs = tuple(pair.split("-"))
        stock = hypotheses(commands, data, out, pair=pairs) if pair == "nl-en" else None
        if stock is not None:
            assert stock == hypotheses(commands, data, trained, pair=pairs)


def test_switching_is_exact_and_leaves_the_base(data, trained, base):
    task = translation_task(data, "--lang-pairs de-en,en-nl")
    model = load_model(trained, task)
    method = task.method_of(model)

    def under(key):
        with method.using(key):
            return logits(model, task, "test")

    first, other = under("de-en"), under("en-nl")
    assert not torch.equal(first, other)
    with method.using("de-en"):
        assert same_bits(under("en-nl"), other)
        assert same_bits(logits(model, task, "test"), first)
    assert same_bits(under("de-en"), first)
    with pytest.raises(KeyError), method.using("en-nl"):
        raise KeyError("interrupted")
    mine = torch.nn.Module.state_dict(model)
    for name, weight in load(base)["model"].items():
        assert same_bits(mine[name], weight), name
    method.bake("de-en")
    assert same_bits(logits(model, task, "test"), first)
    assert not any(map(is_difference, torch.nn.Module.state_dict(model)))


@pytest.mark.slow
def test_evaluate_and_table_cost(commands, trained, base, data, tmp_path):
    commands.run(
        *("lass", "evaluate", data, "--out", tmp_path, "--cpu"),
        *("--system", f"own={trained}", "--system", f"dense={trained}"),
        *("--dense", "dense", "--system", f"base={base}"),
    )
    own, dense, plain = json.loads((tmp_path / "scores.json").read_text())["systems"]
    assert str(base) in own["mask"] and dense["mask"] is None
    assert dense["pairs"] == plain["pairs"] != own["pairs"]
    command = ("table", "cost", "--system", f"own={trained}", "--out", tmp_path)
    said = commands.run("lass", *command).stdout
    assert "own" in said and "sparse differences, merged into their base" in said


SAVING = ("--save-interval-updates", 6, "--keep-interval-updates", 1)
SAVING += ("--no-epoch-checkpoints", "--disable-validation")


def test_a_killed_run_ends_with_the_same_bytes(commands, base, masks, tmp_path):
    flags = (*TASK, "--base", base, "--masks", masks, "--max-update", 20, *SAVING)
    death = ("die_at_update", 15)
    dead = commands.train(tmp_path / "a", *flags, prepare=death, check=False)
    assert dead.returncode == -SIGKILL, dead.stderr[-2000:]
    commands.train(tmp_path / "a", *flags)
    commands.train(tmp_path / "b", *flags)
    first, second = (load(tmp_path / name / "checkpoint_last.pt") for name in "ab")
    assert first["optimizer_history"][-1]["num_updates"] == 20
    assert not differences(first, second)


@pytest.mark.slow
def test_two_processes_are_one_that_accumulates(commands, base, masks, tmp_path):
    flags = (*TASK, "--base", base, "--masks", masks, "--max-update", 6)
    flags += ("--dropout", 0, "--disable-validation", "--no-epoch-checkpoints")
    train_by_two(commands, tmp_path / "two", *flags)
    commands.train(tmp_path / "one", *flags, "--update-freq", 2)
    two, one = (load(tmp_path / name / "checkpoint_last.pt") for name in ("two", "one"))
    assert one["model"]
    for name, value in one["model"].items():
        torch.testing.assert_close(two["model"][name], value, rtol=1e-3, atol=1e-5)


def test_it_is_not_resumed_with_other_masks_or_another_base(
    commands, base, masks, trained, tuned, tmp_path
):
    (tmp_path / "checkpoint_last.pt").write_bytes(trained.read_bytes())
    flags = ("--max-update", 42, "--disable-validation")
    other = tmp_path / "other"
    for key, mask in load_masks(masks).items():  # as many weights, but others
        kept = {site: mask.unpack(site).view(-1).roll(1) for site in mask.shapes}
        rolled = {site: each.view(mask.shapes[site]) for site, each in kept.items()}
        made = Provenance("change", None)
        new = type(mask).from_tensors(key, rolled, made, mask.base)
        save_mask(other / f"{key}.safetensors", new)
    given = (*TASK, "--base", base, "--masks", other)
    ended = commands.train(tmp_path, *given, *flags, check=False)
    assert ended.returncode and "begun with other masks" in ended.told
    unlike = tuned / "de-en" / "checkpoint_last.pt"
    ended = commands.train(
        tmp_path, *TASK, "--base", unlike, "--masks", masks, *flags, check=False
    )
    assert ended.returncode and "Traceback" not in ended.stderr
