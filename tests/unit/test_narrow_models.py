"""Smaller models: sizes are those of the gates, and outputs those under the gates."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from encoders import as_public
from fairseq.data import Dictionary
from fairseq.models.roberta import RobertaModel
from narrow_models import (
    EMBEDDING,
    ENCODER,
    FRACTIONAL,
    HEADS,
    HIDDEN,
    LAYERS,
    OPTIONS,
    RANKS,
    SYMBOLS,
    UNEQUAL,
    UNITS,
    WIDTH,
    gates,
    made,
    ranks,
)
from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.corpora.xtreme.tasks import TAGS, TASKS
from lass_plugin.errors import LassError
from lass_plugin.methods.gates.carried import gates_for
from lass_plugin.methods.gates.embedding import factors_of
from lass_plugin.methods.gates.export import (
    build,
    encoder_outputs,
    export,
    with_todays_names,
)
from lass_plugin.methods.gates.narrowing import components_of
from lass_plugin.methods.gates.sets import FIXED, GateSets, base_of, save_gates
from lass_plugin.models.xtreme_heads import head_name

NER = next(task for task in TASKS.values() if task.kind == TAGS)


@pytest.fixture(scope="module")
def dense() -> Checkpoint:
    return made()


def by_hand(checkpoint: Checkpoint, given: dict[str, Tensor], tokens: Tensor):
    """States and scores with Eq. 1 to 3 of Li 2022 written out, in double precision."""
    w = {name: each.double() for name, each in checkpoint.weights.items()}
    embedding = w[f"{EMBEDDING}.weight"]
    if EMBEDDING in given:
        first, second = factors_of(embedding)
        embedding = first @ torch.diag(given[EMBEDDING].double()) @ second

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"{name}.weight"].t() + w[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (UNITS,), w[f"{name}.weight"], w[f"{name}.bias"])

    padding = tokens.eq(1)  # (sentences, length)
    places = (torch.cumsum(~padding, 1) * ~padding) + 1
    x = embedding[tokens] + w[f"{ENCODER}.embed_positions.weight"][places]
    x = norm(x, f"{ENCODER}.layernorm_embedding") * ~padding.unsqueeze(-1)
    for number in range(LAYERS):
        layer = f"{ENCODER}.layers.{number}"
        q, k, v = (linear(x, f"{layer}.self_attn.{n}_proj") for n in "qkv")
        out = w[f"{layer}.self_attn.out_proj.weight"]
        total = w[f"{layer}.self_attn.out_proj.bias"].expand_as(x)
        for head in range(HEADS):
            part = slice(head * WIDTH, (head + 1) * WIDTH)
            scores = q[..., part] @ k[..., part].transpose(1, 2) / WIDTH**0.5
            scores = scores.masked_fill(padding.unsqueeze(1), float("-inf"))
            mixed = scores.softmax(-1) @ v[..., part]
            gate = given.get(f"{layer}.self_attn.heads", torch.ones(HEADS))[head]
            total = total + gate.double() * (mixed @ out[:, part].t())  # Eq. 1
        x = norm(x + total, f"{layer}.self_attn_layer_norm")
        hidden = F.gelu(linear(x, f"{layer}.fc1"))
        hidden = (
            hidden * given.get(f"{layer}.fc1", torch.ones(HIDDEN)).double()
        )  # Eq. 2
        x = norm(x + linear(hidden, f"{layer}.fc2"), f"{layer}.final_layer_norm")
    states = x
    x = F.gelu(linear(states, "encoder.lm_head.dense"))
    x = norm(x, "encoder.lm_head.layer_norm")
    scores = x @ embedding.t() + w["encoder.lm_head.bias"]  # Eq. 3, the same product
    return states, scores


@torch.no_grad()
def check_equal(checkpoint: Checkpoint, given: dict[str, Tensor], **how: object):
    """Export, and compare the model that is built of the result with the equations."""
    made_ = export(checkpoint, "de", given, **how)  # type: ignore[arg-type]
    model = build(made_.options, made_.content["model"], "small.pt")
    tokens = torch.randint(
        4, SYMBOLS, (3, 7), generator=torch.Generator().manual_seed(5)
    )
    tokens[1, 5:] = tokens[2, 1:] = 1
    there = ~tokens.eq(1)
    states, scores = by_hand(checkpoint, given, tokens)
    for fast in (True, False):  # padding or none: the call of attention differs
        batch, seen = (tokens, there) if fast else (tokens[:1], there[:1])
        found, _ = model(batch, features_only=True)
        torch.testing.assert_close(
            found[seen].double(), states[: len(batch)][seen], rtol=0, atol=1e-5
        )
        found, _ = model(batch)
        torch.testing.assert_close(
            found[seen].double(), scores[: len(batch)][seen], rtol=1e-5, atol=1e-5
        )
    return made_, model


def shapes(made_) -> list[tuple[int, int]]:
    """Rows of q_proj and of fc1 in each layer, as the tensors have them."""
    weights = made_.content["model"]
    found = []
    for number in range(LAYERS):
        layer = f"{ENCODER}.layers.{number}"
        query = weights[f"{layer}.self_attn.q_proj.weight"]
        first = weights[f"{layer}.fc1.weight"]
        assert weights[f"{layer}.self_attn.out_proj.weight"].shape == query.shape[::-1]
        assert weights[f"{layer}.fc2.weight"].shape == first.shape[::-1]
        assert len(weights[f"{layer}.fc1.bias"]) == len(first)
        for name in ("k_proj", "v_proj"):
            assert weights[f"{layer}.self_attn.{name}.weight"].shape == query.shape
            assert len(weights[f"{layer}.self_attn.{name}.bias"]) == len(query)
        found.append((len(query), len(first)))
    return found


def test_sizes_are_those_of_the_gates_in_every_layer(dense):
    small, model = check_equal(dense, UNEQUAL)
    assert shapes(small) == [(2 * WIDTH, 4), (0, 10), (WIDTH, 0)]
    assert small.options["encoder_heads_by_layer"] == "2,0,1"
    assert small.options["encoder_units_by_layer"] == "4,10,0"
    assert small.options["arch"] == "roberta_narrow" and not small.stock
    kept = small.content["model"][f"{ENCODER}.layers.0.fc1.weight"]
    whole = dense.weights[f"{ENCODER}.layers.0.fc1.weight"]
    assert kept.equal(whole[[0, 3, 4, 9]])
    assert small.difference < 1e-6
    assert sorted(model.state_dict()) == sorted(dense.weights)  # no name is left out


def test_fractional_gates_are_folded_into_what_reads_the_component(dense):
    small, _ = check_equal(dense, {**FRACTIONAL, **RANKS})
    assert shapes(small) == [(2 * WIDTH, 2), (3 * WIDTH, 1), (0, 6)]
    first = small.content["model"][f"{EMBEDDING}.weight"]
    assert first.shape == (SYMBOLS, 4) and small.options["embedding_rank"] == 4
    assert small.content["model"]["encoder.lm_head.weight"] is first


def test_a_rank_that_saves_nothing_is_multiplied_out(dense):
    small, _ = check_equal(dense, ranks(*[1.0] * 11, 0.0))
    assert f"{EMBEDDING}.projection" not in small.content["model"]
    assert small.stock and "embedding_rank" not in small.options


def test_an_untied_projection_keeps_its_rank():
    untied = made(untie_weights_roberta=True)
    small = export(untied, "de", RANKS)
    whole = untied.weights["encoder.lm_head.weight"]
    assert small.content["model"]["encoder.lm_head.weight"].equal(whole)
    assert small.content["model"][f"{EMBEDDING}.weight"].shape == (SYMBOLS, 4)


def test_exporting_an_export_changes_nothing(dense):
    small = export(dense, "de", {**UNEQUAL, **RANKS})
    again = export(Checkpoint(Path("small.pt"), small.content), "de", {})
    assert again.options == small.options
    for name, tensor in small.content["model"].items():
        assert again.content["model"][name].equal(tensor), name


def test_a_narrow_model_is_cut_again(dense):
    small = export(dense, "de", {**UNEQUAL, **RANKS})
    twice = Checkpoint(Path("small.pt"), small.content)
    heads = [torch.tensor([0.0, 1.0]), torch.ones(0), torch.ones(1)]
    further = {
        f"{ENCODER}.layers.{number}.self_attn.heads": each
        for number, each in enumerate(heads)
    }
    again = export(twice, "de", further)
    assert again.options["encoder_heads_by_layer"] == "1,0,1"


def test_filled_up_it_is_a_model_of_stock_fairseq(dense):
    small, _ = check_equal(dense, {**FRACTIONAL, **RANKS}, fill=True)
    assert small.stock and small.options["arch"] == "roberta"
    assert shapes(small) == [(UNITS, 8)] * 3  # six units at most, a multiple of eight
    assert small.options["encoder_ffn_embed_dim"] == 8
    stock = RobertaModel.build_model(
        Namespace(**small.options),
        Namespace(source_dictionary=build_dictionary()),
    )
    stock.register_classification_head("topic", num_classes=4)
    stock.load_state_dict(small.content["model"])
    first = encoder_outputs(stock.eval())
    second = encoder_outputs(build(small.options, small.content["model"], ""))
    assert first.equal(second)


def build_dictionary() -> Dictionary:
    dictionary = Dictionary()
    for number in range(SYMBOLS - len(dictionary)):
        dictionary.add_symbol(f"{number}")
    return dictionary


def test_of_a_task_of_ours_it_is_one_of_stock_masked_lm(dense, tmp_path):
    """Read back by torch's safe loading, so of plain values."""
    ours = {**dense.content["cfg"], "task": {"_name": "masked_lm_languages"}}
    other = Checkpoint(Path("ours.pt"), {**dense.content, "cfg": ours})
    save_tensors(tmp_path / "de.pt", export(other, "de", UNEQUAL).content)
    task = Checkpoint.read_whole(tmp_path / "de.pt").task_options
    assert task["_name"] == "masked_lm" and task["tokens_per_sample"] == 16
    assert task["sample_break_mode"] == "none"


