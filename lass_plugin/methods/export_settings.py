"""Options of the commands that make another checkpoint of a trained one."""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.files import ends_in
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.settings import Settings, argument, count, option, required, switch

MULTIPLE = 8
"""Widths are rounded up to a multiple of this: what a GPU's matrix products in half
precision and a processor's vectors are made for, for at most seven units of zeros."""


@dataclass(frozen=True, kw_only=True)
class CheckpointSettings(Settings):
    """A checkpoint to write that is made of a trained one."""

    checkpoint: Path = argument("jointly trained checkpoint", metavar="CHECKPOINT")
    out: Path = required("checkpoint to write", metavar="FILE", check=ends_in(".pt"))
    masks: Path | None = option(
        None,
        "take masks from here instead (default: the checkpoint's own)",
        metavar="PATH",
    )
    multiple: int | None = count(
        None,
        "round widths up to a multiple of N, which GPUs compute faster "
        f"(default: {MULTIPLE})",
    )


@dataclass(frozen=True, kw_only=True)
class CompactSettings(CheckpointSettings):
    """Some pairs, without what none of them uses."""

    pairs: tuple[Pair, ...] = option(
        (),
        "the pairs that the result is for (default: all that have a mask)",
        metavar="SRC-TGT,…",
        parse=parse_pairs,
    )


@dataclass(frozen=True, kw_only=True)
class ExportSettings(CheckpointSettings):
    """One pair, for stock fairseq."""

    checkpoint: Path = argument(
        "jointly trained checkpoint, or one of low-rank modules", metavar="CHECKPOINT"
    )
    pair: Pair = required("the pair to export", metavar="SRC-TGT")
    base: Path | None = option(
        None,
        "the base that low-rank modules stand in (default: where it was in training)",
        metavar="FILE",
    )
    sparsity: float | None = option(
        None, "of gates that serve any sparsity", metavar="SHARE"
    )
    half: bool = switch("store the weights in half precision")
    compact: bool = switch("cut out the hidden units that cannot contribute")
