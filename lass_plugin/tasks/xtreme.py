"""The task ``xtreme``: fine-tune an encoder on one of the nine XTREME tasks."""

import logging
from typing import Any, Mapping

import torch
from fairseq.data import Dictionary
from fairseq.tasks import register_task

from lass_plugin import options
from lass_plugin.anatomy.vocabulary import is_embedding
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.corpora.xtreme.tasks import Task
from lass_plugin.criterions import xtreme as _registered_criterion  # noqa: F401
from lass_plugin.data.data_folder import first_folder, subword_model_of
from lass_plugin.data.dictionaries import load_dictionary
from lass_plugin.data.masked_blocks import MASK
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.data.xtreme.dataset import XtremeDataset
from lass_plugin.data.xtreme.pieces import DICTIONARY
from lass_plugin.data.xtreme.stored import Prepared, read_stored
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq
from lass_plugin.fairseq_fixes.failing_options import check_run
from lass_plugin.fairseq_fixes.missing_start import start_of
from lass_plugin.methods.method import Dense, Method
from lass_plugin.methods.registry import HEAD, method_of
from lass_plugin.models.xtreme_heads import add_head, head_name
from lass_plugin.options import XtremeConfig
from lass_plugin.tasks.encoder_task import EncoderTask

logger = logging.getLogger(__name__)

prepare_fairseq()


