"""Low-rank modules of one direction as a LoRA adapter of the library PEFT, and back.

The folder is what PEFT saves for ``M2M100ForConditionalGeneration`` of the library
transformers, whose layers have the names of fairseq's below ``model.``.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from lass_plugin import files, tensor_files
from lass_plugin.anatomy.matrices import Matrix
from lass_plugin.anatomy.places import count_layers
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import transformer_options, without_optimizer
from lass_plugin.checkpoints.torch_files import load_tensors
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.methods.lowrank.attaching import all_matrices
from lass_plugin.methods.lowrank.entry import ENTRY, Entry, entry_of
from lass_plugin.methods.lowrank.exchange.peft_config import (
    NAME,
    PeftConfig,
    make_config,
    read_config,
)
from lass_plugin.methods.lowrank.frozen_base import FrozenBase, fingerprint_of
from lass_plugin.methods.lowrank.modules import entry_name
from lass_plugin.methods.lowrank.planning.placement import DEFAULT, parse_placement
from lass_plugin.methods.lowrank.planning.plan import LowRankPlan
from lass_plugin.methods.lowrank.stored import StoredModule, low_rank_of
from lass_plugin.options import TranslationSubnetworkConfig

WEIGHTS = "adapter_model.safetensors"
OLD_WEIGHTS = "adapter_model.bin"

_PREFIX = "base_model.model."
TASK = "translation_lslo"


def to_peft(
    checkpoint: Checkpoint,
    pair: Pair,
    folder: str | os.PathLike,
    base_name: str | None = None,
) -> tuple[StoredModule, ...]:
    """Write the modules of *pair* to *folder*; returns them.

    Args:
        checkpoint: of a training of low-rank modules.
        base_name: what ``transformers`` calls the base.

    Raises:
        LassError: there is no module of *pair*, or the placement is not decided.
    """
    plan, folder = entry_of(checkpoint).plan, Path(folder)
    if plan.placement.learns:
        raise LassError(
            f"{checkpoint.path} is of weight learning, where a matrix has two modules "
            "and an adapter has one; train with the placement that was found"
        )
    modules = low_rank_of(checkpoint, pair).modules
    if not modules:
        raise LassError(
            f"{checkpoint.path} has no low-rank module for {pair}, because "
            f"{pair.source} and {pair.target} have rank 0; the base translates it as "
            "it is"
        )
    tensors = {}
    for module in modules:
        name = f"{_PREFIX}model.{module.matrix.name}"
        tensors[f"{name}.lora_A.weight"] = module.a
        tensors[f"{name}.lora_B.weight"] = module.b
    ranks = {module.matrix.name: module.rank for module in modules}
    config = make_config(ranks, plan.alpha, plan.dropout, base_name)
    tensor_files.write_plain(folder / WEIGHTS, tensors)
    files.write_json(folder / NAME, config)
    return modules


def from_peft(
    folder: str | os.PathLike,
    pair: Pair,
    base: str | os.PathLike,
    placement: str = DEFAULT,
) -> dict[str, Any]:
    """A checkpoint of low-rank modules for *pair* from the adapter in *folder*.

    Args:
        base: checkpoint of fairseq with the weights of the adapter's base.
        placement: whose module, the source's or the target's, a layer's is to be; see
            :func:`.placement.parse_placement`. It does not change what *pair* gets.

    Raises:
        LassError: the adapter is of another model, or is more than low-rank modules.
    """
    folder = Path(folder)
    config = read_config(folder)
    trained_on = FrozenBase.read(base)
    stored = trained_on.weights
    matrices = all_matrices(stored)
    factors = _read_factors(folder, matrices)
    rule = parse_placement(placement, count_layers(stored))
    if rule.learns:
        raise LassError(
            "--placement learn puts two modules beside each matrix, and an adapter has "
            "one; give another placement"
        )
    ranks: dict[str, dict[str, int]] = {}
    tensors: dict[str, Tensor] = {}
    alphas: dict[str, float] = {}
    for name, matrix in matrices.items():  # in the order of the layers
        if name not in factors:
            continue
        a, b = factors[name]
        _check(config, matrix, a, b, folder)
        alphas[name] = config.alpha(f"model.{name}")
        index = rule.of(matrix.side, matrix.layer)
        language = getattr(pair, index)
        # of the other language there is nothing, so it has rank 0
        ranks[name] = dict.fromkeys((pair.source, pair.target), 0) | {language: len(a)}
        tensors[entry_name(name, index, "A", language)] = a.float().contiguous()
        tensors[entry_name(name, index, "B", language)] = b.float().contiguous()
    alpha = _common_alpha(alphas, {name: max(ranks[name].values()) for name in ranks})
    if alpha is None:
        raise LassError(
            f"the scales of the adapter in {folder} (lora_alpha {config.lora_alpha:g}, "
            "alpha_pattern) are neither all 1 nor one number above 0 by the rank, as "
            "those of low-rank modules are; train the adapter with one lora_alpha"
        )
    plan = LowRankPlan(rule, ranks, alpha=alpha, dropout=config.lora_dropout)
    plan.check_model(matrices)
    place = str(Path(base).resolve())
    entry = Entry(plan, place, fingerprint_of(stored, plan.ranks))
    result = without_optimizer(
        transformer_options(trained_on),
        _task_options(trained_on, pair, place),
        tensors,
        trained_on.updates,
    )
    state: dict[str, Any] = {ENTRY: entry.to_state()}
    tokens = trained_on.language_tokens
    if tokens is not None and tokens.languages:
        state["language_tokens"] = tokens.to_dict()
    return {**result, "task_state": state}


def _read_factors(
    folder: Path, matrices: Mapping[str, Matrix]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Name of each matrix -> ``(rank, inputs)`` A and ``(outputs, rank)`` B."""
    path = folder / WEIGHTS
    if path.is_file() or not (folder / OLD_WEIGHTS).is_file():
        try:
            tensors = tensor_files.read_plain(path)
        except tensor_files.Unreadable as error:
            raise LassError(
                f"{path} cannot be read as the weights of an adapter ({error}); give "
                "the folder that the library peft saved an adapter to"
            ) from error
    else:
        path = folder / OLD_WEIGHTS
        tensors = load_tensors(path, "the weights of an adapter")
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        module = name.removeprefix(_PREFIX).removeprefix("model.")
        matrix, _, factor = module.rpartition(".lora_")
        if matrix not in matrices or factor not in ("A.weight", "B.weight"):
            raise LassError(
                f"{path} holds {name}, which is no low-rank factor beside a matrix of "
                "the attention or feed-forward layers of this base; train the adapter "
                "on these only, or give the base that it is for"
            )
        found.setdefault(matrix, {})[factor[0]] = tensor
    for matrix, factors in found.items():
        for missing in {"A", "B"} - factors.keys():
            raise LassError(
                f"{path} lacks lora_{missing}.weight of {matrix}; save the adapter "
                "again"
            )
    if not found:
        raise LassError(f"{path} holds no low-rank factors; save the adapter again")
    return {matrix: (each["A"], each["B"]) for matrix, each in found.items()}