def test_a_head_of_tokens_answers_for_each(dense):
    head, outputs = f"classification_heads.{head_name(NER)}", len(NER.labels)
    more = {
        f"{head}.dense.weight": torch.randn(UNITS, UNITS),
        f"{head}.dense.bias": torch.zeros(UNITS),
        f"{head}.out_proj.weight": torch.randn(outputs, UNITS),
        f"{head}.out_proj.bias": torch.zeros(outputs),
    }
    content = {**dense.content, "task_state": {"xtreme": {"head": "kept"}}}
    content["model"] = {**dense.weights, **more}
    small = export(Checkpoint(Path("ner.pt"), content), "de", UNEQUAL)
    assert small.content["task_state"] == {"xtreme": {"head": "kept"}}
    model = build(small.options, small.content["model"], "")
    tokens = torch.randint(4, SYMBOLS, (2, 5))
    found, _ = model(tokens, classification_head_name=head_name(NER))
    assert found.shape == (2, 5, outputs)


def test_equal_layers_are_a_model_of_stock_fairseq_without_filling(dense):
    small, _ = check_equal(
        dense, gates([[1.0] * 3] * 3, [[0, 2, 4], [1, 3, 5], [7, 8, 9]])
    )
    assert small.stock and shapes(small) == [(UNITS, 3)] * 3


