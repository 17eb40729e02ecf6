"""Low-rank modules through fairseq's commands: training, resume, translation."""

import json

import pytest
import torch
from conftest import PAIRS, TASK_FLAGS, load
from fairseq import tasks
from in_process import load_model, logits, training_config, translation_task
from runs import Run, same_bits, train_by_two

from lass_plugin.errors import LassError
from lass_plugin.masks.packing import count
from lass_plugin.methods.lowrank.attaching import is_trained

LSLO = ("--task", "translation_lslo", "--lslo-ranks", "3")
GRADUAL = ("--lslo-pruning", "matrix", "--lslo-pruning-ratio", "de=0.5,en=0,nl=0.5")
GRADUAL += ("--lslo-pruning-start", 1, "--lslo-pruning-length", 1)


@pytest.fixture(scope="module")
def trained(commands, base, tmp_path_factory):
    """The checkpoint of a training of three epochs."""
    folder = tmp_path_factory.mktemp("lslo")
    commands.train(
        folder, *LSLO, "--base", base, "--max-epoch", 3, "--no-epoch-checkpoints"
    )
    return folder / "checkpoint_last.pt"


def test_a_checkpoint_holds_the_modules_and_no_base(trained, base):
    state = load(trained)
    assert state["model"] and all(map(is_trained, state["model"]))
    assert trained.stat().st_size < base.stat().st_size
    entry = state["task_state"]["lslo"]
    assert entry["base"] == str(base) and len(entry["fingerprint"]) == 2 * (5 + 8)
    assert entry["plan"]["ranks"] == {"de": 3, "en": 3, "nl": 3}
    json.dumps(entry)
    states = state["last_optimizer_state"]["state"]
    trained_weights = sum(value.numel() for value in state["model"].values())
    moments = sum(each["exp_avg"].numel() for each in states.values())
    assert moments == trained_weights


def test_training_lowers_the_loss(trained, base, data):
    def loss(checkpoint):
        task = translation_task(data, TRANSLATION)
        model = load_model(checkpoint, task)
        with task.method_of(model).using("de-en"):
            log_probabilities = logits(model, task, "valid")
        dataset = next(iter(task.dataset("valid").parts.values()))
        target = dataset.collater([dataset[i] for i in range(len(dataset))])["target"]
        return torch.nn.functional.nll_loss(
            log_probabilities.flatten(0, 1), target.flatten(), ignore_index=1
        )

    assert loss(trained) < loss(base) - 0.05


def test_generate_uses_the_modules_of_the_pair(commands, trained, base, data, tmp_path):
    def hypotheses(checkpoint, *flags):
        out = commands.run(
            *("generate", data, *TASK_FLAGS, "--path", checkpoint, "-s", "nl"),
            *("-t", "en", "--cpu", *flags),
        ).stdout
        lines = [line.split("\t") for line in out.splitlines() if line[:2] == "H-"]
        return {name: (text, round(float(score), 4)) for name, score, text in lines}

    own, dense = hypotheses(trained), hypotheses(trained, "--dense")
    assert len(own) == 13 and own != dense
    assert dense == hypotheses(base)
    moved = tmp_path / "moved.pt"
    moved.write_bytes(base.read_bytes())
    assert hypotheses(trained, "--base", moved) == own


def test_interactive_and_validate(commands, trained, data):
    commands.run(
        *("validate", data, *TASK_FLAGS, "--path", trained, "--valid-subset", "valid"),
        *("--cpu", "--max-tokens", 200, "--lang-pairs", ",".join(PAIRS)),
    )


def test_evaluate_with_and_without_the_modules(commands, trained, base, data, tmp_path):
    commands.run(
        *("lass", "evaluate", data, "--out", tmp_path, "--cpu"),
        *("--system", f"own={trained}", "--system", f"dense={trained}"),
        *("--dense", "dense", "--system", f"base={base}"),
    )
    own, dense, plain = json.loads((tmp_path / "scores.json").read_text())["systems"]
    assert str(base) in own["mask"] and dense["mask"] is None
    assert dense["pairs"] == plain["pairs"]


SAVING = ("--save-interval-updates", 6, "--keep-interval-updates", 1)
SAVING += ("--no-epoch-checkpoints",)


