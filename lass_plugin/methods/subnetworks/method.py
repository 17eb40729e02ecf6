"""Sub-networks: every key computes with W ⊙ M and trains what its mask keeps.

Masks of weights (Lin 2021; He 2023) and of neurons (Xie 2021) are one method. Without
masks this is the training of a base: the sub-network of every pair is the whole model.
"""

import contextlib
import logging
import sys
from functools import cached_property
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import torch
from fairseq.optim import FairseqOptimizer
from torch import nn

from lass_plugin.anatomy.neurons import are_neurons
from lass_plugin.anatomy.vocabulary import vocabulary_of
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.missing_start import start_of
from lass_plugin.languages import Pair
from lass_plugin.masks import MaskSet, load_masks
from lass_plugin.masks.belonging import other_base
from lass_plugin.masks.file import (
    carried_masks,
    digest,
    from_state,
    is_reference,
    masks_at,
    reference,
    to_state,
)
from lass_plugin.masks.neurons import base_of, check_fit, check_weights, weight_masks
from lass_plugin.methods.export_settings import ExportSettings
from lass_plugin.methods.method import Method
from lass_plugin.methods.micro_batch import MicroBatch
from lass_plugin.methods.part_sizes import PartSizes
from lass_plugin.methods.subnetworks.export import exported
from lass_plugin.methods.subnetworks.extension import (
    Extension,
    check_extension,
    chooses_beyond,
    read_symbols,
)
from lass_plugin.methods.subnetworks.holding import parse_holding
from lass_plugin.methods.subnetworks.joint import JointTraining, masked_weights
from lass_plugin.options import check_training
from lass_plugin.training.masked_weights import MaskedWeights

logger = logging.getLogger(__name__)


