"""The text of one language as samples of which some tokens are to be guessed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import torch
from fairseq.data import (
    Dictionary,
    FairseqDataset,
    PrependTokenDataset,
    TokenBlockDataset,
    data_utils,
    indexed_dataset,
)

from lass_plugin.data.pair_data import load_split
from lass_plugin.errors import LassError

MASK = "<mask>"
"""Symbol in place of a token to be guessed, the last of the dictionary."""

BREAK_MODES = ("complete", "eos", "none")


@dataclass(frozen=True)
class Masking:
    """How many tokens are to be guessed, and what stands in their place.

    Devlin 2019, §3.1: of 15 %, eight in ten become the mask, one any piece, and one is
    left as it is.
    """

    share: float = 0.15
    left: float = 0.1
    """Of those to be guessed, that are left as they are."""
    random: float = 0.1
    """Of those to be guessed, that become any other piece."""

    def __post_init__(self) -> None:
        for name, value in (
            ("--mask-prob", self.share),
            ("--leave-unmasked-prob", self.left),
            ("--random-token-prob", self.random),
        ):
            if not 0 <= value <= 1:
                raise LassError(f"{name} {value} is no share from 0 to 1")
        if not self.share:
            raise LassError("--mask-prob 0 leaves nothing to be guessed; raise it")
        if self.left + self.random > 1:
            raise LassError(
                f"--leave-unmasked-prob {self.left} and --random-token-prob "
                f"{self.random} are more than 1 together; lower one of them"
            )

    def apply(
        self,
        tokens: np.ndarray,
        rng: np.random.Generator,
        first: int,
        symbols: int,
        mask: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose tokens and put something in their place.

        Symbols of fairseq's own are never chosen nor put: they stand in every sample
        and nothing is learned of them. One token at least is chosen where there is any,
        else a batch of short sentences would have no loss.

        Args:
            tokens: ``(length,)`` indices of symbols.
            first: index of the first symbol that is none of fairseq's own.
            symbols: size of the dictionary.
            mask: index of the mask.

        Returns:
            ``(length,)`` the tokens with some replaced, and ``(length,)`` which were
            chosen.
        """
        chosen = np.zeros(len(tokens), dtype=bool)
        able = np.flatnonzero((tokens >= first) & (tokens != mask))
        if not len(able):
            return tokens, chosen
        number = int(self.share * len(able) + rng.random())
        places = rng.choice(able, max(1, number), replace=False)
        chosen[places] = True
        fate = rng.random(len(places))
        drawn = rng.integers(first, symbols - 1, len(places))
        drawn += drawn >= mask  # any symbol but the mask
        shown = tokens.copy()
        kept = fate < self.left
        any_piece = ~kept & (fate < self.left + self.random)
        shown[places] = np.where(kept, tokens[places], np.where(any_piece, drawn, mask))
        return shown, chosen


class MaskedBlocks(FairseqDataset):
    """Samples of one language; what is masked depends on seed, epoch and index only.

    So a run that is resumed sees what it would have seen, and every process the same.

    Args:
        blocks: ``(length,)`` int64 each, with beginning and end of the text.
        language: the language key.
        dictionary: with the mask.
        seed: of the run, and the number of the language.
    """

    def __init__(
        self,
        blocks: FairseqDataset,
        language: str,
        dictionary: Dictionary,
        masking: Masking,
        seed: tuple[int, int],
    ):
        super().__init__()
        self.blocks = blocks
        self.language = language
        self.masking = masking
        self.seed = seed
        self.epoch = 1
        self.sizes = np.asarray(blocks.sizes)
        self._padding = dictionary.pad()
        self._symbols = (dictionary.nspecial, len(dictionary), dictionary.index(MASK))

    def set_epoch(self, epoch: int, **unused: Any) -> None:
        """Mask as in *epoch*, from 1, from now on."""
        super().set_epoch(epoch)
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, index: int) -> dict[str, Any]:
        tokens = self.blocks[index].numpy()
        rng = np.random.default_rng([*self.seed, self.epoch, int(index)])
        shown, chosen = self.masking.apply(tokens, rng, *self._symbols)
        target = np.where(chosen, tokens, self._padding)
        return {
            "id": int(index),
            "source": torch.from_numpy(shown),
            "target": torch.from_numpy(target),
        }

    def num_tokens(self, index: int) -> int:
        return int(self.sizes[index])

    def size(self, index: int) -> int:
        return int(self.sizes[index])

    @property
    def supports_prefetch(self) -> bool:
        return False

    def collater(self, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """A padded batch; ``lang_id``, a name for each sample, is read by X-MOD."""

        def padded(name: str) -> torch.Tensor:
            values = [sample[name] for sample in samples]
            tokens: torch.Tensor = data_utils.collate_tokens(values, self._padding)
            return tokens

        lengths = torch.tensor([len(sample["source"]) for sample in samples])
        return {
            "id": torch.tensor([sample["id"] for sample in samples]),
            "nsentences": len(samples),
            "ntokens": int(lengths.sum()),
            "net_input": {
                "src_tokens": padded("source"),
                "src_lengths": lengths,
                "lang_id": [self.language] * len(samples),
            },
            "target": padded("target"),
        }


def load_blocks(
    folder: Path,
    split: str,
    language: str,
    dictionary: Dictionary,
    tokens_per_sample: int,
    break_mode: str,
    combine: bool = False,
) -> FairseqDataset:
    """Samples ``<s> sentence </s> sentence </s>`` of ``folder/LANG/SPLIT``.

    Args:
        tokens_per_sample: most tokens of a sample, ``<s>`` included; a sentence that is
            longer is a sample of its own, but for the mode ``none``.
        break_mode: ``complete`` sentences as many as fit, ``eos``: one sentence, or
            ``none``: filled, whatever ends where.
        combine: also read ``split1``, ``split2``, … as fairseq does.

    Raises:
        LassError: there is none, or it is damaged.
    """

    def find(name: str) -> str | None:
        prefix = str(folder / language / name)
        return prefix if indexed_dataset.dataset_exists(prefix, impl=None) else None

    dataset = load_split(find, split, dictionary, combine)
    if dataset is None or not len(dataset):
        raise LassError(
            f"there is no {split} data of {language} in {folder} (looked for "
            f"{language}/{split}.idx); prepare it, or leave {language} out of --langs"
        )
    if break_mode != "eos":  # at which fairseq's blocks fail under numpy 2
        dataset = TokenBlockDataset(
            dataset,
            dataset.sizes,
            tokens_per_sample - 1,  # <s> comes before
            pad=dictionary.pad(),
            eos=dictionary.eos(),
            break_mode=break_mode,
        )
    return PrependTokenDataset(dataset, dictionary.bos())