def test_a_killed_run_ends_with_the_same_bytes(commands, base, tmp_path):
    """Law 12, with pruning and dropout on; killed before and after it was pruned."""
    flags = (*LSLO, "--base", base, *GRADUAL, "--lslo-dropout", 0.1, "--max-epoch", 3)
    flags += (*SAVING, "--lang-pairs", "de-en,en-nl")  # 15 batches an epoch
    for death in (("die_at_update", 8), ("die_at_update", 26)):
        commands.train(tmp_path / "a", *flags, prepare=death, check=False)
    commands.train(tmp_path / "a", *flags)
    commands.train(tmp_path / "b", *flags)
    first, second = (load(tmp_path / name / "checkpoint_last.pt") for name in "ab")
    assert first["model"].keys() == second["model"].keys()
    for name, value in first["model"].items():
        assert same_bits(value, second["model"][name]), name
    states = (each["last_optimizer_state"]["state"] for each in (first, second))
    for mine, other in zip(*(each.values() for each in states), strict=True):
        assert all(same_bits(mine[kind], other[kind]) for kind in mine)
    pruned = {name for name in first["model"] if "kept_" in name}
    assert pruned and all("_de" in name or "_nl" in name for name in pruned)
    for name in pruned:
        kept = first["model"][name]
        weight = first["model"][name.replace("kept_A_", "A.").replace("kept_B_", "B.")]
        assert count(kept) == weight.numel() - round(0.5 * weight.numel())
        assert int((weight != 0).sum()) <= count(kept)


def test_two_processes_are_one_that_accumulates(commands, base, tmp_path):
    flags = (*LSLO, "--base", base, "--max-update", 8, "--no-epoch-checkpoints")
    flags += ("--dropout", 0, "--lang-pairs", "de-en,en-nl", "--disable-validation")
    train_by_two(commands, tmp_path / "two", *flags)
    commands.train(tmp_path / "one", *flags, "--update-freq", 2)
    two, one = (load(tmp_path / name / "checkpoint_last.pt") for name in ("two", "one"))
    for name, value in one["model"].items():
        torch.testing.assert_close(two["model"][name], value, rtol=1e-3, atol=1e-5)


def test_mixed_batches_train_all_their_languages(data, base):
    run = Run(data, *LSLO, "--base", base, "--mixed-batches", "--dropout", 0)
    sample = run.batch("de-en")
    dataset = run.task.datasets["train"]
    first = [dataset.start(key) for key in ("de-en", "en-nl", "nl-en")]
    mixed = dataset.collater([dataset[number] for number in (*first, first[0] + 1)])
    assert mixed["language_key"] is None
    assert sorted(mixed["language_keys"]) == ["de-en", "de-en", "en-nl", "nl-en"]
    run.backward(mixed)
    together = run.gradients()
    other = Run(data, *LSLO, "--base", base, "--dropout", 0)
    for number in (*first, first[0] + 1):
        sample = other.task.datasets["train"]
        other.backward(sample.collater([sample[number]]))
    apart = other.gradients()
    assert apart.keys() == together.keys() and apart
    for name, gradient in apart.items():
        torch.testing.assert_close(together[name], gradient, rtol=1e-3, atol=1e-4)


# -- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--lslo-ranks", "2;2;8"), "3 numbers, but the languages are of 2 resource"),
        (("--lslo-ranks", "de=2,en=2"), "--lslo-ranks says nothing of nl"),
        (("--lslo-ranks", "64"), "rank 64 of de is above 32, the size of encoder"),
        (("--lslo-matrices", "q,fc3"), "unknown matrix 'fc3'"),
        (("--lslo-placement", "first:3"), "--lslo-placement first:3: write first:N"),
        (("--lslo-plan", "none.json"), "--lslo-ranks has no effect with --lslo-plan"),
        (("--masks", "masks"), "--masks is for sub-networks"),
        (("--lslo-pruning", "layer"), "give both --lslo-pruning and"),
        (("--lslo-pruning-start", 3), "--lslo-pruning-start has no effect without"),
        ((*GRADUAL, "--max-epoch", 1), "pruning reaches its ratio in epoch 2, but"),
        (
            (*GRADUAL[:2], "--lslo-pruning-ratio", "1"),
            "the pruning ratio of de 1.0 is outside",
        ),
        (
            ("--lslo-pruning", "layer", "--lslo-pruning-ratio", "de=1,en=0,nl=0"),
            "makes the languages compete for one ratio",
        ),
        (("--resource-types", "H=de"), "--resource-types has no effect where"),
        (("--encoder-layers", 1), "was trained with --encoder-layers 2, this model"),
        (("--base", "nowhere.pt"), "there is no base nowhere.pt"),
        (("--finetune-from-model", "x.pt"), "x.pt|is given with --base"),
    ],
)
def test_options_that_are_refused(data, base, flags, words):
    with pytest.raises(LassError, match=words):
        Run(data, *LSLO, "--base", base, "--max-epoch", 3, *flags)


