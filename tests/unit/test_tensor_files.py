"""Files of tensors with a header: what comes back, and what is told apart."""

import pytest
import torch

from lass_plugin.errors import LassError
from lass_plugin.masks import load_mask
from lass_plugin.neurons.importance import load_importance
from lass_plugin.tensor_files import OtherKind, Unreadable, read_tensors, write_tensors


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
