"""What pairs are added to: models and their data, read, checked, written with room."""

import filecmp
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from fairseq.data import Dictionary

from lass_plugin.anatomy.neurons import are_neurons
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.checkpoints.trained_with import check_subwords
from lass_plugin.data import parallel_text
from lass_plugin.data.data_folder import RECORD, text_settings_of, text_steps_of
from lass_plugin.data.pair_data import find_split
from lass_plugin.data.preparation import prepare
from lass_plugin.data.preparation_settings import Added, PreparationSettings
from lass_plugin.data.subwords import Subwords
from lass_plugin.data.truecased_text import learn_casing
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.evaluation.texts import find_raw, find_subwords
from lass_plugin.experiments.new_pairs.checkpoint import extended
from lass_plugin.experiments.new_pairs.settings import DENSE, ExtendSettings
from lass_plugin.experiments.new_pairs.vocabulary import (
    Vocabulary,
    count_text,
    extend_vocabulary,
)
from lass_plugin.files import atomic_path
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks.file import carried_masks


@dataclass(frozen=True)
class OldModel:
    """A checkpoint before its extension, with its pairs and its vocabulary."""

    checkpoint: Checkpoint
    pairs: list[Pair]
    vocabulary: Vocabulary

    @classmethod
    def read(cls, path: Path, data: Path, masked: bool) -> "OldModel":
        """Read *path*, which was trained with the data folder *data*.

        Args:
            masked: it has to carry masks, and its pairs are theirs; else its pairs are
                those that it was trained on.

        Raises:
            LassError: it has no masks or no known pairs, or does not fit the data.
        """
        checkpoint = Checkpoint.read(path)
        masks = carried_masks(checkpoint)
        if masked and masks is None:
            raise LassError(
                f"{path} carries no masks, so no pair has a sub-network in it; give a "
                "jointly trained checkpoint (one without masks goes to --dense)"
            )
        if masks is not None and are_neurons(masks.shapes):
            raise LassError(
                f"{path} carries masks of neurons; 'lass extend' adds pairs to models "
                "with masks of weights only"
            )
        saved = Saved(System("model", path, dense=True))
        pairs = parse_pairs(list(masks)) if masked and masks else saved.trained_pairs
        if not pairs:
            raise LassError(f"{path} does not say which pairs it was trained on")
        if not data.is_dir():
            raise LassError(f"the data folder {data} does not exist")
        task = saved.set_up(data, pairs).task
        if task.source_dictionary != task.target_dictionary:
            raise LassError(
                f"source and target languages of {data} have different dictionaries; "
                "only a model with one joint dictionary can be extended"
            )
        return cls(checkpoint, pairs, Vocabulary(task.source_dictionary, task.tokens))


@dataclass(frozen=True)
class SubwordModel:
    """What the text of the model was encoded with, found or given."""

    kind: str
    file: Path | None = None

    @classmethod
    def find(
        cls, folder: Path, dictionary: Dictionary, given: Path | None = None
    ) -> "SubwordModel":
        """Find the model of the data folder that the checkpoint was trained with.

        Args:
            given: a SentencePiece model that is not in the folder.

        Raises:
            LassError: the dictionary is of subwords whose model is not there.
        """
        if given is not None:
            if not given.is_file():
                raise LassError(f"there is no SentencePiece model --spm-model {given}")
            return cls("sentencepiece", given)
        kind = find_subwords(folder, dictionary)
        if kind == "none":
            return cls("none")
        file = folder / {"sentencepiece": "spm.model"}.get(kind, "bpe.codes")
        if not file.is_file():
            raise LassError(
                f"the symbols of {folder} are subwords, but {file} is not there; give "
                "the SentencePiece model with --spm-model, or put the file there"
            )
        return cls("bpe" if kind == "subword_nmt" else kind, file)

    def encoder(self) -> Subwords:
        if self.file is None:
            return Subwords("none")
        digest = parallel_text.sha256(self.file)
        return Subwords(self.kind, self.file, digest, spell=True)


@dataclass(frozen=True)
class Plan:
    """What is to be extended, read and checked; nothing has been written yet."""

    models: dict[str, OldModel]
    """A way that starts from a model -> the model: the first way, and dense."""
    watched: list[Pair]
    """The older pairs that are scored."""
    subwords: SubwordModel


