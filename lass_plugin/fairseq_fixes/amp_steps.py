"""Steps under ``--amp``.

Symptom: the optimizer gets gradients that are divided by the loss scale a second time.
fairseq unscales the gradients of the torch optimizer before it clips them, and hands
the scaler its own optimizer to step, which the scaler does not know as unscaled. With
Adam that is not seen at first; as the scale grows, gradients fall below its epsilon and
training slows down.
"""

from collections.abc import Callable
from typing import Any

from fairseq.optim.amp_optimizer import AMPOptimizer

from lass_plugin.fairseq_fixes.replacing import replace_once


def _unscaled_once(stock: Callable) -> Callable:
    def step(self: Any) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()

    return step


def unscale_gradients_once() -> None:
    """Let the scaler step the optimizer whose gradients it has unscaled."""
    replace_once(AMPOptimizer, "step", _unscaled_once)
