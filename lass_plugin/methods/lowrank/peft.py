"""Low-rank modules of one direction as a LoRA adapter of the library PEFT, and back.

The folder is what PEFT saves for ``M2M100ForConditionalGeneration`` of the library
transformers, whose layers have the names of fairseq's below ``model.``.

PEFT computes W x + (lora_alpha / r) · B A x, or lora_alpha / √r with ``use_rslora``.
``rank_pattern`` and ``alpha_pattern`` map a regular expression for the end of a
module's name to another r or lora_alpha; the first that matches counts.
"""

import math
import os
import re
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Callable, Mapping

from torch import Tensor

from lass_plugin import files, tensor_files
from lass_plugin.anatomy.matrices import Matrix
from lass_plugin.anatomy.places import count_layers
from lass_plugin.checkpoints import trained_with
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import transformer_options, without_optimizer
from lass_plugin.checkpoints.torch_files import load_tensors
from lass_plugin.errors import LassError
from lass_plugin.files import read_json
from lass_plugin.languages import Pair
from lass_plugin.methods.lowrank import adapter_base
from lass_plugin.methods.lowrank.attaching import all_matrices
from lass_plugin.methods.lowrank.frozen_base import FrozenBase, fingerprint_of
from lass_plugin.methods.lowrank.modules import entry_name
from lass_plugin.methods.lowrank.planning.placement import DEFAULT, parse_placement
from lass_plugin.methods.lowrank.planning.plan import LowRankPlan
from lass_plugin.methods.lowrank.stored import (
    ENTRY,
    Entry,
    StoredModule,
    entry_of,
    low_rank_of,
)
from lass_plugin.options import TranslationSubnetworkConfig
from lass_plugin.records.json_record import RecordFormat

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
OLD_WEIGHTS = "adapter_model.bin"

_PREFIX = "base_model.model."
_ADVICE = "give the folder that the library peft saved an adapter to"
_FORMAT = RecordFormat("", "a description of an adapter", advice=_ADVICE)
"""PEFT's own, without our marks."""

_KNOWN = set(
    "alpha_pattern rank_pattern lora_alpha r use_rslora lora_dropout peft_type "
    "task_type peft_version auto_mapping revision base_model_name_or_path "
    "inference_mode runtime_config target_modules exclude_modules "
    "layers_to_transform layers_pattern".split()
)
_KNOWN |= set(  # without effect by themselves, or on a torch.nn.Linear
    "fan_in_fan_out megatron_core loftq_config corda_config eva_config "
    "lora_ga_config qalora_group_size bias init_lora_weights".split()
)
"""Entries that need not be off; every other one that is not must be understood."""

_KEEPS_BASE = (True, False, None, "gaussian", "eva", "orthogonal")
"""Values of ``init_lora_weights`` that leave the base as it was."""


def to_peft(
    checkpoint: Checkpoint,
    pair: Pair,
    folder: str | os.PathLike,
    base_name: str | None = None,
) -> tuple[StoredModule, ...]:
    """Write the modules of *pair* to *folder*; returns them.

    Args:
        base_name: what ``transformers`` calls the base.

    Raises:
        LassError: there is no module of *pair*, or the placement is not decided.
    """
    entry, folder = entry_of(checkpoint), Path(folder)
    plan = entry.plan
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
    said = adapter_base.metadata_of(entry.fingerprint)
    tensor_files.write_plain(folder / WEIGHTS, tensors, said)
    config = make_config(ranks, plan.alpha, plan.dropout, base_name)
    files.write_json(folder / CONFIG, config)
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
    adapter_base.check(folder / WEIGHTS, stored, base)
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
    alphas: list[tuple[float, int]] = []
    for name, matrix in matrices.items():  # in the order of the layers
        if name not in factors:
            continue
        a, b = factors[name]
        rank = config.rank(f"model.{name}")
        expected = ((rank, matrix.inputs), (matrix.outputs, rank))
        found = (tuple(a.shape), tuple(b.shape))
        if found != expected or not (a.is_floating_point() and b.is_floating_point()):
            raise LassError(
                f"the factors A and B of {name} in {folder} are of the shapes "
                f"{found[0]} and {found[1]}; with rank {rank} of {CONFIG} this base "
                f"wants {expected[0]} and {expected[1]}, so give the base that the "
                "adapter is for"
            )
        alphas.append((config.alpha(f"model.{name}"), rank))
        index = rule.of(matrix.side, matrix.layer)
        language = getattr(pair, index)
        # of the other language there is nothing, so it has rank 0
        ranks[name] = dict.fromkeys((pair.source, pair.target), 0) | {language: rank}
        tensors[entry_name(name, index, "A", language)] = a.float().contiguous()
        tensors[entry_name(name, index, "B", language)] = b.float().contiguous()
    alpha = _common_alpha(alphas)
    if alpha is None:
        raise LassError(
            f"the scales of the adapter in {folder} (lora_alpha {config.lora_alpha:g}, "
            "alpha_pattern) are neither all 1 nor one number above 0 by the rank, as "
            "those of low-rank modules are; train the adapter with one lora_alpha"
        )
    plan = LowRankPlan(rule, ranks, alpha=alpha, dropout=config.lora_dropout)
    plan.check_model(matrices)
    entry = Entry(plan, str(Path(base).resolve()), fingerprint_of(stored, plan.ranks))
    state: dict[str, Any] = {ENTRY: entry.to_state()}
    tokens = trained_on.language_tokens
    if tokens is not None and tokens.languages:
        state["language_tokens"] = tokens.to_dict()
    if stated := trained_on.task_state.get(trained_with.ENTRY):
        state[trained_with.ENTRY] = stated
    options = transformer_options(trained_on)
    task = _task_options(trained_on, pair, entry.base)
    result = without_optimizer(options, task, tensors, trained_on.updates)
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
                f"{path} cannot be read as the weights of an adapter ({error}); "
                f"{_ADVICE}"
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


