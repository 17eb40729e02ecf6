"""Checks before a training starts: its data, and that its model is the base's."""

import logging
import warnings
from itertools import product
from pathlib import Path
from typing import Any, Iterable, Sequence

import torch

from lass_plugin.anatomy.vocabulary import is_embedding
from lass_plugin.data.pair_data import find_split
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.base import Base
from lass_plugin.languages import Pair


def check_data(
    folders: Sequence[Path], splits: Iterable[str], pairs: Iterable[Pair]
) -> None:
    """Refuse data that are not there.

    Args:
        folders: the data folder, or shards of it.

    Raises:
        LassError: names the folder or the pair.
    """
    for folder in folders or [Path("")]:
        if not folder.is_dir():
            raise LassError(f"the data folder {folder} does not exist")
    for pair, folder, split in product(pairs, folders, splits):
        for language in (pair.source, pair.target):
            if find_split(folder, split, pair, language) is None:
                raise LassError(
                    f"there is no {split} data of {pair} in {folder} (looked for "
                    f"{split}.{pair}.{language}.idx and the reverse order); prepare it "
                    "or leave the pair out of --pairs"
                )


def check_model(options: Any, base: Base, data: str) -> None:
    """Build the model without memory for its weights and compare its shapes to *base*.

    Raises:
        LassError: names the matrix or the dictionary at fault.
    """
    model = _empty_model(options)
    mine = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    theirs = {n: tuple(t.shape) for n, t in base.weights.items()}
    for name, shape in mine.items():
        if name not in theirs and name.endswith(".version"):
            continue  # a buffer that fairseq fills in
        if theirs.get(name) == shape:
            continue
        if name not in theirs:
            raise LassError(
                f"{base.path} has no {name}, which its architecture needs; it "
                "is no complete checkpoint, or flags after -- change its model"
            )
        if is_embedding(name) and shape[1:] == theirs[name][1:]:
            raise LassError(
                f"{base.path} has {theirs[name][0]} symbols in {name}, but "
                f"the dictionary of {data} with its language tokens "
                f"has {shape[0]}; give the data folder and the languages that the "
                "base was trained with (--langs after --)"
            )
        raise LassError(
            f"{name} has shape {theirs[name]} in {base.path} but {shape} in "
            "the model that its options describe; a flag after -- changes it"
        )


def _empty_model(options: Any) -> torch.nn.Module:
    """The model that fairseq-train would build, its weights without memory."""
    from fairseq import tasks
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")  # of hydra, about its own past
            cfg = convert_namespace_to_omegaconf(options)
            task = tasks.setup_task(cfg.task)
            return task.build_model(cfg.model)
    except LassError:
        raise
    except Exception as error:  # whatever fairseq finds wrong with the options
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise LassError(
            "fairseq-train cannot be set up with the base's options and the flags "
            f"after --: {(str(cause).strip() or repr(cause)).splitlines()[0]}"
        ) from error
    finally:
        logging.disable(before)
