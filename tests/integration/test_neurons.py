"""Neurons through the commands: importance, allocation, training, translation."""

import json
import shlex
import shutil

import pytest
from conftest import PAIRS
from runs import Run
from translations import hypotheses, with_the_plugin

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.errors import LassError
from lass_plugin.experiments.new_pairs.models import OldModel
from lass_plugin.masks import load_masks
from lass_plugin.masks.file import carried_masks
from lass_plugin.masks.neurons import weight_masks
from lass_plugin.neurons.importance import load_importance


@pytest.fixture(scope="module")
def train(commands, base, tmp_path_factory):
    """Train from the base; the last checkpoint."""

    def run(name, *flags, start=("--finetune-from-model",)):
        folder = tmp_path_factory.mktemp(name)
        given = (*start, base) if start else ()
        commands.train(folder, *given, *flags, "--no-epoch-checkpoints")
        return folder / "checkpoint_last.pt"

    return run


@pytest.fixture(scope="module")
def masks(commands, importance, tmp_path_factory):
    out = tmp_path_factory.mktemp("neuron-masks")
    commands.run(
        *("lass", "neurons", "allocate", importance, "--out", out),
        *("--general", 0.5, "--threshold", 0.9),
    )
    return out


def test_every_sentence_of_every_pair_is_counted(importance):
    found = load_importance(importance)
    assert found.pairs == list(PAIRS)
    counted = [counts.sentences for counts in found.counts.values()]
    assert counted == [150, 150, 60, 60]
    assert found.neurons["encoder.layers.0.fc1"] == 64
    assert found.neurons["decoder.layers.1.encoder_attn.out_proj"] == 32
    assert "train data of" in found.note


def test_a_run_that_is_killed_goes_on_and_shares_add_up(
    commands, data, base, importance, tmp_path
):
    """Killed after a part, and then by two processes: the same bytes."""
    out = tmp_path / "again"
    shutil.copytree(importance, out)
    (out / "importance.safetensors").unlink()
    parts = sorted((out / "parts").iterdir())
    assert len(parts) == 4 + 4 + 2 + 2
    for path in parts[1:]:
        path.unlink()
    command = ("lass", "neurons", "importance", data, "--checkpoint", base)
    options = ("--out", out, "--part", 40, "--cpu")
    first = commands.run(*command, *options, "--share", "1/2")
    assert "share 1/2 is measured; parts of other shares are missing" in first.stdout
    commands.run(*command, *options, "--share", "2/2")
    name = "importance.safetensors"
    assert (out / name).read_bytes() == (importance / name).read_bytes()
    other = commands.run(*command, *options, "--sample", 5, check=False)
    assert other.returncode and "begun with --sample 0, not 5" in other.stderr


def test_what_an_earlier_version_began_goes_on(
    commands, data, base, importance, tmp_path
):
    """It wrote plan.json, which knew neither the weights nor the data by content."""
    out, name = tmp_path / "old", "importance.safetensors"
    shutil.copytree(importance, out)
    for gone in (out / name, out / "stage.json", *list((out / "parts").iterdir())[:3]):
        gone.unlink()
    plan = {"pairs": list(PAIRS), "split": "train", "sample": 0, "part": 40, "seed": 1}
    plan |= {"units": ["attention-output", "ffn-hidden", "ffn-output"]}
    plan |= {"precision": "float32", "base": {}, "data": str(data)}
    (out / "plan.json").write_text(json.dumps({**plan, "seed": 2}))
    command = ("lass", "neurons", "importance", data, "--checkpoint", base)
    command += ("--out", out, "--part", 40, "--cpu")
    other = commands.run(*command, check=False)
    assert other.returncode and "begun with --seed 2, not 1" in other.stderr
    (out / "plan.json").write_text("[]")
    damaged = commands.run(*command, check=False)
    assert damaged.returncode and "plan.json is damaged" in damaged.stderr
    (out / "plan.json").write_text(json.dumps(plan))
    commands.run(*command)
    assert (out / name).read_bytes() == (importance / name).read_bytes()


