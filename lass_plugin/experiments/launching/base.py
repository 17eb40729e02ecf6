"""The base model's checkpoint, with the options that it was trained with."""

import argparse
from functools import cached_property
from typing import Any, Mapping

from lass_plugin.checkpoints.checkpoint import Checkpoint

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
            sections["task"]["langs"] = list(tokens["languages"])
            sections["task"]["lang_dict"] = None
        return sections

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
