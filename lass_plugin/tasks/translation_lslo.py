"""The task ``translation_lslo``: low-rank modules in a frozen base (Cao 2024)."""

import logging
from pathlib import Path
from typing import Any, Sequence, cast

import torch
from fairseq.tasks import register_task

from lass_plugin import option_checks
from lass_plugin.anatomy.matrices import count_layers, find_matrices, parse_kinds
from lass_plugin.anatomy.targets import unwrap
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, languages_of
from lass_plugin.methods.lowrank.attaching import all_matrices
from lass_plugin.methods.lowrank.entry import Carried, equip
from lass_plugin.methods.lowrank.frozen_base import (
    check_exists,
    check_tokens,
    fingerprint_of,
    languages_of_base,
    load_base,
)
from lass_plugin.methods.lowrank.inference import LowRankParts
from lass_plugin.methods.lowrank.planning.placement import DEFAULT, parse_placement
from lass_plugin.methods.lowrank.planning.plan import (
    Plan,
    count_parameters,
    read_plan,
    uniform,
)
from lass_plugin.methods.lowrank.pruning import LAYER, Pruner, PruningPlan
from lass_plugin.methods.lowrank.run_state import LowRankRunState
from lass_plugin.methods.lowrank.training import LowRankTraining
from lass_plugin.options import TranslationLsloConfig
from lass_plugin.resource_types import parse_types, spread
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask

logger = logging.getLogger(__name__)


@register_task("translation_lslo", dataclass=TranslationLsloConfig)
class TranslationLsloTask(TranslationSubnetworkTask):
    """Trains the modules of the source and target languages of each batch.

    The base is read from ``--base`` and does not move; checkpoints hold the modules and
    a fingerprint of the base. The task ``translation_subnetwork`` translates with them
    as well.
    """

    cfg: TranslationLsloConfig
    phase = "lslo"

    def __init__(self, cfg: Any, pairs: list[Pair], *more: Any):
        super().__init__(cfg, pairs, *more)
        self._training: LowRankTraining | None = None
        self._pruner: Pruner | None = None
        self._epoch = 1

    @classmethod
    def check_training_options(cls, cfg: Any) -> None:
        option_checks.check_lslo(cfg)
        check_exists(cfg.base, recorded=False)

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> "TranslationLsloTask":
        task = cast(TranslationLsloTask, super().setup_task(cfg, **kwargs))
        if not (cfg.source_lang or kwargs.get("from_checkpoint")):
            for dictionary in (task.source_dictionary, task.target_dictionary):
                check_tokens(cfg.base, task.tokens, dictionary)
        return task

    @classmethod
    def read_languages(
        cls, cfg: Any, folder: Path, pairs: list[Pair], from_checkpoint: bool
    ) -> tuple[str, ...]:
        """Those of the base: its embeddings are numbered by them."""
        trains = not (cfg.source_lang or from_checkpoint)
        found = languages_of_base(cfg.base, pairs) if trains else ()
        if found and not (cfg.langs or cfg.lang_dict):
            return found
        return super().read_languages(cfg, folder, pairs, from_checkpoint)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> torch.nn.Module:
        """The base with the modules of the options, or of the checkpoint."""
        model = super().build_model(cfg, from_checkpoint)
        if self.low_rank is not None or self.cfg.source_lang:
            return model
        load_base(model, str(self.cfg.base), cfg)
        plan = self._plan(model)
        matrices = all_matrices(dict(model.named_parameters()))
        base = str(Path(str(self.cfg.base)).resolve())
        fingerprint = fingerprint_of(model, plan.ranks)
        self.low_rank = Carried(plan, base, fingerprint)
        before = sum(parameter.numel() for parameter in model.parameters())
        equip(model, plan)
        if pruning := self.pruning:
            pruning.check_length(self.cfg.max_epoch)
            self._pruner = Pruner(model, pruning)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        square = count_parameters(plan, matrices, square=True)
        logger.info(
            f"low-rank modules of {len(plan.languages)} languages beside "
            f"{len(plan.ranks)} matrices: {trained:,} parameters, "
            f"{trained / before:.2%} of the base's {before:,} "
            f"({square:,} if every matrix counts as square)"
        )
        return model

    def _plan(self, model: torch.nn.Module) -> Plan:
        parameters = dict(model.named_parameters())
        layers = count_layers(parameters)
        if self.cfg.lslo_plan:
            plan = read_plan(self.cfg.lslo_plan)
            plan.placement.check_layers(layers, f"in {self.cfg.lslo_plan}")
            plan.check_pairs(self.pairs)
            return plan
        languages = languages_of(self.pairs)
        ranks = self._spread(str(self.cfg.lslo_ranks), languages, "--lslo-ranks")
        return uniform(
            find_matrices(parameters, parse_kinds(self.cfg.lslo_matrices)),
            ranks,
            parse_placement(self.cfg.lslo_placement or DEFAULT, layers),
            alpha=self.cfg.lslo_alpha,
            dropout=self.cfg.lslo_dropout,
            seed=self.cfg.lslo_seed,
        )

    @property
    def pruning(self) -> PruningPlan | None:
        """What the options say of pruning."""
        if not self.cfg.lslo_pruning:
            return None
        group = str(self.cfg.lslo_pruning)
        languages = languages_of(self.pairs)
        text = str(self.cfg.lslo_pruning_ratio)
        if group == LAYER and (";" in text or "=" in text):
            raise LassError(
                "--lslo-pruning layer makes the languages compete for one ratio; give "
                "one number with --lslo-pruning-ratio"
            )
        return PruningPlan(
            group,
            self._spread(text, languages, "--lslo-pruning-ratio"),
            self.cfg.lslo_pruning_start,
            self.cfg.lslo_pruning_length,
        )

    def _spread(
        self, text: str, languages: Sequence[str], option: str
    ) -> dict[str, float]:
        types = None
        if ";" in text:
            types = parse_types(self.cfg.resource_types, languages)
        return spread(text, languages, types, option)

    # -- training ----------------------------------------------------------------

    def begin_epoch(self, epoch: int, model: Any) -> None:
        super().begin_epoch(epoch, model)
        self._epoch = epoch

    def _micro_batch(self, sample: Any, model: Any, optimizer: Any, ignore_grad: bool):
        if self._training is None or not self._training.belongs_to(optimizer):
            parts = cast(LowRankParts, unwrap(model).low_rank)
            self._training = LowRankTraining(
                model, parts.plan, parts.routing, self.pairs, optimizer, self._pruner
            )
        self._training.begin_epoch(self._epoch)
        keys = sample.get("language_keys") or [sample["language_key"]]
        return self._training.micro_batch(keys, not ignore_grad)

    def optimizer_step(self, optimizer: Any, model: Any, update_num: int) -> None:
        assert self._training is not None
        with self._training.update():
            optimizer.step()

    def _run_state(self) -> Any:
        return LowRankRunState(self)
