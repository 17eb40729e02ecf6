"""Registered optimizers."""

from lass_plugin.optim.strict_adam import StrictAdam as StrictAdam