def _common_alpha(found: list[tuple[float, int]]) -> float | None:
    """The alpha of a plan, scale = alpha / rank; 0 where all scales are 1.

    Args:
        found: scale times rank, and rank, of each matrix.

    Returns:
        None if there is no such alpha.
    """
    if all(alpha == rank for alpha, rank in found):
        return 0.0
    first = found[0][0]
    # those of use_rslora are products of roots, so they may differ in the last digit
    same = all(math.isclose(alpha, first, rel_tol=1e-12) for alpha, _ in found)
    return first if same and first > 0.0 else None


def _task_options(checkpoint: Checkpoint, pair: Pair, base: str) -> dict[str, Any]:
    """The options of the base's task that matter in translation, for *pair*."""
    known = {field.name for field in fields(TranslationSubnetworkConfig)}
    known -= {"masks", "extend", "hold", "source_lang", "target_lang"}
    options = {
        name: value
        for name, value in (checkpoint.task_options or {}).items()
        if name in known and isinstance(value, (bool, int, float, str, list))
    }
    return {
        **options,
        "_name": "translation_lslo",
        "base": base,
        "lang_pairs": f"{pair}",
    }


# -- adapter_config.json --------------------------------------------------------------


@dataclass(frozen=True)
class PeftConfig:
    """What an adapter's scale depends on, and the dropout of its training."""

    r: int
    lora_alpha: float
    rank_pattern: Mapping[str, int]
    alpha_pattern: Mapping[str, float]
    use_rslora: bool = False
    lora_dropout: float = 0.0

    def rank(self, module: str) -> int:
        return _matching(self.rank_pattern, module, self.r)

    def alpha(self, module: str) -> float:
        """Rank times what the output of the adapter of *module* is multiplied by."""
        alpha = _matching(self.alpha_pattern, module, self.lora_alpha)
        return alpha * math.sqrt(self.rank(module)) if self.use_rslora else alpha


def _matching(pattern: Mapping[str, Any], module: str, otherwise: Any) -> Any:
    """The value of the first key of *pattern* that matches the end of *module*."""
    matches = (key for key in pattern if re.match(rf"(.*\.)?({key})$", module))
    return pattern.get(next(matches, module), otherwise)


def make_config(
    ranks: Mapping[str, int], alpha: float, dropout: float, base_name: str | None = None
) -> dict[str, Any]:
    """The file of an adapter for ``M2M100ForConditionalGeneration``.

    Args:
        ranks: name of each module, without the parts that all have in common -> rank.
        alpha: the scale is alpha / rank; 0 for a scale of 1.
        base_name: what the library transformers calls the base.
    """
    (common, _), *_ = Counter(ranks.values()).most_common()
    others = {name: rank for name, rank in ranks.items() if rank != common}
    factor = alpha or common  # without a factor alpha = r, so that alpha / r is 1
    return {
        "alpha_pattern": {} if alpha else dict(others),
        "auto_mapping": None,
        "base_model_name_or_path": base_name,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "layer_replication": None,
        "layers_pattern": None,
        "layers_to_transform": None,
        "loftq_config": {},
        "lora_alpha": int(factor) if factor == int(factor) else factor,
        "lora_dropout": dropout,
        "megatron_config": None,
        "megatron_core": "megatron.core",
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": common,
        "rank_pattern": others,
        "revision": None,
        "target_modules": list(ranks),
        "task_type": "SEQ_2_SEQ_LM",
        "use_dora": False,
        "use_rslora": False,
    }


def read_config(folder: Path) -> PeftConfig:
    """Read the file in *folder*.

    Raises:
        LassError: it is missing, damaged, or asks for more than low-rank products.
    """
    path = folder / CONFIG
    with _FORMAT.naming(path):
        values = read_json(path)
        _check_values(values, path)
        return PeftConfig(
            r=_rank(values["r"]),
            lora_alpha=_number(values["lora_alpha"]),
            rank_pattern=_pattern(values.get("rank_pattern"), _rank),
            alpha_pattern=_pattern(values.get("alpha_pattern"), _number),
            use_rslora=bool(values.get("use_rslora")),
            lora_dropout=_number(values.get("lora_dropout") or 0.0),
        )


def _check_values(values: Mapping[str, Any], path: Path) -> None:
    """Refuse by name what low-rank modules beside matrices cannot do."""
    if (kind := values["peft_type"]) != "LORA":
        raise LassError(
            f"{path} is of an adapter of type {kind}; only LORA can be read"
        )
    if (bias := values.get("bias", "none")) != "none":
        raise LassError(
            f"{path} has bias {bias!r}, but the base of low-rank modules keeps its "
            "biases; train the adapter with bias 'none'"
        )
    if (start := values.get("init_lora_weights", True)) not in _KEEPS_BASE:
        raise LassError(
            f"{path} has init_lora_weights {start!r}, which changes the base; convert "
            "the adapter to a plain one when it is saved (path_initial_model_for_weight"
            "_conversion of peft)"
        )
    for name, value in values.items():
        if name not in _KNOWN and value:
            raise LassError(
                f"{path} has {name} {value!r}, which low-rank modules do not have; "
                "train the adapter without it"
            )


def _rank(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"the rank {value!r} is no whole number above 0")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value


def _pattern(values: Any, read: Callable[[Any], Any]) -> dict[str, Any]:
    """Regular expression -> value, each value read by *read*."""
    found = {str(key): read(value) for key, value in (values or {}).items()}
    for key in found:
        try:
            re.compile(key)
        except re.error as error:
            raise ValueError(f"{key!r} is no regular expression") from error
    return found