def check(settings: ExtendSettings) -> Plan:
    """Read the models and see that all can be carried out.

    Raises:
        LassError: names the option or file at fault.
    """
    old = OldModel.read(settings.checkpoint, settings.data, masked=True)
    for pair in settings.pairs:
        if pair in old.pairs:
            raise LassError(
                f"{settings.checkpoint} has the pair {pair} already; leave it out of "
                "--pairs"
            )
    for pair in settings.old_pairs:
        if pair not in old.pairs:
            raise LassError(
                f"--old-pairs names {pair}, which {settings.checkpoint} does not have "
                f"({', '.join(map(str, old.pairs))})"
            )
    models = {settings.ways[0]: old}
    if settings.dense is not None:
        dense = OldModel.read(settings.dense, settings.data, masked=False)
        if dense.vocabulary != old.vocabulary:
            raise LassError(
                f"{settings.dense} has other symbols or language tokens than "
                f"{settings.checkpoint}; give a model that was trained with the same "
                "data folder and languages"
            )
        models[DENSE] = dense
    watched, split = list(settings.old_pairs) or old.pairs, settings.split
    for pair in watched:
        for code in (pair.source, pair.target):
            if find_split(settings.data, split, pair, code) is None:
                raise LassError(
                    f"there is no {split} data of {pair} in {settings.data}, so what "
                    "happens to it cannot be seen; give another --split, or say with "
                    "--old-pairs which pairs to watch"
                )
    _, absent = parallel_text.find_bitexts(settings.text, settings.pairs)
    for pair in settings.pairs:
        if f"{split}.{pair}" in absent:
            raise LassError(
                f"{settings.text} has no {split} text of {pair}, so the new pair "
                "cannot be scored; add it or give another --split"
            )
    symbols = old.vocabulary.dictionary
    subwords = SubwordModel.find(settings.data, symbols, settings.spm_model)
    for model in models.values():
        checkpoint = model.checkpoint
        given = (subwords.encoder(), str(checkpoint.path))
        check_subwords(checkpoint.task_state, *given)
    settings.search().check()
    return Plan(models, watched, subwords)


def extend_models(settings: ExtendSettings, plan: Plan) -> None:
    """Make the data folder and the checkpoints with room for the new pairs.

    Raises:
        LassError: text or data is missing or unusable.
    """
    paths = {way: settings.start_of(way) for way in plan.models}
    whole = (settings.data_out / RECORD).is_file()
    if whole and all(path.is_file() for path in paths.values()):
        return
    old = plan.models[settings.ways[0]]
    new = _prepare_data(settings, plan.subwords, old.vocabulary)
    for pair in plan.watched:
        _copy_split(settings.data, settings.data_out, pair, settings.split)
    added = len(new) - len(old.vocabulary)
    print(
        f"{len(old.vocabulary)} symbols and {added} new ones; languages: "
        f"{', '.join(new.tokens.languages)}",
        file=sys.stderr,
    )
    for way, model in plan.models.items():
        # the dense model is compared on the pairs of the other
        parts = (model.checkpoint, model.vocabulary, new, old.pairs)
        save_tensors(paths[way], extended(*parts, settings.seed))


def _prepare_data(
    settings: ExtendSettings, model: SubwordModel, old: Vocabulary
) -> Vocabulary:
    """Make the data folder of the new pairs; returns the extended vocabulary.

    Their text is encoded with the model's subwords; what these do not know is spelled
    in characters, which become symbols if they occur often enough.
    """
    texts, _ = parallel_text.find_bitexts(settings.text, settings.pairs)
    if text_steps_of(settings.data).likeliest:
        raise LassError(
            f"an earlier version has truecased {settings.data} otherwise than text is "
            "now; prepare it again with --fresh and train on that"
        )
    written = text_settings_of(settings.data)
    steps = written.tokens
    if written.truecase:  # languages that the model does not have are learned
        folder = settings.out / "casing"
        with Workers(1) as pool:
            steps = learn_casing(texts, steps, folder, written.given_casing, pool)
        written = replace(written, truecase_model=folder)
    counts = count_text(texts, model.encoder(), steps)
    new = extend_vocabulary(old, settings.pairs, counts, settings.least)
    dictionary = settings.out / "data.dict.txt"
    new.save(dictionary)
    preparation = PreparationSettings(
        text=settings.text,
        out=settings.data_out,
        pairs=settings.pairs,
        subword=model.kind,
        spm_model=model.file if model.kind == "sentencepiece" else None,
        bpe_codes=model.file if model.kind == "bpe" else None,
        written=written,
        dictionary=dictionary,
        workers=1,
        added=Added(new.tokens.languages),
    )
    prepare(preparation)
    return new


def _copy_split(source: Path, target: Path, pair: Pair, split: str) -> None:
    """Copy one split of a pair, whose indices are still valid, and its text.

    What is there already is kept.
    """
    for code in (pair.source, pair.target):
        prefix = find_split(source, split, pair, code)
        assert prefix is not None
        paths = [Path(f"{prefix}.{ending}") for ending in ("bin", "idx")]
        copies = [(path, target / path.name) for path in paths]
        if raw := find_raw(source / "raw", split, pair, code):
            copies.append((raw, target / "raw" / raw.name))
        for path, place in copies:
            if not (place.is_file() and filecmp.cmp(path, place, shallow=False)):
                with atomic_path(place) as temporary:
                    shutil.copyfile(path, temporary)
