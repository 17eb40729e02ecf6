"""What every task of this package does with data: batches of one language key."""

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from fairseq import utils
from fairseq.data import Dictionary
from fairseq.tasks import FairseqTask

from lass_plugin import options
from lass_plugin.data import pair_data
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.pairs_dataset import PairsDataset, PairsIterator
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.methods.method import Dense, Method
from lass_plugin.options import TranslationSubnetworkConfig

logger = logging.getLogger(__name__)


class PairsTask(FairseqTask):
    """Dictionaries with language tokens, datasets of pairs, and batches of them."""

    cfg: TranslationSubnetworkConfig

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
        self._trains = False
        self._begins = False
        """Whether it trains from nothing."""

    @property
    def source_dictionary(self) -> Dictionary:
        return self._source_dictionary

    @property
    def target_dictionary(self) -> Dictionary:
        return self._target_dictionary

    def max_positions(self) -> tuple[int, int]:
        return self.cfg.max_source_positions, self.cfg.max_target_positions

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
        tell = self._tell_of_word if self._trains else None
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
                tell=tell,
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

    def _tell_of_word(self, told: str) -> None:
        """Refuse text that holds a language token, or say so where a model knows it."""
        if self._begins:
            raise LassError(told)
        logger.warning(told)

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

        validates = not training and not self.cfg.source_lang
        steps = self.cfg.max_valid_steps if validates else None
        if steps is not None and (steps + 1) * num_shards < len(dataset.parts):
            raise LassError(
                f"--max-valid-steps {steps} is not enough for a batch of each of the "
                f"{len(dataset.parts)} pairs of the {dataset.split} data, by which the "
                "best checkpoint is chosen; raise it, or leave it out"
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
