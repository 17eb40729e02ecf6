"""What ``lass lslo fit`` refuses before it trains anything."""

from pathlib import Path

import pytest

from lass_plugin.errors import LassError
from lass_plugin.experiments.low_rank_fit_settings import FitSettings
from lass_plugin.languages import parse_pairs


def test_a_placement_that_decides_nothing():
    """Ranks are planned for one index a layer: two trainings would be in vain."""
    given = {"data": Path("data"), "base": Path("base.pt"), "out": Path("out")}
    pairs = tuple(parse_pairs("de-en"))
    with pytest.raises(LassError, match="--placement learn leaves undecided"):
        FitSettings(**given, pairs=pairs, placement="learn").check()
    FitSettings(**given, pairs=pairs, placement="source").check()
