"""Several systems on all pairs of a test set: translate, write, score, compare."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from fairseq.models import FairseqEncoderDecoderModel

from lass_plugin.data.data_folder import first_folder
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file, texts
from lass_plugin.evaluation.choice import METRICS, Choice
from lass_plugin.evaluation.comparison import Outputs, Report, compare
from lass_plugin.evaluation.engines import translator_of
from lass_plugin.evaluation.individual import Individual, ReadyPairs, SavedPairs
from lass_plugin.evaluation.kept import FOLDER, KeptTranslations
from lass_plugin.evaluation.scored_form import form_in
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.sharing import translate_side_by_side
from lass_plugin.evaluation.systems import Ready, Saved, System, check_names
from lass_plugin.evaluation.translation import Speed, Translator
from lass_plugin.languages import Pair
from lass_plugin.places.devices import Device
from lass_plugin.records.versions import versions_here


@dataclass(frozen=True)
class Evaluation:
    """The report and what it was made of; systems in the order given."""

    report: Report
    test_set: texts.TestSet
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
    choice: Choice | None = None,
    devices: Sequence[Device] = (),
) -> Evaluation:
    """Translate *split* with every system, score it, compare it with the first.

    Args:
        data: the data folder; of several, as training takes them, the first.
        pairs: None for those that the first system was trained on.
        out: folder for the report, the translations and ``run.json``; None for none.
        references: folder of ``SPLIT.SRC-TGT.LANG``; None for ``DATA/raw``, or if that
            has none the text of the dictionary.
        choice: the tokenizer of BLEU and further metrics than BLEU and chrF.
        devices: of processes that share what is to be translated; none for this one.

    What was translated is kept below *out*, so that a run that was killed goes on and
    the same mask is translated under once (:mod:`.kept`).

    Raises:
        LassError: as far as can be known, before anything is translated.
    """
    data = first_folder(data)
    decoding, choice = decoding or Decoding(), choice or Choice()
    check_names(systems)
    saved = read_checkpoints(systems)
    pairs = choose_pairs(saved, pairs)
    choice.check(pairs)
    ready = [each.set_up(data, pairs) for each in saved]
    del saved
    members = [member for each in ready for member in each.members]
    how = {member: texts.decoding_of(member, decoding) for member in members}
    decoding = how[members[0]]
    folder = None if references is None else Path(references)
    test_set = texts.read_test_sets(ready[0].members, split, how, folder)
    first = ready[0].members[0]
    if any(member.system.data for member in members):  # else all read the same
        for member in members:
            texts.check_sentences(member, test_set, how[member], first.data)
    cut = texts.keeps_subwords(first, decoding)
    form = form_in(first.data, test_set.references, folder, choice.tokenize, cut)
    notes = form.notes(choice.tokenize, choice.further)
    outputs, speeds = [], {}
    translated = _translations(ready, split, how, out, devices)
    test_set = test_set.in_form(form)
    for each, written, speed in translated:
        hypotheses = form.of_translations(written)
        name, checkpoint = each.system.name, str(each.system.checkpoint)
        label, kind = each.mask_label, each.label_kind
        outputs.append(Outputs(name, checkpoint, label, hypotheses, kind))
        speeds[name] = speed
        if out is not None:
            if len(outputs) == 1:
                report_file.remove(out)  # one of earlier translations
            texts.write_texts(Path(out) / "translations" / name, split, hypotheses)
    if out is not None:
        test_set.write(Path(out))
    metrics = len(METRICS) + len(choice.further)
    progress = Progress("scoring", len(outputs) * len(pairs) * metrics)
    report = compare(
        outputs,
        test_set.references,
        choice,
        test_set.sources,
        advance=progress.advance,
        form=form,
    )
    progress.finish()
    notes = [_describe(split, decoding), test_set.origin, *notes]
    report = replace(report, notes=tuple(notes))
    result = Evaluation(report, test_set, tuple(outputs), speeds)
    if out is not None:
        # the report last: a folder that has one is whole
        report_file.RUN.write(Path(out) / "run.json", _run(result, decoding, data))
        report_file.write(report, out)
    return result


def _translations(
    systems: Sequence[Ready | ReadyPairs],
    split: str,
    how: Mapping[Ready, Decoding],
    out: str | os.PathLike | None,
    devices: Sequence[Device],
) -> Iterator[tuple[Ready | ReadyPairs, dict[str, list[str]], Speed]]:
    """Yield each system with its translations and how long they took."""
    with contextlib.ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory
        folder = stack.enter_context(temporary()) if out is None else Path(out) / FOLDER
        store = KeptTranslations(folder, split)
        missing = store.missing(how)
        sentences = sum(size for _, _, size in missing.values())
        progress = Progress("translating", sentences)
        on_gpu = bool(devices) and devices[0].gpu is not None
        if missing and (on_gpu or min(len(missing), len(devices)) > 1):
            translate_side_by_side(store, missing, how, devices, progress)
        elif devices:
            torch.set_num_threads(devices[0].threads)
        models = _Models()
        for system in systems:
            name = system.system.name

            def advance(sentences: int, pair: str, name: str = name) -> None:
                done = f"{progress.done + sentences} of {progress.total} sentences"
                progress.advance(sentences, f"{name} {pair}, {done}")

            translations: dict[str, list[str]] = {}
            took = Speed(0, 0, 0.0)
            for ready in system.members:
                made = store.translate(ready, how[ready], models.translator, advance)
                translations.update(made[0])
                took += made[1]
            yield system, translations, took
        progress.finish()


class _Models:
    """One model at a time in memory, for all systems of a checkpoint in a row."""

    def __init__(self) -> None:
        self._model: FairseqEncoderDecoderModel | None = None
        self._of: tuple[Path, Path | None] | None = None

    def translator(self, ready: Ready, decoding: Decoding) -> Translator:
        """A system with a model: the one that is held, or a new one in its place."""
        wanted = ready.system.checkpoint, ready.system.base
        if self._model is not None and self._of == wanted:
            self._model = ready.take(self._model)
        else:
            self._model = None  # before the next one is built
        translator = translator_of(ready, decoding, self._model)
        self._model, self._of = translator.model, wanted
        return translator


def read_checkpoints(systems: Sequence[System]) -> list[Saved | SavedPairs]:
    """The checkpoints of *systems*, each read once."""
    known: dict[Path, Saved] = {}

    def read(system: System) -> Saved:
        first = known.get(system.checkpoint)
        if first is not None:
            return first.shared_with(system)
        return known.setdefault(system.checkpoint, Saved(system))

    return [
        SavedPairs(each, read) if isinstance(each, Individual) else read(each)
        for each in systems
    ]


def choose_pairs(
    saved: Sequence[Saved | SavedPairs], wanted: Sequence[Pair] | None = None
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


def _describe(split: str, decoding: Decoding) -> str:
    """The conditions of a translation in a sentence."""
    cut = "" if decoding.limit is None else f" (first {decoding.limit} of each pair)"
    short = ", sources cut to what the model takes" if decoding.truncate_source else ""
    return (
        f"translations of {split}{cut}: beam {decoding.beam}, length penalty "
        f"{decoding.lenpen:g}, at most {decoding.max_len_a:g} × source + "
        f"{decoding.max_len_b} tokens, {decoding.precision} on "
        f"{decoding.device.type}, subwords {decoding.remove_bpe}{short}"
    )


def _run(result: Evaluation, decoding: Decoding, data: Path) -> dict:
    """What ``run.json`` holds: conditions and speeds, for information."""
    return {
        "data": str(data),
        "split": result.test_set.split,
        "sentences": result.test_set.sentences,
        "references": result.test_set.origin,
        "decoding": decoding.to_dict(),
        "device": decoding.device.type,
        "versions": versions_here(),
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
