"""The low-rank modules of one direction as a checkpoint stores them; no model."""

import os
from dataclasses import dataclass
from typing import Any, Iterator, Mapping

from torch import Tensor

from lass_plugin.anatomy.matrices import place_of
from lass_plugin.checkpoints.checkpoint import weights
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.methods.lowrank.attaching import WEIGHTS
from lass_plugin.methods.lowrank.entry import Carried
from lass_plugin.methods.lowrank.modules import entry_name, mixing_weight, product
from lass_plugin.methods.lowrank.planning.placement import BOTH, SOURCE, TARGET


@dataclass(frozen=True)
class Stored:
    """The module of one language beside one matrix."""

    matrix: str
    """``encoder.layers.0.fc1``."""
    index: str
    language: str
    a: Tensor
    """``(rank, inputs)``."""
    b: Tensor
    """``(outputs, rank)``."""
    scale: float
    weight: Tensor | None = None
    """``()`` learned weight of the index; None where it is not learned."""

    @property
    def rank(self) -> int:
        return len(self.a)

    def delta(self) -> Tensor:
        """``(outputs, inputs)`` float32 that is added to the matrix."""
        return product(self.a, self.b, self.scale, self.weight)


def stored_modules(
    checkpoint: Mapping[str, Any], entry: Carried, pair: Pair, path: str | os.PathLike
) -> Iterator[Stored]:
    """The modules that *pair* is translated with, in the order of the plan's matrices.

    Args:
        entry: of that checkpoint.
        path: of it, for messages.

    Raises:
        LassError: the plan says nothing of a language, or a module is not there.
    """
    entry.plan.check_pairs([pair])
    plan, tensors = entry.plan, weights(checkpoint)
    for matrix, ranks in plan.ranks.items():
        side, layer = place_of(matrix)
        index = plan.placement.of(side, layer)
        learned = tensors.get(f"{side}.layers.{layer}.{WEIGHTS}")
        for number, each in enumerate((SOURCE, TARGET)):
            language = plan.language_of(each, pair)
            rank = ranks.get(language, 0)
            if index not in (each, BOTH) or not rank:
                continue
            a, b = (
                tensors.get(entry_name(matrix, each, factor, language))
                for factor in "AB"
            )
            weight = None
            if index == BOTH and learned is not None:
                weight = mixing_weight(learned, number)
            if a is None or b is None or (index == BOTH and weight is None):
                raise _damaged(path, language, matrix)
            if a.dim() != 2 or len(a) != rank or b.dim() != 2 or b.shape[1] != rank:
                raise _damaged(path, language, matrix)
            yield Stored(matrix, each, language, a, b, plan.scale(rank), weight)


def _damaged(path: str | os.PathLike, language: str, matrix: str) -> LassError:
    return LassError(
        f"{path} lacks the low-rank module of {language} beside {matrix} that its plan "
        "names; the file is damaged, so take another one"
    )
