"""Options in a checkpoint: looked at before fairseq builds anything from them.

fairseq calls ``eval`` on some options that are text, so a file of plain strings could
run a program. What it evaluates must be a literal here, and what its dataclasses call
a number or a list must be one.
"""

import ast
import dataclasses
import re
from argparse import Namespace
from pathlib import Path
from typing import Any, Iterator, Mapping

from lass_plugin.errors import DAMAGED, LassError

EVALUATED = frozenset(
    """
    adafactor_eps adam_betas adamax_betas adaptive_input_cutoff adaptive_softmax_cutoff
    character_filters conv_aggregator_layers conv_feature_layers conv_layers
    decoder_attention decoder_glu decoder_kernel_size_list downsample encoder_attention
    encoder_glu encoder_kernel_size_list epoch2lr extra_data extra_lang_pairs
    feature_encoder_spec gated_attention input_layers lamb_betas langtoks latent_temp
    left_pad_source left_pad_target optimizer_overrides pipeline_balance
    pipeline_decoder_balance pipeline_decoder_devices pipeline_devices
    pipeline_encoder_balance pipeline_encoder_devices pretrained project_input residuals
    sampling_weights self_attention update2lr weight_softmax wer_args
    xformers_att_config decoder_xformers_att_config encoder_xformers_att_config
    """.split()
)
"""Options whose text fairseq 0.12 evaluates, whichever model or task they are of."""

COUNTS_OR_LAYERS = frozenset({"encoder_layers", "decoder_layers"})
"""Numbers in a transformer; text that is evaluated in a convolutional model."""

SECTIONS = ("args", "cfg")
LONGEST = 10_000
"""Characters of a literal; those of published models have fewer than a hundred."""
REPEATED = 1_000

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that move a terminal's cursor, begin lines or turn text around."""
_RESOLVER = re.compile(r"\$\{[^}]*:")
_TRUTH = ("", "true", "false")


def check_forms(content: Any, path: Path) -> None:
    """Refuse what an option could do when fairseq evaluates or prints it.

    Args:
        content: of a checkpoint.

    Raises:
        LassError: names the option.
    """
    for name, value in options_of(content):
        if not isinstance(name, str):
            continue
        if _CONTROL.search(name):
            raise LassError(
                f"{path} has an option called {name!r}, which is no name; take the "
                "checkpoint from who trained it"
            )
        for text in _texts(value):
            if _CONTROL.search(text):
                _refuse(path, name, text, "text with control characters")
            if _RESOLVER.search(text):
                _refuse(path, name, text, "text that asks for a value of elsewhere")
        if isinstance(value, str) and (name in EVALUATED or name in COUNTS_OR_LAYERS):
            if not is_literal(value):
                _refuse(path, name, value, "neither a number, a list nor a dictionary")


def check_types(content: Any, path: Path) -> None:
    """Refuse options that are not of the type that fairseq's dataclasses declare.

    Args:
        content: of a checkpoint.

    Raises:
        LassError: names the option.
    """
    declared = _declared(content)
    for name, value in options_of(content):
        kinds = declared.get(name)
        if kinds and not any(_KINDS[kind](value) for kind in kinds):
            _refuse(path, name, value, f"no {' or '.join(sorted(kinds))}")


def _refuse(path: Path, name: str, value: Any, what: str) -> None:
    shown = ascii(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    raise LassError(
        f"the option {name} in {path} is {shown}, {what}, so nothing is built from it; "
        "take the checkpoint from who trained it"
    )


def options_of(content: Any) -> Iterator[tuple[Any, Any]]:
    """Name and value of every option of a checkpoint, ``encoder.layers`` flat, too."""
    for section in SECTIONS:
        if isinstance(content, Mapping):
            yield from flat(content.get(section))


def flat(section: Any, prefix: str = "") -> Iterator[tuple[Any, Any]]:
    """Name and value of every option of a section, ``encoder.layers`` flat, too."""
    if isinstance(section, Namespace):
        section = vars(section)
    if not isinstance(section, Mapping):
        return
    for name, value in section.items():
        yield (f"{prefix}{name}" if prefix else name), value
        if isinstance(value, Namespace | Mapping):
            nested = f"{name}_" if name in ("encoder", "decoder", "quant_noise") else ""
            yield from flat(value, nested)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, those in lists too; nested sections are walked anyway."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list | tuple | set):
            waiting += item


def is_literal(text: str) -> bool:
    """Whether *text* is a Python literal, or lists of them repeated and joined.

    Convolutional models have ``[(512, 3)] * 20 + [(1024, 3)] * 4``.
    """
    if text.strip().lower() in _TRUTH:
        return True
    if len(text) > LONGEST:
        return False
    try:
        return _is_value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, MemoryError, *DAMAGED):
        return False


