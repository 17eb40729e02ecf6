"""Gates on models of fairseq: every path, no change where gates are one, ranks."""

import copy
from types import SimpleNamespace

import pytest
import torch
from gated_models import roberta, tokens, transformer, translation_batch

from lass_plugin.errors import LassError
from lass_plugin.methods.gates.components import Components
from lass_plugin.methods.gates.dynamic import TENTHS, slopes_of
from lass_plugin.methods.gates.embedding import FactoredEmbedding, plain_embedding
from lass_plugin.methods.gates.gating import (
    Gating,
    check_components,
    find_components,
    without_ones,
)
from lass_plugin.methods.gates.hard_concrete import HardConcrete
from lass_plugin.methods.gates.method import Gates
from lass_plugin.methods.gates.sets import DYNAMIC, GateSets, base_of, from_state

RANKS = "encoder.sentence_encoder.embed_tokens"


def some_gates(components, seed=5, whole=True):
    """Site -> gates of which about a half is closed."""
    generator = torch.Generator().manual_seed(seed)
    gates = {}
    for site, count in components.counts.items():
        gate = torch.rand(count, generator=generator)
        gates[site] = (gate > 0.5).float() if whole else gate
        gates[site][0] = 0.0
    return gates


def erased(model, gates, components):
    """A copy of *model* whose columns of W_o and W_2 are multiplied by hand."""
    twin = copy.deepcopy(model)
    parameters = dict(twin.named_parameters())
    with torch.no_grad():
        for site, gate in gates.items():
            parent, _, last = site.rpartition(".")
            if last == "heads":
                width = components.widths[site]
                weight = parameters[f"{parent}.out_proj.weight"]
                for head, value in enumerate(gate):
                    weight[:, head * width : (head + 1) * width] *= value
            elif last == "fc1":
                parameters[f"{parent}.fc2.weight"] *= gate
    return twin


def test_the_components_of_an_encoder_alone_and_of_an_encoder_and_decoder():
    found = find_components(roberta(), ("heads", "units", "ranks"))
    layer = "encoder.sentence_encoder.layers"
    assert dict(found.counts) == {
        f"{layer}.0.self_attn.heads": 4,
        f"{layer}.0.fc1": 24,
        f"{layer}.1.self_attn.heads": 4,
        f"{layer}.1.fc1": 24,
        RANKS: 16,
    }
    assert set(found.widths.values()) == {4}
    both = find_components(transformer())
    assert len(both.counts) == 2 * 2 + 2 * 3
    assert both.counts["decoder.layers.1.encoder_attn.heads"] == 4


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_a_translation_model_computes_as_with_columns_multiplied(training, whole):
    model = transformer().train(training)
    components = find_components(model)
    gates, batch = some_gates(components, whole=whole), translation_batch()
    expected = erased(model, gates, components)(**batch)[0]
    with Gating(model, components).applied(gates):
        assert torch.equal(model(**batch)[0], expected)
    assert not torch.equal(model(**batch)[0], expected)  # and they are gone again


@torch.no_grad()
def test_every_path_of_attention_is_gated():
    model = transformer().eval()
    components = find_components(model)
    gates, batch = some_gates(components), translation_batch()
    twin, gating = erased(model, gates, components), Gating(model, components)

    def stepwise(each):
        encoded = each.encoder(batch["src_tokens"], batch["src_lengths"])
        state: dict = {}
        return [
            each.decoder(
                batch["prev_output_tokens"][:, :length],
                encoder_out=encoded,
                incremental_state=state,
            )[0]
            for length in range(1, 4)
        ]

    def called(each):
        for module in each.modules():
            if hasattr(module, "skip_embed_dim_check"):
                module.skip_embed_dim_check = True
        return [each(**batch)[0], each(**batch, alignment_layer=1)[0]]

    for path in (stepwise, called):
        expected = path(twin)
        with gating.applied(gates):
            assert all(map(torch.equal, path(model), expected))


