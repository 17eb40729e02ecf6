"""Reading checkpoints, and the commands that list, extract and compare masks."""

import argparse
import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.masks import (
    Mask,
    MaskSet,
    Provenance,
    find_sites,
    load_mask,
    load_masks,
    save_mask,
    save_masks,
)
from lass_plugin.masks.file import carried_masks, digest, masks_at, to_state
from lass_plugin.methods.search.searched_masks import search_states, searched_mask

FC1 = "encoder.layers.0.fc1.weight"
QUERY = "decoder.layers.0.self_attn.q_proj.weight"
SHAPES = {FC1: (3, 4), QUERY: (2, 5)}
SETTLED = {"chance": 0.5, "halves": 0.75, "since_halfway": 0.9}


def search(key: str = "de-en", seed: int = 1, base: float = 0.5, **plan) -> dict:
    """A search's checkpoint, as far as anything looks at it."""
    generator = torch.Generator().manual_seed(seed)

    def draw() -> dict[str, torch.Tensor]:
        return {n: torch.randn(s, generator=generator) for n, s in SHAPES.items()}

    values = {"criterion": "gradient", "schedule": "gradual", "ratio": 0.5}
    values.update(start=0, ramp=10, interval=1, move_pruned=False)
    values.update(targets=["attention", "feed-forward"], key=key)
    state = {
        "phase": "search",
        "version": 1,
        "plan": {**values, **plan},
        "updates": 10,
        "base": {name: base for name in SHAPES},
        "halves": [draw(), draw()],
        "bits": {},
        "snapshots": {},
        "settled": dict(SETTLED),
    }
    return {
        "model": draw(),
        "extra_state": {"train_iterator": {"epoch": 1, "subnetwork": state}},
    }


def made(content: dict) -> Checkpoint:
    return Checkpoint(Path("a.pt"), content)


def state_of(checkpoint: dict) -> dict:
    return checkpoint["extra_state"]["train_iterator"]["subnetwork"]


def carried(keys: tuple[str, ...] = ("de-en", "en-de")) -> MaskSet:
    return MaskSet(
        Mask.from_tensors(
            key,
            {
                n: torch.arange(s[0] * s[1]).view(s) % (i + 2) > 0
                for n, s in SHAPES.items()
            },
            Provenance("magnitude", None, "oneshot", 5),
            {name: 0.5 for name in SHAPES},
        )
        for i, key in enumerate(keys)
    )


def joint() -> dict:
    model = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    return {"model": model, "task_state": {"masks": to_state(carried())}}


@pytest.fixture
def write(tmp_path):
    def save(content, name: str = "checkpoint_last.pt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, path)
        return path

    return save


# -- reading -------------------------------------------------------------------------


def test_a_checkpoint_is_read(write):
    content = joint()
    checkpoint = Checkpoint.read(write(content))
    assert torch.equal(checkpoint.weights[FC1], content["model"][FC1])


def test_an_old_format_and_a_namespace_are_read(tmp_path):
    path = tmp_path / "old.pt"
    content = {**joint(), "args": argparse.Namespace(arch="transformer")}
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert Checkpoint.read(path).model_options["arch"] == "transformer"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LassError, match="there is no file .*gone.pt"):
        Checkpoint.read(tmp_path / "gone.pt")
    with pytest.raises(LassError, match="there is no file"):
        Checkpoint.read(tmp_path)


