"""Merged masks for zero-shot pairs (Lin 2021, §5.2.2)."""

from dataclasses import replace

import pytest
import torch

from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.masks import (
    Mask,
    MaskSet,
    Provenance,
    load_mask,
    save_mask,
    save_masks,
)
from lass_plugin.masks.merge import merge, merge_through

ENCODER = ["encoder.embed_tokens.weight", "encoder.layers.0.self_attn.q_proj.weight"]
DECODER = [
    "decoder.layers.0.encoder_attn.k_proj.weight",
    "decoder.layers.0.fc1.weight",
    "decoder.output_projection.weight",
]


def make(key: str, seed: int, base: float | None = 0.5, **provenance) -> Mask:
    generator = torch.Generator().manual_seed(seed)
    masks = {
        name: torch.rand(4, 5, generator=generator) > 0.5 for name in ENCODER + DECODER
    }
    values = {
        "criterion": "gradient",
        "ratio": 0.5,
        "schedule": "gradual",
        "updates": 9,
    }
    base_print = {} if base is None else {name: base for name in masks}
    provenance = Provenance(**{**values, **provenance})
    return Mask.from_tensors(key, masks, provenance, base_print)


def test_each_side_comes_from_its_own_mask():
    first, second = make("fr-en", 1), make("en-zh", 2)
    merged = merge(first, second, "fr-zh")
    assert merged.key == "fr-zh" and merged.shapes == first.shapes
    for name in ENCODER:
        assert torch.equal(merged.bits[name], first.bits[name])
    for name in DECODER:
        assert torch.equal(merged.bits[name], second.bits[name])
    assert merged.base == first.base
    assert merged.provenance == Provenance(
        "merged",
        0.5,
        "gradual",
        9,
        "encoder of fr-en (gradient), decoder of en-zh (gradient)",
    )


def test_what_the_parts_do_not_agree_on_is_left_open():
    merged = merge(
        make("fr-en", 1),
        make("en-zh", 2, ratio=0.6, schedule="oneshot", updates=3),
        "fr-zh",
    )
    provenance = merged.provenance
    assert (provenance.ratio, provenance.schedule, provenance.updates) == (None, "", 3)


def test_masks_of_different_bases_or_matrices_are_not_merged():
    first = make("fr-en", 1)
    for base in (0.9, None):
        with pytest.raises(LassError, match="fr-en and en-zh were searched on differ"):
            merge(first, make("en-zh", 2, base), "fr-zh")
    merge(make("fr-en", 1, None), make("en-zh", 2, None), "fr-zh")
    other = make("en-zh", 2)
    fewer = replace(other, shapes=dict(list(other.shapes.items())[1:]))
    with pytest.raises(LassError, match="cover different matrices"):
        merge(first, fewer, "fr-zh")


def test_many_pairs_through_one_language():
    keys = ["fr-en", "en-fr", "zh-en", "en-zh"]
    masks = MaskSet(make(key, seed) for seed, key in enumerate(keys))
    merged = merge_through(masks, [Pair("fr", "zh"), Pair("zh", "fr")], "en")
    assert list(merged) == ["fr-zh", "zh-fr"]
    again = merge(masks["zh-en"], masks["en-fr"], "zh-fr")
    assert all(torch.equal(merged["zh-fr"].bits[n], again.bits[n]) for n in again.bits)
    with pytest.raises(LassError, match="no mask of de-en"):
        merge_through(masks, [Pair("de", "zh")], "en")
    with pytest.raises(LassError, match="fr-en is not merged through en"):
        merge_through(masks, [Pair("fr", "en")], "en")


def test_the_command_merges_one_pair_or_many(tmp_path, capsys):
    masks = MaskSet(
        make(k, i) for i, k in enumerate(["fr-en", "en-fr", "zh-en", "en-zh"])
    )
    files = dict(zip(masks, save_masks(tmp_path / "masks", masks), strict=True))
    one = tmp_path / "one.safetensors"
    given = [
        "--encoder",
        files["fr-en"],
        "--decoder",
        files["en-zh"],
        "--pair",
        "fr-zh",
    ]
    assert main(["merge", *map(str, given), "--out", str(one)]) == 0
    given = ["--from", tmp_path / "masks", "--pairs", "fr-zh,zh-fr", "--through", "en"]
    assert main(["merge", *map(str, given), "--out", str(tmp_path / "many")]) == 0
    many = sorted(path.name for path in (tmp_path / "many").iterdir())
    assert many == ["fr-zh.safetensors", "zh-fr.safetensors"]
    assert (tmp_path / "many" / many[0]).read_bytes() == one.read_bytes()
    assert "encoder of zh-en (gradient), decoder of en-fr" in capsys.readouterr().out


def test_the_command_refuses_what_makes_no_sense(tmp_path, capsys):
    for seed, key in enumerate(("fr-en", "en-zh", "de-zh")):
        save_mask(tmp_path / f"{key}.safetensors", make(key, seed))
    fr, zh = (tmp_path / f"{key}.safetensors" for key in ("fr-en", "en-zh"))
    out = str(tmp_path / "out.safetensors")

    def told(*given: object) -> str:
        assert main(["merge", *map(str, given)]) == 1
        assert not (tmp_path / "out.safetensors").exists()
        return capsys.readouterr().err

    both = ("--encoder", fr, "--decoder", zh)
    assert "not options of both" in told(*both, "--out", out)
    assert "not options of both" in told(
        *both, "--pair", "fr-zh", "--through", "en", "--out", out
    )
    swapped = ("--encoder", zh, "--decoder", fr, "--pair", "fr-zh")
    assert "does not read fr" in told(*swapped, "--out", out)
    assert "does not write de" in told(*both, "--pair", "fr-de", "--out", out)
    other = ("--decoder", tmp_path / "de-zh.safetensors", "--pair", "fr-zh")
    assert "no language in between" in told("--encoder", fr, *other, "--out", out)
    assert "ends in .safetensors" in told(*both, "--pair", "fr-zh", "--out", tmp_path)
    assert "not a language pair" in told(*both, "--pair", "frzh", "--out", out)
    assert load_mask(fr).key == "fr-en"  # the sources are untouched
