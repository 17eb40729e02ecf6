"""``adapter_config.json``: ranks and scales as the library peft reads them."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lass_plugin.anatomy.matrices import KINDS
from lass_plugin.errors import LassError
from lass_plugin.methods.lowrank.peft import (
    CONFIG,
    make_config,
    read_config,
)

MODULES = [
    f"{side}.layers.{layer}.{kind}"
    for side in ("encoder", "decoder")
    for layer in (0, 1, 10, 11)
    for kind in KINDS.values()
]


def written(folder, **changes):
    values = {**make_config({"encoder.layers.0.fc1": 4}, 8.0, 0.1), **changes}
    (folder / CONFIG).write_text(json.dumps(values))
    return folder


ranks_of_modules = st.dictionaries(
    st.sampled_from(MODULES), st.integers(1, 64), min_size=1, max_size=8
)


@given(ranks=ranks_of_modules, alpha=st.sampled_from([0.0, 1.0, 3.0, 0.5, 16.0]))
def test_ranks_and_scales_survive_the_file(ranks, alpha, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    (folder / CONFIG).write_text(json.dumps(make_config(ranks, alpha, 0.25)))
    found = read_config(folder)
    assert found.lora_dropout == 0.25
    for module, rank in ranks.items():
        name = f"model.{module}"
        assert found.rank(name) == rank
        scale = alpha / rank if alpha else 1.0
        assert found.alpha(name) / rank == scale


@given(ranks=ranks_of_modules)
def test_earlier_releases_of_peft_read_the_same_ranks(ranks):
    """They want a name before the key: ``re.match(r".*\\.KEY$", name)``."""
    import re

    config = make_config(ranks, 0.0, 0.0)
    keys = [*config["rank_pattern"], *config["alpha_pattern"]]
    for module, rank in ranks.items():
        name = f"model.{module}"
        key = next((k for k in keys if re.match(rf".*\.{k}$", name)), name)
        assert config["rank_pattern"].get(key, config["r"]) == rank
        assert config["alpha_pattern"].get(key, config["lora_alpha"]) == rank


def test_the_file_by_hand():
    config = make_config({"encoder.layers.0.fc1": 2, "decoder.layers.0.fc2": 2}, 0, 0.0)
    assert (config["r"], config["lora_alpha"], config["rank_pattern"]) == (2, 2, {})
    assert config["task_type"] == "SEQ_2_SEQ_LM" and config["bias"] == "none"
    config = make_config({"a": 2, "b": 2, "c": 8}, 16.0, 0.0, "some/model")
    assert (config["r"], config["lora_alpha"]) == (2, 16)
    assert (config["rank_pattern"], config["alpha_pattern"]) == ({"c": 8}, {})
    assert config["base_model_name_or_path"] == "some/model"
    assert config["target_modules"] == ["a", "b", "c"]


def test_patterns_are_regular_expressions_and_the_first_counts(tmp_path):
    found = read_config(
        written(
            tmp_path,
            rank_pattern={r"layers\.0\..*": 2, "fc1": 3},
            alpha_pattern={"self_attn.q_proj": 1.5},
        )
    )
    assert found.rank("model.encoder.layers.0.fc1") == 2
    assert found.rank("model.encoder.layers.10.fc1") == 3
    assert found.rank("model.encoder.layers.10.fc2") == 4
    assert found.alpha("model.encoder.layers.1.self_attn.q_proj") == 1.5
    assert found.alpha("model.encoder.layers.1.self_attn.k_proj") == 8.0


def test_rank_stabilized_scales(tmp_path):
    found = read_config(written(tmp_path, use_rslora=True))
    assert found.alpha("x") / 4 == pytest.approx(8 / math.sqrt(4))


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"peft_type": "IA3"}, "adapter of type IA3"),
        ({"bias": "lora_only"}, "bias 'lora_only'"),
        ({"use_dora": True}, "use_dora True"),
        ({"modules_to_save": ["lm_head"]}, r"modules_to_save \['lm_head'\]"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights 'pissa'"),
        ({"lora_bias": True}, "lora_bias True"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"trainable_token_indices": [5]}, "trainable_token_indices"),
        ({"something_new": {"a": 1}}, "something_new"),
        ({"r": 0}, "rank 0 is no whole number"),
        ({"lora_alpha": None}, "None is no number"),
        ({"rank_pattern": {"(": 2}}, "is not a description of an adapter"),
        ({"rank_pattern": [1]}, "is not a description of an adapter"),
    ],
)
def test_what_cannot_be_represented_is_refused_by_name(tmp_path, changes, told):
    with pytest.raises(LassError, match=told):
        read_config(written(tmp_path, **changes))


def test_a_missing_or_damaged_file_is_named(tmp_path):
    with pytest.raises(LassError, match="adapter_config.json is not .*No such file"):
        read_config(tmp_path)
    (tmp_path / CONFIG).write_text("{")
    with pytest.raises(LassError, match="adapter_config.json is not a description"):
        read_config(tmp_path)
