"""What is said of an exported checkpoint, and which checkpoints have a mean."""

from pathlib import Path

import pytest
import torch

from lass_plugin.checkpoints.averaging import averaged
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.stock import _stock_defaults, stock_command
from lass_plugin.errors import LassError


def command(**options) -> list[str]:
    task = {**_stock_defaults(), "source_lang": "de", "target_lang": "en"}
    exported = {"cfg": {"task": {**task, "langs": ["de", "en"], **options}}}
    return stock_command(Checkpoint(Path("x.pt"), {}), exported, "out.pt").split()


def test_the_command_of_a_model_without_language_tokens():
    """Stock fairseq has no such style: its multilingual task always adds tokens."""
    words = command(
        lang_tok_style="none",
        source_dict="dict.txt",
        left_pad_source="False",
        max_source_positions=256,
    )
    assert "translation" in words and not [w for w in words if w.startswith("--lang")]
    assert "--source-dict" not in words
    assert words[words.index("--left-pad-source") + 1].startswith("--")
    assert words[words.index("--max-source-positions") + 1] == "256"


def test_the_command_of_a_model_with_language_tokens():
    words = command(left_pad_source="False")
    assert "translation_multi_simple_epoch" in words and "--langs" in words
    assert words[words.index("--left-pad-source") + 1] == "False"


def low_rank(base: str, of: float, value: float) -> Checkpoint:
    entry = {"base": base, "fingerprint": {"encoder.layers.0.fc1": of}}
    weight = {"w": torch.tensor([value])}
    return Checkpoint(Path("x.pt"), {"model": weight, "task_state": {"lslo": entry}})


def test_where_a_base_is_makes_no_other_model():
    """A run that has gone on after its base was moved."""
    mean = averaged([low_rank("a.pt", 0.5, 1.0), low_rank("b/a.pt", 0.5, 3.0)])
    assert mean["model"]["w"].item() == 2.0
    with pytest.raises(LassError, match="differ in lslo/base"):
        averaged([low_rank("a.pt", 0.5, 1.0), low_rank("b.pt", 0.7, 3.0)])
