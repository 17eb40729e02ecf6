"""Adam with decoupled weight decay that can hold weights back, fast.

Registered as ``--optimizer strict_adam``. The step is torch's fused kernel; the
matrices of a mask are stepped on one piece at a time and what may not move is put back
while the piece is still in the cache.
"""

import ast
import contextlib
from dataclasses import dataclass, field
from typing import Any, Iterable, Iterator

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.optim import FairseqOptimizer, register_optimizer
from omegaconf import II
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.training.spreading import held_pattern
from lass_plugin.training.strict_update import Region, restore_held

CPU_PIECE = 1 << 18
"""Weights stepped on at a time on a CPU: four tensors of it stay in a core's caches."""
GPU_PIECE = 1 << 24


@dataclass
class StrictAdamConfig(FairseqDataclass):
    adam_betas: str = field(
        default="(0.9, 0.98)", metadata={"help": "decay rates of the two moments"}
    )
    adam_eps: float = field(
        default=1e-8, metadata={"help": "added to the root of the second moment"}
    )
    weight_decay: float = field(
        default=0.0, metadata={"help": "decoupled weight decay (times the rate)"}
    )
    lr: list[float] = II("optimization.lr")


@register_optimizer("strict_adam", dataclass=StrictAdamConfig)
class FairseqStrictAdam(FairseqOptimizer):
    """Adam (Kingma and Ba 2015; decay as Loshchilov and Hutter 2019), strict on demand.

    Note:
        epsilon is added after the bias correction of the second moment, as in the
        paper and in torch; fairseq's own ``adam`` adds it before.
    """

    def __init__(self, cfg: StrictAdamConfig, params: Iterable[Tensor]):
        super().__init__(cfg)
        self._optimizer = StrictAdam(params, **self.optimizer_config)

    @property
    def optimizer_config(self) -> dict[str, Any]:
        betas = self.cfg.adam_betas
        rate = self.cfg.lr
        return {
            "lr": rate if isinstance(rate, float) else rate[0],
            "betas": ast.literal_eval(betas) if isinstance(betas, str) else betas,
            "eps": self.cfg.adam_eps,
            "weight_decay": self.cfg.weight_decay,
        }

    @property
    def supports_memory_efficient_fp16(self) -> bool:
        """Asked by fairseq's wrapper alone, which would end with a traceback."""
        raise LassError(
            "strict_adam keeps no float32 moments of half-precision weights, as "
            "--memory-efficient-fp16 needs; use --fp16 alone, or --optimizer adam"
        )


class StrictAdam(torch.optim.Optimizer):
    """The torch optimizer behind :class:`FairseqStrictAdam`."""

    supports_flat_params = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        if not (0.0 <= betas[0] < 1.0 and 0.0 <= betas[1] < 1.0):
            raise LassError(f"--adam-betas {betas}: both must be in [0, 1)")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)
        self._regions: dict[int, list[Region]] = {}
        self._copies: list[Tensor] = []
        """Memory for values and moments of a piece before it is stepped on."""

    @contextlib.contextmanager
    def hold(self, regions: Iterable[Region]) -> Iterator[None]:
        """While open, a step moves only the weights that *regions* let move."""
        held: dict[int, list[Region]] = {}
        for region in regions:
            held.setdefault(id(region.stretch.owner), []).append(region)
        self._regions = held
        try:
            yield
        finally:
            self._regions = {}
            self._copies = []

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        if closure is not None:
            raise NotImplementedError("StrictAdam takes no closure")
        for group in self.param_groups:
            options = {
                "lr": group["lr"],
                "beta1": group["betas"][0],
                "beta2": group["betas"][1],
                "weight_decay": group["weight_decay"],
                "eps": group["eps"],
                "amsgrad": False,
                "maximize": False,
            }
            free: list[tuple[Tensor, ...]] = []
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self._state(parameter)
                state["step"] += 1
                tensors = (
                    parameter.view(-1),
                    parameter.grad.reshape(-1),
                    state["exp_avg"].view(-1),
                    state["exp_avg_sq"].view(-1),
                )
                end = 0
                regions = self._regions.get(id(parameter), [])
                for region in sorted(regions, key=lambda region: region.stretch.offset):
                    start = region.stretch.offset
                    if start > end:
                        free.append((*(t[end:start] for t in tensors), state["step"]))
                    end = start + region.stretch.units
                    if region.bits is not None:  # else nothing of it may move
                        inside = [tensor[start:end] for tensor in tensors]
                        self._held_step(inside, state["step"], region.bits, options)
                if end < parameter.numel():
                    free.append((*(t[end:] for t in tensors), state["step"]))
            if free:
                columns = [list(column) for column in zip(*free, strict=True)]
                self._fused(columns, options)

    def _state(self, parameter: Tensor) -> dict[str, Tensor]:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"] = torch.zeros_like(
                parameter, memory_format=torch.contiguous_format
            )
            state["exp_avg_sq"] = torch.zeros_like(state["exp_avg"])
        return state

    def _held_step(
        self, tensors: list[Tensor], step: Tensor, bits: Tensor, options: dict
    ) -> None:
        units = tensors[0].numel()
        piece = CPU_PIECE if tensors[0].device.type == "cpu" else GPU_PIECE
        for start in range(0, units, piece):  # a piece is a multiple of eight weights
            end = min(start + piece, units)
            value, grad, mean, square = (tensor[start:end] for tensor in tensors)
            held = held_pattern(bits[start // 8 : (end + 7) // 8], value)
            changed = (value, mean, square)
            before = self._copied(changed)
            self._fused([[value], [grad], [mean], [square], [step]], options)
            for new, old in zip(changed, before, strict=True):
                restore_held(new, old, held)

    def _copied(self, tensors: tuple[Tensor, ...]) -> list[Tensor]:
        """Copies of a piece's tensors, in memory that all pieces of a step share."""
        first, units = tensors[0], tensors[0].numel()
        if (
            not self._copies
            or self._copies[0].numel() < units
            or self._copies[0].dtype != first.dtype
            or self._copies[0].device != first.device
        ):
            self._copies = [torch.empty_like(tensor) for tensor in tensors]
        return [
            memory[:units].copy_(tensor)
            for memory, tensor in zip(self._copies, tensors, strict=True)
        ]

    @staticmethod
    def _fused(columns: list[list[Tensor]], options: dict) -> None:
        values, gradients, means, squares, steps = columns
        torch._fused_adamw_(values, gradients, means, squares, [], steps, **options)
