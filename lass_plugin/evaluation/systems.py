"""What is evaluated: checkpoints with the masks they are translated under."""

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq.models import FairseqEncoderDecoderModel
from fairseq.tasks import TASK_REGISTRY
from omegaconf import OmegaConf

import lass_plugin.models.narrow_architectures  # noqa: F401  (registered)
import lass_plugin.models.transformer_architectures  # noqa: F401  (registered)
from lass_plugin.anatomy.vocabulary import embedding_of
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import STOCK_TASK
from lass_plugin.data.subwords import Subwords
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs
from lass_plugin.masks import MaskSet
from lass_plugin.masks.belonging import other_base
from lass_plugin.masks.file import masks_at
from lass_plugin.masks.neurons import check_fit
from lass_plugin.methods.method import Dense, Method
from lass_plugin.methods.registry import method_of, refuse_parts
from lass_plugin.methods.subnetworks.method import Subnetworks
from lass_plugin.options import TranslationSubnetworkConfig
from lass_plugin.tasks import register_tasks
from lass_plugin.tasks.translation_subnetwork import TranslationSubnetworkTask


@dataclass(frozen=True)
class System:
    """A name, a checkpoint, and what to translate under.

    By default that is the masks that the checkpoint carries, if it carries any.
    *inference_masks* (a folder, files, a checkpoint, or the masks themselves) replace
    them; *dense* leaves them out. *base* is where the base of low-rank modules is now,
    None for where it was in training; *sparsity* is for gates that serve any. *data* is
    a data folder of its own, where its dictionary is not that of the test set.
    """

    name: str
    checkpoint: Path
    inference_masks: str | MaskSet | None = None
    dense: bool = False
    base: Path | None = None
    sparsity: float | None = None
    data: str | None = None

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
        checkpoint = Checkpoint.read_whole(system.checkpoint)
        if checkpoint.task_options is None:
            raise LassError(
                f"{system.checkpoint} does not say how it was trained; give a "
                "checkpoint that fairseq-train wrote"
            )
        self._state = dict(checkpoint.content)
        self._options = checkpoint.task_options
        self._tokens = checkpoint.language_tokens
        self._check()
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
        other._check()  # for this system, too
        return other

    def masks(self) -> MaskSet | None:
        """All masks of the system: those given, else those that it carries."""
        given = self.system.inference_masks
        if given is None:
            return self._carried().masks
        return given if isinstance(given, MaskSet) else masks_at(given)

    def say_other_base(self, masks: MaskSet) -> None:
        """Say so where *masks*, given, were searched on weights of another model."""
        path = str(self.system.checkpoint)
        told = other_base(masks, self._carried().masks, self._state["model"], path)
        if told:
            print(f"note: {told}", file=sys.stderr, flush=True)

    def _carried(self) -> Method:
        return method_of(self._state.get("task_state"), str(self.system.checkpoint))

    def refuse_parts(self, what: str) -> None:
        """Refuse *what* computes with the weights alone, where keys have parts."""
        refuse_parts(self._carried(), self.system.checkpoint, what)

    def _check(self) -> None:
        """Refuse how it was trained, or how it is to be translated with."""
        options, ours = self._options, _own_tasks()
        task = options.get("_name") or options.get("task")
        if task not in (*ours, STOCK_TASK):
            raise LassError(
                f"{self.system.checkpoint} was trained with --task {task}; checkpoints "
                f"of {', '.join([*ours, STOCK_TASK])} can be evaluated"
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
        if self.system.base and not self._carried().takes_base:
            raise LassError(
                f"--base has no effect on system {self.system.name}, because "
                f"{self.system.checkpoint} has no low-rank modules or other parts that "
                "stand in one; leave it out"
            )
        if task in ours and not ours[task].translates and not searched:
            raise LassError(
                f"{self.system.checkpoint} is of a search and carries no mask yet; "
                f"add --inference-masks {self.system.name}=MASK or --dense "
                f"{self.system.name}"
            )

    def set_up(
        self, data: Path, pairs: Sequence[Pair], subwords: Subwords | None = None
    ) -> "Ready":
        """The task and masks for *pairs*, checked against *data* and the weights.

        Args:
            data: the folder, where the system has none of its own.
            subwords: what text is encoded with; None for the subword model of *data*.

        Raises:
            LassError: a pair has no mask, or the dictionary or the subword model is
                another.
        """
        data = Path(self.system.data or data)
        given = (self.system.base, self.system.sparsity)
        place = (str(data), *map(str, given), str(subwords), *map(str, pairs))
        if place not in self._tasks:  # the same for all systems of the checkpoint
            task = TranslationSubnetworkTask.setup_task(self._task_options(data, pairs))
            task.bare = True  # Ready.take puts on what a system is translated with
            if self.system.base is not None:  # no option of a base's own training
                task.cfg.base = str(self.system.base)
            task.cfg.sparsity = self.system.sparsity
            task.checkpoint = str(self.system.checkpoint)
            task.subwords = subwords or task.subwords
            task.load_state_dict(self._state.get("task_state") or {})
            self._tasks[place] = task
        task = self._tasks[place]
        sides = {"encoder": task.source_dictionary, "decoder": task.target_dictionary}
        for side, dictionary in sides.items():
            embedding = embedding_of(self._state["model"], side)
            if embedding is not None and len(embedding) != len(dictionary):
                raise LassError(
                    f"the dictionary of {data} has {len(dictionary)} symbols, language "
                    f"tokens included, but the {side} of {self.system.checkpoint} was "
                    f"trained with {len(embedding)}; give the data folder that the "
                    "model was trained with"
                )
        method = self._method_of(task, pairs)
        return Ready(self.system, data, task, self._state, method)

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
            setattr(cfg, name, str(given.get(name, getattr(cfg, name))))
        for name in ("source_dict", "target_dict"):
            setattr(cfg, name, self._given_dictionary(name))
        return cfg

    def _given_dictionary(self, name: str) -> str | None:
        """The file that *name* of the training's options names, if it is there."""
        path = self._options.get("fixed_dictionary") or self._options.get(name)
        return path if path and Path(path).is_file() else None

    def pairs_at_hand(self, data: Path, pairs: Sequence[Pair]) -> list[Pair]:
        """Pairs whose dictionaries lie in *data*, of *pairs*; all if there are none.

        A published model has 124 languages, and a data folder those of its text.
        """
        source, target = map(self._given_dictionary, ("source_dict", "target_dict"))
        at_hand = {path.name for path in data.glob("dict.*.txt")}
        found = [
            pair
            for pair in pairs
            if (source or f"dict.{pair.source}.txt" in at_hand)
            and (target or f"dict.{pair.target}.txt" in at_hand)
        ]
        return found or list(pairs)

    def _method_of(
        self, task: TranslationSubnetworkTask, pairs: Sequence[Pair]
    ) -> Method:
        """What to translate with, checked before any translation."""
        system, checkpoint = self.system, self.system.checkpoint
        if system.dense:
            task.method.refuse_dense()
            return Dense()
        if system.inference_masks is not None:
            task.method.refuse_masks("--inference-masks")
        masks = self.masks()
        if masks is None:
            return task.method.for_pairs(pairs)
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
        if isinstance(system.inference_masks, str):
            self.say_other_base(masks)
        return Subnetworks(masks)


def _own_tasks() -> dict[str, type[Method]]:
    """Names of the tasks that train with this package -> the method of each."""
    register_tasks()
    names = sorted(TASK_REGISTRY, key=lambda name: name != "translation_subnetwork")
    kinds = {name: TASK_REGISTRY[name] for name in names}
    ours = TranslationSubnetworkTask
    return {n: kind.trains for n, kind in kinds.items() if issubclass(kind, ours)}


@dataclass(frozen=True, eq=False)
class Ready:
    """A system whose model can be built."""

    system: System
    data: Path
    task: TranslationSubnetworkTask
    state: dict[str, Any]
    method: Method
    """What it is translated with."""

    @property
    def members(self) -> "tuple[Ready, ...]":
        """Its models, of which each translates some pairs."""
        return (self,)

    @property
    def mask_label(self) -> str | None:
        """What it is translated with in words; None for the dense model."""
        return self.method.label(self.system.inference_masks, self.system.base)

    @property
    def label_kind(self) -> str:
        """What the label names where it does not say so itself."""
        return self.method.label_kind

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
        self.method.bind(model)
        return model