def test_the_eps_of_layer_norms_is_kept():
    """fairseq has 1e-5, BERT 1e-12; of the head of a low rank, too."""
    small = export(made(layer_norm_eps=1e-3), "de", {**UNEQUAL, **RANKS})
    model = build(small.options, small.content["model"], "")
    norms = [m for m in model.modules() if isinstance(m, torch.nn.LayerNorm)]
    assert len(norms) == 2 * LAYERS + 2 and {norm.eps for norm in norms} == {1e-3}
    assert not export(made(layer_norm_eps=1e-3), "de", {}).stock


def test_half_precision_is_stored(dense):
    small = export(dense, "de", UNEQUAL, half=True)
    assert {each.dtype for each in small.content["model"].values()} == {torch.half}


def test_gradients_flow_where_nothing_is_left(dense):
    small = export(dense, "de", {**UNEQUAL, **RANKS})
    model = build(small.options, small.content["model"], "").train()
    scores, _ = model(torch.randint(4, SYMBOLS, (2, 5)))
    scores.sum().backward()
    bias = model.encoder.sentence_encoder.layers[1].self_attn.out_proj.bias
    assert bias.grad.abs().sum() > 0
    assert model.encoder.sentence_encoder.embed_tokens.projection.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "change, message",
    [
        ({"encoder.layers.0.fc1": torch.ones(HIDDEN)}, "has not; give gates of this"),
        ({f"{ENCODER}.layers.7.fc1": torch.ones(HIDDEN)}, "layers.7.fc1, which dense"),
        ({f"{ENCODER}.layers.0.fc1": torch.ones(HIDDEN + 1)}, "has 10 components"),
        (
            {f"{ENCODER}.layers.0.fc1": torch.full((HIDDEN,), 1.5)},
            "not between 0 and 1",
        ),
        ({f"{ENCODER}.layers.0.fc1": torch.full((HIDDEN,), torch.nan)}, "not between"),
        ({f"{ENCODER}.layers.0.fc1": None}, "site .*layers.0.fc1, which the gates"),
        (ranks(*[0.0] * UNITS), "close all ranks"),
    ],
)
def test_gates_of_another_model_are_named(dense, change, message):
    given = {**UNEQUAL, **change}
    given = {site: values for site, values in given.items() if values is not None}
    with pytest.raises(LassError, match=message):
        export(dense, "de", given)


