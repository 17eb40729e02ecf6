"""Law 4. Forward sees W ⊙ M; each micro-batch's gradient is that of its own mask."""

import pytest
import torch
from conftest import PAIRS, load
from fairseq import optim
from fairseq.optim.sgd import SGD
from omegaconf import OmegaConf
from runs import assert_same, multiply_into, same_bits, train_by_two
from torch import nn

from lass_plugin.masks import load_masks
from lass_plugin.masks.packing import unpack
from lass_plugin.methods.search.one_search import SearchPlan, SubnetworkSearch
from lass_plugin.training.masked_weights import MaskedWeights

NO_DROPOUT = ("--dropout", 0)
SEARCH = (
    "--task translation_subnetwork_search --lang-pairs de-en --dropout 0 "
    "--pruning-criterion gradient --pruning-schedule gradual --pruning-ratio 0.6 "
    "--pruning-ramp 2 --pruning-interval 1"
).split()


class OneMatrix(nn.Module):
    """A model of one matrix, named as a transformer names it; loss = Σ a ⊙ W."""

    def __init__(self, weight: list[list[float]]):
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList([nn.Module()])
        self.encoder.layers[0].fc1 = nn.Linear(len(weight[0]), len(weight), bias=False)
        with torch.no_grad():
            self.weight.copy_(torch.tensor(weight))

    @property
    def weight(self) -> nn.Parameter:
        return self.encoder.layers[0].fc1.weight

    def sgd(self, rate: float) -> SGD:
        options = {"_name": "sgd", "lr": [rate], "momentum": 0.0, "weight_decay": 0.0}
        return optim.build_optimizer(OmegaConf.create(options), [self.weight])


SITE = "encoder.layers.0.fc1.weight"


def test_loss_is_that_of_a_model_whose_weights_were_multiplied(start, draw_masks):
    folder = draw_masks()
    masks = load_masks(folder)
    joint = start("--masks", folder, *NO_DROPOUT)
    for key in PAIRS:
        multiplied = start(*NO_DROPOUT)
        multiply_into(multiplied, masks[key])
        batch = joint.batch(key)
        before = joint.weights()
        assert torch.equal(joint.backward(batch), multiplied.backward(batch))
        assert_same(joint.weights(), before)


def test_validation_and_translation_are_of_the_multiplied_model(start, draw_masks):
    folder = draw_masks()
    joint = start("--masks", folder)
    joint.task.cfg.dense = False
    multiplied = start()
    multiply_into(multiplied, load_masks(folder)["de-en"])
    batch = joint.batch("de-en", split="valid")
    losses, translations = [], []
    for run in (joint, multiplied):
        model, criterion = run.model, run.trainer.criterion
        losses.append(run.task.valid_step(batch, model, criterion)[0])
        generator = run.task.build_generator([model], run.cfg.generation)
        translations.append(run.task.inference_step(generator, [model], batch))
    assert torch.equal(*losses)
    for first, second in zip(*translations, strict=True):
        assert torch.equal(first[0]["tokens"], second[0]["tokens"])
        assert torch.equal(first[0]["score"], second[0]["score"])
    dense = start()
    assert not torch.equal(
        dense.task.valid_step(batch, dense.model, dense.trainer.criterion)[0], losses[0]
    )


def test_masks_that_differ_in_one_weight_differ_in_the_loss():
    """By hand: W = [[1, 2], [3, 4]], x = [10, 1], M removes the 3."""
    model = OneMatrix([[1.0, 2.0], [3.0, 4.0]])
    weights = MaskedWeights({SITE: model.weight})
    weights.set_mask("de-en", {SITE: torch.tensor([0b1011], dtype=torch.uint8)})
    x = torch.tensor([10.0, 1.0])
    with weights.applied("de-en"):
        masked = model.encoder.layers[0].fc1(x)
        assert masked.tolist() == [12.0, 4.0]
        masked.sum().backward()
    assert model.encoder.layers[0].fc1(x).tolist() == [12.0, 34.0]
    assert model.weight.grad.tolist() == [[10.0, 1.0], [0.0, 1.0]]


# -- joint training ------------------------------------------------------------------


def test_joint_gradients_are_masked_one_micro_batch_at_a_time(start, draw_masks):
    """An update of two pairs has g_A ⊙ M_A + g_B ⊙ M_B, each from its own forward."""
    folder = draw_masks()
    masks = load_masks(folder)
    joint = start("--masks", folder, *NO_DROPOUT)
    parts = []
    for key in ("de-en", "en-nl"):
        multiplied = start(*NO_DROPOUT)
        multiply_into(multiplied, masks[key])
        multiplied.backward(joint.batch(key))
        own = multiplied.gradients()
        for site in joint.sites:
            own[site] *= masks[key].unpack(site)
        parts.append(own)
        joint.backward(joint.batch(key))
    together = joint.gradients()
    assert together.keys() == parts[0].keys()
    for name, gradient in together.items():
        assert torch.equal(gradient, parts[0][name] + parts[1][name]), name
    for site in joint.sites:
        neither = ~(masks["de-en"].unpack(site) | masks["en-nl"].unpack(site))
        assert neither.any() and not together[site][neither].any()
        only = masks["de-en"].unpack(site) & ~masks["en-nl"].unpack(site)
        assert torch.equal(together[site][only], parts[0][site][only])


