"""Narrow models that translate: heads and hidden units of every layer of their own."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from conftest import PAIRS
from fairseq.models.transformer import TransformerModel, base_architecture
from runs import Run

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.methods.gates.export import export
from lass_plugin.methods.gates.narrowing import components_of, folded, narrowed
from lass_plugin.methods.subnetworks.compaction import (
    made_up_dictionary,
    random_outputs,
)
from lass_plugin.models.narrow import options_of
from lass_plugin.models.narrow_architectures import NarrowTransformer

SYMBOLS, HEADS, HIDDEN = 30, 4, 8


def small(**changes: object) -> tuple[dict, dict]:
    """Options and drawn weights of a transformer."""
    options = Namespace(encoder_layers=2, decoder_layers=2, **changes)
    for side in ("encoder", "decoder"):
        setattr(options, f"{side}_embed_dim", 8)
        setattr(options, f"{side}_ffn_embed_dim", HIDDEN)
        setattr(options, f"{side}_attention_heads", HEADS)
    base_architecture(options)
    dictionary = made_up_dictionary(SYMBOLS)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    torch.manual_seed(1)
    model = TransformerModel.build_model(options, task)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return vars(options), dict(model.state_dict())


def drawn_gates(counts: dict[str, int]) -> dict[str, torch.Tensor]:
    """Another number of open components in each site; none in two of them."""
    generator = torch.Generator().manual_seed(2)
    gates = {
        site: (torch.rand(n, generator=generator) < 0.5) * 0.75
        for site, n in counts.items()
    }
    gates["decoder.layers.1.encoder_attn.heads"][:] = 0.0
    gates["encoder.layers.0.fc1"][:] = 0.0
    return gates


@pytest.mark.parametrize("pre_norm", [False, True])
def test_outputs_are_those_of_folded_gates(pre_norm):
    options, weights = small(
        encoder_normalize_before=pre_norm, decoder_normalize_before=pre_norm
    )
    components = components_of(weights, options)
    gates = drawn_gates(dict(components.counts))
    narrow = narrowed(weights, components, gates)
    for site, gate in gates.items():
        assert narrow.widths[site] == int((gate != 0).sum())
    widths = {**options, **options_of(narrow.widths)}
    assert widths["cross_heads_by_layer"].endswith(",0")
    first = random_outputs(options, folded(weights, gates), "")
    second = random_outputs(widths, narrow.tensors, "", kind=NarrowTransformer)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_step_at_a_time_gives_the_same():
    """As a beam search decodes, with what fairseq keeps of the steps before."""
    options, weights = small()
    components = components_of(weights, options)
    narrow = narrowed(weights, components, drawn_gates(dict(components.counts)))
    dictionary = made_up_dictionary(SYMBOLS)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    widths = Namespace(**options, **options_of(narrow.widths))
    model = NarrowTransformer.build_model(widths, task).eval()
    model.load_state_dict(narrow.tensors)
    tokens = torch.randint(4, SYMBOLS, (3, 6))
    read = model.encoder(tokens, torch.full((3,), 6))
    whole, _ = model.decoder(tokens, encoder_out=read)
    kept: dict = {}
    for end in range(1, 7):
        step, _ = model.decoder(tokens[:, :end], read, incremental_state=kept)
        torch.testing.assert_close(step[:, -1], whole[:, end - 1])


@pytest.mark.parametrize(
    "given, message",
    [
        ({"encoder_heads_by_layer": "4"}, "--encoder-heads-by-layer 4 is not 2 whole"),
        ({"decoder_units_by_layer": "4,-1"}, "--decoder-units-by-layer 4,-1 is not"),
        ({"quant_noise_pq": 0.1}, "no --quant-noise-pq"),
    ],
)
def test_widths_that_are_none_are_named(given, message):
    options, _ = small()
    dictionary = made_up_dictionary(SYMBOLS)
    task = Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    with pytest.raises(LassError, match=message):
        NarrowTransformer.build_model(Namespace(**{**options, **given}), task)


def test_a_checkpoint_of_one_pair(data):
    run = Run(data)
    content = {
        "cfg": {"model": run.cfg.model, "task": dict(run.cfg.task)},
        "model": run.weights(),
        "task_state": run.task.state_dict(),
    }
    checkpoint = Checkpoint(Path("joint.pt"), content)
    heads = {"decoder.layers.0.encoder_attn.heads": torch.tensor([0.0, 1.0])}
    heads["decoder.layers.1.encoder_attn.heads"] = torch.tensor([1.0, 1.0])
    made = export(checkpoint, PAIRS[0], heads)
    assert made.options["arch"] == "transformer_narrow"
    assert made.options["cross_heads_by_layer"] == "1,2"
    assert made.content["cfg"]["task"]["source_lang"] == PAIRS[0].split("-")[0]
    assert export(checkpoint, PAIRS[0], heads, fill=True).stock
    with pytest.raises(LassError, match="embed_tokens.*has not"):
        export(checkpoint, PAIRS[0], {"encoder.embed_tokens": torch.ones(32)})