def test_a_truncated_checkpoint_is_named(write):
    path = write(search())
    content = path.read_bytes()
    for length in [*range(0, 40), *range(40, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(LassError, match="checkpoint_last.pt"):
            Checkpoint.read(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(LassError, match="is truncated: its end is missing"):
        Checkpoint.read(path)


class Harm:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (self.canary, "w")


class Innocent:
    pass


@pytest.mark.parametrize("new", [True, False])
def test_python_objects_are_not_read(tmp_path, new):
    path, canary = tmp_path / "hostile.pt", tmp_path / "canary"
    for content in (Harm(str(canary)), {**joint(), "x": Innocent()}):
        torch.save(content, path, _use_new_zipfile_serialization=new)
        with pytest.raises(LassError, match="hostile.pt holds a Python object"):
            Checkpoint.read(path)
    path.write_bytes(pickle.dumps(Harm(str(canary))))
    with pytest.raises(LassError, match="hostile.pt"):
        Checkpoint.read(path)
    assert not canary.exists()


def test_files_of_other_kinds_are_named(tmp_path):
    path = tmp_path / "x.pt"
    for content in ([1], {"model": 3}, {"model": {}}, {"model": {"a": "b"}}, {}):
        torch.save(content, path)
        with pytest.raises(LassError, match="x.pt is not a fairseq checkpoint"):
            Checkpoint.read(path)
    path.write_bytes(b"not at all")
    with pytest.raises(LassError, match="x.pt cannot be read"):
        Checkpoint.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(LassError, match="x.pt cannot be read"):
        Checkpoint.read(path)


# -- searches ------------------------------------------------------------------------


def test_the_mask_of_a_search_at_its_ratio_and_at_any_other():
    checkpoint = search()
    even, odd = state_of(checkpoint)["halves"]
    for ratio, kept in ((None, 6), (0.25, 9), (0.0, 12)):
        mask = searched_mask(made(checkpoint), ratio)
        assert mask.kept(FC1) == kept
        score = (even[FC1] + odd[FC1])[mask.unpack(FC1)]
        lost = (even[FC1] + odd[FC1])[~mask.unpack(FC1)]
        assert not lost.numel() or score.min() > lost.max()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "a.pt is a checkpoint of stock fairseq"),
        ({"train_iterator": None}, "a.pt is a checkpoint of stock fairseq"),
        ({"train_iterator": {"subnetwork": {"phase": "base"}}}, "of base training"),
        ({"train_iterator": {"subnetwork": {"phase": "joint"}}}, "of joint training"),
    ],
)
def test_a_checkpoint_of_another_phase_is_named(section, message):
    with pytest.raises(LassError, match=message):
        search_states(made({"model": {}, "extra_state": section}))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"plan": None},
        {"plan": {}},
        {"plan": {"targets": [], "colour": "red"}},
        {"settled": None},
        {"halves": {}},
        {"halves": []},
        {"halves": [{}, {}]},
        {"base": []},
        {"base": {"encoder.layers.9.fc1.weight": 1.0}},
        {"updates": "many"},
    ],
)
def test_a_damaged_search_is_named(change):
    checkpoint = search()
    state_of(checkpoint).update(change)
    with pytest.raises(LassError, match="a.pt"):
        searched_mask(made(checkpoint))


def test_scores_that_are_nan_are_an_error():
    checkpoint = search()
    state_of(checkpoint)["halves"][0][FC1][0, 0] = torch.nan
    with pytest.raises(LassError, match="a.pt: the search of de-en has failed.*NaN"):
        searched_mask(made(checkpoint))


# -- masks of a joint checkpoint -----------------------------------------------------


def test_a_joint_checkpoint_carries_its_masks(write):
    path = write(joint())
    assert digest(carried_masks(Checkpoint.read(path))) == digest(carried())
    assert carried_masks(made(search())) is None
    with pytest.raises(LassError, match="a.pt are damaged"):
        carried_masks(made({"task_state": {"masks": [1]}}))


def test_masks_are_found_wherever_they_are(write, tmp_path):
    path = write(joint())
    folder = tmp_path / "masks"
    files = save_masks(folder, carried())
    for place in (path, str(path), [path], folder, f"{files[0]},{files[1]}", files):
        assert digest(masks_at(place)) == digest(carried())
    with pytest.raises(LassError, match="search.pt carries no masks"):
        masks_at(write(search(), "search.pt"))
    with pytest.raises(LassError, match="two masks of de-en"):
        masks_at([path, folder])


# -- shared embeddings ---------------------------------------------------------------

EMBEDDINGS = [
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
    "decoder.output_projection.weight",
]


