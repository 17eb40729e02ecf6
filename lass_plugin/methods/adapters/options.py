"""Options of the training of adapters, and what of them is refused."""

from dataclasses import dataclass
from typing import Any

from fairseq.dataclass import ChoiceEnum
from omegaconf import II

from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.missing_start import start_of
from lass_plugin.languages import PAIR, SIDES_BY
from lass_plugin.options import (
    TranslationSubnetworkConfig,
    check_training,
    check_unused,
    flag,
    refuse_masks,
)


@dataclass
class TranslationAdaptersConfig(TranslationSubnetworkConfig):
    """Options of the task ``translation_adapters``."""

    adapter_by: ChoiceEnum(list(SIDES_BY)) = flag(  # type: ignore[valid-type]
        PAIR,
        "adapters of pairs, of sources, of targets, or of sources in the encoder and "
        "of targets in the decoder (separate), which serve directions without training",
    )
    adapter_bottleneck: int = flag(128, "width of an adapter inside")
    freeze_base: bool = flag(
        False,
        "train the adapters alone, in the model that training begins from "
        "(--finetune-from-model)",
    )
    seed: int = II("common.seed")
    reset_optimizer: bool = II("checkpoint.reset_optimizer")
    distributed_world_size: int = II("distributed_training.distributed_world_size")
    find_unused_parameters: bool = II("distributed_training.find_unused_parameters")


def check_adapters(cfg: Any) -> None:
    """Refuse options of a training of adapters that have no effect in it.

    Raises:
        LassError: names the option.
    """
    check_training(cfg, strict=True, mixes=True)
    refuse_masks(cfg, "adapters")
    check_unused(cfg, "adapters of keys")
    if not cfg.adapter_bottleneck >= 1:
        raise LassError(
            f"--adapter-bottleneck {cfg.adapter_bottleneck} is not 1 or more"
        )
    if cfg.freeze_base and cfg.save_dir and base_of(cfg) is None:
        raise LassError(
            "--freeze-base trains adapters in a model that has been trained; give it "
            "with --finetune-from-model"
        )


def base_of(cfg: Any) -> str | None:
    """The checkpoint that a training begins from or goes on from, None for nothing."""
    begins = (cfg.finetune_from_model, cfg.save_dir, cfg.continue_once)
    return start_of(cfg.restore_file, *begins)


def resumed_from(cfg: Any) -> str | None:
    """The checkpoint of the run that a training goes on with, None where it begins."""
    start = base_of(cfg) if cfg.save_dir and not cfg.reset_optimizer else None
    return None if start == cfg.finetune_from_model else start
