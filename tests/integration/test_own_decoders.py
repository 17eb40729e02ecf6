"""Whole parts of each target: trained, resumed, translated with, exported, counted."""


def test_x(own_decoders):
    print(own_decoders)
