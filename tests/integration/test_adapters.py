"""Adapters through the real commands: training, resume, translation, tables, export."""

import io
import json
import shutil
import sys
from signal import SIGKILL

import pytest
import torch
from conftest import ADAPTERS, PAIRS, TASK_FLAGS, load
from fairseq import tasks
from in_process import (
    as_stock,
    load_model,
    logits,
    training_config,
    translation_config,
    translation_task,
)
from runs import Run, differences, same_bits, train_by_two

from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.methods.adapters.modules import Adapters, belongs_to, is_adapter
from lass_plugin.tables.cost import cost_of

SHORT = ("--no-epoch-checkpoints", "--disable-validation")
OF_ONE = 2 * (2 * 32) + 2 * (32 * 8 + 8) + 2 * (8 * 32 + 32)
"""Parameters of a pair's adapters on one side of the tests' model: two layers."""


@pytest.fixture(scope="module")
def trained(commands, base, tmp_path_factory):
    """The checkpoint of a base trained on with adapters of each pair."""
    folder = tmp_path_factory.mktemp("adapters")
    flags = (*ADAPTERS, "--finetune-from-model", base, "--lr", 0.006)
    commands.train(folder, *flags, "--max-update", 200, *SHORT)
    return folder / "checkpoint_last.pt"


