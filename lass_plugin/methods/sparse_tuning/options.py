"""Options of the training of sparse differences, and what of them is refused."""

from dataclasses import dataclass
from typing import Any

from omegaconf import II

from lass_plugin.errors import LassError
from lass_plugin.options import TranslationSubnetworkConfig, check_training


@dataclass
class TranslationSparseTuningConfig(TranslationSubnetworkConfig):
    distributed_world_size: int = II("distributed_training.distributed_world_size")
    find_unused_parameters: bool = II("distributed_training.find_unused_parameters")


def check_sparse_tuning(cfg: Any) -> None:
    """Refuse options that have no effect in a training of sparse differences.

    Raises:
        LassError: names the option.
    """
    check_training(cfg, strict=True, base=True)
    if not cfg.masks:
        raise LassError(
            "give masks that say which weights have a difference with --masks; 'lass "
            "extract --base' makes them of fine-tuned models"
        )
    for name in ("extend", "hold"):
        if getattr(cfg, name):
            raise LassError(
                f"--{name} is for sub-networks and has no effect on sparse "
                "differences; leave it out"
            )
    if (
        (cfg.distributed_world_size or 1) > 1
        and str(cfg.ddp_backend) in ("pytorch_ddp", "c10d")
        and not cfg.find_unused_parameters
    ):
        raise LassError(
            "differences of languages that are not in a batch get no gradient, which "
            f"--ddp-backend {cfg.ddp_backend} waits for; add --find-unused-parameters, "
            "or use --ddp-backend legacy_ddp"
        )
    if cfg.finetune_from_model:
        raise LassError(
            "--finetune-from-model trains all of a model; the base that differences "
            "are to is given with --base"
        )
