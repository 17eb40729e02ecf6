"""The data folder of an extended model: text of new pairs, tests of the old ones."""

import filecmp
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from fairseq.data import Dictionary

from lass_plugin.data import parallel_text
from lass_plugin.data.pair_data import find_split
from lass_plugin.data.parallel_text import sha256
from lass_plugin.data.preparation import prepare
from lass_plugin.data.preparation_settings import Added, PreparationSettings
from lass_plugin.data.subwords import Subwords
from lass_plugin.errors import LassError
from lass_plugin.evaluation.texts import find_raw, find_subwords
from lass_plugin.experiments.new_pairs.vocabulary import (
    Vocabulary,
    count_text,
    extend_vocabulary,
)
from lass_plugin.files import atomic_path
from lass_plugin.languages import Pair

DICTIONARY = "dict.txt"


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
        names = {"sentencepiece": "spm.model", "subword_nmt": "bpe.codes"}
        kind = find_subwords(folder, dictionary)
        if kind == "none":
            return cls("none")
        file = folder / names[kind]
        if not file.is_file():
            raise LassError(
                f"the symbols of {folder} are subwords, but {file} is not there; give "
                "the SentencePiece model with --spm-model, or put the file there"
            )
        return cls("bpe" if kind == "subword_nmt" else kind, file)

    def encoder(self) -> Subwords:
        if self.file is None:
            return Subwords("none")
        return Subwords(self.kind, self.file, sha256(self.file), spell=True)


def prepare_data(
    text: Path,
    old_folder: Path,
    out: Path,
    old: Vocabulary,
    pairs: Sequence[Pair],
    old_pairs: Sequence[Pair],
    split: str,
    model: SubwordModel,
    least: int = 1,
) -> Vocabulary:
    """Make the data folder *out*; returns the extended vocabulary.

    The text of *pairs* is encoded with the model's subwords; what these do not know is
    spelled in characters, which become symbols if they occur *least* times. The old
    pairs' *split* is copied: their indices are still valid.

    Raises:
        LassError: text or data is missing or unusable.
    """
    counts = count_text(text, pairs, model.encoder())
    new = extend_vocabulary(old, pairs, counts, least)
    dictionary = out.parent / f"{out.name}.{DICTIONARY}"
    new.save(dictionary)
    settings = PreparationSettings(
        text=text,
        out=out,
        pairs=tuple(pairs),
        subword=model.kind,
        spm_model=model.file if model.kind == "sentencepiece" else None,
        dictionary=dictionary,
        workers=1,
        added=Added(new.tokens.languages, model.file if model.kind == "bpe" else None),
    )
    prepare(settings)
    for pair in old_pairs:
        _copy_split(old_folder, out, pair, split)
    return new


def check_split(folder: Path, pairs: Sequence[Pair], split: str) -> None:
    """Refuse a split that a pair does not have."""
    for pair in pairs:
        for code in (pair.source, pair.target):
            if find_split(folder, split, pair, code) is None:
                raise LassError(
                    f"there is no {split} data of {pair} in {folder}, so what happens "
                    "to it cannot be seen; give another --split, or say with "
                    "--old-pairs which pairs to watch"
                )


def check_text(text: Path, pairs: Sequence[Pair], split: str) -> None:
    """Refuse text without the split that is scored."""
    _, absent = parallel_text.find_bitexts(text, pairs)
    for pair in pairs:
        if f"{split}.{pair}" in absent:
            raise LassError(
                f"{text} has no {split} text of {pair}, so the new pair cannot be "
                "scored; add it or give another --split"
            )


def _copy_split(source: Path, target: Path, pair: Pair, split: str) -> None:
    """Copy one split of a pair and its text; keep what is there already."""
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
