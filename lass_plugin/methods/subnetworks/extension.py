"""An extended model: one to which pairs are added after it was trained.

Its checkpoint says of each older pair how many symbols the dictionary had when the pair
was trained. Rows for new symbols stand after them, so the older pairs never read a new
row; and their output layer must not choose, or share probability with, a new symbol.
"""

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Sequence

from torch import Tensor, nn

from lass_plugin.anatomy.places import OUTPUT_PROJECTION
from lass_plugin.anatomy.targets import unwrap
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.masks import MaskSet
from lass_plugin.masks.file import carried_masks, digest
from lass_plugin.methods.subnetworks.holding import Holding, parse_holding


def check_extension(cfg: Any) -> None:
    """Refuse ``--extend`` without its file, and ``--hold`` without what it needs.

    Raises:
        LassError: names the option.
    """
    if cfg.extend and not os.path.isfile(cfg.extend):
        raise LassError(f"--extend {cfg.extend} does not exist")
    if not parse_holding(cfg.hold):
        return
    for option in ("extend", "masks"):
        if not getattr(cfg, option):
            raise LassError(
                f"--hold has no effect without --{option}; leave it out, or give both "
                "--masks and --extend"
            )


@dataclass(frozen=True)
class Extension:
    """What an extended checkpoint says of the pairs that it had before."""

    symbols: Mapping[str, int]
    """Older pair -> number of symbols that it knows, the first ones."""
    masks: MaskSet | None = None
    """The masks of the older pairs; None for a model without masks."""

    @classmethod
    def read(cls, path: str | Path) -> "Extension":
        """Read what a checkpoint of ``lass extend`` says.

        Raises:
            LassError: it is no extended checkpoint.
        """
        checkpoint = Checkpoint.read(path)
        symbols = read_symbols(checkpoint.task_state, str(path))
        if not symbols:
            raise LassError(
                f"{path} is not an extended checkpoint; make it with 'lass extend'"
            )
        masks = carried_masks(checkpoint)
        return cls(symbols, None if masks is None else masks.only(symbols))

    @property
    def first_new_symbol(self) -> int:
        return max(self.symbols.values())

    def check_new(self, pairs: Iterable[object], masks: MaskSet | None) -> None:
        """Refuse to train one of the older pairs, or with masks beside none."""
        for pair in map(str, pairs):
            if pair in self.symbols:
                raise LassError(
                    f"{pair} is one of the older pairs of the extended checkpoint "
                    f"({', '.join(self.symbols)}); leave it out of --lang-pairs"
                )
        if bool(self.masks) != bool(masks):
            lacking = "the checkpoint of --extend" if masks else "this training"
            raise LassError(
                f"{lacking} has no masks, and the other has; give --masks with a "
                "checkpoint that carries masks, and leave it out with one that does not"
            )

    def check_start(self, path: str, start: str | None) -> None:
        """Refuse a training that does not begin from the extended model.

        Args:
            path: of the extended checkpoint.
            start: what the training begins from, or goes on from; None for nothing.

        Raises:
            LassError: names both.
        """
        begin = f"begin from it with --finetune-from-model {path}"
        if start is None:
            raise LassError(
                f"--extend {path} carries its older pairs on, and this training begins "
                f"from nothing; {begin}"
            )
        begun = Checkpoint.read(start)
        symbols, masks = read_symbols(begun.task_state, start), carried_masks(begun)
        known = masks is None or masks.keys() >= symbols.keys()
        older = masks.only(symbols) if masks is not None and known else None
        if not known or Extension(symbols, older).digest() != self.digest():
            raise LassError(
                f"this training begins from {start}, which has other older pairs than "
                f"--extend {path}; {begin}, or leave --extend out"
            )

    def with_older(self, masks: MaskSet | None) -> MaskSet | None:
        """The *masks* of new pairs and those of the older ones."""
        if masks is None or self.masks is None:
            return masks
        return MaskSet([*masks.values(), *self.masks.values()])

    def holding(self, kinds: Sequence[str]) -> Holding:
        """What ``--hold`` asks for, see :mod:`.holding`."""
        sites = None
        if "others" in kinds:
            assert self.masks is not None
            sites = self.masks.union(self.masks)
        symbols = self.first_new_symbol if "shared" in kinds else None
        return Holding(sites, symbols)

    def digest(self) -> str:
        """Hexadecimal SHA-256 of all of it."""
        text = json.dumps(dict(self.symbols), sort_keys=True)
        if self.masks is not None:
            text += digest(self.masks)
        return hashlib.sha256(text.encode()).hexdigest()


def read_symbols(task_state: Mapping[str, Any], where: str) -> dict[str, int]:
    """Older pair -> number of its symbols, from ``task_state``; empty if none.

    Raises:
        LassError: damaged.
    """
    found = task_state.get("symbols")
    if found is None:
        return {}
    proper = isinstance(found, dict) and all(
        isinstance(key, str) and type(count) is int and count > 0
        for key, count in found.items()
    )
    if not proper:
        raise LassError(
            f"the numbers of symbols in {where} are damaged; take another checkpoint"
        )
    return dict(found)


def chooses_beyond(symbols: Mapping[str, int], key: str, count: int) -> str:
    """What to say of a pair whose output layer is left to all symbols elsewhere; empty
    where it knows all.

    Args:
        symbols: of :func:`read_symbols`.
        count: of all symbols.
    """
    known = symbols.get(key, count)
    if known >= count:
        return ""
    return (
        f"{key} knows the first {known} of {count} symbols of this extended model, and "
        "only this package keeps to those"
    )


@contextlib.contextmanager
def choosing_from(models: Iterable[nn.Module], symbols: int | None) -> Iterator[None]:
    """While open, *models* give a probability to the first *symbols* symbols only.

    Args:
        symbols: None for all.
    """
    if symbols is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        for model in models:
            decoder: Any = getattr(unwrap(model), "decoder", None)
            projection = getattr(decoder, OUTPUT_PROJECTION, None)
            if projection is None:
                raise LassError(
                    "this model has no plain output projection (--adaptive-softmax-"
                    "cutoff?), so the symbols of its older pairs cannot be told apart"
                )
            hook = projection.register_forward_hook(partial(_hide, symbols))
            stack.callback(hook.remove)
        yield


def _hide(symbols: int, module: nn.Module, inputs: Any, logits: Tensor) -> Tensor:
    """``(…, dictionary)`` logits with -∞ for what the pair does not know."""
    logits[..., symbols:] = float("-inf")
    return logits
