"""Export: one key's gates in a checkpoint of a smaller model."""

import os
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from typing import Any, Mapping

import torch
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.models.roberta import RobertaModel, XLMRModel
from fairseq.models.roberta.model import base_architecture
from fairseq.tasks.masked_lm import MaskedLMConfig
from torch import Tensor, nn

from lass_plugin.anatomy.older_names import todays_names
from lass_plugin.anatomy.places import EMBEDDING, POSITIONS, SIDES, find_place
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import (
    plain_checkpoint,
    plain_defaults,
    without_optimizer,
)
from lass_plugin.corpora.xtreme.tasks import TASKS
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.methods.gates.carried import CARRIED
from lass_plugin.methods.gates.components import Components, is_rank
from lass_plugin.methods.gates.narrowing import (
    Narrowed,
    check_gates,
    components_of,
    folded,
    narrowed,
)
from lass_plugin.methods.subnetworks.compaction import (
    check_same,
    made_up_dictionary,
    random_outputs,
)
from lass_plugin.models.low_rank_embedding import RANK
from lass_plugin.models.narrow import BY_LAYER, flag, options_of
from lass_plugin.models.narrow_architectures import (
    ROBERTA_NARROW,
    TRANSFORMER_NARROW,
    NarrowRoberta,
    NarrowTransformer,
)
from lass_plugin.models.xtreme_heads import add_head, head_name

ROBERTA = "roberta"
_WIDTHS = (*BY_LAYER.values(), RANK)
"""Options that narrow models have beside fairseq's."""
_SHAPE = ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")
_OF_ENCODER = ("max_positions", "layer_norm_eps")
STOCK_TASKS = ("masked_lm", "sentence_prediction", "sentence_ranking")
"""Tasks of stock fairseq that an encoder alone is loaded with."""

LIMIT = 1e-5
"""Largest difference between outputs that are the same, as a share of the largest."""


@dataclass(frozen=True, eq=False)
class Export:
    """A smaller model of one key."""

    content: dict[str, Any]
    """The checkpoint."""
    components: Components
    """Those of the model before."""
    gates: Mapping[str, Tensor]
    """Site -> ``(n,)``; what is not here stays as it was."""
    narrow: Narrowed
    difference: float
    """Largest difference of outputs on random tokens, as a share of the largest."""
    alone: bool
    """Whether it is an encoder alone, and does not translate."""

    @property
    def options(self) -> dict[str, Any]:
        """Options of the model."""
        result: dict[str, Any] = self.content["cfg"]["model"]
        return result

    @property
    def sparsity(self) -> float:
        """The weighted share of heads and hidden units that is gone (App. B)."""
        counts = self.components.counts
        every = {s: self.gates.get(s, torch.ones(n)) for s, n in counts.items()}
        return self.components.sparsity(every)

    @property
    def plain(self) -> bool:
        """Whether its layers have one width, all heads, and the embedding full rank."""
        return self.options["arch"] not in (ROBERTA_NARROW, TRANSFORMER_NARROW)

    @property
    def stock(self) -> bool:
        """Whether stock fairseq computes with it, without this package."""
        return self.plain and self.options.get("layer_norm_eps") in (None, 1e-5)

    @property
    def flags(self) -> list[str]:
        """What ``fairseq-train`` is told to build such a model."""
        words = ["--arch", self.options["arch"]]
        sides = SIDES[:1] if self.alone else SIDES
        names = [f"{side}_{name}" for side in sides for name in _SHAPE]
        for name in (*names, *(_OF_ENCODER if self.alone else ()), *_WIDTHS):
            if self.options.get(name) is not None:
                words += [flag(name), str(self.options[name])]
        return words


