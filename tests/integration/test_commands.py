"""fairseq's own commands drive the tasks: hydra, validation, gradient accumulation.

The three phases are run from the configuration files of configs/he2023, made small.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, load

from lass_plugin.cli.main import main as lass
from lass_plugin.masks import load_masks
from lass_plugin.masks.file import digest, from_state

CONFIGS = ROOT / "configs" / "he2023"
PAIRS = ("de-en", "en-de")
SMALL = (
    *(
        "common.cpu=true",
        "dataset.num_workers=0",
        "common.log_interval=1",
        "dataset.max_tokens=160",
    ),
    *("optimization.update_freq=[1]", "optimization.max_update=2"),
    "lr_scheduler.warmup_updates=1",
    *(f"+model.{side}_layers=1" for side in ("encoder", "decoder")),
    *(f"+model.{side}_embed_dim=32" for side in ("encoder", "decoder")),
    *(f"+model.{side}_ffn_embed_dim=48" for side in ("encoder", "decoder")),
)


def arguments(name: str, data: Path, save_dir: Path, *overrides: str, pairs=PAIRS):
    """What follows ``fairseq-hydra-train`` on a user's command line."""
    return [
        *("--config-dir", str(CONFIGS), "--config-name", name),
        *(f"common.user_dir={ROOT / 'lass_plugin'}", f"task.data={data}"),
        *(f"task.lang_pairs='{','.join(pairs)}'", f"checkpoint.save_dir={save_dir}"),
        *(*SMALL, *overrides),
    ]


def updates(checkpoint: Path) -> int:
    return load(checkpoint)["optimizer_history"][-1]["num_updates"]


