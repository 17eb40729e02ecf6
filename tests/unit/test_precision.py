"""Precision: what is said of emulated bfloat16, and what the quick start takes."""

import logging

import pytest
import torch

from lass_plugin.experiments.quickstart.recipe import Recipe
from lass_plugin.training import precision


@pytest.fixture(params=[True, False], ids=["bfloat16", "no bfloat16"])
def has_bfloat16(request, monkeypatch) -> bool:
    monkeypatch.setattr(precision, "processor_has_bfloat16", lambda: request.param)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    precision._warn_of_emulation.cache_clear()
    yield request.param
    precision._warn_of_emulation.cache_clear()


def test_emulation_is_said_once(has_bfloat16, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with precision.autocast(True, torch.device("cpu")):
                product = torch.ones(2, 2) @ torch.ones(2, 2)
            assert product.dtype == torch.bfloat16
    said = [record.message for record in caplog.records]
    assert len(said) == (not has_bfloat16)
    assert all("no instructions for bfloat16" in each for each in said)


def test_nothing_is_said_where_it_is_not_asked_for(has_bfloat16, caplog):
    with precision.autocast(False, torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    assert not caplog.records


def test_the_quick_start_takes_it_where_it_is_fast(has_bfloat16):
    recipe = Recipe()
    assert recipe.bf16_autocast == has_bfloat16
    for flags in (recipe.base_flags(), recipe.joint_flags()):
        assert ("--bf16-autocast" in flags) == has_bfloat16
    assert recipe.to_dict()["bf16_autocast"] == has_bfloat16


def test_a_processor_is_asked_for_its_instructions():
    assert precision.processor_has_bfloat16() in (True, False)
