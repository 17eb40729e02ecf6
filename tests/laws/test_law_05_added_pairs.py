"""Law 5 for pairs that are added to a model: what older pairs need does not move."""

import copy
from pathlib import Path

import pytest
import torch
from conftest import NEW, PAIRS, load
from in_process import load_model, logits, translation_task
from runs import Run, same_bits

from lass_plugin.data.pair_data import load_pair
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.masks.packing import unpack
from lass_plugin.methods.subnetworks.extension import Extension, choosing_from
from lass_plugin.methods.subnetworks.joint import masked_weights
from lass_plugin.training.stretches import find_stretches, torch_optimizer


def begin(out: Path, *flags: object) -> Run:
    """A training of the new pairs from the extended checkpoint."""
    given: list[object] = ["--lang-pairs", ",".join(NEW), *flags]
    given += ["--masks", out / "masks", "--extend", out / "extended.pt"]
    given += ["--finetune-from-model", out / "extended.pt"]
    given += ["--weight-decay", 0.1, "--lr", 0.03]
    run = Run(out / "data", *given)
    run.model.load_state_dict(load(out / "extended.pt")["model"])
    return run


def outputs(run: Run, out: Path, extension: Extension, key: str) -> torch.Tensor:
    """Log-probabilities of test sentences of an older pair."""
    model = copy.deepcopy(run.model).float().eval()
    assert extension.masks is not None
    masked_weights(model, extension.masks).bake(key)
    dictionary = run.task.source_dictionary
    part = load_pair(
        out / "data", "test", Pair.parse(key), dictionary, dictionary, run.task.tokens
    )
    batch = part.collater([part[index] for index in range(len(part))])
    with torch.no_grad(), choosing_from([model], extension.symbols[key]):
        return model.get_normalized_probs(model(**batch["net_input"]), log_probs=True)


def train(run: Run, updates: int = 3) -> None:
    for number in range(updates):
        run.update(run.batch("en-uk", number), run.batch("uk-en", number))


@pytest.mark.parametrize(
    "flags",
    [(), ("--optimizer", "adam"), ("--fp16",), ("--bf16-autocast",)],
    ids=lambda flags: " ".join(flags),
)
def test_older_pairs_keep_their_outputs_bit_for_bit(
    grown, half_precision_on_cpu, flags
):
    run = begin(grown, "--hold", "shared,others", *flags)
    extension = Extension.read(grown / "extended.pt")
    _ = run.optimizer  # fp16: the weights are rounded when it is made
    before = run.weights()
    outputs_before = {key: outputs(run, grown, extension, key) for key in PAIRS}
    train(run)
    after = run.weights()
    for key in PAIRS:
        assert same_bits(outputs(run, grown, extension, key), outputs_before[key]), key
        assert torch.isfinite(outputs_before[key][..., : extension.symbols[key]]).all()
    old = extension.masks.union(PAIRS)
    new = run.task.method.masks.union(NEW)
    stretches = find_stretches(run.optimizer, dict(run.model.named_parameters()))
    inner = torch_optimizer(run.optimizer)
    symbols = extension.first_new_symbol
    assert symbols == len(run.task.source_dictionary) - 25  # 24 words, one token
    for name, parameter in run.model.named_parameters():
        movable = torch.zeros(parameter.shape, dtype=torch.bool)
        if name in old:
            movable = unpack(new[name] & ~old[name], parameter.shape)
        elif "embed_tokens" in name:
            movable[symbols:] = True
        assert same_bits(after[name][~movable], before[name][~movable]), name
        if movable.any():
            assert (after[name] != before[name])[movable].float().mean() > 0.3, name
        for moment in stretches[name].state(inner).values():
            held = moment[~movable.flatten()]
            assert same_bits(held, torch.zeros_like(held)), name


@pytest.mark.parametrize("hold", [None, "others", "shared"])
def test_less_held_moves_what_it_says(grown, hold):
    run = begin(grown, *(("--hold", hold) if hold else ()))
    extension = Extension.read(grown / "extended.pt")
    before = run.weights()
    first = outputs(run, grown, extension, "de-en")
    train(run)
    after = run.weights()
    assert not torch.equal(outputs(run, grown, extension, "de-en"), first)
    old = unpack(
        extension.masks["de-en"].bits["encoder.layers.0.fc1.weight"],
        after["encoder.layers.0.fc1.weight"].shape,
    )
    moved = {name: after[name] != before[name] for name in after}
    assert bool((moved["encoder.layers.0.fc1.weight"] & old).any()) == (
        hold != "others"
    )
    bias = "encoder.layers.0.fc1.bias"
    assert bool(moved[bias].any()) == (hold != "shared")
    rows = moved["encoder.embed_tokens.weight"].any(dim=1)
    known = extension.first_new_symbol
    assert bool(rows[:known].any()) == (hold != "shared") and rows[known:].all()


def test_the_extension_alone_changes_no_older_pair(grown, joint, data):
    for key in ("de-en", "en-nl"):
        source, target = key.split("-")
        flags = f"-s {source} -t {target} --cpu"
        found = []
        for folder, checkpoint in (
            (data, joint),
            (grown / "data", grown / "extended.pt"),
        ):
            task = translation_task(folder, flags)
            model = load_model(checkpoint, task)
            with (
                task.method_of(model).using(key),
                choosing_from([model], task.symbols.get(key)),
            ):
                found.append(logits(model, task, "test"))
        before, after = found
        known = before.shape[-1]
        assert after.shape[-1] == known + 25
        torch.testing.assert_close(after[..., :known], before)
        assert torch.isinf(after[..., known:]).all()


def test_the_checkpoint_carries_all_pairs(grown):
    run = begin(grown, "--hold", "others")
    state = run.task.state_dict()
    assert set(state["masks"]["masks"]) == {*PAIRS, *NEW}
    assert state["symbols"] == dict(Extension.read(grown / "extended.pt").symbols)
    saved = run.task.method.state_dict()
    run.task.method.load_state_dict(saved)
    other = begin(grown, "--hold", "others,shared").task.method
    with pytest.raises(LassError, match="with --hold 'others'"):
        other.load_state_dict(saved)


@pytest.mark.parametrize(
    "flags, named",
    [
        (("--hold", "others"), "--hold has no effect without --extend"),
        (("--hold", "biases", "--extend", "{extended}"), "does not know 'biases'"),
        (("--extend", "nowhere.pt"), "--extend nowhere.pt does not exist"),
        (("--extend", "{base}", "--masks", "{masks}"), "not an extended checkpoint"),
        (("--extend", "{extended}"), "give --masks"),
        (
            ("--extend", "{extended}", "--masks", "{masks}", "--lang-pairs", "de-en"),
            "de-en is one of the older pairs",
        ),
        (
            ("--task", "translation_subnetwork_search", "--lang-pairs", "en-uk")
            + ("--extend", "{extended}"),
            "have no effect in a search",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_mistakes_are_refused_by_name(grown, base, data, masks, flags, named):
    places = {"extended": grown / "extended.pt", "base": base, "masks": masks}
    given = [flag.format(**places) for flag in flags]
    old = "{masks}" in flags
    if "--lang-pairs" not in given:
        given += ["--lang-pairs", "de-en" if old else "en-uk"]
    with pytest.raises(LassError) as error:
        Run(data if old else grown / "data", *given)
    assert named in error.value.message
