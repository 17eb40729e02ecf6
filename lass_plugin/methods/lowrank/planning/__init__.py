"""Which low-rank modules a model gets: resource types, placement, ranks, and the plan.

A plan comes from options (uniform ranks, or ranks by type), or from what trained
modules tell: learned weights of the indices, and ranks by demand under a budget.
"""
