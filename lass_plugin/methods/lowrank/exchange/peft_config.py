"""``adapter_config.json`` of LoRA as the library PEFT writes and reads it.

PEFT computes W x + (lora_alpha / r) · B A x, or lora_alpha / √r with ``use_rslora``.
``rank_pattern`` and ``alpha_pattern`` map a regular expression for the end of a
module's name to another r or lora_alpha; the first that matches counts.
"""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, TypeVar

from lass_plugin.errors import LassError
from lass_plugin.records.json_record import RecordFormat

NAME = "adapter_config.json"

_CONFIG = RecordFormat(  # PEFT's own, without our marks
    "",
    "a description of an adapter",
    advice="give the folder that the library peft saved an adapter to",
)

T = TypeVar("T")

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
        return self.rank_pattern.get(_key(self.rank_pattern, module), self.r)

    def alpha(self, module: str) -> float:
        """Rank times what the output of the adapter of *module* is multiplied by."""
        key = _key(self.alpha_pattern, module)
        alpha = self.alpha_pattern.get(key, self.lora_alpha)
        return alpha * math.sqrt(self.rank(module)) if self.use_rslora else alpha


def _key(pattern: Mapping[str, Any], module: str) -> str:
    """The first key of *pattern* that matches the end of *module*, else *module*."""
    for key in pattern:
        if re.match(rf"(.*\.)?({key})$", module):
            return key
    return module


def make_config(
    ranks: Mapping[str, int],
    alpha: float,
    dropout: float,
    base_name: str | None = None,
) -> dict[str, Any]:
    """The file of an adapter for ``M2M100ForConditionalGeneration``.

    Args:
        ranks: name of each module, without the parts that all have in common -> rank.
        alpha: the scale is alpha / rank; 0 for a scale of 1.
        base_name: what the library transformers calls the base.
    """
    (common, _), *_ = Counter(ranks.values()).most_common()
    others = {name: rank for name, rank in ranks.items() if rank != common}
    return {
        # without a factor alpha = r, so that alpha / r is 1
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
        "lora_alpha": _plain(alpha) if alpha else common,
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


def _plain(alpha: float) -> float:
    return int(alpha) if alpha == int(alpha) else alpha


def read_config(folder: Path) -> PeftConfig:
    """Read the file in *folder*.

    Raises:
        LassError: it is missing, damaged, or asks for more than low-rank products.
    """
    path = folder / NAME
    with _CONFIG.naming(path):
        values = json.loads(path.read_text(encoding="utf-8"))
        check_values(values, path)
        return PeftConfig(
            r=_rank(values["r"]),
            lora_alpha=_number(values["lora_alpha"]),
            rank_pattern=_pattern(values.get("rank_pattern"), _rank),
            alpha_pattern=_pattern(values.get("alpha_pattern"), _number),
            use_rslora=bool(values.get("use_rslora")),
            lora_dropout=_number(values.get("lora_dropout") or 0.0),
        )


def check_values(values: Mapping[str, Any], path: Path) -> None:
    """Refuse by name what low-rank modules beside matrices cannot do."""
    kind = values["peft_type"]
    if kind != "LORA":
        raise LassError(
            f"{path} is of an adapter of type {kind}; only LORA can be read"
        )
    bias = values.get("bias", "none")
    if bias != "none":
        raise LassError(
            f"{path} has bias {bias!r}, but the base of low-rank modules keeps its "
            "biases; train the adapter with bias 'none'"
        )
    start = values.get("init_lora_weights", True)
    if start not in _KEEPS_BASE:
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


def _pattern(values: Any, read: Callable[[Any], T]) -> dict[str, T]:
    """Regular expression -> value, each value read by *read*."""
    found = {str(key): read(value) for key, value in (values or {}).items()}
    for key in found:
        try:
            re.compile(key)
        except re.error as error:
            raise ValueError(f"{key!r} is no regular expression") from error
    return found
