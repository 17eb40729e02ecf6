"""Made-up parallel data: Zipf-distributed words, log-normal sentence lengths.

A target sentence is its source, every word replaced by another, cut or repeated to a
length that is correlated with the source's. Files are written in fairseq's indexed
format with numpy alone, fast enough for millions of sentences.
"""

import struct
from pathlib import Path
from typing import Mapping

import numpy as np

MEAN_LENGTH = 25.0
SPREAD = 0.6
"""Standard deviation of the logarithm of a sentence's length."""
RATIO_SPREAD = 0.2
"""Standard deviation of the logarithm of target length / source length."""
LONGEST = 200
SPECIAL = 4
"""Symbols that a fairseq dictionary begins with; 2 ends a sentence."""
END = 2
_UINT16 = 8  # fairseq's code of the type in the header of an index


def lengths(count: int, rng: np.random.Generator) -> np.ndarray:
    """``(count, 2)`` tokens of source and target, the end symbol included."""
    mean = np.log(MEAN_LENGTH) - SPREAD**2 / 2
    source = rng.normal(mean, SPREAD, count)
    target = source + rng.normal(0.0, RATIO_SPREAD, count)
    words = np.exp(np.stack([source, target], axis=1)).round().astype(np.int64)
    return words.clip(1, LONGEST) + 1


def unequal_sizes(pairs: int, total: int) -> list[int]:
    """Sentences of each pair, falling as 1 / rank."""
    shares = 1.0 / np.arange(1, pairs + 1)
    return np.maximum(100, shares / shares.sum() * total).astype(int).tolist()


def pair_names(count: int) -> list[str]:
    """``l01-en``, ``en-l01``, ``l02-en``, … in both directions."""
    names = []
    for number in range(1, count // 2 + 1 + count % 2):
        names += [f"l{number:02d}-en", f"en-l{number:02d}"]
    return names[:count]


def write_folder(
    folder: Path,
    sizes: Mapping[str, int],
    *,
    types: int = 8000,
    seed: int = 1,
    split: str = "train",
) -> None:
    """Write the data of every pair, the dictionaries and the list of languages.

    Args:
        sizes: pair -> number of sentences.
        types: entries of the dictionary, special symbols and language tokens aside.
    """
    folder.mkdir(parents=True, exist_ok=True)
    languages = sorted({code for pair in sizes for code in pair.split("-")})
    words = "".join(f"w{number} 1\n" for number in range(types))
    for language in languages:
        (folder / f"dict.{language}.txt").write_text(words)
    (folder / "langs.txt").write_text("".join(f"{code}\n" for code in languages))
    for number, (pair, count) in enumerate(sizes.items()):
        rng = np.random.default_rng([seed, number])
        source, target = pair.split("-")
        sides = _words(lengths(count, rng), types, rng)
        for language, (counts, tokens) in zip((source, target), sides, strict=True):
            _write(folder / f"{split}.{pair}.{language}", counts, tokens)


def _words(
    sizes: np.ndarray, types: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Lengths and words of the source side and of the target side."""
    sources, targets = sizes[:, 0], sizes[:, 1]
    shares = 1.0 / np.arange(1, types + 1)
    block = rng.choice(types, size=1 << 18, p=shares / shares.sum()) + SPECIAL
    block = block.astype(np.uint16)
    source = np.resize(block, int(sources.sum()))
    other = (rng.permutation(types) + SPECIAL).astype(np.uint16)
    starts = np.cumsum(sources) - sources
    within = np.arange(int(targets.sum())) - np.repeat(
        np.cumsum(targets) - targets, targets
    )
    place = np.repeat(starts, targets) + within % np.repeat(sources, targets)
    target = other[source[place] - SPECIAL]
    source[np.cumsum(sources) - 1] = END
    target[np.cumsum(targets) - 1] = END
    return [(sources, source), (targets, target)]


def write_lengths_only(
    folder: Path, sizes: Mapping[str, int], *, types: int = 8000, seed: int = 1
) -> None:
    """As :func:`write_folder`, but every sentence holds the same words: fast."""
    write_folder(folder, dict.fromkeys(sizes, 1), types=types, seed=seed)
    for number, (pair, count) in enumerate(sizes.items()):
        table = lengths(count, np.random.default_rng([seed, number]))
        for side, language in enumerate(pair.split("-")):
            tokens = np.full(int(table[:, side].sum()), SPECIAL, dtype=np.uint16)
            _write(folder / f"train.{pair}.{language}", table[:, side], tokens)


def _write(prefix: Path, counts: np.ndarray, tokens: np.ndarray) -> None:
    """``prefix.bin`` and ``prefix.idx`` as fairseq's ``MMapIndexedDataset`` reads."""
    tokens.tofile(f"{prefix}.bin")
    starts = (np.cumsum(counts) - counts) * tokens.itemsize
    with open(f"{prefix}.idx", "wb") as file:
        file.write(b"MMIDIDX\x00\x00")
        file.write(struct.pack("<QBQ", 1, _UINT16, len(counts)))
        file.write(counts.astype(np.int32).tobytes())
        file.write(starts.astype(np.int64).tobytes())


def names_in(folder: Path, split: str = "train", mirrored: bool = True) -> list[str]:
    """The pairs of a data folder.

    Args:
        mirrored: the other direction of each too, as ``lass prepare`` means it.
    """
    found: list[str] = []
    for path in sorted(folder.glob(f"{split}.*-*.*.idx")):
        pair = path.name.split(".")[1]
        if pair not in found:
            found.append(pair)
    others = ["-".join(reversed(pair.split("-"))) for pair in found]
    return found + [pair for pair in others if mirrored and pair not in found]
