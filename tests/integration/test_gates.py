"""Gates through fairseq's commands and the trainer: what moves, what does not."""

import json

import pytest
import torch
from conftest import PAIRS, TASK_FLAGS, load
from in_process import load_model, logits, translation_task
from runs import Run, same_bits

from lass_plugin.errors import LassError
from lass_plugin.methods.gates.dynamic import TENTHS, slopes_of
from lass_plugin.methods.gates.frozen import owned_by
from lass_plugin.methods.gates.gating import find_components
from lass_plugin.methods.gates.hard_concrete import HardConcrete
from lass_plugin.methods.gates.ranking import keep_most_important
from lass_plugin.methods.gates.sets import (
    GateSets,
    base_of,
    load_gates,
    save_gates,
)
from lass_plugin.methods.gates.stored_importance import load_importance
from lass_plugin.training.stretches import find_stretches, innermost, torch_optimizer

TASK = ("--task", "translation_gates")
LEARN = (*TASK, "--gates-learn", "--gates-families", "none")


def components_of(base):
    parameters = load(base)["model"]
    counts, widths = {}, {}
    for name, weight in parameters.items():
        if name.endswith("q_proj.weight"):
            site = name.replace("q_proj.weight", "heads")
            counts[site], widths[site] = 2, 16
        elif name.endswith("fc1.weight"):
            counts[name.removesuffix(".weight")] = weight.shape[0]
    from lass_plugin.methods.gates.components import Components

    return Components(counts, widths), parameters


@pytest.fixture(scope="module")
def gates(base, tmp_path_factory):
    """Folders of gates of half of the components: for each pair, and for any size."""
    folder = tmp_path_factory.mktemp("gates")
    components, parameters = components_of(base)
    # as the model has them, in its order
    run_order = dict(sorted(components.counts.items()))
    components = type(components)(run_order, components.widths)
    fixed, dynamic = {}, {}
    for number, key in enumerate(PAIRS):
        generator = torch.Generator().manual_seed(number)
        values = torch.rand(components.total, generator=generator)
        importance = components.split(values)
        kept = keep_most_important(components, importance, 0.5)
        fixed[key] = {"open": components.joined(kept).bool()}
        found = slopes_of(components, importance, TENTHS, HardConcrete())
        rows = (found.offsets, found.slopes, found.sizes)
        dynamic[key] = dict(zip(("offset", "slope", "size"), rows, strict=True))
    print_of = base_of(components, parameters)
    save_gates(folder / "fixed", GateSets("fixed", components, fixed, print_of))
    any_size = GateSets("dynamic", components, dynamic, print_of, grid=TENTHS)
    save_gates(folder / "dynamic", any_size)
    return folder


