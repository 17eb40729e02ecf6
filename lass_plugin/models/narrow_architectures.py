"""Architectures of narrow models: fairseq's own, with widths for each layer."""

from typing import Any

from fairseq.models import register_model, register_model_architecture
from fairseq.models.roberta.model import RobertaModel
from fairseq.models.roberta.model import base_architecture as roberta
from fairseq.models.transformer import TransformerModel, base_architecture
from fairseq.modules.transformer_sentence_encoder import init_bert_params
from torch import nn

from lass_plugin.anatomy.places import SIDES
from lass_plugin.models.low_rank_embedding import RANK, make_low_rank
from lass_plugin.models.narrow import BY_LAYER, flag, make_narrow

ROBERTA_NARROW, TRANSFORMER_NARROW = "roberta_narrow", "transformer_narrow"


def _add_widths(parser: Any, options: Any) -> None:
    for option in options:
        what = "heads" if "heads" in option else "hidden units"
        parser.add_argument(
            flag(option), metavar="N,…", help=f"number of {what} in each layer"
        )


@register_model(ROBERTA_NARROW)
class NarrowRoberta(RobertaModel):
    """RoBERTa with other widths in each layer, as ``lass gates export`` writes it."""

    @staticmethod
    def add_args(parser: Any) -> None:
        """Add RoBERTa's options, and those of the widths."""
        RobertaModel.add_args(parser)
        of_encoder = [name for (side, _), name in BY_LAYER.items() if side == SIDES[0]]
        _add_widths(parser, of_encoder)
        parser.add_argument(
            flag(RANK), type=int, metavar="R", help="rank of the embedding (all)"
        )

    @classmethod
    def build_model(cls, args: Any, task: Any) -> "NarrowRoberta":
        """Build a new model."""
        model = super().build_model(args, task)
        make_narrow(model, args)
        model.encoder.sentence_encoder.layers.apply(init_bert_params)
        if getattr(args, RANK, None):
            make_low_rank(model.encoder, int(getattr(args, RANK)), args)
        eps: Any = getattr(args, "layer_norm_eps", None)  # 1e-12 in BERT's layout
        for module in model.modules() if eps is not None else ():
            if isinstance(module, nn.LayerNorm):
                module.eps = float(eps)
        return model


@register_model(TRANSFORMER_NARROW)
class NarrowTransformer(TransformerModel):
    """fairseq's transformer with other widths in each layer."""

    @classmethod
    def add_args(cls, parser: Any) -> None:
        """Add the transformer's options, and those of the widths."""
        super().add_args(parser)
        _add_widths(parser, BY_LAYER.values())

    @classmethod
    def build_model(cls, args: Any, task: Any) -> "NarrowTransformer":
        """Build a new model."""
        model = super().build_model(args, task)
        make_narrow(model, args)
        return model


@register_model_architecture(ROBERTA_NARROW, ROBERTA_NARROW)
def roberta_narrow(args: Any) -> None:
    """RoBERTa-base where nothing else is said; as wide as it where no width is."""
    roberta(args)


@register_model_architecture(TRANSFORMER_NARROW, TRANSFORMER_NARROW)
def transformer_narrow(args: Any) -> None:
    """transformer-base where nothing else is said; as wide as it where no width is."""
    base_architecture(args)
