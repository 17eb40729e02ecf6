"""The configuration files of configs/ansell2022, made small, run by fairseq's hydra."""

from pathlib import Path

import pytest
from conftest import ROOT, load

from lass_plugin.cli.main import main as lass
from lass_plugin.masks import load_masks

CONFIGS = ROOT / "configs" / "ansell2022"
LONGER = "optimization.max_update=12"  # until a batch of each pair has been drawn


@pytest.fixture(scope="module")
def train(commands, data, base, tmp_path_factory):
    """``fairseq-hydra-train`` with one of the files, in the shape of the base."""
    options = load(base)["cfg"]["model"]
    names = ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")
    shape = [f"{side}_{name}" for side in ("encoder", "decoder") for name in names]

    def run(name: str, pairs: str, *overrides: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        commands.run(
            *("hydra", "--config-dir", CONFIGS, "--config-name", name),
            *(f"common.user_dir={ROOT / 'lass_plugin'}", f"task.data={data}"),
            *(f"task.lang_pairs='{pairs}'", "task.langs='de,en,nl'"),
            *(f"checkpoint.save_dir={folder}", "common.cpu=true"),
            *("dataset.max_tokens=160", "optimization.max_update=4"),
            *("lr_scheduler.warmup_updates=1", *overrides),
            *(f"model.{option}={getattr(options, option)}" for option in shape),
        )
        return folder

    return run


def test_both_phases(train, base, tmp_path):
    start = f"checkpoint.finetune_from_model={base}"
    tuned = [train("tune", pair, start) for pair in ("de-en", "en-nl")]
    words = ["extract", *map(str, tuned), "--base", str(base), "--by", "language"]
    words += ["--ratio", "0.957", "--out", str(tmp_path / "masks")]
    assert lass(words) == 0
    masks = f"task.masks={tmp_path / 'masks'}"
    folder = train("sparse", "de-en,en-nl", masks, f"task.base={base}", LONGER)
    model = load(folder / "checkpoint_last.pt")["model"]
    assert sorted(model) == [
        "sparse_differences.source@de",
        "sparse_differences.source@en",
        "sparse_differences.target@en",
        "sparse_differences.target@nl",
    ]
    weights = load(base)["model"]
    units = sum(weights[n].numel() for n in load_masks(tmp_path / "masks").shapes)
    for values in model.values():
        assert values.numel() == units - round(0.957 * units) and bool(values.any())
