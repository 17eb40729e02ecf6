"""What a search reports of the worth of its masks, against losses by hand."""

import math
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from conftest import load
from runs import Run, assert_same

from lass_plugin.errors import LassError
from lass_plugin.masks import Mask, MaskSet, Provenance, fingerprint, packing
from lass_plugin.masks.controls import matched_masks
from lass_plugin.masks.random import random_mask
from lass_plugin.methods.search.figures import LOSSES, SEED, Figures
from lass_plugin.methods.search.pair_losses import affordable
from lass_plugin.methods.search.settling import StoppingRule, churn, last_losses
from lass_plugin.selection import select

A, B = "de-en", "en-nl"
GRADUAL = ("--pruning-schedule", "gradual", "--pruning-interval", 1)


def search_run(data, base, *flags, keys=(A,), updates=8) -> Run:
    task = ("--task", "translation_subnetwork_search", "--pruning-ratio", 0.5)
    task += ("--lang-pairs", ",".join(keys), "--max-update", updates)
    task += ("--pruning-criterion", "gradient", "--finetune-from-model", base)
    run = Run(data, *task, *flags)
    run.model.load_state_dict(load(base)["model"])
    return run


def slow_loss(run, key, weights, bits=None) -> float:
    """Bits a token of all validation data of *key*, one batch at a time."""
    own = run.weights()
    changed = dict(weights)
    for name, kept in (bits or {}).items():
        shape = weights[name].shape
        changed[name] = weights[name] * packing.unpack(kept, shape)
    run.model.load_state_dict(changed)
    run.model.eval()
    total, tokens = 0.0, 0
    with torch.no_grad():
        data = run.task.datasets["valid"]
        count = len(data.parts[key])
        for number in range(count):
            batch = run.batch(key, number, size=1, split="valid")
            scores = run.model(**batch["net_input"])
            logs = run.model.get_normalized_probs(scores, log_probs=True)
            target = batch["target"]
            real = target != run.task.target_dictionary.pad()
            picked = logs.gather(-1, target.unsqueeze(-1)).squeeze(-1)
            total -= float(picked[real].sum())
            tokens += int(real.sum())
    run.model.load_state_dict(own)
    return total / tokens / math.log(2)


@pytest.mark.parametrize("schedule", ["gradual", "oneshot"])
def test_losses_are_those_of_masked_models(data, base, schedule):
    more = GRADUAL if schedule == "gradual" else ()
    run = search_run(data, base, "--loss-batches", 99, *more)
    for number in range(8):
        run.update(run.batch(A, number))
    search, start = run.task.method.only, load(base)["model"]
    record = search.history[-1]
    assert record["updates"] == 8 and list(record["losses"]) == [
        "own",
        *list(LOSSES)[1:],
    ]
    ones = [r["losses"] for r in search.history if "dense" in r.get("losses", {})]
    assert len(ones) == 4  # a quarter of the updates each
    assert len({(r["dense"], r["random"], r["magnitude"]) for r in ones}) == 1
    mask = search.mask()
    sites = {name: start[name] for name in search.sites}
    shapes = {name: site.shape for name, site in sites.items()}
    made = Mask(A, mask, shapes, Provenance("gradient", 0.5), fingerprint(sites))
    small = {n: packing.pack(select(site.abs(), 0.5)) for n, site in sites.items()}
    expected = {
        "own": slow_loss(run, A, run.weights(), mask),
        "mask": slow_loss(run, A, start, mask),
        "magnitude": slow_loss(run, A, start, small),
        "random": slow_loss(run, A, start, random_mask(A, shapes, 0.5, SEED).bits),
        "profile": slow_loss(
            run,
            A,
            start,
            matched_masks(MaskSet([made]), SEED, ("profile",), sites)[A].bits,
        ),
        "dense": slow_loss(run, A, start),
    }
    assert record["losses"] == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("precision", [(), ("--bf16-autocast",)])
def test_measuring_moves_nothing(data, base, precision):
    """Weights, scores and masks are those of a search that measures no loss."""
    more = (*GRADUAL, *precision, "--dropout", 0.1)
    runs = [search_run(data, base, *more, "--loss-batches", n) for n in (2, 0)]
    for run in runs:
        torch.manual_seed(7)
        for number in range(8):
            run.update(run.batch(A, number), run.batch(A, number + 9, size=3))
    measured, plain = runs
    assert_same(measured.weights(), plain.weights())
    first, second = (run.task.method.only for run in runs)
    assert_same(first.scores(), second.scores())
    assert last_losses(first.history) and not last_losses(second.history)
    assert first.history[-1]["batches"] == 2
    assert churn(first.history[-1]) == 1 - first.history[-1]["since_halfway"]


