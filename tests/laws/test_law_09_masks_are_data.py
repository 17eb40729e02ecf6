"""Law 9: masks are data, not code.

A mask file is safetensors with at most one bit a weight, the same bytes for the same
mask; it says what it is of. Nothing of ours is a pickle, and no file that somebody
else made can do more than cause an error that names it.
"""

import ast
import json
import os
import pickle
import random
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from fairseq import checkpoint_utils
from safetensors.torch import load as read_safetensors
from safetensors.torch import save as write_safetensors

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq
from lass_plugin.masks import (
    Mask,
    MaskSet,
    Provenance,
    load_mask,
    load_masks,
    save_mask,
    save_masks,
)
from lass_plugin.masks.file import from_state, to_state

FC1 = "encoder.layers.0.fc1.weight"
SHAPES = {
    FC1: (6, 5),
    "encoder.layers.1.fc1.weight": (6, 5),
    "decoder.layers.0.self_attn.q_proj.weight": (4, 4),
    "decoder.layers.0.fc2.weight": (3, 11),
}


def make(names=tuple(SHAPES), key: str = "de-en") -> Mask:
    """One and the same mask, put together in the order of *names*."""
    masks = {
        name: (torch.arange(SHAPES[name][0] * SHAPES[name][1]) * 7 % 5 > 1).view(
            SHAPES[name]
        )
        for name in names
    }
    base = {name: round(0.1 + len(name) / 64, 3) for name in names}
    provenance = Provenance("gradient", 0.4, "gradual", 800, "a note: ü")
    return Mask.from_tensors(key, masks, provenance, base)


@pytest.fixture
def file(tmp_path) -> Path:
    save_mask(tmp_path / "de-en.safetensors", make())
    return tmp_path / "de-en.safetensors"


# -- what a file holds ---------------------------------------------------------------


def test_a_file_gives_back_names_shapes_bits_key_ratio_criterion_and_fingerprint(file):
    mask, again = make(), load_mask(file)
    assert (again.key, again.shapes) == (mask.key, mask.shapes)
    assert (again.provenance, again.base) == (mask.provenance, mask.base)
    for name in SHAPES:
        assert torch.equal(again.unpack(name), mask.unpack(name))
        assert again.unpack(name).dtype == torch.bool


def test_what_a_file_says_can_be_read_without_this_package(file):
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    said = json.loads(header.pop("__metadata__")["lass_mask"])
    assert set(header) == set(SHAPES)
    assert said["key"] == "de-en"
    assert said["shapes"] == {name: list(shape) for name, shape in SHAPES.items()}
    assert said["provenance"]["ratio"] == 0.4
    assert said["provenance"]["criterion"] == "gradient"
    assert said["base"].keys() == SHAPES.keys()


def test_a_weight_costs_one_bit(tmp_path):
    shape, sites = (256, 192), 12
    masks = {f"encoder.layers.{i}.fc1.weight": torch.ones(shape) > 0 for i in range(12)}
    mask = Mask.from_tensors("de-en", masks, Provenance("magnitude", 0.0))
    save_mask(tmp_path / "a", mask)
    bits = sites * shape[0] * shape[1] // 8
    assert bits < (tmp_path / "a").stat().st_size <= bits + 512 + 256 * sites


