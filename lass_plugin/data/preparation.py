"""From parallel text to a fairseq data folder: one subword model, one dictionary."""

import importlib.metadata
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from lass_plugin.data import (
    binarization,
    data_folder,
    dictionaries,
    parallel_text,
    subwords,
)
from lass_plugin.data.parallel_text import CONTROL_SYMBOLS, Bitext, sha256
from lass_plugin.data.preparation_settings import (
    DEFAULT_CHARACTER_COVERAGE,
    DEFAULT_VOCAB_SIZE,
    PreparationSettings,
)
from lass_plugin.data.progress import Progress, tracked
from lass_plugin.data.replaced import keep_replaced
from lass_plugin.data.workers import Workers
from lass_plugin.files import json_once, write_bytes, write_text
from lass_plugin.languages import languages_of


def prepare(settings: PreparationSettings) -> dict:
    """Make the data folder ``settings.out`` from the text.

    Writes, for each split and pair, ``SPLIT.SRC-TGT.LANG.{bin,idx}``; ``dict.LANG.txt``
    and ``dict.txt`` (all the same, without language tokens); ``langs.txt``;
    ``spm.model`` or ``bpe.codes``; the text of valid and test in ``raw/``; and
    ``preparation.json``. While it runs it needs room for the encoded text as well. An
    interrupted run goes on if text and options are the same, else it starts over.

    Returns:
        What ``preparation.json`` holds (versions, options, hashes of the inputs,
        counts, names and sizes of the files) and ``done``: False if the folder already
        was what it would have become.
    Raises:
        LassError: the text is unusable, or the folder holds something else.
    """
    settings.check()
    text, out = settings.text, settings.out
    workers, fresh = settings.workers, settings.fresh
    bitexts, absent = parallel_text.find_bitexts(
        text, settings.pairs, settings.test_pairs, settings.through
    )
    with data_folder.open_work_folder(out) as work:
        with Workers(workers) as pool:
            inputs = _hash_inputs(bitexts, pool)
        wanted = {"options": settings.as_json(), "inputs": inputs}
        if fresh or not data_folder.was_begun(work, wanted):
            present = data_folder.find_preparation(out, wanted, fresh)
            if present is not None:
                return {**present, "done": False}
        for name in absent:
            print(f"note: {text} has no text for {name}", file=sys.stderr)
        idle = parallel_text.unused_training(text, settings.test_pairs, bitexts)
        for name in idle:
            print(f"note: {text / name} is not used (--test-pairs)", file=sys.stderr)
        plan = {"versions": _versions(), **wanted}
        data_folder.begin(work, plan, fresh)
        with Workers(workers) as pool:  # forked with fairseq loaded: no second wait
            record = {**plan, **_build(bitexts, settings, work, pool)}
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
    sizes = [path.stat().st_size for path in paths]
    hashes = tracked("reading text", pool.map(sha256, paths), sizes)
    return {path.name: digest for path, digest in zip(paths, hashes, strict=True)}


