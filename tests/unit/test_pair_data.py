"""Reading the binarized data of a pair."""

import gc
import shutil
import sys

import pytest

from lass_plugin.data.dictionaries import joint_dictionary
from lass_plugin.data.language_tokens import LanguageTokens
from lass_plugin.data.pair_data import load_pair
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq
from lass_plugin.languages import Pair


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
    dictionary = joint_dictionary(folder, None, [pair], "source")
    sentence = f"{broken.stem}.*prepare the data again"
    with pytest.raises(LassError, match=sentence) as told:
        load_pair(folder, "test", pair, dictionary, dictionary, tokens)
    del told
    gc.collect()
    assert not ignored  # nothing is closed that was not opened
