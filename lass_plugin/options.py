"""What every task can be told, and what of it is refused."""

from dataclasses import dataclass, field
from typing import Any, Optional

import torch
from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from omegaconf import II, OmegaConf

from lass_plugin.data import sampling
from lass_plugin.data.masked_blocks import BREAK_MODES
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.missing_start import check_start
from lass_plugin.languages import Pair, parse_pairs

DEFAULT_TEMPERATURE = 1.5


def flag(default: Any, help: str, **metadata: str) -> Any:
    """An option of a task; fairseq makes a flag of it, called like the field."""
    return field(default=default, metadata={"help": help, **metadata})


@dataclass
class TrainingConfig(FairseqDataclass):
    """What a training of any language keys can be told."""

    data: Optional[str] = flag(
        None,
        "folder of binarized data; several, separated by colons, are the shards of the "
        "training data, one an epoch",
    )
    allow_other_dictionary: bool = flag(
        False,
        "begin from a model that was trained with another dictionary, subword model or "
        "other language tokens",
    )
    bf16_autocast: bool = flag(
        False, "multiply in bfloat16, weights in float32 (CPU and GPU)"
    )
    # taken from fairseq's own options, so that they are given once
    train_subset: str = II("dataset.train_subset")
    fp16: bool = II("common.fp16")
    bf16: bool = II("common.bf16")
    amp: bool = II("common.amp")
    memory_efficient_fp16: bool = II("common.memory_efficient_fp16")
    cpu: bool = II("common.cpu")
    tpu: bool = II("common.tpu")
    max_valid_steps: Optional[int] = II("dataset.max_valid_steps")
    ddp_backend: str = II("distributed_training.ddp_backend")
    zero_sharding: str = II("distributed_training.zero_sharding")
    use_bmuf: bool = II("optimization.use_bmuf")
    max_update: int = II("optimization.max_update")
    restore_file: str = II("checkpoint.restore_file")
    finetune_from_model: Optional[str] = II("checkpoint.finetune_from_model")
    continue_once: Optional[str] = II("checkpoint.continue_once")
    save_dir: str = II("checkpoint.save_dir")


@dataclass
class TranslationSubnetworkConfig(TrainingConfig):
    source_lang: Optional[str] = flag(
        None, "source language (translation)", argparse_alias="-s"
    )
    target_lang: Optional[str] = flag(
        None, "target language (translation)", argparse_alias="-t"
    )
    lang_pairs: Optional[str] = flag(None, "pairs of languages: en-de,de-en,…")
    langs: Optional[str] = flag(
        None, "all languages, in the order of their tokens: de,en,…"
    )
    lang_dict: Optional[str] = flag(
        None, "file with one language a line (default: DATA/langs.txt)"
    )
    source_dict: Optional[str] = flag(None, "dictionary of all source languages")
    target_dict: Optional[str] = flag(None, "dictionary of all target languages")
    lang_tok_style: ChoiceEnum(["multilingual", "mbart", "none"]) = flag(  # type: ignore
        "multilingual", "__de__, [de], or no tokens in the dictionary"
    )
    encoder_langtok: Optional[str] = flag(
        None, "token before the source: src or tgt language (or none)"
    )
    decoder_langtok: bool = flag(False, "target language token before the target")
    left_pad_source: str = flag("True", "pad sources on the left: True or False")
    left_pad_target: str = flag("False", "pad targets on the left: True or False")
    max_source_positions: int = flag(1024, "longest source sentence in tokens")
    max_target_positions: int = flag(1024, "longest target sentence in tokens")
    truncate_source: bool = flag(False, "cut sources to --max-source-positions")
    sampling_method: ChoiceEnum(list(sampling.METHODS)) = flag(  # type: ignore
        "concat", "how often each pair is drawn"
    )
    sampling_temperature: Optional[float] = flag(
        None,
        f"T of p ∝ n^(1/T), for temperature sampling (default: {DEFAULT_TEMPERATURE})",
    )
    mixed_batches: bool = flag(
        False, "batches of all pairs together (only without masks)"
    )
    masks: Optional[str] = flag(
        None,
        "masks for joint training: a folder or files separated by commas; in "
        "translation, for a checkpoint that carries none",
    )
    extend: Optional[str] = flag(
        None,
        "extended checkpoint that pairs are added to: its older pairs are carried on, "
        "see 'lass extend'",
    )
    hold: Optional[str] = flag(
        None,
        "what does not move while pairs are added: others (the weights that masks of "
        "older pairs keep), shared (what no mask covers, but new embeddings), or "
        "others,shared",
    )
    inference_masks: Optional[str] = flag(
        None, "masks to translate with instead of the checkpoint's"
    )
    dense: bool = flag(False, "translate without the checkpoint's masks")
    allow_other_base: bool = flag(
        False, "accept masks that were searched on other weights"
    )
    base: Optional[str] = flag(
        None,
        "the model that low-rank modules stand in; in translation only where it is no "
        "longer where it was in training",
    )
    sparsity: Optional[float] = flag(
        None, "share of heads and units to leave out (gates for any sparsity)"
    )
    keep_inference_langtok: bool = flag(False, "keep language tokens in translations")


