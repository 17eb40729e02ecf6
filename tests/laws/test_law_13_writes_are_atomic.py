"""Law 13: writes are atomic.

A temporary file, fsync, rename: whoever looks sees the old file or the new one, whole.
A full disk (here: a limit on the size of files) costs the new file, never the old one,
and is told in one sentence.
"""

import contextlib
import os
import resource
from pathlib import Path

import pytest
import torch
from conftest import load
from fairseq import checkpoint_utils
from fairseq.file_io import PathManager

from lass_plugin import files
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq
from lass_plugin.masks import (
    Mask,
    MaskSet,
    Provenance,
    load_mask,
    save_mask,
    save_masks,
)

prepare_fairseq()

LIMIT = 1 << 20


@contextlib.contextmanager
def full_disk():
    """No file can grow beyond LIMIT bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.fixture
def steps(monkeypatch):
    """What is done to which file, in order."""
    done = []

    def watch(name, of):
        stock = getattr(os, name)

        def call(*arguments):
            done.append((name, of(*arguments)))
            return stock(*arguments)

        monkeypatch.setattr(os, name, call)

    watch("fsync", lambda number: os.path.realpath(f"/proc/self/fd/{number}"))
    watch("replace", lambda source, target: (str(source), str(target)))
    watch("rename", lambda source, target: (str(source), str(target)))
    return done


def state_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def mask(key: str = "de-en", size: int = 64, value: bool = True) -> Mask:
    bits = {"encoder.layers.0.fc1.weight": torch.full((size, size), value)}
    return Mask.from_tensors(key, bits, Provenance("magnitude", 0.0))


SMALL, LARGE = 64, 4096  # 4096 x 4096 bits are two megabytes

# -- what we write, and what fairseq writes in our processes ---------------------------


def write_masks(path: Path, size: int) -> None:
    save_mask(path, mask(size=size))


def write_checkpoint(path: Path, size: int) -> None:
    value = {"model": {"weight": torch.ones(size, size // 8)}}
    checkpoint_utils.torch_persistent_save(value, str(path))


def copy_checkpoint(path: Path, size: int) -> None:
    source = path.parent.parent / f"{size}.pt"  # made by the fixture below
    PathManager.copy(str(source), str(path), overwrite=True)


WRITERS = {
    "a mask": write_masks,
    "a checkpoint": write_checkpoint,
    "a copy of a checkpoint": copy_checkpoint,
    "a text": lambda path, size: files.write_text(path, "x" * (size * size // 8)),
}


@pytest.fixture(params=WRITERS, ids=[name.replace(" ", "-") for name in WRITERS])
def write(request):
    return WRITERS[request.param]


@pytest.fixture
def target(tmp_path) -> Path:
    for size in (SMALL, 2 * SMALL, LARGE):
        (tmp_path / f"{size}.pt").write_bytes(b"\1" * (size * size // 8))
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "target"


def test_a_full_disk_costs_the_new_file_never_the_old(write, target):
    write(target, SMALL)
    before = state_of(target.parent)
    with pytest.raises(LassError) as told, full_disk():
        write(target, LARGE)
    assert str(target) in told.value.message
    assert os.strerror(27) in told.value.message  # File too large
    assert "unchanged" in told.value.message
    assert state_of(target.parent) == before  # and nothing half-written beside it


def test_a_full_disk_leaves_nothing_where_there_was_nothing(write, target):
    with pytest.raises(LassError), full_disk():
        write(target, LARGE)
    assert state_of(target.parent) == {}


def test_with_space_again_the_new_file_replaces_the_old(write, target):
    write(target, SMALL)
    old = target.read_bytes()
    with pytest.raises(LassError), full_disk():
        write(target, LARGE)
    write(target, LARGE)
    assert list(state_of(target.parent)) == ["target"]
    assert len(target.read_bytes()) > LIMIT > len(old)


def test_the_file_is_synced_then_renamed_then_its_folder_is_synced(
    write, target, steps
):
    write(target, SMALL)
    (name, (temporary, renamed)) = next(step for step in steps if step[0] != "fsync")
    assert Path(temporary).parent == target.parent and renamed == str(target)
    assert steps == [
        ("fsync", temporary),
        (name, (temporary, str(target))),
        ("fsync", str(target.parent)),
    ]


def test_while_it_is_written_the_old_file_is_there(write, target, monkeypatch):
    write(target, SMALL)
    old, seen = target.read_bytes(), []
    stock = os.fsync

    def look(number):
        seen.append(target.read_bytes())
        stock(number)

    monkeypatch.setattr(os, "fsync", look)
    write(target, 2 * SMALL)
    assert seen[0] == old
    assert target.read_bytes() != old


def test_an_old_mask_still_loads_after_a_full_disk(target):
    save_mask(target, mask())
    with pytest.raises(LassError), full_disk():
        save_mask(target, mask(size=LARGE, value=False))
    assert load_mask(target).kept() == SMALL * SMALL


def test_masks_written_before_the_disk_was_full_are_whole(tmp_path):
    keys = ("de-en", "en-de")
    masks = MaskSet(mask(key, LARGE) for key in keys)
    save_mask(tmp_path / "en-de.safetensors", mask("en-de"))
    before = (tmp_path / "en-de.safetensors").read_bytes()
    with pytest.raises(LassError), full_disk():
        save_masks(tmp_path, masks)
    assert state_of(tmp_path) == {"en-de.safetensors": before}


def test_an_error_that_is_not_of_the_disk_is_not_told_as_one(target):
    write_checkpoint(target, SMALL)
    before = state_of(target.parent)
    with pytest.raises(Exception, match="(?i)pickle") as caught:
        checkpoint_utils.torch_persistent_save({"model": lambda: 0}, str(target))
    assert not isinstance(caught.value, LassError)
    assert state_of(target.parent) == before


# -- a whole training run --------------------------------------------------------------

RUN = ("--max-update", 12, "--save-interval-updates", 6, "--disable-validation")


@pytest.mark.parametrize("when", ["fill_disk_at_save", "fill_disk_at_copy"])
def test_a_training_whose_second_save_fails_keeps_its_first(commands, tmp_path, when):
    failed = commands.train(tmp_path, *RUN, prepare=(when, 2), check=False)
    assert failed.returncode == 1
    target = {
        "fill_disk_at_save": "checkpoint_1_12.pt",
        "fill_disk_at_copy": "checkpoint_last.pt",
    }[when]
    assert failed.told.startswith(f"error: cannot write {tmp_path / target}: ")
    assert "Traceback" not in failed.stdout + failed.stderr
    left = state_of(tmp_path)
    assert left.keys() - {"checkpoint_1_12.pt", ".training"} == {
        "checkpoint_1_6.pt",
        "checkpoint_last.pt",
    }
    assert left["checkpoint_last.pt"] == left["checkpoint_1_6.pt"]
    assert load(tmp_path / "checkpoint_last.pt")["optimizer_history"]
