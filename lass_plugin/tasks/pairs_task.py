"""What every task of translation does with data: sentences of pairs of languages."""

import logging
from pathlib import Path
from typing import Any

from fairseq import utils
from fairseq.data import Dictionary

from lass_plugin import options
from lass_plugin.data import pair_data
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.options import TranslationSubnetworkConfig
from lass_plugin.tasks.keyed_task import KeyedTask

logger = logging.getLogger(__name__)


class PairsTask(KeyedTask):
    """Dictionaries with language tokens, and datasets of pairs."""

    cfg: TranslationSubnetworkConfig

    def __init__(
        self,
        cfg: TranslationSubnetworkConfig,
        pairs: list[Pair],
        tokens: LanguageTokens,
        source_dictionary: Dictionary,
        target_dictionary: Dictionary,
    ):
        super().__init__(cfg, tokens)
        self.pairs = pairs
        self._source_dictionary = source_dictionary
        self._target_dictionary = target_dictionary

    @property
    def keys(self) -> list[str]:
        return [str(pair) for pair in self.pairs]

    @property
    def of_one_key(self) -> bool:
        return bool(self.cfg.source_lang)

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