@dataclass
class MaskedLmLanguagesConfig(TrainingConfig):
    langs: Optional[str] = flag(
        None, "languages to train on: de,en,… (default: those of DATA/langs.txt)"
    )
    multilang_sampling_alpha: float = flag(
        0.3, "α of p ∝ n^α, by which languages are drawn; 1 as they are, 0 all alike"
    )
    sample_break_mode: ChoiceEnum(list(BREAK_MODES)) = flag(  # type: ignore
        "complete",
        "a sample is as many whole sentences as fit (complete), one sentence (eos), or "
        "filled with text that ends anywhere (none)",
    )
    tokens_per_sample: int = flag(512, "most tokens of a sample")
    mask_prob: float = flag(0.15, "share of the tokens that are to be guessed")
    leave_unmasked_prob: float = flag(0.1, "of these, share that is left as it is")
    random_token_prob: float = flag(0.1, "of these, share that becomes any piece")
    sparsity: Optional[float] = flag(
        None,
        "share of heads and units to leave out (gates for any sparsity; validation)",
    )
    seed: int = II("common.seed")


@dataclass
class XtremeConfig(TrainingConfig):
    """What a fine-tuning on a task of XTREME can be told."""

    langs: Optional[str] = flag(
        None,
        "languages to train on: en alone is cross-lingual transfer, all are "
        "translate-train-all (default: those that were prepared)",
    )
    sparsity: Optional[float] = flag(
        None, "share of heads and units to leave out (gates for any sparsity)"
    )


def check_not_empty(cfg: Any) -> None:
    """Refuse options that are given without a value, as by an unset shell variable.

    Raises:
        LassError: names the option.
    """
    values: Any = OmegaConf.to_container(cfg) if OmegaConf.is_config(cfg) else vars(cfg)
    for name, value in values.items():
        if value == "":
            raise LassError(
                f"--{name.replace('_', '-')} is empty; give a value, or leave it out"
            )


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
    for name in ("max_source_positions", "max_target_positions"):
        if not getattr(cfg, name) >= 1:
            option = f"--{name.replace('_', '-')}"
            raise LassError(f"{option} {getattr(cfg, name)} is not 1 or more")
    if not cfg.source_lang:
        return parse_pairs(cfg.lang_pairs)
    pair = Pair.parse(f"{cfg.source_lang}-{cfg.target_lang}")
    if cfg.lang_pairs and pair not in parse_pairs(cfg.lang_pairs):
        raise LassError(
            f"{pair} is not one of --lang-pairs {cfg.lang_pairs}; leave --lang-pairs "
            "out to translate"
        )
    return [pair]


