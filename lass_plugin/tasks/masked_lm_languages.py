"""The task ``masked_lm_languages``: masked language modelling, a language at a time."""

import logging
from pathlib import Path
from typing import Any, Sequence

from fairseq import utils
from fairseq.data import Dictionary
from fairseq.tasks import register_task

from lass_plugin import options
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.criterions import (  # noqa: F401
    masked_lm_distillation as _registered,
)
from lass_plugin.data.data_folder import first_folder, subword_model_of
from lass_plugin.data.dictionaries import load_dictionary
from lass_plugin.data.language_tokens import read_languages
from lass_plugin.data.masked_blocks import MASK, MaskedBlocks, Masking, load_blocks
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq
from lass_plugin.fairseq_fixes.failing_options import check_run
from lass_plugin.methods.registry import method_of, refuse_parts
from lass_plugin.options import MaskedLmLanguagesConfig
from lass_plugin.tasks.encoder_task import EncoderTask

logger = logging.getLogger(__name__)

prepare_fairseq()


@register_task("masked_lm_languages", dataclass=MaskedLmLanguagesConfig)
class MaskedLmLanguagesTask(EncoderTask):
    """An encoder of many languages, of which each may have its own part of it.

    The language key is the language of a batch. Without a method (this task) all
    weights are everybody's; a task of a method derives from this one and names it in
    ``trains``.
    """

    def __init__(self, cfg: Any, languages: Sequence[str], dictionary: Dictionary):
        super().__init__(cfg, languages, dictionary)
        self.masking = Masking(
            cfg.mask_prob, cfg.leave_unmasked_prob, cfg.random_token_prob
        )

    def max_positions(self) -> int:
        return self.cfg.tokens_per_sample

    # -- set-up ------------------------------------------------------------------

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> "MaskedLmLanguagesTask":
        if not cfg.data:
            raise LassError("give the folder of binarized data as first argument")
        folder = first_folder(cfg.data)
        trains = not kwargs.get("from_checkpoint")
        if trains:
            options.check_not_empty(cfg)
            check_run(vars(cfg).get("_parent"), trains)
            cls.trains.check_options(cfg)
            options.check_samples(cfg)
        languages = read_languages(cfg.langs, None, str(folder), [])
        if not languages:
            raise LassError(
                f"{folder} has no langs.txt that says which languages there are; give "
                "--langs"
            )
        folders = [folder, *map(Path, utils.split_paths(cfg.data)[1:])]
        dictionary = _dictionary_of(folders)
        logger.info(f"dictionary: {len(dictionary)} types; languages: {languages}")
        task = cls(cfg, languages, dictionary)
        task.subwords = subword_model_of(folders)
        if trains:
            task._begin_training(task.keys)
            task._check_parts()
        return task

    def _check_parts(self) -> None:
        """Refuse to go on with all weights of an encoder that has parts of languages.

        Raises:
            LassError: see above.
        """
        if self._start and not self.method.entry:
            carried = method_of(Checkpoint.read(self._start).task_state, self._start)
            refuse_parts(carried, self._start, "--task masked_lm_languages")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the method from a checkpoint, to validate with."""
        if "language_tokens" in state_dict:
            self._check_checkpoint(state_dict)
        self._trains = False
        carried = method_of(state_dict, "the checkpoint")
        self.method = carried.at_sparsity(self.cfg.sparsity)

    # -- data --------------------------------------------------------------------

    def load_dataset(
        self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any
    ) -> None:
        """Load a split of every language."""
        cfg = self.cfg
        folders = utils.split_paths(cfg.data)
        training = split == cfg.train_subset
        folder = folders[(epoch - 1) % len(folders) if training else 0]
        parts = {}
        for number, language in enumerate(self.keys):
            blocks = load_blocks(
                Path(folder),
                split,
                language,
                self.dictionary,
                cfg.tokens_per_sample,
                str(cfg.sample_break_mode),
                combine=combine,
            )
            seed = (cfg.seed, number)
            parts[language] = MaskedBlocks(
                blocks, language, self.dictionary, self.masking, seed
            )
        counts = ", ".join(f"{key} {len(part)}" for key, part in parts.items())
        logger.info(f"{split}: {counts} samples")
        alpha = cfg.multilang_sampling_alpha
        self.datasets[split] = PairsDataset(
            parts,
            split,
            "temperature" if alpha else "uniform",
            1 / alpha if alpha else 1.0,
            raising="--tokens-per-sample and --max-positions, or prepare shorter lines",
        )


def _dictionary_of(folders: list[Path]) -> Dictionary:
    """The one dictionary of *folders*, the mask appended; others may lack theirs."""
    first, *others = [folder / "dict.txt" for folder in folders]
    dictionary = load_dictionary(first)
    for path in others:
        if path.is_file() and load_dictionary(path).symbols != dictionary.symbols:
            raise LassError(
                f"{path} differs from {first}; all folders of data share one "
                "dictionary, so prepare them with it"
            )
    dictionary.add_symbol(MASK)
    return dictionary