def test_a_model_whose_gates_are_one_is_the_stock_one_to_the_bit():
    for build in (transformer, roberta):
        stock, model = build(), build()
        components = find_components(model)
        ones = {s: torch.ones(n) for s, n in components.counts.items()}
        assert without_ones(ones) == {}
        batch = {"src_tokens": tokens()} if build is roberta else translation_batch()
        gradients = []
        for each, gates in ((stock, {}), (model, {}), (model, ones)):
            each.zero_grad()
            with Gating(each, components).applied(gates):
                output = each(**batch)[0]
                output.square().sum().backward()
            named = {
                n: p.grad.clone()
                for n, p in each.named_parameters()
                if p.grad is not None
            }
            gradients.append({"output": output.detach(), **named})
        first = gradients[0]
        for other in gradients[1:]:
            assert other.keys() == first.keys()
            assert all(torch.equal(other[name], first[name]) for name in first)
        assert list(model.state_dict()) == list(stock.state_dict())


def test_the_gradient_of_what_a_gate_closes_is_zero():
    model = roberta(untie_weights_roberta=False)
    components = find_components(model)
    gates = some_gates(components)
    with Gating(model, components).applied(gates):
        model(tokens())[0].square().sum().backward()
    layer = model.encoder.sentence_encoder.layers[0]
    heads = gates[
        "encoder.sentence_encoder.layers.0.self_attn.heads"
    ].repeat_interleave(4)
    units = gates["encoder.sentence_encoder.layers.0.fc1"]
    attention = layer.self_attn
    for matrix in (attention.q_proj, attention.k_proj, attention.v_proj):
        assert not matrix.weight.grad[heads == 0].any()
        assert matrix is attention.k_proj or matrix.weight.grad[heads == 1].any()
    assert not attention.out_proj.weight.grad[:, heads == 0].any()
    assert not layer.fc1.weight.grad[units == 0].any()
    assert not layer.fc1.bias.grad[units == 0].any()
    assert not layer.fc2.weight.grad[:, units == 0].any()
    assert layer.fc2.weight.grad[:, units == 1].any()


def test_the_gradient_of_a_gate_is_that_of_a_difference():
    model = roberta().double().eval()
    components = find_components(model, ("heads", "units", "ranks"))
    gating, batch = Gating(model, components), tokens()

    def loss(gates):
        with gating.applied(gates):
            return model(batch)[0].square().sum()

    gates = {
        site: torch.rand(n, dtype=torch.float64).requires_grad_()
        for site, n in components.counts.items()
    }
    loss(gates).backward()
    for site, gate in gates.items():
        moved = {s: g.detach().clone() for s, g in gates.items()}
        step = 1e-2  # fairseq's gelu computes in float32
        moved[site][1] += step
        higher = loss(moved)
        moved[site][1] -= 2 * step
        difference = float((higher - loss(moved)).detach() / (2 * step))
        assert float(gate.grad[1]) == pytest.approx(difference, rel=2e-2, abs=1e-3)


def test_all_heads_of_a_layer_may_close_and_the_residual_passes():
    model = roberta().eval()
    components = find_components(model)
    gates = {site: torch.zeros(n) for site, n in components.counts.items()}
    with Gating(model, components).applied(gates):
        output = model(tokens())[0]
    assert torch.isfinite(output).all()
    with Gating(model, components).applied({}):
        assert not torch.allclose(output, model(tokens())[0])


def test_gates_that_are_put_in_compute_as_gates_that_are_applied():
    model = roberta().eval()
    components = find_components(model, ("heads", "units", "ranks"))
    gates = some_gates(components, whole=False)
    gating = Gating(model, components)
    with gating.applied(gates):
        expected = model(tokens())[0]
    gating.put_in(gates)
    assert torch.allclose(model(tokens())[0], expected, atol=1e-6)


