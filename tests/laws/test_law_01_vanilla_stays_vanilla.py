"""Law 1. A vanilla model stays vanilla."""

import bare
import pytest
import torch
from conftest import MODEL_FLAGS, PAIRS, TRAIN_FLAGS, load
from runs import assert_same, same_bits

from lass_plugin.masks import load_masks
from lass_plugin.masks.packing import unpack

PAIR_FLAGS = ("--lang-pairs", ",".join(PAIRS))


def stock(command: str, *arguments) -> bare.Ended:
    """A command of fairseq that knows nothing of this package.

    Since torch 2.6 stock fairseq cannot read its own checkpoints unless torch is told
    that ``argparse.Namespace`` is harmless; nothing else is allowed here.
    """
    entry = (
        "import argparse, sys, torch; "
        "torch.serialization.add_safe_globals([argparse.Namespace]); "
        f"from fairseq_cli.{command} import cli_main; cli_main(); "
        "assert not [name for name in sys.modules if name.startswith('lass')]"
    )
    return bare.run(entry, *arguments)


STOCK_TASK = (
    "--task translation_multi_simple_epoch --encoder-langtok src --decoder-langtok "
    "--langs de,en,nl"
).split()


def test_names_and_shapes_are_those_of_the_model_under_a_mask_and_after(
    start, draw_masks
):
    from fairseq import models

    dense = start()
    stock_model = models.build_model(dense.cfg.model, dense.task)
    before = {name: tuple(v.shape) for name, v in stock_model.state_dict().items()}
    masked = start("--masks", draw_masks())
    sample = masked.batch("de-en")
    seen = {}

    def look(*_):
        state = masked.model.state_dict()
        seen.update({name: tuple(value.shape) for name, value in state.items()})

    masked.model.register_forward_hook(look)
    masked.update(sample)
    assert list(seen) == list(before) and seen == before
    after = masked.model.state_dict()
    assert {name: tuple(value.shape) for name, value in after.items()} == before
    assert list(dict(masked.model.named_parameters())) == list(
        dict(dense.model.named_parameters())
    )


def test_what_a_masked_run_saves_is_the_whole_model_not_the_masked_one(
    start, draw_masks, tmp_path
):
    run = start("--masks", draw_masks())
    before = run.weights()
    run.backward(run.batch("de-en"))
    assert_same(run.weights(), before)
    site = next(iter(run.sites))
    assert (run.model.state_dict()[site] != 0).all()


@pytest.mark.parametrize("flags", [(), ("--bf16-autocast",)])
@pytest.mark.parametrize(
    "optimizer",
    [("strict_adam", "--weight-decay", 0.01), ("adam", "--weight-decay", 0.01)],
    ids=lambda flags: flags[0],
)
def test_masks_of_ones_change_no_bit_of_loss_gradient_or_update(
    start, draw_masks, optimizer, flags
):
    runs = [
        start(*masks, "--optimizer", *optimizer, *flags)
        for masks in ((), ("--masks", draw_masks(ratio=0.0)))
    ]
    for number, keys in enumerate([("de-en",), ("en-nl", "nl-en"), ("en-de",)] * 2):
        losses, gradients = [], []
        for run in runs:
            step = run.optimizer.step

            def keep(*more, run=run, step=step, gradients=gradients):
                gradients.append(run.gradients())
                return step(*more)

            run.optimizer.step = keep
            batches = [run.batch(key, number) for key in keys]
            losses.append(run.update(*batches)["loss"])
            run.optimizer.step = step
        assert losses[0] == losses[1]
        assert_same(*gradients)
        assert_same(runs[0].weights(), runs[1].weights())
    first, second = (run.moments() for run in runs)
    for site in first:
        assert_same(first[site], second[site])