def export(
    checkpoint: Checkpoint,
    key: str,
    gates: Mapping[str, Tensor],
    fill: bool = False,
    half: bool = False,
) -> Export:
    """A smaller model that computes what *checkpoint* does under the gates of *key*.

    Args:
        checkpoint: of an encoder alone, or of one that translates.
        key: a language, or ``shared``; a pair of one that translates.
        gates: site -> ``(n,)``.
        fill: see :func:`.narrowed`.
        half: store the weights in half precision.

    Raises:
        LassError: the model is of another kind, the gates are not of it, or outputs
            differ.
    """
    checkpoint = _without_gates(checkpoint)
    alone = _is_alone(checkpoint)
    if alone:
        options = encoder_options(checkpoint)
        plain = _encoder(checkpoint, options)
    else:
        plain = plain_checkpoint(checkpoint, Pair.parse(key), checkpoint.weights)
        options = plain["cfg"]["model"]
    components = components_of(checkpoint.weights, options)
    check_gates(gates, components, checkpoint.path)
    narrow = narrowed(checkpoint.weights, components, gates, fill)
    shape = _shape(narrow, components, options, alone)
    without = {name: value for name, value in options.items() if name not in _WIDTHS}
    smaller = {**without, **shape}
    difference = _difference(checkpoint, key, gates, options, smaller, narrow)
    cfg = {**plain["cfg"], "model": smaller}
    content = {**plain, "cfg": cfg, "model": _stored(narrow.tensors, half)}
    return Export(content, components, gates, narrow, difference, alone)


def with_todays_names(checkpoint: Checkpoint) -> Checkpoint:
    """*checkpoint* with its weights by today's names, as the public XLM-R has not."""
    model = todays_names(checkpoint.content["model"])
    return Checkpoint(checkpoint.path, {**checkpoint.content, "model": model})


def _without_gates(checkpoint: Checkpoint) -> Checkpoint:
    """The model alone, without the parameters of gates that are learned."""
    own = {
        name: value
        for name, value in checkpoint.content["model"].items()
        if not name.startswith(f"{CARRIED}.")
    }
    return Checkpoint(checkpoint.path, {**checkpoint.content, "model": own})


def _stored(tensors: Mapping[str, Tensor], half: bool) -> dict[str, Tensor]:
    """Tensors of their own memory; one that has several names is one."""
    made: dict[int, Tensor] = {}
    result = {}
    for name, tensor in tensors.items():
        if id(tensor) not in made:
            small = half and tensor.is_floating_point() and tensor.dim() > 0
            made[id(tensor)] = tensor.half() if small else tensor.clone()
        result[name] = made[id(tensor)]
    return result


def _shape(
    narrow: Narrowed, components: Components, options: Mapping[str, Any], alone: bool
) -> dict[str, Any]:
    """The options that say how wide the layers are: stock fairseq's where they can."""
    heads = {site: n for site, n in narrow.widths.items() if site in components.widths}
    units = {site: n for site, n in narrow.widths.items() if site not in heads}
    whole = all(
        n == options[f"{find_place(site).side}_attention_heads"]
        for site, n in heads.items()
    )
    of_side: dict[str, set[int]] = {}
    for site, n in units.items():
        of_side.setdefault(find_place(site).side, set()).add(n)
    uniform = all(len(each) == 1 and 0 not in each for each in of_side.values())
    if whole and uniform and narrow.rank is None:
        name = ROBERTA if alone else "transformer"
        widths = {f"{side}_ffn_embed_dim": min(each) for side, each in of_side.items()}
        return {**widths, "arch": name, "_name": name}
    name = ROBERTA_NARROW if alone else TRANSFORMER_NARROW
    changes: dict[str, Any] = {**options_of(narrow.widths), "arch": name, "_name": name}
    return changes if narrow.rank is None else {**changes, RANK: narrow.rank}


def encoder_options(checkpoint: Checkpoint) -> dict[str, Any]:
    """Every option of fairseq's RoBERTa and of narrow ones, and nothing else.

    Raises:
        LassError: the model is of another kind.
    """
    given, path = checkpoint.check_types().model_options, checkpoint.path
    architecture = given.get("arch") or given.get("_name")
    found = ARCH_MODEL_REGISTRY.get(architecture)
    if found not in (RobertaModel, XLMRModel, NarrowRoberta):
        raise LassError(
            f"{path} is a model of architecture {architecture}; only encoders like "
            "fairseq's 'roberta' can be made smaller"
        )
    parser = ArgumentParser(add_help=False)
    NarrowRoberta.add_args(parser)
    defaults = Namespace(max_positions=0)
    base_architecture(defaults)
    known = {action.dest for action in parser._actions} | vars(defaults).keys()
    known.add("layer_norm_eps")  # ours, which an encoder of BERT's layout has
    options = Namespace(**{n: v for n, v in given.items() if n in known})
    rows = [
        len(tensor)
        for name, tensor in checkpoint.weights.items()
        if find_place(name).part == POSITIONS
    ]
    if getattr(options, "max_positions", None) is None and rows:
        options.max_positions = rows[0] - made_up_dictionary(4).pad() - 1
    base_architecture(options)  # what older checkpoints leave out
    options.encoder_layers_to_keep = None
    for name, value in vars(options).items():
        if not isinstance(value, bool | int | float | str | list | None):
            raise LassError(f"{path} has option {name} {value!r}, which is no value")
    return {**vars(options), "_name": architecture, "arch": architecture}


