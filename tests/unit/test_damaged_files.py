"""Every file that is read: whatever is changed in it, it is read right or named.

A JSON file, the header of a file of tensors, or a part of a checkpoint is taken apart;
each value of it is replaced by others, or left out. No reader ends in anything but a
result or one sentence that names the file.
"""

import itertools
import json
import math

import pytest
import torch
from changed_parts import changed
from low_rank_models import equipped, save, stretches

from lass_plugin import files, tensor_files
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.torch_files import load_tensors, save_tensors
from lass_plugin.data.amounts import read_counts
from lass_plugin.data.data_folder import RECORD as PREPARED
from lass_plugin.data.data_folder import find_preparation
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.experiments.stage import STAGE, read_record
from lass_plugin.language_families import read_families
from lass_plugin.masks import Mask, MaskSet, Provenance, load_mask, save_masks
from lass_plugin.masks.file import carried_masks, to_state
from lass_plugin.methods.lowrank.estimation.demands import (
    ESTIMATE,
    estimate,
    read_estimate,
    write_estimate,
)
from lass_plugin.methods.lowrank.planning.placement import (
    read_placement,
    write_placement,
)
from lass_plugin.methods.lowrank.planning.plan import read_plan, write_plan
from lass_plugin.methods.lowrank.pruning import LAYER, Pruner, PruningPlan
from lass_plugin.methods.lowrank.stored import read_low_rank
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.methods.search.searched_masks import searched_mask
from lass_plugin.neurons.allocation import allocate, read_allocation, write_allocation
from lass_plugin.neurons.importance import (
    Counts,
    Importance,
    load_importance,
    save_importance,
)
from lass_plugin.neurons.settings import Rule
from lass_plugin.scores.neuron import CRITERIA


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Thousands of files are written, and none is to survive."""
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: None)


def check(read, path, *told):
    """*read* gives a result or one sentence that names the file."""
    try:
        return read(path)
    except LassError as error:
        assert any(str(name) in error.message for name in (path, *told)), error.message
        assert "Traceback" not in error.message


# -- JSON ------------------------------------------------------------------------------


def importance() -> Importance:
    sites = {"encoder.layers.0.fc1": "source", "decoder.layers.0.fc2": "target"}
    values = torch.tensor([[9.0, 1.0, 4.0], [1.0, 9.0, 4.0]], dtype=torch.float64)
    sums = {name: {site: values.clone() for site in sites} for name in CRITERIA}
    counts = {pair: Counts(10, 100, 200) for pair in ("de-en", "en-de")}
    return Importance(sums, counts, sites, dict.fromkeys(sites, 0.5), "made up")


def pruned(path):
    model, plan = equipped()
    ratios = dict.fromkeys(plan.languages, 0.5)
    pruner = Pruner(model, PruningPlan(LAYER, ratios, 0, 1))
    pruner.prune(1, stretches(model))
    return save(path, model, plan, pruner), plan


def make_plan(folder):
    write_plan(folder / "plan.json", equipped()[1])
    return folder / "plan.json", read_plan


def make_own_ranks(folder):
    path, read = make_plan(folder)
    record = json.loads(path.read_text())
    record["ranks"] = {name: dict(record["ranks"]) for name in record["matrices"]}
    path.write_text(json.dumps(record))
    return path, read


def make_placement(folder):
    write_placement(folder / "placement.json", equipped()[1].placement, {"note": ""})
    return folder / "placement.json", read_placement


def make_estimate(folder):
    path, _ = pruned(folder / "a.pt")
    found = estimate(read_low_rank(path), str(path))
    write_estimate(folder / "estimate.json", found, None)
    return folder / "estimate.json", read_estimate


def make_allocation(folder):
    of = importance()
    write_allocation(folder, allocate(of, Rule(general=0.5)), of)
    return folder / "allocation.json", lambda path: read_allocation(path.parent)


def make_scores(folder):
    from made_up_reports import report_of

    base, masked = {"de-en": 30.0, "en-de": 20.0}, {"de-en": 31.5, "en-de": 20.5}
    report_file.write(report_of(base=base, masked=masked), folder)
    return folder / "scores.json", report_file.read


def make_preparation(folder):
    (folder / "a.bin").write_bytes(b"12")
    record = {
        "options": {"min-length": 1},
        "inputs": {"a.de": "0" * 64},
        "files": {"a.bin": 2},
        "counts": {
            "train.de-en": {
                "kept": 5,
                "languages": {"de": {"tokens": 9, "unknown": 0}},
            }
        },
    }
    files.write_json(folder / PREPARED, record)

    def read(path):
        read_counts(path)
        find_preparation(path.parent, {"options": {}, "inputs": {}}, fresh=True)

    return folder / PREPARED, read


def make_stage(folder):
    record = {"identity": {"options": {"lr": 0.1}}, "results": {"a": "0"}, "seen": []}
    return STAGE.write(folder / "stage.json", record), read_record


def make_families(folder):
    files.write_json(folder / "families.json", {"de": "A/B", "en": "A/C"})
    return folder / "families.json", read_families


MAKE = {
    "plan": make_plan,
    "own ranks": make_own_ranks,
    "placement": make_placement,
    "estimate": make_estimate,
    "allocation": make_allocation,
    "scores": make_scores,
    "preparation": make_preparation,
    "stage": make_stage,
    "families": make_families,
}
SEALED = {"estimate": ESTIMATE, "scores": report_file.REPORT}


@pytest.mark.parametrize("name", MAKE)
def test_a_part_of_json_that_is_something_else(name, tmp_path):
    path, read = MAKE[name](tmp_path)
    read(path)
    record = json.loads(path.read_text(encoding="utf-8"))
    step = 5 if name == "scores" else 1  # all of that one take half a minute
    for other in itertools.islice(changed(record), 0, None, step):
        if name in SEALED and isinstance(other, dict):
            own = {k: v for k, v in other.items() if k not in ("format", "version")}
            own.pop("digest", None)
            sealed = SEALED[name].mark(own)
            other = {**sealed, **other, "digest": sealed["digest"]}
        path.write_text(json.dumps(other), encoding="utf-8")
        check(read, path)


@pytest.mark.parametrize("name", MAKE)
def test_json_that_is_none(name, tmp_path):
    path, read = MAKE[name](tmp_path)
    whole = path.read_bytes()
    contents = [whole[: len(whole) * part // 7] for part in range(7)]
    contents += [b"[" * 100_000, b'{"a":' * 100_000, b"\0" * 64, b"\xff\xfe{}"]
    contents += [whole + b"}", b"PK\3\4" + whole, b"NaN", b"1" * 5000]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(LassError, match=path.name):
            read(path)


@pytest.mark.parametrize("name", MAKE)
def test_json_with_a_key_twice_or_no_number(name, tmp_path):
    path, read = MAKE[name](tmp_path)
    text = path.read_text(encoding="utf-8")
    for more in ('"x": NaN', '"x": [-Infinity]', '"x": 1e999', '"x": "A", "x": "B"'):
        path.write_text("{" + more + ", " + text.lstrip()[1:], encoding="utf-8")
        with pytest.raises(LassError, match=path.name):
            read(path)


# -- files of tensors ------------------------------------------------------------------


def make_mask(folder):
    mask = Mask.from_tensors(
        "de-en",
        {"encoder.layers.0.fc1.weight": torch.tensor([[True, False], [True, True]])},
        Provenance("magnitude", 0.25, "oneshot", 5),
        {"encoder.layers.0.fc1.weight": 0.5},
    )
    save_masks(folder, MaskSet([mask]))
    return folder / "de-en.safetensors", load_mask


def make_importance(folder):
    save_importance(folder / "importance.safetensors", importance())
    return folder / "importance.safetensors", load_importance


TENSORS = {
    "mask": (make_mask, "lass_mask"),
    "importance": (make_importance, "lass_importance"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_part_of_a_header_that_is_something_else(name, tmp_path):
    make, _ = TENSORS[name]
    path, read = make(tmp_path)
    read(path)
    with tensor_files._open(path) as stored:
        ((entry, text),) = stored.metadata().items()
        tensors = {each: stored.get_tensor(each) for each in stored.keys()}
    header = json.loads(text)
    header.pop("digest")
    for other in changed(header):
        if isinstance(other, dict):
            tensor_files.write_tensors(path, entry, other, tensors)
        else:
            tensor_files.write_plain(path, tensors, {entry: json.dumps(other)})
        check(read, path)


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_of_another_kind(name, tmp_path):
    make, _ = TENSORS[name]
    path, read = make(tmp_path)
    with tensor_files._open(path) as stored:
        ((entry, text),) = stored.metadata().items()
        tensors = {each: stored.get_tensor(each) for each in stored.keys()}
    header = json.loads(text)
    header.pop("digest")
    for each, tensor in list(tensors.items())[:2]:
        others = [tensor.float(), tensor[:0], tensor.new_zeros(()), tensor[..., None]]
        others += [torch.full(tensor.shape, math.nan), torch.zeros(9, dtype=torch.bool)]
        for other in others:
            tensor_files.write_tensors(path, entry, header, {**tensors, each: other})
            check(read, path)
        rest = {one: value for one, value in tensors.items() if one != each}
        tensor_files.write_tensors(path, entry, header, {**rest, "x": tensor})
        with pytest.raises(LassError, match=path.name):
            read(path)
    for content in (b"", b"\0" * 8, path.read_bytes()[:-1], b"{" * 9000):
        path.write_bytes(content)
        with pytest.raises(LassError, match=path.name):
            read(path)


# -- parts of checkpoints --------------------------------------------------------------


def read_all(path):
    """Everything that is taken out of a checkpoint but its weights."""
    found = Checkpoint.read(path)
    for part in ("language_tokens", "updates", "seconds", "task_options", "shared"):
        getattr(found, part)
    carried_masks(found)
    found.as_start()
    return found


def test_a_part_of_task_state_that_is_something_else(tmp_path):
    path, _ = make_mask(tmp_path)
    content = {
        "model": {"encoder.embed_tokens.weight": torch.ones(2, 2)},
        "args": None,
        "cfg": {"model": {"arch": "transformer"}, "task": {"langs": "de,en"}},
        "optimizer_history": [{"num_updates": 5}],
        "extra_state": {"previous_training_time": 2.0},
        "task_state": {
            "language_tokens": {
                "languages": ["de", "en"],
                "encoder": "src",
                "decoder": True,
                "style": "multilingual",
            },
            "masks": to_state(MaskSet([load_mask(path)])),
        },
    }
    path = tmp_path / "a.pt"
    save_tensors(path, content)
    assert read_all(path).updates == 5
    for part in ("optimizer_history", "extra_state", "task_state", "cfg"):
        for other in changed(content[part]):
            save_tensors(path, {**content, part: other})
            check(read_all, path)


def test_a_part_of_low_rank_modules_that_is_something_else(tmp_path):
    path, _ = pruned(tmp_path / "a.pt")
    content = load_tensors(path, "a checkpoint")
    state = content["task_state"]["lslo"]
    iterator = content["extra_state"]["train_iterator"]
    cases = [{"task_state": {"lslo": other}} for other in changed(state)]
    cases += [{"extra_state": {"train_iterator": other}} for other in changed(iterator)]
    for case in cases[::7]:  # all of them take a minute
        save_tensors(path, {**content, **case})
        check(lambda path: estimate(read_low_rank(path), str(path)), path)


def test_a_part_of_a_search_that_is_something_else(tmp_path):
    plan = SearchPlan("de-en", targets=("feed-forward",))
    name = "encoder.layers.0.fc1.weight"
    state = {
        "phase": "search",
        "version": 1,
        "plan": plan.to_dict(),
        "updates": 5,
        "base": {name: 0.5},
        "halves": [{}, {}],
        "bits": {},
        "snapshots": {},
        "settled": {},
        "history": [],
        "stopped": "",
    }
    content = {"model": {name: torch.rand(4, 4)}}
    path = tmp_path / "a.pt"

    def write(state):
        extra = {"train_iterator": {"epoch": 1, "subnetwork": state}}
        save_tensors(path, {**content, "extra_state": extra})

    write(state)
    assert searched_mask(Checkpoint.read(path)).key == "de-en"
    for other in changed(state):
        write(other)
        check(lambda path: searched_mask(Checkpoint.read(path)), path)
