"""What options of a command exclude each other, lack each other or have no effect."""

import os
from typing import Any

from lass_plugin.anatomy.matrices import DEFAULT_KINDS
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.missing_start import check_start
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.methods.subnetworks.holding import parse_holding
from lass_plugin.options import DEFAULT_TEMPERATURE
from lass_plugin.training.precision import check_precision


def directions(cfg: Any) -> list[Pair]:
    """The pairs to train, or the one to translate.

    Raises:
        LassError: there is none, or the options contradict each other.
    """
    if bool(cfg.source_lang) != bool(cfg.target_lang):
        raise LassError("give both --source-lang and --target-lang, or neither")
    if not (cfg.source_lang or cfg.lang_pairs):
        raise LassError(
            "give --lang-pairs for training, or --source-lang and --target-lang for "
            "translation"
        )
    if cfg.encoder_langtok not in (None, "src", "tgt"):
        raise LassError(f"--encoder-langtok is src or tgt, not '{cfg.encoder_langtok}'")
    if not cfg.source_lang:
        return parse_pairs(cfg.lang_pairs)
    pair = Pair.parse(f"{cfg.source_lang}-{cfg.target_lang}")
    if cfg.lang_pairs and pair not in parse_pairs(cfg.lang_pairs):
        raise LassError(
            f"{pair} is not one of --lang-pairs {cfg.lang_pairs}; leave --lang-pairs "
            "out to translate"
        )
    return [pair]


def check_training(cfg: Any, masked: bool, low_rank: bool = False) -> None:
    """Refuse options of a training that cannot be strict or would have no effect.

    Args:
        cfg: :class:`TranslationSubnetworkConfig` with fairseq's own options filled in.
        masked: whether masks are trained under or searched for.
        low_rank: whether low-rank modules are trained.

    Raises:
        LassError: names the option.
    """
    check_precision(cfg)
    if cfg.save_dir:  # an evaluation sets up the task of a training, but saves nothing
        check_start(cfg.restore_file, cfg.finetune_from_model, cfg.save_dir)
    if cfg.mixed_batches and masked:
        raise LassError(
            "--mixed-batches and sub-networks exclude each other (--masks, or a "
            "search): a batch must belong to one sub-network; leave --mixed-batches out"
        )
    for option in ("inference_masks", "dense", "keep_inference_langtok"):
        if getattr(cfg, option):
            raise LassError(
                f"--{option.replace('_', '-')} is for translation; training under "
                "masks takes --masks"
            )
    if cfg.base and not low_rank:
        raise LassError(
            "--base is for low-rank modules (--task translation_lslo); start from a "
            "base with --finetune-from-model"
        )
    _check_extension(cfg)
    _check_other_base(cfg)
    if not sampling_temperature(cfg) > 0.0:
        raise LassError(
            f"--sampling-temperature {cfg.sampling_temperature} is not above 0"
        )
    sharded = {
        "--ddp-backend fully_sharded": str(cfg.ddp_backend) == "fully_sharded",
        "--ddp-backend slowmo": str(cfg.ddp_backend) == "slowmo",
        "--zero-sharding os": str(cfg.zero_sharding) == "os",
        "--use-bmuf": cfg.use_bmuf,
        "--tpu": cfg.tpu,
    }
    for option, given in sharded.items():
        if given and (masked or low_rank):
            raise LassError(
                f"{option} takes the weights or the optimizer's state out of the "
                "plugin's sight, so the update could not be strict; use "
                "--ddp-backend legacy_ddp or pytorch_ddp"
            )


