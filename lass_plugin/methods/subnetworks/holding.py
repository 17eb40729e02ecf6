"""What does not move in joint training although its pair is trained.

When a pair is added to a model, the older pairs keep their outputs bit for bit if two
things stand still: the weights that their masks keep, and all that no mask covers
(embeddings, biases, layer norms), except the embeddings of symbols that they never use.
"""

from dataclasses import dataclass
from functools import partial
from typing import Mapping

import torch
from torch import Tensor, nn

from lass_plugin.anatomy.vocabulary import is_vocabulary
from lass_plugin.errors import LassError
from lass_plugin.masks.packing import pack
from lass_plugin.training.side_by_side import PackedMask

KINDS = ("others", "shared")
"""``others``: what the masks of other pairs keep. ``shared``: what no mask covers."""


def parse_holding(text: str | None) -> tuple[str, ...]:
    """Read ``others,shared``.

    Raises:
        LassError: another word.
    """
    items = [item.strip() for item in (text or "").split(",") if item.strip()]
    for item in items:
        if item not in KINDS:
            raise LassError(
                f"--hold does not know '{item}'; give others, shared, or both "
                "separated by a comma"
            )
    return tuple(kind for kind in KINDS if kind in items)


@dataclass(frozen=True)
class HeldParameter:
    """A parameter that no mask covers, and what of it may move all the same."""

    parameter: nn.Parameter
    bits: Tensor
    """``(ceil(units / 8),)`` packed, 1 = may move."""


@dataclass(frozen=True)
class Holding:
    """What is held: nothing by default."""

    sites: PackedMask | None = None
    """Site -> packed mask of weights that are held; None for none."""
    symbols: int | None = None
    """Hold all that no mask covers but the embeddings of symbols from this one on;
    None to let it move."""

    def shared_parameters(
        self, model: nn.Module, sites: Mapping[str, nn.Parameter]
    ) -> dict[str, HeldParameter]:
        """The parameters of *model* outside *sites* that are held, empty if none are.

        From now on their gradient is zero where they are held, so that it counts
        neither in the norm that is clipped nor in a moment.
        """
        if self.symbols is None:
            return {}
        held = {}
        for name, parameter in model.named_parameters():
            if name in sites or not parameter.requires_grad:
                continue
            movable = torch.zeros(parameter.shape, dtype=torch.bool)
            rows = len(parameter) if parameter.dim() else 0
            if is_vocabulary(name):
                rows = min(self.symbols, rows)
                movable[rows:] = True
            parameter.register_hook(partial(_clear_rows, rows))
            bits = pack(movable).to(parameter.device)
            held[name] = HeldParameter(parameter, bits)
        return held


def _clear_rows(rows: int, gradient: Tensor) -> Tensor:
    """*gradient* with its first *rows* rows zero, infinities among them too."""
    cleared = gradient.clone()
    cleared[:rows] = 0
    return cleared