def test_a_checkpoint_pays_one_bit_a_weight_and_key():
    keys = ["de-en", "en-de"]
    state = to_state(MaskSet(make(key=key) for key in keys))
    units = [rows * columns for rows, columns in SHAPES.values()]
    for entry in state["masks"].values():
        assert entry["bits"].dtype == torch.uint8
        assert entry["bits"].numel() == sum((n + 7) // 8 for n in units)
    assert len(state["bases"]) == 1  # said once for all keys


# -- canonical -----------------------------------------------------------------------


def test_the_same_mask_gives_the_same_bytes_in_whatever_order_it_was_made(tmp_path):
    forward, backward = tuple(SHAPES), tuple(reversed(SHAPES))
    first, second = make(forward), make(backward)
    assert list(first.bits) != list(second.bits)
    save_mask(tmp_path / "a", first)
    save_mask(tmp_path / "b", second)
    save_mask(tmp_path / "c", load_mask(tmp_path / "a"))
    assert len({(tmp_path / name).read_bytes() for name in "abc"}) == 1


REBUILD = """
import sys
from dataclasses import replace
from lass_plugin.masks import load_mask, save_mask

mask = load_mask(sys.argv[1])
names = set(mask.bits)
parts = (mask.bits, mask.shapes, mask.base)
bits, shapes, base = ({name: part[name] for name in names} for part in parts)
save_mask(sys.argv[2], replace(mask, bits=bits, shapes=shapes, base=base))
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_another_process_with_other_hashes_writes_the_same_bytes(file, seed):
    again = file.with_name(seed)
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", REBUILD, str(file), str(again)],
        check=True,
        env=environment,
        timeout=120,
    )
    assert again.read_bytes() == file.read_bytes()


def test_any_other_mask_gives_other_bytes(file, tmp_path):
    mask = make()
    flipped = {**mask.bits, FC1: mask.bits[FC1] ^ 1}
    others = [
        replace(mask, key="en-de"),
        replace(mask, bits=flipped),
        replace(mask, provenance=replace(mask.provenance, ratio=0.5)),
        replace(mask, base={name: 0.0 for name in SHAPES}),
    ]
    for other in others:
        save_mask(tmp_path / "other", other)
        assert (tmp_path / "other").read_bytes() != file.read_bytes()


# -- no pickle -----------------------------------------------------------------------


def test_a_mask_file_is_no_pickle(file):
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(file.read_bytes())


PICKLING_MODULES = {"pickle", "_pickle", "dill", "joblib", "shelve", "marshal"}


def test_the_package_writes_no_pickle_and_reads_none_that_can_run_code():
    """torch.save is for fairseq's own checkpoints, and in one place."""
    wrong = []
    for path in sorted((ROOT / "lass_plugin").rglob("*.py")):
        where = path.relative_to(ROOT / "lass_plugin").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [name.name.split(".")[0] for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").split(".")[0]]
            wrong += [f"{where}: {name}" for name in names if name in PICKLING_MODULES]
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if called == "torch.save" and where != "checkpoints/torch_files.py":
                wrong.append(f"{where}: torch.save")
            if called == "torch.load" and given.get("weights_only") != "True":
                wrong.append(f"{where}: torch.load without weights_only=True")
            if given.get("allow_pickle", "False") != "False":
                wrong.append(f"{where}: {called} with allow_pickle")
    assert not wrong


# -- files that somebody else made ---------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(LassError) as told:
        load_mask(path)
    assert str(path) in told.value.message
    return told.value.message


def test_random_bytes(tmp_path):
    for seed in range(60):
        generator = random.Random(seed)
        content = generator.randbytes(generator.choice([0, 1, 7, 8, 9, 100, 5000]))
        if seed % 2:  # a length that can be, so that the reader goes on
            content = struct.pack("<Q", generator.randrange(200)) + content
        path = tmp_path / f"{seed}.safetensors"
        path.write_bytes(content)
        refused(path)


def test_a_file_that_ends_too_early(file):
    content = file.read_bytes()
    for length in [*range(0, len(content), 13), len(content) - 1]:
        file.write_bytes(content[:length])
        refused(file)


def test_a_file_that_goes_on(file):
    file.write_bytes(file.read_bytes() + b"\0")
    refused(file)


def test_a_byte_changed_anywhere_is_refused_or_a_sound_mask(file):
    """Never another exception, and never a mask that does not hold together."""
    content = file.read_bytes()
    generator = random.Random(0)
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(generator.choice([1, 1, 1, 4])):
            changed[generator.randrange(len(changed))] = generator.randrange(256)
        file.write_bytes(bytes(changed))
        try:
            mask = load_mask(file)
        except LassError as error:
            assert str(file) in error.message
            continue
        assert mask.units >= mask.kept() >= 0
        assert all(mask.unpack(name).shape == mask.shapes[name] for name in mask.bits)
        assert isinstance(mask.provenance.criterion, str)


def test_safetensors_of_another_kind(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(write_safetensors({"weight": torch.zeros(2, 2)}))
    assert "not a mask of this package" in refused(path)


def rewrite(path: Path, change, tensors=None) -> None:
    """Write the file again, as before there were digests, but for *change*."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    said = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["lass_mask"])
    said = {**said, "version": 1}
    del said["digest"]
    said = change(said) or said
    tensors = {**read_safetensors(content), **(tensors or {})}
    path.write_bytes(write_safetensors(tensors, {"lass_mask": json.dumps(said)}))


HEADERS = {
    "another version": lambda said: said.update(version=3),
    "no version": lambda said: said.pop("version") and None,
    "a list": lambda said: [said],
    "a number": lambda said: 7,
    "no key": lambda said: said.pop("key") and None,
    "a key that is a path": lambda said: said.update(key="../../de-en"),
    "an empty key": lambda said: said.update(key=""),
    "a key that is no text": lambda said: said.update(key=["de-en"]),
    "no shapes": lambda said: said.update(shapes={}),
    "shapes as a list": lambda said: said.update(shapes=[[6, 5]]),
    "a shape too many": lambda said: said["shapes"].update(more=[2, 2]),
    "a shape too few": lambda said: said["shapes"].pop(FC1) and None,
    "a negative shape": lambda said: said["shapes"].update({FC1: [-6, -5]}),
    "a shape of zero": lambda said: said["shapes"].update({FC1: [0, 5]}),
    "no axes": lambda said: said["shapes"].update({FC1: []}),
    "a huge shape": lambda said: said["shapes"].update({FC1: [1 << 40, 1 << 40]}),
    "a shape beyond all": lambda said: said["shapes"].update({FC1: [10**300, 10**300]}),
    "a shape in words": lambda said: said["shapes"].update({FC1: ["6", "5"]}),
    "a broken shape": lambda said: said["shapes"].update({FC1: [6.5, 5.0]}),
    "another shape": lambda said: said["shapes"].update({FC1: [6, 9]}),
    "no provenance": lambda said: said.update(provenance=None),
    "no criterion": lambda said: said["provenance"].pop("criterion") and None,
    "a ratio in words": lambda said: said["provenance"].update(ratio="much"),
    "a ratio of two": lambda said: said["provenance"].update(ratio=2.0),
    "a criterion of numbers": lambda said: said["provenance"].update(criterion=[1]),
    "updates in words": lambda said: said["provenance"].update(updates="many"),
    "no base": lambda said: said.update(base=None),
    "a base in words": lambda said: said["base"].update({FC1: "x"}),
    "a base that is no number": lambda said: said["base"].update({FC1: float("nan")}),
    "a base of other matrices": lambda said: said.update(base={"other": 0.5}),
}


@pytest.mark.parametrize("change", HEADERS.values(), ids=HEADERS)
def test_a_description_that_is_wrong(file, change):
    rewrite(file, change)
    refused(file)


BITS = {
    "too few": torch.zeros(3, dtype=torch.uint8),
    "too many": torch.zeros(5, dtype=torch.uint8),
    "none": torch.zeros(0, dtype=torch.uint8),
    "a byte a weight": torch.ones(30, dtype=torch.uint8),
    "of two axes": torch.zeros(2, 2, dtype=torch.uint8),
    "of floats": torch.zeros(4),
    "of signed numbers": torch.zeros(4, dtype=torch.int8),
    "after the end": torch.tensor([0, 0, 0, 0x40], dtype=torch.uint8),
}


@pytest.mark.parametrize("bits", BITS.values(), ids=BITS)
def test_bits_that_are_wrong(file, bits):
    rewrite(file, lambda said: None, {FC1: bits})
    assert FC1 in refused(file)


@pytest.mark.parametrize("bits", BITS.values(), ids=BITS)
def test_bits_that_are_wrong_in_a_checkpoint(bits):
    state = to_state(MaskSet([make([FC1])]))
    state["masks"]["de-en"]["bits"] = bits
    with pytest.raises(LassError, match="de-en"):
        from_state(state)


def test_a_masks_state_that_is_something_else():
    sound = to_state(MaskSet([make()]))
    entry = sound["masks"]["de-en"]
    for broken in (
        {},
        {**sound, "shapes": None},
        {**sound, "shapes": {FC1: ["a", "b"]}},
        {**sound, "shapes": {FC1: "ab"}},
        {**sound, "shapes": {FC1: 6}},
        {**sound, "bases": []},
        {**sound, "version": 2},
        {**sound, "masks": [entry]},
        {**sound, "masks": {"de-en": {**entry, "bits": "0101"}}},
        {**sound, "masks": {"de-en": {**entry, "base": "x"}}},
        {**sound, "masks": {"de-en": {**entry, "provenance": 3}}},
        {**sound, "masks": {"../de": entry}},
    ):
        with pytest.raises(LassError):
            from_state(broken)


def test_a_key_cannot_lead_out_of_its_folder(tmp_path):
    with pytest.raises(LassError, match="key"):
        save_masks(tmp_path / "masks", MaskSet([make(key="../de-en")]))
    assert not list(tmp_path.glob("*.safetensors"))


class Harm:
    """Whoever unpickles this without care makes a file."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def hostile(tmp_path) -> dict[str, Path]:
    """Files that make ``canary`` when they are unpickled."""
    harm = Harm(tmp_path / "canary")
    paths = {name: tmp_path / f"{name}.pt" for name in ("torch", "old", "pickle")}
    torch.save({"model": harm, "lass_mask": harm}, paths["torch"])
    torch.save(harm, paths["old"], _use_new_zipfile_serialization=False)
    paths["pickle"].write_bytes(pickle.dumps({"model": harm}))
    return paths


@pytest.mark.parametrize("kind", ["torch", "old", "pickle"])
def test_a_hostile_file_given_as_masks_does_nothing(hostile, kind, tmp_path):
    with pytest.raises(LassError, match=str(hostile[kind])):
        load_masks(hostile[kind])
    folder = tmp_path / "masks"
    folder.mkdir()
    renamed = folder / "de-en.safetensors"
    renamed.write_bytes(hostile[kind].read_bytes())
    with pytest.raises(LassError, match=str(renamed)):
        load_masks(folder)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("kind", ["torch", "old", "pickle"])
def test_a_hostile_file_given_as_checkpoint_does_nothing(hostile, kind, tmp_path):
    prepare_fairseq()
    for read in (checkpoint_utils.load_checkpoint_to_cpu, Checkpoint.read):
        with pytest.raises(LassError, match=str(hostile[kind])):
            read(str(hostile[kind]))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("kind", ["torch", "old", "pickle"])
def test_a_hostile_file_given_to_lass_extract_does_nothing(hostile, kind, tmp_path):
    extract = pytest.importorskip("lass_plugin.cli.extract")
    assert extract
    from lass_plugin.cli.main import main

    out = tmp_path / "out"
    assert main(["extract", str(hostile[kind]), "--out", str(out)]) == 1
    assert not (tmp_path / "canary").exists() and not out.exists()


def test_the_canary_sings_when_a_file_is_unpickled_without_care(hostile, tmp_path):
    torch.load(hostile["torch"], weights_only=False)
    assert (tmp_path / "canary").exists()
