"""Whole parts of a model for each language: decoders, attention.

Separate decoders (Dong 2015; SepaDec in He 2023, §4.3) and target-specific attention
(Blackwood 2018; +TS in Xie 2021, §4.2) are one method with two choices of parts.
"""
