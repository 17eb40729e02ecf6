"""Translate the sentences of many pairs with one model, each under its own mask."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from fairseq import utils
from fairseq.models import FairseqEncoderDecoderModel

from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.errors import LassError
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.texts import load_sources, to_text
from lass_plugin.languages import Pair
from lass_plugin.training.precision import autocast


@dataclass(frozen=True)
class Speed:
    """What a system translated in how long, loading apart; tokens are those made."""

    sentences: int
    tokens: int
    seconds: float

    def __add__(self, other: "Speed") -> "Speed":
        sentences, tokens = self.sentences + other.sentences, self.tokens + other.tokens
        return Speed(sentences, tokens, self.seconds + other.seconds)

    @property
    def sentences_per_second(self) -> float:
        return self.sentences / max(self.seconds, 1e-9)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / max(self.seconds, 1e-9)


class Translator(ABC):
    """A system and an engine that translates with it.

    Args:
        decoding: with its ``remove_bpe`` found out (:func:`.texts.with_subwords`), but
            where no text is made.
        positions: how many tokens of a source the model takes.
    """

    model: FairseqEncoderDecoderModel | None = None

    def __init__(self, ready: Ready, decoding: Decoding, positions: int):
        self.ready, self.task, self.decoding = ready, ready.task, decoding
        self.longest: int = min(self.task.max_positions()[0], positions)

    def translate(
        self,
        split: str,
        advance: Callable[[int, str], None] = lambda sentences, pair: None,
        pairs: Sequence[Pair] | None = None,
    ) -> tuple[dict[str, list[str]], Speed]:
        """Translate every pair of the system, or *pairs*; its masks are switched.

        Args:
            advance: called after each batch with its number of sentences and its pair.

        Returns:
            Pair to translations, in the order of the data; and how long it took.

        Raises:
            LassError: a sentence is too long for the model, or memory is short.
        """
        dataset = self.sources(split, pairs)
        translated: dict[str, list[str | None]] = {
            key: [None] * len(part) for key, part in dataset.parts.items()
        }
        self.load(dataset.parts)
        tokens, start = 0, time.perf_counter()
        for ids, outputs in self.batches(dataset):
            for index, output in zip(ids, outputs, strict=True):
                key, local = dataset.locate(index)
                translated[key][local] = self.text(output, Pair.parse(key))
                tokens += len(output)
            advance(len(ids), key)
        seconds = time.perf_counter() - start
        hypotheses = {
            key: [line for line in lines if line is not None]
            for key, lines in translated.items()
        }
        if sum(map(len, hypotheses.values())) != len(dataset):
            raise RuntimeError(f"sentences of {split} were lost in translation")
        return hypotheses, Speed(len(dataset), tokens, seconds)

    @abstractmethod
    def load(self, keys: Iterable[str]) -> None:
        """Load what translating pairs needs, which does not count as translating."""

    def sources(self, split: str, pairs: Sequence[Pair] | None = None) -> PairsDataset:
        """The sources of *split*, as many and as long as *decoding* says.

        Raises:
            LassError: the model cannot take one of them.
        """
        cut = self.longest if self.decoding.truncate_source else None
        dataset = load_sources(self.ready, split, self.decoding.limit, cut, pairs)
        for key, part in dataset.parts.items():
            too_long = (part.src_sizes > self.longest).nonzero()[0]
            if len(too_long):
                first = int(too_long[0])
                raise LassError(
                    f"sentence {first + 1} of the {split} data of {key} has "
                    f"{part.src_sizes[first]} tokens, but system "
                    f"{self.ready.system.name} takes at most {self.longest}; add "
                    "--truncate-source to cut such sentences "
                    f"({len(too_long)} of {len(part)})"
                )
        return dataset

    def batches(
        self, dataset: PairsDataset
    ) -> Iterator[tuple[list[int], list[list[int]]]]:
        """Yield for each batch the numbers of its sentences and the tokens of the best.

        A batch is of one pair; masks or low-rank modules are switched between batches.
        """
        for numbers in dataset.batches(max_tokens=self.decoding.max_tokens):
            sample = self.sample(dataset, numbers)
            try:
                found = self.best(sample)
            except torch.OutOfMemoryError as error:
                raise LassError(
                    f"a batch of {sample['nsentences']} sentences of "
                    f"{sample['language_key']} does not fit into the GPU's memory; "
                    f"lower --max-tokens (now {self.decoding.max_tokens}) or --beam"
                ) from error
            yield sample["id"].tolist(), found

    def sample(self, dataset: PairsDataset, numbers: Iterable[int]) -> dict[str, Any]:
        """A batch of the sentences *numbers* of *dataset* on the device."""
        sample = dataset.batch(numbers)
        if self.decoding.device.type == "cuda":
            sample = utils.move_to_cuda(sample)
        return sample

    @abstractmethod
    def best(self, sample: dict[str, Any]) -> list[list[int]]:
        """The tokens of the best translation of each sentence of a batch of a pair."""

    def text(self, tokens: Iterable[int], pair: Pair) -> str:
        """A translation of *pair* as text, without subwords and its language token.

        Other language tokens stay, as in fairseq-generate, whatever else is translated.
        """
        dictionary, subwords = self.task.target_dictionary, self.decoding.remove_bpe
        token = self.task.tokens.decoder_token(pair, dictionary)
        own = set() if token is None else {token}
        return to_text(tokens, dictionary, subwords, own)


class FairseqTranslator(Translator):
    """The model of a system and fairseq's beam search.

    Args:
        model: that of *ready*, if it has been built (see :meth:`.Ready.take`).
    """

    def __init__(
        self,
        ready: Ready,
        decoding: Decoding,
        model: FairseqEncoderDecoderModel | None = None,
    ):
        self.model = model or ready.build_model(decoding.device, decoding.fp16)
        super().__init__(ready, decoding, self.model.max_positions()[0])
        self._generator = self.task.build_generator([self.model], decoding)

    def load(self, keys: Iterable[str]) -> None:
        pass  # one model serves all

    def best(self, sample: dict[str, Any]) -> list[list[int]]:
        # entered anew for every batch: autocast keeps copies of the weights, and the
        # next batch may have another mask
        with autocast(self.decoding.bf16_autocast, self.decoding.device):
            found = self.task.inference_step(self._generator, [self.model], sample)
        return [hypotheses[0]["tokens"].tolist() for hypotheses in found]
