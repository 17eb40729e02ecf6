"""Low-rank modules in a fairseq transformer, which then saves what was trained only."""

from typing import Any, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from lass_plugin.anatomy.matrices import KINDS, Matrix, find_matrices
from lass_plugin.anatomy.places import FEED_FORWARD, layer_name
from lass_plugin.errors import LassError
from lass_plugin.languages import written
from lass_plugin.methods.frozen_linear import (
    FrozenLinear,
    as_given,
    cast_once,
    speed_up_frozen,
)
from lass_plugin.methods.lowrank.attention import as_it_was, call_projections
from lass_plugin.methods.lowrank.modules import (
    LowRankLinear,
    LowRankModules,
    put_beside,
    take_away,
)
from lass_plugin.methods.lowrank.planning.plan import LowRankPlan
from lass_plugin.methods.own_entries import save_own
from lass_plugin.methods.routing import Routing

KEPT = "kept_"
"""Buffer beside each weight that can be pruned: ``kept_A_de``, packed, 1 = kept."""

WEIGHTS = "lslo_weights"
"""Parameter of a layer whose index is learned: ``(2,)``, source and target (Cao 2024,
Eq. 5)."""


def kept_buffer(factor: str, language: str) -> str:
    """Name in a module of the buffer that says what of A or B is not pruned."""
    return f"{KEPT}{factor}_{written(language)}"


def attach(model: nn.Module, plan: LowRankPlan) -> Routing:
    """Freeze *model* and put the modules of *plan* beside its matrices.

    Returns:
        What the languages of a batch are told to.

    Raises:
        LassError: the plan does not fit the model.
    """
    matrices = all_matrices(dict(model.named_parameters()))
    plan.check_model(matrices)
    model.requires_grad_(False)
    routing = Routing()
    for name, ranks in plan.ranks.items():
        matrix = matrices[name]
        linear = model.get_submodule(name)
        if type(linear) is not nn.Linear:
            raise LassError(
                f"{name} is a {type(linear).__name__}, which low-rank modules cannot "
                "stand beside; leave quantization noise out of the base"
            )
        modules = [
            LowRankModules(
                name,
                index,
                matrix.outputs,
                matrix.inputs,
                ranks,
                {each: plan.scale(rank) for each, rank in ranks.items() if rank},
                plan.dropout,
                plan.seed,
                routing,
            )
            for index in plan.placement.indices(matrix.side, matrix.layer)
        ]
        put_beside(linear, modules)
        if len(modules) > 1:
            _learn_index(
                modules, model.get_submodule(layer_name(matrix.side, matrix.layer))
            )
        if matrix.kind not in FEED_FORWARD:
            call_projections(model.get_submodule(name.rpartition(".")[0]))
    speed_up_frozen(model)
    cast_once(model)
    return routing


def _learn_index(modules: Sequence[LowRankModules], layer: nn.Module) -> None:
    """Weigh *modules*, of source and target, by what *layer* learns; equal at first."""
    if not hasattr(layer, WEIGHTS):
        layer.register_parameter(WEIGHTS, nn.Parameter(torch.zeros(2)))
    weights: Any = getattr(layer, WEIGHTS)
    for number, module in enumerate(modules):
        module.mixed_by(weights, number)


def all_matrices(tensors: Mapping[str, Tensor]) -> dict[str, Matrix]:
    """The matrices of every kind that a model has."""
    found: dict[str, Matrix] = {}
    for kind in KINDS:
        try:
            found.update(find_matrices(tensors, [kind]))
        except LassError:
            continue  # a model without cross-attention
    return found


def linears(model: nn.Module) -> Iterator[tuple[str, LowRankLinear]]:
    """Name and module of every matrix with low-rank modules."""
    for name, module in model.named_modules():
        if isinstance(module, LowRankLinear):
            yield name, module


def low_rank_modules(model: nn.Module) -> Iterator[tuple[str, LowRankModules]]:
    """Name of the matrix, and one of the modules beside it."""
    for name, linear in linears(model):
        for module in linear.low_rank():
            yield name, module


@torch.no_grad()
def merge(model: nn.Module, languages: Mapping[str, str]) -> None:
    """Add the modules of one direction to the matrices for good, and take all away.

    Args:
        languages: ``source`` and ``target`` -> language.
    """
    as_given(model)
    for _, linear in list(linears(model)):
        weight = linear.weight
        for module in linear.low_rank():
            delta = module.delta(languages[module.index])
            if delta is not None:
                merged = weight.float() + delta.to(weight.device)
                weight.copy_(merged.to(weight.dtype))
        take_away(linear)
    for each in model.modules():
        as_it_was(each)
        if type(each) is FrozenLinear:
            each.cast = None
            each.__class__ = nn.Linear  # type: ignore[assignment]


_MARKS = (".lslo_source.", ".lslo_target.", f".{WEIGHTS}")


def is_trained(name: str) -> bool:
    """Whether an entry of a state dict is of a low-rank module."""
    return any(mark in f".{name}" for mark in _MARKS)


def save_trained_only(model: nn.Module, trains: bool = True) -> None:
    """Let ``state_dict`` of *model* hold the low-rank modules alone, and
    ``load_state_dict`` take them.

    Args:
        trains: False to pass over what a checkpoint says of pruning.
    """
    save_own(
        model, is_trained, _check_modules, lambda name: not trains and _is_kept(name)
    )


def _is_kept(name: str) -> bool:
    return f".{KEPT}" in name


def _check_modules(given: Mapping[str, Any], mine: Mapping[str, Tensor]) -> None:
    """Refuse a checkpoint of something else, or of another plan, by name."""
    if not any(map(is_trained, given)):
        raise LassError(
            "this checkpoint has no low-rank modules; a base is given with --base, not "
            "with --restore-file"
        )
    expected = {name for name in mine if is_trained(name)}
    for name in sorted(expected ^ set(given)):
        lacks = "lacks" if name in expected else "has, beside those of the plan,"
        raise LassError(
            f"the checkpoint {lacks} {name} of the low-rank modules; go on with the "
            "ranks, matrices, placement and pruning that it was trained with"
        )
    for name in expected:
        if given[name].shape != mine[name].shape:
            raise LassError(
                f"the checkpoint has {name} of shape {tuple(given[name].shape)}, the "
                f"plan wants {tuple(mine[name].shape)}; go on with the ranks that it "
                "was trained with"
            )