def test_importance_of_other_text_is_refused(
    commands, data, base, importance, tmp_path
):
    """Data prepared again in place: old and new text would be added up."""
    out, other = tmp_path / "out", tmp_path / "data"
    shutil.copytree(importance, out)
    (out / "importance.safetensors").unlink()
    shutil.copytree(data, other)
    for path in other.glob("valid.en-de.*"):
        shutil.copy(path, other / path.name.replace("valid", "train"))
    result = commands.run(
        *("lass", "neurons", "importance", other, "--checkpoint", base),
        *("--out", out, "--part", 40, "--cpu"),
        check=False,
    )
    assert result.returncode and "another train.en-de" in result.stderr


def test_samples_are_drawn_from_the_seed(commands, data, base, tmp_path):
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        commands.run(
            *("lass", "neurons", "importance", data, "--checkpoint", base),
            *("--out", tmp_path / name, "--sample", 20, "--seed", seed, "--cpu"),
            *("--units", "heads,ffn-hidden", "--pairs", "de-en,nl-en"),
        )
    found = [
        (tmp_path / name / "importance.safetensors").read_bytes()
        for name in ("one", "two", "three")
    ]
    assert found[0] == found[1] != found[2]
    few = load_importance(tmp_path / "one")
    assert [counts.sentences for counts in few.counts.values()] == [20, 20]
    assert few.neurons["encoder.layers.0.self_attn.heads"] == 2


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision_is_near(
    commands, data, base, importance, tmp_path, precision
):
    commands.run(
        *("lass", "neurons", "importance", data, "--checkpoint", base),
        *("--out", tmp_path, "--precision", precision, "--cpu"),
    )
    exact, near = load_importance(importance), load_importance(tmp_path)
    for criterion in exact.sums:
        for site, values in exact.theta(criterion).items():
            other = near.theta(criterion)[site]
            assert float((other - values).norm() / values.norm()) < 0.05, (
                criterion,
                site,
            )


@pytest.fixture(scope="module")
def joint(train, masks):
    return train(
        "joint-of-neurons",
        *("--masks", masks, "--max-update", 8),
        *("--optimizer", "adam", "--weight-decay", 0.01),
    )


def test_masks_are_trained_with(base, masks, joint):
    state = Checkpoint.read(joint)
    carried = carried_masks(state)
    given = load_masks(masks)
    assert carried is not None and carried.shapes == given.shapes
    # what no pair keeps stands as it was, decay and moments notwithstanding
    before, after = Checkpoint.read(base).weights, state.weights
    expanded = weight_masks(given, after)
    union = expanded.union(expanded)
    from lass_plugin.masks.packing import unpack

    held = moved = 0
    for name, bits in union.items():
        keep = unpack(bits, expanded.shapes[name])
        same = before[name] == after[name]
        assert bool(same[~keep].all()), name
        held, moved = held + int((~keep).sum()), moved + int((~same).sum())
    assert held > 0 and moved > 0


def test_a_pair_is_translated_under_its_neuron_masks(commands, joint, tmp_path):
    """As with what is exported for the pair, and not as without masks."""
    pair, out = "en-nl", tmp_path / "x.pt"
    exported = commands.run("lass", "export", joint, "--pair", pair, "--out", out)
    program, *words = shlex.split(exported.stdout.splitlines()[-1])
    assert program == "fairseq-generate" and "--user-dir" not in words
    expected = hypotheses(commands.run("generate", *words, "--cpu").stdout)
    found = with_the_plugin(commands, joint, pair)
    assert len(found) == 13 and found == expected
    dense = with_the_plugin(commands, joint, pair, "--dense")
    assert dense.keys() == found.keys()
    assert all(dense[number] != found[number] for number in found)


