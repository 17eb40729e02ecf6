"""Low-rank modules as a checkpoint stores them, read without a model or its base."""

import os
from dataclasses import dataclass
from typing import Any, Iterator, Mapping

import torch
from torch import Tensor

from lass_plugin.anatomy.matrices import Matrix, matrix_of
from lass_plugin.anatomy.places import layer_name
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError, naming_damage
from lass_plugin.languages import Pair
from lass_plugin.masks.fingerprint import Fingerprint, same_weights
from lass_plugin.masks.packing import count, packed_size
from lass_plugin.methods.lowrank.attaching import WEIGHTS, kept_buffer
from lass_plugin.methods.lowrank.frozen_base import (
    FrozenBase,
    check_exists,
    fingerprint_of,
)
from lass_plugin.methods.lowrank.modules import entry_name, mixing_weight, product
from lass_plugin.methods.lowrank.planning.plan import LowRankPlan
from lass_plugin.methods.lowrank.pruning import PruningPlan
from lass_plugin.records.fields import filled, whole

ENTRY = "lslo"
VERSION = 1


@dataclass(frozen=True)
class Entry:
    """Entry :data:`ENTRY` of ``task_state``."""

    plan: LowRankPlan
    base: str
    """Path of the base in training."""
    fingerprint: Fingerprint
    """That of the base's matrices that modules stand beside."""

    def to_state(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "plan": self.plan.to_dict(),
            "base": self.base,
            "fingerprint": dict(self.fingerprint),
        }

    @classmethod
    def from_state(cls, state: Any, where: str) -> "Entry":
        """What :meth:`to_state` gave.

        Raises:
            LassError: damaged, or of a later release.
        """
        what = f"the plan of the low-rank modules in {where}"
        with naming_damage(what, where, "the checkpoint is damaged, take another one"):
            if state["version"] != VERSION:
                raise LassError(
                    f"the low-rank modules in {where} are of version "
                    f"{state['version']}; this release reads version {VERSION}"
                )
            base = filled(dict[str, float], state["fingerprint"], "fingerprint")
            plan = LowRankPlan.from_dict(state["plan"])
            if base.keys() != plan.ranks.keys():
                raise ValueError("its fingerprint is of other matrices")
            return cls(plan, filled(str, state["base"], "base"), base)

    def read_base(self, given: str | os.PathLike | None = None) -> FrozenBase:
        """The base that the modules stand in.

        Args:
            given: where it is now; None for where it was in training.

        Raises:
            LassError: it is not there, or no base.
        """
        return FrozenBase.read_whole(
            check_exists(given or self.base, recorded=not given)
        )

    def check_base(
        self, tensors: Mapping[str, Tensor], path: str | os.PathLike
    ) -> None:
        """Refuse a base that is not the one of training.

        Args:
            tensors: name -> weight, of a model or a checkpoint.
            path: of that base, for messages.
        """
        known = [name for name in self.fingerprint if f"{name}.weight" in tensors]
        if not same_weights(self.fingerprint, fingerprint_of(tensors, known)):
            raise LassError(
                f"the low-rank modules were trained on another base than {path}; give "
                "theirs with --base"
            )


def entry_of(checkpoint: Checkpoint) -> Entry:
    """What *checkpoint* says of its low-rank modules.

    Raises:
        LassError: it has none, or the entry is damaged.
    """
    entry = checkpoint.task_state.get(ENTRY)
    if entry is None:
        raise LassError(
            f"{checkpoint.path} holds no low-rank modules; give a checkpoint of --task "
            "translation_lslo"
        )
    return Entry.from_state(entry, str(checkpoint.path))


LearnedWeights = Mapping[tuple[str, int], Tensor]
"""Side and layer -> ``(2,)`` what weight learning found for source and target, before
their softmax (Cao 2024, Eq. 5); empty without weight learning."""


@dataclass(frozen=True)
class StoredModule:
    """The module of one language beside one matrix."""

    matrix: Matrix
    index: str
    """``source`` or ``target``."""
    language: str
    a: Tensor
    """``(rank, inputs)``."""
    b: Tensor
    """``(outputs, rank)``."""
    scale: float
    weight: Tensor | None
    """``()`` learned weight of the index; None where it is not learned."""
    pruned: Mapping[str, int]
    """``A`` and ``B`` -> weights of it that are pruned."""

    @property
    def rank(self) -> int:
        return len(self.a)

    def delta(self) -> Tensor:
        """``(outputs, inputs)`` float32 that is added to the matrix."""
        return product(self.a, self.b, self.scale, self.weight)


