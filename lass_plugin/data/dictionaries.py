"""Dictionaries of fairseq: read, built of counted tokens, checked, written."""

from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Mapping, Sequence

from lass_plugin.data.parallel_text import sha256
from lass_plugin.errors import LassError
from lass_plugin.files import write_bytes
from lass_plugin.languages import Pair

if TYPE_CHECKING:
    from fairseq.data import Dictionary


_OVERWRITE = "#fairseq:overwrite"
"""What fairseq has behind a symbol that takes the place of an earlier one."""


def load_dictionary(path: Path) -> "Dictionary":
    """Read a dictionary in fairseq's format.

    Raises:
        LassError: it is not there, or something else; or begins with a byte order
            mark, which fairseq reads as part of the first symbol.
    """
    from fairseq.data import Dictionary

    if not path.is_file():
        raise LassError(
            f"there is no dictionary {path}; make the data folder with 'lass prepare' "
            "or fairseq-preprocess with one joint dictionary"
        )
    dictionary = Dictionary()
    numbers: dict[str, int] = {}
    number = 0
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                symbol, count, overwrite = _read_entry(line)
                if symbol in dictionary and not overwrite:
                    before = numbers.get(symbol)
                    raise LassError(
                        f"{path}:{number} has the symbol {symbol} of "
                        f"{f'line {before}' if before else 'fairseq itself'} once "
                        "more; take out one of the two, where no model was trained "
                        f"with them, or write {_OVERWRITE} behind the second"
                    )
                numbers[symbol] = number
                dictionary.add_symbol(symbol, count, overwrite)
    except (OSError, ValueError) as error:
        line = "" if isinstance(error, UnicodeError) else f"line {number}: "
        raise LassError(
            f"{path} is not a dictionary of fairseq, or is cut ({line}{error}); give a "
            "file with a symbol and its count on each line"
        ) from error
    first = dictionary.symbols[dictionary.nspecial : dictionary.nspecial + 1]
    if first and first[0].startswith("\ufeff"):
        raise LassError(
            f"{path} begins with a byte order mark, which makes its first symbol "
            "another; save it as UTF-8 without one, and prepare again the data that "
            "were made with it"
        )
    return dictionary


def _read_entry(line: str) -> tuple[str, int, bool]:
    """Symbol, count and whether the symbol replaces an earlier one.

    Raises:
        ValueError: the line is something else.
    """
    entry = line.rstrip()
    overwrite = entry.endswith(f" {_OVERWRITE}")
    symbol, space, count = entry.removesuffix(f" {_OVERWRITE}").rpartition(" ")
    try:
        if space:
            return symbol, int(count), overwrite
    except ValueError:
        pass
    raise ValueError(f"there is no count in '{entry[:60]}'")


def indices_of_text(dictionary: "Dictionary") -> dict[str, int]:
    """Index of each symbol that text can have: fairseq's own symbols are none."""
    return {
        symbol: index
        for symbol, index in dictionary.indices.items()
        if index >= dictionary.nspecial
    }


def joint_dictionary(
    folders: Sequence[Path], given: str | None, pairs: Sequence[Pair], side: str
) -> "Dictionary":
    """The one dictionary of all source or all target languages.

    Args:
        folders: that of the data, and further ones of its training data, in which
            dictionaries may be missing.
        given: file to use instead of ``dict.LANG.txt``.
        side: ``source`` or ``target``.

    Raises:
        LassError: missing, or two languages of the side have different ones; or text
            was binarized with another one than *given*.
    """
    names = sorted({f"dict.{getattr(pair, side)}.txt" for pair in pairs})
    if given:
        dictionary = load_dictionary(Path(given))
        places = [each / name for each in folders for name in names]
        _check_binarized(dictionary, Path(given), places, side)
        return dictionary
    (first, *others), *shards = ([each / name for name in names] for each in folders)
    others += [path for shard in shards for path in shard if path.is_file()]
    dictionary = load_dictionary(first)
    for path in others:
        if load_dictionary(path).symbols != dictionary.symbols:
            raise LassError(
                f"{path} differs from {first}; all {side} languages "
                "share one dictionary, so binarize with a joint one or give "
                f"--{side}-dict"
            )
    return dictionary


def _check_binarized(
    dictionary: "Dictionary", path: Path, places: Iterable[Path], side: str
) -> None:
    """Refuse text that other symbols number than those of *dictionary*.

    Args:
        path: of *dictionary*, which may have more symbols behind those of the text.
        places: dictionaries that text was binarized with, if they are there.

    Raises:
        LassError: names the first that differs.
    """
    known = {sha256(path)}
    for place in places:
        if not place.is_file() or (digest := sha256(place)) in known:
            continue
        known.add(digest)
        symbols = load_dictionary(place).symbols
        if dictionary.symbols[: len(symbols)] != symbols:
            raise LassError(
                f"the text in {place.parent} was binarized with {place}, whose symbols "
                f"have other numbers in --{side}-dict {path}, so words would be taken "
                "for others; binarize it with that one (lass prepare --dict …)"
            )


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


def dictionary_of_pieces(
    pieces: Sequence[str], counts: Mapping[str, int]
) -> "Dictionary":
    """Every piece of a SentencePiece model in its order, as XLM-R's dictionary is made.

    A piece then has the index that the model gives it, plus one.
    """
    from fairseq.data import Dictionary

    dictionary = Dictionary()
    for piece in pieces:
        dictionary.add_symbol(piece, counts.get(piece, 0))
    return dictionary


def unlike_pieces(dictionary: "Dictionary", pieces: Iterable[str]) -> str:
    """What to say of a dictionary that is not of a subword model; empty if it is.

    A dictionary may have symbols that are no pieces (language tokens, padding, those of
    pairs that were added) and need not have every piece: one in ten may differ.

    Args:
        pieces: every piece of the model.
    """
    known = set(pieces)
    symbols = [
        symbol
        for symbol in dictionary.symbols[dictionary.nspecial :]
        if not symbol.startswith(("madeupword", "__", "["))
    ]
    shared = sum(symbol in known for symbol in symbols)
    if shared >= 0.9 * min(len(symbols), len(known)):
        return ""
    return (
        f"only {shared} of the {len(symbols)} symbols of the dictionary are among the "
        f"{len(known)} pieces of the subword model, so they may be of two models"
    )


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
    first = dictionary.nspecial
    seen, lines = set(dictionary.symbols[:first]), []
    for symbol, count in zip(
        dictionary.symbols[first:], dictionary.count[first:], strict=True
    ):
        flag = f" {_OVERWRITE}" if symbol in seen else ""
        lines.append(f"{symbol} {count}{flag}\n")
        seen.add(symbol)
    content = "".join(lines).encode()
    for path in paths:
        write_bytes(path, content)
