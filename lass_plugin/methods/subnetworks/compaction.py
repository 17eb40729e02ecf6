"""Compaction: hidden units that cannot contribute are cut out of the matrices.

A hidden unit of a feed-forward layer is a row of fc1 and a column of fc2. Stock fairseq
has one width for all feed-forward layers of the encoder and one for those of the
decoder, so each side shrinks to the most units that one of its layers uses, and layers
that use fewer are filled up with units whose weights are zero.

Attention keeps its size: fairseq's needs heads × units of a head = units of the model,
and the outputs of out_proj and fc2 are the residual stream. What a mask removes there
stays as zeros.

The result computes the same: only zeros leave the sums. Their order changes, so outputs
may differ in the last digits, by about 1e-6 in single and 1e-14 in double precision.
"""

import os
from argparse import Namespace
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Callable, Iterable, Mapping

import torch
from fairseq import utils
from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerModel
from torch import Tensor

from lass_plugin.anatomy.cuts import Cuts, Kept
from lass_plugin.anatomy.neurons import UNITS, owned_parameters
from lass_plugin.anatomy.places import SIDES, find_place
from lass_plugin.anatomy.vocabulary import vocabulary_of
from lass_plugin.checkpoints.checkpoint import Checkpoint, changed_options
from lass_plugin.checkpoints.stock import stated_tokens, transformer_options
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.languages import parse_pairs
from lass_plugin.masks.file import to_state
from lass_plugin.masks.mask import Mask, MaskSet
from lass_plugin.masks.neurons import base_of
from lass_plugin.masks.packing import pack
from lass_plugin.methods.export_settings import MULTIPLE
from lass_plugin.methods.subnetworks.export import baked

TASK = "translation_subnetwork"
"""Of the checkpoints that a group of pairs can be compacted from."""

LIMIT = 1e-6
"""Largest difference between outputs that are the same, as a share of the largest
output: fairseq computes attention weights in single precision whatever the model's."""

_WIDTH = "{}_ffn_embed_dim"


@dataclass(frozen=True)
class Cut:
    """Which hidden units stay."""

    kept: Mapping[str, Tensor]
    """Site, such as ``encoder.layers.0.fc1`` -> numbers of its units, rising."""
    before: Mapping[str, int]
    """Side -> hidden units of each of its layers."""
    after: Mapping[str, int]

    @property
    def options(self) -> dict[str, int]:
        """Options of fairseq's transformer, for the widths after the cut."""
        return {_WIDTH.format(side): width for side, width in self.after.items()}

    @cached_property
    def _cuts(self) -> Cuts:
        sides = {site: find_place(site).side for site in self.kept}
        return Cuts(
            {
                site: Kept(places, self.before[sides[site]], self.after[sides[site]])
                for site, places in self.kept.items()
            }
        )

    def __call__(self, name: str, tensor: Tensor) -> Tensor:
        """*tensor* without the units that are cut, filled up with zeros.

        Args:
            name: of the parameter or the row of neurons that *tensor*, or its mask, is.
        """
        return self._cuts(name, tensor)


def contributing(
    tensors: Mapping[str, Tensor], activation: Callable[[Tensor], Tensor]
) -> dict[str, Tensor]:
    """Site -> ``(hidden,)`` boolean: the unit can change what its layer computes.

    Unit j of hidden units f(W₁x + b) adds f(W₁[j]·x + b[j]) · W₂[:, j] to the output.
    That is zero whatever x where the column W₂[:, j] is zero, or the row W₁[j] is zero
    and f(b[j]) = 0.

    Args:
        tensors: name -> weight of the model, its mask multiplied in.
        activation: f.
    """
    found = {}
    names = (name.removesuffix(".weight") for name in tensors)
    for site in UNITS["ffn-hidden"].sites(names):
        first, bias, second = (tensors[name] for name, _ in owned_parameters(site))
        varies = first.ne(0).any(dim=1)  # (hidden,)
        constant = activation(bias.float()).ne(0)
        found[site] = second.ne(0).any(dim=0) & (varies | constant)
    return found