def test_the_public_encoder_with_older_names_is_the_same_one(dense):
    plain = {n: w for n, w in dense.weights.items() if n.startswith("encoder.")}
    named = Checkpoint(Path("now.pt"), {**dense.content, "model": plain})
    public = Checkpoint(Path("old.pt"), {**dense.content, "model": as_public(plain)})
    components = components_of(plain, OPTIONS)
    assert base_of(components, public.weights) == base_of(components, plain)
    first, second = (
        export(each, "de", UNEQUAL).content["model"]
        for each in (named, with_todays_names(public))
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_weights_that_the_model_has_not_are_no_model(dense):
    weights = {**dense.weights, "encoder.bert.encoder.layer.0.weight": torch.ones(2)}
    other = Checkpoint(Path("dense.pt"), {**dense.content, "model": weights})
    with pytest.raises(LassError, match="cannot be built .*bert"):
        export(other, "de", UNEQUAL)


def test_the_gates_that_a_model_carries(dense, tmp_path):
    components = components_of(dense.weights, OPTIONS)
    generator = torch.Generator().manual_seed(1)
    rows = {"de": {"open": torch.rand(components.total, generator=generator) < 0.5}}
    sets = GateSets(FIXED, components, rows, base_of(components, dense.weights))
    content = {
        **dense.content,
        "model": {**dense.weights, "gates.alpha.de": torch.zeros(3)},
        "task_state": {"gates": {"sets": sets.to_state()}},
    }
    trained = Checkpoint(Path("trained.pt"), content)
    found = gates_for(trained, None)
    small = export(trained, "de", found.values("de"))
    assert small.sparsity == pytest.approx(components.sparsity(sets.values("de")))
    assert not [name for name in small.content["model"] if name.startswith("gates")]
    with pytest.raises(LassError, match="dense.pt carries no gates"):
        gates_for(dense, None)
    save_gates(tmp_path, sets)
    assert gates_for(trained, tmp_path).keys == ("de",)
    base = {site: value + 1.0 for site, value in sets.base.items()}
    opened = {"de": {"open": ~rows["de"]["open"]}}  # of the same model, another choice
    for other in (replace(sets, base=base), replace(sets, rows=opened)):
        save_gates(tmp_path, other)
        with pytest.raises(LassError, match="trained.pt was trained under other gates"):
            gates_for(trained, tmp_path)
