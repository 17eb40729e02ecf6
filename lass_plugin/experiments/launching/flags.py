"""The flags of fairseq-train that go on from a base without repeating its options.

fairseq's own parser says which flags there are; a flag is passed only if the value it
would have without it differs from the base's.
"""

import argparse
import contextlib
import io
from pathlib import Path
from typing import Any, Iterable, Sequence

from lass_plugin.data.sampling import METHODS
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.base import Base
from lass_plugin.files import read_text

TASK = tuple(
    "langs lang_tok_style encoder_langtok decoder_langtok source_dict target_dict "
    "left_pad_source left_pad_target max_source_positions max_target_positions "
    "truncate_source".split()
)
TRAINING = tuple(
    "lr clip_norm sentence_avg update_freq max_tokens batch_size "
    "required_batch_size_multiple skip_invalid_size_inputs_valid_test".split()
)
PRECISION = ("fp16", "bf16", "amp", "memory_efficient_fp16", "bf16_autocast")
"""``bf16_autocast`` works everywhere, the others on a GPU only."""

EXCLUSIVE = (("langs", "lang_dict"), ("max_tokens", "batch_size"), PRECISION)
"""Whoever gives one of these replaces all of them."""

INITIAL = ("encoder_embed_path", "decoder_embed_path", "min_params_to_wrap")
"""Options of a model that matter only to how it is begun or spread over machines."""

TRAINED = ("train_subset", "train")
"""The option that names the split to train on, and its default."""

REGISTRIES = ("criterion", "optimizer", "lr_scheduler")

NO_MATTER = tuple(
    "num_workers data_buffer_size log_format log_interval log_file no_progress_bar "
    "tensorboard_logdir wandb_project save_interval save_interval_updates "
    "keep_interval_updates keep_last_epochs keep_best_checkpoints "
    "no_epoch_checkpoints stop_time_hours max_epoch patience".split()
)
"""Options that do not matter to a training that has had all its updates."""


class Purpose:
    """What goes on from the base: the task, and what the command sets itself.

    Args:
        inherited: options of the task that are the base's unless the user gives others.
        kept: what its checkpoints are needed for.
        reserved: options that the command sets itself, beside those that every one
            sets, and what to do instead.
    """

    def __init__(
        self,
        task: str,
        inherited: tuple[str, ...] = TASK,
        kept: str = "",
        **reserved: str,
    ):
        self.task, self.inherited = task, inherited
        self.reserved = {
            "task": f"it is always {task}",
            "user_dir": "it is always this package",
            "data": "give the data folder first",
            "lang_pairs": "use --pairs",
            "save_dir": "use --out",
            "finetune_from_model": "use --base",
            "restore_file": "use --base; a training goes on by itself where it was",
            "max_update": "use --updates",
            "cpu": "use --cpu before --",
            "no_save": kept,
            "no_last_checkpoints": kept,
            **reserved,
        }


