"""Small encoders and gates of theirs, for tests of smaller models."""

from argparse import Namespace
from pathlib import Path

import torch
from fairseq.data import Dictionary
from fairseq.models.roberta import RobertaModel
from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint

LAYERS, UNITS, HEADS, HIDDEN, SYMBOLS = 3, 12, 3, 10, 40
WIDTH = UNITS // HEADS
ENCODER = "encoder.sentence_encoder"
EMBEDDING = f"{ENCODER}.embed_tokens"

OPTIONS = dict(
    arch="roberta",
    encoder_layers=LAYERS,
    encoder_embed_dim=UNITS,
    encoder_ffn_embed_dim=HIDDEN,
    encoder_attention_heads=HEADS,
    max_positions=16,
    dropout=0.1,
)


def made(**changes: object) -> Checkpoint:
    """A checkpoint whose weights are all drawn, its biases too."""
    dictionary = Dictionary()
    for number in range(SYMBOLS - len(dictionary)):
        dictionary.add_symbol(f"{number}")
    options = Namespace(**{**OPTIONS, **changes})
    torch.manual_seed(3)
    model = RobertaModel.build_model(options, Namespace(source_dictionary=dictionary))
    model.register_classification_head("topic", num_classes=4)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    content = {
        "cfg": {"model": options, "task": {"_name": "masked_lm", "data": "somewhere"}},
        "model": {name: each.clone() for name, each in model.state_dict().items()},
    }
    return Checkpoint(Path("dense.pt"), content)


def gates(heads: list[list[float]], units: list[list[int]], scale: float = 1.0):
    """Gates of each layer: those of heads, and which hidden units are open."""
    found = {}
    for number in range(LAYERS):
        layer = f"{ENCODER}.layers.{number}"
        found[f"{layer}.self_attn.heads"] = torch.tensor(heads[number])
        found[f"{layer}.fc1"] = torch.zeros(HIDDEN)
        found[f"{layer}.fc1"][units[number]] = scale
    return found


def ranks(*open_: float) -> dict[str, Tensor]:
    return {EMBEDDING: torch.tensor(open_)}


UNEQUAL = gates(
    [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    [[0, 3, 4, 9], list(range(HIDDEN)), []],
)
FRACTIONAL = gates(
    [[0.25, 0.0, 1.0], [0.5, 0.75, 0.125], [0.0, 0.0, 0.0]],
    [[1, 2], [5], list(range(3, 9))],
    scale=0.375,
)
RANKS = ranks(*[1.0, 0.5, 0.0, 0.0, 1.0, 0.25], *[0.0] * 6)