def outside(run, gates_of, keys):
    """Name -> boolean tensor of the weights that the gates of *keys* all close."""
    found = {}
    parameters = dict(run.model.named_parameters())
    for site in gates_of[0]:
        closed = torch.stack([gates[site] == 0 for gates in gates_of]).all(dim=0)
        for name, axis in owned_by(site):
            weight = parameters[name]
            along = closed.repeat_interleave(weight.shape[axis] // len(closed))
            if weight.dim() > 1:
                along = along.unsqueeze(1 - axis).expand_as(weight)
            found[name] = along
    return found


def state_of(run):
    """Name -> value and moments of every parameter."""
    parameters = dict(run.model.named_parameters())
    stretches = find_stretches(run.optimizer, parameters)
    inner = torch_optimizer(run.optimizer)
    return {
        name: {
            "value": s.value.clone(),
            **{n: t.clone() for n, t in s.state(inner).items()},
        }
        for name, s in stretches.items()
    }


@pytest.mark.parametrize("optimizer", ["strict_adam", "adam"])
def test_what_gates_close_does_not_move(data, gates, base, optimizer):
    run = Run(
        data,
        *TASK,
        "--gates",
        gates / "fixed",
        "--finetune-from-model",
        base,
        "--optimizer",
        optimizer,
        "--weight-decay",
        0.1,
    )
    method, whole = run.task.method, PAIRS
    run.update(*whole)  # all have moments now
    for keys in (PAIRS[:1], PAIRS[1:3]):
        before = state_of(run)
        run.update(*keys)
        after = state_of(run)
        gates_of = [method.sets.values(key) for key in keys]
        closed, moved = outside(run, gates_of, keys), 0
        assert closed
        for name, still in closed.items():
            flat = still.reshape(-1)
            for what, tensor in after[name].items():
                assert same_bits(tensor[flat], before[name][what][flat]), (name, what)
            if name.endswith("weight"):
                assert not torch.equal(
                    after[name]["value"][~flat], before[name]["value"][~flat]
                )
                moved += 1
        assert moved


def test_dynamic_gates_are_strict_at_the_size_that_was_drawn(data, gates, monkeypatch):
    from lass_plugin.methods.gates import method as module

    run = Run(data, *TASK, "--gates", gates / "dynamic", "--gates-sparsity", 0.3)
    run.update(*PAIRS)
    drawn = 0.4
    monkeypatch.setattr(module, "draw_size", lambda grid: drawn)
    before = state_of(run)
    run.update(PAIRS[0])
    after = state_of(run)
    closed = outside(run, [run.task.method.sets.values(PAIRS[0], 0.6)], PAIRS[:1])
    share = sum(int(c.sum()) for c in closed.values()) / sum(
        c.numel() for c in closed.values()
    )
    assert share > 0.55
    for name, still in closed.items():
        flat = still.reshape(-1)
        for what, tensor in after[name].items():
            assert same_bits(tensor[flat], before[name][what][flat]), (name, what)


def test_the_penalty_moves_gates_towards_the_target_and_alpha_goes_first(data):
    flags = (*LEARN, "--gates-sparsity", 0.6, "--gates-size-weight", 50)
    run = Run(data, *flags, "--gates-alpha-updates", 3, "--gates-rate", 30)
    weights = {n: p.clone() for n, p in run.model.named_parameters()}
    method = run.task.method

    def expected():
        sets = method.sets
        rows = torch.stack([row["alpha"] for row in sets.rows.values()])
        return sets.gate.open_probability(rows).mean(dim=1)

    first = expected()
    for _ in range(3):
        run.update(*PAIRS[:2])
    for name, parameter in run.model.named_parameters():
        assert torch.equal(parameter, weights[name]) != name.startswith("gates."), name
    assert bool((expected() < first).all())  # those without a batch, too
    for _ in range(3):
        run.update(*PAIRS[:2])
    moved = [
        n for n, p in run.model.named_parameters() if not torch.equal(p, weights[n])
    ]
    assert len(moved) > 20
    assert set(method.watched()) == set(PAIRS)


def test_the_gradient_of_the_penalty_is_added_once(data):
    """Eq. 13: gradient of the loss per token plus λ₁ ∂L₀/∂α, against autograd."""
    from lass_plugin.methods.gates import penalties

    run = Run(
        data,
        *LEARN,
        "--gates-sparsity",
        0.6,
        "--optimizer",
        "sgd",
        "--lr",
        0.5,
        "--clip-norm",
        0,
        "--gates-diversity-weight",
        0,
        "--warmup-updates",
        0,
        "--lr-scheduler",
        "fixed",
    )
    sets = run.task.method.sets
    key = PAIRS[3]  # no batch of it: all that moves it is the penalty
    alpha = sets.rows[key]["alpha"].clone().requires_grad_()
    w = (sets.components.weights() * sets.components.counted()).float()
    loss = 8.0 * penalties.constraint(sets.gate.open_probability(alpha)[None], w, 0.4)
    (gradient,) = torch.autograd.grad(loss, alpha)
    run.update(PAIRS[0])
    moved = run.task.method.sets.rows[key]["alpha"] - sets.rows[key]["alpha"]
    assert torch.allclose(moved, -0.5 * gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("precision", [(), ("--fp16",)])
def test_the_penalty_is_clipped_with_the_loss(data, half_precision_on_cpu, precision):
    """Of one loss (Eq. 13) clipping changes the length of a step, not its direction."""
    steps = []
    for limit in (0, 0.01):
        flags = ("--optimizer", "sgd", "--lr", 0.5, "--clip-norm", limit, *precision)
        plain = ("--warmup-updates", 0, "--lr-scheduler", "fixed", "--dropout", 0)
        run = Run(data, *LEARN, "--gates-size-weight", 800, *flags, *plain)
        parameters = list(innermost(run.optimizer).params)
        before = [parameter.detach().clone() for parameter in parameters]
        run.update(PAIRS[0])
        moved = zip(parameters, before, strict=True)
        steps.append(torch.cat([(p.detach() - first).flatten() for p, first in moved]))
    whole, clipped = steps
    assert float(clipped.norm()) == pytest.approx(0.5 * 0.01, rel=0.01)
    expected = whole * (clipped.norm() / whole.norm())
    assert float((clipped - expected).norm() / clipped.norm()) < 0.02


def generated(commands, data, checkpoint, *flags):
    out = commands.run(
        *("generate", data, *TASK_FLAGS, "--path", checkpoint, "-s", "nl"),
        *("-t", "en", "--cpu", *flags),
    ).stdout
    lines = [line.split("\t") for line in out.splitlines() if line[:2] == "H-"]
    return {name: (text, round(float(score), 4)) for name, score, text in lines}


@pytest.fixture(scope="module")
def trained(commands, base, gates, tmp_path_factory):
    """Checkpoints of four short trainings."""
    folder = tmp_path_factory.mktemp("trained")
    start = ("--finetune-from-model", base, "--max-update", 6, "--no-epoch-checkpoints")
    for name, flags in (
        ("fixed", (*TASK, "--gates", gates / "fixed")),
        ("dynamic", (*TASK, "--gates", gates / "dynamic")),
        ("learned", (*LEARN, "--gates-rate", 50)),
        ("both", (*LEARN, "--gates", gates / "dynamic")),
    ):
        commands.train(folder / name, *flags, *start)
    return {p.name: p / "checkpoint_last.pt" for p in folder.iterdir()}


@pytest.mark.parametrize(
    "kind",
    ["fixed", "dynamic", "learned", pytest.param("both", marks=pytest.mark.slow)],
)
def test_a_checkpoint_translates_and_is_exported(
    commands, trained, data, tmp_path, kind
):
    some = kind in ("dynamic", "both")
    chosen = ("--sparsity", 0.5) if some else ()
    mine = generated(commands, data, trained[kind], *chosen)
    assert len(mine) == 13
    assert mine != generated(commands, data, trained[kind], "--dense")
    out = tmp_path / "nl-en.pt"
    commands.run(
        "lass", "export", trained[kind], "--pair", "nl-en", "--out", out, *chosen
    )
    assert generated(commands, data, out) == mine
    commands.run(
        *("lass", "evaluate", data, "--out", tmp_path / "scores", "--cpu"),
        *("--system", f"own={trained[kind]}", "--pairs", "nl-en"),
        *(("--sparsity", "own=0.5") if some else ()),
    )
    report = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert "gates" in report["systems"][0]["mask"]
    if some:
        denser = generated(commands, data, trained[kind], "--sparsity", 0.1)
        assert denser != mine
        wrong = commands.run(
            *("generate", data, *TASK_FLAGS, "--path", trained[kind], "-s", "nl"),
            *("-t", "en", "--cpu"),
            check=False,
        )
        assert wrong.returncode == 1 and "say which one with --sparsity" in wrong.stderr


def test_gates_that_learned_are_those_of_the_checkpoint(trained, data):
    state = load(trained["learned"])
    alpha = state["model"]["gates.alpha.nl-en"]
    stored = state["task_state"]["gates"]["sets"]["numbers"]["nl-en/alpha"]
    assert torch.allclose(alpha * 50, stored)
    task = translation_task(data, "-s nl -t en --encoder-langtok src --decoder-langtok")
    model = load_model(trained["learned"], task)
    values = task.method_of(model).sets.values("nl-en")
    assert torch.equal(
        values["encoder.layers.0.fc1"],
        HardConcrete().value(
            task.method_of(model).sets.components.split(stored)["encoder.layers.0.fc1"]
        ),
    )
    with task.method_of(model).using("nl-en"):
        before = logits(model, task, "valid")
    task.method_of(model).bake("nl-en")
    assert torch.allclose(logits(model, task, "valid"), before, atol=1e-5)


def test_a_killed_run_ends_with_the_same_bytes(commands, base, gates, tmp_path):
    for name, flags in (
        ("dynamic", (*TASK, "--gates", gates / "dynamic")),
        ("learned", (*LEARN, "--gates-alpha-updates", 4)),
    ):
        flags += ("--finetune-from-model", base, "--max-update", 12)
        flags += ("--save-interval-updates", 5, "--no-epoch-checkpoints")
        a, b = tmp_path / name / "a", tmp_path / name / "b"
        commands.train(a, *flags, prepare=("die_at_update", 8), check=False)
        commands.train(a, *flags)
        commands.train(b, *flags)
        first, second = (load(each / "checkpoint_last.pt") for each in (a, b))
        for weight, value in first["model"].items():
            assert same_bits(value, second["model"][weight]), (name, weight)


def test_options_and_gates_that_do_not_fit_are_refused(data, gates, base):
    for flags, said in (
        ((), "give gates with --gates"),
        (("--gates", gates / "fixed", "--gates-learn"), "do not learn"),
        (("--gates", gates / "fixed", "--gates-sparsity", 0.5), "no effect"),
        (("--gates", gates / "fixed", "--gates-rate", 2), "--gates-rate has no effect"),
        (("--gates", gates / "dynamic", "--gates-sparsity", 0.55), "0.55 is none"),
        (("--gates-learn", "--gates-sparsity", 1.0), "--gates-sparsity 1.0 is outside"),
        (("--gates-learn", "--gates-on", "ranks"), "--gates-on ranks"),
        (
            ("--gates-learn", "--gates-penalty", "native", "--gates-families", "none"),
            "--gates-families has no effect",
        ),
        (
            ("--gates-learn", "--gates-penalty", "native", "--gates-sparsity", 0.5),
            "--gates-sparsity has no effect with --gates-penalty native",
        ),
        (("--gates", gates / "fixed", "--masks", gates), "--masks is for"),
        (("--gates", gates / "fixed", "--lang-pairs", "de-nl"), "no gates of de-nl"),
        (("--gates", gates / "fixed", "--sparsity", 0.5), "--sparsity"),
    ):
        with pytest.raises(LassError, match=said):
            Run(data, *TASK, *flags)


@pytest.mark.parametrize("option", ["--finetune-from-model", "--restore-file"])
def test_gates_of_another_base_are_refused(data, gates, base, tmp_path, option):
    state = load(base)
    state["model"] = {n: t.flip(0) for n, t in state["model"].items()}
    torch.save(state, tmp_path / "other.pt")
    start = (option, tmp_path / "other.pt", "--save-dir", tmp_path / "new")
    with pytest.raises(LassError, match="other weights than those of"):
        Run(data, *TASK, "--gates", gates / "fixed", *start)


def test_components_are_those_of_the_model(data, base):
    run = Run(data, *LEARN)
    found, _ = components_of(base)
    assert dict(find_components(run.model).counts) == dict(found.counts)


def test_the_commands_from_importance_to_gates(commands, data, base, tmp_path):
    measured, gates = tmp_path / "importance", tmp_path / "gates"
    measure = ("lass", "gates", "importance", data, "--checkpoint", base, "--cpu")
    measure += ("--sample", 10, "--max-tokens", 100)
    told = commands.run(*measure, "--out", measured).stdout
    assert "4 keys" in told
    importance = load_importance(measured)
    assert importance.terms == dict.fromkeys(PAIRS, 10)
    again = commands.run(*measure, "--out", tmp_path / "again")
    assert again.returncode == 0
    first, second = (
        each / "component_importance.safetensors"
        for each in (measured, tmp_path / "again")
    )
    assert first.read_bytes() == second.read_bytes()
    select = ("lass", "gates", "select", measured)
    told = commands.run(*select, "--sparsity", 0.5, "--out", gates).stdout
    assert all(f"{pair}: " in told for pair in PAIRS)
    sets = load_gates(gates)
    for pair in PAIRS:
        share = sets.components.sparsity(sets.values(pair))
        assert share == pytest.approx(0.5, abs=0.02)
    sets.check_base(load(base)["model"], "the base")
    shown = commands.run("lass", "gates", "show", gates).stdout
    assert "decoder layer 1 heads" in shown and "all heads and units" in shown
    commands.run(*select, "--dynamic", "--shared", "--out", gates)
    assert (
        "shared"
        in commands.run("lass", "gates", "show", gates, "--sparsity", 0.7).stdout
    )
    Run(data, *TASK, "--gates", gates, "--finetune-from-model", base).update(*PAIRS)
    for words, said in (
        ((*select, "--out", gates), "give --sparsity, or --dynamic"),
        ((*select, "--out", gates, "--sparsity", 1.5), "--sparsity 1.5 is outside"),
        ((*select, "--out", gates, "--sparsity", 0.5, "--dynamic"), "no effect"),
        (("lass", "gates", "show", gates), "say which one with --sparsity"),
        (("lass", "gates", "show", measured), "gates.json"),
    ):
        failed = commands.run(*words, check=False)
        assert failed.returncode == 1 and said in failed.stderr, failed.stderr
