"""Law 5. What lies outside the masks of an update does not move, nor do its moments."""

import pytest
import torch
from fairseq.optim.adam import FairseqAdam
from fairseq.optim.fp16_optimizer import FP16Optimizer, MemoryEfficientFP16Optimizer
from hypothesis import given
from hypothesis import strategies as st
from runs import same_bits

from lass_plugin.errors import LassError
from lass_plugin.masks import load_masks
from lass_plugin.masks.packing import pack, unpack
from lass_plugin.optim import StrictAdam
from lass_plugin.training.stretches import Stretch, innermost
from lass_plugin.training.strict_update import (
    Region,
    check_optimizer,
    restore_outside,
)

DECAY = ("--weight-decay", 0.01)
OPTIMIZERS = {
    "strict_adam": (),
    "adam": (),
    "sgd": ("--momentum", 0.9),
    "nag": ("--momentum", 0.9),
    "adagrad": (),
    "adamax": (),
    "adadelta": ("--lr", 1.0),
}


def values(run) -> dict[str, torch.Tensor]:
    """Site -> the weights that the optimizer steps on (float32 copies in FP16)."""
    from lass_plugin.training.stretches import find_stretches

    stretches = find_stretches(run.optimizer, run.sites)
    return {name: stretch.value.clone() for name, stretch in stretches.items()}


def snapshot(run) -> dict[str, dict[str, torch.Tensor]]:
    """Site -> everything of it that an update could move, flat."""
    weights, moments = values(run), run.moments()
    model = {name: weight.detach().reshape(-1) for name, weight in run.sites.items()}
    return {
        name: {
            "optimizer": weights[name],
            "model": model[name].clone(),
            **moments[name],
        }
        for name in weights
    }


def assert_strict(before, after, masks, keys) -> None:
    """Bit-equal outside the union of *keys*' masks, moments included; inside it, what
    each pair brings alone has moved."""
    union = masks.union(keys)
    for site, old in before.items():
        shape = (old["model"].numel(),)
        held = ~unpack(union[site], shape)
        assert held.sum() > 100
        for name, value in after[site].items():
            # a moment that did not exist before was zero
            was = old.get(name, torch.zeros_like(value))
            assert same_bits(value[held], was[held]), (site, name)
        for key in keys:
            alone = unpack(masks[key].bits[site], shape)
            for other in keys:
                if other != key:
                    alone &= ~unpack(masks[other].bits[site], shape)
            for name in set(old) - {"model"}:
                moved = (after[site][name] != old[name])[alone]
                assert moved.float().mean() > 0.5, (site, name, key)


def check_strict(run, masks) -> None:
    """Warm the moments with both pairs; then update one, the other, and both."""
    for number in range(2):
        run.update(run.batch("de-en", number))
        run.update(run.batch("en-nl", number))
    for number, keys in enumerate([("de-en",), ("en-nl",), ("en-nl", "de-en")]):
        before = snapshot(run)
        moments = next(iter(before.values()))
        assert moments.keys() > {"optimizer", "model"}
        run.update(*(run.batch(key, 3 + number) for key in keys))
        assert_strict(before, snapshot(run), masks, keys)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_accepted_optimizer_is_strict(start, draw_masks, name):
    folder = draw_masks()
    flags = ("--optimizer", name, *OPTIMIZERS[name], *DECAY)
    run = start("--masks", folder, *flags)
    begun = snapshot(run)
    check_strict(run, load_masks(folder))
    union = load_masks(folder).union(["de-en", "en-nl"])
    now = snapshot(run)
    for site, value in begun.items():
        held = ~unpack(union[site], (value["model"].numel(),))
        assert same_bits(now[site]["model"][held], value["model"][held])


PRECISIONS = {
    "flat fp16": ("--fp16",),
    "fp16 by matrix": ("--fp16", "--fp16-no-flatten-grads"),
    "bf16 autocast": ("--bf16-autocast",),
}


