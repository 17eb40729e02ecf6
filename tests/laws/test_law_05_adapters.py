"""Law 5 for adapters: those of keys that take no part in an update stand still.

In every precision and optimizer, weight decay and momentum included; and so does a base
that is frozen.
"""

import pytest
import torch
from runs import same_bits

from lass_plugin.methods.adapters.modules import belongs_to, is_adapter

DECAY = ("--weight-decay", 0.01)


@pytest.fixture
def adapters(start, base):
    """Start a run of adapters, from nothing or in the frozen base."""

    def build(*flags, frozen=False):
        task = ("--task", "translation_adapters", "--adapter-bottleneck", 4, *DECAY)
        more = ("--freeze-base", "--finetune-from-model", base) if frozen else ()
        run = start(*task, *more, *flags)
        if frozen:
            run.trainer.load_checkpoint(str(base), reset_optimizer=True)
        return run

    return build


def shared(run) -> dict[str, torch.Tensor]:
    parameters = run.model.named_parameters()
    return {n: p.detach().clone() for n, p in parameters if not is_adapter(n)}


def check(run, frozen: bool = False) -> None:
    """Warm all moments; then update single pairs and two together."""
    first = shared(run)
    for number in range(2):
        run.update(run.batch("de-en", number))
        run.update(run.batch("en-nl", number))
    plan = run.task.method.plan
    for number, keys in enumerate([("de-en",), ("en-nl",), ("de-en", "en-nl")]):
        before, base = run.of_keys(), shared(run)
        run.update(*(run.batch(key, 3 + number) for key in keys))
        pairs = [pair for pair in run.task.pairs if str(pair) in keys]
        moved = still = 0
        for name, after in run.of_keys().items():
            if any(belongs_to(name, plan.keys_of(pair)) for pair in pairs):
                moved += int((before[name]["model"] != after["model"]).sum())
                continue
            for kind, value in after.items():
                was = before[name].get(kind, torch.zeros_like(value))
                assert same_bits(value, was), (name, kind, keys)
            still += 1
        assert moved > 500 and still > 10
        now = shared(run)
        assert frozen is all(same_bits(now[name], base[name]) for name in now)
    if frozen:
        assert all(same_bits(value, first[name]) for name, value in shared(run).items())


OPTIMIZERS = {
    "strict_adam": (),
    "adam": (),
    "sgd": ("--momentum", 0.9),
    "adagrad": (),
}


def slow_but(values, *quick):
    """Parameters of a test, of which only *quick* are not slow."""
    return [
        pytest.param(value, marks=() if value in quick else pytest.mark.slow)
        for value in values
    ]


@pytest.mark.parametrize("optimizer", slow_but(OPTIMIZERS, "strict_adam"))
def test_adapters_of_other_pairs_stand_still(adapters, optimizer):
    check(adapters("--optimizer", optimizer, *OPTIMIZERS[optimizer]))


@pytest.mark.parametrize("optimizer", slow_but(["strict_adam", "adam"], "adam"))
def test_a_gradient_of_zero_moves_nothing(adapters, optimizer):
    """As legacy_ddp leaves of what no process has computed: moments and decay would."""
    run = adapters("--optimizer", optimizer)

    def all_reduce_grads():
        for parameter in run.model.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    run.model.all_reduce_grads = all_reduce_grads
    check(run)


@pytest.mark.parametrize("by", slow_but(["source", "target", "separate"], "separate"))
def test_those_of_other_languages_stand_still(adapters, by):
    check(adapters("--adapter-by", by))


PRECISIONS = {
    "flat fp16": ("--fp16",),
    "fp16 by matrix": ("--fp16", "--fp16-no-flatten-grads"),
    "bf16 autocast": ("--bf16-autocast",),
}


@pytest.mark.parametrize("optimizer", slow_but(["strict_adam", "adam"], "strict_adam"))
@pytest.mark.parametrize("precision", slow_but(PRECISIONS, "flat fp16"))
def test_in_reduced_precision(adapters, half_precision_on_cpu, precision, optimizer):
    check(adapters("--optimizer", optimizer, *PRECISIONS[precision]))


@pytest.mark.slow
def test_in_memory_efficient_fp16(adapters, half_precision_on_cpu):
    check(adapters("--memory-efficient-fp16", "--optimizer", "adam"))


@pytest.mark.parametrize("precision", slow_but([(), ("--fp16",)], ()))
def test_a_frozen_base_stands_still(adapters, half_precision_on_cpu, precision):
    run = adapters(*precision, frozen=True)
    check(run, frozen=True)
    trained = {n for n, p in run.model.named_parameters() if p.requires_grad}
    assert trained == set(run.task.method._training.parameters)


def test_an_optimizer_that_cannot_be_strict_is_refused(adapters):
    run = adapters("--optimizer", "adafactor", "--lr", 0.001)
    with pytest.raises(SystemExit, match="cannot keep the weights"):
        run.update(run.batch("de-en"))
