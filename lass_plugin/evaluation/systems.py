"""What is evaluated: checkpoints with the masks they are translated under."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq.models import FairseqEncoderDecoderModel
from omegaconf import OmegaConf

import lass_plugin.models.transformer_architectures  # noqa: F401  (registered)
from lass_plugin.checkpoints.checkpoint import (
    carried_masks,
    masks_at,
    read_checkpoint,
    task_options,
)
from lass_plugin.data.language_tokens import trained_tokens
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks import MaskSet
from lass_plugin.masks.fitting import check_fit
from lass_plugin.masks.state import digest
from lass_plugin.methods.lowrank.entry import ENTRY
from lass_plugin.tasks.translation_subnetwork import (
    TranslationSubnetworkConfig,
    TranslationSubnetworkTask,
)
from lass_plugin.training.inference import Subnetworks

STOCK_TASK = "translation_multi_simple_epoch"
SEARCH_TASK = "translation_subnetwork_search"
TASKS = ("translation_subnetwork", SEARCH_TASK, "translation_lslo", STOCK_TASK)
"""Training tasks whose checkpoints can be evaluated."""


@dataclass(frozen=True)
class System:
    """A name, a checkpoint, and what to translate under.

    By default that is the masks that the checkpoint carries, if it carries any.
    *inference_masks* (a folder, files, a checkpoint, or the masks themselves) replace
    them; *dense* leaves them out. *base* is where the base of low-rank modules is now,
    None for where it was in training.
    """

    name: str
    checkpoint: Path
    inference_masks: str | MaskSet | None = None
    dense: bool = False
    base: Path | None = None

    def __post_init__(self) -> None:
        if not self.name.isprintable() or not self.name.strip(" .") or "/" in self.name:
            raise LassError(
                f"'{self.name}' cannot be the name of a system, because its "
                "translations are written to a folder of that name; write "
                "NAME=CHECKPOINT with letters and digits before the ="
            )
        if self.dense and self.inference_masks:
            raise LassError(
                f"--dense {self.name} and --inference-masks {self.name}=… exclude each "
                "other; leave one of them out"
            )


def check_names(systems: Sequence[System]) -> None:
    """Refuse an empty list and two systems of one name."""
    if not systems:
        raise LassError("there is no system to evaluate; give --system NAME=CHECKPOINT")
    names = [system.name for system in systems]
    for name in names:
        if names.count(name) > 1:
            raise LassError(f"two systems are called '{name}'; rename one of them")


class Saved:
    """The checkpoint of a system, read, but its model not yet built."""

    def __init__(self, system: System):
        self.system = system
        self._state = read_checkpoint(system.checkpoint)
        self._stated = task_options(self._state)
        self._tokens = trained_tokens(self._state)
        self._options = self._training_options()
        # of an old checkpoint, which has one namespace for everything, what the model
        # needs and no more: the rest may be of options that fairseq has no more
        cfg = self._state.get("cfg") or {"model": self._state.get("args")}
        self._state["cfg"] = OmegaConf.create(cfg, flags={"allow_objects": True})
        self._state["args"] = None
        pairs = self._options.get("lang_pairs")
        self.trained_pairs = parse_pairs(pairs) if pairs else []
        self._tasks: dict[tuple[str, ...], TranslationSubnetworkTask] = {}

    def shared_with(self, system: System) -> "Saved":
        """The same checkpoint, not read again, for another system of it."""
        other = copy.copy(self)
        other.system = system
        other._training_options()  # checked for this system, too
        return other

    def masks(self) -> MaskSet | None:
        """All masks of the system: those given, else those that it carries."""
        given = self.system.inference_masks
        if given is None:
            return carried_masks(self._state, self.system.checkpoint)
        return given if isinstance(given, MaskSet) else masks_at(given)

    def _training_options(self) -> dict[str, Any]:
        options = self._stated
        if options is None:
            raise LassError(
                f"{self.system.checkpoint} does not say how it was trained; give a "
                "checkpoint that fairseq-train wrote"
            )
        task = options.get("_name") or options.get("task")
        if task not in TASKS:
            raise LassError(
                f"{self.system.checkpoint} was trained with --task {task}; checkpoints "
                f"of {', '.join(TASKS)} can be evaluated"
            )
        unlike = ("lang_tok_replacing_bos_eos", "extra_data")
        for option in unlike if task == STOCK_TASK else ():
            if options.get(option):
                raise LassError(
                    f"{self.system.checkpoint} was trained with "
                    f"--{option.replace('_', '-')}, which changes the language tokens "
                    "in a way that is not supported; train it without"
                )
        searched = self.system.dense or self.system.inference_masks
        if self.system.base and ENTRY not in (self._state.get("task_state") or {}):
            raise LassError(
                f"--base has no effect on system {self.system.name}, because "
                f"{self.system.checkpoint} has no low-rank modules; leave it out"
            )
        if task == SEARCH_TASK and not searched:
            raise LassError(
                f"{self.system.checkpoint} is of a search and carries no mask yet; "
                f"add --inference-masks {self.system.name}=MASK or --dense "
                f"{self.system.name}"
            )
        return options

    def set_up(self, data: Path, pairs: Sequence[Pair]) -> "Ready":
        """The task and masks for *pairs*, checked against *data* and the weights.

        Raises:
            LassError: a pair has no mask, or the dictionary of *data* is another.
        """
        place = (str(data), str(self.system.base), *map(str, pairs))
        if place not in self._tasks:  # the same for all systems of the checkpoint
            options = self._task_options(data, pairs)
            task = TranslationSubnetworkTask.setup_task(options)
            if self.system.base is not None:  # no option of a base's own training
                task.cfg.base = str(self.system.base)
            task.load_state_dict(self._state.get("task_state") or {})
            self._tasks[place] = task
        task = self._tasks[place]
        for side, dictionary in (
            ("encoder", task.source_dictionary),
            ("decoder", task.target_dictionary),
        ):
            embedding = self._state["model"].get(f"{side}.embed_tokens.weight")
            if embedding is not None and len(embedding) != len(dictionary):
                raise LassError(
                    f"the dictionary of {data} has {len(dictionary)} symbols, language "
                    f"tokens included, but the {side} of {self.system.checkpoint} was "
                    f"trained with {len(embedding)}; give the data folder that the "
                    "model was trained with"
                )
        return Ready(self.system, data, task, self._state, self._masks_of(pairs))

    def _task_options(
        self, data: Path, pairs: Sequence[Pair]
    ) -> TranslationSubnetworkConfig:
        """Options of training that matter in translation; all others are left out."""
        given, cfg = self._options, TranslationSubnetworkConfig()
        for field in fields(cfg):
            if str(field.default).startswith("${"):  # an option of fairseq's own
                setattr(cfg, field.name, False)
        cfg.data, cfg.train_subset = str(data), "train"
        cfg.lang_pairs = ",".join(map(str, pairs))
        if self._tokens is not None:
            cfg.langs = ",".join(self._tokens.languages) or None
            cfg.encoder_langtok = self._tokens.encoder
            cfg.decoder_langtok = self._tokens.decoder
            cfg.lang_tok_style = self._tokens.style
        for name in ("max_source_positions", "max_target_positions"):
            setattr(cfg, name, given.get(name) or getattr(cfg, name))
        for name in ("left_pad_source", "left_pad_target"):
            value = given.get(name, getattr(cfg, name))
            setattr(cfg, name, str(value))
        for name in ("source_dict", "target_dict"):
            path = given.get("fixed_dictionary") or given.get(name)
            setattr(cfg, name, path if path and Path(path).is_file() else None)
        return cfg

    def _masks_of(self, pairs: Sequence[Pair]) -> MaskSet | None:
        """The masks to translate under, checked before any translation."""
        system, checkpoint = self.system, self.system.checkpoint
        if system.dense:
            return None
        masks = self.masks()
        if masks is None:
            return None
        for pair in map(str, pairs):
            if pair not in masks:
                given = system.inference_masks or checkpoint
                where = "the set" if isinstance(given, MaskSet) else given
                raise LassError(
                    f"system {system.name} has no mask of {pair} ({where} holds "
                    f"{', '.join(masks)}); leave the pair out of --pairs, or add "
                    f"--inference-masks {system.name}=MASKS or --dense {system.name}"
                )
        masks = masks.only(map(str, pairs))
        check_fit(masks, self._state["model"], str(checkpoint))
        return masks


@dataclass(frozen=True)
class Ready:
    """A system whose model can be built; *masks* is None for the dense model."""

    system: System
    data: Path
    task: TranslationSubnetworkTask
    state: dict[str, Any]
    masks: MaskSet | None

    @property
    def mask_label(self) -> str | None:
        """The masks in words, with the start of the SHA-256 of their bits."""
        low_rank = self.task.low_rank
        if low_rank is not None and not self.system.dense:
            return f"low-rank modules in the base {self.system.base or low_rank.base}"
        if self.masks is None:
            return None
        kinds = []
        for mask in self.masks.values():
            made = mask.provenance
            words = [made.criterion, made.schedule]
            words += [] if made.ratio is None else [f"ratio {made.ratio:g}"]
            kinds.append(" ".join(word for word in words if word))
        where = self.system.inference_masks or "carried by the checkpoint"
        what = where if isinstance(where, str) else "masks"
        kind = "; ".join(dict.fromkeys(kinds))
        return f"{what} ({kind}; sha256 {digest(self.masks)[:12]})"

    def build_model(
        self, device: torch.device, fp16: bool
    ) -> FairseqEncoderDecoderModel:
        """The model in evaluation mode on *device*."""
        checkpoint = self.system.checkpoint
        try:
            (model,), _ = checkpoint_utils.load_model_ensemble(
                [str(checkpoint)], task=self.task, state=self.state
            )
        except (RuntimeError, KeyError, ValueError, AssertionError) as error:
            reason = " ".join(str(error).split())
            raise LassError(
                f"the model of {checkpoint} cannot be built ({reason}); the checkpoint "
                "is damaged or of another version of fairseq"
            ) from error
        for name, parameter in model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise LassError(
                    f"{name} of {checkpoint} is not finite: training has diverged; "
                    "take an earlier checkpoint"
                )
        model.to(device=device, dtype=torch.float16 if fp16 else None)
        model.eval()
        model.make_generation_fast_(beamable_mm_beam_size=None, need_attn=False)
        return self.take(model)

    def take(self, model: FairseqEncoderDecoderModel) -> FairseqEncoderDecoderModel:
        """*model*, built for another system of the checkpoint, under these masks."""
        model.subnetwork_masks = self.masks
        model.is_dense = self.system.dense
        Subnetworks.forget(model)
        return model
