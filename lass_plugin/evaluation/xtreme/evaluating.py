"""``lass xtreme evaluate``: predictions of every language of a task, and scores."""

from typing import Any

import numpy as np

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.encoders.modules import check_modules
from lass_plugin.corpora.xtreme.tasks import MINING, NEAREST, PAIRS, SPANS, TAGS
from lass_plugin.data.parallel_text import sha256
from lass_plugin.data.xtreme.stored import Prepared, read_questions_of, read_stored
from lass_plugin.errors import LassError
from lass_plugin.evaluation.encoders import build_encoder, chosen_device
from lass_plugin.evaluation.xtreme.answers import score_answers, words_by
from lass_plugin.evaluation.xtreme.measured import Measured, mean_of
from lass_plugin.evaluation.xtreme.predicting import (
    Predictor,
    answers_of,
    gold_labels,
    labels_of,
    tags_of,
)
from lass_plugin.evaluation.xtreme.report import TaskScores, write_scores
from lass_plugin.evaluation.xtreme.retrieval import gold_of, score_retrieval
from lass_plugin.evaluation.xtreme.settings import XtremeEvaluationSettings
from lass_plugin.evaluation.xtreme.tags import find_chunks, score_tags
from lass_plugin.methods.registry import method_of
from lass_plugin.records.json_record import RecordFormat, digest_of
from lass_plugin.settings import needless
from lass_plugin.tasks.xtreme import XtremeTask, check_head

PREDICTIONS = RecordFormat(
    "lass_plugin xtreme predictions", "predictions of 'lass xtreme evaluate'"
)
_OPTIONS = {
    SPANS: ("longest", "n_best"),
    MINING: ("layer", "neighbours"),
    NEAREST: ("layer",),
}
"""Kind of a task -> options that have an effect on it, beside those of all."""

Scored = tuple[list[Measured], Any, Any]
"""Scores of a language, its predictions, and what they were compared with."""


def evaluate(settings: XtremeEvaluationSettings) -> TaskScores:
    """Predict and score; write ``SPLIT.LANG.json`` and ``scores.json`` to ``out``.

    Raises:
        LassError: data and checkpoint do not belong together; an option has no effect;
            seqeval is needed and not there.
    """
    prepared = Prepared.read(settings.data)
    task = prepared.task
    used = set(_OPTIONS.get(task.kind, ()))
    others = {name for names in _OPTIONS.values() for name in names} - used
    needless(settings, sorted(others), f"on {task.title}")
    if task.kind == MINING and settings.split != "test":
        raise LassError(
            "--split valid: the threshold of BUCC is chosen on it; leave --split out"
        )
    languages = prepared.of(settings.split)
    if task.kind == TAGS:
        find_chunks()  # or say that seqeval is missing, before hours of work
    if task.kind == SPANS:
        for language in languages:
            words_by(task.name, language)
    checkpoint = Checkpoint.read_whole(settings.checkpoint)
    # fairseq tells a task nothing of a checkpoint that is of no task of ours
    carried = method_of(checkpoint.task_state, str(settings.checkpoint))
    carried.at_sparsity(settings.sparsity)
    spoken = [*languages, *([] if task.trains else ["en"])]
    check_modules(checkpoint.weights, spoken, str(settings.checkpoint))
    if task.trains:
        check_head(checkpoint.task_state, task, str(settings.checkpoint))
    encoder = XtremeTask.to_evaluate(prepared, settings.sparsity)
    model = build_encoder(checkpoint, encoder, chosen_device(settings.cpu))
    predictor = Predictor(encoder, model, settings.batch_size)
    found: dict[str, dict[str, Measured]] = {}
    gold: dict[str, str] = {}
    for language in languages:
        scores, predicted, true = _score(predictor, settings, language)
        found[language] = {one.metric: one for one in scores}
        gold[language] = digest_of({"gold": true})
        path = settings.out / f"{settings.split}.{language}.json"
        content = {"task": task.name, "language": language, "predictions": predicted}
        PREDICTIONS.write(path, content, rows=True)
    facts = {
        "checkpoint": str(settings.checkpoint),
        "sha256": sha256(settings.checkpoint),
        "data": str(settings.data),
        "method": predictor.task.method_of(predictor.model).label() or "dense",
        "sparsity": settings.sparsity,
        "options": {name: getattr(settings, name) for name in sorted(used)},
    }
    result = TaskScores(settings.name, task, settings.split, found, gold, facts)
    write_scores(result, settings.out)
    return result


def _score(
    predictor: Predictor, settings: XtremeEvaluationSettings, language: str
) -> Scored:
    prepared, split = predictor.task.prepared, settings.split
    task = prepared.task
    if not task.trains:
        score, pairs = score_retrieval(predictor, settings, language)
        return [score], pairs, gold_of(prepared, split, language)
    stored = read_stored(prepared.path(split, language), task)
    outputs = predictor.outputs(stored, language)
    if task.kind == PAIRS:
        chosen = labels_of(task.labels, outputs)
        labels = gold_labels(task.labels, stored)
        right = [float(one == other) for one, other in zip(chosen, labels, strict=True)]
        return [_accuracy(task.name, language, right)], chosen, labels
    if task.kind == TAGS:
        true, tags = tags_of(task.labels, stored), tags_of(task.labels, stored, outputs)
        return score_tags(task, language, true, tags), tags, true
    questions = read_questions_of(prepared, split, language)
    answers = answers_of(
        questions,
        stored,
        outputs,
        prepared.stride,
        settings.n_best,
        settings.longest,
    )
    texts = [[one.id, *(answer.text for answer in one.answers)] for one in questions]
    return score_answers(task.name, language, questions, answers), answers, texts


def _accuracy(task: str, language: str, right: list[float]) -> Measured:
    pair = f"{task} {language}"
    return mean_of("accuracy", pair, np.array(right), "metric:accuracy|of:pairs|v:1")
