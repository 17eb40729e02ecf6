"""The task ``translation_subnetwork``: base training, joint training, translation.

It is also what the tasks of other methods derive from: such a task has options of its
own and names its method in :attr:`TranslationSubnetworkTask.trains`.
"""

import contextlib
import logging
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import torch
from fairseq import metrics, utils
from fairseq.data import Dictionary
from fairseq.optim.amp_optimizer import AMPOptimizer
from fairseq.tasks import FairseqTask, register_task

from lass_plugin import optim as _registered_optimizers  # noqa: F401
from lass_plugin import options
from lass_plugin.anatomy.targets import unwrap
from lass_plugin.data import pair_data
from lass_plugin.data.language_tokens import (
    LanguageTokens,
    forced_prefix,
    read_languages,
)
from lass_plugin.data.pair_data import joint_dictionary
from lass_plugin.data.pairs_dataset import PairsDataset, PairsIterator
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq
from lass_plugin.languages import Pair
from lass_plugin.methods.method import Dense, Method
from lass_plugin.methods.registry import method_of, translating_method
from lass_plugin.methods.subnetworks.extension import choosing_from, read_symbols
from lass_plugin.methods.subnetworks.method import Subnetworks
from lass_plugin.options import TranslationSubnetworkConfig
from lass_plugin.training import validation
from lass_plugin.training.precision import autocast

logger = logging.getLogger(__name__)

prepare_fairseq()


