"""Scores: a number for every unit; the higher, the more it is needed."""

from lass_plugin.scores.magnitude import MAGNITUDE, magnitude
from lass_plugin.scores.movement import GRADIENT, accumulate_movement
from lass_plugin.scores.registry import SCORES, Score, register_score

__all__ = [
    "GRADIENT",
    "MAGNITUDE",
    "SCORES",
    "Score",
    "accumulate_movement",
    "magnitude",
    "register_score",
]