def test_each_pair_has_its_own_figures_and_they_are_logged(data, base):
    run = search_run(data, base, *GRADUAL, keys=(A, B))
    for key in (A, B, A, B, A, B, A, B):
        run.update(key)
    searches = run.task.method.searches
    records = [search.history[-1]["losses"] for search in searches.values()]
    assert list(records[0]) == list(records[1]) == list(LOSSES)
    assert records[0]["dense"] != records[1]["dense"]
    logged = run.task.method.watched()
    assert logged[A]["mask_loss"] == records[0]["mask"]
    assert logged[B]["random_loss"] == records[1]["random"]
    assert {"own_loss", "churn", "profile_loss"} <= logged[A].keys() & logged[B].keys()


def test_a_search_that_goes_on_measures_on(data, base):
    runs = [search_run(data, base, *GRADUAL) for _ in range(2)]
    for number in range(8):
        runs[0].update(runs[0].batch(A, number))
        if number == 4:
            state = runs[0].task.method.state_dict()
    resumed = runs[1].task.method.only
    resumed.load_state_dict(state)
    assert last_losses(resumed.history).keys() == LOSSES.keys()
    runs[1].update(runs[1].batch(A, 5))
    (before,) = [r for r in resumed.history if r["updates"] == 4]
    (after,) = [r for r in resumed.history if r["updates"] == 6]
    assert after["losses"]["random"] == before["losses"]["random"]


def test_a_search_without_validation_data_or_base_goes_on(data, base, tmp_path, caplog):
    run = search_run(data, base, *GRADUAL, "--valid-subset", "nowhere")
    with caplog.at_level("INFO"):
        for number in range(8):
            run.update(run.batch(A, number))
    assert not last_losses(run.task.method.only.history)
    assert "there is no nowhere data of de-en" in caplog.text
    other = search_run(data, base, *GRADUAL)
    torch.nn.init.normal_(next(iter(other.sites.values())))
    with caplog.at_level("INFO"):
        for number in range(8):
            other.update(other.batch(A, number))
    assert list(last_losses(other.task.method.only.history)) == ["own"]
    assert "is not what the search began with" in caplog.text


def test_a_search_that_began_without_a_base_says_so_once(caplog):
    losses = SimpleNamespace(number=lambda key, model: 3, of=lambda key, model: 2.5)
    plan = SimpleNamespace(key=A, schedule="gradual")
    search = SimpleNamespace(plan=plan, weights=True, mask=dict)
    search.micro_batch = nullcontext
    figures = Figures(losses, "", interval=0, last=8)
    with caplog.at_level("INFO"):
        for _ in range(2):
            found = figures.of(search, torch.nn.Linear(1, 1), every=True)
            assert found == {"batches": 3, "losses": {"own": 2.5}}
    assert caplog.text.count("the search began without --finetune-from-model") == 1


def history(*losses: float) -> list[dict]:
    return [
        {"updates": 10 * n, "chance": 0.5, "losses": {"own": loss}}
        for n, loss in enumerate(losses, start=1)
    ]


def test_a_search_ends_once_its_loss_under_the_mask_no_longer_falls():
    rule = StoppingRule(patience=2)
    assert not rule.reason(history(9.0, 8.0, 8.1))
    assert "8.050, has not fallen below 8.000" in rule.reason(history(9, 8, 8.1, 8.05))
    # losses of the ramp, under smaller masks, do not count
    ramp = history(5.0, 6.0, 9.0, 8.0, 7.0, 7.5, 7.2, 7.1)
    assert not rule.reason(ramp[:5], earliest=30)
    assert rule.stops_at(ramp, earliest=30) == 70
    assert StoppingRule().stops_at(ramp) is None
    with pytest.raises(LassError, match="--stop-patience -1 is below 0"):
        StoppingRule(patience=-1)


def test_a_patient_search_ends_and_says_all_of_its_figures(data, base):
    flags = ("--pruning-start", 0, "--pruning-ramp", 1, "--stop-patience", 1)
    run = search_run(data, base, *GRADUAL, *flags, "--lr", 0.5, updates=80)
    for number in range(60):
        run.update(run.batch(A, number % 9))
        if run.task.method.stopped:
            break
    method = run.task.method
    assert "loss under the mask" in method.stopped
    assert method.only.history[-1]["losses"].keys() == LOSSES.keys()


def test_patience_needs_validation_data(data, base, tmp_path):
    for path in data.iterdir():
        if not path.name.startswith("valid."):
            (tmp_path / path.name).symlink_to(path)
    run = search_run(tmp_path, base, "--stop-patience", 1)
    with pytest.raises(LassError, match="--stop-patience needs validation data: there"):
        for number in range(8):
            run.update(run.batch(A, number))


def test_losses_take_about_a_twentieth_of_a_search():
    assert [affordable(n, 1) for n in (0, 10, 80, 600, 80_000)] == [8, 1, 1, 5, 8]
    assert affordable(600, 2) == 2 and affordable(600, 8) == 1
