"""Scores: a number for every unit; the higher, the more it is needed."""

from lass_plugin.scores.magnitude import magnitude
from lass_plugin.scores.movement import accumulate_movement

__all__ = ["accumulate_movement", "magnitude"]