def test_the_trainers_update_divides_that_sum_by_all_tokens(start, draw_masks):
    """By one process with --update-freq 2: the sum over the tokens of both pairs."""
    flags = ("--masks", draw_masks(), *NO_DROPOUT, "--clip-norm", 0)
    by_hand, trained = start(*flags), start(*flags)
    batches = [trained.batch(key) for key in ("de-en", "en-nl")]
    for batch in batches:
        by_hand.backward(batch)
    expected = by_hand.gradients()
    tokens = sum(batch["ntokens"] for batch in batches)
    seen = {}
    step = trained.optimizer.step
    trained.optimizer.step = lambda *more: (seen.update(trained.gradients()), step())
    trained.update(*batches)
    for name, gradient in seen.items():
        torch.testing.assert_close(
            gradient, expected[name] / tokens, rtol=1e-6, atol=1e-9
        )


@pytest.fixture(scope="module")
def two_processes(commands, tmp_path_factory, request):
    """Masks, and the checkpoint of joint training by two processes on one CPU."""
    from runs import Run, random_masks

    from lass_plugin.masks import save_masks

    folder = tmp_path_factory.mktemp("two")
    sites = Run(commands.data).sites
    save_masks(folder / "masks", random_masks(sites, PAIRS, ratio=0.8))
    train_by_two(
        commands,
        folder,
        *("--masks", folder / "masks", *NO_DROPOUT, "--max-update", 4),
        *("--weight-decay", 0.01, "--disable-validation", "--no-epoch-checkpoints"),
    )
    return folder / "masks", load(folder / "checkpoint_last.pt")


def test_two_processes_make_the_update_of_one_that_accumulates(start, two_processes):
    folder, state = two_processes
    run = start("--masks", folder, *NO_DROPOUT, "--weight-decay", 0.01)
    begun = run.weights()
    reader = run.trainer.get_train_iterator(epoch=1, load_dataset=False)
    batches = reader.next_epoch_itr(shuffle=True)
    different, used = 0, set()
    for _ in range(4):
        both = [next(batches), next(batches)]
        keys = {batch["language_key"] for batch in both}
        different += len(keys) == 2
        used |= keys
        run.update(*both)
    assert different >= 2  # else this shows nothing
    ours = run.weights()
    for name, weight in state["model"].items():
        torch.testing.assert_close(weight, ours[name], rtol=1e-5, atol=1e-6)
    for name, bits in load_masks(folder).union(used).items():
        outside = ~unpack(bits, ours[name].shape)
        assert outside.sum() > 50
        assert same_bits(state["model"][name][outside], begun[name][outside])
        assert same_bits(ours[name][outside], begun[name][outside])


# -- search --------------------------------------------------------------------------


def test_the_gradient_of_a_search_passes_straight_through_the_mask(start):
    """Eq. 5: the gradient is that with respect to W ⊙ M, of removed weights too."""
    run = start(*SEARCH)
    for _ in range(3):
        run.update("de-en")
    search = run.task.method.only
    bits = search.weights.bits("de-en")
    masks = {name: unpack(bits[name], run.sites[name].shape) for name in bits}
    multiplied = start(*NO_DROPOUT)
    multiplied.model.load_state_dict(run.model.state_dict())
    with torch.no_grad():
        for name, weight in multiplied.sites.items():
            weight.mul_(masks[name])
    for each in (run, multiplied):
        each.trainer.zero_grad()
    batch = run.batch("de-en", 1)
    assert torch.equal(run.backward(batch), multiplied.backward(batch))
    assert_same(run.gradients(), multiplied.gradients())
    for name, mask in masks.items():
        assert round(0.6 * mask.numel()) == (~mask).sum()
        # (a hidden unit that ReLU shuts off for every word has none)
        assert (run.gradients()[name][~mask] != 0).float().mean() > 0.8


def test_scores_of_removed_weights_keep_moving(start):
    run = start(*SEARCH)
    for _ in range(3):
        run.update("de-en")
    search = run.task.method.only
    before = search.scores()
    bits = search.weights.bits("de-en")
    run.update(run.batch("de-en", 1))
    for name, after in search.scores().items():
        removed = ~unpack(bits[name], after.shape)
        assert (after != before[name])[removed].float().mean() > 0.8


def search_by_hand(move_pruned: bool, rate: float):
    """Three updates of W = [1, 1, 1, 1] with gradients given by hand."""
    model = OneMatrix([[1.0, 1.0, 1.0, 1.0]])
    optimizer = model.sgd(rate)
    plan = SearchPlan(
        "de-en",
        "gradient",
        "gradual",
        ratio=0.25,
        ramp=1,
        interval=1,
        targets=("feed-forward",),
        move_pruned=move_pruned,
    )
    search = SubnetworkSearch(plan)
    seen = []
    for gradient in ([3.0, 1.0, 2.0, 0.0], [-9.0, 0.0, 0.0, 0.0], [0.0] * 4):
        optimizer.zero_grad()
        search.begin(model, optimizer)
        with search.micro_batch():
            seen.append((model.weight.detach() != 0).int().tolist()[0])
            (model.weight * torch.tensor([gradient])).sum().backward()
        search.step(optimizer)
    return seen, search, model


def test_a_removed_weight_can_return():
    """S = −Σ a W: [-3, -1, -2, 0] removes weight 0, [6, -1, -2, 0] weight 2."""
    seen, search, _ = search_by_hand(move_pruned=False, rate=0.0)
    assert seen == [[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 0, 1]]
    assert search.scores()[SITE].tolist() == [[6.0, -1.0, -2.0, 0.0]]


@pytest.mark.parametrize("moves, expected", [(False, 0.7), (True, 1.6)])
def test_a_removed_weight_is_updated_only_when_asked(moves, expected):
    """Weight 0: 1 − 0.1 · 3 = 0.7 while in use, then + 0.1 · 9 only if it moves."""
    _, _, model = search_by_hand(move_pruned=moves, rate=0.1)
    assert model.weight[0, 0].item() == pytest.approx(expected)