def check_training(
    cfg: Any, strict: bool, mixes: bool = False, base: bool = False
) -> None:
    """Refuse options of a training that cannot be strict or would have no effect.

    Args:
        cfg: with fairseq's own options filled in.
        strict: whether some weights must not move in an update.
        mixes: whether a batch may mix pairs all the same.
        base: whether the method stands in another model.

    Raises:
        LassError: names the option.
    """
    _check_precision(cfg)
    if cfg.save_dir:  # an evaluation sets up the task of a training, but saves nothing
        check_start(
            cfg.restore_file, cfg.finetune_from_model, cfg.save_dir, cfg.continue_once
        )
    if _given(cfg, "mixed_batches") and strict and not mixes:
        raise LassError(
            "--mixed-batches and sub-networks exclude each other (--masks, or a "
            "search): a batch must belong to one sub-network; leave --mixed-batches out"
        )
    of_translation = _given(cfg, "inference_masks", "dense", "keep_inference_langtok")
    # a fine-tuning, which has neither, takes one: it does not train the gates
    of_gates = hasattr(cfg, "lang_pairs") or hasattr(cfg, "mask_prob")
    if of_gates and cfg.sparsity is not None:
        raise LassError(
            "--sparsity is for a trained model; training takes --gates-sparsity"
        )
    if of_translation:
        raise LassError(
            f"{of_translation[0]} is for translation; training under masks takes "
            "--masks"
        )
    if _given(cfg, "base") and not base:
        raise LassError(
            "--base is for low-rank modules (--task translation_lslo); start from a "
            "base with --finetune-from-model"
        )
    _check_other_base(cfg)
    if hasattr(cfg, "sampling_temperature") and not sampling_temperature(cfg) > 0.0:
        raise LassError(
            f"--sampling-temperature {cfg.sampling_temperature} is not above 0"
        )
    sharded = []
    if str(cfg.ddp_backend) in ("fully_sharded", "slowmo"):
        sharded.append(f"--ddp-backend {cfg.ddp_backend}")
    if str(cfg.zero_sharding) == "os":
        sharded.append("--zero-sharding os")
    sharded += _given(cfg, "use_bmuf", "tpu")
    if sharded and strict:
        raise LassError(
            f"{sharded[0]} takes the weights or the optimizer's state out of the "
            "plugin's sight, so the update could not be strict; use --ddp-backend "
            "legacy_ddp or pytorch_ddp"
        )


def check_unused_parameters(cfg: Any, what: str) -> None:
    """Refuse a backend that waits for gradients which never come.

    Args:
        what: gets none, in a batch of others.

    Raises:
        LassError: names the option that is missing.
    """
    if (
        (cfg.distributed_world_size or 1) > 1
        and str(cfg.ddp_backend) in ("pytorch_ddp", "c10d")
        and not cfg.find_unused_parameters
    ):
        raise LassError(
            f"{what} get no gradient, which --ddp-backend {cfg.ddp_backend} waits for; "
            "add --find-unused-parameters, or use --ddp-backend legacy_ddp"
        )


def check_translation(cfg: Any) -> None:
    """Refuse options that have no effect or contradict each other in translation.

    Raises:
        LassError: names the option.
    """
    first, *more = _given(cfg, "dense", "inference_masks", "masks") or [""]
    if more:
        raise LassError(f"{first} and {more[0]} exclude each other; give one of them")
    _check_other_base(cfg)
    needless = _given(cfg, "extend", "hold", "mixed_batches")
    if str(cfg.sampling_method) != "concat":
        needless.append("--sampling-method")
    if cfg.sampling_temperature is not None:
        needless.append("--sampling-temperature")
    if needless:
        raise LassError(
            f"{needless[0]} has no effect with --source-lang and --target-lang, which "
            "are for translation; leave it out, or give --lang-pairs to train"
        )


def _check_precision(cfg: Any) -> None:
    """Refuse combinations of precision and device that do not do what they say."""
    others = _given(cfg, "fp16", "bf16", "amp", "memory_efficient_fp16")
    if cfg.bf16_autocast and others:
        raise LassError(
            f"--bf16-autocast and {others[0]} exclude each other; leave one of them out"
        )
    on_cpu = cfg.cpu or not torch.cuda.is_available()
    if on_cpu and cfg.amp:
        raise LassError(
            "--amp has no effect on a CPU (everything would run in float32); use "
            "--bf16-autocast, or leave it out"
        )
    if on_cpu and cfg.bf16:
        raise LassError(
            "--bf16 does not work on a CPU; use --bf16-autocast, which keeps the "
            "weights in float32 and multiplies matrices in bfloat16"
        )


def _given(cfg: Any, *names: str) -> list[str]:
    given = [name for name in names if getattr(cfg, name, None)]
    return [f"--{name.replace('_', '-')}" for name in given]


def _check_other_base(cfg: Any) -> None:
    if _given(cfg, "allow_other_base") and not cfg.masks:
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


def check_samples(cfg: Any) -> None:
    """Refuse samples of an encoder that cannot be made.

    Raises:
        LassError: names the option.
    """
    if not cfg.tokens_per_sample >= 3:
        raise LassError(
            f"--tokens-per-sample {cfg.tokens_per_sample} is not 3 or more: <s>, a "
            "token, </s>"
        )
    alpha = cfg.multilang_sampling_alpha
    if not 0.0 <= alpha < float("inf"):
        raise LassError(f"--multilang-sampling-alpha {alpha} is not 0 or more")
