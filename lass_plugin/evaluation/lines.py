"""Translate lines of any direction as they come, with one model held once."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lass_plugin.data import pair_data
from lass_plugin.data.dictionaries import indices_of_text
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.data.parallel_text import CONTROL_SYMBOLS, refuse_reserved
from lass_plugin.data.subwords import Subwords
from lass_plugin.data.text_steps import TextSteps
from lass_plugin.errors import LassError
from lass_plugin.evaluation.translation import Translator
from lass_plugin.languages import Pair


@dataclass(frozen=True)
class Request:
    """A sentence to translate."""

    number: int
    """Of its line, from 1."""
    pair: Pair | None = None
    tokens: Tensor | None = None
    """``(length,)`` with the end of the sentence; None where there is nothing to
    translate, whose translation is empty."""


class LineTranslator:
    """A model that translates between the pairs of its system.

    Args:
        encoding: how sentences become tokens.
        before: what is done to sentences before that.
        after: what is undone in translations; by default the same.
    """

    def __init__(
        self,
        translator: Translator,
        encoding: Subwords,
        before: TextSteps | None = None,
        after: TextSteps | None = None,
    ):
        self._translator, self._encoding = translator, encoding
        self._before = before or TextSteps()
        self._after = self._before if after is None else after
        self._task = translator.task
        self._pairs = {str(pair): pair for pair in self._task.pairs}
        names = self._task.tokens.names
        self._reserved = CONTROL_SYMBOLS.union(names)
        self._indices = indices_of_text(self._task.source_dictionary)
        for name in names:
            self._indices.pop(name, None)

    def read(self, number: int, line: bytes) -> Request:
        """What ``de-en<TAB>sentence`` asks for; a line without text asks for nothing.

        Raises:
            LassError: it is written otherwise, or its direction or length is more than
                the model has. Names the line.
        """
        try:
            encoding = "utf-8-sig" if number == 1 else "utf-8"
            text = line.decode(encoding).rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise LassError(
                f"line {number} is not UTF-8 ({error.reason} at byte {error.start}); "
                "convert the text"
            ) from error
        if not text.strip():
            return Request(number)
        key, tab, sentence = text.partition("\t")
        if not tab:
            raise LassError(
                f"line {number} has no tab; write SOURCE-TARGET, a tab and the "
                f"sentence, such as {next(iter(self._pairs))}<TAB>…"
            )
        pair = self._pairs.get(key.strip())
        if pair is None:
            raise LassError(
                f"line {number} asks for '{key.strip()}', which is none of "
                f"{', '.join(self._pairs)}; write one of these, or give it with --pairs"
            )
        sentence = self._before.apply(sentence, pair.source)
        if not sentence.strip():
            return Request(number, pair)
        return Request(number, pair, self._encode(number, sentence))

    def _encode(self, number: int, sentence: str) -> Tensor:
        if self._encoding.kind == "none":
            refuse_reserved(sentence, self._reserved, f"line {number}")
        (encoded,) = self._encoding.encode([sentence])
        dictionary = self._task.source_dictionary
        ids = [self._indices.get(word, dictionary.unk()) for word in encoded.split()]
        tokens = torch.tensor([*ids, dictionary.eos()])
        length = len(tokens) + (self._task.tokens.encoder is not None)
        longest = self._translator.longest
        if length <= longest:
            return tokens
        if self._translator.decoding.truncate_source:
            return pair_data.truncated(tokens, longest, self._task.tokens)
        raise LassError(
            f"line {number} has {length} tokens, but the model takes at most "
            f"{longest}; split the sentence, or add --truncate-source"
        )

    def translate(self, requests: Sequence[Request]) -> Iterator[list[str]]:
        """Yield translations in the order of *requests*, as batches finish.

        A batch is of one direction; low-rank modules or masks are switched between
        batches.
        """
        texts: list[str | None] = [
            "" if request.tokens is None else None for request in requests
        ]
        done = 0
        for numbers, outputs in itertools.chain(self._batches(requests), [([], [])]):
            for number, output in zip(numbers, outputs, strict=True):
                pair = requests[number].pair
                assert pair is not None
                made = self._translator.text(output, pair)
                texts[number] = self._after.undo(made, pair.target)
            ready = []
            for text in texts[done:]:
                if text is None:
                    break
                ready.append(text)
            if ready:
                done += len(ready)
                yield ready
        if done != len(texts):
            raise RuntimeError("sentences were lost in translation")

    def _batches(
        self, requests: Sequence[Request]
    ) -> Iterator[tuple[list[int], list[list[int]]]]:
        """The indices of a batch's sentences in *requests*, and the tokens made."""
        task = self._task
        sentences: dict[Pair, list[tuple[int, Tensor]]] = {}
        for number, request in enumerate(requests):
            if request.pair is not None and request.tokens is not None:
                sentences.setdefault(request.pair, []).append((number, request.tokens))
        if not sentences:
            return
        how = (task.source_dictionary, task.tokens, task.cfg.left_pad_source)
        parts = {
            str(pair): pair_data.sentences_of([t for _, t in of_pair], pair, *how)
            for pair, of_pair in sentences.items()
        }
        order = [number for of_pair in sentences.values() for number, _ in of_pair]
        for ids, outputs in self._translator.batches(PairsDataset(parts, "input")):
            yield [order[index] for index in ids], outputs


def translate_lines(
    lines: Iterable[bytes],
    translator: LineTranslator,
    buffer: int,
    skip: Callable[[LassError], None] | None = None,
) -> Iterator[list[str]]:
    """Yield the translations of *lines* in their order, as batches finish.

    Args:
        buffer: lines that are read ahead, from which batches are made.
        skip: told of each line that cannot be read, whose translation is empty; None to
            stop there, after all lines before it have been translated.

    Raises:
        LassError: a line cannot be read.
    """
    waiting: list[Request] = []
    for number, line in enumerate(lines, start=1):
        try:
            waiting.append(translator.read(number, line))
        except LassError as error:
            if skip is None:
                yield from translator.translate(waiting)
                raise
            skip(error)
            waiting.append(Request(number))
        if len(waiting) >= buffer:
            yield from translator.translate(waiting)
            waiting = []
    yield from translator.translate(waiting)
