"""Adapters against hand-worked values, slow loops and the papers' parameters."""

from argparse import Namespace
from types import SimpleNamespace

import pytest
import torch
import yaml
from conftest import ROOT
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY
from torch import nn

from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.methods.adapters.method import AdapterMethod
from lass_plugin.methods.adapters.modules import (
    Adapter,
    Adapters,
    attach,
    belongs_to,
    is_adapter,
)
from lass_plugin.methods.adapters.plan import AdapterPlan
from lass_plugin.methods.routing import Routing

PAIRS = parse_pairs("de-en,en-de,en-nl")
WIDTH = 6


def test_the_equation_by_hand():
    """norm(1, 3) = (−1, 1); D is (2, 1), so relu(D · + b) = relu(−1 + .5) or 1.5 …"""
    adapter = Adapter("x", 2, 2)
    with torch.no_grad():
        adapter.down.weight.copy_(torch.tensor([[2.0, 1.0], [-1.0, 1.0]]))
        adapter.down.bias.copy_(torch.tensor([0.5, 1.0]))
        adapter.up.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        adapter.up.bias.copy_(torch.tensor([0.25, 0.0]))
    # D (−1, 1) + b = (−.5, 3); relu (0, 3); U · + c = (6.25, −3)
    expected = torch.tensor([[[1 + 6.25, 3 - 3.0]]])
    found = adapter(torch.tensor([[[1.0, 3.0]]]))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)  # ε of the norm


def test_a_fresh_adapter_changes_nothing_and_draws_nothing():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    adapter = Adapter("x", WIDTH, 4)
    assert torch.equal(torch.random.get_rng_state(), before)
    x = torch.randn(3, 2, WIDTH)
    assert torch.equal(adapter(x), x)
    adapter(x).sum().backward()
    assert adapter.up.weight.grad.abs().sum() > 0  # so it can begin to learn


def test_what_a_key_begins_with_depends_on_seed_layer_and_key_alone():
    def drawn(layer: str, seed: int, *keys: str) -> torch.Tensor:
        adapters = Adapters(layer, "pair", WIDTH, keys, 4, seed, Routing(("pair",)))
        return adapters.get_submodule("of_de-en").down.weight

    first = drawn("encoder.layers.0", 1, "de-en")
    assert torch.equal(first, drawn("encoder.layers.0", 1, "en-de", "de-en"))
    for other in (("encoder.layers.1", 1, "de-en"), ("encoder.layers.0", 2, "de-en")):
        assert not torch.equal(first, drawn(*other))


def layers(by: str, routing: Routing) -> dict[str, Adapters]:
    """Adapters of each side whose up-projections say something."""
    torch.manual_seed(5)
    plan, made = AdapterPlan.of(PAIRS, by, 4), {}
    for side in ("encoder", "decoder"):
        adapters = Adapters(
            side, plan.index(side), WIDTH, plan.keys(side), 4, 1, routing
        )
        for parameter in adapters.parameters():
            nn.init.normal_(parameter)
        made[side] = adapters
    return made


CHOSEN = {
    "pair": ("of_de-en", "of_de-en"),
    "source": ("of_de", "of_de"),
    "target": ("of_en", "of_en"),
    "separate": ("of_de", "of_en"),
}


@pytest.mark.parametrize("by", CHOSEN)
def test_a_pair_computes_with_its_own(by):
    plan = AdapterPlan.of(PAIRS, by, 4)
    routing = Routing(tuple({plan.index(side) for side in ("encoder", "decoder")}))
    x = torch.randn(3, 2, WIDTH)
    sides = layers(by, routing)
    with routing.using([PAIRS[0]]):
        for (_, adapters), name in zip(sides.items(), CHOSEN[by], strict=True):
            assert torch.equal(adapters(x), adapters.get_submodule(name)(x))
    for adapters in sides.values():
        assert torch.equal(adapters(x), x)  # no batch: the model without adapters


def test_a_batch_of_any_pairs_is_that_of_each_sentence():
    """Values and gradients, against one sentence at a time."""
    routing = Routing(("source", "target"))
    pairs = [PAIRS[number] for number in (2, 0, 1, 0, 2)]
    for side, adapters in layers("separate", routing).items():
        x = torch.randn(4, len(pairs), WIDTH, requires_grad=True)
        weight = torch.randn(4, len(pairs), WIDTH)
        with routing.using(pairs):
            together = adapters(x)
        (together * weight).sum().backward()
        names = {name: p.grad.clone() for name, p in adapters.named_parameters()}
        of_x, x.grad = x.grad.clone(), None
        adapters.zero_grad()
        for number, pair in enumerate(pairs):
            with routing.using([pair]):
                alone = adapters(x[:, number : number + 1])
            (alone * weight[:, number : number + 1]).sum().backward()
            torch.testing.assert_close(together[:, number : number + 1], alone)
        torch.testing.assert_close(x.grad, of_x)
        for name, parameter in adapters.named_parameters():
            torch.testing.assert_close(
                parameter.grad, names[name], msg=f"{side} {name}"
            )


def test_only_the_adapters_of_the_batch_get_a_gradient():
    routing = Routing(("pair",))
    adapters = layers("pair", routing)["encoder"]
    with routing.using([PAIRS[0]]):
        adapters(torch.randn(2, 3, WIDTH)).sum().backward()
    for name, parameter in adapters.named_parameters():
        assert (parameter.grad is not None) is name.startswith("of_de-en."), name


# -- whose they are --------------------------------------------------------------------


