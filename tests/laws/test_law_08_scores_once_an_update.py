"""Law 8. Scores grow once an update, by the gradient that the optimizer uses."""

from types import SimpleNamespace

import pytest
import torch
from conftest import load
from runs import assert_same, train_by_two

from lass_plugin.methods.search.one_search import SubnetworkSearch
from lass_plugin.scores import SCORES
from lass_plugin.training.stretches import gradient_factor

KEY = "de-en"
ONE = "--task translation_subnetwork_search --lang-pairs de-en --dropout 0".split()
SEARCH = (*ONE, "--pruning-criterion", "gradient")
ADDED = {
    "gradient": lambda slope, weight: -slope * weight,
    "sensitivity": lambda slope, weight: abs(slope * weight),
    "fisher": lambda slope, weight: (slope * weight) ** 2,
}
"""What an update adds to the score of a weight: He 2023, Eq. 2; its size; squared."""

CRITERIA = pytest.mark.parametrize("criterion", ADDED)
GRADUAL = (
    "--pruning-schedule gradual --pruning-ratio 0.6 --pruning-ramp 2 "
    "--pruning-interval 1"
).split()


def micro_batches(run, update: int) -> list:
    return [run.batch(KEY, 2 * update), run.batch(KEY, 2 * update + 1, size=6)]


def by_equation(start, criterion: str, updates: int, clip: float) -> list[dict]:
    """A score as a slow loop: the sum over updates, one weight at a time.

    Returns the scores after each update. L is the loss of the whole update: the sum
    over its micro-batches, divided by their tokens.
    """
    added = ADDED[criterion]
    trained = start(*SEARCH, "--clip-norm", clip)  # only for the weights on the way
    scores = {name: [0.0] * site.numel() for name, site in trained.sites.items()}
    after = []
    for update in range(updates):
        alone = start("--dropout", 0)
        alone.model.load_state_dict(trained.model.state_dict())
        batches = micro_batches(trained, update)
        for batch in batches:
            alone.backward(batch)
        tokens = sum(batch["ntokens"] for batch in batches)
        gradients = {k: g / tokens for k, g in alone.gradients().items()}
        norm = sum(float((g.double() ** 2).sum()) for g in gradients.values()) ** 0.5
        factor = min(1.0, clip / (norm + 1e-6)) if clip else 1.0
        for name, site in alone.sites.items():
            weights = site.detach().view(-1).tolist()
            slopes = gradients[name].view(-1).tolist()
            for i in range(len(weights)):
                scores[name][i] += added(factor * slopes[i], weights[i])
        after.append({name: torch.tensor(values) for name, values in scores.items()})
        trained.update(*batches)
    return after


def assert_close(scores, expected, rtol=1e-4) -> None:
    assert scores.keys() == expected.keys()
    for name, score in scores.items():
        largest = float(expected[name].abs().max())
        assert largest > 0
        torch.testing.assert_close(
            score.view(-1), expected[name], rtol=rtol, atol=1e-5 * largest
        )


@pytest.mark.parametrize(
    "clip, criterion",
    [
        (0.05, "gradient"),
        (0.05, "sensitivity"),
        (0.05, "fisher"),
        (0.0, "gradient"),
        pytest.param(0.0, "sensitivity", marks=pytest.mark.slow),
        pytest.param(0.0, "fisher", marks=pytest.mark.slow),
    ],
)
def test_scores_are_those_of_the_equation(start, criterion, clip):
    """Two micro-batches an update, whose gradients are added up before anything else is
    done with them; with clipping, of the gradient as clipped."""
    expected = by_equation(start, criterion, updates=3, clip=clip)
    run = start(*ONE, "--pruning-criterion", criterion, "--clip-norm", clip)
    search = run.task.method.only
    for update in range(3):
        run.update(*micro_batches(run, update))
        assert search.updates == update + 1
        assert_close(search.scores(), expected[update])
    # even updates and odd ones apart: the first and third, and the second
    second = {name: expected[1][name] - expected[0][name] for name in expected[0]}
    assert_close(search.scores(half=1), second)
    rest = {name: expected[2][name] - second[name] for name in second}
    assert_close(search.scores(half=0), rest)


def test_clipping_makes_a_difference(start):
    """(else the test above would say nothing)"""
    free, clipped = (start(*SEARCH, "--clip-norm", clip) for clip in (0.0, 0.05))
    for run in (free, clipped):
        run.update(*micro_batches(run, 0))
    for name, score in clipped.task.method.only.scores().items():
        assert (
            score.abs().sum() < 0.2 * free.task.method.only.scores()[name].abs().sum()
        )


def test_the_weight_is_the_one_before_the_update_and_not_masked(start, monkeypatch):
    run = start(*SEARCH, *GRADUAL, "--clip-norm", 0)
    for update in range(3):
        run.update(*micro_batches(run, update))
    search = run.task.method.only
    before, scores, gradients = run.weights(), search.scores(), {}
    stock = SubnetworkSearch._accumulate

    def look(self, optimizer):
        gradients.update(run.gradients())
        stock(self, optimizer)

    monkeypatch.setattr(SubnetworkSearch, "_accumulate", look)
    run.update(*micro_batches(run, 3))
    for name, score in search.scores().items():
        expected = scores[name] - gradients[name] * before[name]
        torch.testing.assert_close(score, expected, rtol=1e-5, atol=1e-8)
        assert not torch.equal(run.model.state_dict()[name], before[name])


