"""Options of a training with gates, and what of them is refused."""

from dataclasses import dataclass
from typing import Any, Optional

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from omegaconf import II

from lass_plugin.errors import LassError
from lass_plugin.methods.gates.hard_concrete import EXACT, NORMS
from lass_plugin.methods.gates.settings import KINDS, parse_kinds
from lass_plugin.options import (
    MaskedLmLanguagesConfig,
    TranslationSubnetworkConfig,
    check_training,
    check_unused,
    flag,
    refuse_masks,
)
from lass_plugin.schedules import check_ratio

NATIVE, IMPROVED = "native", "improved"
PENALTIES = (NATIVE, IMPROVED)
LI2022 = "li2022"

ALPHA, SPREAD = 2.2, 0.01
"""Mean and deviation of the α that learning begins with: nearly all gates are open."""


@dataclass
class GateOptions(FairseqDataclass):
    """What a task with gates has beside the options that it has anyway."""

    gates: Optional[str] = flag(
        None, "folder of 'lass gates select': gates that do not move, or begin from"
    )
    gates_learn: bool = flag(False, "learn the gates by L0 regularization")
    gates_on: str = flag(
        "heads,units",
        f"what learned gates stand on, of {', '.join(KINDS)} (without --gates)",
    )
    gates_shared: bool = flag(
        False, "learn one set of gates for all keys (without --gates)"
    )
    gates_penalty: ChoiceEnum(list(PENALTIES)) = flag(  # type: ignore[valid-type]
        IMPROVED,
        "Eq. 10 (native), or the size of each key held at a target, and diversity "
        "(improved, Eq. 11 and 12)",
    )
    gates_sparsity: Optional[float] = flag(
        None,
        "target of learned gates (improved); of gates for any sparsity that with which "
        "training validates (default: 0.5)",
    )
    gates_size_weight: float = flag(8.0, "lambda_1 of Eq. 13")
    gates_diversity_weight: float = flag(1.0, "lambda_2 of Eq. 13 (improved)")
    gates_families: str = flag(
        LI2022,
        "languages of one family may be alike: li2022 (Table 4), none, or a file with "
        "a language, a tab and its family on each line",
    )
    gates_norm: ChoiceEnum(list(NORMS)) = flag(  # type: ignore[valid-type]
        EXACT,
        "Eq. 9 as it holds for any temperature (exact), or as it is printed",
    )
    gates_alpha_updates: int = flag(
        0, "updates at the beginning in which only the gates are learned"
    )
    gates_rate: float = flag(
        1.0, "learn the gates at so many times the learning rate (Adam)"
    )
    gates_seed: int = flag(1, "decides the alpha that learning begins with")
    distributed_world_size: int = II("distributed_training.distributed_world_size")
    find_unused_parameters: bool = II("distributed_training.find_unused_parameters")


@dataclass
class TranslationGatesConfig(GateOptions, TranslationSubnetworkConfig):
    """Options of the task ``translation_gates``."""


@dataclass
class MaskedLmGatesConfig(GateOptions, MaskedLmLanguagesConfig):
    """Options of the task ``masked_lm_gates``."""


def check_gates(cfg: Any) -> None:
    """Refuse options of a training with gates that have no effect in it.

    Raises:
        LassError: names the option.
    """
    check_training(cfg, strict=True)
    refuse_masks(cfg, "gates")
    if not (cfg.gates or cfg.gates_learn):
        raise LassError(
            "give gates with --gates, which 'lass gates select' writes, or learn them "
            "with --gates-learn"
        )
    kinds_of(cfg)
    if cfg.gates_learn:
        check_unused(cfg, "gates of keys")
    if cfg.gates_sparsity is not None:
        check_ratio(cfg.gates_sparsity, "--gates-sparsity")
    if cfg.gates:
        _refuse(cfg, ("gates_on", "gates_shared", "gates_seed"), "with --gates")
    if not cfg.gates_learn:
        learning = [n for n in _DEFAULTS if n not in ("gates_sparsity", "gates_on")]
        _refuse(cfg, learning, "without --gates-learn")
    if str(cfg.gates_penalty) == NATIVE:
        names: tuple[str, ...] = ("gates_diversity_weight", "gates_families")
        names += () if cfg.gates else ("gates_sparsity",)
        _refuse(cfg, names, "with --gates-penalty native")
    for name in ("gates_size_weight", "gates_diversity_weight", "gates_alpha_updates"):
        if not getattr(cfg, name) >= 0:
            raise LassError(f"--{_flag(name)} {getattr(cfg, name)} is below 0")
    if not cfg.gates_rate > 0:
        raise LassError(f"--gates-rate {cfg.gates_rate} is not above 0")


def kinds_of(cfg: Any) -> tuple[str, ...]:
    """Kinds of components that ``--gates-on`` names.

    Raises:
        LassError: an unknown one, or no heads and no units.
    """
    try:
        return parse_kinds(cfg.gates_on)
    except LassError as error:
        raise LassError(f"--gates-on {error.message}") from error


LEARNING = tuple(
    name for name in GateOptions.__dataclass_fields__ if name.startswith("gates_")
)
"""Options that a run has to be resumed with."""
_DEFAULTS = {
    name: getattr(GateOptions(), name)
    for name in GateOptions.__dataclass_fields__
    if name.startswith("gates_") and name != "gates_learn"
}


def _refuse(cfg: Any, names: Any, why: str) -> None:
    for name in names:
        if str(getattr(cfg, name)) != str(_DEFAULTS[name]):
            raise LassError(f"--{_flag(name)} has no effect {why}; leave it out")


def _flag(name: str) -> str:
    return name.replace("_", "-")
