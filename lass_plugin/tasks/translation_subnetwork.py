"""The task ``translation_subnetwork``: base training, joint training, translation."""

import logging
from pathlib import Path
from typing import Any

import torch
from fairseq import metrics, utils
from fairseq.data import Dictionary
from fairseq.optim.amp_optimizer import AMPOptimizer
from fairseq.tasks import FairseqTask, register_task

from lass_plugin import optim as _registered_optimizers  # noqa: F401
from lass_plugin import option_checks
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
from lass_plugin.masks import MaskSet, load_masks
from lass_plugin.masks.state import from_state, to_state
from lass_plugin.methods.lowrank.entry import ENTRY, Carried, carried, put_in
from lass_plugin.methods.subnetworks.extension import (
    Extension,
    choosing_from,
    read_symbols,
)
from lass_plugin.methods.subnetworks.holding import parse_holding
from lass_plugin.methods.subnetworks.joint import JointTraining, check_base
from lass_plugin.options import TranslationSubnetworkConfig
from lass_plugin.training import validation
from lass_plugin.training.inference import Subnetworks
from lass_plugin.training.precision import autocast
from lass_plugin.training.run_state import RunState

logger = logging.getLogger(__name__)

prepare_fairseq()


@register_task("translation_subnetwork", dataclass=TranslationSubnetworkConfig)
class TranslationSubnetworkTask(FairseqTask):
    """Multilingual translation where every pair may have a sub-network of its own.

    Without ``--masks`` this trains the base; with them it trains jointly, every pair
    its own sub-network only; with ``--source-lang`` and ``--target-lang`` it translates
    under the mask that the checkpoint carries for the pair.
    """

    cfg: TranslationSubnetworkConfig
    phase = "base"

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
        self.masks: MaskSet | None = None
        """Masks of joint training, or those of the checkpoint last loaded."""
        self._masks_of_checkpoint = False
        self.extension: Extension | None = None
        """Of the extended checkpoint that is trained from (``--extend``)."""
        self.symbols: dict[str, int] = {}
        """Pair -> number of symbols it knows; a pair that is not here knows all."""
        self.low_rank: Carried | None = None
        """Of the checkpoint last loaded, or of the training of low-rank modules."""
        self._joint: JointTraining | None = None
        self.continues_joint = False
        self.of_checkpoint = False
        """Whether the options are those that a checkpoint was trained with."""

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> "TranslationSubnetworkTask":
        if not cfg.data:
            raise LassError("give the folder of binarized data as first argument")
        folder = Path(utils.split_paths(cfg.data)[0])
        if not folder.is_dir():
            raise LassError(f"the data folder {folder} does not exist")
        pairs = option_checks.directions(cfg)
        from_checkpoint = bool(kwargs.get("from_checkpoint"))
        if from_checkpoint:
            pass  # these were checked when the run that wrote it began
        elif cfg.source_lang:
            option_checks.check_translation(cfg)
        else:
            cls.check_training_options(cfg)
        languages = cls.read_languages(cfg, folder, pairs, from_checkpoint)
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
        task.of_checkpoint = from_checkpoint
        return task

    @classmethod
    def read_languages(
        cls, cfg: Any, folder: Path, pairs: list[Pair], from_checkpoint: bool
    ) -> tuple[str, ...]:
        """All languages in the order of their tokens."""
        return read_languages(cfg.langs, cfg.lang_dict, str(folder), pairs)

    @classmethod
    def check_training_options(cls, cfg: Any) -> None:
        """Refuse options that cannot be strict or would have no effect."""
        option_checks.check_training(cfg, masked=bool(cfg.masks))

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
        if training and self.cfg.masks and self.masks is None:
            self.masks = load_masks(self.cfg.masks).only(map(str, self.pairs))
        if training and self.cfg.extend and self.extension is None:
            # the older pairs of the extended checkpoint are taken over
            self.extension = Extension.read(self.cfg.extend)
            self.extension.check_new(self.pairs, self.masks)
            self.symbols = dict(self.extension.symbols)
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
            option_checks.sampling_temperature(self.cfg),
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
            *(src_tokens, pair, self.source_dictionary, self.tokens),
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

        return PairsIterator(
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
            companion=self._run_state() if training else None,
            update_size=update_size,
        )

    def _update_size(self, epoch: int, ranks: int) -> int:
        """How many batches of an update must be of one pair; 1 where they may mix."""
        return 1

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
        """Forward and backward of one micro-batch, under the mask of its pair."""
        if self.cfg.source_lang:
            raise LassError(
                "--source-lang and --target-lang are for translation; give "
                f"--lang-pairs {self.pairs[0]} for training"
            )
        with self._micro_batch(sample, model, optimizer, ignore_grad):
            model.train()
            model.set_num_updates(update_num)
            with self._autocast(sample, optimizer):
                loss, sample_size, logging_output = criterion(model, sample)
            if ignore_grad:
                loss *= 0
            optimizer.backward(loss)
        return loss, sample_size, logging_output

    def _micro_batch(self, sample: Any, model: Any, optimizer: Any, ignore_grad: bool):
        if self.masks is None:
            return torch.enable_grad()
        if self._joint is None or not self._joint.belongs_to(optimizer):
            if not (self.continues_joint or self.cfg.allow_other_base):
                check_base(model, self.masks)
            holding = None
            if self.extension is not None:
                holding = self.extension.holding(parse_holding(self.cfg.hold))
            self._joint = JointTraining(model, self.masks, optimizer, holding)
            Subnetworks.attach(model, self._joint.weights)
        return self._joint.micro_batch(sample["language_key"], not ignore_grad)

    def _autocast(self, sample: dict[str, Any], optimizer: Any):
        device = sample["net_input"]["src_tokens"].device
        if isinstance(optimizer, AMPOptimizer):
            return torch.autocast(device.type)
        return autocast(self.cfg.bf16_autocast, device)

    def optimizer_step(self, optimizer: Any, model: Any, update_num: int) -> None:
        if self._joint is None:
            optimizer.step()
            return
        with self._joint.update():
            optimizer.step()

    def valid_step(
        self, sample: dict[str, Any], model: torch.nn.Module, criterion: Any
    ) -> tuple[torch.Tensor, Any, dict[str, Any]]:
        """Loss of one batch under the mask of its pair."""
        key = sample["language_key"]
        model.eval()
        with (
            torch.no_grad(),
            self.subnetworks(model).using(key),
            self._autocast(sample, None),
        ):
            loss, sample_size, logging_output = criterion(model, sample)
        validation.add_pair(logging_output, key, [str(pair) for pair in self.pairs])
        return loss, sample_size, logging_output

    def reduce_metrics(self, logging_outputs: list, criterion: Any) -> None:
        super().reduce_metrics(logging_outputs, criterion)
        validation.log_pairs(metrics, logging_outputs)

    # -- checkpoints -------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """``task_state`` of a checkpoint: all that translating with it needs."""
        state: dict[str, Any] = {"language_tokens": self.tokens.to_dict()}
        masks = self.masks
        if self.extension is not None:
            state["symbols"] = dict(self.extension.symbols)
            masks = self.extension.with_older(masks)
        if masks is not None:
            state["masks"] = to_state(masks)
        if self.low_rank is not None:
            state[ENTRY] = self.low_rank.to_state()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take masks and language tokens from a checkpoint (translation)."""
        if "language_tokens" in state_dict:
            self._adopt_tokens(LanguageTokens.from_dict(state_dict["language_tokens"]))
        self.masks = None
        self._masks_of_checkpoint = "masks" in state_dict
        if self._masks_of_checkpoint:
            self.masks = from_state(state_dict["masks"])
        self.symbols = read_symbols(state_dict, "the checkpoint")
        self.low_rank = carried(state_dict, "the checkpoint")
        if self.cfg.base and self.low_rank is None:
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

    def _run_state(self) -> Any:
        """What is saved with a training run and checked when it is resumed."""
        return RunState(self)

    # -- translation -------------------------------------------------------------

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> torch.nn.Module:
        model = super().build_model(cfg, from_checkpoint)
        model.subnetwork_masks = self.masks if self._masks_of_checkpoint else None
        for module in model.modules():
            if hasattr(module, "can_use_fastpath"):
                # stock fairseq 0.12.2 would translate with copies of the weights, made
                # when the checkpoint was loaded, that no mask reaches
                module.can_use_fastpath = False
        if self.low_rank is not None:
            put_in(model, self.low_rank, self.cfg.base, cfg)
        return model

    def subnetworks(self, model: torch.nn.Module) -> Subnetworks:
        """The sub-networks of a model that is evaluated or translated with."""
        return Subnetworks.of(model, self)

    def build_generator(self, models: list, args: Any, *more: Any, **kwargs: Any):
        """A generator; the mask of the one pair to translate is multiplied in."""
        if self.cfg.source_lang:
            for model in models:
                self.subnetworks(model).bake(str(self.pairs[0]))
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
        with (
            torch.no_grad(),
            Subnetworks.all_using(models, self, key),
            choosing_from(models, self.symbols.get(key)),
        ):
            return generator.generate(
                models, sample, prefix_tokens=prefix_tokens, constraints=constraints
            )
