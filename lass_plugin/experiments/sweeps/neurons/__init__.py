"""A sweep over how neurons are allocated: k, ρ, what they are allocated to, criteria.

All masks are made of one file of importance (Xie 2021, Fig. 4, Table 3 and Fig. 6);
training and scoring are those of every sweep.
"""

from lass_plugin.experiments.sweeps.neurons.run import (
    NeuronSweepSettings,
    run_neuron_sweep,
)

__all__ = ["NeuronSweepSettings", "run_neuron_sweep"]
