"""Words of a text that a model would read as language tokens.

A dictionary that is made of a text has all of its words. Is one of them ``[de]``, then
with ``--lang-tok-style mbart`` fairseq takes it for the token of German; the same holds
for ``__de__`` and the style ``multilingual``.
"""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from fairseq.data import FairseqDataset, indexed_dataset

from lass_plugin.data.language_tokens import LanguageTokens

if TYPE_CHECKING:
    from fairseq.data import Dictionary

_BLOCK = 1 << 22
"""Tokens that are looked through at once."""


def token_word(
    dataset: FairseqDataset, dictionary: "Dictionary", tokens: LanguageTokens
) -> tuple[int, str] | None:
    """The first sentence, from 1, that holds a language token as a word, and the token.

    Tokens that the dictionary's file lacks can be no words: then nothing is read.

    Args:
        dataset: tokens as they are stored, before any language token is put to them.
        dictionary: with the *tokens*.
    """
    if tokens.encoder is None and not tokens.decoder:
        return None
    appended: int = getattr(dictionary, "without_tokens", len(dictionary))
    numbers = {dictionary.index(name): name for name in tokens.names}
    in_file = [number for number in numbers if number < appended]
    for sentence, number in _occurrences(dataset, in_file) if in_file else ():
        return sentence + 1, numbers[number]
    return None


def _occurrences(
    dataset: FairseqDataset, wanted: Collection[int]
) -> Iterator[tuple[int, int]]:
    """Sentence and token of each place of *dataset* that has one of *wanted*."""
    if not isinstance(dataset, indexed_dataset.MMapIndexedDataset):
        for sentence in range(len(dataset)):
            for token in dataset[sentence].tolist():
                if token in wanted:
                    yield sentence, token
        return
    index: Any = dataset._index
    values = np.frombuffer(dataset._bin_buffer, dtype=index.dtype)
    starts = np.asarray(index._pointers) // values.itemsize
    for first in range(0, len(values), _BLOCK):
        block = values[first : first + _BLOCK]
        for place in np.flatnonzero(np.isin(block, list(wanted))):
            sentence = np.searchsorted(starts, first + place, side="right") - 1
            yield int(sentence), int(block[place])
