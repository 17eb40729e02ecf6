"""Options of the commands that make another checkpoint of a trained one."""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.files import ends_in
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.settings import (
    Settings,
    argument,
    count,
    needless,
    option,
    required,
    switch,
)

MULTIPLE = 8
"""Widths are rounded up to a multiple of this: what a GPU's matrix products in half
precision and a processor's vectors are made for, for at most seven units of zeros."""

QUANTIZATIONS = (
    "float32",
    "float16",
    "bfloat16",
    "int16",
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
)
"""Numbers that CTranslate2 computes with, where the device can."""


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
    ctranslate2: Path | None = option(
        None, "write it as a model of CTranslate2, too, to this folder", metavar="DIR"
    )
    quantization: str | None = option(
        None, "numbers of that model (default: float32)", choices=QUANTIZATIONS
    )
    data: Path | None = option(
        None,
        "the data folder, for the dictionary of that model (default: where it was in "
        "training)",
        metavar="DATA",
    )

    def check(self) -> None:
        super().check()
        if self.ctranslate2 is None:
            needless(self, ("quantization", "data"), "without --ctranslate2")
