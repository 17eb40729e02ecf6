"""Gates of the languages of an encoder: importance, selection, training, computing."""

from dataclasses import replace

import pytest
import torch
from conftest import load
from encoders import as_public, encoder_flags
from fairseq import options, tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.logging import metrics
from fairseq.trainer import Trainer
from in_process import load_model
from runs import assert_same, same_bits

import lass_plugin.tasks.masked_lm_gates  # noqa: F401, registers
from lass_plugin.criterions.masked_lm_distillation import load_teacher
from lass_plugin.errors import LassError
from lass_plugin.experiments.gate_importance import measure_gates
from lass_plugin.methods.gates.carried import gates_at
from lass_plugin.methods.gates.components import is_rank
from lass_plugin.methods.gates.frozen import owned_by
from lass_plugin.methods.gates.selecting import selected, selected_for_any
from lass_plugin.methods.gates.sets import load_gates, save_gates
from lass_plugin.methods.gates.settings import ImportanceSettings
from lass_plugin.options import MaskedLmLanguagesConfig
from lass_plugin.tasks.masked_lm_languages import MaskedLmLanguagesTask

KINDS = ("heads", "units", "ranks")
LEARN = ("--gates-learn", "--gates-on", "heads,units,ranks")


class EncoderRun:
    """What ``fairseq-train`` builds for an encoder, without its loop."""

    def __init__(self, data, *flags, base=None):
        given = encoder_flags(*flags)
        del given[given.index("--user-dir") : given.index("--user-dir") + 2]
        parser = options.get_training_parser(given[given.index("--task") + 1])
        start = ("--finetune-from-model", str(base)) if base else ()
        arguments = options.parse_args_and_arch(parser, [str(data), *given, *start])
        cfg = convert_namespace_to_omegaconf(arguments)
        metrics.reset()
        self.task = tasks.setup_task(cfg.task)
        self.model = self.task.build_model(cfg.model)
        self.task.load_dataset("train")
        criterion = self.task.build_criterion(cfg.criterion)
        self.trainer = Trainer(cfg, self.task, self.model, criterion)
        if base:
            reset = ("optimizer", "lr_scheduler", "meters")
            self.trainer.load_checkpoint(
                str(base), **{f"reset_{name}": True for name in reset}
            )

    def update(self, *keys):
        data = self.task.datasets["train"]
        first = [data.start(key) for key in keys]
        batches = [data.collater([data[n], data[n + 1]]) for n in first]
        self.trainer.train_step(batches)

    def save(self, path):
        iterator = {"epoch": 1, "iterations_in_epoch": 0}
        self.trainer.consolidate_optimizer()
        self.trainer.save_checkpoint(
            str(path), {"train_iterator": iterator, "val_loss": None}
        )
        return path


@pytest.fixture(scope="module")
def base(language_data, tmp_path_factory):
    run = EncoderRun(language_data)
    run.update("de", "en", "sw")
    return run.save(tmp_path_factory.mktemp("encoder") / "base.pt")


@pytest.fixture(scope="module")
def gates(language_data, base, tmp_path_factory):
    """Folders of gates of each language, and of shared ones for any sparsity."""
    folder = tmp_path_factory.mktemp("gates")
    importance = measure_gates(
        ImportanceSettings(
            data=language_data,
            checkpoint=base,
            out=folder / "importance",
            sample=3,
            cpu=True,
            kinds=KINDS,
        )
    )
    assert set(importance.rows) == {"de", "en", "sw"}
    save_gates(folder / "fixed", selected(importance, 0.5))
    save_gates(folder / "dynamic", selected_for_any(importance, shared=True))
    return folder


@pytest.fixture(scope="module")
def without_ranks(gates, tmp_path_factory):
    """Those of each language, a different third of the ranks closed in each."""
    sets = load_gates(gates / "fixed")
    (site,) = (site for site in sets.components.counts if is_rank(site))
    ranks = dict(sets.components.slices())[site]
    rows = {}
    for number, key in enumerate(sets.keys):
        row = sets.rows[key]["open"].clone()
        row[ranks][number::3] = False
        rows[key] = {"open": row}
    folder = tmp_path_factory.mktemp("without")
    save_gates(folder, replace(sets, rows=rows))
    return folder


