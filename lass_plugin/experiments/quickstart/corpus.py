"""The quick start's text: the catalogues of four web packages, or the user's own."""

import re
from collections.abc import Sequence
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.experiments.quickstart.recipe import LANGUAGES
from lass_plugin.languages import Pair

_NAME = re.compile(r"train\.([^.]+-[^.]+)\.([^.]+)(\.gz)?")


def catalogue_pairs() -> list[Pair]:
    """English to and from each language of the catalogues."""
    return [
        pair
        for language in LANGUAGES
        for pair in (Pair("en", language), Pair(language, "en"))
    ]


def write_catalogues(folder: Path, cache: Path) -> None:
    """Write the catalogues' text as ``SPLIT.en-XX.LANG`` into *folder*."""
    from lass_plugin.corpora.catalogues import write_corpus

    write_corpus(folder, LANGUAGES, cache_dir=cache)


def find_pairs(folder: Path, wanted: Sequence[Pair] = ()) -> list[Pair]:
    """The directions of the user's text: those wanted, or both ways of every bitext.

    Raises:
        LassError: no folder, or no ``train.SRC-TGT.LANG`` in it.
    """
    if not folder.is_dir():
        raise LassError(f"the folder --data {folder} does not exist")
    if wanted:
        return list(wanted)
    found: list[Pair] = []
    for path in sorted(folder.iterdir()):
        if matched := _NAME.fullmatch(path.name):
            pair = Pair.parse(matched[1])
            for direction in (pair, Pair(pair.target, pair.source)):
                if direction not in found:
                    found.append(direction)
    if not found:
        raise LassError(
            f"there is no train.SRC-TGT.LANG in {folder}; name the files of your text "
            "as train.de-en.de, train.de-en.en, valid.…, test.…"
        )
    if len(found) < 2:
        raise LassError(f"{folder} has one direction only; sub-networks need two")
    return found
