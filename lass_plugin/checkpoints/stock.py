"""Checkpoints of stock fairseq that translate one pair.

The files hold plain containers and tensors only: no class, no optimizer, no task or
architecture of this package. So they load under every release of torch, in fairseq
without ``--user-dir``. What the weights are is up to the methods.
"""

import os
import shlex
from argparse import ArgumentParser, Namespace
from dataclasses import fields
from typing import Any, Callable, Mapping

from fairseq.dataclass.configs import CommonConfig, DatasetConfig, GenerationConfig
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.models.transformer import (
    TransformerConfig,
    TransformerModel,
    base_architecture,
)
from fairseq.models.transformer.transformer_config import (
    DecoderConfig,
    EncDecBaseConfig,
    QuantNoiseConfig,
)
from fairseq.tasks.translation_multi_simple_epoch import TranslationMultiSimpleEpochTask
from omegaconf import OmegaConf
from torch import Tensor

import lass_plugin.models.transformer_architectures  # noqa: F401  registers ours
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.trained_with import ENTRY
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair

STOCK_TASK = "translation_multi_simple_epoch"


def plain_checkpoint(
    checkpoint: Checkpoint, pair: Pair, tensors: Mapping[str, Tensor]
) -> dict[str, Any]:
    """A checkpoint of stock fairseq that translates *pair* with the weights *tensors*.

    What it keeps in ``task_state``, which stock fairseq reads and has no use for, are
    the digests of the dictionaries: our tasks compare them (see :mod:`.trained_with`).

    Args:
        checkpoint: whose model, language tokens and dictionaries it has.

    Raises:
        LassError: the model is no fairseq transformer, or lacks a language's token.
    """
    tokens = stated_tokens(checkpoint)
    tokens.check_pairs([pair])
    plain = without_optimizer(
        transformer_options(checkpoint),
        _task_options(checkpoint, tokens, pair),
        tensors,
        checkpoint.updates,
    )
    if ENTRY in checkpoint.task_state:
        plain["task_state"] = {ENTRY: checkpoint.task_state[ENTRY]}
    return plain


def without_optimizer(
    model: Mapping[str, Any],
    task: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    updates: int,
    criterion: str = "LabelSmoothedCrossEntropyCriterion",
) -> dict[str, Any]:
    """What fairseq asks of every checkpoint, without the optimizer's state.

    Args:
        model, task: their options.
        tensors: name -> weight.
        updates: of the training that they come from.
        criterion: class of the loss of that.
    """
    return {
        "args": None,
        "cfg": {
            **{name: plain_defaults(config) for name, config in _SECTIONS.items()},
            "model": dict(model),
            "task": dict(task),
            "tokenizer": None,
            "bpe": None,
        },
        "model": dict(tensors),
        "criterion": None,
        "optimizer_history": [
            {
                "criterion_name": criterion,
                "optimizer_name": "FairseqAdam",
                "lr_scheduler_state": {},
                "num_updates": updates,
            }
        ],
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}},
        "last_optimizer_state": None,
    }


def stock_command(
    checkpoint: Checkpoint, exported: Mapping[str, Any], target: str | os.PathLike
) -> str:
    """The command that translates a test set with an exported checkpoint.

    Args:
        checkpoint: that it was made of; the set is of the data it was trained on.
        exported: what :func:`plain_checkpoint` made.
        target: the file it was written to.
    """
    task = exported["cfg"]["task"]
    source, language = task["source_lang"], task["target_lang"]
    trained_on = str((checkpoint.task_options or {}).get("data") or "DATA")
    words = ["fairseq-generate", trained_on.split(":")[0], "--path", str(target)]
    words += ["-s", source, "-t", language]
    without_tokens = task["lang_tok_style"] == "none"
    if without_tokens:  # the multilingual task of stock fairseq always adds them
        words += ["--task", "translation"]
    else:
        words += ["--task", STOCK_TASK, "--langs", ",".join(task["langs"])]
        words += ["--lang-pairs", f"{source}-{language}"]
    if task["encoder_langtok"]:
        words += ["--encoder-langtok", task["encoder_langtok"]]
    if task["decoder_langtok"]:
        words.append("--decoder-langtok")
    defaults = _stock_defaults()
    for option in _OPTIONS_IN_COMMAND:
        name = option.strip("-").replace("-", "_")
        if task[name] == defaults[name]:
            continue
        if not without_tokens:
            words += [option] if task[name] is True else [option, str(task[name])]
        elif option in _OF_TRANSLATION:
            words += [option, str(task[name])] if "max" in option else [option]
    # otherwise stock fairseq drops the sentences that do not fill a batch of 8
    words += ["--required-batch-size-multiple", "1"]
    return shlex.join(words)


_OPTIONS_IN_COMMAND = (
    "--lang-tok-style",
    "--source-dict",
    "--target-dict",
    "--left-pad-source",
    "--left-pad-target",
    "--max-source-positions",
    "--max-target-positions",
    "--truncate-source",
)


