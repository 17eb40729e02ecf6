"""From parallel text to a fairseq data folder: one subword model, one dictionary."""

import sys
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Mapping, Sequence, TypeVar

from lass_plugin.data import (
    binarization,
    data_folder,
    dictionaries,
    parallel_text,
    subwords,
)
from lass_plugin.data.binarization import Text
from lass_plugin.data.cleaned_text import clean_texts
from lass_plugin.data.parallel_text import CONTROL_SYMBOLS, Bitext, sha256
from lass_plugin.data.preparation_settings import (
    DEFAULT_CHARACTER_COVERAGE,
    DEFAULT_VOCAB_SIZE,
    Added,
    PreparationSettings,
    SubwordSettings,
)
from lass_plugin.data.progress import Progress, tracked
from lass_plugin.data.replaced import keep_replaced
from lass_plugin.data.text_form import DETOKENISED, common_form, is_tokenised
from lass_plugin.data.text_settings import TextSettings
from lass_plugin.data.text_steps import TextSteps
from lass_plugin.data.truecased_text import learn_casing, truecase_texts
from lass_plugin.data.workers import Workers
from lass_plugin.errors import LassError
from lass_plugin.files import json_once, write_bytes, write_text
from lass_plugin.languages import languages_of
from lass_plugin.records.versions import versions_of
from lass_plugin.settings import flag_of

if TYPE_CHECKING:
    from fairseq.data import Dictionary

T = TypeVar("T", bound=Text)

_LOOK = 5000
"""Lines of each file by which the form of a text is found."""


def prepare(settings: PreparationSettings) -> dict:
    """Make the data folder ``settings.out`` from the text.

    Writes, for each split and pair, ``SPLIT.SRC-TGT.LANG.{bin,idx}``; ``dict.LANG.txt``
    and ``dict.txt`` (all the same, without language tokens); ``langs.txt``;
    ``spm.model`` or ``bpe.codes``; ``truecase.LANG``, if that is asked for; the text of
    valid and test as it was given in ``raw/``; and ``preparation.json``. While it runs
    it needs room for the encoded text as well, and for text that is tokenised or
    cleaned. An interrupted run goes on if text and options are the same, else it starts
    over.

    Returns:
        What ``preparation.json`` holds (versions, options, hashes of the inputs,
        counts, names and sizes of the files) and ``done``: False if the folder already
        was what it would have become.
    Raises:
        LassError: the text is unusable, or the folder holds something else.
    """
    settings.check()
    text = settings.text
    bitexts, absent = parallel_text.find_bitexts(
        text, settings.pairs, settings.test_pairs, settings.through
    )
    idle = parallel_text.unused_training(text, settings.test_pairs, bitexts)
    notes = [f"{text} has no text for {name}" for name in absent]
    notes += [f"{text / name} is not used (--test-pairs)" for name in idle]
    build = partial(_build, bitexts, settings)
    return prepare_once(settings, settings.as_json(), bitexts, notes, build)


def prepare_once(
    settings: SubwordSettings,
    options: dict,
    texts: Sequence[Text],
    notes: Sequence[str],
    build: Callable[[Path, Workers], dict],
) -> dict:
    """Make a data folder, or find it made; see :func:`prepare`.

    Args:
        options: of the preparation, by their names on the command line.
        notes: what to tell the user where there is work to do.
        build: makes its files in the work folder that it is given, below ``new``, and
            describes them.
    """
    out, fresh = settings.out, settings.fresh
    with data_folder.open_work_folder(out) as work:
        with Workers(settings.workers) as pool:
            inputs = _hash_inputs(texts, pool)
        wanted = {"options": options, "inputs": inputs}
        if fresh or not data_folder.was_begun(work, wanted):
            present = data_folder.find_preparation(out, wanted, fresh)
            if present is not None:
                return {**present, "done": False}
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        plan = {"versions": _versions(), **wanted}
        data_folder.begin(work, plan, fresh)
        with Workers(settings.workers) as pool:  # forked with fairseq loaded
            record = {**plan, **build(work, pool)}
        data_folder.commit(out, work, record)
    return {**record, "done": True}


def _versions() -> dict[str, str]:
    import fairseq.data

    names = ("lass-plugin", "sentencepiece", "subword-nmt", "sacremoses")
    return {"fairseq": fairseq.__version__, **versions_of(names, "not installed")}


