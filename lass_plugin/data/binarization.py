"""From checked text to what fairseq reads: encoded text, then .bin and .idx files."""

import contextlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

from lass_plugin.data.dictionaries import indices_of_text, load_dictionary
from lass_plugin.data.monolingual_text import Corpus
from lass_plugin.data.parallel_text import Bitext, blank_line, read_lines
from lass_plugin.data.progress import Progress
from lass_plugin.data.subwords import Subwords, count_tokens
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.files import atomic_path, json_once

if TYPE_CHECKING:
    from fairseq.data import Dictionary

_CHUNK = 2000
"""Lines of each file that a worker encodes at once."""

Text = Bitext | Corpus


@dataclass(frozen=True)
class _Chunk:
    subwords: Subwords
    sides: tuple[list[str], ...]


@dataclass(frozen=True)
class _EncodedChunk:
    """Encoded lines of each side, where a side is empty, and counts of tokens."""

    sides: tuple[list[str], ...]
    blank: list[tuple[int, int]]  # (index of the line in the chunk, side)
    counts: Counter[str]


def encode_text(
    text: Text,
    subwords: Subwords,
    folder: Path,
    raw_folder: Path,
    workers: Workers,
    progress: Progress,
    original: Text | None = None,
) -> dict[str, Any]:
    """Write ``folder/NAME.LANG`` (tokens) and ``folder/NAME.json``; skip what is there.

    In train, and in text of one language, a line with an empty side is dropped; the
    lines of valid and test of a pair are written to *raw_folder* as they were given,
    under the same names.

    Args:
        progress: advanced by the number of lines.
        original: *text* as it was given, where it is another.

    Returns:
        What ``NAME.json`` holds: ``kept``, the number of lines that were, and
        ``counts``, how often each token occurs in them.

    Raises:
        LassError: nothing is left of a line that must be kept after normalisation.
    """

    def encode() -> dict[str, Any]:
        given = original or text
        kept, counts = _encode(text, subwords, folder, workers, progress, given)
        for code, path in given.sides if text.keeps_lines else ():
            with atomic_path(raw_folder / f"{text.name}.{code}") as raw:
                with open(raw, "wb") as file:
                    file.writelines(f"{line}\n".encode() for line in read_lines(path))
        return {"kept": kept, "counts": dict(sorted(counts.items()))}

    return json_once(folder / f"{text.name}.json", encode)


def _encode(
    text: Text,
    subwords: Subwords,
    folder: Path,
    workers: Workers,
    progress: Progress,
    given: Text,
) -> tuple[int, Counter[str]]:
    counts: Counter[str] = Counter()
    read = kept = 0
    with contextlib.ExitStack() as stack:
        files = []
        for code, _ in text.sides:
            path = stack.enter_context(atomic_path(folder / f"{text.name}.{code}"))
            files.append(stack.enter_context(open(path, "wb")))
        for chunk in workers.map(_encode_chunk, _chunks(text, subwords)):
            if chunk.blank and text.keeps_lines:
                index, side = chunk.blank[0]
                raise blank_line(f"{given.sides[side][1]}:{read + index + 1}")
            skip = {index for index, _ in chunk.blank}
            for file, lines in zip(files, chunk.sides, strict=True):
                file.writelines(
                    f"{line}\n".encode()
                    for index, line in enumerate(lines)
                    if index not in skip
                )
            counts.update(chunk.counts)
            read += len(chunk.sides[0])
            kept += len(chunk.sides[0]) - len(skip)
            progress.advance(len(chunk.sides[0]), text.name)
    if not kept:
        names = " and ".join(str(path) for _, path in given.sides)
        raise LassError(f"nothing is left of {names} after encoding")
    return kept, counts


def _chunks(text: Text, subwords: Subwords) -> Iterator[_Chunk]:
    lines = zip(*[read_lines(path) for _, path in text.sides], strict=True)
    while block := list(islice(lines, _CHUNK)):
        yield _Chunk(subwords, tuple(map(list, zip(*block, strict=True))))


def _encode_chunk(chunk: _Chunk) -> _EncodedChunk:
    encoded = tuple(chunk.subwords.encode(lines) for lines in chunk.sides)
    blank = [
        (index, side)
        for index, sides in enumerate(zip(*encoded, strict=True))
        for side, line in enumerate(sides)
        if not line
    ]
    skip = {index for index, _ in blank}
    counts = count_tokens(
        line
        for lines in encoded
        for index, line in enumerate(lines)
        if index not in skip
    )
    return _EncodedChunk(encoded, blank, counts)


@dataclass(frozen=True)
class BinaryJob:
    """Encoded text to turn into ``OUTPUT.bin`` and ``OUTPUT.idx``."""

    encoded: Path
    output: str
    dictionary: Path
    digest: str


def binarize(job: BinaryJob) -> dict[str, int]:
    """Write both files as ``fairseq-preprocess`` does (mmap); skip what is there.

    Returns:
        ``tokens`` (with the end of each sentence) and ``unknown``, their numbers.
    """
    return json_once(Path(f"{job.encoded}.binary.json"), lambda: _write_binary(job))


def _write_binary(job: BinaryJob) -> dict[str, int]:
    import numpy
    import torch
    from fairseq.data import indexed_dataset

    dictionary = _dictionary(job.dictionary, job.digest)
    tokens = unknown = 0
    indices = indices_of_text(dictionary)
    unk, eos = dictionary.unk(), dictionary.eos()
    index_path, data_path = Path(f"{job.output}.idx"), Path(f"{job.output}.bin")
    with atomic_path(index_path) as index_file, atomic_path(data_path) as data_file:
        builder = indexed_dataset.make_builder(
            str(data_file), impl="mmap", vocab_size=len(dictionary)
        )
        with open(job.encoded, encoding="utf-8", newline="\n") as lines:
            for line in lines:
                ids = [indices.get(token, unk) for token in line.split()]
                unknown += ids.count(unk)
                ids.append(eos)
                tokens += len(ids)
                builder.add_item(torch.from_numpy(numpy.array(ids)))
        builder.finalize(str(index_file))
    return {"tokens": tokens, "unknown": unknown}


@lru_cache(maxsize=1)
def _dictionary(path: Path, digest: str) -> "Dictionary":
    return load_dictionary(path)
