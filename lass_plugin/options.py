"""What the tasks can be told; what of it is refused says option_checks."""

from dataclasses import dataclass, field
from typing import Optional

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from omegaconf import II

from lass_plugin.anatomy.matrices import DEFAULT_KINDS, KINDS
from lass_plugin.data import sampling
from lass_plugin.masks import DEFAULT_TARGETS
from lass_plugin.methods.lowrank.planning.placement import DEFAULT
from lass_plugin.methods.lowrank.pruning import GROUPS
from lass_plugin.methods.search.plan import CRITERIA, SCHEDULES

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
