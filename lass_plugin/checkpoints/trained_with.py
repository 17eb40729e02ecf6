"""What a model was trained with, compared by content with what is at hand.

An embedding says nothing of the symbols that its rows stand for. With another
dictionary of the same size, languages in another order or other language tokens a model
reads and writes other words, and no shape tells. Another subword model of the same
symbols splits words otherwise than those that the model has seen. So a checkpoint
carries the digests of its dictionaries, and of its subword model where its data has
one, beside its language tokens.
"""

import hashlib
import logging
import os
from typing import Any, Mapping, Sequence

from fairseq.data import Dictionary
from torch import Tensor

from lass_plugin.anatomy.places import SIDES
from lass_plugin.anatomy.vocabulary import embedding_of
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.subwords import Subwords
from lass_plugin.errors import LassError

logger = logging.getLogger(__name__)

ENTRY = "dictionaries"
"""In ``task_state``: side -> number of symbols and digest of its dictionary; under
:data:`SUBWORDS` kind and digest of the subword model, where the data has one; and under
:data:`TEXT` what was done to the text before, where the data says so."""

NAMES = ("source", "target")
"""Of the dictionaries, that of the encoder first."""

SUBWORDS, TEXT = "subwords", "text"


def entry_of(
    dictionaries: Sequence[Dictionary],
    subwords: Subwords | None = None,
    text: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """The entry for the dictionaries of encoder and decoder, with language tokens.

    Args:
        subwords: what the text was encoded with; None, or of kind ``none``, where that
            is not known.
        text: see :func:`.data_folder.text_stated`.
    """
    entry: dict[str, dict[str, Any]] = {
        name: {"symbols": len(each), "sha256": _digest(each)}
        for name, each in zip(NAMES, dictionaries, strict=True)
    }
    if subwords is not None and subwords.digest is not None:
        entry[SUBWORDS] = {"kind": subwords.kind, "sha256": subwords.digest}
    if text is not None:
        entry[TEXT] = dict(text)
    return entry


def _digest(dictionary: Dictionary) -> str:
    text = "\n".join(dictionary.symbols)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_dictionaries(
    task_state: Mapping[str, Any],
    dictionaries: Sequence[Dictionary],
    model: str,
    data: str,
) -> None:
    """Refuse other dictionaries than those that a model was trained with.

    A checkpoint of an earlier version does not say which these were: a warning says so.

    Args:
        task_state: of the model's checkpoint.
        dictionaries: of encoder and decoder, with their language tokens.
        model, data: where these and those are from, for messages.

    Raises:
        LassError: one of them has other symbols or another order of them.
    """
    if ENTRY not in task_state:
        logger.warning(
            f"{model} does not say with which dictionary it was trained; it is taken "
            f"to be that of {data}"
        )
        return
    stated, given = task_state[ENTRY], entry_of(dictionaries)
    parts = [stated.get(name) if isinstance(stated, Mapping) else 0 for name in NAMES]
    if not all(isinstance(p, Mapping) and {*p} == {"symbols", "sha256"} for p in parts):
        raise LassError(f"{model} is damaged: its entry '{ENTRY}' cannot be read")
    for name in NAMES:
        if stated[name] != given[name]:
            theirs, ours = (
                f"{each['symbols']} symbols, sha256 {str(each['sha256'])[:8]}"
                for each in (stated[name], given[name])
            )
            raise LassError(
                f"{model} was trained with another {name} dictionary ({theirs}) than "
                f"{data} has ({ours}), so words would be taken for others; use the "
                "data that it was trained with, or prepare yours with its dictionary "
                "(lass prepare --dict DICTIONARY --spm-model MODEL …)"
            )


def subwords_of(task_state: Mapping[str, Any], model: str) -> Subwords:
    """What the text of a model was encoded with; of kind ``none`` if it is not said.

    Args:
        task_state: of the model's checkpoint.
        model: for messages.

    Raises:
        LassError: the entry is damaged.
    """
    entry = task_state.get(ENTRY)
    stated = entry.get(SUBWORDS) if isinstance(entry, Mapping) else None
    if stated is None:
        return Subwords("none")
    found = dict(stated) if isinstance(stated, Mapping) else {}
    kind, digest = found.get("kind"), found.get("sha256")
    if not (isinstance(kind, str) and isinstance(digest, str)):
        raise LassError(f"{model} is damaged: its entry '{SUBWORDS}' cannot be read")
    return Subwords(kind, digest=digest)


def check_subwords(
    task_state: Mapping[str, Any], given: Subwords, model: str, allowed: str = ""
) -> None:
    """Refuse another subword model than the one a model was trained with.

    Text that is encoded already, and a checkpoint of an earlier version, do not say
    with what: then there is nothing to compare.

    Args:
        task_state: of the model's checkpoint.
        given: the subword model at hand.
        model: where the model is from, for messages.
        allowed: the option that allows another one, where there is such.

    Raises:
        LassError: names both.
    """
    theirs = subwords_of(task_state, model)
    if None in (theirs.digest, given.digest) or theirs.digest == given.digest:
        return
    raise LassError(
        f"{model} was trained with another subword model ({_short(theirs)}) than "
        f"{given.model} ({_short(given)}), which splits words otherwise; give the one "
        "that it was trained with, or prepare your data with it (lass prepare --dict "
        f"DICTIONARY --spm-model MODEL …){f', or add {allowed}' if allowed else ''}"
    )


def _short(subwords: Subwords) -> str:
    return f"{subwords.kind}, sha256 {str(subwords.digest)[:8]}"


def text_of(task_state: Mapping[str, Any], model: str) -> Mapping[str, Any] | None:
    """How the text of a model came to be; None if that is not said.

    Args:
        task_state: of the model's checkpoint.
        model: for messages.

    Raises:
        LassError: the entry is damaged.
    """
    entry = task_state.get(ENTRY)
    stated = entry.get(TEXT) if isinstance(entry, Mapping) else None
    casing = stated.get("truecased") if isinstance(stated, Mapping) else None
    if stated is not None and not isinstance(casing, Mapping):
        raise LassError(f"{model} is damaged: its entry '{TEXT}' cannot be read")
    return stated


def compare_text(
    task_state: Mapping[str, Any],
    given: Mapping[str, Any] | None,
    model: str,
    data: str,
) -> None:
    """Warn of text that came to be otherwise than that of a model.

    Nothing is refused, since it may have got that form before it was prepared.

    Args:
        task_state: of the model's checkpoint.
        given: of the data, see :func:`.data_folder.text_stated`.
        model, data: where these and those are from.

    Raises:
        LassError: the entry of the checkpoint is damaged.
    """
    stated = text_of(task_state, model)
    if stated is None or given is None:
        return
    other = []
    for step in ("tokenised", "normalised"):
        theirs, ours = stated.get(step), given.get(step)
        if None not in (theirs, ours) and theirs != ours:
            other.append(f"{'not ' if ours else ''}{step}")
    theirs, ours = (each["truecased"] for each in (stated, given))
    if bool(theirs) != bool(ours):
        other.append(f"{'not ' if ours else ''}truecased")
    elif any(theirs[code] != ours[code] for code in theirs.keys() & ours):
        other.append("truecased by other forms (truecase.LANG)")
    if other:
        logger.warning(
            f"{model} was trained on text that was {' and '.join(other)}, and that of "
            f"{data} is otherwise; a model reads and writes text like its own (lass "
            "prepare --moses, --normalise-punctuation, --truecase-model DIR)"
        )


def check_start(
    path: str | os.PathLike,
    tokens: LanguageTokens,
    dictionaries: Sequence[Dictionary],
    data: str,
    subwords: Subwords,
    text: Mapping[str, Any] | None = None,
) -> None:
    """Refuse to train on from a model that was trained with something else.

    Args:
        path: the checkpoint that the training begins from or goes on from.
        tokens: the language tokens of the training.
        dictionaries: of encoder and decoder, with their language tokens.
        data: where they are from, for messages.
        subwords: what the text of the training was encoded with.
        text: see :func:`.data_folder.text_stated`.

    Raises:
        LassError: says what is another.
    """
    start = Checkpoint.read(path)
    if start.language_tokens is not None:
        check_tokens(start.language_tokens, tokens, dictionaries[0], str(path))
    if ENTRY in start.task_state or start.language_tokens is not None:
        check_dictionaries(start.task_state, dictionaries, str(path), data)
    allowed = "--allow-other-dictionary"
    check_subwords(start.task_state, subwords, str(path), allowed)
    compare_text(start.task_state, text, str(path), data)
    check_counts(start.weights, list(map(len, dictionaries)), str(path), data)


def check_counts(
    weights: Mapping[str, Tensor], symbols: Sequence[int], model: str, data: str
) -> None:
    """Refuse a model whose embeddings have rows for another number of symbols.

    Args:
        weights: of the model.
        symbols: how many the dictionaries of encoder and decoder have.
        model, data: where they are from, for messages.

    Raises:
        LassError: names the side and both numbers.
    """
    for side, name, count in zip(SIDES, NAMES, symbols, strict=True):
        table = embedding_of(weights, side)
        if table is not None and len(table) != count:
            raise LassError(
                f"the {side} of {model} has embeddings of {len(table)} symbols, and "
                f"the {name} dictionary of {data} has {count}, language tokens "
                "included; use the data and the languages that it was trained with"
            )


def check_tokens(
    trained: LanguageTokens, given: LanguageTokens, dictionary: Dictionary, model: str
) -> None:
    """Refuse language tokens that mean something else to a model.

    Args:
        trained: those of the model.
        given: those of the training that begins from it.
        dictionary: with these.

    Raises:
        LassError: other tokens, or in other places.
    """
    for option, now, needed in (
        ("--encoder-langtok", given.encoder, trained.encoder),
        ("--decoder-langtok", given.decoder, trained.decoder),
        ("--lang-tok-style", given.style, trained.style),
    ):
        if now != needed:
            raise LassError(
                f"{model} was trained with {option} {needed}, and this training has "
                f"{now}; give the language tokens that it was trained with"
            )
    first: int = getattr(dictionary, "without_tokens", len(dictionary))
    known = _symbols(trained)
    expected = [token for token in known if dictionary.index(token) >= first]
    if known and dictionary.symbols[first:] != expected:
        raise LassError(
            "--langs or --lang-dict give the language tokens other numbers than "
            f"{model} has, whose languages are {', '.join(trained.languages)}; give "
            "these in this order, or leave both options out"
        )


def _symbols(tokens: LanguageTokens) -> list[str]:
    """What a dictionary that has none of *tokens* gets appended."""
    empty = Dictionary()
    before = len(empty)
    tokens.add_to(empty)
    return empty.symbols[before:]
