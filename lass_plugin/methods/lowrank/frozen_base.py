"""The frozen base: its weights into a model, and whether it is the one of training."""

import os
from pathlib import Path
from typing import Any, Iterable, Mapping

from fairseq.data import Dictionary
from torch import Tensor, nn

from lass_plugin.anatomy.places import SIDES, is_computed
from lass_plugin.anatomy.vocabulary import embedding_of
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, languages_of
from lass_plugin.masks.fingerprint import Fingerprint, fingerprint, same_weights
from lass_plugin.methods.lowrank.saved_weights import is_trained

_SHAPE = (
    *("encoder_layers", "decoder_layers", "encoder_embed_dim", "decoder_embed_dim"),
    *("encoder_ffn_embed_dim", "decoder_ffn_embed_dim"),
    *("encoder_attention_heads", "decoder_attention_heads"),
    *("encoder_normalize_before", "decoder_normalize_before"),
    *("encoder_learned_pos", "decoder_learned_pos", "activation_fn"),
    *("share_all_embeddings", "share_decoder_input_output_embed"),
)
"""Options that decide which function the weights of a transformer compute."""


def load_base(
    model: nn.Module, path: str | os.PathLike, options: Any = None
) -> Checkpoint:
    """Put the weights of the checkpoint at *path* into *model*.

    Args:
        options: those that *model* was built with, to compare with the base's.

    Returns:
        The checkpoint.

    Raises:
        LassError: unreadable, or of a model of another shape.
    """
    checkpoint = read_base(path)
    _check_options(checkpoint.model_options, options, path)
    given: dict[str, Any] = dict(checkpoint.weights)
    fairseq_model: Any = model
    fairseq_model.upgrade_state_dict(given)
    mine = model.state_dict()
    for name in filter(is_computed, list(given)):
        del given[name]
    given |= {name: mine[name] for name in filter(is_computed, mine)}
    for name in sorted(mine.keys() | given.keys()):
        if name not in given or name not in mine:
            place = "the base" if name not in given else "the model"
            raise LassError(
                f"{name} is not in {place} ({path}): the base is of another "
                "architecture; give its --arch and its options of the model"
            )
        if given[name].shape != mine[name].shape:
            raise LassError(
                f"{name} has the shape {tuple(given[name].shape)} in {path} and "
                f"{tuple(mine[name].shape)} in the model; give the options of the "
                "model, the dictionary and the languages that the base was trained with"
            )
    fairseq_model.load_state_dict(given, strict=True)
    return checkpoint


def read_base(path: str | os.PathLike) -> Checkpoint:
    """The checkpoint of a base; its tensors stay on disk until used.

    Raises:
        LassError: unreadable, or of low-rank modules.
    """
    checkpoint = Checkpoint.read(path)
    if any(map(is_trained, checkpoint.weights)):
        raise LassError(
            f"{path} holds low-rank modules and no base; give the base that they were "
            "trained on"
        )
    return checkpoint


def _check_options(trained: Mapping[str, Any], given: Any, path: Any) -> None:
    """Refuse another function of weights that have the same shapes."""
    if given is None:
        return
    for name in _SHAPE:
        before, now = trained.get(name), getattr(given, name, None)
        if before is not None and now is not None and before != now:
            option = name.replace("_", "-")
            raise LassError(
                f"the base {path} was trained with --{option} {before}, this model "
                f"has {now}; give the options of the model that the base has"
            )


def languages_of_base(
    path: str | os.PathLike, pairs: Iterable[Pair]
) -> tuple[str, ...]:
    """The languages of the base at *path* in the order of their tokens.

    Returns:
        Nothing where the checkpoint does not say.

    Raises:
        LassError: a language of *pairs* is none of them.
    """
    trained = Checkpoint.read(path).language_tokens
    languages = trained.languages if trained is not None else ()
    for code in languages_of(pairs) if languages else ():
        if code not in languages:
            raise LassError(
                f"the base {path} has no token for the language {code}, but for "
                f"{', '.join(languages)}; leave its pairs out of --lang-pairs, or take "
                "a base that was trained on it"
            )
    return languages


def check_tokens(
    path: str | os.PathLike, given: LanguageTokens, dictionary: Dictionary
) -> None:
    """Refuse language tokens that mean something else to the base at *path*.

    Args:
        given: those of the options.
        dictionary: with these tokens.

    Raises:
        LassError: other tokens than the base's, other numbers, or one it has not.
    """
    checkpoint = Checkpoint.read(path)
    table = embedding_of(checkpoint.weights, SIDES[0])
    rows = len(dictionary) if table is None else len(table)
    first: int = getattr(dictionary, "without_tokens", len(dictionary))
    appended = dictionary.symbols[first:]
    trained = checkpoint.language_tokens
    if trained is not None:
        for option, now, needed in (
            ("--encoder-langtok", given.encoder, trained.encoder),
            ("--decoder-langtok", given.decoder, trained.decoder),
            ("--lang-tok-style", given.style, trained.style),
        ):
            if now != needed:
                raise LassError(
                    f"the base {path} was trained with {option} {needed}, and this "
                    f"training has {now}; give the language tokens of the base"
                )
        known = _symbols(trained)
        expected = [token for token in known if dictionary.index(token) >= first]
        if known and appended != expected:
            raise LassError(
                "--langs or --lang-dict give the language tokens other numbers than "
                f"the base {path} has, whose languages are "
                f"{', '.join(trained.languages)}; leave both out"
            )
    if len(dictionary) > rows >= first and appended[rows - first :]:
        raise LassError(
            f"the base {path} has {rows} embeddings and none for "
            f"{appended[rows - first]}, a language that its dictionary lacks; leave "
            "its pairs out, or take a base that was trained on it"
        )


def _symbols(tokens: LanguageTokens) -> list[str]:
    """What a dictionary that has none of *tokens* gets appended."""
    empty = Dictionary()
    before = len(empty)
    tokens.add_to(empty)
    return empty.symbols[before:]


def fingerprint_of(model: nn.Module, matrices: Iterable[str]) -> Fingerprint:
    """Of the matrices that low-rank modules stand beside."""
    return fingerprint_of_weights(dict(model.named_parameters()), matrices)


def fingerprint_of_weights(
    tensors: Mapping[str, Tensor], matrices: Iterable[str]
) -> Fingerprint:
    """The same of the weights of a checkpoint, without a model."""
    return fingerprint({name: tensors[f"{name}.weight"] for name in matrices})


def check_same(trained: Fingerprint, model: nn.Module, path: str | os.PathLike) -> None:
    """Refuse a base that is not the one of training.

    Raises:
        LassError: names the base.
    """
    check_same_weights(trained, dict(model.named_parameters()), path)


def check_same_weights(
    trained: Fingerprint, tensors: Mapping[str, Tensor], path: str | os.PathLike
) -> None:
    """:func:`check_same` of the weights of a checkpoint, without a model."""
    known = [name for name in trained if f"{name}.weight" in tensors]
    if not same_weights(trained, fingerprint_of_weights(tensors, known)):
        raise LassError(
            f"the low-rank modules were trained on another base than {path}; give "
            "theirs with --base"
        )


def check_exists(path: str | os.PathLike | None, recorded: bool) -> Path:
    """The base's path, if there is such a file.

    Args:
        recorded: whether the path comes out of a checkpoint.
    """
    if not path:
        raise LassError("give the model that the low-rank modules stand in with --base")
    if not Path(path).is_file():
        raise LassError(
            f"the base of the low-rank modules, {path}, is not there any more; give "
            "its place with --base"
            if recorded
            else f"there is no base {path}; give the checkpoint of a trained model"
        )
    return Path(path)