def _hash_inputs(texts: Sequence[Text], pool: Workers) -> dict[str, str]:
    paths = sorted({path for text in texts for _, path in text.sides})
    sizes = [path.stat().st_size for path in paths]
    hashes = tracked("reading text", pool.map(sha256, paths), sizes)
    return {path.name: digest for path, digest in zip(paths, hashes, strict=True)}


def _build(
    bitexts: list[Bitext], settings: PreparationSettings, work: Path, pool: Workers
) -> dict:
    """Make every file of the data folder in ``work/new``; return its description."""
    new, asked = work / "new", settings.written
    languages = languages_of(settings.pairs)
    if settings.added:
        languages = list(settings.added.languages)
    reserved = frozenset[str]()
    if settings.subword == "none":  # else such words are cut into pieces
        names = {f"__{code}__" for code in (*languages, *settings.langs)}
        reserved = CONTROL_SYMBOLS | names
    check = partial(parallel_text.check, reserved=reserved)
    lines = count_lines(bitexts, check, work, pool)
    total = sum(lines.values())
    form = form_of(bitexts, asked)
    texts, found = clean_texts(bitexts, asked, work / "cleaned", pool, total)
    if asked.truecase:
        given = asked.given_casing
        steps = learn_casing(texts, TextSteps(), new, given, pool)
        texts = truecase_texts(texts, steps, work / "truecased", pool, total)
    encoder = subword_model(texts, settings, new, pool, settings.added)
    kept, counts = encode_texts(texts, encoder, work, pool, total, bitexts)
    if settings.dictionary:
        dictionary = given_dictionary(settings.dictionary, encoder)
        if told := other_steps(settings.dictionary.parent, asked):
            print(f"note: {told}", file=sys.stderr, flush=True)
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
    sides = binarize_texts(texts, work, pool)
    described_here = described(lines, kept, sides, new)
    for name, of_cleaning in found.items():
        described_here["counts"][name]["cleaning"] = of_cleaning
    return {
        "languages": languages,
        "dictionary_size": len(dictionary),
        "text_form": form,
        **described_here,
    }


def other_steps(folder: Path, asked: TextSettings) -> str:
    """What to say of text that is not made as that of *folder* was; empty if it is.

    Args:
        folder: of the dictionary that is given; it need not be a data folder.
    """
    if not (folder / data_folder.RECORD).is_file():
        return ""
    theirs = data_folder.text_settings_of(folder)
    names = ("moses", "truecase", "normalise_punctuation")
    other = [name for name in names if getattr(theirs, name) != getattr(asked, name)]
    if not other:
        return ""
    told = (
        f"{'with' if getattr(theirs, name) else 'without'} {flag_of(asked, name)}"
        for name in other
    )
    return (
        f"the text of {folder}, whose dictionary is given, was prepared "
        f"{', '.join(told)}; a model that was trained on it reads text of that form"
    )


def form_of(texts: Sequence[Bitext], asked: TextSettings) -> str | None:
    """The form of the text that is given; None where it shows none.

    Raises:
        LassError: it is to be tokenised, and is tokenised.
    """
    paths = sorted({path for text in texts for _, path in text.sides})
    read = parallel_text.read_lines
    begun = {path: list(islice(read(path), _LOOK)) for path in paths}
    for path, lines in begun.items():
        if asked.moses and asked.text_form is None and is_tokenised(lines):
            raise LassError(
                f"{path} is tokenised already, and --moses would tokenise it once "
                "more; leave --moses out, or add --text-form "
                f"{DETOKENISED} if it is raw text"
            )
    return asked.form or common_form(begun.values())


def described(
    lines: Mapping[str, int],
    kept: Mapping[str, int],
    sides: Mapping[str, dict],
    new: Path,
) -> dict:
    """The part of a record that says how much of each text is in a folder."""
    counts = {
        name: {"lines": lines[name], "kept": kept[name], "languages": sides[name]}
        for name in lines
    }
    return {"counts": counts, "files": data_folder.files_in(new)}


def given_dictionary(path: Path, encoder: subwords.Subwords) -> "Dictionary":
    """The dictionary *path*; says so where it is not of the subword model."""
    dictionary = dictionaries.load_dictionary(path)
    pieces = encoder.pieces()
    if pieces and (told := dictionaries.unlike_pieces(dictionary, pieces)):
        print(f"note: {path}: {told}", file=sys.stderr, flush=True)
    return dictionary


