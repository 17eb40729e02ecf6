"""Adam with decoupled weight decay that can hold weights back, fast.

Registered as ``--optimizer strict_adam``. The step is torch's fused kernel; the
matrices of a mask are stepped on piece by piece (:mod:`.pieces`), and what may not move
is put back.
"""

import ast
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Iterable, Iterator

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.optim import FairseqOptimizer, register_optimizer
from omegaconf import II
from torch import Tensor

from lass_plugin.errors import LassError
from lass_plugin.masks.packing import unpack
from lass_plugin.optim.pieces import Piece, bundles, columns
from lass_plugin.training.spreading import held_pattern
from lass_plugin.training.strict_update import Region, restore_held


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

    def clip_grad_norm(
        self, max_norm: float, aggregate_norm_fn: Callable | None = None
    ) -> Tensor:
        """Clip the gradients' norm as fairseq does, by one operation for all norms."""
        gradients = [each.grad for each in self.params if each.grad is not None]
        if len(gradients) < 2 or any(hasattr(each, "expert") for each in self.params):
            return super().clip_grad_norm(max_norm, aggregate_norm_fn)
        norms = torch._foreach_norm(gradients, 2, dtype=torch.float32)
        norm = torch.linalg.vector_norm(torch.stack(norms))
        if aggregate_norm_fn is not None:
            norm = aggregate_norm_fn(norm)
        if max_norm > 0:
            factor = (float(max_norm) / (norm + 1e-6)).clamp_(max=1)
            torch._foreach_mul_(gradients, factor)
        return norm

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
            moving = [each for each in group["params"] if each.grad is not None]
            if not moving:
                continue
            torch._foreach_add_([self._state(each)["step"] for each in moving], 1)
            free: list[Piece] = []
            held: list[Piece] = []
            for parameter in moving:
                whole = Piece.of(parameter, self.state[parameter])
                regions = self._regions.get(id(parameter))
                if regions is None:
                    free.append(whole)
                    continue
                whole, end = whole.flat(), 0
                for region in sorted(regions, key=lambda region: region.stretch.offset):
                    start = region.stretch.offset
                    if start > end:
                        free.append(whole.part(end, start))
                    end = start + region.stretch.units
                    if region.bits is not None:  # else nothing of it may move
                        held.append(whole.part(start, end, region.bits))
                if end < whole.units:
                    free.append(whole.part(end, whole.units))
            if free:
                self._fused(free, options)
            for bundle in bundles(held):
                self._held_step(bundle, options)

    def _state(self, parameter: Tensor) -> dict[str, Tensor]:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"] = torch.zeros_like(
                parameter, memory_format=torch.contiguous_format
            )
            state["exp_avg_sq"] = torch.zeros_like(state["exp_avg"])
        return state

    def _held_step(self, pieces: list[Piece], options: dict) -> None:
        """Step on pieces that are worked on together, and put back what is held."""
        if len(pieces) > 1:
            before = [torch.cat(each) for each in columns(pieces)]
            self._fused(pieces, options)
            kept = unpack(
                torch.cat([piece.movable for piece in pieces]), before[0].shape
            )
            sizes = [piece.units for piece in pieces]
            for changed, old in zip(columns(pieces), before, strict=True):
                result = torch.where(kept, torch.cat(changed), old)
                torch._foreach_copy_(changed, result.split(sizes))
            return
        (piece,) = pieces
        held = held_pattern(piece.movable, piece.value)
        before = self._copied(piece.changed)
        self._fused(pieces, options)
        for new, old in zip(piece.changed, before, strict=True):
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
    def _fused(pieces: list[Piece], options: dict) -> None:
        torch._fused_adamw_(
            [piece.value for piece in pieces],
            [piece.gradient for piece in pieces],
            [piece.mean for piece in pieces],
            [piece.square for piece in pieces],
            [],
            [piece.step for piece in pieces],
            **options,
        )