def test_masks_of_ones_by_command_give_the_checkpoint_of_a_run_without(
    commands, base, draw_masks, tmp_path
):
    flags = ("--max-update", 40, "--no-epoch-checkpoints")
    commands.train(tmp_path, *flags, "--masks", draw_masks(ratio=0.0))
    dense, ones = load(base), load(tmp_path / "checkpoint_last.pt")
    assert_same(dense["model"], ones["model"])
    first, second = (state["last_optimizer_state"]["state"] for state in (dense, ones))
    assert first.keys() == second.keys() and len(first) > 20
    for place in first:
        assert_same(first[place], second[place])


def test_from_stock_fairseq_and_back(commands, data, start, draw_masks, tmp_path):
    """Stock training, joint training from it, stock translation of the result."""
    flags = [flag if flag != "strict_adam" else "adam" for flag in TRAIN_FLAGS]
    few = ("--no-epoch-checkpoints", "--disable-validation")
    result = stock(
        "train",
        *(data, *STOCK_TASK, *PAIR_FLAGS, *MODEL_FLAGS, *flags, *few),
        *("--max-update", 5, "--save-dir", tmp_path / "stock"),
    )
    assert result.returncode == 0, result.stderr[-3000:]
    base = tmp_path / "stock" / "checkpoint_last.pt"
    masks = draw_masks()
    commands.train(
        tmp_path / "joint",
        *("--finetune-from-model", base, "--masks", masks, "--max-update", 3, *few),
    )
    joint = tmp_path / "joint" / "checkpoint_last.pt"
    theirs, ours = load(base)["model"], load(joint)["model"]
    assert list(theirs) == list(ours) == list(start().model.state_dict())
    union = load_masks(masks).union(PAIRS)
    for name, bits in union.items():  # θ₀ is still there where nothing may move
        outside = ~unpack(bits, theirs[name].shape)
        assert outside.any()
        assert same_bits(theirs[name][outside], ours[name][outside])
        assert not torch.equal(theirs[name], ours[name])

    result = stock(
        "generate",
        *(data, *STOCK_TASK, "--lang-pairs", "de-en", "--path", joint, "--cpu"),
        *("--source-lang", "de", "--target-lang", "en", "--num-workers", 0),
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("\nH-") == 8  # stock drops the last, partial batch


def test_batches_are_those_of_the_stock_task(start, data):
    from fairseq import options, tasks
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf

    flags = [flag if flag != "strict_adam" else "adam" for flag in TRAIN_FLAGS]
    parser = options.get_training_parser("translation_multi_simple_epoch")
    arguments = options.parse_args_and_arch(
        parser,
        list(map(str, [data, *STOCK_TASK, *PAIR_FLAGS, *MODEL_FLAGS, *flags])),
    )
    theirs = tasks.setup_task(convert_namespace_to_omegaconf(arguments).task)
    theirs.load_dataset("valid", epoch=1)
    run = start()
    assert theirs.target_dictionary.symbols == run.task.target_dictionary.symbols
    assert theirs.source_dictionary.symbols == run.task.source_dictionary.symbols

    for key in PAIRS:
        batch = run.batch(key, size=5, split="valid")
        parts, _ = theirs.data_manager.load_split_datasets(
            "valid", training=False, epoch=1, combine=False
        )
        data_of_pair = dict(parts)[f"main:{key}"]
        own = data_of_pair.collater([data_of_pair[number] for number in range(5)])
        order = torch.argsort(own["id"])
        mine = torch.argsort(batch["id"])
        for name in ("src_tokens", "src_lengths", "prev_output_tokens"):
            assert torch.equal(
                own["net_input"][name][order], batch["net_input"][name][mine]
            ), (key, name)
        assert torch.equal(own["target"][order], batch["target"][mine])
        assert own["ntokens"] == batch["ntokens"]


def test_the_loss_without_masks_is_that_of_the_model(start):
    """The task adds nothing to the stock way of computing a loss."""
    run = start("--dropout", 0)
    batch = run.batch("de-en")
    loss = run.backward(batch)
    expected, _, _ = run.trainer.criterion(run.model, batch)
    assert torch.equal(loss, expected.detach())