def test_validation_adds_nothing(start):
    run = start(*SEARCH, *GRADUAL)
    for _ in range(3):
        run.update(KEY)
    search = run.task.method.only
    before = {name: score.clone() for name, score in search.scores().items()}
    for number in range(2):
        batch = run.batch(KEY, number, split="valid")
        run.task.valid_step(batch, run.model, run.trainer.criterion)
    assert_same(search.scores(), before)
    assert search.updates == 3


# -- scaled gradients ------------------------------------------------------------------


@CRITERIA
@pytest.mark.parametrize("kind", [float, torch.tensor])
@pytest.mark.parametrize("half", [False, True])
def test_what_the_optimizer_has_yet_to_multiply_by_is_undone(criterion, kind, half):
    """By hand: gradient 3 scaled by 128, W = 2: S = 10 − 3 · 2 (10 + 6, 10 + 36)."""
    gradient = torch.tensor([3.0 * 128, -128.0])
    gradient = gradient.half() if half else gradient
    optimizer = SimpleNamespace(_multiply_factor=kind(1 / 128))
    score = torch.tensor([10.0, 0.0])
    before = gradient.clone()
    SCORES.get(criterion).accumulate(
        score, torch.tensor([2.0, 5.0]), gradient, gradient_factor(optimizer)
    )
    by_hand = {
        "gradient": [4.0, 5.0],
        "sensitivity": [16.0, 5.0],
        "fisher": [46.0, 25.0],
    }
    assert score.tolist() == by_hand[criterion]
    assert torch.equal(gradient, before)
    assert gradient_factor(SimpleNamespace()) == 1.0


@pytest.mark.parametrize(
    "clip, criterion",
    [
        (0.05, "gradient"),
        (0.05, "sensitivity"),
        (0.0, "gradient"),
        pytest.param(0.0, "sensitivity", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "flags",
    [
        ("--fp16",),
        ("--fp16", "--fp16-no-flatten-grads"),
        ("--fp16", "--memory-efficient-fp16", "--optimizer", "adam"),
    ],
    ids=["flat", "by matrix", "memory efficient"],
)
def test_scores_in_half_precision_are_those_in_single(
    start, half_precision_on_cpu, flags, clip, criterion
):
    """Whatever the scale of the loss; a factor forgotten would show as 64 or more."""
    search = (*ONE, "--pruning-criterion", criterion)
    single = start(*search, "--clip-norm", clip)
    single.update(*micro_batches(single, 0))
    for scale in (64, 1024):
        run = start(*search, *flags, "--fp16-init-scale", scale, "--clip-norm", clip)
        run.update(*micro_batches(run, 0))
        assert run.task.method.only.updates == 1
        for name, expected in single.task.method.only.scores().items():
            score = run.task.method.only.scores()[name]
            assert score.dtype == torch.float32
            difference = (score - expected).norm() / expected.norm()
            assert difference < 0.03, (name, difference)


@pytest.mark.parametrize("precision", ["fp16", "amp"])
def test_an_update_dropped_for_an_overflow_counts_for_nothing(
    start, half_precision_on_cpu, precision
):
    run = start(*SEARCH, *GRADUAL, *(("--fp16",) if precision == "fp16" else ()))
    if precision == "amp":
        run.cfg.common.amp = True  # refused on a CPU as an option
        run.cfg.common.amp_batch_retries = run.trainer._amp_retries = 0
    for update in range(2):
        run.update(*micro_batches(run, update))
    search = run.task.method.only
    assert search.updates == run.trainer.get_num_updates() == 2
    before = {name: score.clone() for name, score in search.scores().items()}
    weights = run.weights()
    bias = run.model.encoder.layers[0].fc1.bias  # no matrix that is searched in
    spoil = bias.register_hook(lambda gradient: gradient * float("inf"))
    run.update(KEY)
    spoil.remove()
    assert search.updates == run.trainer.get_num_updates() == 2
    assert_same(search.scores(), before)
    assert_same(run.weights(), weights)
    run.update(KEY)
    assert search.updates == run.trainer.get_num_updates() == 3
    for name, score in search.scores().items():
        assert torch.isfinite(score).all() and not torch.equal(score, before[name])


# -- two processes ---------------------------------------------------------------------


@pytest.mark.parametrize("criterion", ["gradient", "sensitivity"])
def test_two_processes_store_the_scores_of_one_that_accumulates(
    commands, start, tmp_path, criterion
):
    flags = (*ONE, "--pruning-criterion", criterion, "--clip-norm", 0.5)
    train_by_two(
        commands,
        tmp_path,
        *(*flags, "--max-update", 3, "--disable-validation"),
        "--no-epoch-checkpoints",
    )
    state = load(tmp_path / "checkpoint_last.pt")
    stored = state["extra_state"]["train_iterator"]["subnetwork"]
    run = start(*flags)
    reader = run.trainer.get_train_iterator(epoch=1, load_dataset=False)
    batches = reader.next_epoch_itr(shuffle=True)
    for _ in range(3):
        run.update(next(batches), next(batches))
    assert stored["updates"] == run.task.method.only.updates == 3
    for half in (0, 1):
        for name, score in run.task.method.only.scores(half).items():
            torch.testing.assert_close(
                stored["halves"][half][name],
                score,
                rtol=1e-4,
                atol=1e-5 * float(score.abs().max()),
            )
