"""The recipes of the papers against the papers, row by row."""

from functools import cache

import pytest
from conftest import ROOT
from paper_recipes import RECIPES, stages, told

from lass_plugin.experiments.recipes.hydra import config_of
from lass_plugin.methods.search.options import (
    TranslationSubnetworkSearchConfig,
    plan_of,
)
from lass_plugin.tasks import register_tasks

register_tasks()


@cache
def stages_of(name: str) -> dict:
    found = stages(ROOT / "configs" / "recipes" / f"{name}.yaml")
    return {stage.name: stage for stage in found}


def plan_in(command):
    """The plan of the search that *command* begins, and its configuration."""
    config = told(command)
    options = TranslationSubnetworkSearchConfig()
    for name, value in config["task"].items():
        setattr(options, name, value)
    options.max_update = config["optimization"]["max_update"]
    return plan_of(options, "de-en"), config


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_search_can_be_carried_out(path):
    for stage in stages(path):
        if config_of(stage.command) is None:
            continue
        if told(stage.command)["task"]["_name"] != "translation_subnetwork_search":
            continue
        plan, config = plan_in(stage.command)
        plan.check(config["optimization"]["max_update"])


def test_searches_of_wmt_have_the_stages_and_batches_of_appendix_c_2():
    found = stages_of("he2023_wmt")
    for name, tokens in (
        ("gu-en", 20_000),
        ("en-ta.2", 40_000),
        ("de-en.4", 80_000),
        ("en-zh.8", 160_000),
    ):
        plan, config = plan_in(found[f"search-GradientGradual-{name}"].command)
        stated = plan.criterion, plan.schedule, plan.ratio, plan.start, plan.ramp
        assert stated == ("gradient", "gradual", 0.2, 4_000, 16_000)
        of_lin, other = plan_in(found[f"search-MagnitudeOneshot-{name}"].command)
        stated = of_lin.criterion, of_lin.schedule, of_lin.ratio, of_lin.start
        assert stated == ("magnitude", "oneshot", 0.3, 0)
        for each in (config, other):
            batches = each["optimization"]["update_freq"][0]
            assert each["dataset"]["max_tokens"] * batches == tokens
            assert each["optimization"]["max_update"] == 40_000
