"""From parallel text to a fairseq data folder: one subword model, one dictionary."""

import importlib.metadata
import json
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.data import binarization, data_folder, parallel_text, subwords
from lass_plugin.data.parallel_text import Bitext, sha256
from lass_plugin.data.progress import Progress
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.files import write_bytes, write_json, write_text
from lass_plugin.languages import Pair, languages_of

DEFAULT_VOCAB_SIZE = 8000
DEFAULT_CHARACTER_COVERAGE = 0.9995


@dataclass(frozen=True)
class Added:
    """What the data of pairs that are added to a model has beside its own text.

    *languages* are all of the model, in the order of their tokens; *bpe_codes* those
    that the model's text was encoded with; unknown text is spelled, see
    :class:`.subwords.Subwords`.
    """

    languages: tuple[str, ...]
    bpe_codes: Path | None = None

    def as_json(self) -> dict[str, str | None]:
        codes = sha256(self.bpe_codes) if self.bpe_codes else None
        return {"languages": ",".join(self.languages), "bpe-codes": codes}


@dataclass(frozen=True)
class Options:
    """What a preparation depends on, beside the text. None stands for the default.

    Raises:
        LassError: a value is impossible or would have no effect.
    """

    pairs: tuple[Pair, ...]
    subword: str = "sentencepiece"
    vocab_size: int | None = None
    character_coverage: float | None = None
    spm_model: Path | None = None
    dictionary: Path | None = None
    test_pairs: tuple[Pair, ...] = ()
    through: str | None = None
    added: "Added | None" = None
    langs: tuple[str, ...] = ()
    """Of the pretrained model that *dictionary* is of, in the order of its tokens."""

    def __post_init__(self) -> None:
        self._check_test_pairs()
        if self.subword not in subwords.KINDS:
            kinds = ", ".join(subwords.KINDS)
            raise LassError(f"--subword {self.subword} is unknown; choose from {kinds}")
        if self.vocab_size is not None and self.vocab_size < 1:
            raise LassError(f"--vocab-size is {self.vocab_size}; give a number above 0")
        coverage = self.character_coverage
        if coverage is not None and not 0 < coverage <= 1:
            raise LassError(
                f"--character-coverage is {coverage}; give a share above 0, at most 1"
            )
        if self.spm_model and self.subword != "sentencepiece":
            raise LassError(
                f"--spm-model has no effect with --subword {self.subword}; "
                "leave one of them out"
            )
        if coverage is not None and not self._trains_sentencepiece:
            raise LassError(
                "--character-coverage has an effect only when a SentencePiece model "
                "is trained; leave it out"
            )
        if self.vocab_size and (self.spm_model or self.dictionary):
            reason = "--spm-model" if self.spm_model else "--dict"
            raise LassError(f"--vocab-size has no effect with {reason}; leave it out")
        model = self.spm_model or (self.added and self.added.bpe_codes)
        if self.dictionary and self.subword != "none" and not model:
            raise LassError(
                "--dict belongs to a subword model that exists already; add "
                "--spm-model FILE, or --subword none for text that is encoded"
            )

        self._check_langs()

    def _check_langs(self) -> None:
        if not self.langs:
            return
        if self.dictionary is None:
            raise LassError(
                "--langs are the languages of a pretrained model; add its --dict, or "
                "leave --langs out"
            )
        for code in languages_of(self.pairs):
            if code not in self.langs:
                raise LassError(
                    f"the model has no token for the language {code}: --langs has "
                    f"{', '.join(self.langs)}; leave the pairs of {code} out, or take "
                    "a model that was trained on it"
                )

    def _check_test_pairs(self) -> None:
        trained = languages_of(self.pairs)
        for pair in self.test_pairs:
            if pair in self.pairs:
                raise LassError(
                    f"{pair} is in both --pairs and --test-pairs; keep it in --pairs "
                    "to train on it, else in --test-pairs"
                )
            for code in (pair.source, pair.target):
                if code not in trained:
                    raise LassError(
                        f"no pair of --pairs has the language {code} of the test pair "
                        f"{pair}, so nothing would be trained on it; add such a pair "
                        "or leave the test pair out"
                    )
        if self.through and not self.test_pairs:
            raise LassError(
                "--through has no effect without --test-pairs; leave it out"
            )

    @property
    def _trains_sentencepiece(self) -> bool:
        return self.subword == "sentencepiece" and self.spm_model is None

    def as_json(self) -> dict[str, str | int | float | None]:
        """Values by their names on the command line; files by their SHA-256."""
        size, coverage = self.vocab_size, self.character_coverage
        trains_bpe = self.subword == "bpe" and self.added is None
        if self._trains_sentencepiece or trains_bpe:
            size = size or DEFAULT_VOCAB_SIZE
        if self._trains_sentencepiece:
            coverage = coverage or DEFAULT_CHARACTER_COVERAGE
        return {
            "pairs": ",".join(map(str, self.pairs)),
            "subword": self.subword,
            "vocab-size": size,
            "character-coverage": coverage,
            "spm-model": sha256(self.spm_model) if self.spm_model else None,
            "dict": sha256(self.dictionary) if self.dictionary else None,
            "test-pairs": ",".join(map(str, self.test_pairs)) or None,
            "through": self.through,
            "langs": ",".join(self.langs) or None,
            **(self.added.as_json() if self.added else {}),
        }


