"""What every task of this package does: batches of one language key, and its part."""

import logging
from collections import Counter
from typing import Any, ClassVar, Sequence

import torch
from fairseq import metrics, utils
from fairseq.data import Dictionary
from fairseq.optim.amp_optimizer import AMPOptimizer
from fairseq.tasks import FairseqTask

from lass_plugin import optim as _registered_optimizers  # noqa: F401
from lass_plugin.anatomy.targets import unwrap
from lass_plugin.checkpoints import trained_with
from lass_plugin.checkpoints.architecture import check_architecture
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.pairs_dataset import PairsDataset, PairsIterator
from lass_plugin.data.subwords import Subwords
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.failing_options import check_shape
from lass_plugin.fairseq_fixes.missing_start import start_of
from lass_plugin.methods.method import Dense, Method
from lass_plugin.methods.micro_batch import MicroBatch
from lass_plugin.methods.registry import method_of, refuse_parts
from lass_plugin.training import pair_figures, validation
from lass_plugin.training.compiled_layers import compile_layers
from lass_plugin.training.precision import autocast

logger = logging.getLogger(__name__)


class KeyedTask(FairseqTask):
    """Training and validation, each batch with the part of its language key.

    A key is a pair in translation, a language in an encoder.
    """

    cfg: Any
    trains: ClassVar[type[Method]] = Dense
    """What a training by this task gives to each key."""
    of_keys: ClassVar[str] = "pairs"
    """What the keys are, for messages."""
    counted: ClassVar[str] = "ntokens"
    """Entry of a criterion's figures that the loss is a sum over."""
    mean_loss: ClassVar[str] = "pair_loss"
    """Name of the unweighted mean of the keys' validation losses."""

    keeps_parts: ClassVar[bool] = False
    """Whether it computes with what keys have in the checkpoint that it begins from."""

    def __init__(self, cfg: Any, tokens: LanguageTokens):
        super().__init__(cfg)
        self.tokens = tokens
        self.subwords = Subwords("none")
        """What the text of the data was encoded with, where that is known."""
        self.text: dict[str, Any] | None = None
        """How that text came to be, see :func:`.data_folder.text_stated`."""
        self.checkpoint = "the checkpoint"
        """What is computed with, for messages."""
        self.method: Method = Dense()
        """Of the training, or of the checkpoint last loaded."""
        self.begun_with: dict[str, Any] = {}
        """What else than its data and its method a training must be resumed with."""
        self._trains = False
        self._begins = False
        """Whether it trains from nothing."""
        self._start: str | None = None
        """The checkpoint that it begins from or goes on from."""
        self._compiled = False

    @property
    def keys(self) -> list[str]:
        """The language keys of the training, in their order."""
        raise NotImplementedError

    @property
    def of_one_key(self) -> bool:
        """Whether it only computes with the part of one key: translation."""
        return False

    def _dictionaries(self) -> tuple[Dictionary, Dictionary]:
        """Dictionaries of encoder and decoder; of an encoder alone the same twice."""
        return self.source_dictionary, self.target_dictionary

    def has_sharded_data(self, split: str) -> bool:
        shards = utils.split_paths(self.cfg.data)
        return len(shards) > 1 and split == self.cfg.train_subset

    # -- training ----------------------------------------------------------------

    def _begin_training(self, keys: Sequence[Any]) -> None:
        """Set the method up for training.

        Args:
            keys: the language keys, pairs as such.
        """
        self.method = self.trains.from_options(self.cfg, keys, self.tokens)
        for dictionary in self._dictionaries():
            self.method.check_dictionary(dictionary)
        self._check_compiles(self.method)
        if self.cfg.tf32:
            torch.set_float32_matmul_precision("high")
        self._check_start()
        self.method.begin_training(self)
        self._trains = True

    def _check_compiles(self, method: Method) -> None:
        if self.cfg.compile_layers and not method.compiles:
            raise LassError(
                f"--compile-layers cannot compile a model with {method.words}, whose "
                "layers are others for each key; leave it out"
            )

    def _check_start(self) -> None:
        """Compare what the training begins from with what it is to be trained with."""
        cfg = self.cfg
        if not cfg.save_dir:
            return
        starts = (cfg.finetune_from_model, cfg.save_dir, cfg.continue_once)
        begun = self._start = start_of(cfg.restore_file, *starts)
        base = getattr(cfg, "base", None)
        frozen = {"--base": base}
        if self.method.freezes and begun == cfg.finetune_from_model:
            frozen["--finetune-from-model"] = begun
        for option, path in frozen.items():
            if path:
                refuse_parts(_carried_by(path), path, option)
        if begun and begun == cfg.finetune_from_model and not self.keeps_parts:
            self._tell_what_is_left_out(begun)
        paths = [*filter(None, (begun, base))]
        self._begins = not paths
        for path in [] if cfg.allow_other_dictionary else paths:
            given = (self.tokens, self._dictionaries(), str(cfg.data), self.subwords)
            trained_with.check_start(path, *given, self.text)

    def _tell_what_is_left_out(self, start: str) -> None:
        """Warn where the parts of keys in *start* have no place in this training."""
        carried, mine = _carried_by(start), self.method
        if carried.entry == mine.entry:
            extends = getattr(self.cfg, "extend", None)  # takes older pairs' masks over
            if carried.masks is None or mine.masks is not None or extends:
                return
        if carried.entry:
            logger.warning(
                "%s is a model with %s, which this training leaves out: it begins from "
                "the weights that all %s share",
                start,
                carried.words,
                self.of_keys,
            )

    def train_step(
        self,
        sample: dict[str, Any],
        model: Any,
        criterion: Any,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
    ) -> tuple[torch.Tensor, Any, dict[str, Any]]:
        """Forward and backward of one micro-batch, with the part of its key."""
        if self.cfg.compile_layers and not self._compiled:
            compile_layers(unwrap(model), sample["net_input"]["src_tokens"].device)
            self._compiled = True
        batch = MicroBatch(sample, model, optimizer, not ignore_grad)
        with self.method.micro_batch(batch):
            model.train()
            model.set_num_updates(update_num)
            with self.autocast(sample, optimizer):
                loss, sample_size, logging_output = criterion(model, sample)
            if len(self.keys) > 1 and not self.method.whole_updates:
                key = None if ignore_grad else batch.key
                pair_figures.add_words(logging_output, key, self.keys)
            if ignore_grad:
                loss *= 0
            optimizer.backward(loss)
        return loss, sample_size, logging_output

    def autocast(self, sample: dict[str, Any], optimizer: Any = None):
        """The precision that a batch is computed in."""
        device = sample["net_input"]["src_tokens"].device
        if isinstance(optimizer, AMPOptimizer):
            return torch.autocast(device.type)
        return autocast(self.cfg.bf16_autocast, device)

    def begin_epoch(self, epoch: int, model: Any) -> None:
        super().begin_epoch(epoch, model)
        self.method.begin_epoch(epoch)

    def optimizer_step(self, optimizer: Any, model: Any, update_num: int) -> None:
        self.method.step(optimizer)
        if self.method.stopped:
            self._end_training(update_num + 1)

    def _end_training(self, updates: int) -> None:
        """Let fairseq end after this update as it does after ``--max-update``.

        So it validates and saves as at any end. The options of a task are part of
        fairseq's whole configuration, which its training loop reads.
        """
        everything = self.cfg.__dict__["_parent"]
        everything.optimization.max_update = updates

    def valid_step(
        self, sample: dict[str, Any], model: torch.nn.Module, criterion: Any
    ) -> tuple[torch.Tensor, Any, dict[str, Any]]:
        """Loss of one batch with the part of its key."""
        key = sample["language_key"]
        model.eval()
        with (
            torch.no_grad(),
            self.method_of(model).using(key),
            self.autocast(sample),
        ):
            loss, sample_size, logging_output = criterion(model, sample)
        validation.add_key(logging_output, key, self.keys, self.counted)
        return loss, sample_size, logging_output

    def reduce_metrics(self, logging_outputs: list, criterion: Any) -> None:
        super().reduce_metrics(logging_outputs, criterion)
        validation.log_keys(metrics, logging_outputs, self.mean_loss)
        pair_figures.log_shares(metrics, logging_outputs)
        pair_figures.log_figures(metrics, self.method.watched())
        for name, value in self.method.metrics().items():
            metrics.log_scalar(name, value, weight=0, round=4)

    # -- checkpoints -------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """``task_state`` of a checkpoint: all that computing with it needs."""
        return {
            "language_tokens": self.tokens.to_dict(),
            trained_with.ENTRY: trained_with.entry_of(
                self._dictionaries(), self.subwords, self.text
            ),
            **self.method.to_state(),
        }

    def _check_checkpoint(self, task_state: dict[str, Any]) -> None:
        """Refuse a checkpoint of another dictionary or subword model than the data."""
        trained_with.check_dictionaries(
            task_state, self._dictionaries(), self.checkpoint, str(self.cfg.data)
        )
        trained_with.check_subwords(task_state, self.subwords, self.checkpoint)
        trained_with.compare_text(
            task_state, self.text, self.checkpoint, str(self.cfg.data)
        )

    # -- the model ---------------------------------------------------------------

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> torch.nn.Module:
        check_shape(cfg)
        if self._trains and self._start:
            check_architecture(Checkpoint.read(self._start), cfg, self._start)
        try:
            model = super().build_model(cfg, from_checkpoint)
        except ValueError as error:  # of options that contradict each other
            raise LassError(f"the model cannot be built: {error}") from error
        for module in model.modules():
            if hasattr(module, "can_use_fastpath"):
                # stock fairseq 0.12.2 would compute with copies of the weights, made
                # when the checkpoint was loaded, that no mask reaches
                module.can_use_fastpath = False
        self.method.attach(model, cfg, self.cfg)
        if self._trains:
            self.method = self.method.bind(model)
        else:
            self._method_to_use().bind(model)
        return model

    def _method_to_use(self) -> Method:
        """The method of a model that is not trained."""
        return self.method

    def method_of(self, model: torch.nn.Module) -> Method:
        """The method of a model that this task has built."""
        found: Any = unwrap(model).method
        return found

    # -- batches -----------------------------------------------------------------

    def get_batch_iterator(
        self,
        dataset: PairsDataset,
        max_tokens: int | None = None,
        max_sentences: int | None = None,
        max_positions: Any = None,
        ignore_invalid_inputs: bool = False,
        required_batch_size_multiple: int = 1,
        seed: int = 1,
        num_shards: int = 1,
        shard_id: int = 0,
        num_workers: int = 0,
        epoch: int = 1,
        data_buffer_size: int = 0,
        disable_iterator_cache: bool = False,
        skip_remainder_batch: bool = False,
        grouped_shuffling: bool = False,
        update_epoch_batch_itr: bool | None = None,
        **kwargs: Any,
    ) -> PairsIterator:
        """Batches of one key each; drawn anew for every epoch of training."""
        # only the trainer's own iterator passes this option; whoever else goes through
        # the training data (--gen-subset train) wants every sentence of it once
        training = update_epoch_batch_itr is not None

        validates = not training and not self.of_one_key
        steps = self.cfg.max_valid_steps if validates else None
        if steps is not None and (steps + 1) * num_shards < len(dataset.parts):
            raise LassError(
                f"--max-valid-steps {steps} is not enough for a batch of each of the "
                f"{len(dataset.parts)} {self.of_keys} of the {dataset.split} data, by "
                "which the best checkpoint is chosen; raise it, or leave it out"
            )

        def update_size(epoch: int) -> int:
            return self._update_size(epoch, num_shards) if training else 1

        def batches_of(data: PairsDataset, epoch: int) -> list:
            return data.batches(
                epoch,
                seed=seed,
                training=training,
                max_tokens=max_tokens,
                max_sentences=max_sentences,
                multiple=required_batch_size_multiple,
                limits=max_positions,
                drop_too_long=ignore_invalid_inputs,
                update_size=update_size(epoch),
                in_turn=steps is not None,
            )

        iterator = PairsIterator(
            dataset=dataset,
            collate_fn=dataset.collater,
            batch_sampler=batches_of,
            seed=seed,
            num_shards=num_shards,
            shard_id=shard_id,
            num_workers=num_workers,
            epoch=epoch,
            buffer_size=data_buffer_size,
            skip_remainder_batch=skip_remainder_batch,
            grouped_shuffling=grouped_shuffling,
            companion=self.method if training else None,
            begun_with=self.begun_with if training else None,
            update_size=update_size,
        )
        if training and self.method.whole_updates:
            if grouped_shuffling:
                raise LassError(
                    "--grouped-shuffling has no effect on a search of several pairs, "
                    "where an update holds batches of one pair; leave it out"
                )
            batches = iterator.frozen_batches
            self.method.check_batches(
                Counter(dataset.locate(int(batch[0]))[0] for batch in batches)
            )
        return iterator

    def _update_size(self, epoch: int, ranks: int) -> int:
        """How many batches of an update must be of one key; 1 where they may mix."""
        if not self.method.whole_updates:
            return 1
        frequencies = self.cfg.update_freq
        return ranks * frequencies[min(epoch, len(frequencies)) - 1]


def _carried_by(path: str) -> Method:
    """What each key has in the checkpoint *path*."""
    return method_of(Checkpoint.read(path).task_state, path)
