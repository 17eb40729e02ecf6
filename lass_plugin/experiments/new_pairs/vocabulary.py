"""The vocabulary of an extended model: what was there keeps its place.

Language tokens stand behind all other symbols of a model, without a line in the
dictionary's file. An extended dictionary has all in its file, in this order:

    old symbols, old language tokens, new symbols, new language tokens

so that no old index moves: rows are appended to the embeddings, none is rearranged, and
data and masks that were made before stay valid. fairseq, stock or not, adds a language
token only where it is missing; these it finds in the file.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Mapping, Sequence

from fairseq.data import Dictionary

from lass_plugin.data import parallel_text
from lass_plugin.data.dictionaries import load_dictionary, save_dictionary
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.parallel_text import Bitext
from lass_plugin.data.progress import Progress
from lass_plugin.data.subwords import Subwords, count_tokens
from lass_plugin.data.text_steps import TextSteps
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, languages_of

LINES = 2000
"""Lines that are encoded at once."""


@dataclass(frozen=True)
class Vocabulary:
    """A dictionary with its language tokens in it, and which symbols these are."""

    dictionary: Dictionary
    tokens: LanguageTokens

    def __len__(self) -> int:
        return len(self.dictionary)

    def language_tokens(self) -> list[int]:
        """Indices of the language tokens, in the order of the languages."""
        return [self.dictionary.index(name) for name in self.tokens.names]

    def seen(self) -> list[int]:
        """Indices of the symbols of text that occurred in training, or of all where no
        symbol has a count."""
        start, tokens = self.dictionary.nspecial, set(self.language_tokens())
        text = [index for index in range(start, len(self)) if index not in tokens]
        return [index for index in text if self.dictionary.count[index] > 0] or text

    def save(self, path: Path) -> None:
        """Write the whole dictionary, language tokens included."""
        save_dictionary(self.dictionary, [path])
        if load_dictionary(path) != self.dictionary:
            raise LassError(f"{path} does not hold the dictionary that was written")


def extend_vocabulary(
    old: Vocabulary, pairs: Sequence[Pair], counts: Mapping[str, int], least: int = 1
) -> Vocabulary:
    """*old* with the symbols and languages that *pairs* add, behind what is there.

    Args:
        counts: how often each token occurs in the training text of *pairs*.
        least: a token becomes a symbol if it occurs so often.

    Raises:
        LassError: the text holds the name of a language token.
    """
    new = [code for code in languages_of(pairs) if code not in old.tokens.languages]
    tokens = replace(old.tokens, languages=(*old.tokens.languages, *new))
    for name in tokens.names:
        if counts.get(name):
            raise LassError(
                f"the text holds the word {name}, which is the name of a language "
                "token; remove it from the text"
            )
    dictionary = Dictionary()
    first = dictionary.nspecial
    before = old.dictionary
    for symbol, count in zip(before.symbols[first:], before.count[first:], strict=True):
        dictionary.add_symbol(symbol, count, overwrite=True)  # else indices would move
    for symbol, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count >= least and symbol not in dictionary:
            dictionary.add_symbol(symbol, count)
    for name in tokens.names:
        if name not in dictionary:
            dictionary.add_symbol(name)
    return Vocabulary(dictionary, tokens)


def count_text(
    texts: Sequence[Bitext], subwords: Subwords, steps: TextSteps
) -> Counter[str]:
    """How often each token occurs in the training text among *texts*.

    Args:
        steps: what is done to text before it is cut into subwords.

    Raises:
        LassError: text is unusable.
    """
    sides = [side for text in texts if text.split == "train" for side in text.sides]
    sizes = [path.stat().st_size for _, path in sides]
    progress = Progress("counting tokens", sum(sizes))
    counts: Counter[str] = Counter()
    for code, path in sides:
        lines: list[str] = []
        for line in parallel_text.read_lines(path):
            lines.append(steps.apply(line, code))
            if len(lines) == LINES:
                counts.update(count_tokens(subwords.encode(lines)))
                lines.clear()
        counts.update(count_tokens(subwords.encode(lines)))
        progress.advance(path.stat().st_size, path.name)
    progress.finish()
    del counts[""]  # of empty lines
    return counts
