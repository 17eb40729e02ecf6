"""Importance of neurons: Eq. 7 and 8 against loops, derivatives and true changes."""

import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import Run

from lass_plugin import tensor_files
from lass_plugin.anatomy.neurons import DEFAULT_UNITS, UNITS, owned_parameters
from lass_plugin.errors import LassError
from lass_plugin.neurons.importance import (
    Counts,
    Importance,
    add_parts,
    load_importance,
    save_importance,
    side_by_side,
)
from lass_plugin.neurons.measuring import check_finite
from lass_plugin.neurons.recording import Recorder
from lass_plugin.scores.neuron import (
    ABSOLUTE,
    ACTIVATION,
    CRITERIA,
    TAYLOR,
    TAYLOR_SENTENCE,
    add_activation,
    add_taylor,
)


def zeros(count):
    return {name: torch.zeros(count, dtype=torch.float64) for name in CRITERIA}


@settings(max_examples=40)
@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 2**16),
)
def test_sums_are_those_of_slow_loops(positions, sentences, neurons, run, seed):
    generator = torch.Generator().manual_seed(seed)
    shape = (positions, sentences, neurons * run)
    h, g = (torch.randn(shape, generator=generator) for _ in range(2))
    padding = torch.rand(positions, sentences, 1, generator=generator) < 0.3
    sums = zeros(neurons)
    add_activation(sums, h, padding, run)
    add_taylor(sums, h, g, padding, run)
    for i in range(neurons):
        each, whole, size, active = 0.0, 0.0, 0.0, 0
        for s in range(sentences):
            sentence = 0.0
            for t in range(positions):
                if padding[t, s]:
                    continue
                change = 0.0
                for e in range(i * run, (i + 1) * run):
                    change += float(h[t, s, e]) * float(g[t, s, e])
                    size += abs(float(h[t, s, e]))
                    active += float(h[t, s, e]) > 0
                each += abs(change)
                sentence += change
            whole += abs(sentence)
        assert float(sums[TAYLOR][i]) == pytest.approx(each, abs=1e-4)
        assert float(sums[TAYLOR_SENTENCE][i]) == pytest.approx(whole, abs=1e-4)
        assert float(sums[ABSOLUTE][i]) == pytest.approx(size, abs=1e-4)
        assert float(sums[ACTIVATION][i]) == active


def test_padding_never_counts_even_where_it_is_infinite():
    h = torch.tensor([[[1.0]], [[float("inf")]]])
    g = torch.tensor([[[2.0]], [[float("nan")]]])
    padding = torch.tensor([[[False]], [[True]]])
    sums = zeros(1)
    add_activation(sums, h, padding)
    add_taylor(sums, h, g, padding)
    assert [float(sums[name]) for name in CRITERIA] == [2.0, 2.0, 1.0, 1.0]


def test_the_score_is_the_change_of_a_linear_loss_when_the_neuron_is_removed():
    """Where the loss is linear in h, Eq. 6 is exact: |L(h_i = 0) - L(h)|."""
    h = torch.tensor([[[1.0, -2.0, 0.5]], [[3.0, 1.0, 0.0]]], requires_grad=True)
    weight = torch.tensor([[[2.0, 1.0, 4.0]], [[-1.0, 1.0, 7.0]]])
    loss = (h * weight).sum()
    loss.backward()
    sums = zeros(3)
    add_taylor(sums, h, h.grad, torch.zeros(2, 1, 1, dtype=torch.bool))
    for i in range(3):
        removed = h.detach().clone()
        removed[..., i] = 0.0
        change = abs(float((removed * weight).sum() - loss.detach()))
        assert float(sums[TAYLOR_SENTENCE][i]) == pytest.approx(change)
    assert sums[TAYLOR_SENTENCE].tolist() == [1.0, 1.0, 2.0]
    assert sums[TAYLOR].tolist() == [5.0, 3.0, 2.0]


def record(run, batch, units=DEFAULT_UNITS):
    """Sums of one batch, and the model's loss."""
    model = run.model.eval()
    recorder = Recorder(model, units)
    sums = recorder.zeros()
    loss_of = loss_function(run, batch)
    pad = run.task.source_dictionary.pad()
    with recorder.recording(
        sums, batch["net_input"]["src_tokens"].eq(pad), batch["target"].eq(pad)
    ):
        loss_of().backward()
    return sums


def loss_function(run, batch):
    def loss_of():
        output = run.model(**batch["net_input"])
        return torch.nn.functional.nll_loss(
            # fairseq's own would round to float32
            output[0].double().log_softmax(dim=-1).flatten(0, 1),
            batch["target"].flatten(),
            ignore_index=run.task.target_dictionary.pad(),
            reduction="sum",
        )

    return loss_of


def spread(run):
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, value in run.model.named_parameters():
            if "norm" not in name:
                value.copy_(0.3 * torch.randn(value.shape, generator=generator))


