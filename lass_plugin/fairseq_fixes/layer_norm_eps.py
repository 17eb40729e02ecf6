"""The ε of an encoder's layer norms.

Symptom: an encoder in BERT's layout (ε = 1e-12) gives other outputs in fairseq, whose
``roberta`` has 1e-5 in all its layer norms and no option for it.
"""

from collections.abc import Callable
from typing import Any

from fairseq.models.roberta import RobertaModel
from torch import nn

from lass_plugin.fairseq_fixes.replacing import replace_once


def _with_option(stock: Callable) -> Callable:
    def add_args(parser: Any) -> None:
        stock(parser)
        parser.add_argument(
            "--layer-norm-eps",
            type=float,
            metavar="E",
            help="what layer norms add to the variance (1e-5; BERT: 1e-12)",
        )

    return add_args


def _with_eps(stock: Callable) -> Callable:
    def initialize(self: Any, args: Any, encoder: Any) -> None:
        stock(self, args, encoder)
        eps: Any = getattr(args, "layer_norm_eps", None)
        for module in self.modules() if eps is not None else ():
            if isinstance(module, nn.LayerNorm):
                module.eps = eps

    return initialize


def take_layer_norm_eps() -> None:
    """Give ``roberta`` and what derives from it the option ``--layer-norm-eps``."""
    replace_once(RobertaModel, "add_args", _with_option)
    replace_once(RobertaModel, "__init__", _with_eps)
