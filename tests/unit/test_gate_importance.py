"""Importance by Eq. 4 against a slow loop over sentences, and against the loss."""

import copy

import pytest
import torch
from gated_models import roberta, tokens, transformer, translation_batch

from lass_plugin.errors import LassError
from lass_plugin.methods.gates.gating import Gating, find_components
from lass_plugin.methods.gates.importance import ComponentRecorder
from lass_plugin.methods.gates.selecting import selected, selected_for_any
from lass_plugin.methods.gates.sets import base_of
from lass_plugin.methods.gates.shares import left_out, share_rows
from lass_plugin.methods.gates.stored_importance import (
    NAME,
    ComponentImportance,
    load_importance,
    save_importance,
)


def masked_loss(model, batch):
    """Σ −log p of every other token; its model sees only these in its head."""
    masked = torch.zeros_like(batch, dtype=torch.bool)
    masked[:, 1::2] = True
    masked &= batch.ne(1)
    output = model(batch, masked_tokens=masked)[0]
    target = batch[masked]
    return torch.nn.functional.cross_entropy(output, target, reduction="sum")


def translation_loss(model, batch):
    output = model(**batch)[0]
    target = batch["prev_output_tokens"].roll(-1, dims=1)
    return torch.nn.functional.cross_entropy(
        output.flatten(0, 1), target.flatten(), ignore_index=1, reduction="sum"
    )


def rows_of(batch, number):
    """One sentence of a batch, its padding cut off as far as nothing else needs it."""
    if isinstance(batch, torch.Tensor):
        return batch[number : number + 1]
    return {name: value[number : number + 1] for name, value in batch.items()}


CASES = {
    "encoder": (roberta, ("heads", "units", "ranks"), masked_loss, tokens),
    "translation": (
        transformer,
        ("heads", "units"),
        translation_loss,
        translation_batch,
    ),
}


def slow(model, components, loss, batches):
    """Mean of |∂L/∂g| at g = 1 over *batches*, each computed on its own."""
    gating, summed = Gating(model, components), torch.zeros(components.total)
    for batch in batches:
        gates = {
            s: torch.ones(n).requires_grad_() for s, n in components.counts.items()
        }
        with gating.applied(gates):
            loss(model, batch).backward()
        summed += components.joined({s: g.grad for s, g in gates.items()}).abs()
    return summed / len(batches)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("granularity", ["sentence", "batch"])
def test_all_components_at_once_are_those_of_a_slow_loop(case, granularity):
    build, kinds, loss, make = CASES[case]
    model = build().eval()
    components = find_components(model, kinds)
    whole = [make(sentences=3, length=7), make(sentences=2, length=6)]
    parts = whole
    if granularity == "sentence":
        parts = [
            rows_of(b, i) for b, n in zip(whole, (3, 2), strict=True) for i in range(n)
        ]
    expected = slow(copy.deepcopy(model), components, loss, parts)
    recorder = ComponentRecorder(model, components, granularity)
    for batch, sentences in zip(whole, (3, 2), strict=True):
        with recorder.batch(sentences):
            loss(model, batch).backward()
    found = components.joined(recorder.importance()).float()
    assert recorder.terms == len(parts)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert bool((found > 0).float().mean() > 0.9)
    with torch.no_grad():  # and the model computes as before
        again = build().eval()
        assert torch.allclose(loss(model, whole[0]), loss(again, whole[0]), rtol=1e-4)


def test_it_is_the_change_of_the_loss_to_first_order():
    model = roberta().eval()
    components = find_components(model)
    recorder, batch = ComponentRecorder(model, components, "batch"), tokens()
    with recorder.batch(3):
        masked_loss(model, batch).backward()
    importance, gating = recorder.importance(), Gating(model, components)
    with torch.no_grad():
        for site in components.counts:
            for number in (0, 3):
                losses = []
                for value in (0.95, 1.05):
                    gate = torch.ones(components.counts[site])
                    gate[number] = value
                    with gating.applied({site: gate}):
                        losses.append(float(masked_loss(model, batch)))
                change = abs(losses[0] - losses[1]) / 0.1
                assert float(importance[site][number]) == pytest.approx(
                    change, rel=0.05, abs=2e-3
                )


def test_a_sentence_without_data_and_numbers_that_are_none_are_refused():
    model = roberta().eval()
    components = find_components(model)
    recorder = ComponentRecorder(model, components)
    with pytest.raises(LassError, match="no sentence"):
        recorder.importance()
    with torch.no_grad():
        model.encoder.sentence_encoder.layers[1].fc1.bias[0] = float("nan")
    with recorder.batch(3):
        masked_loss(model, tokens()).backward()
    with pytest.raises(LassError, match="not finite"):
        recorder.importance()


def made_up(keys=("de", "fr")):
    model = roberta()
    components = find_components(model, ("heads", "units", "ranks"))
    rows = {
        key: torch.rand(
            components.total,
            dtype=torch.float64,
            generator=torch.Generator().manual_seed(number),
        )
        for number, key in enumerate(keys)
    }
    base = base_of(components, dict(model.named_parameters()))
    terms = {key: 10 * (number + 1) for number, key in enumerate(keys)}
    return ComponentImportance(components, rows, terms, "sentence", base, "made up")


def test_importance_is_kept_in_a_file_and_damage_is_named(tmp_path):
    importance = made_up()
    path = save_importance(tmp_path, importance)
    again = load_importance(tmp_path)
    assert again.components == importance.components and again.base == importance.base
    assert list(again.components.counts) == list(importance.components.counts)
    assert all(torch.equal(again.rows[k], importance.rows[k]) for k in ("de", "fr"))
    shared = importance.components.joined(again.of("shared"))
    assert torch.allclose(shared, (again.rows["de"] + 2 * again.rows["fr"]) / 3)
    with pytest.raises(LassError, match="nl was not measured; it was for de, fr"):
        again.of("nl")
    content = path.read_bytes()
    for damaged in (content[:-9], content[:-1] + bytes([content[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(LassError, match=NAME):
            load_importance(tmp_path)
    with pytest.raises(LassError, match="there is no"):
        load_importance(tmp_path / "nowhere")


def test_gates_are_selected_for_each_key_or_for_all_and_their_shares_add_up():
    importance = made_up()
    own, shared = selected(importance, 0.5), selected(importance, 0.5, shared=True)
    assert own.keys == ("de", "fr") and shared.keys == ("shared",)
    assert shared.serves("nl") == "shared"
    gates = own.values("de")
    shares = left_out(own.components, gates)
    assert shares["all heads and units"] == pytest.approx(
        own.components.sparsity(gates)
    )
    assert set(shares) >= {"heads", "units", "ranks", "encoder layer 1 heads"}
    table = share_rows(own)
    assert table[0] == ["left out of", "de", "fr"] and len(table) == 1 + len(shares)
    several = selected_for_any(importance, shared=True)
    low, high = (several.values("de", share) for share in (0.2, 0.8))
    joined = several.components.joined
    assert bool((joined(low) >= joined(high)).all())
    with pytest.raises(LassError, match="--sparsity"):
        share_rows(several)
