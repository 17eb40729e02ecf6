"""A task's original files as a data folder: ``lass xtreme prepare``.

The folder is made whole or not at all, as those of ``lass prepare`` are. It holds
``SPLIT.LANG.safetensors`` (train, valid, test), questions or gold beside them as JSON,
the model's ``dict.txt`` and ``spm.model``, and ``preparation.json``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lass_plugin.corpora.xtreme.corpus import Corpus, chosen_languages
from lass_plugin.corpora.xtreme.tasks import MINING, PAIRS, SPANS, Task, task_of
from lass_plugin.data import data_folder
from lass_plugin.data.parallel_text import sha256
from lass_plugin.data.xtreme.features import (
    QUESTION_LENGTH,
    Feature,
    pair_features,
    span_features,
    tag_features,
)
from lass_plugin.data.xtreme.pieces import DICTIONARY, Encoder
from lass_plugin.data.xtreme.settings import XtremePreparationSettings
from lass_plugin.data.xtreme.stored import (
    beside,
    collected,
    write_gold,
    write_questions,
    write_stored,
)
from lass_plugin.errors import LassError
from lass_plugin.files import write_bytes
from lass_plugin.settings import needless

Splits = dict[str, tuple[str, tuple[str, ...]]]
"""Split of fairseq -> split of the task, and its languages."""


def prepare(settings: XtremePreparationSettings) -> dict[str, Any]:
    """Make the data folder ``settings.out``.

    Returns:
        What ``preparation.json`` holds, and ``done``.
    Raises:
        LassError: a file is not what it should be; or the folder holds something else.
    """
    task = _task(settings)
    corpus, encoder = Corpus(task, settings.data), Encoder(settings.model)
    splits = _splits(corpus, settings)
    options = {
        "task": task.name,
        "length": task.length,
        "stride": settings.stride if task.kind == SPANS else None,
        **{name: ",".join(languages) for name, (_, languages) in splits.items()},
    }
    with data_folder.open_work_folder(settings.out) as work:
        inputs = _inputs(corpus, encoder, splits)
        wanted = {"options": options, "inputs": inputs}
        found = data_folder.find_preparation(settings.out, wanted, settings.fresh)
        if found is not None:
            return {**found, "done": False}
        data_folder.begin(work, wanted, True)
        new = work / "new"
        write_bytes(new / DICTIONARY, (settings.model / DICTIONARY).read_bytes())
        write_bytes(new / "spm.model", encoder.subword_model.read_bytes())
        counts = {
            f"{name}.{language}": _write(
                corpus, encoder, settings, (split, language), _path(new, name, language)
            )
            for name, (split, languages) in splits.items()
            for language in languages
        }
        record = {
            **wanted,
            "task": task.name,
            "length": task.length,
            "stride": settings.stride,
            "splits": {name: list(codes) for name, (_, codes) in splits.items()},
            "counts": counts,
            "files": data_folder.files_in(new),
        }
        data_folder.commit(settings.out, work, record)
    return {**record, "done": True}


def _task(settings: XtremePreparationSettings) -> Task:
    task = task_of(settings.task)
    if settings.length is not None:
        task = replace(task, length=settings.length)
    if not task.trains:
        why = f"for {task.title}, which has no training"
        needless(settings, ("train_languages", "test_only", "stride"), why)
    elif task.kind != SPANS:
        needless(settings, "stride", f"for {task.title}, which has no contexts")
    elif task.length < QUESTION_LENGTH + 8:
        raise LassError(
            f"--length {task.length} leaves no room behind a question; give "
            f"{QUESTION_LENGTH + 8} or more"
        )
    if settings.test_only:
        needless(settings, "train_languages", "with --test-only")
    if task.length < 8:
        raise LassError(f"--length {task.length} is too short; give 8 or more")
    return task


def _splits(corpus: Corpus, settings: XtremePreparationSettings) -> Splits:
    """What is prepared: English for the choice of a checkpoint, as XTREME has it."""
    tested = chosen_languages(corpus, "test", settings.languages)
    splits: Splits = {"test": ("test", tested)}
    if corpus.task.kind == MINING:
        splits["valid"] = ("dev", chosen_languages(corpus, "dev", tested))
    if corpus.task.trains and not settings.test_only:
        trained = settings.train_languages
        try:
            splits["train"] = ("train", chosen_languages(corpus, "train", trained))
            splits["valid"] = _dev(corpus)
        except LassError as error:
            raise LassError(
                f"{error.message}; or add --test-only, to test a model that is trained"
            ) from error
    return splits


def _dev(corpus: Corpus) -> tuple[str, tuple[str, ...]]:
    """English dev; of TyDiQA-GoldP, which has none, the English test, as in XTREME."""
    split = "test" if corpus.task.name == "tydiqa" else "dev"
    return split, chosen_languages(corpus, split, ("en",))


def _inputs(corpus: Corpus, encoder: Encoder, splits: Splits) -> dict[str, str]:
    """Every file that the folder is made of, by its name, with its SHA-256."""
    paths = {
        path
        for split, languages in splits.values()
        for language in languages
        for path in corpus.paths(split, language)
    }
    found = {path.relative_to(corpus.folder).as_posix(): sha256(path) for path in paths}
    found["model's dictionary"] = sha256(encoder.folder / DICTIONARY)
    found["model's subword model"] = sha256(encoder.subword_model)
    return dict(sorted(found.items()))


def _path(new: Path, split: str, language: str) -> Path:
    return new / f"{split}.{language}.safetensors"


def _write(
    corpus: Corpus,
    encoder: Encoder,
    settings: XtremePreparationSettings,
    of: tuple[str, str],
    path: Path,
) -> int:
    """Write the features of a split and language; the number of its examples."""
    task = corpus.task
    if not task.trains:
        return _write_sentences(corpus, encoder, of, path)
    if task.kind != SPANS:
        make = pair_features if task.kind == PAIRS else tag_features
        stored = collected(task, make(task, encoder, corpus.examples(*of)))
        write_stored(path, task, stored)
        return int(stored.source[-1]) + 1
    questions = list(corpus.examples(*of))
    features = span_features(task, encoder, questions, settings.stride)
    write_stored(path, task, collected(task, features))
    write_questions(beside(path), questions)
    return len(questions)


def _write_sentences(
    corpus: Corpus, encoder: Encoder, of: tuple[str, str], path: Path
) -> int:
    texts = corpus.bitexts(*of)
    for suffix, sentences in (("", texts.sentences), ("-en", texts.english)):
        named = path.with_name(path.name.replace(f".{of[1]}.", f".{of[1]}{suffix}."))
        features = _sentences(corpus.task, encoder, sentences)
        write_stored(named, corpus.task, collected(corpus.task, features))
    ours = {name: number for number, name in enumerate(texts.names)}
    english = {name: number for number, name in enumerate(texts.english_names)}
    gold = sorted((ours[mine], english[theirs]) for mine, theirs in texts.gold)
    write_gold(beside(path), gold, texts)
    return len(texts.sentences)


def _sentences(
    task: Task, encoder: Encoder, sentences: Sequence[str]
) -> Iterator[Feature]:
    """Yield a feature for each sentence, cut at the end if it is too long."""
    begin, end = encoder.dictionary.bos(), encoder.dictionary.eos()
    for number, sentence in enumerate(sentences):
        symbols = encoder.encode(sentence).symbols[: task.length - 2]
        yield Feature([begin, *symbols, end], number)
