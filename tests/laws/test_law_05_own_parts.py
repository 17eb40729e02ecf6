"""Law 5 for own parts: what belongs to another target stands still.

In every precision and optimizer, weight decay and momentum included.
"""

import pytest
import torch
from conftest import OWN
from runs import same_bits


@pytest.fixture
def own(start):
    def build(*flags):
        return start(*OWN, "--weight-decay", 0.01, *flags)

    return build


def check(run) -> None:
    """Warm all moments; then update single targets and two of three."""
    for number in range(2):
        for key in ("en-de", "de-en", "en-nl"):
            run.update(run.batch(key, number))
    names = run.task.method._training.names
    assert list(names) == ["de", "en", "nl"]
    for number, keys in enumerate([("en-de",), ("nl-en",), ("en-de", "en-nl")]):
        before = run.of_keys()
        run.update(*(run.batch(key, 2 + number) for key in keys))
        after = run.of_keys()
        taking = {key.split("-")[1] for key in keys}
        for key, of_key in names.items():
            moved = 0
            for name in of_key:
                if key in taking:
                    moved += not same_bits(after[name]["model"], before[name]["model"])
                    continue
                for kind, value in after[name].items():
                    assert same_bits(value, before[name][kind]), (name, kind, keys)
            assert key not in taking or moved > len(of_key) / 2


OPTIMIZERS = {
    "strict_adam": (),
    "adam": (),
    "sgd": ("--momentum", 0.9),
    "adagrad": (),
}
PARTS = ("decoder", "attention")


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(each, marks=() if each == "strict_adam" else pytest.mark.slow)
        for each in OPTIMIZERS
    ],
)
@pytest.mark.parametrize("part", PARTS)
def test_parts_of_other_targets_stand_still(own, optimizer, part):
    flags = ("--optimizer", optimizer, *OPTIMIZERS[optimizer])
    check(own("--own", part, *flags))


PRECISIONS = {
    "flat fp16": ("--fp16",),
    "fp16 by matrix": ("--fp16", "--fp16-no-flatten-grads"),
    "bf16 autocast": ("--bf16-autocast",),
}


@pytest.mark.parametrize(
    "optimizer", ["strict_adam", pytest.param("adam", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_in_reduced_precision(own, half_precision_on_cpu, precision, optimizer):
    check(own("--optimizer", optimizer, *PRECISIONS[precision]))


@pytest.mark.parametrize("layers", [(), ("--decoder-layerdrop", 0.5)])
def test_several_targets_an_update(own, layers):
    """The gradient of each is that of its own batch, of the shared ones of both."""
    run = own("--dropout", 0, *layers)
    run.update("de-en")
    batches = [run.batch("en-de", 1), run.batch("en-nl", 1)]
    run.optimizer.zero_grad()
    alone = []
    for batch in batches:
        torch.manual_seed(1)
        run.backward(batch)
        alone.append(run.gradients())
        run.optimizer.zero_grad()
    torch.manual_seed(1)
    for batch in batches:
        run.backward(batch)
        torch.manual_seed(1)
    both = run.gradients()
    names = run.task.method._training.names
    assert not set(names["en"]) & both.keys()
    for key, own_gradients in zip(("de", "nl"), alone, strict=True):
        for name in names[key]:
            if name in both:
                assert same_bits(both[name], own_gradients[name])
    shared = "encoder.layers.0.fc1.weight"
    torch.testing.assert_close(both[shared], alone[0][shared] + alone[1][shared])


def test_a_dummy_batch_moves_nothing_of_its_key(own):
    run = own()
    for key in ("en-de", "en-nl"):
        run.update(key)
    before = run.of_keys()
    training = run.task.method._training
    run.optimizer.zero_grad()
    run.backward(run.batch("en-de", 1))
    sample, trainer = run.batch("en-nl", 1), run.trainer
    run.task.train_step(
        *(sample, trainer.model, trainer.criterion, run.optimizer, 3),
        ignore_grad=True,
    )
    run.task.optimizer_step(run.optimizer, run.model, 3)
    after = run.of_keys()
    for name in training.names["nl"]:
        for kind, value in after[name].items():
            assert same_bits(value, before[name][kind]), (name, kind)
    moved = [
        n
        for n in training.names["de"]
        if not same_bits(after[n]["model"], before[n]["model"])
    ]
    assert moved


@pytest.mark.parametrize("optimizer", ["strict_adam", "adam"])
def test_gradients_of_zero_move_nothing(own, optimizer):
    """What legacy_ddp leaves where no process had a batch of the target: zeros, by
    which momentum and weight decay would move a weight all the same."""
    run = own("--optimizer", optimizer)
    for key in ("en-de", "en-nl", "de-en"):
        run.update(key)
    before = run.of_keys()
    run.optimizer.zero_grad()
    run.backward(run.batch("en-de", 1))
    for parameter in run.model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    run.task.optimizer_step(run.optimizer, run.model, 4)
    after = run.of_keys()
    names = run.task.method._training.names
    for key in ("en", "nl"):
        for name in names[key]:
            for kind, value in after[name].items():
                assert same_bits(value, before[name][kind]), (name, kind)
    assert any(
        not same_bits(after[name]["model"], before[name]["model"])
        for name in names["de"]
    )
