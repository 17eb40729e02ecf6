"""Low-rank modules: a frozen base, and modules of each language that are trained.

LSLo (Cao 2024): the modules of the source and target languages of a batch are added to
the base's matrices. The base is read from ``--base`` and does not move; checkpoints
hold the modules and a fingerprint of the base.
"""

import contextlib
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import torch
from fairseq.data import Dictionary
from fairseq.optim import FairseqOptimizer
from torch import Tensor, nn

from lass_plugin.anatomy.matrices import find_matrices, parse_kinds
from lass_plugin.anatomy.places import count_layers
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import changed_weights, plain_checkpoint
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.languages import SOURCE, TARGET, Pair, languages_of
from lass_plugin.masks.fingerprint import same_weights
from lass_plugin.methods.export_settings import ExportSettings
from lass_plugin.methods.frozen_linear import refuse_noise
from lass_plugin.methods.lowrank.attaching import (
    KEPT,
    all_matrices,
    attach,
    low_rank_modules,
    merge,
    save_trained_only,
)
from lass_plugin.methods.lowrank.frozen_base import (
    FrozenBase,
    check_exists,
    fingerprint_of,
)
from lass_plugin.methods.lowrank.options import check_lslo, pruning_of, spread_option
from lass_plugin.methods.lowrank.planning.placement import DEFAULT, parse_placement
from lass_plugin.methods.lowrank.planning.plan import (
    LowRankPlan,
    count_parameters,
    read_plan,
    uniform,
)
from lass_plugin.methods.lowrank.pruning import Pruner
from lass_plugin.methods.lowrank.stored import ENTRY, Entry, StoredModule, low_rank_of
from lass_plugin.methods.lowrank.training import LowRankTraining
from lass_plugin.methods.method import Method
from lass_plugin.methods.micro_batch import MicroBatch
from lass_plugin.methods.part_sizes import PartSizes
from lass_plugin.methods.routing import Routing

logger = logging.getLogger(__name__)