class Subnetworks(Method):
    """The masks of a model's keys.

    Args:
        masks: None to train a base.
        extension: of the extended checkpoint that is trained from (``--extend``).
        hold: what does not move while pairs are added (``--hold``).
        checks_base: refuse masks that were searched on other weights than the model's.
        refers: places of the masks and folder of the checkpoints that name them there
            (``--refer-to-masks``); None where checkpoints carry them.
    """

    entry = "masks"
    words = "sub-networks"
    label_kind = "mask"
    compiles = True
    _made = ("joint", "_weights")

    def __init__(
        self,
        masks: MaskSet | None = None,
        extension: Extension | None = None,
        hold: Sequence[str] = (),
        checks_base: bool = False,
        refers: tuple[str, str] | None = None,
    ):
        self.masks = masks
        self.carries_masks = masks is not None and refers is None
        self._refers = refers
        self.extension = extension
        self.symbols = dict(extension.symbols) if extension else {}
        self._hold = tuple(hold)
        self._checks_base = checks_base
        self._goes_on = False
        self._weights: MaskedWeights | None = None
        self.joint: JointTraining | None = None

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def check_options(cls, cfg: Any) -> None:
        check_training(cfg, strict=bool(cfg.masks))
        check_extension(cfg)
        if cfg.refer_to_masks and (cfg.extend or not cfg.masks):
            why = "with --extend" if cfg.extend else "without --masks"
            raise LassError(f"--refer-to-masks has no effect {why}; leave it out")

    @classmethod
    def from_options(
        cls, cfg: Any, pairs: Sequence[Pair], tokens: LanguageTokens
    ) -> "Subnetworks":
        masks = load_masks(cfg.masks).only(map(str, pairs)) if cfg.masks else None
        if masks is not None and not cfg.allow_other_base:
            _check_start(masks, cfg)
        extension = None
        if cfg.extend:  # the older pairs of the extended checkpoint are taken over
            extension = Extension.read(cfg.extend)
            extension.check_new(pairs, masks)
            if cfg.save_dir:  # an evaluation trains nothing
                extension.check_start(cfg.extend, _start(cfg))
        holding, checks = parse_holding(cfg.hold), not cfg.allow_other_base
        refers = (cfg.masks, cfg.save_dir) if cfg.refer_to_masks else None
        return cls(masks, extension, holding, checks, refers)

    @classmethod
    def from_state(cls, state: Any, where: str) -> "Subnetworks":
        refers = ("", "") if is_reference(state) else None
        return cls(from_state(state, where), refers=refers)

    def to_state(self) -> dict[str, Any]:
        state: dict[str, Any] = {}
        masks = self.masks
        if self.extension is not None:
            state["symbols"] = dict(self.extension.symbols)
            masks = self.extension.with_older(masks)
        if masks is not None and self._refers:
            state[self.entry] = reference(masks, self._digest, *self._refers)
        elif masks is not None:
            state[self.entry] = to_state(masks)
        return state

    def attach(self, model: nn.Module, options: Any, cfg: Any) -> None:
        if self.masks is not None:
            check_fit(self.masks, dict(model.named_parameters()), "the model")

    def for_pairs(self, pairs: Sequence[Pair]) -> "Subnetworks":
        assert self.masks is not None
        for key in map(str, pairs):
            if key not in self.masks:
                raise LassError(
                    f"the checkpoint carries no mask of {key} (it has "
                    f"{', '.join(self.masks)}); give one with --inference-masks, or "
                    "--dense to translate without a mask"
                )
        masks = self.masks.only(map(str, pairs))
        logger.info(f"translating under the masks of {', '.join(masks)}")
        return Subnetworks(masks, checks_base=self._checks_base)

    def refuse_masks(self, option: str) -> None:
        if option.startswith("--masks"):
            raise LassError(
                f"{option} has no effect, because the checkpoint carries masks; leave "
                "it out, or give --inference-masks to translate with others"
            )

    # -- training ----------------------------------------------------------------

    @contextlib.contextmanager
    def micro_batch(self, batch: MicroBatch) -> Iterator[None]:
        """Forward with W ⊙ M, gradient under the mask (He 2023, §3.3)."""
        if self.masks is None:
            with torch.enable_grad():
                yield
            return
        if self.joint is None or not self.joint.belongs_to(batch.optimizer):
            if self._checks_base and not self._goes_on:
                self._check_weights()
            holding = self.extension.holding(self._hold) if self.extension else None
            self.joint = JointTraining(
                batch.model, self.masks, batch.optimizer, holding
            )
            self._weights = self.joint.weights
        with self.joint.micro_batch(batch.key, batch.counts):
            yield

    def step(self, optimizer: FairseqOptimizer) -> None:
        if self.joint is None:
            optimizer.step()
            return
        with self.joint.update():
            optimizer.step()

    @property
    def phase(self) -> str:  # type: ignore[override]
        return "base" if self.masks is None else "joint"

    @cached_property
    def _digest(self) -> str:
        """Digest of the masks, which stay what they are; of hundreds it takes long."""
        assert self.masks is not None
        return digest(self.masks)

    def identity(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.masks is not None:
            found["masks"] = self._digest
        if self.extension is not None:
            found["extend"] = self.extension.digest()
            found["hold"] = ",".join(self._hold)
        return found

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        mine = self.state_dict()
        if state["phase"] == "base" and mine["phase"] == "joint":
            return  # joint training that also takes over the base's optimizer
        if state != mine:
            raise LassError(
                f"this run was begun as {state['phase']} training"
                + (_difference(state, mine) if state["phase"] == mine["phase"] else "")
                + "; go on with the same --masks, --extend and --hold, or start anew "
                "from its weights with --restore-file and --reset-optimizer "
                "--reset-dataloader --reset-meters --reset-lr-scheduler"
            )
        self._goes_on = mine["phase"] == "joint"

    # -- translation -------------------------------------------------------------

    @contextlib.contextmanager
    def using(self, key: str | None) -> Iterator[None]:
        if self.masks is None:
            yield
            return
        with super().using(key):
            yield

    def part(self, key: str) -> contextlib.AbstractContextManager[None]:
        return self._switched().using(key)

    def put_in(self, key: str) -> None:
        self._switched().bake(key)
        self._weights = None  # the masks of the other keys are of no more use

    def _switched(self) -> MaskedWeights:
        """The weights of the model, made when first computed with: they are loaded."""
        if self._weights is None:
            assert self.masks is not None
            if self._checks_base:
                self._check_weights()
            self._weights = masked_weights(self.model, self.masks)
        return self._weights

    def _check_weights(self) -> None:
        assert self.masks is not None
        parameters = dict(self.model.named_parameters())
        check_weights(self.masks, parameters, "the model")

    # -- files -------------------------------------------------------------------

    def export(
        self, checkpoint: Checkpoint, settings: ExportSettings
    ) -> tuple[dict[str, Any], str]:
        masks = masks_at([settings.masks]) if settings.masks else self.masks
        assert masks is not None
        mask = masks[str(settings.pair)]
        known = (carried_masks(checkpoint), checkpoint.weights, str(checkpoint.path))
        if told := other_base(MaskSet([mask]), *known):
            print(f"note: {told}", file=sys.stderr, flush=True)
        if symbols := read_symbols(checkpoint.task_state, str(checkpoint.path)):
            count = len(checkpoint.weights[vocabulary_of(checkpoint.weights)[-1]])
            if told := chooses_beyond(symbols, mask.key, count):
                print(f"note: {told}", file=sys.stderr, flush=True)
        result = exported(checkpoint, mask, settings.half)
        kind = "neurons" if are_neurons(mask.shapes) else "weights"
        what = f"{mask.kept():,} of {mask.units:,} {kind} kept"
        return result, what

    def sizes(self, checkpoint: Checkpoint, base: Path | None) -> PartSizes:
        assert self.masks is not None
        tensors, path = checkpoint.parameters, checkpoint.path
        if not self.masks:
            raise LassError(
                f"{path} carries an empty set of masks; give --inference-masks"
            )
        check_fit(self.masks, tensors, str(path))
        of_weights = weight_masks(self.masks, tensors, str(path))
        total = sum(tensor.numel() for tensor in tensors.values())
        maskable = next(iter(of_weights.values())).units
        kept = {key: total - maskable + mask.kept() for key, mask in of_weights.items()}
        packed = [b for mask in self.masks.values() for b in mask.bits.values()]
        return PartSizes(maskable, kept, sum(bits.numel() for bits in packed))

    # -- words -------------------------------------------------------------------

    def label(self, where: Any = None, base: Path | None = None) -> str | None:
        """Where the masks are from, how they were made, the SHA-256 of their bits."""
        if self.masks is None:
            return None
        kinds = []
        for mask in self.masks.values():
            made = mask.provenance
            words = [made.criterion, made.schedule]
            words += [] if made.ratio is None else [f"ratio {made.ratio:g}"]
            kinds.append(" ".join(word for word in words if word))
        where = where or "carried by the checkpoint"
        what = where if isinstance(where, str) else "masks"
        kind = "; ".join(dict.fromkeys(kinds))
        return f"{what} ({kind}; sha256 {self._digest[:12]})"

    def translation_identity(self, key: str) -> dict[str, Any]:
        assert self.masks is not None
        return {"mask": digest(self.masks.only([key])), "low_rank": False}


def _difference(saved: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    """What another phase of the same name was begun with."""
    if saved.get("masks") != mine.get("masks"):
        return " with other masks"
    if saved.get("extend") != mine.get("extend"):
        return " from another extended checkpoint (--extend)"
    return f" with --hold '{saved.get('hold', '')}'"


def _start(cfg: Any) -> str | None:
    """What a training begins from or goes on from, None for nothing."""
    where = (cfg.finetune_from_model, cfg.save_dir or "", cfg.continue_once)
    return start_of(cfg.restore_file, *where)


def _check_start(masks: MaskSet, cfg: Any) -> None:
    """Refuse masks of other weights than those that training starts from.

    Done before any data is read. A run that goes on has moved its weights since.
    """
    start = _start(cfg)
    if start is None or start != cfg.finetune_from_model:
        return
    weights = Checkpoint.read(start).weights
    if len(base_of(masks.shapes, weights)) == len(masks.shapes):
        check_weights(masks, weights, start)
    # an old checkpoint has other names until its model is built: checked then