def plan_cut(used: Iterable[Mapping[str, Tensor]], multiple: int = MULTIPLE) -> Cut:
    """The cut that leaves every unit that one of *used* uses.

    Args:
        used: for each pair what :func:`contributing` found.
        multiple: widths are rounded up to a multiple of this, but never beyond what
            they were.
    """
    union: dict[str, Tensor] = {}
    for each in used:
        union = {site: union.get(site, units) | units for site, units in each.items()}
    before: dict[str, int] = {}
    most: dict[str, int] = {}
    for site, units in union.items():
        side = find_place(site).side
        before[side] = len(units)
        most[side] = max(most.get(side, 1), int(units.sum()))
    after = {
        side: min(before[side], -(-count // multiple) * multiple)
        for side, count in most.items()
    }
    kept = {site: units.nonzero().squeeze(1) for site, units in union.items()}
    return Cut(kept, before, after)


def compacted_pair(
    exported: Checkpoint, multiple: int = MULTIPLE
) -> tuple[dict[str, Any], Cut, float]:
    """A checkpoint of :func:`.export.exported` with the units that it uses only.

    Args:
        multiple: see :func:`plan_cut`.

    Returns:
        The smaller checkpoint, what was cut, and the largest difference of outputs.

    Raises:
        LassError: the activation function is not 0 at 0, or outputs differ.
    """
    options, tensors = exported.model_options, exported.weights
    path, cfg = exported.path, exported.content["cfg"]
    cut = plan_cut([contributing(tensors, activation_of(options, path))], multiple)
    smaller = _cut_tensors(tensors, cut)
    smaller_options = {**options, **cut.options}
    difference = check_same(
        random_outputs(options, tensors, path),
        random_outputs(smaller_options, smaller, path),
        cfg["task"]["lang_pairs"],
    )
    cfg = {**cfg, "model": smaller_options}
    return {**exported.content, "cfg": cfg, "model": smaller}, cut, difference


def compacted_group(
    checkpoint: Checkpoint, masks: MaskSet, multiple: int = MULTIPLE
) -> tuple[dict[str, Any], Cut, float]:
    """*checkpoint* with the hidden units only that one of *masks* uses.

    It carries the masks of these pairs, cut as its matrices are, and is a checkpoint of
    ``--task translation_subnetwork`` without the optimizer's state. Units that a layer
    is filled up with are kept by no mask.

    Args:
        checkpoint: a jointly trained checkpoint (or a base that fits the masks); not
            changed.
        masks: of the pairs that the result is for.
        multiple: see :func:`plan_cut`.

    Returns:
        As :func:`compacted_pair`; the difference is the largest over the pairs.

    Raises:
        LassError: the model is no fairseq transformer or was not trained by a task of
            this package, the masks do not fit it, or a pair's outputs differ.
    """
    task, path = (checkpoint.task_options or {}).get("_name"), checkpoint.path
    if task != TASK:
        raise LassError(
            f"{path} was trained with --task {task}; give a checkpoint of --task {TASK}"
        )
    stated_tokens(checkpoint).check_pairs(parse_pairs(list(masks)))
    options = transformer_options(checkpoint)
    activation = activation_of(options, path)
    cut = plan_cut(
        (contributing(baked(checkpoint, m), activation) for m in masks.values()),
        multiple,
    )
    tensors = _cut_tensors(checkpoint.weights, cut)
    masks_left = _cut_masks(masks, tensors, cut)
    content = _joint_checkpoint(checkpoint, tensors, masks_left, cut)
    result = Checkpoint(path, content)
    difference = 0.0
    progress = Progress("comparing", len(masks))
    for key, mask in masks.items():
        first = random_outputs(options, baked(checkpoint, mask), path)
        smaller = baked(result, masks_left[key])
        second = random_outputs({**options, **cut.options}, smaller, path)
        difference = max(difference, check_same(first, second, key))
        progress.advance(1, key)
    progress.finish()
    return content, cut, difference


def activation_of(
    options: Mapping[str, Any], path: str | os.PathLike
) -> Callable[[Tensor], Tensor]:
    """The activation function of the feed-forward layers.

    Raises:
        LassError: it is not 0 at 0, so a unit of zeros would contribute.
    """
    name = options["activation_fn"]
    try:
        activation = utils.get_activation_fn(name)
        at_zero = float(activation(torch.zeros(1)))
    except (RuntimeError, TypeError) as error:
        raise LassError(
            f"{path} has the activation function {name}, which fairseq cannot compute"
        ) from error
    if at_zero != 0.0:
        raise LassError(
            f"{path} has the activation function {name}, which is {at_zero:g} at 0, so "
            "narrower layers cannot be filled up with zeros; use the model as it is"
        )
    return activation


def check_same(first: Tensor, second: Tensor, key: str, limit: float = LIMIT) -> float:
    """The largest difference of outputs, as a share of the largest of *first*.

    Raises:
        LassError: it is more than *limit*, or not a number.
    """
    largest = max(float(first.abs().max()), torch.finfo(first.dtype).tiny)
    difference = float((first - second).abs().max()) / largest
    if not difference <= limit:
        raise LassError(
            f"the outputs of the compacted model of {key} differ by {difference:.1e} "
            f"of the largest output from those under its mask (limit {limit:g}), so "
            "nothing was written; use the model as it is"
        )
    return difference


@torch.no_grad()
def random_outputs(
    options: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike,
    sentences: int = 8,
    length: int = 16,
    kind: type[TransformerModel] = TransformerModel,
) -> Tensor:
    """What a model computes from random sentences, always the same ones.

    Args:
        options: of fairseq's transformer.
        tensors: name -> weight.
        path: of the checkpoint, for messages.
        length: words of the longest sentence on either side.
        kind: of model.

    Returns:
        ``(sentences, length, symbols)`` float64, before the softmax.

    Raises:
        LassError: the model cannot be built.
    """
    embeddings = vocabulary_of(tensors)[: len(SIDES)]  # the projection comes last
    sizes = [len(tensors[name]) for name in embeddings]
    source, target = map(made_up_dictionary, sizes)
    task = Namespace(source_dictionary=source, target_dictionary=target)
    try:
        model = kind.build_model(Namespace(**options), task)
        model.load_state_dict(dict(tensors))
    except (RuntimeError, KeyError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise LassError(
            f"the model of {path} cannot be built to compare its outputs ({reason})"
        ) from error
    model.double().eval()
    length = min(length, *model.max_positions())
    generator = torch.Generator().manual_seed(1)
    read, written = (
        torch.randint(
            each.nspecial, len(each), (sentences, length), generator=generator
        )
        for each in (source, target)
    )  # (sentences, length)
    lengths = torch.linspace(length, 1, sentences).long()  # (sentences,)
    read[torch.arange(length) < length - lengths.unsqueeze(1)] = source.pad()
    written[:, 0] = target.eos()
    return model(read, lengths, written)[0]


def made_up_dictionary(size: int) -> Dictionary:
    """A dictionary of *size* symbols, fairseq's own among them."""
    result = Dictionary()
    for number in range(size - len(result)):
        result.add_symbol(f"{number}")
    return result


def _cut_tensors(tensors: Mapping[str, Tensor], cut: Cut) -> dict[str, Tensor]:
    return {name: cut(name, tensor) for name, tensor in tensors.items()}


def _cut_masks(masks: MaskSet, tensors: Mapping[str, Tensor], cut: Cut) -> MaskSet:
    """*masks* for the weights *tensors*, which have been cut."""
    left = []
    for mask in masks.values():
        kept = {site: cut(site, mask.unpack(site)) for site in mask.shapes}
        shapes = {site: tuple(each.shape) for site, each in kept.items()}
        note = "; ".join(filter(None, (mask.provenance.note, "compacted")))
        left.append(
            Mask(
                mask.key,
                {site: pack(each) for site, each in kept.items()},
                shapes,
                replace(mask.provenance, ratio=None, note=note),
                base_of(shapes, tensors),
            )
        )
    return MaskSet(left)


def _joint_checkpoint(
    checkpoint: Checkpoint, tensors: dict[str, Tensor], masks: MaskSet, cut: Cut
) -> dict[str, Any]:
    cfg = dict(checkpoint.content["cfg"])
    cfg["model"] = changed_options(cfg["model"], cut.options)
    changes = {"lang_pairs": ",".join(masks), "masks": None}
    cfg["task"] = changed_options(cfg["task"], changes)
    return checkpoint.as_start(
        cfg=cfg,
        model={**checkpoint.content["model"], **tensors},
        task_state={**checkpoint.task_state, "masks": to_state(masks)},
    )
