"""Mask, mask set, sites, and their files and states."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as write_safetensors
from torch import nn

from lass_plugin.anatomy.targets import TARGETS, select_sites
from lass_plugin.errors import LassError
from lass_plugin.masks import (
    Mask,
    MaskSet,
    Provenance,
    find_sites,
    load_mask,
    load_masks,
    parse_targets,
    save_mask,
    save_masks,
)
from lass_plugin.masks.file import digest, from_state, to_state

FC1 = "encoder.layers.0.fc1.weight"
QUERY = "decoder.layers.0.self_attn.q_proj.weight"
SHAPES = {FC1: (3, 5), QUERY: (4, 2)}


def make(key: str = "de-en", seed: int = 0, shapes=None, **provenance) -> Mask:
    generator = torch.Generator().manual_seed(seed)
    masks = {
        name: torch.rand(shape, generator=generator) > 0.4
        for name, shape in (shapes or SHAPES).items()
    }
    values = {"criterion": "magnitude", "ratio": 0.4, "schedule": "oneshot"}
    base = {name: 0.25 for name in masks}
    return Mask.from_tensors(key, masks, Provenance(**{**values, **provenance}), base)


# -- mask ----------------------------------------------------------------------------


def test_a_mask_counts_what_it_keeps():
    first = torch.tensor([[True, False, True], [False, False, True]])
    second = torch.ones(2, 2, dtype=torch.bool)
    mask = Mask.from_tensors(
        "de-en", {FC1: first, QUERY: second}, Provenance("x", None)
    )
    assert (mask.units, mask.kept(), mask.kept(FC1), mask.kept(QUERY)) == (10, 7, 3, 4)
    assert torch.equal(mask.unpack(FC1), first)


def test_a_mask_fits_the_model_of_its_shapes_only():
    mask = make()
    sites = {name: torch.zeros(shape) for name, shape in SHAPES.items()}
    mask.check_fits(sites)
    with pytest.raises(LassError, match="covers .*fc1.* which base.pt does not have"):
        mask.check_fits({QUERY: sites[QUERY]}, "base.pt")
    with pytest.raises(LassError, match="lacks decoder.layers.1"):
        mask.check_fits({**sites, "decoder.layers.1.fc1.weight": torch.zeros(1)})
    with pytest.raises(LassError, match=r"\(3, 5\) for .*fc1.* has \(5, 3\)"):
        mask.check_fits({**sites, FC1: torch.zeros(5, 3)})


def test_a_mask_of_another_base_is_refused_unless_its_base_is_unknown():
    mask = make()
    mask.check_base({name: 0.2501 for name in SHAPES})
    with pytest.raises(LassError, match="de-en was searched on other weights"):
        mask.check_base({name: 0.5 for name in SHAPES})
    Mask("de-en", mask.bits, mask.shapes, mask.provenance).check_base({FC1: 9.0})


# -- mask set ------------------------------------------------------------------------


def test_a_set_is_in_the_order_of_its_keys():
    masks = MaskSet([make("nl-en"), make("de-en")])
    assert list(masks) == ["de-en", "nl-en"] and len(masks) == 2
    assert "de-en" in masks and "en-de" not in masks
    assert masks.shapes == SHAPES and MaskSet([]).shapes == {}


def test_a_set_names_what_is_wrong_with_it():
    with pytest.raises(LassError, match="two masks of de-en"):
        MaskSet([make(), make(seed=1)])
    with pytest.raises(LassError, match="de-en and en-de cover different matrices"):
        MaskSet([make(), make("en-de", shapes={FC1: (3, 5)})])
    with pytest.raises(LassError, match="no mask of fr-en; the masks .* de-en"):
        MaskSet([make()]).only(["fr-en"])


def test_the_union_holds_a_weight_that_any_mask_keeps():
    masks = MaskSet([make("de-en", 1), make("en-de", 2), make("nl-en", 3)])
    union = masks.union(["de-en", "nl-en"])
    for name in SHAPES:
        both = masks["de-en"].unpack(name) | masks["nl-en"].unpack(name)
        merged = Mask("x", union, dict(SHAPES), Provenance("x", None))
        assert torch.equal(merged.unpack(name), both)


# -- files ---------------------------------------------------------------------------


@given(
    st.dictionaries(
        st.sampled_from([FC1, QUERY, "encoder.layers.1.fc2.weight"]),
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        min_size=1,
    ),
    st.integers(0, 100),
)
@settings(max_examples=40)
def test_a_file_gives_back_what_was_saved(tmp_path_factory, shapes, seed):
    path = tmp_path_factory.mktemp("mask") / "de-en.safetensors"
    mask = make(seed=seed, shapes=shapes, updates=7, note="§ 4")
    save_mask(path, mask)
    loaded = load_mask(path)
    assert (loaded.key, loaded.shapes) == (mask.key, mask.shapes)
    assert (loaded.provenance, loaded.base) == (mask.provenance, mask.base)
    assert all(torch.equal(loaded.bits[name], mask.bits[name]) for name in shapes)


def test_a_set_is_saved_as_a_folder_and_read_from_anywhere(tmp_path):
    masks = MaskSet([make("de-en", 1), make("en-de", 2)])
    paths = save_masks(tmp_path / "masks", masks)
    assert [path.name for path in paths] == ["de-en.safetensors", "en-de.safetensors"]
    for place in (tmp_path / "masks", ",".join(map(str, paths))):
        assert digest(load_masks(place)) == digest(masks)
    assert list(load_masks(paths[1])) == ["en-de"]


def test_a_folder_without_masks_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(LassError, match=f"no mask file .* in {tmp_path}"):
        load_masks(tmp_path)
    with pytest.raises(LassError, match="no mask file .*gone.safetensors"):
        load_masks(tmp_path / "gone.safetensors")


def test_a_file_of_any_shorter_length_is_refused_by_name(tmp_path):
    path = tmp_path / "de-en.safetensors"
    save_mask(path, make(shapes={FC1: (2, 3)}))
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(LassError, match="de-en.safetensors"):
            load_mask(path)


def test_a_file_with_any_bit_turned_is_refused_or_a_sound_mask(tmp_path):
    path = tmp_path / "de-en.safetensors"
    save_mask(path, make(shapes={FC1: (2, 3)}))
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in (0, 3, 7):
            turned = bytearray(content)
            turned[place] ^= 1 << bit
            path.write_bytes(turned)
            try:
                mask = load_mask(path)
            except LassError as error:
                assert "de-en.safetensors" in error.message
            else:
                assert 0 <= mask.kept() <= mask.units == 6


def test_a_foreign_safetensors_file_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(write_safetensors({FC1: torch.zeros(2, 2)}))
    with pytest.raises(LassError, match="not a mask of this package"):
        load_mask(path)


def test_a_file_that_runs_code_when_unpickled_does_not(tmp_path):
    class Harm:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'canary')!r}, 'w')",)

    path = tmp_path / "de-en.safetensors"
    torch.save(Harm(), path)
    with pytest.raises(LassError, match="de-en.safetensors"):
        load_masks(tmp_path)
    assert not (tmp_path / "canary").exists()


def test_a_mask_of_a_later_release_asks_for_that_release(tmp_path):
    header = {"version": 99, "key": "de-en", "shapes": {}, "provenance": {}, "base": {}}
    path = tmp_path / "de-en.safetensors"
    tensors = {FC1: torch.zeros(1, dtype=torch.uint8)}
    path.write_bytes(write_safetensors(tensors, {"lass_mask": json.dumps(header)}))
    with pytest.raises(LassError, match="format version 99"):
        load_mask(path)


# -- state ---------------------------------------------------------------------------


def test_a_state_gives_back_the_set(tmp_path):
    masks = MaskSet([make("de-en", 1, note="a"), make("en-de", 2, updates=3)])
    torch.save(to_state(masks), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    restored = from_state(state)
    assert digest(restored) == digest(masks)
    for key in masks:
        assert restored[key].provenance == masks[key].provenance
        assert restored[key].base == masks[key].base


def test_a_damaged_state_is_named():
    sound = to_state(MaskSet([make()]))
    short = {"bits": sound["masks"]["de-en"]["bits"][:-1]}
    entry = {**sound["masks"]["de-en"], **short}
    with pytest.raises(LassError, match="mask of de-en"):
        from_state({**sound, "masks": {"de-en": entry}}, "joint.pt")
    with pytest.raises(LassError, match="joint.pt"):
        from_state({**sound, "shapes": None}, "joint.pt")


def test_a_digest_is_of_keys_shapes_and_bits_only():
    first = MaskSet([make(seed=1)])
    assert digest(first) == digest(MaskSet([make(seed=1, note="other")]))
    assert digest(first) != digest(MaskSet([make(seed=2)]))
    assert digest(first) != digest(MaskSet([make("en-de", 1)]))


# -- sites ---------------------------------------------------------------------------


def test_targets_are_read_in_one_order():
    assert parse_targets("feed-forward, attention") == ("attention", "feed-forward")
    for wrong in ("attention,heads", "", " , "):
        with pytest.raises(LassError, match="unknown mask target"):
            parse_targets(wrong)


NAMES = {
    "attention": [
        "encoder.layers.11.self_attn.k_proj.weight",
        "decoder.layers.0.encoder_attn.out_proj.weight",
    ],
    "feed-forward": ["decoder.layers.3.fc2.weight"],
    "embeddings": ["encoder.embed_tokens.weight"],
    "output-projection": ["decoder.output_projection.weight"],
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_covers_its_matrices_only(target):
    others = ["encoder.layers.0.fc1.bias", "encoder.layers.0.final_layer_norm.weight"]
    every = {name: torch.zeros(1) for names in NAMES.values() for name in names}
    every.update({name: torch.zeros(1) for name in others})
    assert list(select_sites(every, [target])) == NAMES[target]


class Tied(nn.Module):
    """As much of a transformer as the names of its embeddings."""

    def __init__(self, tied: bool):
        super().__init__()
        self.decoder = nn.Module()
        self.decoder.embed_tokens = nn.Embedding(5, 3)
        self.decoder.output_projection = nn.Linear(3, 5, bias=False)
        if tied:
            self.decoder.output_projection.weight = self.decoder.embed_tokens.weight


def test_a_shared_embedding_is_one_site():
    both = ("embeddings", "output-projection")
    assert len(find_sites(Tied(False), both)) == 2
    assert list(find_sites(Tied(True), ["embeddings"])) == [
        "decoder.embed_tokens.weight"
    ]
    with pytest.raises(LassError, match="same tensor as an embedding"):
        find_sites(Tied(True), both)
    with pytest.raises(LassError, match="'attention' covers no parameter"):
        find_sites(Tied(False), ["attention"])


def test_a_mask_in_a_checkpoint_cannot_replace_what_all_share():
    masks = MaskSet([make("de-en"), make("en-de", seed=1)])
    state = to_state(masks)
    state["masks"]["de-en"].update(version=99, shapes={}, key="nl-en")
    assert digest(from_state(state)) == digest(masks)