def _encoder(checkpoint: Checkpoint, options: Mapping[str, Any]) -> dict[str, Any]:
    """The checkpoint of an encoder alone without the optimizer's state."""
    task = dict(checkpoint.task_options or {})
    if task.get("_name", task.get("task")) not in STOCK_TASKS:
        task = {**plain_defaults(MaskedLMConfig), "_name": "masked_lm", "seed": 1}
        task["tokens_per_sample"] = options["max_positions"]
    task["data"] = "."
    content = without_optimizer(
        options,
        task,
        checkpoint.weights,
        checkpoint.updates,
        criterion="MaskedLmLoss",
    )
    kept = {n: v for n, v in checkpoint.task_state.items() if n != CARRIED}
    return {**content, "task_state": kept} if kept else content


def build(
    options: Mapping[str, Any], tensors: Mapping[str, Tensor], where: str | os.PathLike
) -> nn.Module:
    """The model of an encoder alone, with its weights, to compute with.

    Raises:
        LassError: the weights are not of such a model; nothing of them is left out.
    """
    size = next(
        len(tensor)
        for name, tensor in tensors.items()
        if find_place(name).part == EMBEDDING and find_place(name).tensor == "weight"
    )
    task = Namespace(source_dictionary=made_up_dictionary(size))
    given = {**options, "load_checkpoint_heads": True}
    try:
        model = NarrowRoberta.build_model(Namespace(**given), task)
        for head in TASKS.values():  # others are those of fairseq
            if any(f"classification_heads.{head_name(head)}." in n for n in tensors):
                add_head(model, head)
        model.load_state_dict(dict(tensors))
    except (RuntimeError, KeyError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise LassError(
            f"the model of {where} cannot be built to compare its outputs ({reason})"
        ) from error
    return model.eval()


@torch.no_grad()
def encoder_outputs(model: nn.Module, sentences: int = 4, length: int = 12) -> Tensor:
    """``(sentences, length, units + symbols)`` of random tokens, always the same ones.

    States of the last layer, and scores of masked language modelling. Places of padding
    are zeros.
    """
    encoder: Any = model.encoder
    pad, symbols = encoder.dictionary.pad(), len(encoder.dictionary)
    length = min(length, encoder.max_positions())
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(4, symbols, (sentences, length), generator=generator)
    lengths = torch.linspace(length, 1, sentences).long().unsqueeze(1)
    tokens[torch.arange(length) >= lengths] = pad
    states, _ = model(tokens, features_only=True)
    scores = encoder.output_layer(states)
    found = torch.cat([states, scores], dim=-1)
    return found.masked_fill(tokens.eq(pad).unsqueeze(-1), 0.0)


def _difference(
    checkpoint: Checkpoint,
    key: str,
    gates: Mapping[str, Tensor],
    options: Mapping[str, Any],
    smaller: Mapping[str, Any],
    narrow: Narrowed,
) -> float:
    """The difference of outputs between gates folded in with nothing cut, and cut.

    Args:
        options, smaller: of the models before and after.
    """
    weights, path = checkpoint.weights, checkpoint.path
    ranks = {site: values for site, values in gates.items() if is_rank(site)}
    components = components_of(weights, options)
    whole = narrowed(folded(weights, gates), components, ranks, fill=True).tensors
    options = {**options, RANK: None}
    if _is_alone(checkpoint):
        first, second = (
            encoder_outputs(build(given, tensors, path))
            for given, tensors in ((options, whole), (smaller, narrow.tensors))
        )
    else:
        first = random_outputs(options, whole, path)
        second = random_outputs(smaller, narrow.tensors, path, kind=NarrowTransformer)
    return check_same(first, second, key, LIMIT)


def _is_alone(checkpoint: Checkpoint) -> bool:
    return all(find_place(name).side != SIDES[1] for name in checkpoint.weights)