def _is_value(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float | str | None)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return isinstance(operand, ast.Constant) and _is_value(operand)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return all(map(_is_value, items))
        case ast.Dict(keys=keys, values=values):
            return all(k is not None and _is_value(k) for k in keys) and all(
                map(_is_value, values)
            )
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return all(_is_list(side) and _is_value(side) for side in (left, right))
        case ast.BinOp(ast.List() as items, ast.Mult(), ast.Constant(value=times)):
            return isinstance(times, int) and times <= REPEATED and _is_value(items)
    return False


def _is_list(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.BinOp)


# -- types that fairseq declares -----------------------------------------------------


def _declared(content: Any) -> dict[str, set[str]]:
    """Option -> kinds that fairseq's dataclasses give it; without those of no kind."""
    from fairseq.dataclass import FairseqDataclass

    declared: dict[str, set[str]] = {}

    def add(config: type, prefix: str = "") -> None:
        for field in dataclasses.fields(config):
            kind = _kind(field.type)
            inner = field.type if isinstance(field.type, type) else None
            if inner is not None and issubclass(inner, FairseqDataclass):
                add(inner, f"{field.name}_")
            elif not field.name.startswith("_"):
                declared.setdefault(f"{prefix}{field.name}", set()).add(kind)

    for config in _configs(content):
        add(config)
    return {name: kinds for name, kinds in declared.items() if "value" not in kinds}


def _configs(content: Any) -> Iterator[type]:
    """The dataclasses of what the checkpoint names: task, model, criterion, …"""
    from fairseq.dataclass.configs import FairseqConfig
    from fairseq.models import ARCH_MODEL_REGISTRY, MODEL_DATACLASS_REGISTRY
    from fairseq.models.transformer import (
        TransformerConfig,
        TransformerModel,
        TransformerModelBase,
    )
    from fairseq.registry import REGISTRIES
    from fairseq.tasks import TASK_DATACLASS_REGISTRY

    for field in dataclasses.fields(FairseqConfig):
        if dataclasses.is_dataclass(field.type) and isinstance(field.type, type):
            yield field.type
    registered = [TASK_DATACLASS_REGISTRY, MODEL_DATACLASS_REGISTRY]
    registered += [entry["dataclass_registry"] for entry in REGISTRIES.values()]
    named = ("_name", "task", "arch", *REGISTRIES)
    for name, value in options_of(content):
        if name not in named or not isinstance(value, str):
            continue
        yield from (each[value] for each in registered if each.get(value) is not None)
        model = ARCH_MODEL_REGISTRY.get(value)
        if model in (TransformerModel, TransformerModelBase):
            yield TransformerConfig


def _kind(declared: Any) -> str:
    """The kind of value of a dataclass's field."""
    arguments = [a for a in getattr(declared, "__args__", ()) if a is not type(None)]
    if len(arguments) == 1 and "Optional" in str(declared):
        declared = arguments[0]
    if declared in (bool, int, float):
        return "number"
    if declared is str:
        return "text"
    if re.match(r"(typing\.)?(List|Tuple|Dict|list|tuple|dict)\b", str(declared)):
        return "list"
    return "value"


def _is_number(value: Any) -> bool:
    if isinstance(value, str) and not value.startswith("${"):
        try:
            float(value)
        except ValueError:
            return value in ("True", "False", "None")
        return True
    return value is None or not isinstance(value, list | tuple | dict | set | Namespace)


def _is_text(value: Any) -> bool:
    return not isinstance(value, tuple | set | Namespace)


def _is_list_of_values(value: Any) -> bool:
    if isinstance(value, str) and not value.startswith("${"):
        return is_literal(value)
    return not isinstance(value, set | Namespace)


_KINDS = {"number": _is_number, "text": _is_text, "list": _is_list_of_values}