@dataclass(frozen=True)
class LowRankCheckpoint:
    """What training with ``--task translation_lslo`` saved."""

    entry: Entry
    modules: tuple[StoredModule, ...]
    """Matrix by matrix, as the plan lists them."""
    weights: LearnedWeights
    pruning: PruningPlan | None
    epoch: int
    """The last one that has begun; 0 where it is not known."""

    @property
    def matrices(self) -> dict[str, Matrix]:
        """Name -> matrix that a language has a module beside."""
        return {module.matrix.name: module.matrix for module in self.modules}


def read_low_rank(path: str | os.PathLike) -> LowRankCheckpoint:
    """Read the checkpoint at *path*; see :func:`low_rank_of`."""
    return low_rank_of(Checkpoint.read(path))


def low_rank_of(checkpoint: Checkpoint, pair: Pair | None = None) -> LowRankCheckpoint:
    """What *checkpoint* holds of low-rank modules; their tensors stay on disk.

    Args:
        pair: to read only the modules that it is translated with.

    Raises:
        LassError: of another training, or damaged; the plan says nothing of a language.
    """
    entry = entry_of(checkpoint)
    entry.plan.check_pairs([pair] if pair else [])
    tensors, iterator = checkpoint.weights, checkpoint.iterator_state
    what = f"the low-rank modules in {checkpoint.path}"
    advice = "the checkpoint is damaged, take another one"
    with naming_damage(what, checkpoint.path, advice):
        learned = _learned(tensors, entry.plan)
        modules = tuple(_modules(tensors, entry.plan, learned, pair))
        run = iterator.get("subnetwork") or {}
        pruning = run.get("pruning")
        return LowRankCheckpoint(
            entry,
            modules,
            learned,
            None if pruning is None else PruningPlan.from_dict(pruning),
            _epoch(iterator),
        )


def _modules(
    tensors: Mapping[str, Tensor],
    plan: LowRankPlan,
    learned: LearnedWeights,
    pair: Pair | None,
) -> Iterator[StoredModule]:
    matrices: dict[str, Matrix] = {}
    for planned in plan.modules():
        name, index, language = planned.matrix, planned.index, planned.language
        if pair and language != plan.language_of(index, pair):
            continue
        a, b = (tensors[entry_name(name, index, each, language)] for each in "AB")
        matrix = matrices.setdefault(name, matrix_of(name, len(b), a.shape[-1]))
        if a.shape != (planned.rank, matrix.inputs) or b.shape != (
            matrix.outputs,
            planned.rank,
        ):
            shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
            raise ValueError(f"A and B of {language} beside {name} are of {shapes}")
        weight = None
        indices = plan.placement.indices(matrix.side, matrix.layer)
        if len(indices) > 1:
            both = learned[matrix.side, matrix.layer]
            weight = mixing_weight(both, indices.index(index))
        pruned = {}
        for factor, tensor in (("A", a), ("B", b)):
            bits = f"{name}.lslo_{index}.{kept_buffer(factor, language)}"
            pruned[factor] = _pruned(tensors.get(bits), tensor.numel(), bits)
        scale = plan.scale(planned.rank)
        yield StoredModule(matrix, index, language, a, b, scale, weight, pruned)


def _pruned(kept: Tensor | None, units: int, name: str) -> int:
    """How many of *units* weights the packed bits *kept* leave out."""
    if kept is None:
        return 0
    if kept.dtype != torch.uint8 or kept.shape != (packed_size(units),):
        raise ValueError(f"{name} is of another size")
    return units - count(kept)


def _learned(tensors: Mapping[str, Tensor], plan: LowRankPlan) -> LearnedWeights:
    found = {}
    for side, layers in plan.placement.layers.items():
        for layer in range(layers):
            values = tensors.get(f"{layer_name(side, layer)}.{WEIGHTS}")
            if values is not None:
                if values.shape != (2,):
                    raise ValueError(f"the weights of {side} layer {layer} are not two")
                found[side, layer] = values.double()
    return found


def _epoch(iterator: Mapping[str, Any]) -> int:
    """The last epoch that has begun; what is saved at an epoch's end names the next."""
    epoch = whole(iterator.get("epoch", 1), "epoch", 1)
    begun = whole(iterator.get("iterations_in_epoch", 0), "iterations_in_epoch")
    return epoch if begun else epoch - 1
