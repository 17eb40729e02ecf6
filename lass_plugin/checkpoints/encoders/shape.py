"""The shape of an encoder, and the options of fairseq's ``roberta`` that build it."""

from dataclasses import dataclass
from typing import Any

from lass_plugin.errors import LassError


@dataclass(frozen=True)
class EncoderShape:
    """Numbers that an encoder is built from; each is a command-line option."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    positions: int
    """Most tokens of a sample."""
    layer_norm_eps: float = 1e-5
    """XLM-R has 1e-5, as all of fairseq, BERT 1e-12."""
    dropout: float = 0.1
    attention_dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("layers", "width", "feed_forward", "heads", "positions"):
            if getattr(self, name) < 1:
                raise LassError(f"an encoder with {name} {getattr(self, name)} is none")
        if self.width % self.heads:
            raise LassError(
                f"an encoder of width {self.width} cannot have {self.heads} heads"
            )

    def options(self) -> dict[str, Any]:
        """Option -> value of the model."""
        return {
            "_name": "roberta",
            "arch": "roberta",
            "encoder_layers": self.layers,
            "encoder_embed_dim": self.width,
            "encoder_ffn_embed_dim": self.feed_forward,
            "encoder_attention_heads": self.heads,
            "max_positions": self.positions,
            "layer_norm_eps": self.layer_norm_eps,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
        }

    def flags(self) -> str:
        """The options as the command line of a training has them."""
        options = self.options()
        words = [f"--arch {options.pop('arch')}"]
        del options["_name"], options["dropout"], options["attention_dropout"]
        if self.layer_norm_eps == 1e-5:
            del options["layer_norm_eps"]
        words += [f"--{name.replace('_', '-')} {v}" for name, v in options.items()]
        return " ".join(words)