@pytest.mark.parametrize("optimizer", ["strict_adam", "adam"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_is_strict(
    start, draw_masks, half_precision_on_cpu, precision, optimizer
):
    folder = draw_masks()
    flags = ("--optimizer", optimizer, *DECAY, *PRECISIONS[precision])
    run = start("--masks", folder, *flags)
    if "fp16" in precision:
        assert isinstance(run.optimizer, FP16Optimizer)
        assert run.optimizer.has_flat_params == (precision == "flat fp16")
        assert next(iter(run.sites.values())).dtype == torch.float16
    check_strict(run, load_masks(folder))


def test_memory_efficient_fp16_is_strict(start, draw_masks):
    folder = draw_masks()
    flags = ("--optimizer", "adam", *DECAY, "--fp16", "--memory-efficient-fp16")
    run = start("--masks", folder, *flags)
    assert isinstance(run.optimizer, MemoryEfficientFP16Optimizer)
    check_strict(run, load_masks(folder))


@pytest.mark.parametrize("optimizer", ["strict_adam", "adam"])
def test_amp_is_strict(start, draw_masks, half_precision_on_cpu, optimizer):
    folder = draw_masks()
    run = start("--masks", folder, "--optimizer", optimizer, *DECAY)
    run.cfg.common.amp = True  # refused on a CPU as an option
    assert type(run.optimizer).__name__ == "AMPOptimizer"
    assert run.optimizer.scaler.is_enabled()
    check_strict(run, load_masks(folder))


def test_amp_takes_the_loss_scale_out_once(start, half_precision_on_cpu):
    moved = []
    flags = ("--optimizer", "sgd", "--lr-scheduler", "fixed", "--warmup-updates", 0)
    for amp in (False, True):
        run = start(*flags, "--dropout", 0)
        run.cfg.common.amp = amp
        before = run.weights()
        run.update("de-en")
        assert (type(run.optimizer).__name__ == "AMPOptimizer") == amp
        after = run.weights()
        moved.append(sum(float((after[n] - before[n]).norm()) for n in before))
    assert moved[0] > 0 and moved[1] == pytest.approx(moved[0], rel=0.1)  # rounded


# -- participants --------------------------------------------------------------------


def test_a_dropped_update_leaves_nothing_in_the_next(
    start, draw_masks, half_precision_on_cpu
):
    """An overflow drops the update of one pair; the next is of the other pair alone."""
    folder = draw_masks()
    run = start("--masks", folder, *DECAY, "--fp16")
    masks = load_masks(folder)
    for key in ("de-en", "en-nl") * 2:
        run.update(key)
    before = snapshot(run)
    count = run.trainer.get_num_updates()
    weight = next(iter(run.sites.values()))
    spoil = weight.register_hook(lambda gradient: gradient * float("inf"))
    run.update("de-en")
    spoil.remove()
    assert run.trainer.get_num_updates() == count  # dropped
    run.update("en-nl")
    assert run.trainer.get_num_updates() == count + 1
    assert_strict(before, snapshot(run), masks, ["en-nl"])


def test_a_pair_takes_part_although_a_layer_was_dropped(start, draw_masks, monkeypatch):
    """With --encoder-layerdrop the first matrix may get no gradient from a batch."""
    from fairseq.modules.layer_drop import LayerDropModuleList

    folder = draw_masks()
    masks = load_masks(folder)
    run = start("--masks", folder, "--encoder-layerdrop", 0.5, *DECAY)
    plan = []

    def layers(self):
        chosen = plan.pop(0)
        return (layer for i, layer in enumerate(self._modules.values()) if i in chosen)

    monkeypatch.setattr(LayerDropModuleList, "__iter__", layers)
    plan += [(0, 1)] * 4
    for key in ("de-en", "en-nl") * 2:
        run.update(key)
    plan += [(1,), (0, 1)]
    before = snapshot(run)
    run.update("de-en", "en-nl")
    assert not plan
    assert_strict(before, snapshot(run), masks, ["de-en", "en-nl"])


def test_a_dummy_batch_does_not_take_part(start, draw_masks):
    """A rank that has run out of data goes on with a batch that counts for nothing."""
    folder = draw_masks()
    run = start("--masks", folder, *DECAY)
    for key in ("de-en", "en-nl") * 2:
        run.update(key)
    run.trainer._dummy_batch = run.batch("nl-en")
    before = snapshot(run)
    # an empty sample, as the last of a shard that is shorter than the others
    run.trainer.train_step([run.batch("en-nl"), {}])
    masks = load_masks(folder)
    assert_strict(before, snapshot(run), masks, ["en-nl"])


# -- restoring -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str
)
def test_zeros_of_both_signs_infinities_and_nan_survive(kind):
    special = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1.0, 5e-8, -1e-45]
    old = torch.tensor(special * len(special), dtype=kind)
    new = torch.tensor([b for b in special for _ in special], dtype=kind)
    movable = torch.arange(len(old)) % 3 == 0
    expected = torch.where(movable, new, old)
    value = new.clone()
    restore_outside(value, old.clone(), movable)
    assert same_bits(value[movable], new[movable])
    assert same_bits(value[~movable], old[~movable])
    assert same_bits(value, expected)


