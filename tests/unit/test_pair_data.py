"""Reading the binarized data of a pair."""

import gc
import pickle
import shutil
import sys
from pathlib import Path

import pytest
from fairseq.data import indexed_dataset

from lass_plugin.data.dictionaries import joint_dictionary
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.pair_data import find_split, load_pair
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq
from lass_plugin.languages import Pair


def rewrite(prefix: Path, implementation: str) -> None:
    """Write a data file again as ``--dataset-impl`` of fairseq-preprocess says."""
    stored = indexed_dataset.make_dataset(str(prefix), "mmap")
    sentences = [sentence.clone() for sentence in stored]
    del stored
    builder = indexed_dataset.make_builder(f"{prefix}.bin", implementation, 100)
    for sentence in sentences:
        builder.add_item(sentence.int())
    builder.finalize(f"{prefix}.idx")


def test_both_sides_are_of_one_order(tmp_path):
    pair, places = Pair("de", "en"), []
    for name in ("de-en.de", "en-de.de", "en-de.en"):
        places.append(tmp_path / f"test.{name}")
        for ending in ("bin", "idx"):
            Path(f"{places[-1]}.{ending}").touch()
    # the English of the other direction is perhaps a test set of its own
    assert find_split(tmp_path, "test", pair, "de") == str(places[0])
    assert find_split(tmp_path, "test", pair, "en") is None
    assert find_split(tmp_path, "test", Pair("en", "de"), "en") == str(places[2])
    for ending in ("bin", "idx"):
        Path(f"{places[0]}.{ending}").unlink()
    found = [find_split(tmp_path, "test", pair, code) for code in ("de", "en")]
    assert found == list(map(str, places[1:]))


@pytest.mark.parametrize("implementation", ["cached", "lazy"])
def test_data_of_older_implementations_are_read(data, tmp_path, implementation):
    folder, pair = tmp_path / "data", Pair("de", "en")
    shutil.copytree(data, folder)
    tokens = LanguageTokens(("de", "en"), encoder=None, decoder=False)
    dictionary = joint_dictionary([folder], None, [pair], "source")
    for language in ("de", "en"):
        rewrite(folder / f"test.en-de.{language}", implementation)
    found, expected = (
        load_pair(place, "test", pair, dictionary, dictionary, tokens)
        for place in (folder, data)
    )
    assert len(found) == len(expected) == 13
    for one, other in zip(found, expected, strict=True):
        assert one["source"].equal(other["source"])
        assert one["target"].equal(other["target"])
    found = pickle.loads(pickle.dumps(found))  # workers that read ahead
    assert found[12]["source"].equal(expected[12]["source"])
    broken = folder / "test.en-de.de.bin"
    broken.write_bytes(broken.read_bytes()[:-4])
    with pytest.raises(LassError, match="test.en-de.de.bin is shorter than"):
        load_pair(folder, "test", pair, dictionary, dictionary, tokens)


@pytest.mark.parametrize("language, suffix", [("de", "bin"), ("en", "idx")])
def test_a_truncated_data_file_is_named(data, tmp_path, language, suffix, monkeypatch):
    prepare_fairseq()
    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    folder, pair = tmp_path / "data", Pair("de", "en")
    shutil.copytree(data, folder)
    broken = next(folder.glob(f"test.*de*.{language}.{suffix}"))
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    tokens = LanguageTokens(("de", "en"), encoder=None, decoder=False)
    dictionary = joint_dictionary([folder], None, [pair], "source")
    sentence = f"{broken.stem}.*prepare the data again"
    with pytest.raises(LassError, match=sentence) as told:
        load_pair(folder, "test", pair, dictionary, dictionary, tokens)
    del told
    gc.collect()
    assert not ignored  # nothing is closed that was not opened


def test_dictionaries_of_all_folders_are_one(data, tmp_path):
    pairs, shard = [Pair("de", "en"), Pair("nl", "en")], tmp_path / "shard"
    shard.mkdir()
    first = joint_dictionary([data, shard], None, pairs, "source")  # a shard needs none
    shutil.copy(data / "dict.de.txt", shard)
    assert joint_dictionary([data, shard], None, pairs, "source") == first
    lines = (data / "dict.de.txt").read_text().splitlines(keepends=True)
    (shard / "dict.nl.txt").write_text("".join(reversed(lines)))
    with pytest.raises(LassError, match="shard/dict.nl.txt differs from .*dict.de.txt"):
        joint_dictionary([data, shard], None, pairs, "source")
