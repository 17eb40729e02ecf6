"""The base model's checkpoint with its options, and checks before a training starts: of
its data, and that the model to be trained is the base's."""

import argparse
import logging
import warnings
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

import torch

from lass_plugin.anatomy.vocabulary import is_embedding
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.pair_data import find_split
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair

SECTIONS = (
    "common",
    "dataset",
    "optimization",
    "task",
    "criterion",
    "optimizer",
    "lr_scheduler",
)
"""Sections of fairseq's configuration that a training takes options from."""


class Base(Checkpoint):
    """A base checkpoint, whichever task and whichever way of starting made it."""

    @cached_property
    def sections(self) -> dict[str, dict[str, Any]]:
        """Name of a section (and ``model``) -> option -> value."""
        cfg = _plain(self.content.get("cfg"))
        if cfg:
            sections = {name: _plain(cfg.get(name)) for name in SECTIONS}
            sections["model"] = _flat(self.model_options)
        else:
            everything = _plain(self.content.get("args"))
            sections = {name: dict(everything) for name in (*SECTIONS, "model")}
        tokens = self.task_state.get("language_tokens")
        if tokens:
            sections["task"]["langs"] = list(LanguageTokens.from_dict(tokens).languages)
            sections["task"]["lang_dict"] = None
        return sections

    @property
    def seconds_an_update(self) -> float:
        """Time of training for each update; 0 where the checkpoint does not say."""
        return self.seconds / self.updates if self.updates else 0.0

    def name_of(self, section: str) -> str | None:
        """The registered name, such as ``adam`` for ``optimizer``."""
        values = self.sections[section]
        if section == "model":
            return values.get("arch") or values.get("_name")
        return values.get(section) or values.get("_name")


def _plain(value: Any) -> dict[str, Any]:
    """A namespace, an OmegaConf container or a dictionary as a dictionary."""
    if isinstance(value, argparse.Namespace):
        return dict(vars(value))
    if value is not None and not isinstance(value, dict):
        from omegaconf import OmegaConf

        value = OmegaConf.to_container(value) if OmegaConf.is_config(value) else {}
    return dict(value or {})


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """``encoder: {layers: 6}`` as ``encoder_layers: 6``, as the flags are named."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}_{k}": v for k, v in _flat(value).items()})
        else:
            flat[name] = value
    return flat


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
