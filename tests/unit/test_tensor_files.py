"""Files of tensors with a header: what comes back, and what is told apart."""

import json

import pytest
import torch

from lass_plugin.errors import LassError
from lass_plugin.masks import load_mask
from lass_plugin.neurons.importance import load_importance
from lass_plugin.tensor_files import (
    OtherKind,
    Unreadable,
    read_tensors,
    write_plain,
    write_tensors,
)


@pytest.fixture
def written(tmp_path):
    header = {"z": [1, 2], "a": {"é": None}}
    tensors = {"b": torch.arange(6.0).view(2, 3).t(), "a": torch.ones(0)}
    write_tensors(tmp_path / "x.safetensors", "lass_x", header, tensors)
    return tmp_path / "x.safetensors", header, tensors


def test_what_is_written_comes_back_and_has_the_same_bytes(written, tmp_path):
    path, header, tensors = written
    found, back = read_tensors(path, "lass_x")
    assert found == header and back.keys() == tensors.keys()
    assert all(torch.equal(back[name], value) for name, value in tensors.items())
    turned = (dict(reversed(each.items())) for each in (header, tensors))
    write_tensors(tmp_path / "again", "lass_x", *turned)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_another_kind_is_told_from_a_damaged_file(written):
    path, _, _ = written
    with pytest.raises(OtherKind):
        read_tensors(path, "lass_y")
    content = path.read_bytes()
    for damaged in (b"", content[:-1], content.replace(b'{\\"a', b'[\\"a')):
        assert damaged != content
        path.write_bytes(damaged)
        with pytest.raises(Unreadable) as caught:
            read_tensors(path, "lass_x")
        assert str(caught.value) == str(caught.value.cause)


def test_the_readers_say_which_it_is(written):
    path, _, _ = written
    with pytest.raises(LassError, match="but not a mask of this package; give a file"):
        load_mask(path)
    with pytest.raises(LassError, match="but not of the importance of neurons; give"):
        load_importance(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LassError, match="cannot be read as a mask .*; it is truncated"):
        load_mask(path)
    with pytest.raises(LassError, match=r"importance of neurons \(SafetensorError: "):
        load_importance(path)


def test_a_bit_that_has_changed_is_noticed(written):
    path, _, _ = written
    content = path.read_bytes()
    for place in (len(content) - 1, len(content) - 24):  # of the tensors
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(Unreadable, match="not those that were written"):
            read_tensors(path, "lass_x")
    path.write_bytes(content.replace(b"[1,2]", b"[1,3]"))
    with pytest.raises(Unreadable, match="not those that were written"):
        read_tensors(path, "lass_x")


def test_a_bit_of_a_mask_or_of_importance_that_has_changed_is_named(
    tmp_path, masks, importance
):
    mask = next(masks.glob("*.safetensors"))
    for found, load in ((mask, load_mask), (next(importance.glob("*.safe*")), None)):
        content = bytearray(found.read_bytes())
        content[-1000] ^= 4
        path = tmp_path / found.name
        path.write_bytes(content)
        with pytest.raises(LassError, match="not those that were written") as refused:
            (load or load_importance)(path)
        assert str(path) in refused.value.message


@pytest.mark.parametrize("version, taken", [(None, True), (1, True), (2, False)])
def test_files_of_before_there_were_digests_are_read(tmp_path, version, taken):
    header = {"a": 1} if version is None else {"a": 1, "version": version}
    path = tmp_path / "x.safetensors"
    write_plain(path, {"b": torch.ones(2)}, {"lass_x": json.dumps(header)})
    if taken:
        assert read_tensors(path, "lass_x")[0] == header
    else:
        with pytest.raises(Unreadable, match="no digest"):
            read_tensors(path, "lass_x")