@register_task("translation_subnetwork", dataclass=TranslationSubnetworkConfig)
class TranslationSubnetworkTask(FairseqTask):
    """Multilingual translation where every pair may have its own part of the model.

    Without ``--masks`` this trains the base; with them it trains jointly, every pair
    its own sub-network only; with ``--source-lang`` and ``--target-lang`` it translates
    with what the checkpoint carries for the pair.
    """

    cfg: TranslationSubnetworkConfig
    trains: ClassVar[type[Method]] = Subnetworks
    """What a training by this task gives to each pair."""

    def __init__(
        self,
        cfg: TranslationSubnetworkConfig,
        pairs: list[Pair],
        tokens: LanguageTokens,
        source_dictionary: Dictionary,
        target_dictionary: Dictionary,
    ):
        super().__init__(cfg)
        self.pairs = pairs
        self.tokens = tokens
        self._source_dictionary = source_dictionary
        self._target_dictionary = target_dictionary
        self.method: Method = Dense()
        """Of the training, or of the checkpoint last loaded."""
        self.symbols: dict[str, int] = {}
        """Pair -> number of symbols it knows; a pair that is not here knows all."""
        self._of_checkpoint = False
        """Whether the options are those that a checkpoint was trained with."""
        self._trains = False

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> "TranslationSubnetworkTask":
        if not cfg.data:
            raise LassError("give the folder of binarized data as first argument")
        folder = Path(utils.split_paths(cfg.data)[0])
        if not folder.is_dir():
            raise LassError(f"the data folder {folder} does not exist")
        pairs = options.directions(cfg)
        of_checkpoint = bool(kwargs.get("from_checkpoint"))
        trains = not (of_checkpoint or cfg.source_lang)
        if trains:
            cls.trains.check_options(cfg)
        elif cfg.source_lang:  # others were checked when the run began
            options.check_translation(cfg)
        languages = cls.trains.languages_of(cfg, pairs) if trains else ()
        if not languages:
            languages = read_languages(cfg.langs, cfg.lang_dict, str(folder), pairs)
        tokens = LanguageTokens(
            languages, cfg.encoder_langtok, cfg.decoder_langtok, str(cfg.lang_tok_style)
        )
        tokens.check_pairs(pairs)
        source = joint_dictionary(folder, cfg.source_dict, pairs, "source")
        target = joint_dictionary(folder, cfg.target_dict, pairs, "target")
        tokens.add_to(source)
        tokens.add_to(target)
        if source == target:
            target = source
        logger.info(f"dictionary: {len(source)} types; languages: {languages}")
        task = cls(cfg, pairs, tokens, source, target)
        task._of_checkpoint = of_checkpoint
        if trains:
            task._begin_training()
        return task

    def _begin_training(self) -> None:
        self.method = self.trains.from_options(self.cfg, self.pairs, self.tokens)
        for dictionary in self._dictionaries():
            self.method.check_dictionary(dictionary)
        self.symbols = dict(self.method.symbols)
        self._trains = True

    @property
    def source_dictionary(self) -> Dictionary:
        return self._source_dictionary

    @property
    def target_dictionary(self) -> Dictionary:
        return self._target_dictionary

    def max_positions(self) -> tuple[int, int]:
        return self.cfg.max_source_positions, self.cfg.max_target_positions

    # -- data --------------------------------------------------------------------

    def has_sharded_data(self, split: str) -> bool:
        shards = utils.split_paths(self.cfg.data)
        return len(shards) > 1 and split == self.cfg.train_subset

    def load_dataset(
        self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any
    ) -> None:
        """Load a split of every pair."""
        training = split == self.cfg.train_subset and not self.cfg.source_lang
        folders = utils.split_paths(self.cfg.data)
        folder = folders[(epoch - 1) % len(folders) if training else 0]
        parts = {
            str(pair): pair_data.load_pair(
                Path(folder),
                split,
                pair,
                self.source_dictionary,
                self.target_dictionary,
                self.tokens,
                combine=combine,
                left_pad_source=self.cfg.left_pad_source,
                left_pad_target=self.cfg.left_pad_target,
                truncate_source=(
                    self.cfg.max_source_positions if self.cfg.truncate_source else None
                ),
            )
            for pair in self.pairs
        }
        counts = ", ".join(f"{key} {len(part)}" for key, part in parts.items())
        logger.info(f"{split}: {counts} sentences")
        self.datasets[split] = PairsDataset(
            parts,
            split,
            str(self.cfg.sampling_method),
            options.sampling_temperature(self.cfg),
            mixed=self.cfg.mixed_batches and training,
        )

    def build_dataset_for_inference(
        self, src_tokens: list, src_lengths: list, constraints: Any = None
    ) -> PairsDataset:
        """Sentences that ``fairseq-interactive`` reads."""
        if constraints is not None:
            raise LassError("this task does not translate with --constraints")
        if not self.cfg.source_lang:
            raise LassError("give --source-lang and --target-lang to translate")
        pair = self.pairs[0]
        data = pair_data.sentences_of(
            src_tokens,
            pair,
            self.source_dictionary,
            self.tokens,
            self.cfg.left_pad_source,
        )
        return PairsDataset({str(pair): data}, "input")

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
        """Batches of one pair each; drawn anew for every epoch of training."""
        # only the trainer's own iterator passes this option; whoever else goes through
        # the training data (--gen-subset train) wants every sentence of it once
        training = update_epoch_batch_itr is not None

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
        """How many batches of an update must be of one pair; 1 where they may mix."""
        if not self.method.whole_updates:
            return 1
        frequencies = self.cfg.update_freq
        return ranks * frequencies[min(epoch, len(frequencies)) - 1]

    # -- training ----------------------------------------------------------------

    def train_step(
        self,
        sample: dict[str, Any],
        model: Any,
        criterion: Any,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
    ) -> tuple[torch.Tensor, Any, dict[str, Any]]:
        """Forward and backward of one micro-batch, with the part of its pair."""
        if self.cfg.source_lang:
            raise LassError(
                "--source-lang and --target-lang are for translation; give "
                f"--lang-pairs {self.pairs[0]} for training"
            )
        counts = not ignore_grad
        with self.method.micro_batch(sample, model, optimizer, counts):
            model.train()
            model.set_num_updates(update_num)
            with self._autocast(sample, optimizer):
                loss, sample_size, logging_output = criterion(model, sample)
            if ignore_grad:
                loss *= 0
            optimizer.backward(loss)
        return loss, sample_size, logging_output

    def _autocast(self, sample: dict[str, Any], optimizer: Any):
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
        """Loss of one batch with the part of its pair."""
        key = sample["language_key"]
        model.eval()
        with (
            torch.no_grad(),
            self.method_of(model).using(key),
            self._autocast(sample, None),
        ):
            loss, sample_size, logging_output = criterion(model, sample)
        validation.add_pair(logging_output, key, [str(pair) for pair in self.pairs])
        return loss, sample_size, logging_output

    def reduce_metrics(self, logging_outputs: list, criterion: Any) -> None:
        super().reduce_metrics(logging_outputs, criterion)
        validation.log_pairs(metrics, logging_outputs)
        for name, value in self.method.metrics().items():
            metrics.log_scalar(name, value, weight=0, round=4)

    # -- checkpoints -------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """``task_state`` of a checkpoint: all that translating with it needs."""
        return {"language_tokens": self.tokens.to_dict(), **self.method.to_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take method and language tokens from a checkpoint (translation)."""
        if "language_tokens" in state_dict:
            self._adopt_tokens(LanguageTokens.from_dict(state_dict["language_tokens"]))
        self._trains = False
        self.symbols = read_symbols(state_dict, "the checkpoint")
        self.method = method_of(state_dict, "the checkpoint")
        if self.cfg.base and not self.method.takes_base:
            raise LassError(
                "--base has no effect, because the checkpoint has no low-rank modules; "
                "leave it out"
            )

    def _adopt_tokens(self, trained: LanguageTokens) -> None:
        """Translate with the tokens of training; options that contradict them fail."""
        mine = self.tokens
        trained.check_options(mine, bool(self.cfg.langs or self.cfg.lang_dict))
        trained.check_pairs(self.pairs)
        self.tokens = trained
        for dictionary in {id(d): d for d in self._dictionaries()}.values():
            mine.remove_from(dictionary)
            trained.add_to(dictionary)

    def _dictionaries(self) -> tuple[Dictionary, Dictionary]:
        return self.source_dictionary, self.target_dictionary

    # -- translation -------------------------------------------------------------

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> torch.nn.Module:
        model = super().build_model(cfg, from_checkpoint)
        for module in model.modules():
            if hasattr(module, "can_use_fastpath"):
                # stock fairseq 0.12.2 would translate with copies of the weights, made
                # when the checkpoint was loaded, that no mask reaches
                module.can_use_fastpath = False
        self.method.attach(model, cfg, self.cfg)
        if self._trains:
            self.method = self.method.bind(model)
        else:
            translating_method(
                self.method, self.cfg, self.pairs, self._of_checkpoint
            ).bind(model)
        return model

    def method_of(self, model: torch.nn.Module) -> Method:
        """The method of a model that this task has built."""
        found: Any = unwrap(model).method
        return found

    def build_generator(self, models: list, args: Any, *more: Any, **kwargs: Any):
        """A generator; the mask of the one pair to translate is multiplied in."""
        if self.cfg.source_lang:
            for model in models:
                self.method_of(model).bake(str(self.pairs[0]))
        extra = dict(kwargs.pop("extra_gen_cls_kwargs", None) or {})
        if self.tokens.decoder and not self.cfg.keep_inference_langtok:
            extra["symbols_to_strip_from_output"] = {
                self.tokens.decoder_token(pair, self.target_dictionary)
                for pair in self.pairs
            } | set(extra.get("symbols_to_strip_from_output") or ())
        return super().build_generator(
            models, args, *more, extra_gen_cls_kwargs=extra, **kwargs
        )

    def inference_step(
        self,
        generator: Any,
        models: list,
        sample: dict[str, Any],
        prefix_tokens: torch.Tensor | None = None,
        constraints: Any = None,
    ) -> list:
        """Translate one batch, its target language token as forced prefix."""
        # fairseq-interactive hands on the tokens alone; it translates one pair
        key = sample.get("language_key", str(self.pairs[0]))
        token = self.tokens.decoder_token(Pair.parse(key), self.target_dictionary)
        if token is not None:
            source = sample["net_input"]["src_tokens"]
            prefix_tokens = forced_prefix(source, token, prefix_tokens)
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            for model in models:
                stack.enter_context(self.method_of(model).using(key))
            stack.enter_context(choosing_from(models, self.symbols.get(key)))
            return generator.generate(
                models, sample, prefix_tokens=prefix_tokens, constraints=constraints
            )
