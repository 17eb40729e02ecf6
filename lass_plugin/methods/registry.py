"""Methods by their entry in ``task_state``, and the one to translate with."""

import logging
from pathlib import Path
from typing import Any, Mapping, Sequence

from lass_plugin.checkpoints import trained_with
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.masks import load_masks
from lass_plugin.masks.belonging import other_base
from lass_plugin.masks.file import masks_at
from lass_plugin.methods.adapters.method import AdapterMethod
from lass_plugin.methods.decoders.method import OwnParts
from lass_plugin.methods.gates.method import Gates
from lass_plugin.methods.lowrank.method import LowRank
from lass_plugin.methods.method import Dense, Method
from lass_plugin.methods.sparse_tuning.method import SparseTuning
from lass_plugin.methods.subnetworks.method import Subnetworks
from lass_plugin.registry import VARIABLE, Registry

logger = logging.getLogger(__name__)

METHODS: Registry[type[Method]] = Registry("method")
"""Entry in ``task_state`` -> method."""

TOKENS, SYMBOLS = "language_tokens", "symbols"
DICTIONARIES = trained_with.ENTRY
"""Entries of ``task_state`` that are no method's: what the dictionary is told."""
HEAD = "xtreme"
"""Another one: which head of an XTREME task the model has."""


def register_method(method: type[Method]) -> type[Method]:
    """Make *method*, a class with an ``entry``, known to every command."""
    return METHODS.register(method.entry, method)


register_method(Subnetworks)
register_method(LowRank)
register_method(Gates)
register_method(SparseTuning)
register_method(AdapterMethod)
register_method(OwnParts)


def method_of(task_state: Any, where: str) -> Method:
    """The method of the checkpoint *where*, dense if it says nothing.

    Raises:
        LassError: its entry is damaged, or of a method that is not known here.
    """
    entries = task_state if isinstance(task_state, Mapping) else {}
    names = METHODS.names()
    for name in names:
        if entries.get(name) is not None:
            return METHODS.get(name).from_state(entries[name], where)
    if TOKENS in entries:  # one of ours; stock fairseq's tasks have entries of others
        for name in entries.keys() - {TOKENS, SYMBOLS, DICTIONARIES, HEAD, *names}:
            raise LassError(
                f"{where} was trained with the method '{name}', which is not known "
                f"here; name the module that registers it in {VARIABLE}"
            )
    return Dense()


def refuse_parts(carried: Method, where: object, what: str) -> None:
    """Refuse to compute with the weights alone, as if keys had nothing of their own.

    Args:
        carried: by the checkpoint *where*.
        what: computes so, for messages.

    Raises:
        LassError: they have.
    """
    if carried.entry:
        one = "what 'lass export' makes of one pair, or " if carried.in_stock else ""
        raise LassError(
            f"{where} is a model with {carried.words}, which {what} would leave out; "
            f"give {one}the model that it was trained from"
        )


def translating_method(
    carried: Method, cfg: Any, pairs: Sequence[Pair], of_checkpoint: bool
) -> Method:
    """The method to translate between *pairs* with.

    ``--dense`` and ``--inference-masks`` come first, then what the checkpoint carries,
    then ``--masks``.

    Args:
        carried: by the checkpoint.
        cfg: options of the task.
        of_checkpoint: they are those that the checkpoint was trained with.

    Raises:
        LassError: a pair has no part, or an option has no effect.
    """
    if cfg.inference_masks:
        carried.refuse_masks("--inference-masks")
    if cfg.masks and not of_checkpoint:
        carried.refuse_masks(f"--masks {cfg.masks}")
    if cfg.dense:
        carried.refuse_dense()
        return Dense()
    if cfg.inference_masks:
        masks = load_masks(cfg.inference_masks)
        if told := other_base(masks, carried.masks, {}, "the checkpoint"):
            logger.warning(told)
        return Subnetworks(masks).for_pairs(pairs)
    if carried.entry or not cfg.masks:
        return carried.for_pairs(pairs)
    checks = bool(cfg.source_lang) and not cfg.allow_other_base
    return Subnetworks(load_masks(cfg.masks), checks_base=checks).for_pairs(pairs)


def exporting_method(carried: Method, path: object, masks: Path | None) -> Method:
    """The method of the checkpoint *path*, or *masks* for one that carries none.

    Raises:
        LassError: there is neither.
    """
    if carried.entry:
        return carried
    if masks is None:
        raise LassError(
            f"{path} carries no masks; give a jointly trained checkpoint, or the mask "
            "with --masks"
        )
    return Subnetworks(masks_at([masks]))