@pytest.fixture
def told(capsys):
    """Run ``lass``; its status, what it prints and what it says on stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def translate(data, monkeypatch, told):
    """``lass translate`` of lines, each with its direction."""

    def run(checkpoint, lines: str, *flags: object):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        given = ("--data", data, "--cpu", "--beam", 3, "--max-len-b", 20)
        return told("translate", checkpoint, *given, *flags)

    return run


# -- checkpoints ---------------------------------------------------------------------


def test_a_checkpoint_has_model_and_adapters(trained, base):
    state = load(trained)
    names = set(filter(is_adapter, state["model"]))
    assert state["model"].keys() - names == load(base)["model"].keys()
    assert sum(state["model"][n].numel() for n in names) == 4 * 2 * OF_ONE
    entry = state["task_state"]["adapters"]
    assert entry["plan"] == {
        **{"by": "pair", "bottleneck": 8},
        **{"encoder": sorted(PAIRS), "decoder": sorted(PAIRS)},
    }
    json.dumps(entry)
    assert all(state["model"][n].abs().sum() > 0 for n in names if ".up." in n)


def test_a_frozen_base_is_in_the_checkpoint_as_it_was(adapted, base):
    state, before = load(adapted), load(base)["model"]
    for name, weight in before.items():
        assert same_bits(state["model"][name], weight), name
    names = set(filter(is_adapter, state["model"]))
    assert state["model"].keys() == before.keys() | names
    entry = state["task_state"]["adapters"]["plan"]
    assert entry["encoder"] == entry["decoder"] == ["de", "en", "nl"]
    moments = state["last_optimizer_state"]["state"].values()
    held = sum(each["exp_avg"].numel() for each in moments)
    assert held == sum(state["model"][name].numel() for name in names)


def test_without_adapters_the_model_is_the_base(adapted, base, data):
    """Law 1: a base with adapters that compute nothing is the base, to the bit."""
    task = translation_task(data, "--lang-pairs de-en")
    model = load_model(adapted, task)
    plain = translation_task(data, "--lang-pairs de-en")
    expected = logits(load_model(base, plain), plain, "test")
    assert same_bits(logits(model, task, "test"), expected)


def test_a_fresh_start_from_a_base_is_the_base(data, base, tmp_path):
    run = Run(data, *ADAPTERS, "--finetune-from-model", base, "--save-dir", tmp_path)
    run.trainer.load_checkpoint(str(base), reset_optimizer=True)
    stock = as_stock(base, run.task)
    key = "de-en"
    batch = run.batch(key)
    run.model.eval()
    with torch.no_grad(), run.task.method_of(run.model).using(key):
        mine = run.model(**batch["net_input"])[0]
    assert same_bits(mine, stock(**batch["net_input"])[0].detach())


# -- resume ----------------------------------------------------------------------------

SAVING = ("--save-interval-updates", 6, "--keep-interval-updates", 1)
SAVING += ("--no-epoch-checkpoints",)


@pytest.mark.parametrize("frozen", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_killed_run_ends_with_the_same_bytes(commands, base, tmp_path, frozen):
    """Law 12, dropout on."""
    flags = (*ADAPTERS, "--adapter-by", "separate", "--max-update", 20, *SAVING)
    flags += ("--freeze-base", "--finetune-from-model", base) if frozen else ()
    death = ("die_at_update", 15)
    dead = commands.train(tmp_path / "a", *flags, prepare=death, check=False)
    assert dead.returncode == -SIGKILL
    commands.train(tmp_path / "a", *flags)
    commands.train(tmp_path / "b", *flags)
    killed, whole = (load(tmp_path / name / "checkpoint_last.pt") for name in "ab")
    assert whole["optimizer_history"][-1]["num_updates"] == 20
    assert differences(killed, whole) == []


OTHER = {
    "pairs": ("--lang-pairs", "de-en,en-de,en-nl"),
    "bottleneck": ("--adapter-bottleneck", 4),
    "by": ("--adapter-by", "source"),
    "task": ("--task", "translation_subnetwork"),
}
REFUSED = {
    "pairs": "has, beside those of this model, .*of_nl-en",
    "bottleneck": r"of shape \(8, 32\), and this model of \(4, 32\)",
    "by": "has, beside those of this model, .*of_de-en",
    "task": "",
}


@pytest.fixture(scope="module")
def begun(commands, tmp_path_factory):
    """The folder of a run that has begun; what is refused leaves it as it is."""
    folder = tmp_path_factory.mktemp("begun")
    commands.train(folder, *ADAPTERS, "--max-update", 2, *SHORT)
    return folder


@pytest.mark.parametrize("kind", OTHER)
def test_another_run_is_not_resumed(commands, begun, kind):
    flags = [*ADAPTERS, "--max-update", 4, *SHORT]
    if kind == "task":
        flags = [*OTHER[kind], *flags[4:]]
    else:
        flags += OTHER[kind]
    ended = commands.train(begun, *flags, check=False)
    assert ended.returncode == 1 and "Traceback" not in ended.stdout + ended.stderr
    with pytest.raises(LassError, match=REFUSED[kind]):
        raise LassError(ended.told)


@pytest.mark.slow
def test_a_run_is_resumed_neither_frozen_nor_in_another_base(
    commands, begun, base, tmp_path
):
    flags = (*ADAPTERS, "--max-update", 4, *SHORT)
    frozen = ("--freeze-base", "--finetune-from-model")
    ended = commands.train(begun, *flags, "--freeze-base", check=False)
    assert ended.returncode == 1 and "begun without --freeze-base" in ended.told
    folder, other = tmp_path / "frozen", tmp_path / "other.pt"
    commands.train(folder, *ADAPTERS, "--max-update", 2, *SHORT, *frozen, base)
    content = load(base)
    content["model"]["encoder.layers.0.fc1.weight"] *= -1
    torch.save(content, other)
    ended = commands.train(folder, *flags, *frozen, other, check=False)
    assert ended.returncode == 1
    assert f"begun in another base than {other}" in ended.told
    other.unlink()
    commands.train(folder, *flags, *frozen, other)  # gone: the checkpoint has it


# -- several at once -------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_are_one_that_accumulates(commands, tmp_path):
    flags = (*ADAPTERS, "--max-update", 8, *SHORT)
    flags += ("--dropout", 0, "--lang-pairs", "de-en,en-nl")
    train_by_two(commands, tmp_path / "two", *flags)
    commands.train(tmp_path / "one", *flags, "--update-freq", 2)
    two, one = (load(tmp_path / name / "checkpoint_last.pt") for name in ("two", "one"))
    for name, value in one["model"].items():
        torch.testing.assert_close(two["model"][name], value, rtol=1e-3, atol=1e-5)


def test_mixed_batches_train_all_their_keys(data):
    flags = (*ADAPTERS, "--dropout", 0)
    run = Run(data, *flags, "--mixed-batches")
    run.batch("de-en")
    dataset = run.task.datasets["train"]
    first = [dataset.start(key) for key in ("de-en", "en-nl", "nl-en")]
    numbers = (*first, first[0] + 1)
    run.backward(dataset.collater([dataset[number] for number in numbers]))
    together = run.gradients()
    other = Run(data, *flags)
    other.batch("de-en")
    for number in numbers:
        sample = other.task.datasets["train"]
        other.backward(sample.collater([sample[number]]))
    apart = other.gradients()
    assert apart.keys() == together.keys()
    assert sum(map(is_adapter, apart)) == 3 * 4 * 6  # of three pairs in four layers
    for name, gradient in apart.items():
        torch.testing.assert_close(together[name], gradient, rtol=1e-3, atol=1e-4)


# -- translation -----------------------------------------------------------------------


def under(key, task, model):
    with task.method_of(model).using(key):
        return logits(model, task, "test")


def test_switching_there_and_back_gives_identical_outputs(adapted, data):
    task = translation_task(data, "--lang-pairs de-en,en-nl")
    model = load_model(adapted, task)
    first, other = under("de-en", task, model), under("en-nl", task, model)
    assert same_bits(first, under("de-en", task, model))
    assert same_bits(other, under("en-nl", task, model))
    assert not torch.equal(first, other)
    with pytest.raises(KeyError), task.method_of(model).using("en-nl"):
        raise KeyError("interrupted")
    assert not model.method.routing.chosen


def test_baked_only_the_pairs_adapters_are_left(adapted, data):
    """Law 11."""
    task = translation_task(data, "-s de -t en")
    model = load_model(adapted, task)
    expected = under("de-en", task, model)
    generation = translation_config(data, "-s de -t en --beam 2").generation
    task.build_generator([model], generation)
    task.build_generator([model], generation)
    assert same_bits(logits(model, task, "test"), expected)
    left = [len(list(m.children())) for m in model.modules() if isinstance(m, Adapters)]
    assert left == [1] * 4
    with pytest.raises(LassError, match="de-en .* en-de"):
        with task.method_of(model).using("en-de"):
            pass


def test_each_copy_of_a_model_has_adapters_and_a_choice_of_its_own(adapted, data):
    import copy

    task = translation_task(data, "--lang-pairs de-en,en-nl")
    model = load_model(adapted, task)
    twin = copy.deepcopy(model)
    plain = logits(model, task, "test")
    with task.method_of(twin).using("de-en"):
        assert same_bits(logits(model, task, "test"), plain)
        assert not torch.equal(logits(twin, task, "test"), plain)


def test_lines_of_any_direction_are_those_of_one_at_a_time(trained, translate):
    lines = ["de-en\tde1 de2 de3", "en-nl\ten4 en5", "nl-en\tnl7 nl2", "en-de\ten9"]
    status, together, said = translate(trained, "".join(f"{x}\n" for x in lines * 3))
    assert (status, said) == (0, "")
    alone = [translate(trained, f"{line}\n")[1] for line in lines]
    assert together == "".join(alone) * 3 and len(set(alone)) > 2


def test_a_direction_without_training_composes(adapted, base, trained, translate):
    """Philip 2020: the encoder's of the source, the decoder's of the target."""
    line = "de-nl\tde1 de2 de3\n"
    status, out, _ = translate(adapted, line, "--pairs", "de-nl")
    assert status == 0 and out.startswith("nl")
    dense = translate(adapted, line, "--pairs", "de-nl", "--dense")[1]
    assert dense == translate(base, line, "--pairs", "de-nl")[1]
    status, _, said = translate(trained, line, "--pairs", "de-nl")
    assert status == 1 and "no adapter of de-nl in the encoder" in said


def test_composed_outputs_are_those_of_the_adapters_named(adapted, data):
    """de-en's encoder and en-nl's decoder, without the routing."""
    task = translation_task(data, "--lang-pairs de-en,en-nl")
    model = load_model(adapted, task)
    batch = task_batch(task)
    with task.method_of(model).using("de-nl"), torch.no_grad():
        whole = model(**batch)[0]
    source, lengths = batch["src_tokens"], batch["src_lengths"]
    with torch.no_grad():
        with task.method_of(model).using("de-en"):
            states = model.encoder(source, src_lengths=lengths)
        with task.method_of(model).using("en-nl"):
            composed = model.decoder(batch["prev_output_tokens"], encoder_out=states)[0]
    assert same_bits(whole, composed)


def task_batch(task) -> dict:
    task.load_dataset("test")
    dataset = next(iter(task.dataset("test").parts.values()))
    return dataset.collater([dataset[n] for n in range(5)])["net_input"]


def test_generate_validate_and_evaluate(commands, adapted, base, data, tmp_path):
    def hypotheses(checkpoint, *flags):
        out = commands.run(
            *("generate", data, *TASK_FLAGS, "--path", checkpoint, "-s", "nl"),
            *("-t", "en", "--cpu", *flags),
        ).stdout
        return sorted(line for line in out.splitlines() if line[:2] == "H-")

    own, dense = hypotheses(adapted), hypotheses(adapted, "--dense")
    assert len(own) == 13 and own != dense and dense == hypotheses(base)
    commands.run(
        *("validate", data, *TASK_FLAGS, "--path", adapted, "--valid-subset", "valid"),
        *("--cpu", "--max-tokens", 200, "--lang-pairs", ",".join(PAIRS)),
    )
    commands.run(
        *("lass", "evaluate", data, "--out", tmp_path, "--cpu"),
        *("--system", f"own={adapted}", "--system", f"dense={adapted}"),
        *("--dense", "dense", "--system", f"base={base}"),
    )
    mine, without, plain = json.loads((tmp_path / "scores.json").read_text())["systems"]
    assert mine["mask"] == "adapters of each source and each target, bottleneck 8"
    assert without["mask"] is None and without["pairs"] == plain["pairs"]
    assert mine["pairs"] != plain["pairs"]
    scores = ("table", "scores", tmp_path, "--out", tmp_path / "tables")
    assert "own" in commands.run("lass", *scores).stdout


# -- what they take --------------------------------------------------------------------


def test_cost(trained, adapted, base, told):
    alone = cost_of("base", base).parameters
    for path, keys in ((trained, 4 + 4), (adapted, 3 + 3)):
        cost = cost_of("own", path)
        assert cost.parameters == alone + keys * OF_ONE
        assert cost.parameters_of_a_pair == alone + 2 * OF_ONE
        assert cost.weight_bytes == 4 * cost.parameters and cost.base_parameters == 0
        assert cost.mask_bits is None and not cost.kept
    status, out, _ = told("table", "cost", "--system", f"own={adapted}")
    row = next(line for line in out.splitlines() if line.startswith("own"))
    assert status == 0
    assert row.split()[1:4] == ["0.05M", "0.05M", "0.05M"]


# -- export ----------------------------------------------------------------------------


def test_export_leaves_the_adapters_of_others_out(
    adapted, translate, told, data, tmp_path
):
    out = tmp_path / "de-nl.pt"  # a direction without training
    status, said, _ = told("export", adapted, "--pair", "de-nl", "--out", out)
    assert status == 0 and "stock fairseq has no place for adapters" in said
    assert f"lass translate {out} --data {data}" in said
    whole, state = load(adapted)["model"], load(out)
    pair = {"encoder": "de", "decoder": "nl"}
    assert state["model"].keys() == {n for n in whole if belongs_to(n, pair)}
    assert state["last_optimizer_state"] is None
    assert out.stat().st_size < 0.6 * adapted.stat().st_size
    line = "de-nl\tde1 de2 de3\n"
    expected = translate(adapted, line, "--pairs", "de-nl")
    assert translate(out, line) == expected
    cost = cost_of("one", out)
    assert cost.parameters_of_a_pair == cost.parameters
    half = ("--pair", "de-nl", "--out", tmp_path / "half.pt", "--half")
    assert told("export", adapted, *half)[0] == 0
    kinds = {v.dtype for v in load(tmp_path / "half.pt")["model"].values() if v.dim()}
    assert torch.float16 in kinds and translate(half[3], line)[0] == 0
    status, _, said = translate(out, "de-en\tde1\n", "--pairs", "de-en")
    assert status == 1 and "no adapter of en in the decoder" in said


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--compact",), "--compact cannot make a model with adapters"),
        (("--ctranslate2", "x"), "--ctranslate2 cannot make a model with adapters"),
        (("--masks", "x"), "--masks has no effect"),
        (("--base", "x.pt"), "--base has no effect"),
        (("--pair", "nl-de"), None),
        (("--pair", "de-fr"), "no adapter of fr in the decoder"),
    ],
)
def test_what_cannot_be_exported_is_said(adapted, told, tmp_path, flags, message):
    pair = () if "--pair" in flags else ("--pair", "de-en")
    out = tmp_path / "x.pt"
    status, _, said = told("export", adapted, *pair, "--out", out, *flags)
    assert (status, out.exists()) == ((0, True) if message is None else (1, False))
    assert message is None or (message in said and said.count("\n") == 1)


def test_other_commands_say_what_they_cannot_do(trained, adapted, told, data, tmp_path):
    engine = ("--engine", "ctranslate2", "--pairs", "de-en", "--out", tmp_path / "o")
    status, _, said = told("evaluate", data, "--system", f"own={adapted}", *engine)
    assert status == 1 and "cannot make a model with adapters" in said
    average = ("average", trained, adapted, "--out", tmp_path / "mean.pt")
    status, _, said = told(*average)
    assert status == 1 and "differ in adapters/plan/by" in said
    masks = ("--inference-masks", "own=x")
    given = ("--system", f"own={adapted}", "--out", tmp_path / "o", "--cpu")
    status, _, said = told("evaluate", data, *given, *masks)
    assert status == 1 and "no effect on a model with adapters" in said


# -- options ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--adapter-bottleneck", 0), "--adapter-bottleneck 0 is not 1 or more"),
        (("--freeze-base",), "give it with --finetune-from-model"),
        (("--masks", "x"), "--masks is for sub-networks"),
        (("--base", "x.pt"), "start from a base with --finetune-from-model"),
        (("--zero-sharding", "os"), "could not be strict"),
        (
            ("--distributed-world-size", 2, "--ddp-backend", "pytorch_ddp"),
            "adapters of keys that are not in a batch get no gradient",
        ),
    ],
)
def test_options_without_effect_are_refused(data, tmp_path, flags, message):
    task = ("--task", "translation_adapters", "--save-dir", tmp_path)
    config = training_config(data, *task, *flags)
    with pytest.raises(LassError, match=message):
        tasks.setup_task(config.task)


def test_a_damaged_checkpoint_is_named(adapted, translate, tmp_path):
    state = load(adapted)
    name = next(filter(is_adapter, state["model"]))
    del state["model"][name]
    torch.save(state, tmp_path / "x.pt")
    status, _, said = translate(tmp_path / "x.pt", "de-en\tde1\n")
    assert status == 1 and "lacks" in said and name in said
    shutil.copy(adapted, tmp_path / "y.pt")
    state["task_state"]["adapters"]["plan"]["by"] = "family"
    torch.save(state, tmp_path / "y.pt")
    status, _, said = translate(tmp_path / "y.pt", "de-en\tde1\n")
    assert status == 1 and "the adapters in " in said and "cannot be read" in said
