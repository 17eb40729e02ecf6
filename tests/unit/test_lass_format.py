"""Mask files of the public LaSS code."""

import pytest
import torch

from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair
from lass_plugin.masks import fingerprint, load_mask
from lass_plugin.masks.lass_format import find_files, import_masks, read_lass_file

FC1 = "encoder.layers.0.fc1.weight"
QUERY = "decoder.layers.0.self_attn.q_proj.weight"
EMBEDDING = "encoder.embed_tokens.weight"
PROJECTION = "decoder.output_projection.weight"
NORM = "encoder.layers.0.final_layer_norm.weight"
SHAPES = {FC1: (6, 4), QUERY: (4, 4), EMBEDDING: (9, 4)}


def masks(seed: int = 0, **more) -> dict:
    generator = torch.Generator().manual_seed(seed)
    drawn = {
        name: torch.rand(s, generator=generator) > 0.4 for name, s in SHAPES.items()
    }
    return {**drawn, **more}


@pytest.fixture
def write(tmp_path):
    def save(content, name: str = "de-en.pt"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def base(tmp_path):
    """A checkpoint whose decoder shares the encoder's embedding."""
    model = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    model.update({PROJECTION: model[EMBEDDING], NORM: torch.ones(4)})
    torch.save(
        {"model": model, "cfg": {"model": {"share_all_embeddings": True}}},
        tmp_path / "base.pt",
    )
    return tmp_path / "base.pt"


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32, torch.int64])
def test_masks_of_any_type_are_read(write, dtype):
    content = masks()
    path = write({name: mask.to(dtype) for name, mask in content.items()})
    mask = import_masks({"de-en": path})["de-en"]
    assert mask.shapes == SHAPES and mask.base == {}
    assert (mask.provenance.criterion, mask.provenance.note) == ("imported", "de-en.pt")
    for name in SHAPES:
        assert torch.equal(mask.unpack(name), content[name])


def test_what_is_kept_whole_everywhere_needs_no_mask(write):
    whole = torch.ones(9, 4, dtype=torch.bool)
    extra = {EMBEDDING: whole, NORM: torch.ones(4, dtype=torch.bool)}
    first = write(masks(1, **extra))
    assert set(import_masks({"de-en": first})["de-en"].shapes) == {FC1, QUERY}
    second = write(masks(2), "en-de.pt")
    both = import_masks({"de-en": first, "en-de": second})
    assert set(both.shapes) == set(SHAPES)  # the other one prunes the embedding


def test_an_attention_matrix_that_is_kept_whole_stays(write):
    path = write(masks(**{FC1: torch.ones(6, 4)}))
    assert FC1 in import_masks({"de-en": path})["de-en"].shapes


def test_targets_choose(write):
    path = write(masks(**{"odd.weight": torch.zeros(3, 3)}))
    imported = import_masks({"de-en": path}, ["feed-forward"])
    assert list(imported.shapes) == [FC1]
    with pytest.raises(LassError, match="no mask of the targets output-projection"):
        import_masks({"de-en": path}, ["output-projection"])


def test_a_ratio_is_found_where_it_is_one_number(write):
    even = {
        FC1: torch.arange(24).view(6, 4) >= 12,
        QUERY: torch.eye(4).repeat(1, 1) > 0,
    }
    even[QUERY] = torch.arange(16).view(4, 4) >= 8
    assert import_masks({"de-en": write(even)})["de-en"].provenance.ratio == 0.5
    uneven = {**even, QUERY: torch.ones(4, 4) > 0}
    assert import_masks({"de-en": write(uneven)})["de-en"].provenance.ratio is None


