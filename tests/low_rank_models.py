"""A small model with low-rank modules, made by hand, and checkpoints of it."""

from pathlib import Path

import torch
from torch import nn

from lass_plugin.anatomy.matrices import find_matrices
from lass_plugin.checkpoints.torch_files import save_tensors
from lass_plugin.methods.lowrank.attaching import attach, is_trained, low_rank_modules
from lass_plugin.methods.lowrank.frozen_base import fingerprint_of
from lass_plugin.methods.lowrank.planning.placement import Placement
from lass_plugin.methods.lowrank.planning.plan import LowRankPlan, uniform
from lass_plugin.methods.lowrank.pruning import Pruner
from lass_plugin.methods.lowrank.stored import Entry
from lass_plugin.training.stretches import Stretch

RANKS = {"de": 2, "en": 3, "nl": 1}
WIDTH, HIDDEN = 6, 10
PLACEMENT = Placement(("source", "target"), ("target",))
LEARNING = Placement(("both", "both"), ("both",))


def _layers(count: int) -> nn.ModuleList:
    made = nn.ModuleList()
    for _ in range(count):
        layer = nn.Module()
        layer.fc1, layer.fc2 = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)
        made.append(layer)
    return made


def equipped(
    placement: Placement = PLACEMENT, ranks=RANKS
) -> tuple[nn.Module, LowRankPlan]:
    """A model of two encoder layers and a decoder layer, with modules of some
    languages beside fc1 and fc2, whose B are no longer zero."""
    torch.manual_seed(4)
    model = nn.Module()
    for side, count in (("encoder", 2), ("decoder", 1)):
        model.add_module(side, nn.Module())
        getattr(model, side).layers = _layers(count)
    matrices = find_matrices(dict(model.named_parameters()), ["fc1", "fc2"])
    plan = uniform(matrices, ranks, placement)
    model.routing = attach(model, plan)
    for _, module in low_rank_modules(model):
        for parameter in module.B.values():
            nn.init.normal_(parameter)
    return model, plan


def stretches(model: nn.Module) -> dict[str, Stretch]:
    return {
        name: Stretch(parameter, 0, parameter.numel())
        for name, parameter in model.named_parameters()
    }


def save(
    path: Path,
    model: nn.Module,
    plan: LowRankPlan,
    pruner: Pruner | None = None,
    epoch: int = 1,
    iterations: int = 5,
) -> Path:
    """What training would have saved in the midst of *epoch*."""
    state = model.state_dict()
    fingerprint = fingerprint_of(dict(model.named_parameters()), plan.ranks)
    run = {"phase": "lslo", "plan": plan.to_dict(), "pruning": None}
    if pruner is not None:
        run["pruning"] = pruner.plan.to_dict()
    iterator = {"epoch": epoch, "iterations_in_epoch": iterations, "subnetwork": run}
    save_tensors(
        path,
        {
            "model": {name: state[name] for name in state if is_trained(name)},
            "task_state": {"lslo": Entry(plan, "base.pt", fingerprint).to_state()},
            "extra_state": {"train_iterator": iterator},
        },
    )
    return path
