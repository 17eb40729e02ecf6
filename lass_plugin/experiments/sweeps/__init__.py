"""Sweeps: a base and masks made in many ways, compared in one table and curve.

Settings say what is wanted. A sweep makes the masks of its variants (weight_sweep cuts
them from searches, neuron_sweep allocates neurons), measures their losses or trains and
scores them, and writes what is the same for all sweeps with what its table adds.
"""