@pytest.mark.parametrize(
    ("flags", "sites"),
    [
        ([], EMBEDDINGS),
        (["--share-decoder-input-output-embed"], EMBEDDINGS[:2]),
        (["--share-all-embeddings"], EMBEDDINGS[:1]),
    ],
)
def test_sites_of_a_checkpoint_are_those_of_its_model(data, flags, sites):
    """Whatever is shared, the file names the same matrices as the model does."""
    from fairseq import options, tasks
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf

    import lass_plugin.tasks.translation_subnetwork  # noqa: F401

    arguments = [str(data), "--task", "translation_subnetwork", "--lang-pairs", "de-en"]
    arguments += ["--arch", "transformer_tiny", "--optimizer", "adam", *flags]
    parser = options.get_training_parser()
    cfg = convert_namespace_to_omegaconf(options.parse_args_and_arch(parser, arguments))
    model = tasks.setup_task(cfg.task).build_model(cfg.model)
    checkpoint = made({"model": model.state_dict(), "cfg": {"model": cfg.model}})
    targets = ["attention", "embeddings"]
    if not flags:
        targets.append("output-projection")
    found = checkpoint.sites(targets)
    assert set(found) == set(find_sites(model, targets))
    assert [name for name in EMBEDDINGS if name in found] == sites
    if flags:
        with pytest.raises(LassError, match="same tensor as an embedding"):
            checkpoint.sites(["output-projection"])
    else:
        assert checkpoint.shared == {}
    with pytest.raises(LassError, match="'feed-forward' covers no weight of a.pt"):
        made({"model": {}}).sites(["feed-forward"])


# -- lass extract --------------------------------------------------------------------


def extract(*given: object) -> int:
    return main(["extract", *map(str, given)])


def test_extract_takes_a_folder_of_searches(write, tmp_path, capsys):
    for seed, key in enumerate(("de-en", "en-de")):
        write(search(key, seed), f"searches/{key}/checkpoint_last.pt")
    assert extract(tmp_path / "searches", "--out", tmp_path / "masks") == 0
    told = capsys.readouterr()
    assert "de-en: gradient gradual, ratio 0.5, 11 of 22 weights kept" in told.out
    assert "updates share 0.750" in told.out and "chance 0.500" in told.out
    assert "warning" not in told.err
    masks = load_masks(tmp_path / "masks")
    assert list(masks) == ["de-en", "en-de"]
    assert masks["de-en"].provenance == Provenance("gradient", 0.5, "gradual", 10)


def test_extract_takes_one_pair_at_another_ratio_into_one_file(write, tmp_path):
    for key in ("de-en", "en-de"):
        write(search(key), f"searches/{key}/checkpoint_last.pt")
    out = tmp_path / "a.safetensors"
    given = (tmp_path / "searches", "--pairs", "en-de", "--ratio", "0.25")
    assert extract(*given, "--out", out) == 0
    mask = load_mask(out)
    assert (mask.key, mask.provenance.ratio, mask.kept()) == ("en-de", 0.25, 9 + 8)


def test_extract_by_magnitude_uses_the_weights(write, tmp_path):
    checkpoint = search(criterion="magnitude", schedule="oneshot", ramp=0)
    path = write(checkpoint)
    state_of(checkpoint)["halves"] = [{}, {}]
    assert extract(path, "--out", tmp_path) == 0
    mask = load_mask(tmp_path / "de-en.safetensors")
    weight = checkpoint["model"][QUERY].abs()
    assert weight[mask.unpack(QUERY)].min() > weight[~mask.unpack(QUERY)].max()


def test_extract_warns_of_a_search_that_was_not_finished(write, tmp_path, capsys):
    checkpoint = search()
    state_of(checkpoint).update(updates=5, settled={})
    assert extract(write(checkpoint), "--out", tmp_path / "masks") == 0
    told = capsys.readouterr()
    assert "warning" in told.err and "5 of the 10 updates" in told.err
    assert "at ratio 0.438 instead of 0.5" in told.err  # 7/8 of it
    assert "too early to say" in told.out