@pytest.mark.slow
def test_resume_is_exact(base, masks, train, commands):
    flags = ("--masks", masks, "--save-interval-updates", 4)
    whole = train("neurons-whole", *flags, "--max-update", 8)
    half = train("neurons-half", *flags, "--max-update", 4)
    more = ("--finetune-from-model", base, "--no-epoch-checkpoints")
    commands.train(half.parent, *flags, *more, "--max-update", 8)
    one, other = (Checkpoint.read(path).weights for path in (whole, half))
    assert all(bool((one[name] == other[name]).all()) for name in one)


def test_the_record_beside_the_masks(masks, importance):
    record = json.loads((masks / "allocation.json").read_text())
    site = record["sites"]["encoder.layers.0.fc1"]
    assert (site["neurons"], len(site["general"])) == (64, 32)
    name = "importance.safetensors"
    assert (masks / "importance" / name).read_bytes() == (
        importance / name
    ).read_bytes()


@pytest.mark.parametrize(
    "flags, words",
    [
        (("--general", 0), "--general 0 is not a share"),
        (("--threshold", 2), "--threshold 2 is not between 0 and 1"),
        (("--budget", 0.8), "--budget needs --checkpoint"),
        (("--budget-of", "flops"), "--budget-of has no effect without --budget"),
        (("--budget", 0.8, "--threshold", 0.5), "exclude each other"),
    ],
)
def test_bad_rules(commands, importance, tmp_path, flags, words):
    result = commands.run(
        *("lass", "neurons", "allocate", importance, "--out", tmp_path, *flags),
        check=False,
    )
    assert result.returncode and words in result.stderr
    assert "Traceback" not in result.stderr and not list(tmp_path.iterdir())


def test_a_budget_of_flops(commands, base, importance, tmp_path):
    result = commands.run(
        *("lass", "neurons", "allocate", importance, "--out", tmp_path),
        *("--general", 0.3, "--budget", 0.5, "--budget-of", "flops"),
        *("--checkpoint", base),
    )
    assert "takes part" in result.stdout and " k\n" in result.stdout
    assert list(load_masks(tmp_path)) == sorted(PAIRS)


def test_masks_of_another_base_are_refused(data, masks):
    run = Run(data, "--masks", masks)
    with pytest.raises(LassError, match="searched on other weights than those of the"):
        run.update("de-en")


@pytest.mark.parametrize(
    "flags, words",
    [
        (("--share", "3/2"), "--share 3/2 is none of 1/2 to 2/2"),
        (("--share", "one"), "--share one is not I/N"),
        (("--units", "fc3"), "unknown unit 'fc3'"),
        (("--pairs", "fr-en"), "fr"),
        (("--split", "dev"), "dev"),
        (("--part", 0), "--part must be 1 or more"),
    ],
)
def test_bad_input_to_importance(commands, data, base, tmp_path, flags, words):
    result = commands.run(
        *("lass", "neurons", "importance", data, "--checkpoint", base),
        *("--out", tmp_path / "out", "--cpu", *flags),
        check=False,
    )
    assert result.returncode and words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_model_with_neuron_masks_is_not_extended(joint, data):
    with pytest.raises(LassError, match="carries masks of neurons; 'lass extend' adds"):
        OldModel.read(joint, data, masked=True)


def test_one_pair_is_exported_for_stock_fairseq(commands, data, joint, masks, tmp_path):
    """W ⊙ M of the pair: the rows of the neurons that it does not keep are zero."""
    commands.run("lass", "export", joint, "--pair", "de-en", "--out", tmp_path / "x.pt")
    written = Checkpoint.read(tmp_path / "x.pt").weights
    mask = load_masks(masks)["de-en"]
    for site in mask.shapes:
        removed = ~mask.unpack(site)
        assert removed.any() and not written[f"{site}.weight"][removed].any()
        assert not written[f"{site}.bias"][removed].any()
