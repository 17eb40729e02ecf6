"""What the tasks can be told, and the refusal of what cannot be done."""

import os
from dataclasses import dataclass, field
from typing import Any, Optional

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from omegaconf import II

from lass_plugin.data import sampling
from lass_plugin.errors import LassError
from lass_plugin.explanations import check_start
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.lowrank.matrices import DEFAULT_KINDS, KINDS
from lass_plugin.lowrank.placement import DEFAULT
from lass_plugin.lowrank.pruning import GROUPS
from lass_plugin.masks import DEFAULT_TARGETS
from lass_plugin.training.holding import parse_holding
from lass_plugin.training.precision import check_precision
from lass_plugin.training.search_plan import CRITERIA, SCHEDULES

DEFAULT_TEMPERATURE = 1.5


@dataclass
class TranslationSubnetworkConfig(FairseqDataclass):
    data: Optional[str] = field(
        default=None,
        metadata={
            "help": "folder of binarized data; several, separated by colons, are the "
            "shards of the training data, one an epoch"
        },
    )
    source_lang: Optional[str] = field(
        default=None,
        metadata={"help": "source language (translation)", "argparse_alias": "-s"},
    )
    target_lang: Optional[str] = field(
        default=None,
        metadata={"help": "target language (translation)", "argparse_alias": "-t"},
    )
    lang_pairs: Optional[str] = field(
        default=None, metadata={"help": "pairs of languages: en-de,de-en,…"}
    )
    langs: Optional[str] = field(
        default=None,
        metadata={"help": "all languages, in the order of their tokens: de,en,…"},
    )
    lang_dict: Optional[str] = field(
        default=None,
        metadata={"help": "file with one language a line (default: DATA/langs.txt)"},
    )
    source_dict: Optional[str] = field(
        default=None, metadata={"help": "dictionary of all source languages"}
    )
    target_dict: Optional[str] = field(
        default=None, metadata={"help": "dictionary of all target languages"}
    )
    lang_tok_style: ChoiceEnum(  # type: ignore[valid-type]
        ["multilingual", "mbart", "none"]
    ) = field(
        default="multilingual",
        metadata={"help": "__de__, [de], or no tokens in the dictionary"},
    )
    encoder_langtok: Optional[str] = field(
        default=None,
        metadata={"help": "token before the source: src or tgt language (or none)"},
    )
    decoder_langtok: bool = field(
        default=False, metadata={"help": "target language token before the target"}
    )
    left_pad_source: str = field(
        default="True", metadata={"help": "pad sources on the left: True or False"}
    )
    left_pad_target: str = field(
        default="False", metadata={"help": "pad targets on the left: True or False"}
    )
    max_source_positions: int = field(
        default=1024, metadata={"help": "longest source sentence in tokens"}
    )
    max_target_positions: int = field(
        default=1024, metadata={"help": "longest target sentence in tokens"}
    )
    truncate_source: bool = field(
        default=False, metadata={"help": "cut sources to --max-source-positions"}
    )
    sampling_method: ChoiceEnum(list(sampling.METHODS)) = field(  # type: ignore[valid-type]
        default="concat", metadata={"help": "how often each pair is drawn"}
    )
    sampling_temperature: Optional[float] = field(
        default=None,
        metadata={
            "help": "T of p ∝ n^(1/T), for temperature sampling "
            f"(default: {DEFAULT_TEMPERATURE})"
        },
    )
    mixed_batches: bool = field(
        default=False,
        metadata={"help": "batches of all pairs together (only without masks)"},
    )
    masks: Optional[str] = field(
        default=None,
        metadata={
            "help": "masks for joint training: a folder or files separated by commas; "
            "in translation, for a checkpoint that carries none"
        },
    )
    extend: Optional[str] = field(
        default=None,
        metadata={
            "help": "extended checkpoint that pairs are added to: its older pairs are "
            "carried on, see 'lass extend'"
        },
    )
    hold: Optional[str] = field(
        default=None,
        metadata={
            "help": "what does not move while pairs are added: others (the weights "
            "that masks of older pairs keep), shared (what no mask covers, but new "
            "embeddings), or others,shared"
        },
    )
    inference_masks: Optional[str] = field(
        default=None,
        metadata={"help": "masks to translate with instead of the checkpoint's"},
    )
    dense: bool = field(
        default=False, metadata={"help": "translate without the checkpoint's masks"}
    )
    allow_other_base: bool = field(
        default=False,
        metadata={"help": "accept masks that were searched on other weights"},
    )
    base: Optional[str] = field(
        default=None,
        metadata={
            "help": "the model that low-rank modules stand in; in translation only "
            "where it is no longer where it was in training"
        },
    )
    bf16_autocast: bool = field(
        default=False,
        metadata={"help": "multiply in bfloat16, weights in float32 (CPU and GPU)"},
    )
    keep_inference_langtok: bool = field(
        default=False, metadata={"help": "keep language tokens in translations"}
    )
    # taken from fairseq's own options, so that they are given once
    train_subset: str = II("dataset.train_subset")
    fp16: bool = II("common.fp16")
    bf16: bool = II("common.bf16")
    amp: bool = II("common.amp")
    memory_efficient_fp16: bool = II("common.memory_efficient_fp16")
    cpu: bool = II("common.cpu")
    tpu: bool = II("common.tpu")
    ddp_backend: str = II("distributed_training.ddp_backend")
    zero_sharding: str = II("distributed_training.zero_sharding")
    use_bmuf: bool = II("optimization.use_bmuf")
    max_update: int = II("optimization.max_update")
    restore_file: str = II("checkpoint.restore_file")
    finetune_from_model: Optional[str] = II("checkpoint.finetune_from_model")
    save_dir: str = II("checkpoint.save_dir")