@pytest.mark.parametrize(
    "units", ["attention-output", "ffn-output", "queries", "keys", "values"]
)
def test_a_sentence_is_the_gradient_of_the_neurons_own_weights(data, units):
    """h = W x + b, so Σ_t ∂L/∂h_i h_i is ∂L/∂W_i · W_i + ∂L/∂b_i b_i: the same number
    by way of the weights, without any hook."""
    run = Run(data)
    spread(run)
    batch = run.batch("de-en", size=1)
    run.model.eval()
    loss_function(run, batch)().backward()
    products = {
        name: (value.detach() * value.grad).double()
        for name, value in run.model.named_parameters()
    }
    sums = record(run, batch, (units,))
    assert sums
    for site, values in sums.items():
        names = dict(owned_parameters(site))
        weight = next(
            name for name in names if name.endswith(f"{site.split('.')[-1]}.weight")
        )
        expected = (
            products[weight].sum(dim=1) + products[weight.replace("weight", "bias")]
        )
        torch.testing.assert_close(
            values[TAYLOR_SENTENCE], expected.abs(), atol=1e-5, rtol=1e-3
        )


@pytest.mark.parametrize("unit, run_length", [("ffn-hidden", 1), ("heads", 16)])
def test_a_sentence_is_the_gradient_of_the_weights_that_read_the_neuron(
    data, unit, run_length
):
    run = Run(data)
    spread(run)
    batch = run.batch("en-de", size=1)
    run.model.eval()
    loss_function(run, batch)().backward()
    products = {
        name: (value.detach() * value.grad).double()
        for name, value in run.model.named_parameters()
    }
    sums = record(run, batch, (unit,))
    assert sums
    reader = {"ffn-hidden": "fc2.weight", "heads": "out_proj.weight"}[unit]
    for site, values in sums.items():
        columns = products[f"{site.rpartition('.')[0]}.{reader}"].sum(dim=0)
        expected = columns.view(-1, run_length).sum(dim=1).abs()
        torch.testing.assert_close(
            values[TAYLOR_SENTENCE], expected, atol=1e-5, rtol=1e-3
        )


def test_the_score_is_the_slope_of_the_loss_when_a_neuron_is_turned_down(data):
    """|∂L/∂h · h| of a sentence = |L(h_i (1 + ε)) - L(h_i (1 - ε))| / 2ε."""
    run = Run(data)
    spread(run)
    run.model.double()
    batch = run.batch("nl-en", size=1)
    sums = record(run, batch, ("ffn-hidden",))
    loss_of, small = loss_function(run, batch), 1e-3
    for site in ("encoder.layers.1.fc1", "decoder.layers.0.fc1"):
        weight = run.model.get_parameter(f"{site.removesuffix('fc1')}fc2.weight")
        before = weight.detach().clone()
        for i in range(0, 64, 9):
            losses = []
            with torch.no_grad():
                for factor in (1 + small, 1 - small):
                    weight.copy_(before)
                    weight[:, i] *= factor
                    losses.append(float(loss_of()))
                weight.copy_(before)
            slope = abs(losses[0] - losses[1]) / (2 * small)
            # fairseq takes its softmax over attention in float32
            assert slope == pytest.approx(
                float(sums[site][TAYLOR_SENTENCE][i]), rel=5e-3, abs=1e-3
            )


def test_sums_do_not_depend_on_the_batches(data):
    """Padding, other sentences of a batch: nothing but the sentences counts."""
    run = Run(data)
    spread(run)
    together = record(run, run.batch("de-en", size=6), tuple(UNITS))
    added = None
    for number in range(6):
        alone = record(run, run.batch("de-en", number, size=1), tuple(UNITS))
        added = (
            alone
            if added is None
            else {
                site: {name: added[site][name] + alone[site][name] for name in CRITERIA}
                for site in alone
            }
        )
    for site, values in together.items():
        for name in CRITERIA:
            torch.testing.assert_close(
                values[name], added[site][name], atol=1e-4, rtol=1e-4
            )


def test_what_is_seen_is_what_the_model_computes_without_being_watched(data):
    run = Run(data)
    run.model.eval()
    batch = run.batch("de-en")
    with torch.no_grad():
        alone = loss_function(run, batch)()
    recorder = Recorder(run.model, tuple(UNITS))
    pad = run.task.source_dictionary.pad()
    with recorder.recording(
        recorder.zeros(),
        batch["net_input"]["src_tokens"].eq(pad),
        batch["target"].eq(pad),
    ):
        watched = loss_function(run, batch)().detach()
    torch.testing.assert_close(watched, alone)
    assert not any(p.grad is not None for p in run.model.parameters())
    with torch.no_grad():  # all hooks are gone
        assert torch.equal(loss_function(run, batch)(), alone)
    assert not any(
        getattr(m, "skip_embed_dim_check", False) for m in run.model.modules()
    )


