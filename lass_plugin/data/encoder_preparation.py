"""From text of single languages to whole-corpus folders, as XLM-R is trained on."""

from functools import partial
from pathlib import Path

from lass_plugin.data import dictionaries, monolingual_text
from lass_plugin.data.monolingual_text import Corpus
from lass_plugin.data.preparation import (
    binarize_texts,
    count_lines,
    described,
    encode_texts,
    given_dictionary,
    prepare_once,
    subword_model,
)
from lass_plugin.data.preparation_settings import EncoderPreparationSettings
from lass_plugin.data.replaced import keep_replaced
from lass_plugin.data.workers import Workers
from lass_plugin.files import write_bytes, write_text


def prepare_encoder(settings: EncoderPreparationSettings) -> dict:
    """Make the data folder ``settings.out`` from the text.

    Writes ``LANG/{train,valid}.{bin,idx}`` for each language, ``dict.txt``,
    ``langs.txt``, ``spm.model`` and ``preparation.json``. The rest is as
    :func:`.preparation.prepare` has it.

    Returns:
        What ``preparation.json`` holds, and ``done``.
    Raises:
        LassError: the text is unusable, or the folder holds something else.
    """
    settings.check()
    text = settings.text
    corpora, absent = monolingual_text.find_corpora(text, settings.languages)
    notes = [f"{text} has no text for {name}" for name in absent]
    build = partial(_build, corpora, settings)
    return prepare_once(settings, settings.as_json(), corpora, notes, build)


def _build(
    corpora: list[Corpus],
    settings: EncoderPreparationSettings,
    work: Path,
    pool: Workers,
) -> dict:
    """Make every file of the data folder in ``work/new``; return its description."""
    new = work / "new"
    lines = count_lines(corpora, monolingual_text.check_corpus, work, pool)
    encoder = subword_model(corpora, settings, new, pool)
    kept, counts = encode_texts(corpora, encoder, work, pool, sum(lines.values()))
    if settings.dictionary:
        dictionary = given_dictionary(settings.dictionary, encoder)
        write_bytes(new / "dict.txt", settings.dictionary.read_bytes())
    else:
        pieces = encoder.pieces() or ()
        dictionary = dictionaries.dictionary_of_pieces(pieces, counts)
        dictionaries.save_dictionary(dictionary, [new / "dict.txt"])
    write_text(new / "langs.txt", "".join(f"{code}\n" for code in settings.languages))
    keep_replaced(settings.out, new)  # while one may still stop it
    sides = binarize_texts(corpora, work, pool)
    return {
        "languages": list(settings.languages),
        "dictionary_size": len(dictionary),
        **described(lines, kept, sides, new),
    }
