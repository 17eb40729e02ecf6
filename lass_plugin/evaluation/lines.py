"""Translate lines of any direction as they come, with one model held once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from fairseq.models import FairseqEncoderDecoderModel
from torch import Tensor

from lass_plugin.data import pair_data
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.data.subwords import Subwords
from lass_plugin.errors import LassError
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.texts import to_text
from lass_plugin.evaluation.translation import (
    Decoding,
    make_generator,
    target_tokens,
    translate_batches,
)
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
    """A model that translates between the pairs of *ready*.

    Args:
        encoding: how sentences become tokens.
        subwords: how tokens become text, see :mod:`.texts`.
        model: that of *ready*, if it has been built.
    """

    def __init__(
        self,
        ready: Ready,
        decoding: Decoding,
        encoding: Subwords,
        subwords: str,
        model: FairseqEncoderDecoderModel | None = None,
    ):
        self._task, self._decoding = ready.task, decoding
        self._encoding, self._subwords = encoding, subwords
        self._model = model or ready.build_model(decoding.device, decoding.fp16)
        self._generator = make_generator(self._task, self._model, decoding)
        self._ignored = target_tokens(self._task)
        self._pairs = {str(pair): pair for pair in self._task.pairs}
        self._longest = min(
            self._task.max_positions()[0], self._model.max_positions()[0]
        )

    def read(self, number: int, line: bytes) -> Request:
        """What ``de-en<TAB>sentence`` asks for; a line without text asks for nothing.

        Raises:
            LassError: it is written otherwise, or its direction or length is more than
                the model has. Names the line.
        """
        try:
            text = line.decode("utf-8").rstrip("\r\n")
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
        if not sentence.strip():
            return Request(number, pair)
        return Request(number, pair, self._encode(number, sentence))

    def _encode(self, number: int, sentence: str) -> Tensor:
        (encoded,) = self._encoding.encode([sentence])
        tokens = self._task.source_dictionary.encode_line(
            encoded, add_if_not_exist=False
        ).long()
        length = len(tokens) + (self._task.tokens.encoder is not None)
        if length <= self._longest:
            return tokens
        if self._decoding.truncate_source:
            return pair_data.truncated(tokens, self._longest, self._task.tokens)
        raise LassError(
            f"line {number} has {length} tokens, but the model takes at most "
            f"{self._longest}; split the sentence, or add --truncate-source"
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
        for places, outputs in self._batches(requests):
            for place, output in zip(places, outputs, strict=True):
                texts[place] = to_text(
                    *(output, self._task.target_dictionary, self._subwords),
                    self._ignored,
                )
            ready = texts[done:]
            if None in ready:
                ready = ready[: ready.index(None)]
            if ready:
                done += len(ready)
                yield [text for text in ready if text is not None]
        if done < len(texts):
            rest = [text for text in texts[done:] if text is not None]
            if done + len(rest) != len(texts):
                raise RuntimeError("sentences were lost in translation")
            yield rest

    def _batches(
        self, requests: Sequence[Request]
    ) -> Iterator[tuple[list[int], list[list[int]]]]:
        """Places in *requests* of a batch's sentences, and the tokens of the best."""
        task = self._task
        places: dict[Pair, list[int]] = {}
        for place, request in enumerate(requests):
            if request.pair is not None and request.tokens is not None:
                places.setdefault(request.pair, []).append(place)
        if not places:
            return
        parts = {}
        for pair, own in places.items():
            sentences = [requests[place].tokens for place in own]
            parts[str(pair)] = pair_data.sentences_of(
                [tokens for tokens in sentences if tokens is not None],
                *(pair, task.source_dictionary, task.tokens),
                task.cfg.left_pad_source,
            )
        order = [place for own in places.values() for place in own]
        dataset = PairsDataset(parts, "input")
        for numbers, outputs in translate_batches(
            *(task, self._model, self._generator, dataset, self._decoding)
        ):
            yield [order[number] for number in numbers], outputs


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
