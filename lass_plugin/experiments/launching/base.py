"""The base model's checkpoint: its weights and the options it was trained with."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from torch import Tensor

from lass_plugin.checkpoints.checkpoint import (
    model_options,
    read_checkpoint,
    sites_of_checkpoint,
    weights,
)

SECTIONS = (
    "common",
    "dataset",
    "optimization",
    "task",
    "criterion",
    "optimizer",
    "lr_scheduler",
)
"""Sections of fairseq's configuration that a search takes options from."""


@dataclass(frozen=True)
class Base:
    """A base checkpoint, whichever task and whichever way of starting made it.

    fairseq keeps the options of a model as one flat namespace (started by
    ``fairseq-train`` with most architectures), as a dictionary (``fairseq-hydra-train``
    and newer models) or, in old checkpoints, everything in one namespace ``args``.
    """

    path: Path
    checkpoint: Mapping[str, Any]
    sections: Mapping[str, Mapping[str, Any]]
    """Name of a section (and ``model``) -> option -> value."""

    @classmethod
    def read(cls, path: Path) -> "Base":
        """Read *path*.

        Raises:
            LassError: it is no checkpoint of a fairseq model.
        """
        checkpoint = read_checkpoint(path)
        sections = _sections(checkpoint)
        tokens = (checkpoint.get("task_state") or {}).get("language_tokens")
        if tokens:
            sections["task"]["langs"] = list(tokens["languages"])
            sections["task"]["lang_dict"] = None
        return cls(path, checkpoint, sections)

    @property
    def seconds(self) -> float:
        """How long it was trained."""
        extra = self.checkpoint.get("extra_state") or {}
        return float(extra.get("previous_training_time") or 0.0)

    @property
    def weights(self) -> dict[str, Tensor]:
        return weights(self.checkpoint)

    def name_of(self, section: str) -> str | None:
        """The registered name, such as ``adam`` for ``optimizer``."""
        values = self.sections[section]
        if section == "model":
            return values.get("arch") or values.get("_name")
        return values.get(section) or values.get("_name")

    def sites(self, targets: tuple[str, ...]) -> dict[str, Tensor]:
        """The matrices that *targets* cover.

        Raises:
            LassError: a target covers none.
        """
        return sites_of_checkpoint(self.checkpoint, self.path, targets)

    def bytes(self) -> int:
        """Size of the weights; tensors that share their storage count once."""
        sizes = {
            tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
            for tensor in self.weights.values()
        }
        return sum(sizes.values())


def _sections(checkpoint: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    cfg = _plain(checkpoint.get("cfg"))
    if not cfg:
        everything = _plain(checkpoint.get("args"))
        return {name: dict(everything) for name in (*SECTIONS, "model")}
    sections = {name: _plain(cfg.get(name)) for name in SECTIONS}
    sections["model"] = _flat(model_options(checkpoint))
    return sections


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