class LowRank(Method):
    """The low-rank modules of a model's languages.

    Args:
        stored: what the checkpoint says of them; None in training, before the model is
            built.
        cfg: the options of a training; None for translation.
        pairs: those that are trained.
    """

    entry = ENTRY
    words = "low-rank modules"
    phase = "lslo"
    takes_base = True
    _made = ("_training",)

    def __init__(
        self,
        stored: Entry | None,
        cfg: Any = None,
        pairs: Sequence[Pair] = (),
        tokens: LanguageTokens | None = None,
    ):
        self.stored = stored
        self._cfg, self._pairs, self._tokens = cfg, list(pairs), tokens
        self._pruner: Pruner | None = None
        self._training: LowRankTraining | None = None
        self._epoch = 1
        self._looked_at: set[tuple[str, str]] = set()
        """Index and language of the modules that translations have begun with."""

    @property
    def plan(self) -> LowRankPlan:
        assert self.stored is not None
        return self.stored.plan

    @property
    def routing(self) -> Routing:
        """What the modules of the model ask for the languages of a batch.

        Taken from the model: fairseq reads ``task_state`` again when it loads a model,
        so the method that was attached to it may be another instance.
        """
        return next(low_rank_modules(self.model))[1].routing

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def check_options(cls, cfg: Any) -> None:
        check_lslo(cfg)
        check_exists(cfg.base, recorded=False)

    @classmethod
    def languages_of(cls, cfg: Any, pairs: Sequence[Pair]) -> tuple[str, ...]:
        """The base's: its embeddings are numbered by them."""
        found = FrozenBase.read(cfg.base).languages(pairs)
        return () if cfg.langs or cfg.lang_dict else found

    @classmethod
    def from_options(
        cls, cfg: Any, pairs: Sequence[Pair], tokens: LanguageTokens
    ) -> "LowRank":
        return cls(None, cfg, pairs, tokens)

    def check_dictionary(self, dictionary: Dictionary) -> None:
        assert self._tokens is not None
        FrozenBase.read(self._cfg.base).check_tokens(self._tokens, dictionary)

    @classmethod
    def from_state(cls, state: Any, where: str) -> "LowRank":
        return cls(Entry.from_state(state, where))

    def to_state(self) -> dict[str, Any]:
        return {} if self.stored is None else {self.entry: self.stored.to_state()}

    def attach(self, model: nn.Module, options: Any, cfg: Any) -> None:
        """Put the base's weights and the modules into *model*."""
        trains = self._cfg is not None
        if trains:
            refuse_noise(options, self.words)
        parameters = dict(model.named_parameters())
        if self.stored is None:
            FrozenBase.read_whole(self._cfg.base).load_into(model, options)
            plan, place = self._plan_of(parameters), str(Path(self._cfg.base).resolve())
            self.stored = Entry(plan, place, fingerprint_of(parameters, plan.ranks))
        else:
            base = self.stored.read_base(cfg.base)
            base.load_into(model, options)
            self.stored.check_base(parameters, base.path)
        before = sum(parameter.numel() for parameter in model.parameters())
        attach(model, self.plan)
        if not trains:
            # as in any model that fairseq translates with: torch multiplies a frozen
            # matrix in batches of one, which takes half as long again
            model.requires_grad_(True)
        save_trained_only(model, trains)
        if not trains:
            return
        if not self._cfg.mixed_batches:  # a batch of several pairs trains the others
            self.plan.check_trained(self._pairs)
        if pruning := pruning_of(self._cfg):
            pruning.check_length(self._cfg.max_epoch)
            self._pruner = Pruner(model, pruning)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        square = count_parameters(self.plan, all_matrices(parameters), square=True)
        logger.info(
            f"low-rank modules of {len(self.plan.languages)} languages beside "
            f"{len(self.plan.ranks)} matrices: {trained:,} parameters, "
            f"{trained / before:.2%} of the base's {before:,} "
            f"({square:,} if every matrix counts as square)"
        )

    def _plan_of(self, parameters: Mapping[str, nn.Parameter]) -> LowRankPlan:
        """The plan that the options describe for the model with *parameters*."""
        cfg, layers = self._cfg, count_layers(parameters)
        if cfg.lslo_plan:
            plan = read_plan(cfg.lslo_plan)
            plan.placement.check_layers(layers, f"in {cfg.lslo_plan}")
            plan.check_pairs(self._pairs)
            return plan
        ranks = spread_option(cfg, languages_of(self._pairs), "lslo_ranks")
        return uniform(
            find_matrices(parameters, parse_kinds(cfg.lslo_matrices)),
            ranks,
            parse_placement(cfg.lslo_placement or DEFAULT, layers),
            alpha=cfg.lslo_alpha,
            dropout=cfg.lslo_dropout,
            seed=cfg.lslo_seed,
        )

    def for_pairs(self, pairs: Sequence[Pair]) -> "LowRank":
        self.plan.check_pairs(pairs)
        return self

    # -- training ----------------------------------------------------------------

    def begin_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    @contextlib.contextmanager
    def micro_batch(self, batch: MicroBatch) -> Iterator[None]:
        """Forward and backward with the modules of the batch's languages."""
        if self._training is None or not self._training.belongs_to(batch.optimizer):
            self._training = LowRankTraining(
                batch.model,
                self.plan,
                self.routing,
                self._pairs,
                batch.optimizer,
                self._pruner,
            )
        self._training.begin_epoch(self._epoch)
        keys = batch.sample.get("language_keys") or [batch.key]
        with self._training.micro_batch(keys, batch.counts):
            yield

    def step(self, optimizer: FairseqOptimizer) -> None:
        assert self._training is not None
        with self._training.update():
            optimizer.step()

    def identity(self) -> dict[str, Any]:
        pruning = pruning_of(self._cfg)
        return {
            "plan": self.plan.to_dict(),
            "pruning": None if pruning is None else pruning.to_dict(),
        }

    def other(self, name: str) -> str:
        return {
            "plan": "with another plan of low-rank modules",
            "pruning": "with another pruning",
        }[name]

    def state_dict(self) -> dict[str, Any]:
        assert self.stored is not None
        return {**super().state_dict(), "base": dict(self.stored.fingerprint)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        mine = self.state_dict()["base"]
        # an earlier version did not write it
        if not same_weights(state.get("base", mine), mine):
            raise LassError(
                f"this run was begun with another base than {self._cfg.base}; go on "
                "with the one it was begun with, or choose another --save-dir"
            )
        super().load_state_dict({**state, "base": mine})

    # -- translation -------------------------------------------------------------

    @contextlib.contextmanager
    def part(self, key: str) -> Iterator[None]:
        pair = Pair.parse(key)
        self.plan.check_pairs([pair])
        if self._cfg is None:
            self._tell_untrained(pair)
        with self.routing.using([pair]):
            yield

    def _tell_untrained(self, pair: Pair) -> None:
        """Warn, once, of modules of *pair* that add nothing, as they began."""
        for index in (SOURCE, TARGET):
            language = self.plan.language_of(index, pair)
            if (index, language) not in self._looked_at:
                self._looked_at.add((index, language))
                modules = (each for _, each in low_rank_modules(self.model))
                found = [
                    each.factors(language) for each in modules if each.index == index
                ]
                _warn_of_zeros([b for _, b in filter(None, found)], index, language)

    @torch.no_grad()
    def put_in(self, key: str) -> None:
        """Add the modules of the pair *key* to the matrices."""
        pair = Pair.parse(key)
        self.plan.check_pairs([pair])
        self._tell_untrained(pair)
        merge(self.model, {SOURCE: pair.source, TARGET: pair.target})

    # -- files -------------------------------------------------------------------

    def export(
        self, checkpoint: Checkpoint, settings: ExportSettings
    ) -> tuple[dict[str, Any], str]:
        self.refuse_options_of_masks(settings)
        found = low_rank_of(checkpoint, settings.pair)
        base = found.entry.read_base(settings.base)
        found.entry.check_base(base.weights, base.path)
        beside: dict[str, list[StoredModule]] = defaultdict(list)
        for module in found.modules:
            beside[f"{module.matrix.name}.weight"].append(module)
        for index in (SOURCE, TARGET):
            own = [each for each in found.modules if each.index == index]
            language = self.plan.language_of(index, settings.pair)
            _warn_of_zeros([each.b for each in own], index, language)

        def merged(name: str, first: str, weight: Tensor) -> Tensor:
            """W + scale · B A, float32 also where the base is stored in half precision:
            rounded, the modules would be lost in part."""
            for module in beside.get(name, ()):
                delta = module.delta()
                if delta.shape != weight.shape:
                    raise LassError(
                        f"{name} of {base.path} is of shape {tuple(weight.shape)}, the "
                        f"low-rank module of {module.language} beside it of "
                        f"{tuple(delta.shape)}; give the base that it was trained on"
                    )
                weight = weight.float() + delta
            return weight

        tensors = changed_weights(base, merged, settings.half)
        what = f"{len(found.modules)} low-rank modules merged"
        return plain_checkpoint(checkpoint, settings.pair, tensors), what

    def sizes(self, checkpoint: Checkpoint, base: Path | None) -> PartSizes:
        assert self.stored is not None
        found = self.stored.read_base(base)
        self.stored.check_base(found.parameters, found.path)
        units = sum(tensor.numel() for tensor in found.parameters.values())
        return PartSizes(base_parameters=units)

    @classmethod
    def is_parameter(cls, name: str) -> bool:
        return f".{KEPT}" not in f".{name}"

    # -- words -------------------------------------------------------------------

    def label(self, where: Any = None, base: Path | None = None) -> str:
        assert self.stored is not None
        return f"low-rank modules in the base {base or self.stored.base}"

    def translation_identity(self, key: str) -> dict[str, Any]:
        return {"mask": None, "low_rank": True}


def _warn_of_zeros(factors: Sequence[Tensor], index: str, language: str) -> None:
    """Warn where all B, *factors*, of a language by one index are 0, as they began."""
    if factors and not any(bool(each.any()) for each in factors):
        logger.warning(
            f"the low-rank modules of {language} as {index} add nothing: no direction "
            f"with this {index} was trained, so the base computes alone there"
        )
