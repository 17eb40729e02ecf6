"""Several systems on all pairs of a test set: translate, write, score, compare."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lass_plugin.data import pair_data
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report as reports
from lass_plugin.evaluation import texts
from lass_plugin.evaluation.choice import Choice
from lass_plugin.evaluation.comparison import Outputs, Report, compare
from lass_plugin.evaluation.kept import KeptTranslations
from lass_plugin.evaluation.systems import Ready, Saved, System, check_names
from lass_plugin.evaluation.translation import (
    Decoding,
    Speed,
    load_sources,
    translate,
)
from lass_plugin.files import write_json, write_text
from lass_plugin.languages import Pair


@dataclass(frozen=True)
class TestSet:
    """Sources and references of each pair as text; *origin* says what they are."""

    __test__ = False  # not a class of tests

    split: str
    sources: Mapping[str, list[str]]
    references: Mapping[str, list[str]]
    origin: str

    @property
    def sentences(self) -> int:
        return sum(map(len, self.references.values()))


@dataclass(frozen=True)
class Evaluation:
    """The report and what it was made of; systems in the order given."""

    report: Report
    test_set: TestSet
    outputs: tuple[Outputs, ...]
    speeds: Mapping[str, Speed]


def evaluate(
    data: str | os.PathLike,
    systems: Sequence[System],
    pairs: Sequence[Pair] | None = None,
    split: str = "test",
    out: str | os.PathLike | None = None,
    decoding: Decoding | None = None,
    references: str | os.PathLike | None = None,
    tokenize: str | None = None,
    show_progress: bool = True,
    choice: Choice | None = None,
    kept: str | os.PathLike | None = None,
) -> Evaluation:
    """Translate *split* with every system, score it, compare it with the first.

    Args:
        pairs: None for those that the first system was trained on.
        out: folder for the report, the translations and ``run.json``; None for none.
        references: folder of ``SPLIT.SRC-TGT.LANG``; None for ``DATA/raw``, or if that
            has none the text of the dictionary.
        tokenize: one BLEU tokenizer for all pairs, see :mod:`.metrics`.
        choice: *tokenize* and further metrics than BLEU and chrF.
        kept: folder of translations that are kept, so that a run that was killed goes
            on and the same mask is translated under once (:mod:`.kept`).

    Raises:
        LassError: as far as can be known, before anything is translated.
    """
    data, decoding = Path(data), decoding or Decoding()
    choice = choice or Choice(tokenize)
    check_names(systems)
    saved = read_checkpoints(systems)
    pairs = choose_pairs(saved, pairs)
    choice.check(pairs)
    ready = [each.set_up(data, pairs) for each in saved]
    del saved
    subwords = decoding.remove_bpe
    if subwords == "auto":
        subwords = texts.find_subwords(data, ready[0].task.target_dictionary)
    folder = None if references is None else Path(references)
    test_set = read_test_set(ready[0], split, subwords, decoding.limit, folder)
    store, total = None, test_set.sentences * len(ready)
    if kept is not None:
        store = KeptTranslations(
            kept, data, split, test_set.sources, decoding, subwords
        )
        total = store.missing(ready)
    progress = Progress("translating", total) if show_progress else None
    outputs, speeds = [], {}
    model = checkpoint_of_model = None
    for each in ready:
        name = each.system.name

        def advance(sentences: int, pair: str, name: str = name) -> None:
            if progress is not None:
                done = progress.done + sentences
                progress.advance(
                    sentences, f"{name} {pair}, {done} of {progress.total} sentences"
                )

        if model is not None and checkpoint_of_model == each.system.checkpoint:
            model = each.take(model)
        else:
            model = None  # before the next one is built
            model = each.build_model(decoding.device, decoding.fp16)
            checkpoint_of_model = each.system.checkpoint
        if store is None:
            hypotheses, speeds[name] = translate(
                each, split, decoding, subwords, advance, model
            )
        else:
            hypotheses, speeds[name] = store.translate(each, advance, model)
        checkpoint = str(each.system.checkpoint)
        outputs.append(Outputs(name, checkpoint, each.mask_label, hypotheses))
        if out is not None:
            write_texts(Path(out) / "translations" / name, split, hypotheses)
    if progress is not None:
        progress.finish()
    if out is not None:
        _write_test_set(Path(out), test_set)
    report = _compare(outputs, test_set, choice, show_progress)
    notes = (_describe(split, decoding, subwords), test_set.origin)
    report = replace(report, notes=notes)
    result = Evaluation(report, test_set, tuple(outputs), speeds)
    if out is not None:
        reports.write(report, out)
        write_json(Path(out) / "run.json", _run(result, decoding, subwords))
    return result


def _compare(
    outputs: Sequence[Outputs], test_set: TestSet, choice: Choice, show_progress: bool
) -> Report:
    references, sources = test_set.references, test_set.sources
    if not show_progress:
        return compare(outputs, references, choice=choice, sources=sources)
    total = len(outputs) * len(references) * len(choice.names)
    progress = Progress("scoring", total)
    report = compare(
        *(outputs, references),
        choice=choice,
        sources=sources,
        advance=progress.advance,
    )
    progress.finish()
    return report


def read_checkpoints(systems: Sequence[System]) -> list[Saved]:
    """The checkpoints of *systems*, each read once."""
    read: dict[Path, Saved] = {}
    saved = []
    for system in systems:
        if system.checkpoint in read:
            saved.append(read[system.checkpoint].shared_with(system))
        else:
            saved.append(read.setdefault(system.checkpoint, Saved(system)))
    return saved


def choose_pairs(
    saved: Sequence[Saved], wanted: Sequence[Pair] | None = None
) -> list[Pair]:
    """*wanted*, or the pairs of the first system, which all systems must have."""
    if wanted:
        return list(wanted)
    first = saved[0]
    if not first.trained_pairs:
        raise LassError(
            f"{first.system.checkpoint} does not say which pairs it was trained on; "
            "give --pairs"
        )
    for each in saved:
        for pair in first.trained_pairs:
            if pair not in each.trained_pairs:
                raise LassError(
                    f"system {each.system.name} was not trained on {pair}, which "
                    f"{first.system.name} was; say with --pairs what to evaluate"
                )
    return first.trained_pairs


def read_test_set(
    ready: Ready,
    split: str,
    subwords: str,
    limit: int | None = None,
    references: Path | None = None,
) -> TestSet:
    """Sources and references of the pairs of *ready*.

    Raises:
        LassError: a pair has no data, no reference in *references*, or a file has
            another number of lines than the data has sentences.
    """
    raw = ready.data / "raw"
    parts = load_sources(ready, split).parts
    counts = {key: len(part) for key, part in parts.items()}
    sources, targets, lossy = {}, {}, []
    for pair in ready.task.pairs:
        key, what = str(pair), f"{split} data of {pair}"
        place = texts.find_raw(raw, split, pair, pair.source)
        if place is not None:
            sources[key] = texts.read_sentences(place, counts[key], what)
        else:
            sources[key] = _dictionary_text(ready, split, pair, pair.source, subwords)
        place = texts.find_raw(references or raw, split, pair, pair.target)
        if place is not None:
            targets[key] = texts.read_sentences(place, counts[key], what)
        elif references is not None:
            raise LassError(
                f"{references} has no references of {pair} (looked for "
                f"{split}.{pair}.{pair.target} and the reverse order); add them or "
                "leave the pair out of --pairs"
            )
        else:
            lossy.append(key)
            targets[key] = _dictionary_text(ready, split, pair, pair.target, subwords)
    origin = f"references: {references or raw}"
    if lossy:
        where = "" if len(lossy) == len(targets) else f" for {', '.join(lossy)}"
        origin = (
            f"references{where}: the binarized {split} data of {ready.data}, because "
            f"{raw} has none; words that the dictionary lacks are lost, so these "
            "scores compare only with each other"
        )
    return TestSet(
        split,
        {key: lines[:limit] for key, lines in sources.items()},
        {key: lines[:limit] for key, lines in targets.items()},
        origin,
    )


def _dictionary_text(
    ready: Ready, split: str, pair: Pair, language: str, subwords: str
) -> list[str]:
    """One side of the binarized data as text."""
    task = ready.task
    part = pair_data.load_pair(
        ready.data,
        split,
        pair,
        task.source_dictionary,
        task.target_dictionary,
        replace(task.tokens, encoder=None, decoder=False),
        with_target=language == pair.target,
    )
    if language == pair.target:
        return texts.read_dataset(part.tgt, task.target_dictionary, subwords)
    return texts.read_dataset(part.src, task.source_dictionary, subwords)


def write_texts(
    folder: Path,
    split: str,
    lines_of: Mapping[str, Sequence[str]],
    source: bool = False,
) -> None:
    """Write ``SPLIT.SRC-TGT.TGT`` for every pair, one sentence a line.

    Args:
        source: the texts are of the pairs' source languages, the names end in ``SRC``.
    """
    for key, lines in lines_of.items():
        pair = Pair.parse(key)
        path = folder / f"{split}.{key}.{pair.source if source else pair.target}"
        write_text(path, "".join(f"{line}\n" for line in lines))


def _write_test_set(out: Path, test_set: TestSet) -> None:
    """Write what the translations were made and scored from, to score them again."""
    write_texts(out / "sources", test_set.split, test_set.sources, source=True)
    write_texts(out / "references", test_set.split, test_set.references)


def _describe(split: str, decoding: Decoding, subwords: str) -> str:
    """The conditions of a translation in a sentence."""
    cut = "" if decoding.limit is None else f" (first {decoding.limit} of each pair)"
    return (
        f"translations of {split}{cut}: beam {decoding.beam}, length penalty "
        f"{decoding.lenpen:g}, at most {decoding.max_len_a:g} × source + "
        f"{decoding.max_len_b} tokens, {decoding.precision} on "
        f"{decoding.device.type}, subwords {subwords}"
    )


def _run(result: Evaluation, decoding: Decoding, subwords: str) -> dict:
    """What ``run.json`` holds: conditions and speeds, for information."""
    return {
        "split": result.test_set.split,
        "sentences": result.test_set.sentences,
        "references": result.test_set.origin,
        "decoding": {**asdict(decoding), "remove_bpe": subwords},
        "device": decoding.device.type,
        "systems": {
            output.name: {
                "checkpoint": output.checkpoint,
                "mask": output.mask,
                **asdict(speed := result.speeds[output.name]),
                "sentences_per_second": speed.sentences_per_second,
                "tokens_per_second": speed.tokens_per_second,
            }
            for output in result.outputs
        },
    }
