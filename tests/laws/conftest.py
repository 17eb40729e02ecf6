"""Runs of training inside the test's own process, and masks drawn at random."""

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import PAIRS
from runs import Run, random_masks


@pytest.fixture
def start(data):
    """Build a :class:`Run` on the made-up languages from the flags given."""

    def build(*flags: Any) -> Run:
        return Run(data, *flags)

    return build


@pytest.fixture(scope="session")
def sites(data) -> dict[str, torch.nn.Parameter]:
    """The weights that masks are of, of a model that nobody trains."""
    return Run(data).sites


@pytest.fixture
def draw_masks(sites, tmp_path):
    """Write random masks and return their folder: ``--masks`` of a run."""
    from lass_plugin.masks import save_masks

    def draw(
        keys=PAIRS, ratio: float = 0.5, seed: int = 1, name: str = "masks"
    ) -> Path:
        save_masks(tmp_path / name, random_masks(sites, keys, ratio, seed))
        return tmp_path / name

    return draw
