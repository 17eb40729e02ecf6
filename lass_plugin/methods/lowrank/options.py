"""Options of the training of low-rank modules, and what of them is refused."""

from dataclasses import dataclass, fields
from typing import Any, Optional, Sequence

from fairseq.dataclass import ChoiceEnum
from omegaconf import II

from lass_plugin.anatomy.matrices import DEFAULT_KINDS, KINDS
from lass_plugin.errors import LassError
from lass_plugin.languages import languages_of, parse_pairs
from lass_plugin.methods.lowrank.planning.placement import DEFAULT
from lass_plugin.methods.lowrank.planning.plan import read_plan
from lass_plugin.methods.lowrank.pruning import GROUPS, LAYER, PruningPlan
from lass_plugin.options import (
    TranslationSubnetworkConfig,
    check_training,
    check_unused,
    flag,
    refuse_masks,
)
from lass_plugin.resource_types import parse_types, spread


@dataclass
class TranslationLsloConfig(TranslationSubnetworkConfig):
    lslo_matrices: str = flag(
        ",".join(DEFAULT_KINDS),
        f"matrices that modules stand beside, of {', '.join(KINDS)}",
    )
    lslo_ranks: Optional[str] = flag(
        None,
        "rank of each language: 8 for all, 2;2;8 by resource type (high; "
        "medium; low; very low, those that occur), or de=2,or=8; 0 for none",
    )
    resource_types: Optional[str] = flag(
        None,
        "'H=en,fr;M=nl;V=oc', or a file with a language and its type on "
        "each line (default: those of FLORES-101)",
    )
    lslo_placement: Optional[str] = flag(
        None,
        "which language chooses the modules of a layer: learn, source, "
        "target, first:N or first:P% (so many of the first encoder layers by "
        f"source), or a file of 'lass lslo placement' (default: {DEFAULT})",
    )
    lslo_plan: Optional[str] = flag(
        None,
        "file of 'lass lslo ranks' with matrices, ranks and placement, in "
        "place of these options",
    )
    lslo_alpha: float = flag(
        0.0, "multiply a module's output by alpha / rank (0: do not)"
    )
    lslo_dropout: float = flag(0.0, "dropout of the input of a module")
    lslo_seed: int = flag(1, "decides the A that training begins with")
    lslo_pruning: Optional[ChoiceEnum(list(GROUPS))] = flag(  # type: ignore[valid-type]
        None,
        "prune the modules gradually; weights compete within each matrix, "
        "within a layer over all languages (B only), or within a language (B only)",
    )
    lslo_pruning_ratio: Optional[str] = flag(
        None,
        "share pruned in the end: 0.7 for all, 0.9;0.9;0 by resource type, "
        "or de=0.9,or=0",
    )
    lslo_pruning_start: int = flag(2, "E: epochs before pruning begins")
    lslo_pruning_length: int = flag(8, "k: epochs until the ratio is reached")
    max_epoch: int = II("optimization.max_epoch")
    distributed_world_size: int = II("distributed_training.distributed_world_size")
    find_unused_parameters: bool = II("distributed_training.find_unused_parameters")


def check_lslo(cfg: Any) -> None:
    """Refuse options of a training of low-rank modules that have no effect in it.

    Raises:
        LassError: names the option.
    """
    check_training(cfg, strict=True, mixes=True, base=True)
    refuse_masks(cfg, "low-rank modules")
    check_unused(cfg, "modules of languages")
    if cfg.finetune_from_model:
        raise LassError(
            "--finetune-from-model trains all of a model; the base that low-rank "
            "modules stand in is given with --base"
        )
    if cfg.lslo_plan:
        _check_planned(cfg)
    elif not cfg.lslo_ranks:
        raise LassError(
            "give the ranks of the languages with --lslo-ranks, such as 8 or 2;2;8, or "
            "a plan with --lslo-plan"
        )
    if bool(cfg.lslo_pruning) != bool(cfg.lslo_pruning_ratio):
        raise LassError("give both --lslo-pruning and --lslo-pruning-ratio, or neither")
    if not cfg.lslo_pruning:
        why = "without --lslo-pruning; leave it out"
        _refuse_given(cfg, ("pruning_start", "pruning_length"), why)
    by_type = [cfg.lslo_ranks, cfg.lslo_pruning_ratio]
    if cfg.resource_types and not any(";" in (text or "") for text in by_type):
        raise LassError(
            "--resource-types has no effect where neither --lslo-ranks nor "
            "--lslo-pruning-ratio has a number for each type (2;2;8); leave it out"
        )


def _check_planned(cfg: Any) -> None:
    """Refuse what a plan decides, unless it is the very factor, dropout or seed of it:
    those of a training that the plan was made from.
    """
    why = "with --lslo-plan, which decides it; leave one of them out"
    _refuse_given(cfg, ("ranks", "placement", "matrices"), why)
    plan = read_plan(cfg.lslo_plan)
    of_plan = {name: getattr(plan, name) for name in ("alpha", "dropout", "seed")}
    others = [k for k, value in of_plan.items() if getattr(cfg, f"lslo_{k}") != value]
    _refuse_given(cfg, others, why)


def _refuse_given(cfg: Any, names: Sequence[str], why: str) -> None:
    """Refuse options ``--lslo-NAME`` that differ from their defaults."""
    defaults = {each.name: each.default for each in fields(TranslationLsloConfig)}
    for name in names:
        if (getattr(cfg, f"lslo_{name}") or None) != (defaults[f"lslo_{name}"] or None):
            option = name.replace("_", "-")
            raise LassError(f"--lslo-{option} has no effect {why}")


def spread_option(cfg: Any, languages: Sequence[str], option: str) -> dict[str, float]:
    """Language -> number, of an option with one for all or one for each type."""
    text = str(getattr(cfg, option))
    types = parse_types(cfg.resource_types, languages) if ";" in text else None
    return spread(text, languages, types, f"--{option.replace('_', '-')}")


def pruning_of(cfg: Any) -> PruningPlan | None:
    """What the options say of pruning."""
    if not cfg.lslo_pruning:
        return None
    group, text = str(cfg.lslo_pruning), str(cfg.lslo_pruning_ratio)
    if group == LAYER and (";" in text or "=" in text):
        raise LassError(
            "--lslo-pruning layer makes the languages compete for one ratio; give "
            "one number with --lslo-pruning-ratio"
        )
    languages = languages_of(parse_pairs(cfg.lang_pairs))
    return PruningPlan(
        group,
        spread_option(cfg, languages, "lslo_pruning_ratio"),
        cfg.lslo_pruning_start,
        cfg.lslo_pruning_length,
    )