def _build(
    bitexts: list[Bitext], settings: PreparationSettings, work: Path, pool: Workers
) -> dict:
    """Make every file of the data folder in ``work/new``; return its description."""
    new, encoded = work / "new", work / "encoded"
    languages = languages_of(settings.pairs)
    if settings.added:
        languages = list(settings.added.languages)
    reserved = frozenset[str]()
    if settings.subword == "none":  # else such words are cut into pieces
        names = {f"__{code}__" for code in (*languages, *settings.langs)}
        reserved = CONTROL_SYMBOLS | names
    lines = _check(bitexts, reserved, work, pool)
    encoder = _subword_model(bitexts, settings, new, pool)
    progress = Progress("encoding", sum(lines.values()))
    kept: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for bitext in bitexts:
        result = binarization.encode_bitext(
            bitext, encoder, encoded, new / "raw", pool, progress
        )
        kept[bitext.name] = result["kept"]
        if bitext.split == "train" and not settings.dictionary:
            counts.update(result["counts"])
    progress.finish()
    if settings.dictionary:
        dictionary = dictionaries.load_dictionary(settings.dictionary)
        pieces = encoder.pieces()
        if pieces and (told := dictionaries.unlike_pieces(dictionary, pieces)):
            print(f"note: {settings.dictionary}: {told}", file=sys.stderr, flush=True)
        if not settings.added:
            dictionaries.check_language_tokens(dictionary, languages)
    else:
        limit = settings.vocab_size if settings.subword == "none" else None
        dictionary = dictionaries.build_dictionary(
            counts, encoder.pieces(), limit, languages
        )
    paths = [new / "dict.txt", *(new / f"dict.{code}.txt" for code in languages)]
    dictionaries.save_dictionary(dictionary, paths)
    listed = settings.langs or languages
    write_text(new / "langs.txt", "".join(f"{code}\n" for code in listed))
    keep_replaced(settings.out, new)  # while one may still stop it
    sides = _binarize(bitexts, encoded, new, pool)
    return {
        "languages": languages,
        "dictionary_size": len(dictionary),
        "counts": {
            name: {"lines": lines[name], "kept": kept[name], "languages": sides[name]}
            for name in lines
        },
        "files": data_folder.files_in(new),
    }


def _check(
    bitexts: list[Bitext], reserved: frozenset[str], work: Path, pool: Workers
) -> dict[str, int]:
    """Number of lines of every bitext, or an error for the first that is unusable."""
    names = [bitext.name for bitext in bitexts]
    sizes = [sum(file.stat().st_size for _, file in bitext.sides) for bitext in bitexts]

    def check() -> dict[str, int]:
        checking = pool.map(partial(parallel_text.check, reserved=reserved), bitexts)
        counts = tracked("checking text", checking, sizes)
        return dict(zip(names, counts, strict=True))

    return json_once(work / "lines.json", check)


def _subword_model(
    bitexts: list[Bitext], settings: PreparationSettings, new: Path, pool: Workers
) -> subwords.Subwords:
    """Copy or train the model of all languages into *new*; nothing for ``none``."""
    if settings.subword == "none":
        return subwords.Subwords("none")
    path = new / ("bpe.codes" if settings.subword == "bpe" else "spm.model")
    given = settings.added.bpe_codes if settings.added else None
    if given := settings.spm_model or given:
        write_bytes(path, given.read_bytes())
    elif not path.exists():
        sentences = _sample(bitexts, pool)
        size = settings.vocab_size or DEFAULT_VOCAB_SIZE
        progress = Progress(
            f"training {settings.subword} ({size} symbols, {len(sentences)} sentences)"
        )
        if settings.subword == "bpe":
            model = subwords.train_bpe(sentences, size)
        else:
            coverage = settings.character_coverage or DEFAULT_CHARACTER_COVERAGE
            model = subwords.train_sentencepiece(sentences, size, coverage)
        write_bytes(path, model)
        progress.finish()
    spell = settings.added is not None
    return subwords.Subwords(settings.subword, path, sha256(path), spell)


def _sample(bitexts: list[Bitext], pool: Workers) -> list[str]:
    """Distinct training sentences, at most the same number for each language."""
    training = [bitext for bitext in bitexts if bitext.split == "train"]
    sides = [side for bitext in training for side in bitext.sides]
    languages = sorted({code for code, _ in sides})
    limit = subwords.SAMPLE_SENTENCES // len(languages)
    sizes = [path.stat().st_size for _, path in sides]
    chosen: dict[str, list[str]] = {code: [] for code in languages}
    samples = pool.map(_sample_file, [(path, limit) for _, path in sides])
    samples = tracked("sampling sentences", samples, sizes)
    for (code, _), lines in zip(sides, samples, strict=True):
        chosen[code] = list(subwords.sample(chosen[code] + lines, limit).values())
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
    counts: dict[str, dict[str, dict[str, int]]] = {name: {} for name, _ in names}
    results = tracked("binarizing", pool.map(binarization.binarize, jobs), sizes)
    for (name, code), result in zip(names, results, strict=True):
        counts[name][code] = result
    return counts
