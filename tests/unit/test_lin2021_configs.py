"""The configurations of configs/lin2021 and, for WMT, of configs/he2023."""

import pytest
import yaml
from conftest import ROOT

from lass_plugin.languages import languages_of, parse_pairs

IWSLT = set("fa pl ar he nl de it es en".split())
WMT = set("gu ta kk tr ro es fr ps fi lv et lt ru cs pl ja zh de en".split())
DATA = ("iwslt", "wmt")
LIN = [f"{phase}_{data}" for phase in ("base", "search", "joint") for data in DATA]


def read(folder: str, name: str) -> dict:
    path = ROOT / "configs" / folder / f"{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def differences(one, other, place=()):
    """(key, value of *one*, value of *other*) of all that differs."""
    for key in one.keys() | other.keys():
        values = one.get(key), other.get(key)
        if all(isinstance(value, dict) for value in values):
            yield from differences(*values, (*place, key))
        elif values[0] != values[1]:
            yield ".".join((*place, key)), values[0], values[1]


def test_there_are_no_others():
    folder = ROOT / "configs" / "lin2021"
    assert {path.stem for path in folder.iterdir()} == set(LIN)


@pytest.mark.parametrize("name", LIN)
def test_what_section_4_says(name):
    config = read("lin2021", name)
    wmt = name.endswith("wmt")
    arch = "lass_transformer_base" if wmt else "lass_transformer_small"
    assert config["model"]["_name"] == arch
    task = config["task"]
    assert task["encoder_langtok"] == "src" and task["decoder_langtok"] is True
    if name.startswith("search"):
        assert task["pruning_criterion"] == "magnitude"
        assert task["pruning_schedule"] == "oneshot"
        assert task["pruning_ratio"] == (0.3 if wmt else 0.7)
        return
    pairs = parse_pairs(task["lang_pairs"])
    assert len(pairs) == (36 if wmt else 16)
    assert set(languages_of(pairs)) == (WMT if wmt else IWSLT)
    assert all("en" in (pair.source, pair.target) for pair in pairs)
    assert task["sampling_temperature"] == (5 if wmt else 2)


@pytest.mark.parametrize(
    ("folder", "joint", "base"),
    [
        ("he2023", "joint", "base"),
        ("he2023", "wmt_joint", "wmt_base"),
        ("lin2021", "joint_iwslt", "base_iwslt"),
        ("lin2021", "joint_wmt", "base_wmt"),
    ],
)
def test_joint_training_has_the_settings_of_the_base_and_masks(folder, joint, base):
    found = set(differences(read(folder, base), read(folder, joint)))
    start = ("checkpoint.finetune_from_model", None, "???")
    found.discard(("task.mixed_batches", False, None))  # its default
    assert found == {("task.masks", None, "???"), start}


def test_appendix_c_2_of_he():
    base, search = read("he2023", "wmt_base"), read("he2023", "wmt_search")
    tokens = base["dataset"]["max_tokens"] * base["optimization"]["update_freq"][0]
    assert tokens == 524288
    assert base["optimization"]["max_update"] == 600_000
    assert base["checkpoint"]["save_interval_updates"] == 1000
    assert base["checkpoint"]["patience"] == 30
    assert base["optimizer"]["adam_betas"] == "(0.9, 0.98)"
    assert base["model"]["dropout"] == base["criterion"]["label_smoothing"] == 0.1
    assert base["task"]["sampling_temperature"] == 5
    assert set(languages_of(parse_pairs(base["task"]["lang_pairs"]))) == WMT
    stages = search["task"]["pruning_start"], search["task"]["pruning_ramp"]
    last = search["optimization"]["max_update"] - sum(stages)
    assert (*stages, last) == (4_000, 16_000, 20_000)
    assert search["task"]["pruning_ratio"] == 0.2
    assert search["dataset"]["max_tokens"] == 20_000
    for config in (base, search):  # App. B
        model = config["model"]
        assert [model[f"encoder_{n}"] for n in ("layers", "embed_dim")] == [6, 512]
        assert model["decoder_ffn_embed_dim"] == 2048
        assert model["decoder_attention_heads"] == 8