@given(st.lists(st.tuples(st.integers(), st.integers(), st.booleans()), min_size=1))
def test_any_bits_are_restored(triples):
    bits = [(a % 2**32 - 2**31, b % 2**32 - 2**31) for a, b, _ in triples]
    movable = torch.tensor([m for *_, m in triples])
    new = torch.tensor([a for a, _ in bits], dtype=torch.int32)
    old = torch.tensor([b for _, b in bits], dtype=torch.int32)
    value = new.clone()
    restore_outside(value.view(torch.float32), old.clone().view(torch.float32), movable)
    assert torch.equal(value, torch.where(movable, new, old))


# -- the optimizer of this package -----------------------------------------------------


def gradients(shape, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_strict_adam_without_masks_is_adamw(decay):
    options = {"lr": 0.01, "betas": (0.9, 0.98), "eps": 1e-8, "weight_decay": decay}
    start = gradients((37, 11), 1, seed=9)[0]
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    strict, adamw = (
        StrictAdam([ours], **options),
        torch.optim.AdamW([theirs], **options),
    )
    for gradient in gradients((37, 11), 8):
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        strict.step()
        adamw.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
    for name in ("exp_avg", "exp_avg_sq"):
        torch.testing.assert_close(
            strict.state[ours][name], adamw.state[theirs][name], rtol=1e-6, atol=1e-8
        )


def test_strict_adam_follows_the_equations_of_adamw():
    """A slow loop of Loshchilov and Hutter 2019, Algorithm 2, on one number."""
    weight = torch.nn.Parameter(torch.tensor([[0.5]]))
    optimizer = StrictAdam([weight], lr=0.1, betas=(0.9, 0.98), weight_decay=0.2)
    w, m, v = 0.5, 0.0, 0.0
    for t, g in enumerate([0.3, -0.2, 0.7], start=1):
        weight.grad = torch.tensor([[g]])
        optimizer.step()
        m = 0.9 * m + 0.1 * g
        v = 0.98 * v + 0.02 * g * g
        root = (v / (1 - 0.98**t)) ** 0.5
        w = w - 0.1 * 0.2 * w - 0.1 * (m / (1 - 0.9**t)) / (root + 1e-8)
        assert weight.item() == pytest.approx(w, rel=1e-5)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("units", [3, 4096, (1 << 18) + 13, (1 << 19) + 1])
def test_movable_weights_are_those_of_the_run_without_masks(units, flat):
    """Held back in pieces or not, alone or inside a flat copy of all parameters."""
    offset = 1001 if flat else 0
    size = units + (offset + 77 if flat else 0)
    start = gradients((size,), 1, seed=9)[0]
    free, held = (torch.nn.Parameter(start.clone()) for _ in range(2))
    options = {"lr": 0.01, "weight_decay": 0.1}
    optimizers = [StrictAdam([free], **options), StrictAdam([held], **options)]
    mask = torch.rand(units, generator=torch.Generator().manual_seed(1)) < 0.5
    mask[0], mask[-1] = True, False
    region = Region(Stretch(held, offset, units), pack(mask))
    everywhere = torch.ones(size, dtype=torch.bool)
    everywhere[offset : offset + units] = mask
    for number, gradient in enumerate(gradients((size,), 4)):
        free.grad = gradient.clone()
        held.grad = torch.where(everywhere, gradient, 0.0)
        optimizers[0].step()
        if number == 0:  # warm moments everywhere
            held.grad = gradient.clone()
            optimizers[1].step()
            still = [held.detach().clone()]
            state = optimizers[1].state[held]
            still += [state["exp_avg"].clone(), state["exp_avg_sq"].clone()]
            continue
        with optimizers[1].hold([region]):
            optimizers[1].step()
    now = [held.detach(), state["exp_avg"], state["exp_avg_sq"]]
    for value, before in zip(now, still, strict=True):
        assert same_bits(value[~everywhere], before[~everywhere])
    torch.testing.assert_close(held[everywhere], free[everywhere], rtol=1e-6, atol=1e-8)


# -- refusals --------------------------------------------------------------------------


def test_optimizers_that_mix_weights_are_refused_by_name(start, draw_masks):
    flags = ("--optimizer", "adafactor", "--lr", 1e-3)
    for more in (("--masks", draw_masks()), ()):
        run = start(*flags, *more)
        if more:
            before = run.weights()
            with pytest.raises(LassError, match="FairseqAdafactor.*--optimizer strict"):
                run.update("de-en")
            assert all(same_bits(run.weights()[k], v) for k, v in before.items())
        else:
            run.update("de-en")  # a base may be trained with anything
    search = ("--task", "translation_subnetwork_search", "--lang-pairs", "de-en")
    with pytest.raises(LassError, match="FairseqAdafactor"):
        start(*flags, *search).update("de-en")


@pytest.mark.parametrize("name", ["FairseqLAMB", "FairseqCompositeOptimizer"])
def test_unknown_optimizers_are_refused_by_name(name):
    from fairseq.optim import FairseqOptimizer

    optimizer = type(name, (FairseqOptimizer,), {})(None)
    optimizer._optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1)
    with pytest.raises(LassError, match=name):
        check_optimizer(optimizer)


