"""What a preparation is about to replace, where a model may have been trained with it.

A dictionary is ordered by how often its symbols occur, so other text gives another
order, and a model that was trained with the old one takes every word for another.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from lass_plugin.data.dictionaries import load_dictionary
from lass_plugin.data.parallel_text import sha256
from lass_plugin.data.text_steps import CASING
from lass_plugin.errors import LassError
from lass_plugin.files import write_bytes

FOLDER = "replaced"
"""Of a data folder: below it, by their digests, what models were trained with."""

_DICTIONARY, _LANGUAGES = "dict.txt", "langs.txt"
_MODELS = ("spm.model", "bpe.codes")
_OPTIONS = {
    _DICTIONARY: "--dict {}",
    _LANGUAGES: "--langs {}",
    "spm.model": "--spm-model {}",
    "bpe.codes": "--subword bpe --bpe-codes {}",
}
"""File of a data folder -> how it is given to ``lass prepare``."""


def keep_replaced(out: Path, new: Path) -> None:
    """Say that a model of *out* cannot go on with *new*; keep what it was made with.

    Nothing is said where dictionary, subword model, casing and list of languages stay,
    or where nothing was prepared.

    Args:
        out: the data folder.
        new: the finished files that will take its place; binarized data is not needed.
    """
    changed = list(_changes(out, new))
    if not changed:
        return
    kept = out / FOLDER / sha256(out / _DICTIONARY)[:8]
    flags = []
    for name, option in _OPTIONS.items():
        if _is_in(out, name):
            write_bytes(kept / name, (out / name).read_bytes())
            flags.append(option.format(kept / name))
    casing = sorted(out.glob(CASING.format("*")))
    for path in casing:
        write_bytes(kept / path.name, path.read_bytes())
    if casing:
        flags.append(f"--truecase --truecase-model {kept}")
    print(
        f"note: in {out} {' and '.join(changed)}, so a model that was trained on what "
        "was prepared there cannot read what replaces it; to prepare data for such a "
        f"model, keep what it was trained with: {' '.join(flags)}",
        file=sys.stderr,
        flush=True,
    )


def _changes(out: Path, new: Path) -> Iterator[str]:
    if not (_is_in(out, _DICTIONARY) and _is_in(new, _DICTIONARY)):
        return
    try:
        before = load_dictionary(out / _DICTIONARY).symbols
    except LassError:  # damaged, and replaced for that
        return
    now = load_dictionary(new / _DICTIONARY).symbols
    if before != now:
        how = "in another order" if {*before} == {*now} else "not all of them the same"
        yield f"{len(before)} symbols of the dictionary become {len(now)}, {how}"
    for name in _MODELS:
        both = _is_in(out, name) and _is_in(new, name)
        if both and sha256(out / name) != sha256(new / name):
            yield f"the subword model {name} changes"
    casing = [path.name for path in sorted(out.glob(CASING.format("*")))]
    both_have = [name for name in casing if _is_in(new, name)]
    other = [name for name in both_have if sha256(out / name) != sha256(new / name)]
    if other:
        yield f"the forms of words in {', '.join(other)} change"
    if _is_in(out, _LANGUAGES) and _is_in(new, _LANGUAGES):
        lists = (each / _LANGUAGES for each in (out, new))
        texts = (each.read_text(encoding="utf-8", errors="replace") for each in lists)
        old, listed = (text.split() for text in texts)
        if old != listed:
            yield f"the languages {', '.join(old)} become {', '.join(listed)}"


def _is_in(folder: Path, name: str) -> bool:
    return (folder / name).is_file()