_OF_TRANSLATION = _OPTIONS_IN_COMMAND[3:]
"""Those that the task ``translation`` has, too; its switches have no value."""


def changed_weights(
    checkpoint: Checkpoint,
    change: Callable[[str, str, Tensor], Tensor],
    half: bool = False,
) -> dict[str, Tensor]:
    """Name -> weight after *change*, under every name of a shared embedding.

    Args:
        change: given the name of a weight, the first name of the same tensor and the
            tensor, what is to stand in its place.
        half: store the weights in half precision.
    """
    result: dict[str, Tensor] = {}
    for name, weight in checkpoint.weights.items():
        first = checkpoint.shared.get(name, name)
        if first in result:
            result[name] = result[first]
            continue
        weight = change(name, first, weight)
        if half and weight.is_floating_point() and weight.dim() > 0:
            weight = weight.half()
        # a copy of its own: the stored tensor may lie in a file or in a larger one
        result[name] = weight.clone()
    return result


def transformer_options(checkpoint: Checkpoint) -> dict[str, Any]:
    """Every option of fairseq's transformer, and nothing else."""
    given, path = checkpoint.check_types().model_options, checkpoint.path
    architecture = given.get("arch") or given.get("_name")
    if ARCH_MODEL_REGISTRY.get(architecture) is not TransformerModel:
        raise LassError(
            f"{path} is a model of architecture {architecture}; only fairseq's "
            "'transformer' and its variants can be exported"
        )
    options = Namespace(**{n: v for n, v in given.items() if n in _transformer_names()})
    base_architecture(options)  # what older checkpoints leave out
    options.encoder_embed_path = options.decoder_embed_path = None  # now in the weights
    for name, value in vars(options).items():
        if not isinstance(value, bool | int | float | str | list | None):
            raise LassError(f"{path} has option {name} {value!r}, which is no value")
    return {**vars(options), "_name": "transformer", "arch": "transformer"}


def _transformer_names() -> set[str]:
    """Names of the options of fairseq's transformer as its flat namespace has them."""
    nested = {
        "encoder": EncDecBaseConfig,
        "decoder": DecoderConfig,
        "quant_noise": QuantNoiseConfig,
    }
    names = {item.name for item in fields(TransformerConfig)} - nested.keys()
    for prefix, config in nested.items():
        names |= {f"{prefix}_{item.name}" for item in fields(config)}
    return names - {"_name"}


_SECTIONS = {
    "common": CommonConfig,
    "dataset": DatasetConfig,
    "generation": GenerationConfig,
}
"""Parts of the configuration that fairseq's hub interface looks at."""


def plain_defaults(config: type) -> dict[str, Any]:
    """The defaults of a part of fairseq's configuration as plain values."""
    values = OmegaConf.create({"part": OmegaConf.structured(config)})["part"]
    plain = OmegaConf.to_container(values, resolve=False, enum_to_str=True)
    assert isinstance(plain, dict)
    return {
        str(name): None if str(value).startswith("${") else value
        for name, value in plain.items()
    }


def stated_tokens(checkpoint: Checkpoint) -> LanguageTokens:
    """The language tokens that the checkpoint was trained with.

    Raises:
        LassError: it does not say.
    """
    try:
        tokens = checkpoint.language_tokens
    except (KeyError, TypeError):
        tokens = None
    if tokens is None or not tokens.languages:
        raise LassError(
            f"{checkpoint.path} does not say which language tokens it was trained "
            "with; give a checkpoint of --task translation_subnetwork"
        )
    return tokens


def _stock_defaults() -> dict[str, Any]:
    """Every option of the stock task with its default."""
    parser = ArgumentParser(add_help=False)
    TranslationMultiSimpleEpochTask.add_args(parser)
    return {
        action.dest: action.default
        for action in parser._actions
        if action.dest != "help"
    }


def _task_options(
    checkpoint: Checkpoint, tokens: LanguageTokens, pair: Pair
) -> dict[str, Any]:
    """Every option of the stock task, such that it translates *pair*."""
    options = _stock_defaults()
    given = checkpoint.task_options or {}
    for name in ("source_dict", "target_dict"):
        options[name] = given.get(name)
    for name in ("max_source_positions", "max_target_positions", "truncate_source"):
        options[name] = given.get(name, options[name])
    for name in ("left_pad_source", "left_pad_target"):  # the stock task wants a text
        options[name] = str(given.get(name, options[name]))
    options.update(
        data=".",
        _name=STOCK_TASK,
        task=STOCK_TASK,
        source_lang=pair.source,
        target_lang=pair.target,
        lang_pairs=str(pair),
        langs=list(tokens.languages),
        langtoks_specs=["main"],
        encoder_langtok=tokens.encoder,
        decoder_langtok=tokens.decoder,
        lang_tok_style=tokens.style,
        seed=1,
        train_subset="train",
    )
    return options
