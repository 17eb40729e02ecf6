"""Which pairs a checkpoint of joined differences says that it translates."""

import pytest

from lass_plugin.languages import parse_pairs
from lass_plugin.methods.sparse_tuning.joining import computed_with
from lass_plugin.methods.sparse_tuning.stored import Entry

TRAINED = "de-en,en-de,en-nl"


@pytest.mark.parametrize(
    "keys, pairs",
    [
        ("source@de,target@en", "de-en"),
        ("source@de,source@en,target@de,target@nl", "en-de,en-nl"),
        ("source@de,target@nl", TRAINED),  # of a direction without training
        ("en-nl,de-en", "de-en,en-nl"),
    ],
)
def test_they_are_those_whose_differences_were_kept(keys, pairs):
    entry = Entry("base.pt", {}, {}, dict.fromkeys(keys.split(","), {}))
    assert ",".join(computed_with(entry, parse_pairs(TRAINED))) == pairs
