"""Scores: a number for every unit; the higher, the more it is needed.

A score of weights is made of the weights alone when it is asked for (magnitude), of
these and what they were before (change), or accumulated over the updates of a search
(gradient, sensitivity, fisher). Each is a file that registers it. Scores of neurons:
:mod:`.neuron`.
"""

from lass_plugin.scores.score import SCORES, Score, register_score

# imported in the order in which messages name them
from lass_plugin.scores.magnitude import magnitude  # isort: skip
from lass_plugin.scores.movement import accumulate_movement  # isort: skip
from lass_plugin.scores.sensitivity import accumulate_sensitivity  # isort: skip
from lass_plugin.scores.fisher import accumulate_fisher  # isort: skip
from lass_plugin.scores.change import change  # isort: skip

__all__ = [
    "SCORES",
    "Score",
    "accumulate_fisher",
    "accumulate_movement",
    "accumulate_sensitivity",
    "change",
    "magnitude",
    "register_score",
]
