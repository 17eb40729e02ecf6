"""Sweeps: the same base and scores at many ratios, compared in one table and curve.

Settings say what is wanted, variants are the rows of the table, sources cut their masks
from searches, losses and allocation choose ratios pair by pair, joint trains, table and
picture show.
"""

from lass_plugin.experiments.sweeps.run import SweepSettings, run_sweep

__all__ = ["SweepSettings", "run_sweep"]