def test_extract_takes_the_masks_that_a_joint_checkpoint_carries(write, tmp_path):
    path = write(joint())
    assert extract(path, "--out", tmp_path / "all") == 0
    assert digest(load_masks(tmp_path / "all")) == digest(carried())
    assert extract(path, "--pairs", "en-de", "--out", tmp_path / "one") == 0
    assert list(load_masks(tmp_path / "one")) == ["en-de"]


def test_extract_names_what_is_wrong(write, tmp_path, capsys):
    first, second = write(search(), "a.pt"), write(search(), "b.pt")
    other = write(search("en-de", base=0.9), "c.pt")
    empty = tmp_path / "empty"
    empty.mkdir()
    one, out = tmp_path / "one.safetensors", tmp_path / "out"

    def told(*given: object) -> str:
        assert extract(*given) == 1
        assert not out.exists() and not one.exists()
        return capsys.readouterr().err

    assert "both hold a mask of de-en" in told(first, second, "--out", out)
    assert "different base models" in told(first, other, "--out", out)
    assert "outside [0, 1)" in told(first, "--ratio", "60", "--out", out)
    assert "no mask of fr-en" in told(first, "--pairs", "fr-en", "--out", out)
    assert "holds no checkpoint_last.pt" in told(empty, "--out", out)
    assert "is a file; give a folder" in told(first, "--out", second)
    path = write(joint(), "joint.pt")
    assert "--ratio has no effect" in told(path, "--ratio", "0.5", "--out", out)
    assert "is one file, but there are 2 masks" in told(path, "--out", one)


# -- lass list and lass compare ------------------------------------------------------


def test_list_shows_masks_of_folders_files_and_checkpoints(write, tmp_path, capsys):
    folder = tmp_path / "masks"
    files = save_masks(folder, carried())
    path = write(joint())
    assert main(["list", str(folder), str(files[0]), str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0].split()
        == (
            "key criterion schedule ratio updates units kept % base bytes "
            "bits/unit place"
        ).split()
    )
    assert [line.split()[0] for line in lines[1:]] == ["de-en", "en-de", "de-en"] + [
        "de-en",
        "en-de",
    ]
    assert lines[1].split()[1:7] == ["magnitude", "oneshot", "-", "5", "22", "50.00"]
    assert lines[-1].split()[-2] == f"{8 * 4 / 22:.3f}"  # 2 + 2 bytes of bits


