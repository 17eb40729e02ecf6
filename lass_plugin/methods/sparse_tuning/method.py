"""Sparse differences: a frozen base, and a few weights of each key that are trained.

The second phase of LT-SFT (Ansell 2022). The base is read from ``--base`` and does not
move; which weights of it a key may change, ``--masks`` says. Checkpoints hold the
differences, their positions and a fingerprint of the base.
"""

import contextlib
import logging
from functools import cached_property
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from fairseq.data import Dictionary
from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.neurons import are_neurons
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import changed_weights, plain_checkpoint
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.masks import load_masks
from lass_plugin.masks.fingerprint import fingerprint, same_weights
from lass_plugin.masks.neurons import check_fit, check_weights
from lass_plugin.methods.export_settings import ExportSettings
from lass_plugin.methods.frozen_linear import refuse_noise
from lass_plugin.methods.keyed_training import KeyedTraining
from lass_plugin.methods.lowrank.frozen_base import FrozenBase, check_exists
from lass_plugin.methods.lowrank.modules import FrozenLinear
from lass_plugin.methods.method import Method, MicroBatch, PartSizes
from lass_plugin.methods.own_entries import save_own
from lass_plugin.methods.sparse_tuning.options import check_sparse_tuning
from lass_plugin.methods.sparse_tuning.parts import Differences, attach
from lass_plugin.methods.sparse_tuning.stored import (
    ENTRY,
    PARTS,
    Entry,
    added,
    check_keys,
    is_difference,
    read_base,
    split_values,
)

logger = logging.getLogger(__name__)