@pytest.mark.parametrize("closed_ranks", [False, True])
def test_what_a_languages_gates_close_does_not_move(
    language_data, base, gates, without_ranks, closed_ranks
):
    folder = without_ranks if closed_ranks else gates / "fixed"
    flags = ("--task", "masked_lm_gates", "--gates", folder)
    run = EncoderRun(language_data, *flags, "--weight-decay", 0.1, base=base)
    run.update("de", "en", "sw")
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    run.update("de")
    after, closed_ones = dict(run.model.named_parameters()), 0
    for site, gate in run.task.method.sets.values("de").items():
        for name, axis in owned_by(site):
            weight = after[name].detach()
            closed = (gate == 0).repeat_interleave(weight.shape[axis] // len(gate))
            was, now = before[name].movedim(axis, 0), weight.movedim(axis, 0)
            assert same_bits(now[closed], was[closed]), name
            if bool((~closed).any()) and name.endswith("weight"):
                assert not torch.equal(now[~closed], was[~closed]), name
            closed_ones += int(closed.sum())
            assert not is_rank(site) or bool(closed.any()) == closed_ranks
    assert closed_ones > 20


@pytest.mark.parametrize("kind", ["fixed", "dynamic", "learned"])
def test_a_checkpoint_computes_with_its_gates(
    language_data, base, gates, tmp_path, kind
):
    of_kind = LEARN if kind == "learned" else ("--gates", gates / kind)
    flags = ("--task", "masked_lm_gates", *of_kind)
    run = EncoderRun(language_data, *flags, base=base)
    run.update("de", "sw")
    path = run.save(tmp_path / "trained.pt")
    carried, now = gates_at(path), run.task.method.sets  # as lass gates show takes them
    assert carried.kind == now.kind and carried.rows.keys() == now.rows.keys()
    for key, row in now.rows.items():
        assert_same(carried.rows[key], row)
    with pytest.raises(LassError, match="is a model with gates, which a teacher has"):
        load_teacher(str(path), run.task)

    def loaded(sparsity):
        cfg = MaskedLmLanguagesConfig(
            data=str(language_data),
            train_subset="train",
            seed=1,
            tokens_per_sample=32,
            sparsity=sparsity,
        )
        task = MaskedLmLanguagesTask.setup_task(cfg, from_checkpoint=True)
        model = load_model(path, task)
        task.load_dataset("valid")
        data = task.datasets["valid"]
        return task, model, data.collater([data[0], data[1]])["net_input"]

    task, model, batch = loaded(0.5 if kind == "dynamic" else None)
    method = task.method_of(model)
    with torch.no_grad():
        with method.using("de"):
            gated = model(**batch)[0]
        dense = model(**batch)[0]
        method.bake("de")
        assert torch.allclose(model(**batch)[0], gated, atol=1e-5)
    if kind != "learned":  # after one update nearly all are open
        assert not torch.allclose(dense, gated, atol=1e-4)
    if kind == "dynamic":
        with pytest.raises(LassError, match="0.55 is none"):
            loaded(0.55)
        with pytest.raises(LassError, match="which one with --sparsity"):
            task, model, batch = loaded(None)
            with task.method_of(model).using("de"):
                pass


def test_a_start_whose_gates_would_be_lost_or_misread_is_refused(
    language_data, base, gates, tmp_path
):
    task = ("--task", "masked_lm_gates")
    learn = (*task, *LEARN, "--gates-rate")
    run = EncoderRun(language_data, *learn, 100, base=base)
    run.update("de")
    learned = run.save(tmp_path / "learned.pt")
    again = EncoderRun(language_data, *learn, 100, base=learned).task.method.sets
    for key, row in run.task.method.sets.rows.items():
        assert_same(again.rows[key], row)
    with pytest.raises(LassError, match="learned its gates at --gates-rate 100"):
        EncoderRun(language_data, *learn, 1, base=learned)
    run = EncoderRun(language_data, *task, "--gates", gates / "fixed", base=base)
    run.update("de")
    fixed = run.save(tmp_path / "fixed.pt")
    with pytest.raises(LassError, match="is a model with gates that do not learn"):
        EncoderRun(language_data, *task, *LEARN, base=fixed)
    with pytest.raises(
        LassError, match="gates, which --task masked_lm_languages would"
    ):
        EncoderRun(language_data, base=fixed)


def test_gates_are_of_the_public_encoder_with_older_names(
    language_data, base, gates, tmp_path
):
    content = load(base)
    del content["task_state"]
    content["model"] = as_public(content["model"])
    torch.save(content, tmp_path / "public.pt")
    flags = ("--task", "masked_lm_gates", "--gates", gates / "fixed")
    EncoderRun(language_data, *flags, base=tmp_path / "public.pt").update("de")


def test_pairs_are_none_of_an_encoder(language_data, base, tmp_path):
    from lass_plugin.languages import Pair

    settings = ImportanceSettings(
        data=language_data,
        checkpoint=base,
        out=tmp_path,
        pairs=(Pair.parse("de-en"),),
        cpu=True,
    )
    with pytest.raises(LassError, match="--pairs has no effect"):
        measure_gates(settings)
    with pytest.raises(LassError, match="with heads or units"):
        from lass_plugin.methods.gates.settings import parse_kinds

        parse_kinds("ranks")