class FlagBuilder:
    """Builds the flags of a training from a base and from what the user gives.

    Args:
        base: the base model.
        given: the user's flags for fairseq-train.
        updates: length of the training, for schedules that must know it; None if it
            is counted in epochs.
        on_cpu: leave the base's GPU precisions out.
        purpose: what goes on from the base.

    Raises:
        LassError: the base's architecture is not known, or a flag is wrong.
    """

    def __init__(
        self,
        base: Base,
        given: Sequence[str],
        updates: int | None,
        on_cpu: bool,
        purpose: Purpose,
    ):
        self.base = base.check_types()
        self.purpose = purpose
        self.given = list(given)
        self.updates = updates
        self.on_cpu = on_cpu
        parser = training_parser()  # registers what the names are looked up in
        self._start = ["DATA", "--task", purpose.task, *self._registered_names()]
        parse(parser, [*self._start, *self.given])
        self._actions = {
            action.dest: action
            for action in parser._actions
            if action.option_strings and action.dest != "help"
        }
        self._model_options = [
            action.dest
            for group in parser._action_groups
            if group.title == "Model-specific configuration"
            for action in group._group_actions
        ]
        self._chosen = self._options_in(parser)
        for name in self._chosen:
            if name in purpose.reserved:
                raise LassError(
                    f"{option_of(self._actions.get(name), name)} cannot be passed on "
                    f"to fairseq-train: {purpose.reserved[name]}"
                )

    def flags(self) -> list[str]:
        """Architecture, model, task and training options; the user's come last."""
        inherited: list[str] = []
        wanted = self._wanted()
        for _ in range(4):  # some defaults follow other options
            now = vars(
                parse(training_parser(), [*self._start, *inherited, *self.given])
            )
            more = [
                flag
                for name, value in wanted.items()
                if not _same(now.get(name), value)
                for flag in self._flag(name, value, now.get(name))
            ]
            if not more:
                break
            inherited += more
        return [*self._start[3:], *inherited, *self.given]

    def identity(self) -> dict[str, str]:
        """The user's flags that matter to the result: option -> value."""
        return {
            name: _text(value)
            for name, value in sorted(self._chosen.items())
            if name not in NO_MATTER
        }

    def chosen(self, name: str, otherwise: Any) -> Any:
        """What the user's flags say of the option *name*."""
        return self._chosen.get(name, otherwise)

    def parsed(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The options that fairseq-train would run with.

        Args:
            arguments: all that follows its name, without ``--user-dir``.
        """
        return parse(training_parser(), arguments)

    # -- what is wanted ----------------------------------------------------------

    def _registered_names(self) -> list[str]:
        from fairseq.models import ARCH_MODEL_REGISTRY

        arch = self.base.name_of("model")
        if not arch:
            raise LassError(
                f"{self.base.path} does not say its architecture; give a checkpoint of "
                "fairseq-train"
            )
        if arch not in ARCH_MODEL_REGISTRY:
            raise LassError(
                f"the architecture '{arch}' of {self.base.path} is registered neither "
                "in fairseq nor in this package, so its model cannot be rebuilt"
            )
        names = ["--arch", arch]
        for registry in REGISTRIES:
            if name := self.base.name_of(registry):
                names += [f"--{registry.replace('_', '-')}", name]
        return names

    def _options_in(self, parser: argparse.ArgumentParser) -> dict[str, Any]:
        """The options that the user's flags set, and their values."""
        for action in parser._actions:
            action.default = argparse.SUPPRESS
            action.required = False
            if not action.option_strings:
                action.nargs = "?"
        parser._defaults.clear()
        return vars(parser.parse_args(self.given))

    def _wanted(self) -> dict[str, Any]:
        """Option -> the base's value, without those that the user has set."""
        sections = self.base.sections
        wanted = {
            name: sections["model"].get(name)
            for name in self._model_options
            if name not in INITIAL
        }
        wanted.update(self._task_values())
        optimization = {**sections["dataset"], **sections["optimization"]}
        wanted.update({name: optimization.get(name) for name in TRAINING})
        precision = {**sections["common"], **sections["task"]}
        names = PRECISION[-1:] if self.on_cpu else PRECISION
        wanted.update({name: precision.get(name) for name in names})
        for registry in REGISTRIES:
            if self._chosen.get(registry, self.base.name_of(registry)) == (
                self.base.name_of(registry)
            ):
                own = self._options_of(registry, self.base.name_of(registry))
                wanted.update({k: sections[registry].get(k) for k in own})
        wanted["total_num_update"] = self.updates
        taken = set(self._chosen)
        for group in EXCLUSIVE:
            if taken & set(group):
                taken |= set(group)
        return {
            name: value
            for name, value in wanted.items()
            if value is not None and name in self._actions and name not in taken
        }

    def options_of(self, scheduler: str) -> list[str]:
        """The options of a learning rate scheduler."""
        return self._options_of("lr_scheduler", scheduler)

    def _options_of(self, registry: str, name: str | None) -> list[str]:
        """The options that belong to the class registered as *name*."""
        from fairseq.registry import REGISTRIES as ALL

        entry = ALL[registry]["dataclass_registry"].get(name)
        fields = getattr(entry, "__dataclass_fields__", {})
        return [name for name in fields if name != "max_update" and name[0] != "_"]

    def _task_values(self) -> dict[str, Any]:
        task = dict(self.base.sections["task"])
        if task.get("lang_tok_replacing_bos_eos"):
            raise LassError(
                f"{self.base.path} was trained with --lang-tok-replacing-bos-eos, "
                "which this package does not support"
            )
        main = (task.get("langtoks") or {}).get("main")
        if main:
            task["encoder_langtok"], task["decoder_langtok"] = main[0], bool(main[1])
        task["langs"] = self._languages(task)
        if not task["langs"]:
            # the stock task `translation` has no language tokens at all
            task["lang_tok_style"] = "none"
            style = self._actions["lang_tok_style"]
            if style.choices and "none" not in style.choices:
                del task["lang_tok_style"]
        for name in ("source_dict", "target_dict"):
            if task.get(name) and not Path(task[name]).is_file():
                task[name] = None  # moved: the data folder has its own
        if task.get("sampling_method") not in METHODS:
            task["sampling_method"] = None  # of another task
        if task.get("sampling_method") != "temperature":
            task["sampling_temperature"] = None  # would have no effect
        return {name: task.get(name) for name in self.purpose.inherited}

    def _languages(self, task: dict[str, Any]) -> str | None:
        """Languages in the order of their tokens, as the stock task finds them."""
        languages = task.get("langs")
        if not languages and task.get("lang_dict"):
            path = Path(task["lang_dict"])
            if not path.is_file():
                if {"langs", "lang_dict"} & set(self._chosen):
                    return None
                raise LassError(
                    f"{self.base.path} was trained with --lang-dict {path}, which does "
                    "not exist now; give the same list after --, with --langs or "
                    "--lang-dict"
                )
            languages = read_text(path, "a list of languages").split()
        if not languages and task.get("lang_pairs"):
            pairs = task["lang_pairs"]
            pairs = pairs.split(",") if isinstance(pairs, str) else pairs
            languages = sorted({code for pair in pairs for code in pair.split("-")})
        if isinstance(languages, str):
            return languages
        return ",".join(languages) if languages else None

    def _flag(self, name: str, value: Any, now: Any) -> list[str]:
        action = self._actions[name]
        option = option_of(action, name)
        if action.nargs == 0:
            if _same(value, action.const):
                return [option]
            if name in self._model_options:
                raise LassError(
                    f"{self.base.path} has {name} {value}, but {option} can only say "
                    f"{action.const}; the model cannot be rebuilt by flags"
                )
            return []
        if isinstance(value, (list, tuple)):
            value = ",".join(map(str, value))
        return [f"{option}={value}"] if str(value)[:1] == "-" else [option, str(value)]


def _same(first: Any, second: Any) -> bool:
    return bool(first == second) or _text(first) == _text(second)


def _text(value: Any) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)


def training_parser() -> argparse.ArgumentParser:
    """A fresh parser that knows this package's tasks, models and optimizers."""
    from fairseq import options

    import lass_plugin.models.transformer_architectures  # noqa: F401
    import lass_plugin.optim  # noqa: F401
    from lass_plugin.tasks import register_all

    register_all()
    return options.get_training_parser()


def parse(
    parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> argparse.Namespace:
    """fairseq's parsing; a wrong flag is one sentence instead of pages of usage."""
    from fairseq import options

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return options.parse_args_and_arch(parser, input_args=list(arguments))
    except LassError:
        raise
    except SystemExit as error:
        lines = said.getvalue().strip().splitlines() or [str(error)]
        reason = lines[-1].partition("error: ")[2] or lines[-1]
        raise LassError(
            f"fairseq-train does not take these flags: {reason}; correct what "
            "follows --"
        ) from None


def option_of(action: argparse.Action | None, name: str) -> str:
    """The long form of the option that sets *name*."""
    if action is None or not action.option_strings:
        return f"--{name.replace('_', '-')}"
    return max(action.option_strings, key=len)
