"""Options that fairseq takes, and at which it fails later.

Symptom: a traceback that does not name the option, some of them only after data and
model were loaded: no optimizer, ``--update-freq 0``, ``--beam 0``, a width that the
heads do not divide, ``--store-ema``, ``--diverse-beam-groups``, another optimizer or
one of other parameters on resume.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from fairseq.trainer import Trainer

from lass_plugin.anatomy.places import SIDES
from lass_plugin.anatomy.vocabulary import embedding_of
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.trained_with import check_counts
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes.replacing import replace_once


def check_run(everything: Any, trains: bool) -> None:
    """Refuse options at which a training or a translation would fail.

    Args:
        everything: fairseq's whole configuration; None where a task stands alone.

    Raises:
        LassError: names the option.
    """
    if everything is None or "dataset" not in everything:
        return
    multiple = everything.dataset.required_batch_size_multiple
    if multiple is not None and multiple < 1:
        raise LassError(
            f"--required-batch-size-multiple {multiple} is not 1 or more; leave it out"
        )
    if trains:
        _check_training(everything)
    else:
        _check_generation(everything.generation)


def _check_training(everything: Any) -> None:
    data = everything.dataset
    if data.max_tokens is None and data.batch_size is None:
        return  # a model is built and not trained: fairseq-train has said so before
    if everything.get("optimizer") is None:
        raise LassError(
            "no optimizer is given; add --optimizer adam (or strict_adam), and --lr"
        )
    for rate in everything.optimization.lr:
        if not rate >= 0:
            raise LassError(f"--lr {rate} is not 0 or more; give another")
    for frequency in everything.optimization.update_freq:
        if frequency < 1:
            raise LassError(
                f"--update-freq {frequency} is not 1 or more; it is the number of "
                "batches in an update"
            )
    if everything.ema.store_ema:
        raise LassError(
            "--store-ema is not supported: fairseq's trainer fails at it, and its "
            "moving average knows nothing of sub-networks; leave it out"
        )


def _check_generation(generation: Any) -> None:
    for option, value in generation.items():
        if isinstance(value, float) and not math.isfinite(value):
            name = option.replace("_", "-")
            raise LassError(f"--{name} {value} is no number to translate with")
    for option in ("beam", "nbest"):
        if generation[option] < 1:
            raise LassError(
                f"--{option} {generation[option]} is not 1 or more; leave it out"
            )
    if generation.nbest > generation.beam:
        raise LassError(
            f"--nbest {generation.nbest} is more than --beam {generation.beam} can "
            "give; raise --beam"
        )
    if generation.diverse_beam_groups > 0:
        raise LassError(
            "--diverse-beam-groups does not go with the language token that every "
            "translation begins with; leave it out"
        )
    if generation.constraints:
        raise LassError(
            "--constraints is not supported by this task, which forces the language "
            "token; leave it out"
        )


def check_shape(options: Any) -> None:
    """Refuse a transformer that cannot be built.

    Args:
        options: of the model, as fairseq has them: flat, or ``encoder.embed_dim``.

    Raises:
        LassError: names the option.
    """
    for side in ("encoder", "decoder"):
        width = _value(options, side, "embed_dim")
        heads = _value(options, side, "attention_heads")
        for name in ("embed_dim", "attention_heads", "ffn_embed_dim"):
            value = _value(options, side, name)
            if isinstance(value, int) and value < 1:
                flag = f"--{side}-{name.replace('_', '-')}"
                raise LassError(f"{flag} {value} is not 1 or more")
        if isinstance(width, int) and isinstance(heads, int) and width % heads:
            raise LassError(
                f"--{side}-embed-dim {width} is no multiple of "
                f"--{side}-attention-heads {heads}; each head has an equal part of it"
            )


def _value(options: Any, side: str, name: str) -> Any:
    def get(section: Any, key: str) -> Any:
        if isinstance(section, Mapping):
            return section.get(key)
        return getattr(section, key, None)

    nested = get(options, side)
    return get(options, f"{side}_{name}") if nested is None else get(nested, name)


_OTHER_STATE = "loaded state dict "
"""How torch begins to say that an optimizer has other parameters than its state."""


def _unlike_the_checkpoint(stock: Callable) -> Callable:
    def load(self: Any, filename: str, *arguments: Any, **more: Any) -> Any:
        try:
            return stock(self, filename, *arguments, **more)
        except AssertionError as error:
            what, _, names = str(error).partition(" does not match; ")
            if what not in ("Criterion", "Optimizer"):
                raise
            before, _, now = names.partition("). ")[2].partition(" vs ")
            raise LassError(
                f"{filename} was trained with the {what.lower()} {before}, but this "
                f"run has {now}; give that one, or begin its state anew with "
                "--reset-optimizer"
            ) from error
        except Exception as error:
            if isinstance(error, ValueError) and _OTHER_STATE in str(error):
                raise LassError(
                    f"the optimizer's state in {filename} is of other parameters than "
                    "this run trains (parts that are new or frozen, or another "
                    "precision, --fp16); go on as it was begun, or begin from its "
                    f"weights alone with --finetune-from-model {filename}"
                ) from error
            if str(error).startswith("Cannot load model parameters"):
                _compare(filename, self.model)
            raise

    return load


def _compare(filename: str, model: Any) -> None:
    """Say in one sentence how the weights of a checkpoint differ from the model's."""
    ours, weights = model.state_dict(), Checkpoint.read(filename).weights
    tables = [embedding_of(ours, side) for side in SIDES]
    symbols = [len(table) for table in tables if table is not None]
    if len(symbols) == len(SIDES):
        check_counts(weights, symbols, filename, "this run")
    mine = {name: tuple(t.shape) for name, t in ours.items()}
    theirs = {name: tuple(t.shape) for name, t in weights.items()}
    for name in sorted(mine.keys() & theirs.keys()):
        if mine[name] != theirs[name]:
            raise LassError(
                f"{name} has shape {theirs[name]} in {filename} but {mine[name]} in "
                "the model of this run; give the --arch and the options of the model "
                "that it was trained with"
            )
    for name in sorted(mine.keys() ^ theirs.keys()):
        where, other = ("this run", filename)
        if name in theirs:
            where, other = other, where
        raise LassError(
            f"{name} is in the model of {where} and not in that of {other}; give the "
            "--arch and the options of the model that it was trained with"
        )


def explain_other_models() -> None:
    """Name what differs between a checkpoint and the run that starts from it."""
    replace_once(Trainer, "load_checkpoint", _unlike_the_checkpoint)