def _check(
    config: PeftConfig, matrix: Matrix, a: Tensor, b: Tensor, folder: Path
) -> None:
    """Refuse factors of another shape than the matrix, or of another rank than said."""
    rank = config.rank(f"model.{matrix.name}")
    expected = ((rank, matrix.inputs), (matrix.outputs, rank))
    found = (tuple(a.shape), tuple(b.shape))
    if found != expected or not (a.is_floating_point() and b.is_floating_point()):
        raise LassError(
            f"the factors A and B of {matrix.name} in {folder} are of the shapes "
            f"{found[0]} and {found[1]}; with rank {rank} of {NAME} this base wants "
            f"{expected[0]} and {expected[1]}, so give the base that the adapter is for"
        )


def _common_alpha(
    alphas: Mapping[str, float], ranks: Mapping[str, int]
) -> float | None:
    """The alpha of a plan, scale = alpha / rank; 0 where all scales are 1.

    Args:
        alphas: matrix -> scale times rank.

    Returns:
        None if there is no such alpha.
    """
    if all(alphas[name] == ranks[name] for name in alphas):
        return 0.0
    first = next(iter(alphas.values()))
    # those of use_rslora are products of roots, so they may differ in the last digit
    same = all(math.isclose(each, first, rel_tol=1e-12) for each in alphas.values())
    return first if same and first > 0.0 else None


def _task_options(checkpoint: Checkpoint, pair: Pair, base: str) -> dict[str, Any]:
    """The options of the base's task that matter in translation, for *pair*."""
    given = checkpoint.task_options or {}
    known = {field.name for field in fields(TranslationSubnetworkConfig)}
    known -= {"masks", "extend", "hold", "source_lang", "target_lang"}
    plain = (bool, int, float, str, list)
    options = {
        name: value
        for name, value in given.items()
        if name in known and isinstance(value, plain)
    }
    return {**options, "_name": TASK, "base": base, "lang_pairs": str(pair)}