def prepare(
    text_dir: str | os.PathLike,
    out_dir: str | os.PathLike,
    options: Options,
    workers: int = 1,
    fresh: bool = False,
) -> dict:
    """Make the data folder *out_dir* from the text in *text_dir*.

    Writes, for each split and pair, ``SPLIT.SRC-TGT.LANG.{bin,idx}``; ``dict.LANG.txt``
    and ``dict.txt`` (all the same, without language tokens); ``langs.txt``;
    ``spm.model`` or ``bpe.codes``; the text of valid and test in ``raw/``; and
    ``preparation.json``. While it runs it needs room for the encoded text as well. An
    interrupted run goes on if text and options are the same, else it starts over.

    Args:
        workers: number of processes; the result does not depend on it.
        fresh: start over, and replace a preparation that was made differently.
    Returns:
        What ``preparation.json`` holds (versions, options, hashes of the inputs,
        counts, names and sizes of the files) and ``done``: False if the folder already
        was what it would have become.
    Raises:
        LassError: the text is unusable, or *out_dir* holds something else.
    """
    if workers < 1:
        raise LassError(f"--workers is {workers}; give a number above 0")
    text, out = Path(text_dir), Path(out_dir)
    bitexts, absent = parallel_text.find_bitexts(
        text, options.pairs, options.test_pairs, options.through
    )
    with data_folder.open_work_folder(out) as work:
        with Workers(workers) as pool:
            inputs = _hash_inputs(bitexts, pool)
        wanted = {"options": options.as_json(), "inputs": inputs}
        if fresh or not data_folder.was_begun(work, wanted):
            present = data_folder.find_preparation(out, wanted, fresh)
            if present is not None:
                return {**present, "done": False}
        for name in absent:
            print(f"note: {text} has no text for {name}", file=sys.stderr)
        idle = parallel_text.unused_training(text, options.test_pairs, bitexts)
        for name in idle:
            print(f"note: {text / name} is not used (--test-pairs)", file=sys.stderr)
        plan = {"versions": _versions(), **wanted}
        data_folder.begin(work, plan, fresh)
        with Workers(workers) as pool:  # forked with fairseq loaded: no second wait
            record = {**plan, **_build(bitexts, options, work, pool)}
        data_folder.commit(out, work, record)
    return {**record, "done": True}


