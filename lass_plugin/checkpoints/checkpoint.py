"""A checkpoint of fairseq, our own or a foreign one: read once and handed on.

Nothing of a file is executed: torch's safe loading reads tensors and plain values, and
the few classes that fairseq itself stores (see :mod:`.torch_files`).
"""

import contextlib
import os
from argparse import Namespace
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Iterable, Mapping, TypeVar

from torch import Tensor

from lass_plugin.anatomy.places import is_buffer
from lass_plugin.anatomy.targets import TARGETS, select_sites
from lass_plugin.anatomy.vocabulary import shared_names
from lass_plugin.checkpoints.options import check_forms, check_types
from lass_plugin.checkpoints.torch_files import check_records, load_tensors
from lass_plugin.data.language_tokens import LanguageTokens, tokens_of_options
from lass_plugin.errors import LassError, naming_damage
from lass_plugin.records.fields import filled, whole

Read = TypeVar("Read", bound="Checkpoint")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a checkpoint holds; its tensors stay on disk until they are used.

    fairseq keeps the options of a model as one flat namespace (started by
    ``fairseq-train`` with most architectures), as a dictionary (``fairseq-hydra-train``
    and newer models) or, in old checkpoints, everything in one namespace ``args``.
    """

    path: Path
    """For messages; of a checkpoint that was made in memory, the one it was made of."""
    content: Mapping[str, Any]
    """All of it, as fairseq stored it."""

    @classmethod
    def read(cls: type[Read], path: str | os.PathLike) -> Read:
        """Read a fairseq checkpoint to the CPU.

        Raises:
            LassError: unreadable (see :func:`.load_tensors`), no such checkpoint, or
                an option of it could run a program (see :mod:`.options`).
        """
        content = load_tensors(path, "a checkpoint")
        model = content.get("model") if isinstance(content, dict) else None
        if not isinstance(model, dict) or not any(
            isinstance(value, Tensor) for value in model.values()
        ):
            raise LassError(
                f"{path} is not a fairseq checkpoint (it has no weights under "
                "'model'); give a checkpoint_*.pt of fairseq-train ('lass import-lass' "
                "reads the masks of LaSS)"
            )
        check_forms(content, Path(path))
        return cls(Path(path), content)

    @classmethod
    def read_whole(cls: type[Read], path: str | os.PathLike) -> Read:
        """Read a base, start or system: types and checksums are compared, too.

        Raises:
            LassError: see :meth:`read`, :meth:`check_types`, :func:`.check_records`.
        """
        found = cls.read(path).check_types()
        check_records(path)
        return found

    def check_types(self: Read) -> Read:
        """Itself, to build a model or flags from: its options have fairseq's types.

        Raises:
            LassError: names the option that has another one.
        """
        check_types(self.content, self.path)
        return self

    def section(self, *names: str) -> Any:
        """The value under nested keys, None where one of them is missing."""
        value: Any = self.content
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    @cached_property
    def weights(self) -> dict[str, Tensor]:
        """Name -> weight of every parameter and buffer."""
        model = self.content["model"]
        return {name: model[name] for name in model if isinstance(model[name], Tensor)}

    @cached_property
    def weight_bytes(self) -> int:
        """Size of the weights; tensors that share their storage count once."""
        sizes = {
            tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
            for tensor in self.weights.values()
        }
        return sum(sizes.values())

    @cached_property
    def model_options(self) -> dict[str, Any]:
        """Option -> value of the model, empty where they are not known."""
        options = self.section("cfg", "model")
        return _options(self.content.get("args") if options is None else options) or {}

    @cached_property
    def task_options(self) -> dict[str, Any] | None:
        """Option -> value of the task, None where the checkpoint does not say."""
        if self.content.get("cfg"):
            return _options(self.section("cfg", "task"))
        return _options(self.content.get("args"))

    @property
    def task_state(self) -> Mapping[str, Any]:
        """The entries that the tasks of this package write, empty without any."""
        state = self.content.get("task_state")
        return state if isinstance(state, Mapping) else {}

    @cached_property
    def language_tokens(self) -> LanguageTokens | None:
        """The language tokens of training, None where it is not known.

        Our tasks write them into ``task_state``. ``translation_multi_simple_epoch`` has
        them in its options only, as the public M2M-100 and M2M-124.
        """
        stated = self.task_state.get("language_tokens")
        if stated:
            return LanguageTokens.from_dict(stated, str(self.path))
        with self._naming("the options of its task"):
            return tokens_of_options(self.task_options or {})

    @property
    def iterator_state(self) -> Mapping[str, Any]:
        """What the epoch iterator of a training saved, empty where there was none."""
        state = self.section("extra_state", "train_iterator")
        return state if isinstance(state, Mapping) else {}

    @property
    def updates(self) -> int:
        """How many updates it was trained for."""
        with self._naming("its optimizer_history"):
            history = self.content.get("optimizer_history") or [{}]
            return whole(history[-1].get("num_updates", 0), "num_updates")

    @property
    def seconds(self) -> float:
        """How long it was trained."""
        with self._naming("its extra_state"):
            extra = self.content.get("extra_state") or {}
            time = extra.get("previous_training_time") or 0.0
            return float(filled(float, time, "previous_training_time"))

    @property
    def best(self) -> float | None:
        """The best validation loss of its training until then, None without one."""
        with self._naming("its extra_state"):
            best = (self.content.get("extra_state") or {}).get("best")
            return None if best is None else float(filled(float, best, "best"))

    def _naming(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Name the file where a part of it is not what it should be."""
        what = f"{self.path} is damaged: {what}"
        return naming_damage(what, self.path, "take another checkpoint")

    @cached_property
    def shared(self) -> dict[str, str]:
        """Name -> first name of the same tensor, for embeddings that the model shares.

        A state dict lists a shared embedding under every name of it, and the names need
        not share memory in the file; the options of the model say what is shared.
        """
        return shared_names(self.model_options, self.content["model"])

    @cached_property
    def parameters(self) -> dict[str, Tensor]:
        """Name -> parameter, without fairseq's buffers (a version, a device marker).

        Of tensors that the model shares only the first name is there.
        """
        return {
            name: tensor
            for name, tensor in self.weights.items()
            if name not in self.shared and not is_buffer(name)
        }

    def sites(self, targets: Iterable[str]) -> dict[str, Tensor]:
        """The weights that *targets* cover, as ``masks.find_sites`` finds in a model.

        Raises:
            LassError: a target covers nothing, or an output projection that is shared.
        """
        found: dict[str, Tensor] = {}
        for target in targets:
            sites = select_sites(self.weights, [target])
            if not sites:
                raise LassError(
                    f"mask target '{target}' covers no weight of {self.path}; choose "
                    f"other targets ({', '.join(TARGETS)})"
                )
            if target == "output-projection" and sites.keys() & self.shared.keys():
                raise LassError(
                    f"the output projection of {self.path} is the same tensor as an "
                    "embedding, so a mask on it would mask the embedding too; use the "
                    "target 'embeddings', which covers both uses"
                )
            found.update({n: sites[n] for n in sites if n not in self.shared})
        return found

    def as_start(self, **changes: Any) -> dict[str, Any]:
        """The content of a checkpoint to begin another training from.

        It has no state of the optimizer and of the data.

        Args:
            changes: entries that are not as they are here.
        """
        extra = self.content.get("extra_state") or {}
        return {
            "args": None,
            "cfg": self.content.get("cfg"),
            "model": self.content["model"],
            "criterion": self.content.get("criterion"),
            "optimizer_history": list(self.content.get("optimizer_history") or []),
            "task_state": self.task_state,
            "extra_state": {
                **{k: v for k, v in extra.items() if k == "previous_training_time"},
                "train_iterator": {"epoch": 1, "iterations_in_epoch": 0},
            },
            "last_optimizer_state": None,
            **changes,
        }


def _options(section: Any) -> dict[str, Any] | None:
    """A section of options as a dictionary, None where it is nothing of the kind."""
    if isinstance(section, Namespace):
        section = vars(section)
    return dict(section) if isinstance(section, Mapping) else None


def changed_options(section: Any, changes: Mapping[str, Any]) -> Any:
    """A section of options, a mapping or a namespace, as it is but for *changes*."""
    if isinstance(section, Namespace):
        return Namespace(**{**vars(section), **changes})
    return {**section, **changes}
