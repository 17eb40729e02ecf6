"""Figures that tell what the mask of a search is worth, while it trains.

Two questions. Has the model learnt to live under its mask? That is the loss of its own
weights under it. Is the mask better than one that nobody searched? That is the loss of
θ₀ ⊙ M, from which joint training starts, beside that of three controls that remove as
much of each matrix: the smallest weights of θ₀, random ones, and random ones with M's
profile (as many of each size). Losses are in bits a token on some validation batches.
"""

import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lass_plugin.anatomy.targets import unwrap
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.masks import Mask, MaskSet, Provenance, fingerprint, packing
from lass_plugin.masks.controls import PROFILE, matched_masks
from lass_plugin.masks.fingerprint import same_weights
from lass_plugin.masks.random import random_mask
from lass_plugin.methods.search.one_search import SubnetworkSearch, select_all
from lass_plugin.methods.search.pair_losses import PairLosses
from lass_plugin.scores import magnitude
from lass_plugin.training.other_weights import holding

logger = logging.getLogger(__name__)

LOSSES = {
    "own": "the search's weights under its mask",
    "mask": "the base under the search's mask",
    "magnitude": "the base without its smallest weights",
    "random": "the base under a random mask",
    "profile": "the base under a random mask with the profile of the search's",
    "dense": "the base",
}
"""Name in a record -> what has that loss."""

_LASTING = ("magnitude", "random", "dense")
"""They stay the same all through the search."""

SEED = 1
"""Of the random masks."""


class Figures:
    """Measures the losses of searches.

    Args:
        losses: gives the loss of a pair.
        base: the checkpoint that the training began with, "" where that is not known.
        interval: updates of the training between two measurements of all losses.
        last: updates of the training, 0 where that is open.
    """

    def __init__(self, losses: PairLosses, base: str, interval: int, last: int):
        self._losses = losses
        self._path: str | None = base
        """Where the base is to be read; None once that has been tried."""
        self._interval = interval or (max(1, last // 4) if last else 5000)
        self._last = last
        self._base: Checkpoint | None = None
        self._sites: dict[str, Tensor] = {}

    def due(self, updates: int, every: int) -> bool:
        """Whether all losses are to be measured after *updates* updates: at the first
        of the reports, one in *every* updates, in each interval, and at the end."""
        if updates == self._last:
            return True
        new = updates // self._interval > (updates - every) // self._interval
        return new and updates % every == 0

    def of(self, search: SubnetworkSearch, whole: nn.Module, every: bool) -> dict:
        """What a record of *search* says of losses: ``batches`` and ``losses``.

        Args:
            whole: the model in training.
            every: also of the base under the mask and the controls.
        """
        model, key = unwrap(whole), search.plan.key
        batches = self._losses.number(key, model)
        if not batches or search.weights is None:
            return {}
        mask = search.mask()
        found = {"own": self._own(search, model, mask)}
        if every and self._has_base(search, model):
            found |= self._of_base(search, model, mask, batches)
        return {"batches": batches, "losses": found}

    def _own(self, search: SubnetworkSearch, model: nn.Module, mask: Any) -> float:
        """Under the mask in use; of a one-shot search under that of its scores now."""
        if search.plan.schedule == "oneshot":
            return self._under(search, model, mask)
        with search.micro_batch():
            return self._losses.of(search.plan.key, model)

    def _under(self, search: SubnetworkSearch, model: nn.Module, bits: Any) -> float:
        """Under any packed mask, with the weights that the model holds now."""
        key, weights = search.plan.key, search.weights
        assert weights is not None
        with weights.trying(bits):
            return self._losses.of(key, model)

    def _of_base(
        self, search: SubnetworkSearch, model: nn.Module, mask: Any, batches: int
    ) -> dict[str, float]:
        assert self._base is not None
        plan, sites = search.plan, self._sites
        before = [
            record["losses"]
            for record in search.history
            if record.get("batches") == batches and "dense" in record["losses"]
        ]
        found = {name: before[-1][name] for name in _LASTING} if before else {}
        shapes = {name: tuple(site.shape) for name, site in sites.items()}
        made = Provenance(plan.criterion, plan.ratio)
        bits = {name: each.cpu() for name, each in mask.items()}
        searched = Mask(plan.key, bits, shapes, made, fingerprint(sites))
        (profile,) = matched_masks(
            MaskSet([searched]), SEED, (PROFILE,), sites
        ).values()
        masks = {"mask": mask, "profile": profile.bits}
        if not found:
            small = {name: magnitude(site.float()) for name, site in sites.items()}
            kept = select_all(plan.key, small, plan.ratio)
            drawn = random_mask(plan.key, shapes, plan.ratio, SEED)
            masks["magnitude"] = packing.pack_each(kept)
            masks["random"] = drawn.bits
        with holding(model, self._base.weights):
            if not found:
                found["dense"] = self._losses.of(plan.key, model)
            for name, bits in masks.items():
                found[name] = self._under(search, model, bits)
        return {name: found[name] for name in LOSSES if name in found}

    def _has_base(self, search: SubnetworkSearch, model: nn.Module) -> bool:
        """Whether the weights that the search began with are there."""
        if self._base is None and self._path is not None:
            path, self._path = self._path, None
            try:
                if not path:
                    raise LassError("the search began without --finetune-from-model")
                base = Checkpoint.read(path)
                self._check(base, search, model)
                self._base = base
                self._sites = {name: base.weights[name] for name in search.sites}
            except LassError as error:
                logger.info(f"no losses of the base are measured: {error.message}")
        return self._base is not None

    @staticmethod
    def _check(base: Checkpoint, search: SubnetworkSearch, model: nn.Module) -> None:
        weights = base.weights
        for name, parameter in model.named_parameters():
            if name not in weights or weights[name].shape != parameter.shape:
                raise LassError(f"{base.path} has no {name} of its shape")
        sites = {name: weights[name] for name in search.sites}
        if not same_weights(fingerprint(sites), search.base):
            raise LassError(f"{base.path} is not what the search began with")


def described_losses(losses: Mapping[str, float]) -> str:
    """Losses in words, for a log."""
    base = [f"{name} {losses[name]:.3f}" for name in LOSSES if name in losses]
    return f"valid bits a token: {'; '.join(base)}"
