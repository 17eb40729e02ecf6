"""configs/lin2021 and, for WMT, configs/he2023, made small, run by fairseq's hydra."""

from pathlib import Path

import pytest
from conftest import ROOT, load

from lass_plugin.cli.main import main as lass
from lass_plugin.masks import load_masks

PAIRS = ("de-en", "en-de")
SMALL = (
    *("common.cpu=true", "dataset.num_workers=0", "common.log_interval=1"),
    *("dataset.max_tokens=160", "optimization.update_freq=[1]"),
    *("optimization.max_update=2", "lr_scheduler.warmup_updates=1"),
    *(f"++model.{side}_layers=1" for side in ("encoder", "decoder")),
    *(f"++model.{side}_embed_dim=32" for side in ("encoder", "decoder")),
    *(f"++model.{side}_ffn_embed_dim=48" for side in ("encoder", "decoder")),
)


@pytest.fixture(scope="module")
def train(commands, data, tmp_path_factory):
    """``fairseq-hydra-train`` with one of the files; the last checkpoint."""

    def run(folder: str, name: str, *overrides: str, pairs=PAIRS) -> Path:
        out = tmp_path_factory.mktemp(name)
        commands.run(
            *("hydra", "--config-dir", ROOT / "configs" / folder),
            *("--config-name", name, f"common.user_dir={ROOT / 'lass_plugin'}"),
            *(f"task.data={data}", f"task.lang_pairs='{','.join(pairs)}'"),
            *(f"checkpoint.save_dir={out}", *SMALL, *overrides),
        )
        return out / "checkpoint_last.pt"

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "base", "search", "joint"),
    [
        ("lin2021", "base_iwslt", "search_iwslt", "joint_iwslt"),
        ("lin2021", "base_wmt", "search_wmt", "joint_wmt"),
        ("he2023", "wmt_base", "wmt_search", "wmt_joint"),
    ],
)
def test_the_three_phases(train, tmp_path, folder, base, search, joint):
    first = train(folder, base)
    config = load(first)["cfg"]
    assert config["checkpoint"]["patience"] == 30
    gelu = folder == "lin2021"
    assert (config["model"]["activation_fn"] == "gelu") == gelu
    assert bool(config["model"]["encoder_learned_pos"]) == gelu
    start = f"checkpoint.finetune_from_model={first}"
    plan = ("task.pruning_start=0", "task.pruning_ramp=2") if not gelu else ()
    for pair in PAIRS:
        found = train(folder, search, start, *plan, pairs=[pair])
        out = str(tmp_path / "masks" / f"{pair}.safetensors")
        assert lass(["extract", str(found), "--out", out]) == 0
    removed = {"search_iwslt": 0.7, "search_wmt": 0.3, "wmt_search": 0.2}[search]
    masks = load_masks(tmp_path / "masks")
    for pair in PAIRS:
        assert masks[pair].kept() / masks[pair].units == pytest.approx(
            1 - removed, abs=0.01
        )
    trained = train(folder, joint, start, f"task.masks={tmp_path / 'masks'}")
    assert load(trained)["task_state"]["masks"]