@pytest.fixture(scope="module")
def hydra_base(data, tmp_path_factory) -> Path:
    """Base training by the command itself, in a process of its own."""
    folder = tmp_path_factory.mktemp("hydra_base")
    start = "import sys; from fairseq_cli.hydra_train import cli_main; cli_main()"
    result = subprocess.run(
        [sys.executable, "-c", start, *arguments("base", data, folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def hydra_search(commands, data, hydra_base, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hydra_search")
    plan = ("task.pruning_start=0", "task.pruning_ramp=2", "task.pruning_interval=1")
    start = f"checkpoint.finetune_from_model={hydra_base}"
    flags = arguments("search", data, folder, *plan, start, pairs=PAIRS[:1])
    commands.run("hydra", *flags)
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def hydra_masks(hydra_search, hydra_base, tmp_path_factory) -> Path:
    """The mask of the search, and a random one for the other pair."""
    folder = tmp_path_factory.mktemp("hydra_masks")
    assert lass(["extract", str(hydra_search), "--out", str(folder)]) == 0
    options = ["--pairs", "en-de", "--ratio", "0.6", "--seed", "1"]
    out = ["--out", str(folder)]
    assert lass(["random", "--checkpoint", str(hydra_base), *options, *out]) == 0
    return folder


@pytest.fixture(scope="module")
def hydra_joint(commands, data, hydra_base, hydra_masks, tmp_path_factory) -> Path:
    """Joint training with two micro-batches an update."""
    folder = tmp_path_factory.mktemp("hydra_joint")
    more = (f"task.masks={hydra_masks}", "optimization.update_freq=[2]")
    start = f"checkpoint.finetune_from_model={hydra_base}"
    commands.run("hydra", *arguments("joint", data, folder, *more, start))
    return folder / "checkpoint_last.pt"


# -- the configuration files -----------------------------------------------------------


def test_base_training_by_hydra(hydra_base):
    assert updates(hydra_base) == 2
    state = load(hydra_base)
    assert "masks" not in state["task_state"]
    assert state["model"]["encoder.layers.0.fc1.weight"].shape == (48, 32)
    assert "encoder.layers.1.fc1.weight" not in state["model"]
    # what the architecture gives where nothing else is said
    assert state["cfg"]["model"]["encoder_attention_heads"] == 4


def test_the_rival_with_adapters_by_hydra(commands, data, tmp_path):
    more = ("task.adapter_bottleneck=8", "optimization.update_freq=[2]")
    commands.run("hydra", *arguments("adapter", data, tmp_path, *more))
    state = load(tmp_path / "checkpoint_last.pt")
    assert state["task_state"]["adapters"]["plan"]["decoder"] == sorted(PAIRS)
    name = "encoder.layers.0.adapters.of_en-de.up.weight"
    assert state["model"][name].shape == (32, 8)


def test_the_configuration_is_kept_beside_the_checkpoint(hydra_base):
    kept = hydra_base.parent / ".hydra" / "config.yaml"
    said = yaml.safe_load(kept.read_text(encoding="utf-8"))
    assert said["optimization"]["max_update"] == 2
    assert said["task"]["sampling_temperature"] == 2
    assert (hydra_base.parent / "hydra_train.log").is_file()


def test_a_search_by_hydra(hydra_search, hydra_masks):
    state = load(hydra_search)["extra_state"]["train_iterator"]["subnetwork"]
    assert state["plan"]["key"] == "de-en" and state["updates"] == 2
    mask = load_masks(hydra_masks)["de-en"]
    assert (mask.provenance.criterion, mask.provenance.ratio) == ("gradient", 0.6)


def test_joint_training_by_hydra_with_gradient_accumulation(hydra_joint, hydra_masks):
    assert updates(hydra_joint) == 2
    carried = from_state(load(hydra_joint)["task_state"]["masks"])
    assert digest(carried) == digest(load_masks(hydra_masks))


def test_separate_decoders_by_hydra(commands, data, tmp_path):
    commands.run("hydra", *arguments("separate_decoders", data, tmp_path))
    state = load(tmp_path / "checkpoint_last.pt")
    assert state["task_state"]["own_parts"]["parts"] == ["decoder"]
    own = {n[7:] for n in state["model"] if n.startswith("own.en.")}
    assert {"decoder.embed_tokens.weight", "decoder.output_projection.weight"} < own
    decoder = {n for n in state["model"] if n.startswith("decoder.")}
    buffers = {n for n in decoder if n.endswith(("version", "_float_tensor"))}
    assert own == decoder - buffers


def test_the_same_command_again_goes_on_where_it_was(
    commands, data, hydra_joint, hydra_masks, hydra_base
):
    more = (f"task.masks={hydra_masks}", "optimization.update_freq=[2]")
    more += (f"checkpoint.finetune_from_model={hydra_base}",)
    more += ("optimization.max_update=3",)
    commands.run("hydra", *arguments("joint", data, hydra_joint.parent, *more))
    assert updates(hydra_joint) == 3


@pytest.mark.parametrize(
    "override, named",
    [
        ("+task.prunning_ratio=0.5", "prunning_ratio"),
        ("common.no_such_key=1", "no_such_key"),
        ("task.no_such_key=1", "no_such_key"),
    ],
)
def test_a_key_that_does_not_exist_is_an_error(
    commands, data, tmp_path, override, named
):
    flags = arguments("base", data, tmp_path, override)
    result = commands.run("hydra", *flags, check=False)
    assert result.returncode != 0
    assert named in result.stderr
    assert not list(tmp_path.glob("*.pt"))


def test_a_mistake_ends_a_hydra_command_with_one_sentence(commands, data, tmp_path):
    flags = arguments("base", data, tmp_path, "task.sampling_method=uniform")
    result = commands.run("hydra", *flags, check=False)
    assert result.returncode == 1
    assert result.told.startswith("error: --sampling-temperature has no effect")
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(CONFIGS.parent.glob("*/*.yaml")) if p.parent.name != "recipes"],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_every_key_is_of_the_task_and_the_header_says_how_to_start(path):
    from fairseq.tasks import TASK_DATACLASS_REGISTRY

    from lass_plugin.tasks import register_tasks

    register_tasks()
    text = path.read_text(encoding="utf-8")
    header = text.split("\n\n")[0]
    assert f"configs/{path.parent.name} --config-name {path.stem}" in header
    assert "Expect" in header
    task = yaml.safe_load(text)["task"]
    known = TASK_DATACLASS_REGISTRY[task["_name"]].__dataclass_fields__
    assert task.keys() - {"_name"} <= known.keys()
    assert "torch" not in header and "/work" not in text


# -- validation ------------------------------------------------------------------------


def validate(commands, data: Path, checkpoint: Path) -> dict[str, float]:
    """The figures of ``fairseq-validate``."""
    result = commands.run(
        *("validate", data, "--user-dir", ROOT / "lass_plugin", "--cpu"),
        *("--task", "translation_subnetwork", "--path", checkpoint),
        *("--max-tokens", 160, "--num-workers", 0, "--no-progress-bar"),
    )
    line = next(row for row in result.stdout.splitlines() if "loss_de-en" in row)
    return {name: float(value) for name, value in re.findall(r"(\S+) ([\d.]+)", line)}


@pytest.mark.parametrize("phase", ["hydra_base", "hydra_joint"])
def test_validation_gives_the_losses_that_training_gave(commands, data, phase, request):
    checkpoint = request.getfixturevalue(phase)
    figures = validate(commands, data, checkpoint)
    loss = load(checkpoint)["extra_state"]["val_loss"]
    assert figures["loss"] == pytest.approx(loss, abs=2e-3)
    pairs = [figures[f"loss_{pair}"] for pair in PAIRS]
    assert figures["pair_loss"] == pytest.approx(sum(pairs) / 2, abs=2e-3)


# -- the script for a GPU ------------------------------------------------------------


@pytest.mark.slow
def test_the_script_for_a_gpu_runs_on_a_cpu_with_tiny_models():
    environment = {**os.environ, "LASS_PYTHON": sys.executable}
    result = subprocess.run(
        ["bash", "scripts/gpu.sh", "--dry"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=550,
    )
    assert result.returncode == 0, result.stdout[-3000:]
    lines = re.findall(r"^(\w+) ratio [\d.]+ goal", result.stdout, re.MULTILINE)
    expected = {"joint_training", "search_gradient", "generation", "low_rank_training"}
    assert expected <= {*lines}
