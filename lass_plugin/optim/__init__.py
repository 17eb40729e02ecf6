"""Registered optimizers."""

from lass_plugin.optim.strict_adam import FairseqStrictAdam, StrictAdam

__all__ = ["FairseqStrictAdam", "StrictAdam"]
