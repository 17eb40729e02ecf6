"""Own parts: each target language (or source, or pair) has whole parts of the model."""

import contextlib
import logging
from pathlib import Path
from typing import Any, Iterator, Sequence

from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.own_parts import own_parameters, parse_parts
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import changed_weights, plain_checkpoint
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.missing_start import start_of
from lass_plugin.languages import Pair
from lass_plugin.methods.decoders.options import check_options
from lass_plugin.methods.decoders.own_parameters import (
    attach,
    beside,
    detach,
)
from lass_plugin.methods.decoders.stored import stored_apart
from lass_plugin.methods.decoders.training import OwnPartsTraining
from lass_plugin.methods.decoders.whose import ENTRY, Whose
from lass_plugin.methods.export_settings import ExportSettings
from lass_plugin.methods.method import Method, MicroBatch, PartSizes

logger = logging.getLogger(__name__)


class OwnParts(Method):
    """Decoders (Dong 2015) or attention (Blackwood 2018) of each target language.

    Args:
        trains: whether the model may be loaded from one without own parts.
    """

    entry = ENTRY
    words = "parts of each language"
    phase = "own-parts"
    _made = ("_training",)

    def __init__(self, whose: Whose, trains: bool = False):
        self.whose = whose
        self._trains = trains
        self._training: OwnPartsTraining | None = None

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def check_options(cls, cfg: Any) -> None:
        check_options(cfg)

    @classmethod
    def from_options(
        cls, cfg: Any, pairs: Sequence[Pair], tokens: LanguageTokens
    ) -> "OwnParts":
        whose = Whose.of_pairs(parse_parts(cfg.own), str(cfg.own_by), pairs)
        where = (cfg.restore_file, cfg.finetune_from_model, cfg.save_dir or "")
        _check_start(whose, start_of(*where, cfg.continue_once))
        return cls(whose, trains=True)

    @classmethod
    def from_state(cls, state: Any, where: str) -> "OwnParts":
        return cls(Whose.from_state(state, where))

    def to_state(self) -> dict[str, Any]:
        return {self.entry: self.whose.to_state()}

    def attach(self, model: nn.Module, options: Any, cfg: Any) -> None:
        """Give each key a copy of its parts; all begin as the model has them."""
        whose = self.whose
        names = own_parameters(model, whose.parts)
        stock = sum(parameter.numel() for parameter in model.parameters())
        own = attach(model, names, whose.keys, begins=self._trains)
        if self._trains:
            added = sum(parameter.numel() for parameter in own.parameters())
            logger.info(
                f"{whose}: {stock:,} parameters for a pair, {stock + added:,} in all"
            )

    def for_pairs(self, pairs: Sequence[Pair]) -> "OwnParts":
        for pair in pairs:
            self.whose.key_of(pair)
        return self

    def refuse_dense(self) -> None:
        raise LassError(
            f"a model with {self.words} translates with those of the pair; there is "
            "nothing to translate with without them"
        )

    # -- training ----------------------------------------------------------------

    @contextlib.contextmanager
    def micro_batch(self, batch: MicroBatch) -> Iterator[None]:
        """Forward and backward with the parts of the batch's key."""
        if self._training is None or not self._training.belongs_to(batch.optimizer):
            self._training = OwnPartsTraining(batch.model, batch.optimizer)
        key = self.whose.key_of(Pair.parse(batch.key))
        with self._training.micro_batch([key], batch.counts):
            yield

    def step(self, optimizer: FairseqOptimizer) -> None:
        assert self._training is not None
        with self._training.update():
            optimizer.step()

    def identity(self) -> dict[str, Any]:
        state = self.whose.to_state()
        return {name: state[name] for name in ("parts", "by", "keys")}

    def other(self, name: str) -> str:
        return {
            "parts": "with other own parts (--own)",
            "by": "with own parts by another key (--own-by)",
            "keys": "with other languages (--lang-pairs)",
        }[name]

    # -- translation -------------------------------------------------------------

    @contextlib.contextmanager
    def part(self, key: str) -> Iterator[None]:
        own = beside(self.model)
        with own.using(self.model, self.whose.key_of(Pair.parse(key))):
            yield

    def put_in(self, key: str) -> None:
        """Put the parts of the pair *key* into the model, which becomes a stock one."""
        key_of = self.whose.key_of(Pair.parse(key))
        detach(self.model, key_of)

    # -- files -------------------------------------------------------------------

    def export(
        self, checkpoint: Checkpoint, settings: ExportSettings
    ) -> tuple[dict[str, Any], str]:
        self.refuse_options_of_masks(settings)
        key = self.whose.key_of(settings.pair)
        stock, own = stored_apart(checkpoint, self.whose)

        def changed(name: str, first: str, weight: Tensor) -> Tensor:
            return own[key].get(first, weight)

        tensors = changed_weights(stock, changed, settings.half)
        plain = plain_checkpoint(checkpoint, settings.pair, tensors)
        return plain, f"own {self.whose.what} of {key}"

    def sizes(self, checkpoint: Checkpoint, base: Path | None) -> PartSizes:
        stock, _ = stored_apart(checkpoint, self.whose)
        used = sum(tensor.numel() for tensor in stock.parameters.values())
        return PartSizes(of_keys=dict.fromkeys(self.whose.keys, used))

    # -- words -------------------------------------------------------------------

    def label(self, where: Any = None, base: Path | None = None) -> str:
        return str(self.whose)


def _check_start(whose: Whose, path: str | None) -> None:
    """Refuse to begin from a model of other own parts, before any data is read."""
    if path is None:
        return
    state = Checkpoint.read(path).task_state.get(ENTRY)
    before = None if state is None else Whose.from_state(state, path)
    if before not in (None, whose):
        raise LassError(
            f"{path} has {before}, this training {whose}; go on with the --lang-pairs, "
            "--own and --own-by that it was begun with, or begin from another model"
        )