def test_a_base_is_checked_and_recorded(write, base):
    path = write(masks())
    mask = import_masks({"de-en": path}, base=base)["de-en"]
    model = torch.load(base, weights_only=True)["model"]
    assert mask.base == fingerprint({name: model[name] for name in SHAPES})
    with pytest.raises(LassError, match=r"\(5, 4\) for .*fc1.* has \(6, 4\)"):
        import_masks(
            {"de-en": write(masks(**{FC1: torch.rand(5, 4) > 0.5}))}, base=base
        )
    other = masks(**{"encoder.layers.7.fc1.weight": torch.rand(6, 4) > 0.5})
    with pytest.raises(LassError, match="covers encoder.layers.7"):
        import_masks({"de-en": write(other)}, base=base)


def test_a_shared_embedding_is_masked_once_or_refused(write, base):
    content = masks()
    path = write({**content, PROJECTION: content[EMBEDDING].clone()})
    mask = import_masks({"de-en": path}, base=base)["de-en"]
    assert PROJECTION not in mask.shapes and EMBEDDING in mask.shapes
    path = write({**content, PROJECTION: ~content[EMBEDDING]})
    with pytest.raises(LassError, match="differently, but in the base they are one"):
        import_masks({"de-en": path}, base=base)


BROKEN = {
    "a row to broadcast": ({FC1: torch.ones(1, 4)}, "shape .1, 4. for .*fc1"),
    "a vector": ({FC1: torch.ones(24)}, "shape .24,. for .*fc1"),
    "weights": ({FC1: torch.rand(6, 4)}, "values other than 0 and 1 for .*fc1"),
    "NaN": ({FC1: torch.full((6, 4), torch.nan)}, "values other than 0 and 1"),
    "a number": ({FC1: 1}, "int for .*fc1"),
    "a bias that is pruned": (
        {"encoder.layers.0.fc1.bias": torch.zeros(6)},
        "fc1.bias, which is no matrix",
    ),
}


@pytest.mark.parametrize(("more", "message"), BROKEN.values(), ids=BROKEN)
def test_a_matrix_that_is_no_mask_is_named(write, more, message):
    with pytest.raises(LassError, match=message) as told:
        import_masks({"de-en": write(masks(**more))})
    assert "de-en.pt" in told.value.message


@pytest.mark.parametrize("content", [[], {}, torch.ones(2), {"model": {"a": 1}}])
def test_a_file_of_another_kind_is_named(write, content):
    with pytest.raises(LassError, match="de-en.pt"):
        read_lass_file(write(content))


def test_files_are_found_by_a_pattern(tmp_path):
    for name in ("de-en.pt", "mask_en_de.bin"):
        (tmp_path / name).touch()
    pair = Pair("de", "en")
    assert find_files(str(tmp_path), [pair]) == {"de-en": tmp_path / "de-en.pt"}
    pattern = str(tmp_path / "mask_{source}_{target}.bin")
    assert find_files(pattern, [Pair("en", "de")])["en-de"].name == "mask_en_de.bin"
    with pytest.raises(LassError, match="mask_de_en.bin for de-en"):
        find_files(pattern, [pair])
    with pytest.raises(LassError, match="one file for all of de-en, en-de"):
        find_files(str(tmp_path / "de-en.pt"), [pair, Pair("en", "de")])


def test_the_command_imports_one_or_many(write, base, tmp_path, capsys):
    write(masks(1))
    path = write(masks(2), "en-de.pt")
    out = tmp_path / "one.safetensors"
    start = ["import-lass", str(path), "--pair", "en-de"]
    assert main([*start, "--out", str(out)]) == 0
    assert "the base is not known" in capsys.readouterr().out
    assert load_mask(out).key == "en-de"
    many = ["import-lass", str(tmp_path), "--pairs", "de-en,en-de"]
    more = ["--checkpoint", str(base), "--out", str(tmp_path / "out")]
    assert main([*many, *more]) == 0
    assert "3 matrices" in capsys.readouterr().out
    assert load_mask(tmp_path / "out" / "de-en.safetensors").base
    assert main([*start, "--out", str(tmp_path)]) == 1
    assert "ends in .safetensors" in capsys.readouterr().err
