"""Translate the sentences of many pairs with one model, each under its own mask."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from fairseq import utils
from fairseq.data import LanguagePairDataset, ListDataset
from fairseq.models import FairseqEncoderDecoderModel
from fairseq.sequence_generator import SequenceGenerator

from lass_plugin.data import pair_data
from lass_plugin.data.pairs_dataset import PairsDataset
from lass_plugin.errors import LassError
from lass_plugin.evaluation.decoding import Decoding
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.texts import to_text
from lass_plugin.languages import Pair
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask
from lass_plugin.training.precision import autocast


@dataclass(frozen=True)
class Speed:
    """What a system translated in how long, loading apart; tokens are those made."""

    sentences: int
    tokens: int
    seconds: float

    def __add__(self, other: "Speed") -> "Speed":
        return Speed(
            self.sentences + other.sentences,
            self.tokens + other.tokens,
            self.seconds + other.seconds,
        )

    @property
    def sentences_per_second(self) -> float:
        return self.sentences / max(self.seconds, 1e-9)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / max(self.seconds, 1e-9)


def load_sources(
    ready: Ready,
    split: str,
    limit: int | None = None,
    cut: int | None = None,
    pairs: Sequence[Pair] | None = None,
) -> PairsDataset:
    """The sources of *split*, without their targets, so that these cannot matter.

    Args:
        limit: take the first sentences of every pair only.
        cut: cut sources to so many tokens.
        pairs: some of the pairs of *ready*; None for all.
    """
    task, parts = ready.task, {}
    for pair in task.pairs if pairs is None else pairs:
        part = pair_data.load_pair(
            ready.data,
            split,
            pair,
            task.source_dictionary,
            task.target_dictionary,
            task.tokens,
            left_pad_source=task.cfg.left_pad_source,
            truncate_source=cut,
            with_target=False,
        )
        parts[str(pair)] = part if limit is None else _first(part, limit)
    return PairsDataset(parts, split)


def _first(part: LanguagePairDataset, limit: int) -> LanguagePairDataset:
    source = [part.src[index] for index in range(min(limit, len(part)))]
    sizes = part.src_sizes[:limit]
    return LanguagePairDataset(
        ListDataset(source, sizes),
        sizes,
        part.src_dict,
        left_pad_source=part.left_pad_source,
    )


def translate(
    ready: Ready,
    split: str,
    decoding: Decoding,
    subwords: str,
    advance: Callable[[int, str], None] = lambda sentences, pair: None,
    model: FairseqEncoderDecoderModel | None = None,
    pairs: Sequence[Pair] | None = None,
) -> tuple[dict[str, list[str]], Speed]:
    """Translate every pair of *ready*: the model is built once, its masks switched.

    Args:
        subwords: how tokens become text, see :mod:`.texts`.
        advance: called after each batch with its number of sentences and its pair.
        model: that of *ready*, if it has been built (see :meth:`.Ready.take`).
        pairs: only some of the pairs.

    Returns:
        Pair to translations, in the order of the data; and how long it took.

    Raises:
        LassError: a sentence is too long for the model, or memory is short.
    """
    task = ready.task
    if model is None:
        model = ready.build_model(decoding.device, decoding.fp16)
    longest = min(task.max_positions()[0], model.max_positions()[0])
    cut = longest if decoding.truncate_source else None
    dataset = load_sources(ready, split, decoding.limit, cut, pairs)
    check_lengths(ready, dataset, longest)
    translated: dict[str, list[str | None]] = {
        key: [None] * len(part) for key, part in dataset.parts.items()
    }
    language_tokens = target_tokens(task)
    tokens, start = 0, time.perf_counter()
    generator = make_generator(task, model, decoding)
    for ids, outputs in translate_batches(task, model, generator, dataset, decoding):
        for index, output in zip(ids, outputs, strict=True):
            key, local = dataset.locate(index)
            translated[key][local] = to_text(
                output, task.target_dictionary, subwords, language_tokens
            )
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


def make_generator(
    task: TranslationSubnetworkTask,
    model: FairseqEncoderDecoderModel,
    decoding: Decoding,
) -> SequenceGenerator:
    """fairseq's beam search with the options of *decoding*."""
    options = argparse.Namespace(
        beam=decoding.beam,
        lenpen=decoding.lenpen,
        max_len_a=decoding.max_len_a,
        max_len_b=decoding.max_len_b,
    )
    return task.build_generator([model], options)


def target_tokens(task: TranslationSubnetworkTask) -> set[int]:
    """Indices of the language tokens that translations may begin with."""
    found = (
        task.tokens.decoder_token(pair, task.target_dictionary) for pair in task.pairs
    )
    return {token for token in found if token is not None}


def translate_batches(
    task: TranslationSubnetworkTask,
    model: FairseqEncoderDecoderModel,
    generator: SequenceGenerator,
    dataset: PairsDataset,
    decoding: Decoding,
) -> Iterator[tuple[list[int], list[list[int]]]]:
    """Yield for each batch the numbers of its sentences and the tokens of the best."""
    device = decoding.device
    batches = dataset.batches(
        epoch=1,
        seed=1,
        training=False,
        max_tokens=decoding.max_tokens,
        max_sentences=None,
        multiple=1,
        limits=None,
        drop_too_long=False,
    )
    for numbers in batches:
        sample = dataset.collater([dataset[number] for number in numbers])
        if device.type == "cuda":
            sample = utils.move_to_cuda(sample)
        try:
            # entered anew for every batch: autocast keeps copies of the weights, and
            # the next batch may have another mask
            with autocast(decoding.bf16_autocast, device):
                found = task.inference_step(generator, [model], sample)
        except torch.OutOfMemoryError as error:
            raise LassError(
                f"a batch of {sample['nsentences']} sentences of "
                f"{sample['language_key']} does not fit into the GPU's memory; lower "
                f"--max-tokens (now {decoding.max_tokens}) or --beam"
            ) from error
        best = [hypotheses[0]["tokens"].tolist() for hypotheses in found]
        yield sample["id"].tolist(), best


def check_lengths(ready: Ready, dataset: PairsDataset, longest: int) -> None:
    """Refuse sources that the model cannot take."""
    for key, part in dataset.parts.items():
        too_long = (part.src_sizes > longest).nonzero()[0]
        if len(too_long):
            first = int(too_long[0])
            raise LassError(
                f"sentence {first + 1} of the {dataset.split} data of {key} has "
                f"{part.src_sizes[first]} tokens, but system {ready.system.name} takes "
                f"at most {longest}; add --truncate-source to cut such sentences "
                f"({len(too_long)} of {len(part)})"
            )
