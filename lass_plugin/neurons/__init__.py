"""Neurons: their importance for every pair, and what is made of it (Xie 2021).

Importance is measured once (:mod:`.measuring`) and kept (:mod:`.importance`); an
allocation (:mod:`.allocation`) turns it into neuron masks, which training and
translation use as they use every mask.
"""
