"""The frozen base: its weights into a model, and whether it is the one of training."""

import os
from pathlib import Path
from typing import Any, Iterable, Mapping

from fairseq.data import Dictionary
from torch import Tensor, nn

from lass_plugin.anatomy.places import SIDES, is_computed
from lass_plugin.anatomy.vocabulary import embedding_of
from lass_plugin.checkpoints.architecture import check_architecture
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.trained_with import check_tokens
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, languages_of
from lass_plugin.masks.fingerprint import Fingerprint, fingerprint
from lass_plugin.methods.lowrank.attaching import is_trained


class FrozenBase(Checkpoint):
    """The checkpoint of the model that low-rank modules stand in."""

    @classmethod
    def read(cls, path: str | os.PathLike) -> "FrozenBase":
        """Read a base.

        Raises:
            LassError: unreadable, or of low-rank modules.
        """
        base = super().read(path)
        if any(map(is_trained, base.weights)):
            raise LassError(
                f"{path} holds low-rank modules and no base; give the base that they "
                "were trained on"
            )
        return base

    def load_into(self, model: nn.Module, options: Any = None) -> None:
        """Put the weights into *model*.

        Args:
            options: those that *model* was built with, to compare with the base's.

        Raises:
            LassError: it is a model of another shape.
        """
        check_architecture(self, options, f"the base {self.path}")
        given: dict[str, Any] = dict(self.weights)
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
                    f"{name} is not in {place} ({self.path}): the base is of another "
                    "architecture; give its --arch and its options of the model"
                )
            if given[name].shape != mine[name].shape:
                raise LassError(
                    f"{name} has the shape {tuple(given[name].shape)} in {self.path} "
                    f"and {tuple(mine[name].shape)} in the model; give the options of "
                    "the model, the dictionary and the languages that the base was "
                    "trained with"
                )
        fairseq_model.load_state_dict(given, strict=True)

    def languages(self, pairs: Iterable[Pair]) -> tuple[str, ...]:
        """Its languages in the order of their tokens; none where it does not say.

        Raises:
            LassError: a language of *pairs* is none of them.
        """
        trained = self.language_tokens
        languages = trained.languages if trained is not None else ()
        for code in languages_of(pairs) if languages else ():
            if code not in languages:
                raise LassError(
                    f"the base {self.path} has no token for the language {code}, but "
                    f"for {', '.join(languages)}; leave its pairs out of --lang-pairs, "
                    "or take a base that was trained on it"
                )
        return languages

    def check_tokens(self, given: LanguageTokens, dictionary: Dictionary) -> None:
        """Refuse language tokens that mean something else to the base.

        Args:
            given: those of the options.
            dictionary: with these tokens.

        Raises:
            LassError: other tokens than the base's, other numbers, or one it has not.
        """
        table = embedding_of(self.weights, SIDES[0])
        rows = len(dictionary) if table is None else len(table)
        first: int = getattr(dictionary, "without_tokens", len(dictionary))
        appended = dictionary.symbols[first:]
        if self.language_tokens is not None:
            model = f"the base {self.path}"
            check_tokens(self.language_tokens, given, dictionary, model)
        if len(dictionary) > rows >= first and appended[rows - first :]:
            raise LassError(
                f"the base {self.path} has {rows} embeddings and none for "
                f"{appended[rows - first]}, a language that its dictionary lacks; "
                "leave its pairs out, or take a base that was trained on it"
            )


def fingerprint_of(
    tensors: Mapping[str, Tensor], matrices: Iterable[str]
) -> Fingerprint:
    """The fingerprint of the *matrices* that low-rank modules stand beside.

    Args:
        tensors: name -> weight, of a model or a checkpoint.
    """
    return fingerprint({name: tensors[f"{name}.weight"] for name in matrices})


def check_exists(
    path: str | os.PathLike | None, recorded: bool, parts: str = "low-rank modules"
) -> Path:
    """The base's path, if there is such a file.

    Args:
        recorded: whether the path comes out of a checkpoint.
        parts: what stands in the base, for messages.
    """
    if not path:
        raise LassError(f"give the model that the {parts} stand in with --base")
    if not Path(path).is_file():
        raise LassError(
            f"the base of the {parts}, {path}, is not there any more; give "
            "its place with --base"
            if recorded
            else f"there is no base {path}; give the checkpoint of a trained model"
        )
    return Path(path)