def test_plans_know_their_keys():
    assert AdapterPlan.of(PAIRS, "pair", 4).encoder == ("de-en", "en-de", "en-nl")
    separate = AdapterPlan.of(PAIRS, "separate", 4)
    assert (separate.encoder, separate.decoder) == (("de", "en"), ("de", "en", "nl"))
    assert AdapterPlan.from_dict(separate.to_dict()) == separate
    assert separate.only(Pair("de", "nl")).decoder == ("nl",)
    separate.check_pairs([Pair("de", "nl")])  # never trained, but both are there
    with pytest.raises(LassError, match="no adapter of nl in the encoder, so nl-de"):
        separate.check_pairs([Pair("nl", "de")])
    with pytest.raises(LassError, match="no adapter of de-nl .*--adapter-by separate"):
        AdapterPlan.of(PAIRS, "pair", 4).check_pairs([Pair("de", "nl")])


PLAN = AdapterPlan.of(PAIRS, "pair", 4)


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"version": 1},
        {"version": 2, "plan": PLAN.to_dict()},
        {"version": 1, "plan": {**PLAN.to_dict(), "bottleneck": 0}},
        {"version": 1, "plan": {**PLAN.to_dict(), "by": "family"}},
        {"version": 1, "plan": {**PLAN.to_dict(), "encoder": "de-en"}},
    ],
)
def test_a_damaged_entry_is_named(state):
    with pytest.raises(LassError, match="it.pt"):
        AdapterMethod.from_state(state, "it.pt")


def test_names_in_a_checkpoint():
    name = "decoder.layers.11.adapters.of_zh_Hans~x.down.weight"
    assert is_adapter(name) and not is_adapter("decoder.layers.1.fc1.weight")
    assert belongs_to(name, {"decoder": "zh_Hans.x"})
    assert not belongs_to(name, {"decoder": "zh_Hans"})
    assert belongs_to("decoder.layers.1.fc1.weight", {"decoder": "de"})


@pytest.mark.parametrize("key", ["cpu", "half", "pop", "type", "a.b"])
def test_a_language_may_be_called_like_anything(key):
    adapters = Adapters("x", "source", WIDTH, [key, "de"], 4, 1, Routing(("source",)))
    adapters.keep(key)
    assert len(list(adapters.children())) == 1


# -- the papers' numbers ---------------------------------------------------------------


def grown(paper: str, bottleneck: int | None = None) -> tuple[int, int, int]:
    """Parameters of the model of a configuration without embeddings, width of these,
    and parameters that each pair adds."""
    path = ROOT / "configs" / paper / "adapter.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    options = Namespace(**config["model"])
    ARCH_CONFIG_REGISTRY[options._name](options)
    dictionary = Dictionary()
    task = SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)
    with torch.device("meta"):
        model = ARCH_MODEL_REGISTRY[options._name].build_model(options, task)
    table = model.encoder.embed_tokens.weight
    before = sum(parameter.numel() for parameter in model.parameters())
    pairs = parse_pairs(config["task"]["lang_pairs"])
    wanted = bottleneck or config["task"]["adapter_bottleneck"]
    plan = AdapterPlan.of(pairs[:1], config["task"]["adapter_by"], wanted)
    attach(model, plan, 1, begins=True)
    added = sum(parameter.numel() for parameter in model.parameters()) - before
    tables = 1 if config["model"]["share_all_embeddings"] else 3
    return before - tables * table.numel(), table.shape[1], added


def test_an_adapter_of_each_of_twelve_layers_by_hand():
    d, b = 512, 128
    norm, down, up = 2 * d, d * b + b, b * d + d
    assert grown("xie2021")[2] == 12 * (norm + down + up) == 1_592_832


@pytest.mark.parametrize(
    ("bottleneck", "of_all", "of_a_pair"),
    [(128, 103, 79), (256, 128, 81), (512, 179, 84)],
)
def test_he_2023_table_12(bottleneck, of_all, of_a_pair):
    """16 pairs; a base of 78M with three tables of 30K, see test_architectures.py. The
    table cuts off what is behind the millions: 79.59M for a pair is its 79M."""
    body, width, added = grown("he2023", bottleneck)
    base = body + 3 * 30_000 * width
    assert base / 1e6 == pytest.approx(78, rel=0.01)
    assert int((base + 16 * added) / 1e6) == pytest.approx(of_all, rel=0.01)
    assert (base + added) / 1e6 == pytest.approx(of_a_pair, rel=0.01)


@pytest.mark.parametrize(
    ("base", "pairs", "of_all"), [(64.69, 8, 77.43), (90.42, 12, 109.54)]
)
def test_xie_2021_tables_1_and_2(base, pairs, of_all):
    """Both printed numbers are rounded to .01M."""
    assert base + pairs * grown("xie2021")[2] / 1e6 == pytest.approx(of_all, abs=0.011)


def test_the_configurations_are_those_of_the_base_but_for_the_adapters():
    for paper in ("he2023", "xie2021"):
        base, adapter = (
            yaml.safe_load(
                (ROOT / "configs" / paper / f"{name}.yaml").read_text(encoding="utf-8")
            )
            for name in ("base", "adapter")
        )
        task = adapter["task"]
        assert task.pop("_name") == "translation_adapters"
        assert (task.pop("adapter_by"), task.pop("adapter_bottleneck")) == ("pair", 128)
        assert task.pop("freeze_base") is False  # He 2023, §4.3; Xie 2021, §4.2
        del base["task"]["_name"]
        assert adapter == base