def test_list_as_json_and_by_site(tmp_path, capsys):
    save_masks(tmp_path, carried())
    assert main(["list", str(tmp_path), "--json", "--by-site"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["key"], first["weights"], first["kept"]) == ("de-en", 22, 0.5)
    assert first["sites"][FC1] == {"shape": [3, 4], "kept": 6}
    size = (tmp_path / "de-en.safetensors").stat().st_size
    assert (first["bytes"], first["bits_per_weight"]) == (size, 8 * size / 22)
    assert main(["list", str(tmp_path), "--by-site"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line.split() for line in lines if line.startswith(FC1))
    assert row == [FC1, "3×4", "50.00", "66.67"]


def test_list_names_a_damaged_file(tmp_path, capsys):
    save_masks(tmp_path, carried())
    (tmp_path / "en-de.safetensors").write_bytes(b"x" * 50)
    assert main(["list", str(tmp_path)]) == 1
    assert "en-de.safetensors" in capsys.readouterr().err
    assert main(["list", str(tmp_path / "gone")]) == 1
    assert "gone" in capsys.readouterr().err


def test_compare_prints_the_matrix_and_writes_files(tmp_path, capsys):
    save_masks(tmp_path / "masks", carried())
    out = tmp_path / "out"
    start = ["compare", str(tmp_path / "masks"), "--by", "component"]
    assert main([*start, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    # de-en keeps 6 + 5, en-de 8 + 6, both of them 4 + 3
    assert "de-en  0.568  1.000   50.00" in told
    assert "en-de  1.000  0.568   63.64" in told
    assert "22 units: mean 0.568, chance 0.568" in told
    assert (out / "similarity.json").is_file() and (out / "similarity.svg").is_file()
    assert str(out / "similarity.png") in told


def test_compare_needs_two_masks_and_tells_of_two_bases(tmp_path, capsys):
    masks = carried()
    save_mask(tmp_path / "a.safetensors", masks["de-en"])
    assert main(["compare", str(tmp_path / "a.safetensors")]) == 1
    assert "one mask only (de-en)" in capsys.readouterr().err
    other = masks["en-de"]
    moved = Mask(
        other.key, other.bits, other.shapes, other.provenance, {n: 3.0 for n in SHAPES}
    )
    save_mask(tmp_path / "b.safetensors", moved)
    assert main(["compare", str(tmp_path)]) == 0
    assert "2 different base models" in capsys.readouterr().out


# -- lass random ---------------------------------------------------------------------


def test_random_imitates_masks_or_takes_a_base(write, tmp_path, capsys):
    save_masks(tmp_path / "masks", carried())
    draw = ["--ratio", "0.5", "--seed", "3", "--out"]
    like = ["random", "--like", str(tmp_path / "masks"), *draw]
    assert main([*like, str(tmp_path / "a")]) == 0
    masks = load_masks(tmp_path / "a")
    assert list(masks) == ["de-en", "en-de"]
    assert masks["de-en"].base == carried()["de-en"].base
    assert masks["de-en"].kept(FC1) == 6 and masks["de-en"].kept(QUERY) == 5

    base = ["random", "--checkpoint", str(write(joint())), "--pairs", "de-en"]
    assert main([*base, *draw, str(tmp_path / "b")]) == 0
    again = load_masks(tmp_path / "b")
    assert all(
        torch.equal(again["de-en"].bits[n], masks["de-en"].bits[n]) for n in SHAPES
    )
    assert again["de-en"].base
    assert "11 of 22 weights kept" in capsys.readouterr().out

    out = str(tmp_path / "c")
    assert main([*like, out, "--targets", "attention"]) == 1
    assert "--targets has no effect with --like" in capsys.readouterr().err
    assert main([*base[:3], *draw, out]) == 1
    assert "--checkpoint needs --pairs" in capsys.readouterr().err
    assert main([*base, *draw, out, "--targets", "embeddings"]) == 1
    assert "'embeddings' covers no weight" in capsys.readouterr().err


# -- damage --------------------------------------------------------------------------


def test_a_bit_of_a_weight_that_has_changed_is_named(write, monkeypatch):
    path = write(joint())
    assert Checkpoint.read_whole(path).weights
    content = bytearray(path.read_bytes())
    stored = Checkpoint.read(path).weights[FC1].numpy().tobytes()
    content[bytes(content).index(stored) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(LassError, match=r"checkpoint_last.pt is damaged: its record '"):
        Checkpoint.read_whole(path)
    monkeypatch.setenv("LASS_SKIP_CHECKSUMS", "1")
    assert Checkpoint.read_whole(path).weights


def test_checkpoints_without_checksums_are_read(tmp_path):
    old, bare = tmp_path / "old.pt", tmp_path / "bare.pt"
    torch.save(joint(), old, _use_new_zipfile_serialization=False)
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(joint(), bare)
    finally:
        torch.serialization.set_crc32_options(True)
    for path in (old, bare):
        assert Checkpoint.read_whole(path).weights


@pytest.mark.parametrize(
    "tokens",
    [
        *(3, "de", ["de"], {"languages": ["de"]}),
        {"languages": 3, "encoder": None, "decoder": True, "style": "multilingual"},
        {"languages": "de", "encoder": None, "decoder": True, "style": "multilingual"},
        {"languages": ["\x1b[2J"], "encoder": None, "decoder": True, "style": "mbart"},
        {"languages": ["de"], "encoder": 1, "decoder": True, "style": "multilingual"},
    ],
)
def test_damaged_language_tokens_are_named(tokens):
    checkpoint = made({**joint(), "task_state": {"language_tokens": tokens}})
    with pytest.raises(LassError, match="the language_tokens of a.pt are damaged"):
        assert checkpoint.language_tokens