def test_a_refusal_is_one_sentence(commands, base, tmp_path):
    flags = (*LSLO, "--base", base, "--max-epoch", 3, "--lslo-ranks", "de=2,en=2")
    ended = commands.train(tmp_path, *flags, check=False)
    assert ended.returncode != 0 and "Traceback" not in ended.stderr
    assert "--lslo-ranks says nothing of nl" in ended.told


def test_a_backend_that_waits_for_every_gradient_is_refused(data, base):
    flags = (*LSLO, "--base", base)
    cfg = training_config(data, *flags).task
    cfg.distributed_world_size = 8
    with pytest.raises(LassError, match="add --find-unused-parameters, or use --ddp"):
        tasks.setup_task(cfg)
    cfg.find_unused_parameters = True
    tasks.setup_task(cfg)


TRANSLATION = f"{' '.join(TASK_FLAGS[4:])} -s de -t en --cpu"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base": "/gone/base.pt"}, "/gone/base.pt, is not there any more; give its"),
        ({"version": 2}, "are of version 2; this release reads version 1"),
        ({"plan": {}}, "the plan of the low-rank modules in .* is damaged"),
        ({"fingerprint": {"fc1": 0.5}}, "its fingerprint is of other matrices"),
    ],
)
def test_a_damaged_entry_or_a_base_that_is_gone(trained, data, tmp_path, change, words):
    state = load(trained)
    state["task_state"]["lslo"].update(change)
    torch.save(state, tmp_path / "changed.pt")
    with pytest.raises(LassError, match=words):
        load_model(tmp_path / "changed.pt", translation_task(data, TRANSLATION))


def test_modules_are_no_base(trained, base, data):
    with pytest.raises(LassError, match="holds low-rank modules and no base"):
        Run(data, *LSLO, "--base", trained)
    task = translation_task(data, f"{TRANSLATION} --base {base}")
    with pytest.raises(LassError, match="--base has no effect, because the checkpoint"):
        load_model(base, task)


def test_a_language_without_modules_is_refused(trained, data):
    task = translation_task(data, TRANSLATION)
    model = load_model(trained, task)
    with pytest.raises(LassError, match="have no rank for fr .they have de, en, nl"):
        model.method.bake("de-fr")


def test_another_base_is_refused(commands, trained, data, tmp_path):
    commands.train(tmp_path, "--max-update", 2, "--seed", 9, "--no-epoch-checkpoints")
    other = tmp_path / "checkpoint_last.pt"
    ended = commands.run(
        *("generate", data, *TASK_FLAGS, "--path", trained, "-s", "nl", "-t", "en"),
        *("--cpu", "--base", other),
        check=False,
    )
    assert "were trained on another base than" in ended.told


def test_another_plan_is_not_resumed(commands, trained, base, tmp_path):
    (tmp_path / "checkpoint_last.pt").write_bytes(trained.read_bytes())
    flags = (*LSLO[:2], "--base", base, "--max-epoch", 4, "--lslo-ranks")
    ended = commands.train(tmp_path, *flags, "2", check=False)
    assert "it was trained with" in ended.told and "Traceback" not in ended.stderr
    placed = (*flags, "3", "--lslo-placement", "target")
    ended = commands.train(tmp_path, *placed, check=False)
    assert "that it was trained with" in ended.told


def test_masks_have_no_effect_on_low_rank_modules(commands, trained, masks, data):
    ended = commands.run(
        *("generate", data, *TASK_FLAGS, "--path", trained, "-s", "nl", "-t", "en"),
        *("--cpu", "--inference-masks", masks),
        check=False,
    )
    assert "--inference-masks has no effect on a model with low-rank" in ended.told
