"""Options of a training with whole parts for each language."""

from dataclasses import dataclass
from typing import Any

from fairseq.dataclass import ChoiceEnum
from omegaconf import II

from lass_plugin.anatomy.own_parts import PARTS, parse_parts
from lass_plugin.languages import TARGET
from lass_plugin.methods.decoders.whose import KEYS
from lass_plugin.options import (
    TranslationSubnetworkConfig,
    check_training,
    check_unused,
    flag,
    refuse_masks,
)


@dataclass
class TranslationDecodersConfig(TranslationSubnetworkConfig):
    own: str = flag(
        "decoder", f"what each target language has of its own, of {', '.join(PARTS)}"
    )
    own_by: ChoiceEnum(list(KEYS)) = flag(  # type: ignore[valid-type]
        TARGET, "whose the parts are: of each target language, source language or pair"
    )
    distributed_world_size: int = II("distributed_training.distributed_world_size")
    find_unused_parameters: bool = II("distributed_training.find_unused_parameters")


def check_options(cfg: Any) -> None:
    """Refuse options of the training that have no effect in it.

    Raises:
        LassError: names the option.
    """
    check_training(cfg, strict=True)
    refuse_masks(cfg, "parts of each language")
    check_unused(cfg, "parts of languages")
    parse_parts(cfg.own)