class SparseTuning(Method):
    """The differences of a model's sources and targets, or pairs.

    Args:
        stored: what the checkpoint says of them; None in training, before the model is
            built.
        cfg: the options of a training; None for translation.
        pairs: those that are trained.
    """

    entry = ENTRY
    words = PARTS
    phase = "sparse tuning"
    takes_base = True
    _made = ("_training", "_differences")

    def __init__(
        self,
        stored: Entry | None,
        cfg: Any = None,
        pairs: Sequence[Pair] = (),
        tokens: LanguageTokens | None = None,
    ):
        self.stored = stored
        self._cfg, self._pairs, self._tokens = cfg, list(pairs), tokens
        self._training: KeyedTraining | None = None
        self._differences: Differences | None = None

    @property
    def differences(self) -> Differences:
        """The differences of the model that this method is bound to."""
        if self._differences is None:
            assert self.stored is not None
            self._differences = Differences(self.model, self.stored)
        return self._differences

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def check_options(cls, cfg: Any) -> None:
        check_sparse_tuning(cfg)
        check_exists(cfg.base, recorded=False, parts=PARTS)

    @classmethod
    def languages_of(cls, cfg: Any, pairs: Sequence[Pair]) -> tuple[str, ...]:
        """The base's: its embeddings are numbered by them."""
        found = FrozenBase.read(cfg.base).languages(pairs)
        return () if cfg.langs or cfg.lang_dict else found

    @classmethod
    def from_options(
        cls, cfg: Any, pairs: Sequence[Pair], tokens: LanguageTokens
    ) -> "SparseTuning":
        """The masks are read and compared with the pairs; the base comes with the
        model."""
        masks = load_masks(cfg.masks)
        if are_neurons(masks.shapes):
            raise LassError(
                f"--masks {cfg.masks} are of neurons; sparse differences need masks of "
                "weights, such as 'lass extract --base' makes"
            )
        check_keys(masks)
        base = read_base(cfg.base)
        what = str(base.path)
        check = check_fit if cfg.allow_other_base else check_weights
        check(masks, base.parameters, what)
        of = fingerprint({site: base.parameters[site] for site in masks.shapes})
        place = str(Path(cfg.base).resolve())
        return cls(Entry.of_masks(masks, pairs, place, of), cfg, pairs, tokens)

    def check_dictionary(self, dictionary: Dictionary) -> None:
        assert self._tokens is not None
        FrozenBase.read(self._cfg.base).check_tokens(self._tokens, dictionary)

    @classmethod
    def from_state(cls, state: Any, where: str) -> "SparseTuning":
        return cls(Entry.from_state(state, where))

    def to_state(self) -> dict[str, Any]:
        return {} if self.stored is None else {self.entry: self._state}

    @cached_property
    def _state(self) -> dict[str, Any]:
        """The entry, coded once: positions stay what they are."""
        assert self.stored is not None
        return self.stored.to_state()

    def attach(self, model: nn.Module, options: Any, cfg: Any) -> None:
        """Put the base's weights and zero differences into *model*."""
        assert self.stored is not None
        trains = self._cfg is not None
        refuse_noise(options, PARTS)
        base = self.stored.read_base(cfg.base)
        base.load_into(model, options)
        self.stored.check_base(dict(model.named_parameters()), base.path)
        whole = sum(parameter.numel() for parameter in model.parameters())
        attach(model, self.stored)
        save_own(model, is_difference, _check_given)
        if not trains:
            # as in any model that fairseq translates with: torch multiplies a frozen
            # matrix in batches of one, which takes half as long again
            model.requires_grad_(True)
            return
        for module in model.modules():
            if type(module) is nn.Linear:  # the same reason; it may be of no difference
                module.__class__ = FrozenLinear
        counts = {key: self.stored.count(key) for key in self.stored.positions}
        told = ", ".join(f"{key} {count:,}" for key, count in counts.items())
        logger.info(f"{PARTS} to the base's {whole:,} parameters: weights of {told}")

    def for_pairs(self, pairs: Sequence[Pair]) -> "SparseTuning":
        assert self.stored is not None
        for pair in pairs:
            self.stored.parts_of(pair)
        return self

    # -- training ----------------------------------------------------------------

    @contextlib.contextmanager
    def micro_batch(self, batch: MicroBatch) -> Iterator[None]:
        """Forward and backward with the differences of the batch's pair."""
        if self._training is None or not self._training.belongs_to(batch.optimizer):
            self._training = self._begin(batch.optimizer)
        with self._training.micro_batch([batch.key], batch.counts):
            yield

    def _begin(self, optimizer: FairseqOptimizer) -> KeyedTraining:
        """Both differences of a pair are trained by each of its batches."""
        assert self.stored is not None
        differences = self.differences
        parts = {str(pair): self.stored.parts_of(pair) for pair in self._pairs}
        return KeyedTraining(
            optimizer,
            list(parts),
            differences.values,
            parts.__getitem__,
            lambda keys: differences.computed(parts[keys[0]]),
        )

    def step(self, optimizer: FairseqOptimizer) -> None:
        assert self._training is not None
        with self._training.update():
            optimizer.step()

    @cached_property
    def _digest(self) -> str:
        assert self.stored is not None
        return self.stored.digest()

    def identity(self) -> dict[str, Any]:
        return {"positions": self._digest}

    def other(self, name: str) -> str:
        return "with other masks"

    def state_dict(self) -> dict[str, Any]:
        assert self.stored is not None
        return {**super().state_dict(), "base": dict(self.stored.fingerprint)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        mine = self.state_dict()["base"]
        if state.get("phase") == self.phase and not same_weights(state["base"], mine):
            raise LassError(
                f"this run was begun with another base than {self._cfg.base}; go on "
                "with the one it was begun with, or choose another --save-dir"
            )
        super().load_state_dict({**state, "base": mine})

    # -- translation -------------------------------------------------------------

    @contextlib.contextmanager
    def part(self, key: str) -> Iterator[None]:
        assert self.stored is not None
        with self.differences.using(self.stored.parts_of(Pair.parse(key))):
            yield

    def put_in(self, key: str) -> None:
        """Add the differences of the pair *key* to the base's matrices."""
        assert self.stored is not None
        self.differences.put_in(self.stored.parts_of(Pair.parse(key)))

    # -- files -------------------------------------------------------------------

    def export(
        self, checkpoint: Checkpoint, settings: ExportSettings
    ) -> tuple[dict[str, Any], str]:
        self.refuse_options_of_masks(settings)
        assert self.stored is not None
        keys = self.stored.parts_of(settings.pair)
        base = self.stored.read_base(settings.base)
        self.stored.check_base(base.weights, base.path)
        positions = [self.stored.positions[key] for key in keys]
        values = [
            split_values(self.stored.values_in(checkpoint, key), own)
            for key, own in zip(keys, positions, strict=True)
        ]

        def change(name: str, first: str, weight: Tensor) -> Tensor:
            """W₀ + Σ δ, float32 also where the base is stored in half precision:
            rounded, small differences would be lost."""
            for where, own in zip(positions, values, strict=True):
                if first in where and where[first].numel():
                    weight = added(weight.float(), where[first], own[first])
            return weight

        tensors = changed_weights(base, change, settings.half)
        counts = (f"{self.stored.count(key):,} of {key}" for key in keys)
        what = f"weights that differ from the base: {', '.join(counts)}"
        return plain_checkpoint(checkpoint, settings.pair, tensors), what

    def sizes(self, checkpoint: Checkpoint, base: Path | None) -> PartSizes:
        assert self.stored is not None
        found = self.stored.read_base(base)
        self.stored.check_base(found.parameters, found.path)
        units = sum(tensor.numel() for tensor in found.parameters.values())
        return PartSizes(base_parameters=units)

    # -- words -------------------------------------------------------------------

    def label(self, where: Any = None, base: Path | None = None) -> str:
        assert self.stored is not None
        made = "; ".join(dict.fromkeys(filter(None, self.stored.made.values())))
        return f"{PARTS} to the base {base or self.stored.base} ({made})"

    def translation_identity(self, key: str) -> dict[str, Any]:
        assert self.stored is not None
        known = super().translation_identity(key)
        return {**known, "differences": list(self.stored.parts_of(Pair.parse(key)))}


def _check_given(given: Mapping[str, Any], mine: Mapping[str, Tensor]) -> None:
    """Refuse a checkpoint of something else, or of other differences, by name."""
    if not any(map(is_difference, given)):
        raise LassError(
            f"this checkpoint has no {PARTS}; a base is given with --base, not with "
            "--restore-file"
        )
    expected = {name for name in mine if is_difference(name)}
    for name in sorted(expected ^ set(given)):
        lacks = "lacks" if name in expected else "has, beside those of the masks,"
        raise LassError(
            f"the checkpoint {lacks} {name}; go on with the masks and pairs that it "
            "was trained with"
        )
    for name in expected:
        if given[name].shape != mine[name].shape:
            raise LassError(
                f"the checkpoint has {given[name].numel():,} weights in {name}, the "
                f"masks {mine[name].numel():,}; go on with the masks that it was "
                "trained with"
            )
