"""Law 14: what keys have of their own is not left out of an importance unsaid."""

import pytest

from lass_plugin.cli.main import main

LENGTH = ("--max-update", 1, "--disable-validation", "--no-epoch-checkpoints")
SPARSE = ("--task", "translation_sparse_tuning")
WORDS = {
    "joint": "sub-networks",
    "neurons": "sub-networks",
    "low-rank": "low-rank modules",
    "gates": "gates",
    "adapters": "adapters",
    "own-decoders": "parts of each language",
    "sparse": "sparse differences",
}


@pytest.mark.parametrize("kind", WORDS)
def test_a_model_whose_keys_have_parts_is_refused(
    commands, data, kinds, base, masks, tmp_path, capsys, kind
):
    sparse = (*SPARSE, "--base", base, "--masks", masks)
    flags = sparse if kind == "sparse" else kinds[kind]
    commands.train(tmp_path / "run", *flags, *LENGTH)
    checkpoint, out = tmp_path / "run" / "checkpoint_last.pt", tmp_path / "out"
    for command in ("neurons", "gates"):
        words = [command, "importance", data, "--checkpoint", checkpoint, "--cpu"]
        capsys.readouterr()
        assert main([*map(str, words), "--out", str(out)]) == 1
        told = capsys.readouterr().err
        assert f"{checkpoint} is a model with {WORDS[kind]}, which" in told
        assert f"lass {command} importance would leave out; give" in told
        # adapters have no place in the model that an export makes
        assert ("'lass export'" in told) == (kind != "adapters")
        assert not out.exists()