def check_lslo(cfg: Any) -> None:
    """Refuse options of a training of low-rank modules that have no effect in it.

    Raises:
        LassError: names the option.
    """
    check_training(cfg, masked=False, low_rank=True)
    for name in ("masks", "extend", "hold"):
        if getattr(cfg, name):
            raise LassError(
                f"--{name} is for sub-networks and has no effect on low-rank modules; "
                "leave it out"
            )
    if (
        (cfg.distributed_world_size or 1) > 1
        and str(cfg.ddp_backend) in ("pytorch_ddp", "c10d")
        and not cfg.find_unused_parameters
    ):
        raise LassError(
            "modules of languages that are not in a batch get no gradient, which "
            f"--ddp-backend {cfg.ddp_backend} waits for; add --find-unused-parameters, "
            "or use --ddp-backend legacy_ddp"
        )
    if cfg.finetune_from_model:
        raise LassError(
            "--finetune-from-model trains all of a model; the base that low-rank "
            "modules stand in is given with --base"
        )
    planned = {
        "--lslo-ranks": cfg.lslo_ranks,
        "--lslo-placement": cfg.lslo_placement,
        "--lslo-matrices": cfg.lslo_matrices != ",".join(DEFAULT_KINDS),
        "--lslo-alpha": cfg.lslo_alpha,
        "--lslo-dropout": cfg.lslo_dropout,
        "--lslo-seed": cfg.lslo_seed != 1,
    }
    if cfg.lslo_plan:
        for option, given in planned.items():
            if given:
                raise LassError(
                    f"{option} has no effect with --lslo-plan, which decides it; leave "
                    "one of them out"
                )
    elif not cfg.lslo_ranks:
        raise LassError(
            "give the ranks of the languages with --lslo-ranks, such as 8 or 2;2;8, or "
            "a plan with --lslo-plan"
        )
    if bool(cfg.lslo_pruning) != bool(cfg.lslo_pruning_ratio):
        raise LassError("give both --lslo-pruning and --lslo-pruning-ratio, or neither")
    if not cfg.lslo_pruning:
        for name, default in (("start", 2), ("length", 8)):
            if getattr(cfg, f"lslo_pruning_{name}") != default:
                raise LassError(
                    f"--lslo-pruning-{name} has no effect without --lslo-pruning; "
                    "leave it out"
                )
    by_type = [cfg.lslo_ranks, cfg.lslo_pruning_ratio]
    if cfg.resource_types and not any(";" in (text or "") for text in by_type):
        raise LassError(
            "--resource-types has no effect where neither --lslo-ranks nor "
            "--lslo-pruning-ratio has a number for each type (2;2;8); leave it out"
        )


def check_translation(cfg: Any) -> None:
    """Refuse options that have no effect or contradict each other in translation.

    Raises:
        LassError: names the option.
    """
    sources = [
        name for name in ("dense", "inference_masks", "masks") if getattr(cfg, name)
    ]
    if len(sources) > 1:
        first, second = (f"--{name.replace('_', '-')}" for name in sources[:2])
        raise LassError(f"{first} and {second} exclude each other; give one of them")
    _check_other_base(cfg)
    for option, given in {
        "--extend": cfg.extend,
        "--hold": cfg.hold,
        "--mixed-batches": cfg.mixed_batches,
        "--sampling-method": str(cfg.sampling_method) != "concat",
        "--sampling-temperature": cfg.sampling_temperature is not None,
    }.items():
        if given:
            raise LassError(
                f"{option} has no effect with --source-lang and --target-lang, which "
                "are for translation; leave it out, or give --lang-pairs to train"
            )


def _check_extension(cfg: Any) -> None:
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


def _check_other_base(cfg: Any) -> None:
    if cfg.allow_other_base and not cfg.masks:
        raise LassError(
            "--allow-other-base has no effect without --masks; leave it out"
        )


def sampling_temperature(cfg: Any) -> float:
    """T of temperature sampling.

    Raises:
        LassError: one is given for another method, which would not use it.
    """
    if cfg.sampling_temperature is None:
        return DEFAULT_TEMPERATURE
    if str(cfg.sampling_method) != "temperature":
        raise LassError(
            "--sampling-temperature has no effect with --sampling-method "
            f"{cfg.sampling_method}; leave it out, or take the method temperature"
        )
    return cfg.sampling_temperature
