"""Retrieval without a training: mean vectors of a layer, BUCC and Tatoeba."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lass_plugin.corpora.xtreme.tasks import MINING
from lass_plugin.data.xtreme.stored import (
    Prepared,
    Stored,
    read_gold,
    read_stored,
    read_text_digest,
)
from lass_plugin.errors import LassError
from lass_plugin.evaluation.xtreme.measured import F1, Measured, mean_of
from lass_plugin.evaluation.xtreme.nearest import (
    Candidates,
    best_threshold,
    candidates_by_margin,
    nearest,
    normalised,
)
from lass_plugin.evaluation.xtreme.predicting import Predictor
from lass_plugin.evaluation.xtreme.settings import XtremeEvaluationSettings


def embed(predictor: Predictor, stored: Stored, language: str, layer: int) -> Tensor:
    """The mean of a layer's outputs over the tokens of each sentence.

    Args:
        layer: from 1; 0 are the embeddings.

    Returns:
        ``(sentences, d)`` of length 1 on the CPU, with *language*'s part of the model.
    Raises:
        LassError: the model has fewer layers.
    """
    rows: dict[int, Tensor] = {}
    model, pad = predictor.model, predictor.task.source_dictionary.pad()
    with torch.no_grad(), predictor.task.method_of(model).using(language):
        for sample in predictor.batches(stored, language):
            inputs = sample["net_input"]
            states = model(**inputs, features_only=True, return_all_hiddens=True)
            states = states[1]["inner_states"]
            if layer >= len(states):
                raise LassError(
                    f"--layer {layer}: the encoder has {len(states) - 1} layers; give "
                    "one of them"
                )
            of_text = inputs["src_tokens"].ne(pad).T.unsqueeze(-1)  # (t, b, 1)
            means = (states[layer].float() * of_text).sum(0) / of_text.sum(0)
            for number, row in zip(sample["id"].tolist(), means.cpu(), strict=True):
                rows[number] = row
    return normalised(torch.stack([rows[number] for number in range(len(rows))]))


def sides(
    predictor: Predictor, split: str, language: str, layer: int
) -> tuple[Tensor, Tensor]:
    """The vectors of the sentences of a language, and of the English ones."""
    prepared = predictor.task.prepared
    vectors = []
    for code, name in ((language, language), ("en", f"{language}-en")):
        stored = read_stored(prepared.path(split, name), prepared.task)
        vectors.append(embed(predictor, stored, code, layer))
    return vectors[0], vectors[1]


def score_retrieval(
    predictor: Predictor, settings: XtremeEvaluationSettings, language: str
) -> tuple[Measured, list[list[int]]]:
    """The score of one language, and the pairs of sentences that were found."""
    prepared, layer = predictor.task.prepared, settings.layer
    split, pair = settings.split, f"{prepared.task.name} {language}"
    gold = read_gold(prepared, split, language)
    ours, english = sides(predictor, split, language, layer)
    pooled = f"layer:{layer}|pooling:mean"
    if prepared.task.kind != MINING:
        places = nearest(english, ours)[1][:, 0].tolist()  # as XTREME searches
        found = [[place, number] for number, place in enumerate(places)]
        right = np.array([(mine, theirs) in gold for mine, theirs in found], float)
        signature = f"metric:accuracy|neighbour:cosine|from:en|{pooled}|v:2"
        return mean_of("accuracy", pair, right, signature), found
    k = settings.neighbours
    threshold = _threshold(predictor, language, layer, k)
    candidates = candidates_by_margin(ours, english, k)
    mined = candidates.pairs[candidates.scores >= threshold].tolist()
    signature = f"metric:F1|margin:ratio-{k}|threshold:dev|{pooled}|v:1"
    return Measured("F1", pair, F1, counted(mined, gold, len(ours)), signature), mined


def gold_of(prepared: Prepared, split: str, language: str) -> list[Any]:
    """What is searched: the pairs to find, and the digest of the text if it is known.

    Pairs of Tatoeba are those of equal numbers, whatever the sentences are.
    """
    text = read_text_digest(prepared, split, language)
    return [*sorted(read_gold(prepared, split, language)), *filter(None, [text])]


def _threshold(predictor: Predictor, language: str, layer: int, k: int) -> float:
    """The best margin on the dev set; infinite where no pair of it is found."""
    ours, english = sides(predictor, "valid", language, layer)
    found: Candidates = candidates_by_margin(ours, english, k)
    return best_threshold(found, read_gold(predictor.task.prepared, "valid", language))


def counted(
    mined: list[list[int]], gold: set[tuple[int, int]], sentences: int
) -> np.ndarray:
    """``(sentences, 3)``: right, found and true pairs of each sentence."""
    rows = np.zeros((sentences, 3))
    for mine, theirs in mined:
        rows[mine] += ((mine, theirs) in gold, 1, 0)
    for mine, _ in gold:
        rows[mine, 2] += 1
    return rows
