"""Adapters behind the layers of a transformer, and the choice among them.

They stand under ``adapters`` of their layer and are computed by a hook behind it:

    encoder.layers.0.adapters.of_de-en.down.weight
    \\______________/          \\____________________/
          layer                 key    part of it
"""

import functools
import re
from typing import Any, Iterator, Mapping, Sequence

import torch
from fairseq.modules import LayerNorm
from torch import Tensor, nn

from lass_plugin.anatomy.matrices import find_matrices
from lass_plugin.anatomy.places import FC2, SIDES, layer_name
from lass_plugin.errors import LassError
from lass_plugin.languages import written
from lass_plugin.methods.adapters.plan import AdapterPlan
from lass_plugin.methods.drawn import gaussian
from lass_plugin.methods.routing import Routing

ADAPTERS = "adapters"
_OF = "of_"
"""Before a key: a module may not be called as what torch's modules can do, and "cpu" is
a language."""


class Adapter(nn.Module):
    """x + U relu(D norm(x) + b) + c: the adapter of one key behind one layer.

    Bapna 2019, §3.1. U, b and c are 0 at first, so that it changes nothing.

    Args:
        name: what D is drawn from.
        width: of the layer, d.
        bottleneck: rows of D.
    """

    def __init__(self, name: str, width: int, bottleneck: int):
        super().__init__()
        self.norm = LayerNorm(width)
        self.down = _linear(gaussian(name, bottleneck, width))
        self.up = _linear(torch.zeros(width, bottleneck))

    def forward(self, x: Tensor) -> Tensor:
        """``(positions, sentences, width)`` to the same."""
        return x + self.up(torch.relu(self.down(self.norm(x))))


def _linear(weight: Tensor) -> nn.Linear:
    """A layer with *weight*, ``(outputs, inputs)``, and a bias of 0."""
    outputs, inputs = weight.shape
    linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # draws nothing
    linear.weight = nn.Parameter(weight)
    linear.bias = nn.Parameter(torch.zeros(outputs))
    return linear


class Adapters(nn.Module):
    """The adapters of all keys behind one layer.

    Args:
        layer: its name, part of what they are drawn from.
        index: what of a pair chooses among them.
        width: of the layer.
        keys: whose they are.
        bottleneck: of each.
        seed: decides what they begin with.
        routing: says what the batch is of.
    """

    def __init__(
        self,
        layer: str,
        index: str,
        width: int,
        keys: Sequence[str],
        bottleneck: int,
        seed: int,
        routing: Routing,
    ):
        super().__init__()
        self.index, self.routing = index, routing
        for key in keys:
            name = f"{seed}/{layer}/{key}"
            self.add_module(_child(key), Adapter(name, width, bottleneck))

    def forward(self, x: Tensor) -> Tensor:
        """``(positions, sentences, width)`` behind the adapters of the batch."""
        chosen = self.routing.chosen.get(self.index)
        return x if chosen is None else chosen.each(x, self._adapted)

    def _adapted(self, key: str, x: Tensor) -> Tensor:
        return self.get_submodule(_child(key))(x)

    def keep(self, key: str) -> None:
        """Leave the adapters of all other keys out."""
        for name in [name for name, _ in self.named_children() if name != _child(key)]:
            delattr(self, name)


def _child(key: str) -> str:
    return f"{_OF}{written(key)}"


def attach(model: nn.Module, plan: AdapterPlan, seed: int, begins: bool) -> None:
    """Put the adapters of *plan* behind all layers of *model*.

    Args:
        seed: decides what they begin with.
        begins: whether the weights of a model without adapters can be loaded, which
            leaves the adapters as they are now.
    """
    routing = Routing(tuple(dict.fromkeys(map(plan.index, SIDES))))
    matrices = find_matrices(dict(model.named_parameters()), [FC2])
    for matrix in matrices.values():
        name = layer_name(matrix.side, matrix.layer)
        layer = model.get_submodule(name)
        adapters = Adapters(
            name,
            plan.index(matrix.side),
            matrix.outputs,
            plan.keys(matrix.side),
            plan.bottleneck,
            seed,
            routing,
        )
        layer.add_module(ADAPTERS, adapters)
        layer.register_forward_hook(_behind)
    take = functools.partial(_check_given, begins)
    model._register_load_state_dict_pre_hook(take, with_module=True)


def _behind(layer: nn.Module, given: Any, output: Any) -> Any:
    """What a layer gives, behind its adapters; a decoder's has attention with it."""
    adapters: Any = layer.get_submodule(ADAPTERS)
    if isinstance(output, tuple):
        return adapters(output[0]), *output[1:]
    return adapters(output)


def _check_given(
    begins: bool, model: nn.Module, given: dict[str, Tensor], prefix: str, *more: Any
) -> None:
    """Refuse adapters of others than the model's; fill in all where there are none."""
    mine = {
        f"{prefix}{name}": parameter.detach()
        for name, parameter in model.named_parameters()
        if is_adapter(name)
    }
    theirs = set(filter(is_adapter, given))
    if begins and not theirs:
        given.update(mine)
        return
    advice = (
        "go on with the --lang-pairs, --adapter-by and --adapter-bottleneck of its "
        "training"
    )
    for name in sorted(mine.keys() ^ theirs):
        lacks = "lacks" if name in mine else "has, beside those of this model,"
        raise LassError(f"the checkpoint {lacks} the adapter's {name}; {advice}")
    for name, tensor in mine.items():
        if given[name].shape != tensor.shape:
            raise LassError(
                f"the checkpoint has {name} of shape {tuple(given[name].shape)}, and "
                f"this model of {tuple(tensor.shape)}; {advice}"
            )


_NAME = re.compile(rf"({'|'.join(SIDES)})\.layers\.\d+\.{ADAPTERS}\.{_OF}([^.]+)\..+")


def is_adapter(name: str) -> bool:
    """Whether an entry of a state dict is of an adapter."""
    return _NAME.fullmatch(name) is not None


def belongs_to(name: str, keys: Mapping[str, str]) -> bool:
    """Whether an entry of a state dict is shared, or of one of *keys*.

    Args:
        keys: side -> key.
    """
    found = _NAME.fullmatch(name)
    return found is None or found[2] == written(keys[found[1]])


def all_adapters(model: nn.Module) -> Iterator[tuple[str, Adapters]]:
    """Side and adapters of every layer of *model*."""
    for name, module in model.named_modules():
        if isinstance(module, Adapters):
            yield name.partition(".")[0], module
