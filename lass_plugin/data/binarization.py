"""From checked text to what fairseq reads: a dictionary, .bin and .idx files."""

import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Iterator, Sequence

from lass_plugin.data.parallel_text import Bitext, blank_line, read_lines
from lass_plugin.data.progress import Progress
from lass_plugin.data.subwords import Subwords, count_tokens
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.files import atomic_path, write_bytes, write_json

if TYPE_CHECKING:
    from fairseq.data import Dictionary

_CHUNK = 2000
"""Pairs of lines that a worker encodes at once."""


@dataclass(frozen=True)
class _Chunk:
    subwords: Subwords
    lines: tuple[list[str], list[str]]


@dataclass(frozen=True)
class _EncodedChunk:
    """Encoded lines of both sides, where a side is empty, and counts of tokens."""

    lines: tuple[list[str], list[str]]
    blank: list[tuple[int, int]]  # (index of the line in the chunk, side)
    counts: Counter[str]


def encode_bitext(
    bitext: Bitext,
    subwords: Subwords,
    folder: Path,
    raw_folder: Path,
    workers: Workers,
    progress: Progress,
) -> int:
    """Write ``folder/NAME.LANG`` (tokens) and ``folder/NAME.json``; skip what is there.

    In train a pair of lines with an empty side is dropped; for valid and test the
    lines as they were are written to *raw_folder* under the same names.

    Args:
        progress: advanced by the number of lines.
    Returns:
        The number of pairs of lines that were kept.
    Raises:
        LassError: nothing is left of a line of valid or test after normalisation.
    """
    record = folder / f"{bitext.name}.json"
    if record.exists():  # written last
        return json.loads(record.read_text(encoding="utf-8"))["kept"]
    counts: Counter[str] = Counter()
    read = kept = 0
    outputs = [folder / f"{bitext.name}.{code}" for code, _ in bitext.sides]
    with atomic_path(outputs[0]) as source, atomic_path(outputs[1]) as target:
        with open(source, "wb") as source_file, open(target, "wb") as target_file:
            for chunk in workers.map(_encode_chunk, _chunks(bitext, subwords)):
                if chunk.blank and bitext.split != "train":
                    index, side = chunk.blank[0]
                    path = bitext.sides[side][1]
                    raise blank_line(f"{path}:{read + index + 1}")
                skip = {index for index, _ in chunk.blank}
                for file, side_lines in zip(
                    (source_file, target_file), chunk.lines, strict=True
                ):
                    file.writelines(
                        f"{line}\n".encode()
                        for index, line in enumerate(side_lines)
                        if index not in skip
                    )
                counts.update(chunk.counts)
                read += len(chunk.lines[0])
                kept += len(chunk.lines[0]) - len(skip)
                progress.advance(len(chunk.lines[0]), bitext.name)
    if not kept:
        raise LassError(
            f"nothing is left of {bitext.source} and {bitext.target} after encoding"
        )
    if bitext.split != "train":
        for code, path in bitext.sides:
            with atomic_path(raw_folder / f"{bitext.name}.{code}") as raw:
                with open(raw, "wb") as file:
                    file.writelines(f"{line}\n".encode() for line in read_lines(path))
    write_json(record, {"kept": kept, "counts": dict(sorted(counts.items()))})
    return kept


def token_counts(bitext: Bitext, folder: Path) -> dict[str, int]:
    """How often each token occurs in a bitext that :func:`encode_bitext` encoded."""
    record = folder / f"{bitext.name}.json"
    return json.loads(record.read_text(encoding="utf-8"))["counts"]


def _chunks(bitext: Bitext, subwords: Subwords) -> Iterator[_Chunk]:
    pairs = zip(read_lines(bitext.source), read_lines(bitext.target), strict=True)
    while block := list(islice(pairs, _CHUNK)):
        yield _Chunk(
            subwords, ([source for source, _ in block], [target for _, target in block])
        )


def _encode_chunk(chunk: _Chunk) -> _EncodedChunk:
    source, target = (chunk.subwords.encode(lines) for lines in chunk.lines)
    blank = [
        (index, side)
        for index, sides in enumerate(zip(source, target, strict=True))
        for side, line in enumerate(sides)
        if not line
    ]
    skip = {index for index, _ in blank}
    counts = count_tokens(
        line
        for lines in (source, target)
        for index, line in enumerate(lines)
        if index not in skip
    )
    return _EncodedChunk((source, target), blank, counts)


def build_dictionary(
    counts: Mapping[str, int],
    pieces: Sequence[str] | None,
    vocab_size: int | None,
    languages: Iterable[str],
) -> "Dictionary":
    """One dictionary for all languages, most frequent first, as fairseq sorts it.

    Args:
        counts: tokens of all training text.
        pieces: with SentencePiece, every piece: exactly these become symbols. Else
            every token of *counts* does, or the *vocab_size* most frequent ones.
    Raises:
        LassError: the text holds the token of a language, such as ``__de__``.
    """
    from fairseq.data import Dictionary

    dictionary = Dictionary()
    for token in counts if pieces is None else pieces:
        dictionary.add_symbol(token, counts.get(token, 0))
    for code in languages:
        if f"__{code}__" in dictionary:
            raise LassError(
                f"the training text holds the word __{code}__, which is the name of a "
                "language token; remove it from the text"
            )
    limit = -1
    if pieces is None and vocab_size is not None:
        limit = vocab_size + dictionary.nspecial
    dictionary.finalize(nwords=limit, padding_factor=8)
    return dictionary


def load_dictionary(path: Path) -> "Dictionary":
    """Read a dictionary in fairseq's format."""
    from fairseq.data import Dictionary

    try:
        with open(path, encoding="utf-8") as file:
            return Dictionary.load(file)
    except (OSError, UnicodeError, ValueError, RuntimeError) as error:
        raise LassError(
            f"{path} is not a dictionary of fairseq ({str(error).splitlines()[0]}); "
            "give a file with a symbol and its count on each line"
        ) from error


def check_language_tokens(dictionary: "Dictionary", languages: Iterable[str]) -> None:
    """Refuse a language that a dictionary with language tokens lacks.

    That of M2M-100 has them, that of M2M-124 has none: there they are appended.

    Raises:
        LassError: the dictionary has the tokens of some of *languages* and not all.
    """
    languages = list(languages)
    present = [code for code in languages if f"__{code}__" in dictionary]
    missing = [code for code in languages if code not in present]
    if present and missing:
        raise LassError(
            f"the dictionary lacks the language {missing[0]}: it has the token "
            f"__{present[0]}__ and no __{missing[0]}__; leave the pairs of "
            f"{missing[0]} out, or take a model that was trained on it"
        )


def save_dictionary(dictionary: "Dictionary", paths: Iterable[Path]) -> None:
    """Write the same dictionary to every path, without fairseq's four own symbols."""
    content = io.StringIO()
    dictionary.save(content)
    for path in paths:
        write_bytes(path, content.getvalue().encode())


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
    import numpy
    import torch
    from fairseq.data import indexed_dataset

    dictionary = _dictionary(job.dictionary, job.digest)
    record = Path(f"{job.encoded}.binary.json")
    if record.exists():  # written last
        return json.loads(record.read_text(encoding="utf-8"))
    tokens = unknown = 0
    indices, unk, eos = dictionary.indices, dictionary.unk(), dictionary.eos()
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
    result = {"tokens": tokens, "unknown": unknown}
    write_json(record, result)
    return result


@lru_cache(maxsize=1)
def _dictionary(path: Path, digest: str) -> "Dictionary":
    return load_dictionary(path)