def test_a_unit_that_the_model_lacks(data):
    with pytest.raises(LassError, match="no units 'heads'; leave them out"):
        Recorder(torch.nn.Linear(2, 2), ("heads",))


@pytest.mark.parametrize(
    "precision, advice",
    [("float32", "take an earlier"), ("float16", "measure without")],
)
def test_activations_that_are_no_numbers(data, precision, advice):
    """A bias that is infinite in the middle of the model: site and pair are told."""
    run = Run(data)
    with torch.no_grad():
        run.model.get_parameter("encoder.layers.1.fc2.bias")[3] = float("inf")
    sums = record(run, run.batch("nl-en"))
    with pytest.raises(
        LassError, match=f"of encoder.layers.1.fc2 .*on nl-en; {advice}"
    ):
        check_finite(
            {"encoder.layers.1.fc2": sums["encoder.layers.1.fc2"]}, "nl-en", precision
        )
    check_finite(
        {"encoder.layers.0.fc1": {"absolute": torch.ones(2)}}, "nl-en", precision
    )


def made_up(pairs=("de-en", "en-de"), seed=1) -> Importance:
    generator = torch.Generator().manual_seed(seed)
    sides = {"encoder.layers.0.fc1": "source", "decoder.layers.0.fc2": "target"}
    sums = {
        criterion: {
            site: torch.rand(len(pairs), 5, generator=generator, dtype=torch.float64)
            for site in sides
        }
        for criterion in CRITERIA
    }
    counts = {pair: Counts(10, 100 + i, 200 - i) for i, pair in enumerate(pairs)}
    return Importance(sums, counts, sides, dict.fromkeys(sides, 0.5), "made up")


def test_averages_by_hand():
    importance = made_up()
    tokens = importance.theta(TAYLOR, "token")
    sums = importance.sums[TAYLOR]
    encoder, decoder = "encoder.layers.0.fc1", "decoder.layers.0.fc2"
    torch.testing.assert_close(tokens[encoder][1], sums[encoder][1] / 101)
    torch.testing.assert_close(tokens[decoder][1], sums[decoder][1] / 199)
    sentences = importance.theta(ABSOLUTE, "sentence")
    torch.testing.assert_close(
        sentences[decoder], importance.sums[ABSOLUTE][decoder] / 10
    )
    with pytest.raises(LassError, match="unknown criterion 'fisher'"):
        importance.theta("fisher")
    with pytest.raises(LassError, match="token or sentence, not 'word'"):
        importance.theta(TAYLOR, "word")


def test_parts_add_up_and_stand_side_by_side():
    parts = [made_up(("de-en",), seed) for seed in (1, 2)]
    whole = add_parts(parts)
    assert whole.counts == {"de-en": Counts(20, 200, 400)}
    site = "encoder.layers.0.fc1"
    torch.testing.assert_close(
        whole.sums[TAYLOR][site],
        parts[0].sums[TAYLOR][site] + parts[1].sums[TAYLOR][site],
    )
    both = side_by_side([whole, made_up(("en-de",))], "note")
    assert both.pairs == ["de-en", "en-de"] and both.note == "note"
    assert both.sums[TAYLOR][site].shape == (2, 5)


def test_the_file_is_the_same_for_the_same_sums_and_comes_back(tmp_path):
    importance = made_up()
    for name in ("one", "two"):
        save_importance(tmp_path / name, importance)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    again = load_importance(tmp_path / "one")
    assert dataclasses.replace(again, sums={}) == dataclasses.replace(
        importance, sums={}
    )
    for criterion in CRITERIA:
        for site, value in importance.sums[criterion].items():
            assert torch.equal(again.sums[criterion][site], value)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_refused_by_name(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "importance.safetensors"
    save_importance(path, made_up())
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.integers(0, 400))
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(content))
    try:
        load_importance(path)
    except LassError as error:
        assert str(path) in error.message


def test_a_damaged_name_of_a_pair(tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_files, "_digest", lambda *_: "")
    path = tmp_path / "importance.safetensors"
    save_importance(path, made_up())
    path.write_bytes(path.read_bytes().replace(b"de-en", b"de,en"))
    with pytest.raises(LassError, match=r"importance.safetensors cannot .*'de,en' is"):
        load_importance(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_an_importance_that_is_no_number(tmp_path, value):
    importance = made_up()
    importance.sums[TAYLOR]["encoder.layers.0.fc1"][0, 0] = value
    save_importance(tmp_path / "x", importance)
    with pytest.raises(LassError, match="that is no number"):
        load_importance(tmp_path / "x")


def test_what_is_not_there_or_not_whole(tmp_path):
    with pytest.raises(
        LassError, match="there is no .*; make it with 'lass neurons imp"
    ):
        load_importance(tmp_path)
    (tmp_path / "parts").mkdir()
    Path(tmp_path / "parts" / "de-en.00000.safetensors").touch()
    with pytest.raises(LassError, match="not whole yet; run the same"):
        load_importance(tmp_path)
