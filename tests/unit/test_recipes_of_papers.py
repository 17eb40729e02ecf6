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
from lass_plugin.papers.matching import match_rows
from lass_plugin.papers.reading import paper_of
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


TOKENS = {"gu-en": 20_000, "en-ta.2": 40_000, "de-en.4": 80_000, "en-zh.8": 160_000}
"""Search of a pair of WMT -> tokens of an update (He 2023, App. C.2)."""


def test_searches_of_wmt_have_the_stages_and_batches_of_appendix_c_2():
    found = stages_of("he2023_wmt")
    for name, tokens in TOKENS.items():
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


@pytest.mark.parametrize("size", ["base", "big"])
def test_searches_of_lin_on_wmt_have_the_batches_of_he(size):
    found = stages_of("lin2021_wmt")
    for name, tokens in TOKENS.items():
        plan, config = plan_in(found[f"{size}-search-{name}"].command)
        stated = plan.criterion, plan.schedule, plan.ratio
        assert stated == ("magnitude", "oneshot", 0.3)
        batches = config["optimization"]["update_freq"][0]
        assert config["dataset"]["max_tokens"] * batches == tokens
        assert config["model"]["dropout"] == 0.1  # as the base; .3 is of IWSLT
    searches = [each for each in found if each.startswith(f"{size}-search-")]
    assert len(searches) == 36


def test_updates_have_the_tokens_of_the_papers_on_one_gpu():
    for name, stage, tokens in (
        ("he2023", "base", 262_144),
        ("he2023", "joint-GradientGradual", 262_144),
        ("he2023", "Adapter.512", 262_144),
        ("he2023", "search-GradientGradual-fa-en", 16_384),
        ("he2023_wmt", "base", 524_288),
        ("lin2021", "base", 262_144),
        ("xie2021", "iwslt17-TE", 4 * 2_048),
        ("xie2021", "europarl-expansion", 4 * 4_096),
    ):
        config = told(stages_of(name)[stage].command)
        batches = config["optimization"]["update_freq"][0]
        assert config["dataset"]["max_tokens"] * batches == tokens, (name, stage)


def test_text_of_xie_2021_is_detokenised_before_it_is_scored():
    """Xie 2021, 4.4: what lass prepare tokenised and truecased it undoes again."""
    found = stages_of("xie2021")
    for text in ("iwslt17", "europarl"):
        words = found[f"{text}-text"].command
        assert words[words.index("--tokenize") + 1] == "as-is"
        assert words[words.index("--case") + 1] == "as-is"
        made = [s.command for n, s in found.items() if n.startswith(f"{text}-data")]
        assert len(made) == (1 + 8 if text == "iwslt17" else 1 + 12)
        for words in made:
            assert "--moses" in words
            assert ("--truecase" in words) == (text == "europarl")


SYSTEMS = {
    ("he2023", 1): ("he2023", "report"),
    ("he2023", 2): ("he2023", "report-parts"),
    ("he2023", 12): ("he2023", "cost"),
    ("he2023", 3): ("he2023_wmt", "report"),
    ("lin2021", 1): ("lin2021", "report"),
    ("lin2021", 2): ("lin2021_wmt", "big-report"),
    ("xie2021", 1): ("xie2021", "iwslt17-report"),
    ("xie2021", 2): ("xie2021", "europarl-report"),
}
"""A paper's table -> the stage that names its systems."""


def systems_in(command):
    words = dict(enumerate(command))
    return [words[at + 1].rpartition("=")[0] for at in words if words[at] == "--system"]


def rows_without(table, systems):
    return set(table.rows) - match_rows(table, table.rows, systems, []).keys()


@pytest.mark.parametrize(("paper", "number"), SYSTEMS)
def test_every_row_of_a_table_is_a_system_of_its_recipe(paper, number):
    name, stage = SYSTEMS[paper, number]
    systems = systems_in(stages_of(name)[stage].command)
    assert not rows_without(paper_of(paper).table(number), systems)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 8])
def test_every_row_of_cao_2024_is_a_system_of_its_recipe(number):
    found = stages_of("cao2024")
    reports = [found[need].command for need in found[f"table{number}"].needs]
    systems = [system for command in reports for system in systems_in(command)]
    table = paper_of("cao2024").table(number)
    assert not rows_without(table, systems) and len(systems) == len(table.rows)


def test_the_speed_of_he_2023_is_measured_from_german_at_each_ratio():
    words = stages_of("he2023")["speed"].command
    assert words[words.index("--pairs") + 1] == "de-en"
    left = rows_without(paper_of("he2023").table(13), systems_in(words))
    assert left == {f"GradientGradual 0.{n}" for n in range(3, 10)}  # .1 and .2 given
    made = "OUT/sweep/joint/gradient-gradual-0.1/checkpoint_last.pt"
    assert f"0.1={made}" in words
