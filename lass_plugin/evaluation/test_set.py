"""The test set: sources and references of each pair as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lass_plugin.errors import LassError
from lass_plugin.evaluation import texts
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import Ready
from lass_plugin.evaluation.translation import load_part, load_sources
from lass_plugin.files import write_text
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

    def write(self, out: Path) -> None:
        """Write what translations were made and scored from, to score them again."""
        write_texts(out / "sources", self.split, self.sources, side="source")
        write_texts(out / "references", self.split, self.references)


def read_test_set(
    ready: Ready, split: str, decoding: Decoding, references: Path | None = None
) -> TestSet:
    """Sources and references of the pairs of *ready*, as many as *decoding* says.

    Args:
        references: folder of ``SPLIT.SRC-TGT.LANG``; None for ``raw`` of the data, or
            if that has none the text of the dictionary.

    Raises:
        LassError: a pair has no data, no reference in *references*, or a file has
            another number of lines than the data has sentences.
    """
    raw = ready.data / "raw"
    parts = load_sources(ready, split).parts
    sources: dict[str, list[str]] = {}
    targets: dict[str, list[str]] = {}
    lossy = []
    for pair in ready.task.pairs:
        key = str(pair)
        for side, found in (("source", sources), ("target", targets)):
            given = references if side == "target" else None
            language = getattr(pair, side)
            path = texts.find_raw(given or raw, split, pair, language)
            if path is not None:
                what = f"{split} data of {pair}"
                lines = texts.read_sentences(path, len(parts[key]), what)
            elif given is not None:
                raise LassError(
                    f"{given} has no references of {pair} (looked for "
                    f"{split}.{pair}.{language} and the reverse order); add them or "
                    "leave the pair out of --pairs"
                )
            else:
                lines = _dictionary_text(ready, split, pair, side, decoding.remove_bpe)
                lossy += [key] if side == "target" else []
            found[key] = lines[: decoding.limit]
    origin = f"references: {references or raw}"
    if lossy:
        where = "" if len(lossy) == len(targets) else f" for {', '.join(lossy)}"
        origin = (
            f"references{where}: the binarized {split} data of {ready.data}, because "
            f"{raw} has none; words that the dictionary lacks are lost, so these "
            "scores compare only with each other"
        )
    return TestSet(split, sources, targets, origin)


def _dictionary_text(
    ready: Ready, split: str, pair: Pair, side: str, subwords: str
) -> list[str]:
    """One side of the binarized data as text."""
    task = ready.task
    no_tokens = replace(task.tokens, encoder=None, decoder=False)
    of_target = side == "target"
    part = load_part(ready, split, pair, tokens=no_tokens, with_target=of_target)
    if of_target:
        return texts.read_dataset(part.tgt, task.target_dictionary, subwords)
    return texts.read_dataset(part.src, task.source_dictionary, subwords)


def write_texts(
    folder: Path,
    split: str,
    lines_of: Mapping[str, Sequence[str]],
    side: str = "target",
) -> None:
    """Write ``SPLIT.SRC-TGT.LANG`` for every pair, one sentence a line.

    Args:
        side: ``source`` or ``target``: whose language LANG is.
    """
    for key, lines in lines_of.items():
        path = folder / f"{split}.{key}.{getattr(Pair.parse(key), side)}"
        write_text(path, "".join(f"{line}\n" for line in lines))