@register_task("xtreme", dataclass=XtremeConfig)
class XtremeTask(EncoderTask):
    """A head on an encoder, trained on a folder of ``lass xtreme prepare``.

    Each batch is of one language, the language key. What the encoder gives each
    language (gates) is computed with and kept as it is; the other weights are trained.
    """

    keeps_parts = True

    def __init__(self, cfg: Any, prepared: Prepared, dictionary: Dictionary):
        languages = dict.fromkeys(
            code for codes in prepared.languages.values() for code in codes
        )
        super().__init__(cfg, list(languages), dictionary)
        self.prepared = prepared
        self.carried: Method = Dense()
        """What the encoder gives each language, of the start or of a checkpoint."""
        self._pretrained: tuple[str, ...] = ()
        """Languages of the encoder that a training begins from, if they are known."""

    @property
    def xtreme(self) -> Task:
        """The task of XTREME."""
        return self.prepared.task

    @property
    def languages_of_model(self) -> list[str]:
        return list(self._pretrained)

    def max_positions(self) -> int:
        return self.xtreme.length

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> "XtremeTask":
        if not cfg.data:
            raise LassError("give the folder of 'lass xtreme prepare' first")
        folder = first_folder(cfg.data)
        prepared = Prepared.read(folder)
        if not prepared.task.trains:
            raise LassError(
                f"{prepared.task.title} has no training; score the encoder on it with "
                "'lass xtreme evaluate'"
            )
        trains = not kwargs.get("from_checkpoint")
        if trains:
            options.check_not_empty(cfg)
            check_run(vars(cfg).get("_parent"), trains)
            cls.trains.check_options(cfg)
        task = cls(cfg, prepared, _dictionary_of(prepared))
        task.subwords = subword_model_of([folder])
        if trains:
            task._begin_training(task.keys)
        return task

    @classmethod
    def to_evaluate(cls, prepared: Prepared, sparsity: float | None) -> "XtremeTask":
        """The task of *prepared*, to compute with a checkpoint.

        Args:
            sparsity: of gates for any.
        """
        cfg = XtremeConfig(data=str(prepared.folder), sparsity=sparsity)
        return cls(cfg, prepared, _dictionary_of(prepared))

    def _begin_training(self, keys: Any) -> None:
        super()._begin_training(keys)
        # a head of another task would be left out and a new one begun, with a warning
        self.begun_with["task"] = self.xtreme.name
        cfg = self.cfg
        self.begun_with["sparsity"] = str(cfg.sparsity)
        starts = (cfg.finetune_from_model, cfg.save_dir or "", cfg.continue_once)
        if path := start_of(cfg.restore_file, *starts):
            start = Checkpoint.read(path)
            self._carry(start.task_state, path)
            self._check_compiles(self.carried)
            if start.language_tokens is not None:
                self._pretrained = start.language_tokens.languages
        else:
            logger.warning("no --finetune-from-model: an encoder without pre-training")

    def _carry(self, task_state: Mapping[str, Any], where: str) -> None:
        self.carried = method_of(task_state, where).at_sparsity(self.cfg.sparsity)

    def training_languages(self) -> list[str]:
        """The languages to train on.

        Raises:
            LassError: one was not prepared.
        """
        there = self.prepared.of("train")
        asked = self.cfg.langs
        wanted = [each.strip() for each in asked.split(",")] if asked else there
        for language in wanted:
            if language not in there:
                raise LassError(
                    f"--langs {asked}: {self.prepared.folder} has no training data "
                    f"of '{language}' (it has {', '.join(there)})"
                )
        return wanted

    def load_dataset(
        self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any
    ) -> None:
        """Load a split of every language of it."""
        training = split == self.cfg.train_subset
        languages = self.training_languages() if training else self.prepared.of(split)
        parts: dict[str, Any] = {}
        for language in languages:
            stored = read_stored(self.prepared.path(split, language), self.xtreme)
            parts[language] = XtremeDataset(
                self.xtreme, stored, self.dictionary, language
            )
        counts = ", ".join(f"{key} {len(part)}" for key, part in parts.items())
        logger.info(f"{split}: {counts} examples")
        raising = "--max-positions, or prepare the task with a smaller --length"
        self.datasets[split] = PairsDataset(parts, split, raising=raising)

    # -- the model ---------------------------------------------------------------

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> torch.nn.Module:
        model = super().build_model(cfg, from_checkpoint)
        before = {name for name, _ in model.named_parameters()}
        self.carried.attach(model, cfg, self.cfg)
        for name, parameter in model.named_parameters():
            # gates that were learned; a factor of the embedding is a weight of all
            if name not in before and not is_embedding(name.rpartition(".")[0]):
                parameter.requires_grad_(False)
        self.carried = self.carried.bind(model)
        if self.xtreme.trains:
            add_head(model, self.xtreme)
        return model

    def train_step(self, sample: Any, model: Any, *more: Any, **kwargs: Any) -> Any:
        """Forward and backward of one micro-batch, with the part of its language."""
        with self.method_of(model).using(sample["language_key"]):
            return super().train_step(sample, model, *more, **kwargs)

    def state_dict(self) -> dict[str, Any]:
        own = {HEAD: head_of(self.xtreme)}
        return {**super().state_dict(), **self.carried.to_state(), **own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the method from a checkpoint that has a head for this task."""
        if self.xtreme.trains:
            check_head(state_dict, self.xtreme, self.checkpoint)
        self._check_checkpoint(state_dict)
        self._trains = False
        self._carry(state_dict, self.checkpoint)


def _dictionary_of(prepared: Prepared) -> Dictionary:
    """The dictionary of a prepared folder, the mask appended."""
    dictionary = load_dictionary(prepared.folder / DICTIONARY)
    dictionary.add_symbol(MASK)
    return dictionary


def head_of(task: Task) -> dict[str, Any]:
    """The entry of a checkpoint that says what its head answers."""
    return {"head": head_name(task), "labels": list(task.labels)}


def check_head(task_state: Mapping[str, Any], task: Task, where: str) -> None:
    """Refuse a checkpoint whose head is of another task, or that has none.

    Raises:
        LassError: see above.
    """
    stated = task_state.get(HEAD)
    if stated != head_of(task):
        name = stated.get("head") if isinstance(stated, Mapping) else None
        has = f"the head '{name}'" if name else "no head of XTREME"
        raise LassError(
            f"{where} has {has}, and the data are of {task.title}; fine-tune it on "
            "this task first (fairseq-train --task xtreme), or give its own data"
        )