def test_an_embedding_as_a_product_changes_no_output():
    stock = roberta().eval()
    model = copy.deepcopy(stock)
    expected = stock(tokens())[0]
    weight = stock.encoder.sentence_encoder.embed_tokens.weight.detach().clone()
    gating = Gating(model, find_components(model, ("heads", "units", "ranks")))
    embedding = model.encoder.sentence_encoder.embed_tokens
    assert isinstance(embedding, FactoredEmbedding)
    assert torch.allclose(model(tokens())[0], expected, atol=1e-5)
    masked = tokens().eq(5)
    masked[0, 0] = True
    assert torch.allclose(
        model(tokens(), masked_tokens=masked)[0],
        stock(tokens(), masked_tokens=masked)[0],
        atol=1e-5,
    )
    ones = torch.ones(16)
    back = plain_embedding(embedding.weight, embedding.projection, ones)
    assert torch.allclose(back, weight, atol=1e-6)
    assert not embedding.weight[1].any()  # padding
    values = torch.linalg.svdvals(weight)
    assert torch.allclose(embedding.weight.detach().norm(dim=0), values, atol=1e-5)
    assert model.encoder.lm_head.weight is embedding.weight
    # the tied projection reads the same product under gates, too
    gate = torch.ones(16)
    gate[4:] = 0.0
    with gating.applied({RANKS: gate}):
        low = model(tokens())[0]
    with torch.no_grad():
        reduced = plain_embedding(embedding.weight, embedding.projection, gate)
        stock.encoder.sentence_encoder.embed_tokens.weight.copy_(reduced)
    assert torch.linalg.matrix_rank(reduced) == 4
    assert torch.allclose(low, stock(tokens())[0], atol=1e-5)


def test_a_plain_checkpoint_loads_into_a_product_and_its_own_comes_back():
    stock = roberta(seed=1).eval()
    model = roberta(seed=2).eval()
    Gating(model, find_components(model, ("heads", "units", "ranks")))
    model.load_state_dict(stock.state_dict())
    assert torch.allclose(model(tokens())[0], stock(tokens())[0], atol=1e-5)
    assert (
        model.encoder.lm_head.weight
        is model.encoder.sentence_encoder.embed_tokens.weight
    )
    again = roberta(seed=3).eval()
    Gating(again, find_components(again, ("heads", "units", "ranks")))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(tokens())[0], model(tokens())[0])


def test_what_gates_do_not_fit_is_refused_by_name():
    model = transformer()
    with pytest.raises(LassError, match="encoder alone"):
        find_components(model, ("ranks",))
    found = find_components(model)
    site = "encoder.layers.0.fc1"
    other = Components({**found.counts, site: 12}, found.widths)
    with pytest.raises(LassError, match=f"12 components of {site}, .* 24"):
        check_components(model, other)
    wider = Components(found.counts, {s: 8 for s in found.widths})
    with pytest.raises(LassError, match="another model"):
        check_components(model, wider)
    fewer = {s: n for s, n in found.counts.items() if "decoder" not in s}
    widths = {s: w for s, w in found.widths.items() if s in fewer}
    with pytest.raises(LassError, match="decoder"):
        check_components(model, Components(fewer, widths))


def test_slopes_that_were_learned_are_the_same_after_every_loading():
    """A checkpoint's slopes are multiplied already, and not once more."""
    model = roberta()
    components = find_components(model)
    generator = torch.Generator().manual_seed(1)
    found = slopes_of(
        components,
        components.split(torch.rand(components.total, generator=generator)),
        TENTHS,
        HardConcrete(),
    )
    rows = {"offset": found.offsets, "slope": found.slopes, "size": found.sizes}
    base = base_of(components, dict(model.named_parameters()))
    sets = GateSets(DYNAMIC, components, {"de": rows}, base, HardConcrete(), TENTHS)
    cfg = SimpleNamespace(gates_sparsity=None)
    method = Gates(sets, True, cfg, ["de"])
    method.attach(model, None, cfg)
    method = method.bind(model)
    with torch.no_grad():
        model.gates.alpha["de"].sub_(1.0)
        model.gates.stretch["de"].fill_(-1.5)
    learned = components.joined(method.sets.values("de", 0.5))
    assert bool(((learned > 0) & (learned < 1)).any())
    for _ in range(2):  # for inference, and for what a fine-tuning of it wrote
        state, weights = method.to_state()["gates"], model.state_dict()
        of_state = from_state(state["sets"]).values("de", 0.5)  # what is exported
        assert torch.equal(components.joined(of_state), learned)
        model = roberta(seed=2)
        method = Gates.from_state(state, "it").at_sparsity(0.5)
        method.attach(model, None, None)
        method = method.bind(model)
        model.load_state_dict(dict(weights))
        assert torch.equal(components.joined(method.sets.values("de", 0.5)), learned)
