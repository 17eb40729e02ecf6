"""Sparse fine-tuning: differences to a frozen base, each of a few weights (LT-SFT,
Ansell 2022), of every source and target language, or of every pair.

A mask says which weights (``lass extract --base``: those that a full fine-tuning moved
most); their differences are trained from zero and added up for any direction.
"""