def encode_texts(
    texts: Sequence[Text],
    encoder: subwords.Subwords,
    work: Path,
    pool: Workers,
    lines: int,
    originals: Sequence[Text] = (),
) -> tuple[dict[str, int], Counter[str]]:
    """Encode every text into ``work/encoded``.

    Args:
        lines: of all texts, for the progress.
        originals: the same texts as they were given, where they are others.

    Returns:
        Name -> number of lines kept; and how often each token is in training text.
    """
    progress = Progress("encoding", lines)
    kept: dict[str, int] = {}
    counts: Counter[str] = Counter()
    raw = work / "new" / "raw"
    for text, original in zip(texts, originals or texts, strict=True):
        result = binarization.encode_text(
            text, encoder, work / "encoded", raw, pool, progress, original
        )
        kept[text.name] = result["kept"]
        if text.split == "train":
            counts.update(result["counts"])
    progress.finish()
    return kept, counts


def count_lines(
    texts: Sequence[T], check: Callable[[T], int], work: Path, pool: Workers
) -> dict[str, int]:
    """Number of lines of every text, or an error for the first that is unusable."""
    names = [text.name for text in texts]
    sizes = [sum(file.stat().st_size for _, file in text.sides) for text in texts]

    def count() -> dict[str, int]:
        counts = tracked("checking text", pool.map(check, texts), sizes)
        return dict(zip(names, counts, strict=True))

    return json_once(work / "lines.json", count)


def subword_model(
    texts: Sequence[Text],
    settings: SubwordSettings,
    new: Path,
    pool: Workers,
    added: Added | None = None,
) -> subwords.Subwords:
    """Copy or train the model of all languages into *new*; nothing for ``none``."""
    if settings.subword == "none":
        return subwords.Subwords("none")
    of_merges = settings.subword == "bpe"
    path = new / ("bpe.codes" if of_merges else "spm.model")
    if given := settings.given_model:
        write_bytes(path, given.read_bytes())
    elif not path.exists():
        write_bytes(path, _trained(_sample(texts, pool), settings))
    kind = "bpe" if of_merges else "sentencepiece"
    return subwords.Subwords(kind, path, sha256(path), added is not None)


def _trained(sentences: list[str], settings: SubwordSettings) -> bytes:
    """The bytes of a subword model of *sentences*."""
    size = settings.vocab_size or DEFAULT_VOCAB_SIZE
    merges = settings.merges
    wanted = f"{size} symbols" if merges is None else f"{merges} merges"
    progress = Progress(
        f"training {settings.subword} ({wanted}, {len(sentences)} sentences)"
    )
    if merges is not None:
        model = subwords.train_bpe(sentences, merges=merges)
    elif settings.subword == "bpe":
        model = subwords.train_bpe(sentences, size)
    else:
        coverage = settings.character_coverage or DEFAULT_CHARACTER_COVERAGE
        kind = "bpe" if settings.subword == "sentencepiece-bpe" else "unigram"
        model = subwords.train_sentencepiece(sentences, size, coverage, kind)
    progress.finish()
    return model


def _sample(texts: Sequence[Text], pool: Workers) -> list[str]:
    """Distinct training sentences, at most the same number for each language."""
    training = [text for text in texts if text.split == "train"]
    sides = [side for text in training for side in text.sides]
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


def binarize_texts(
    texts: Sequence[Text], work: Path, pool: Workers
) -> dict[str, dict[str, dict[str, int]]]:
    """Write the ``.bin`` and ``.idx``; return counts of tokens by name and language."""
    new, encoded = work / "new", work / "encoded"
    digest = sha256(new / "dict.txt")
    sides = [(text, code) for text in texts for code, _ in text.sides]
    names = [(text.name, code) for text, code in sides]
    jobs = [
        binarization.BinaryJob(
            encoded / f"{text.name}.{code}",
            str(new / text.prefix(code)),
            new / "dict.txt",
            digest,
        )
        for text, code in sides
    ]
    sizes = [job.encoded.stat().st_size for job in jobs]
    counts: dict[str, dict[str, dict[str, int]]] = {name: {} for name, _ in names}
    results = tracked("binarizing", pool.map(binarization.binarize, jobs), sizes)
    for (name, code), result in zip(names, results, strict=True):
        counts[name][code] = result
    return counts