def _versions() -> dict[str, str]:
    import fairseq.data

    versions = {"fairseq": fairseq.__version__}
    for name in ("lass-plugin", "sentencepiece", "subword-nmt"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _hash_inputs(bitexts: list[Bitext], pool: Workers) -> dict[str, str]:
    paths = sorted({path for bitext in bitexts for _, path in bitext.sides})
    progress = Progress("reading text", sum(path.stat().st_size for path in paths))
    hashes = {}
    for path, digest in zip(paths, pool.map(sha256, paths), strict=True):
        hashes[path.name] = digest
        progress.advance(path.stat().st_size)
    progress.finish()
    return hashes


def _build(bitexts: list[Bitext], options: Options, work: Path, pool: Workers) -> dict:
    """Make every file of the data folder in ``work/new``; return its description."""
    new, encoded = work / "new", work / "encoded"
    languages = languages_of(options.pairs)
    if options.added:
        languages = list(options.added.languages)
    lines = _check(bitexts, work, pool)
    encoder = _subword_model(bitexts, options, new, pool)
    progress = Progress("encoding", sum(lines.values()))
    kept = {
        bitext.name: binarization.encode_bitext(
            bitext, encoder, encoded, new / "raw", pool, progress
        )
        for bitext in bitexts
    }
    progress.finish()
    if options.dictionary:
        dictionary = binarization.load_dictionary(options.dictionary)
        if not options.added:
            binarization.check_language_tokens(dictionary, languages)
    else:
        counts: Counter[str] = Counter()
        for bitext in bitexts:
            if bitext.split == "train":
                counts.update(binarization.token_counts(bitext, encoded))
        limit = options.vocab_size if options.subword == "none" else None
        dictionary = binarization.build_dictionary(
            counts, encoder.pieces(), limit, languages
        )
    paths = [new / "dict.txt", *(new / f"dict.{code}.txt" for code in languages)]
    binarization.save_dictionary(dictionary, paths)
    sides = _binarize(bitexts, encoded, new, pool)
    listed = options.langs or languages
    write_text(new / "langs.txt", "".join(f"{code}\n" for code in listed))
    return {
        "languages": languages,
        "dictionary_size": len(dictionary),
        "counts": {
            name: {"lines": lines[name], "kept": kept[name], "languages": sides[name]}
            for name in lines
        },
        "files": data_folder.files_in(new),
    }


def _check(bitexts: list[Bitext], work: Path, pool: Workers) -> dict[str, int]:
    """Number of lines of every bitext, or an error for the first that is unusable."""
    path = work / "lines.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    sizes = [sum(file.stat().st_size for _, file in bitext.sides) for bitext in bitexts]
    progress = Progress("checking text", sum(sizes))
    lines = {}
    results = pool.map(parallel_text.check, bitexts)
    for bitext, size, number in zip(bitexts, sizes, results, strict=True):
        lines[bitext.name] = number
        progress.advance(size)
    progress.finish()
    write_json(path, lines)
    return lines


def _subword_model(
    bitexts: list[Bitext], options: Options, new: Path, pool: Workers
) -> subwords.Subwords:
    """Copy or train the model of all languages into *new*; nothing for ``none``."""
    if options.subword == "none":
        return subwords.Subwords("none")
    path = new / ("bpe.codes" if options.subword == "bpe" else "spm.model")
    given = options.added.bpe_codes if options.added else None
    if given := options.spm_model or given:
        write_bytes(path, given.read_bytes())
    elif not path.exists():
        sentences = _sample(bitexts, pool)
        size = options.vocab_size or DEFAULT_VOCAB_SIZE
        progress = Progress(
            f"training {options.subword} ({size} symbols, {len(sentences)} sentences)"
        )
        if options.subword == "bpe":
            model = subwords.train_bpe(sentences, size)
        else:
            coverage = options.character_coverage or DEFAULT_CHARACTER_COVERAGE
            model = subwords.train_sentencepiece(sentences, size, coverage)
        write_bytes(path, model)
        progress.finish()
    spell = options.added is not None
    return subwords.Subwords(options.subword, path, sha256(path), spell)


def _sample(bitexts: list[Bitext], pool: Workers) -> list[str]:
    """Distinct training sentences, at most the same number for each language."""
    training = [bitext for bitext in bitexts if bitext.split == "train"]
    sides = [side for bitext in training for side in bitext.sides]
    languages = sorted({code for code, _ in sides})
    limit = subwords.SAMPLE_SENTENCES // len(languages)
    sizes = [path.stat().st_size for _, path in sides]
    progress = Progress("sampling sentences", sum(sizes))
    chosen: dict[str, list[str]] = {code: [] for code in languages}
    samples = pool.map(_sample_file, [(path, limit) for _, path in sides])
    for (code, _), size, lines in zip(sides, sizes, samples, strict=True):
        chosen[code] = list(subwords.sample(chosen[code] + lines, limit).values())
        progress.advance(size)
    progress.finish()
    return [line for code in languages for line in chosen[code]]


def _sample_file(job: tuple[Path, int]) -> list[str]:
    path, limit = job
    return list(subwords.sample(parallel_text.read_lines(path), limit).values())


def _binarize(
    bitexts: list[Bitext], encoded: Path, new: Path, pool: Workers
) -> dict[str, dict[str, dict[str, int]]]:
    """Write the ``.bin`` and ``.idx``; return counts of tokens by name and language."""
    digest = sha256(new / "dict.txt")
    names = [(bitext.name, code) for bitext in bitexts for code, _ in bitext.sides]
    jobs = [
        binarization.BinaryJob(
            encoded / f"{name}.{code}", f"{new / name}.{code}", new / "dict.txt", digest
        )
        for name, code in names
    ]
    sizes = [job.encoded.stat().st_size for job in jobs]
    progress = Progress("binarizing", sum(sizes))
    counts: dict[str, dict[str, dict[str, int]]] = {name: {} for name, _ in names}
    results = pool.map(binarization.binarize, jobs)
    for (name, code), size, result in zip(names, sizes, results, strict=True):
        counts[name][code] = result
        progress.advance(size)
    progress.finish()
    return counts