def test_adam_with_scaled_moments_is_refused(start):
    run = start("--optimizer", "adam")
    assert isinstance(innermost(run.optimizer), FairseqAdam)
    check_optimizer(run.optimizer)
    innermost(run.optimizer).optimizer.use_fp16_stats = True
    with pytest.raises(LassError, match="--fp16-adam-stats"):
        check_optimizer(run.optimizer)


@pytest.mark.parametrize(
    "flags, named",
    [
        (("--amp",), "--amp"),
        (("--bf16",), "--bf16"),
        (("--memory-efficient-bf16",), "--bf16"),
        (("--bf16-autocast", "--memory-efficient-fp16"), "--bf16-autocast"),
        (("--ddp-backend", "fully_sharded"), "--ddp-backend fully_sharded"),
        (("--ddp-backend", "slowmo"), "--ddp-backend slowmo"),
        (("--zero-sharding", "os"), "--zero-sharding os"),
        (("--use-bmuf",), "--use-bmuf"),
        (("--mixed-batches",), "--mixed-batches"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_strict_is_refused_at_the_start(start, tmp_path, flags, named):
    with pytest.raises(LassError) as refused:
        start("--masks", tmp_path, *flags)
    assert named in refused.value.message


def test_strict_adam_is_refused_with_memory_efficient_fp16(start):
    with pytest.raises(LassError, match="--memory-efficient-fp16.*--optimizer adam"):
        start("--memory-efficient-fp16").optimizer  # noqa: B018


@pytest.mark.parametrize(
    "flags, named",
    [(("--optimizer", "adafactor"), "FairseqAdafactor"), (("--bf16",), "--bf16")],
    ids=["adafactor", "bf16"],
)
def test_a_refusal_is_one_sentence(commands, draw_masks, tmp_path, flags, named):
    result = commands.train(
        tmp_path / "out", "--masks", draw_masks(), *flags, check=False
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and named in last
    assert "Traceback" not in result.stderr
    assert not list((tmp_path / "out").glob("*.pt"))
