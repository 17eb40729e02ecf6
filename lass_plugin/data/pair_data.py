"""The parallel data of one pair, read from a fairseq data folder."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Sequence

import torch
from fairseq.data import (
    AppendTokenDataset,
    ConcatDataset,
    Dictionary,
    FairseqDataset,
    LanguagePairDataset,
    ListDataset,
    PrependTokenDataset,
    StripTokenDataset,
    TruncateDataset,
    data_utils,
    indexed_dataset,
)
from torch import Tensor

from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.token_words import token_word
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair


def parse_padding(value: str | bool) -> bool:
    """Read ``--left-pad-source True`` as fairseq writes it.

    Raises:
        LassError: neither True nor False.
    """
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise LassError(
            f"--left-pad-source and --left-pad-target are True or False, not '{value}'"
        )
    return text == "true"


def find_split(folder: Path, split: str, pair: Pair, language: str) -> str | None:
    """Path prefix of one side of a split, which may be stored in either order.

    Where one order has a side, the other one is not looked at: its sentences may be of
    other text.
    """
    for order in (str(pair), f"{pair.target}-{pair.source}"):
        sides = {
            code: prefix
            for code in (pair.source, pair.target)
            for prefix in (str(folder / f"{split}.{order}.{code}"),)
            if indexed_dataset.dataset_exists(prefix, impl=None)
        }
        if sides:
            return sides.get(language)
    return None


def load_pair(
    folder: Path,
    split: str,
    pair: Pair,
    source_dictionary: Dictionary,
    target_dictionary: Dictionary,
    tokens: LanguageTokens,
    *,
    combine: bool = False,
    left_pad_source: str | bool = True,
    left_pad_target: str | bool = False,
    truncate_source: int | None = None,
    with_target: bool = True,
    tell: Callable[[str], None] | None = None,
) -> LanguagePairDataset:
    """The pair's data with its language tokens before source and target.

    Args:
        combine: also read ``split1``, ``split2``, … as fairseq does.
        truncate_source: cut the source to so many tokens, language token included.
        with_target: False to read the source only; a missing target is then allowed.
        tell: told of a word of the text that is a language token; None not to look.

    Raises:
        LassError: no data, a side without sentences, or sides of unequal length.
    """
    how = (combine, tell and partial(_tell_words, tokens, tell))
    source = _load_side(folder, split, pair, pair.source, source_dictionary, *how)
    if source is None:
        raise LassError(
            f"there is no {split} data of {pair} in {folder} "
            f"(looked for {split}.{pair}.{pair.source}.idx and the reverse order); "
            "prepare it or leave the pair out of --lang-pairs"
        )
    target = None
    if with_target:
        target = _load_side(folder, split, pair, pair.target, target_dictionary, *how)
        if target is None:
            raise LassError(
                f"the {split} data of {pair} in {folder} lacks its {pair.target} side"
            )
        if len(source) != len(target):
            raise LassError(
                f"the {split} data of {pair} has {len(source)} source and "
                f"{len(target)} target sentences; prepare it again from equal files"
            )
    if len(source) == 0:
        raise LassError(f"the {split} data of {pair} in {folder} is empty")
    if truncate_source is not None:
        kept = _kept(truncate_source, tokens)
        eos = source_dictionary.eos()
        source = AppendTokenDataset(
            TruncateDataset(StripTokenDataset(source, eos), kept), eos
        )
    source = prepend(source, tokens.encoder_token(pair, source_dictionary))
    if target is not None:
        target = prepend(target, tokens.decoder_token(pair, target_dictionary))
    dataset = LanguagePairDataset(
        source,
        source.sizes,
        source_dictionary,
        target,
        target.sizes if target is not None else None,
        target_dictionary,
        left_pad_source=parse_padding(left_pad_source),
        left_pad_target=parse_padding(left_pad_target),
    )
    if target is not None:  # columns of the one table instead of copies
        dataset.src_sizes, dataset.tgt_sizes = dataset.sizes.T
    return dataset


def sentences_of(
    sentences: Sequence[Tensor],
    pair: Pair,
    dictionary: Dictionary,
    tokens: LanguageTokens,
    left_pad_source: str | bool = True,
) -> LanguagePairDataset:
    """Sources of *pair* that come from elsewhere than a data folder.

    Args:
        sentences: ``(length,)`` int64 each, with the end of the sentence and without
            language tokens.
        dictionary: of the sources.
    """
    lengths = [len(sentence) for sentence in sentences]
    source = prepend(
        ListDataset(list(sentences), lengths), tokens.encoder_token(pair, dictionary)
    )
    return LanguagePairDataset(
        source, source.sizes, dictionary, left_pad_source=parse_padding(left_pad_source)
    )


def truncated(sentence: Tensor, length: int, tokens: LanguageTokens) -> Tensor:
    """*sentence*, ``(length,)``, cut to *length* tokens, language token included."""
    kept = _kept(length, tokens)
    return torch.cat([sentence[:-1][:kept], sentence[-1:]])


def _kept(length: int, tokens: LanguageTokens) -> int:
    """Words of a source of *length* tokens, less its end and its language token."""
    return length - 1 - (tokens.encoder is not None)


def prepend(dataset: FairseqDataset, token: int | None) -> FairseqDataset:
    """*dataset* with *token* before every sentence; unchanged for None."""
    return dataset if token is None else PrependTokenDataset(dataset, token)


def _load_side(
    folder: Path,
    split: str,
    pair: Pair,
    language: str,
    dictionary: Dictionary,
    combine: bool,
    look: Callable[[FairseqDataset, Dictionary, str], None] | None,
) -> FairseqDataset | None:
    def find(name: str) -> str | None:
        return find_split(folder, name, pair, language)

    return load_split(find, split, dictionary, combine, look)


def load_split(
    find: Callable[[str], str | None],
    split: str,
    dictionary: Dictionary,
    combine: bool = False,
    look: Callable[[FairseqDataset, Dictionary, str], None] | None = None,
) -> FairseqDataset | None:
    """Sentences of a split, None where there is none.

    Args:
        find: name of a split -> the prefix of its files, None where they are not.
        combine: also read ``split1``, ``split2``, … as fairseq does.
        look: is shown each part, with its prefix.

    Raises:
        LassError: a file is damaged.
    """
    parts = []
    for number in range(1 << 10):
        prefix = find(f"{split}{number}" if number else split)
        if prefix is None:
            break
        parts.append(_open(prefix, dictionary))
        if look is not None:
            look(parts[-1], dictionary, prefix)
        if not combine:
            break
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else ConcatDataset(parts)


def _tell_words(
    tokens: LanguageTokens,
    tell: Callable[[str], None],
    dataset: FairseqDataset,
    dictionary: Dictionary,
    prefix: str,
) -> None:
    found = token_word(dataset, dictionary, tokens)
    if found is not None:
        sentence, word = found
        tell(
            f"sentence {sentence} of {prefix} holds the word {word}, which is the name "
            f"of a language token with --lang-tok-style {tokens.style} and is read as "
            "that; begin with another --lang-tok-style, or remove the word from the "
            "text and prepare it again"
        )


def _open(prefix: str, dictionary: Dictionary) -> FairseqDataset:
    try:
        dataset = data_utils.load_indexed_dataset(prefix, dictionary, None)
    except Exception as error:  # numpy, struct and OS errors alike: the file is broken
        raise LassError(
            f"the data file {prefix}.idx or .bin cannot be read ({error}); prepare the "
            "data again"
        ) from error
    if dataset is None:
        raise LassError(f"the data file {prefix}.idx or .bin cannot be read")
    if _is_cut(prefix, dataset):
        raise LassError(
            f"the data file {prefix}.bin is shorter than {prefix}.idx says; prepare "
            "the data again"
        )
    if dataset.supports_prefetch:  # of --dataset-impl cached or lazy: into memory
        dataset.prefetch(range(len(dataset)))
    return dataset


def _is_cut(prefix: str, dataset: FairseqDataset) -> bool:
    """Whether the end of the ``.bin`` of a dataset is missing."""
    if not len(dataset):
        return False
    if isinstance(dataset, indexed_dataset.IndexedDataset):
        end = int(dataset.data_offsets[-1]) * dataset.element_size
    elif isinstance(dataset, indexed_dataset.MMapIndexedDataset):
        index: Any = dataset._index
        end = int(index._pointers[-1]) + int(index._sizes[-1]) * index.dtype().itemsize
    else:
        return False
    return os.path.getsize(f"{prefix}.bin") < end