@dataclass
class TranslationSubnetworkSearchConfig(TranslationSubnetworkConfig):
    pruning_criterion: ChoiceEnum(list(CRITERIA)) = field(  # type: ignore[valid-type]
        default="magnitude", metadata={"help": "score of a weight"}
    )
    pruning_schedule: ChoiceEnum(list(SCHEDULES)) = field(  # type: ignore[valid-type]
        default="oneshot",
        metadata={"help": "prune once at the end, or more and more during training"},
    )
    pruning_ratio: float = field(
        default=0.5, metadata={"help": "share of each matrix removed in the end"}
    )
    pruning_start: int = field(
        default=0, metadata={"help": "T1: updates before pruning begins (gradual)"}
    )
    pruning_ramp: int = field(
        default=0, metadata={"help": "T2: updates until the ratio is reached (gradual)"}
    )
    pruning_interval: int = field(
        default=10, metadata={"help": "select the mask anew every N updates (gradual)"}
    )
    mask_targets: str = field(
        default=",".join(DEFAULT_TARGETS),
        metadata={
            "help": "matrices to search in: attention, feed-forward, embeddings, "
            "output-projection"
        },
    )
    move_pruned: bool = field(
        default=False,
        metadata={"help": "update weights that are masked out too (gradual)"},
    )
    stop_when_settled: float = field(
        default=0.0,
        metadata={
            "help": "end the search once its mask agrees with itself so well, above "
            "chance, in (0, 1] (0: never; gradual: not before the ramp ends)"
        },
    )
    stop_when_growth_below: float = field(
        default=0.0,
        metadata={
            "help": "end the search once that agreement has grown, and doubling the "
            "updates adds less than this to it (0: never)"
        },
    )
    scores_on_cpu: bool = field(
        default=False,
        metadata={
            "help": "keep the scores in the CPU's memory, not the GPU's (8 bytes a "
            "weight and pair); the same scores, more slowly"
        },
    )
    report_interval: int = field(
        default=0,
        metadata={
            "help": "say every N updates how settled the mask is (0: 20 times, or "
            "every 1000 where --max-update is open)"
        },
    )
    update_freq: list[int] = II("optimization.update_freq")


@dataclass
class TranslationLsloConfig(TranslationSubnetworkConfig):
    lslo_matrices: str = field(
        default=",".join(DEFAULT_KINDS),
        metadata={"help": f"matrices that modules stand beside, of {', '.join(KINDS)}"},
    )
    lslo_ranks: Optional[str] = field(
        default=None,
        metadata={
            "help": "rank of each language: 8 for all, 2;2;8 by resource type (high; "
            "medium; low; very low, those that occur), or de=2,or=8; 0 for none"
        },
    )
    resource_types: Optional[str] = field(
        default=None,
        metadata={
            "help": "'H=en,fr;M=nl;V=oc', or a file with a language and its type on "
            "each line (default: those of FLORES-101)"
        },
    )
    lslo_placement: Optional[str] = field(
        default=None,
        metadata={
            "help": "which language chooses the modules of a layer: learn, source, "
            "target, first:N or first:P% (so many of the first encoder layers by "
            f"source), or a file of 'lass lslo placement' (default: {DEFAULT})"
        },
    )
    lslo_plan: Optional[str] = field(
        default=None,
        metadata={
            "help": "file of 'lass lslo ranks' with matrices, ranks and placement, in "
            "place of these options"
        },
    )
    lslo_alpha: float = field(
        default=0.0,
        metadata={"help": "multiply a module's output by alpha / rank (0: do not)"},
    )
    lslo_dropout: float = field(
        default=0.0, metadata={"help": "dropout of the input of a module"}
    )
    lslo_seed: int = field(
        default=1, metadata={"help": "decides the A that training begins with"}
    )
    lslo_pruning: Optional[ChoiceEnum(list(GROUPS))] = field(  # type: ignore[valid-type]
        default=None,
        metadata={
            "help": "prune the modules gradually; weights compete within each matrix, "
            "within a layer over all languages (B only), or within a language (B only)"
        },
    )
    lslo_pruning_ratio: Optional[str] = field(
        default=None,
        metadata={
            "help": "share pruned in the end: 0.7 for all, 0.9;0.9;0 by resource type, "
            "or de=0.9,or=0"
        },
    )
    lslo_pruning_start: int = field(
        default=2, metadata={"help": "E: epochs before pruning begins"}
    )
    lslo_pruning_length: int = field(
        default=8, metadata={"help": "k: epochs until the ratio is reached"}
    )
    max_epoch: int = II("optimization.max_epoch")
    distributed_world_size: int = II("distributed_training.distributed_world_size")
    find_unused_parameters: bool = II("distributed_training.find_unused_parameters")


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
