"""Phase 2 for every pair: one search after another, or many at once.

Settings say what is wanted, :mod:`.launching` runs a training for each pair, and
results are read from their checkpoints.
"""
