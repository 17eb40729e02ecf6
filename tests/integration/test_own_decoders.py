"""Whole parts of each target: trained, resumed, translated with, exported, counted."""

import copy
import io
import json
import shutil
import sys
from argparse import Namespace
from signal import SIGKILL

import pytest
import torch
from conftest import OWN, load
from fairseq.tasks import FairseqTask
from in_process import load_model, logits, training_config, translation_task
from runs import Run, assert_same, differences
from translations import in_stock_fairseq, with_the_plugin

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import System
from lass_plugin.methods.registry import method_of

SAVING = ("--save-interval-updates", 6, "--keep-interval-updates", 1)
SAVING += ("--no-epoch-checkpoints",)


def by_hand(checkpoint, target: str, first: str = "de") -> dict:
    """The weights of a stock model with the parts of *target*, from their names."""
    weights = load(checkpoint)["model"]
    stock = {n: w for n, w in weights.items() if not n.startswith("own.")}
    if target != first:
        beside = f"own.{target}."
        own = {n[len(beside) :]: w for n, w in weights.items() if n.startswith(beside)}
        assert own
        stock.update(own)
    return stock


@pytest.fixture(scope="module")
def own_attention(commands, base, tmp_path_factory):
    """A decoder's and the encoder's attentions for each source."""
    folder = tmp_path_factory.mktemp("own-attention")
    flags = (*OWN, "--own", "attention", "--own-by", "source")
    length = ("--max-update", 20, "--no-epoch-checkpoints", "--disable-validation")
    commands.train(folder, *flags, "--finetune-from-model", base, *length)
    return folder / "checkpoint_last.pt"


# -- the beginning -------------------------------------------------------------------


def test_all_begin_as_the_base_or_as_a_stock_model_would(data, base):
    stock = Run(data).weights()
    run = Run(data, *OWN)
    assert_same({n: run.weights()[n] for n in stock}, stock)
    begun = Run(data, *OWN, "--finetune-from-model", base)
    begun.trainer.load_checkpoint(str(base), reset_optimizer=True)
    trained = load(base)["model"]
    for weights, expected in ((run.weights(), stock), (begun.weights(), trained)):
        for target in ("en", "nl"):
            beside = f"own.{target}."
            own = {n[len(beside) :]: n for n in weights if n.startswith(beside)}
            # the shared table of all embeddings is no decoder's own
            assert {n for n in own} == {
                n for n in stock if n.startswith("decoder.layers")
            }
            assert_same(
                {n: weights[full] for n, full in own.items()},
                {n: expected[n] for n in own},
            )


def test_of_one_target_it_is_the_training_of_a_stock_model(data):
    results = []
    for task in ((), OWN):
        run = Run(data, *task, "--lang-pairs", "de-en,nl-en")
        for number in range(3):
            run.update(run.batch("de-en", number), run.batch("nl-en", number))
        results.append(run.weights())
    assert_same(*results)


def test_embeddings_of_the_decoder_alone_are_its_own(data):
    flags = ("--share-decoder-input-output-embed", "--lang-pairs", "de-en,en-de")
    config = training_config(data, *flags, task="")  # has --share-all-embeddings
    config.model.share_all_embeddings = False
    task = Run(data, *OWN, *flags[1:]).task
    model = task.build_model(config.model)
    names = {name for name, _ in model.named_parameters()}
    assert "own.en.decoder.embed_tokens.weight" in names
    table = model.decoder.embed_tokens.weight
    with torch.no_grad():
        model.own.en.decoder.embed_tokens.weight.mul_(2)
    with task.method_of(model).using("de-en"):
        used = model.decoder.embed_tokens.weight
        assert used is model.decoder.output_projection.weight is not table
        assert torch.equal(used, 2 * table)
    assert model.decoder.output_projection.weight is table


# -- computing -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["own_decoders", pytest.param("own_attention", marks=pytest.mark.slow)],
)
def test_outputs_are_those_of_a_stock_model_with_the_parts_put_in(
    kind, request, data, base
):
    checkpoint = request.getfixturevalue(kind)
    options = Namespace(**vars(load(checkpoint)["cfg"]["model"]))
    found = {}
    for pair in ("en-de", "de-en", "en-nl", "nl-de"):  # the last is zero-shot
        source, target = pair.split("-")
        key = target if kind == "own_decoders" else source
        other = "en-nl" if pair != "en-nl" else "de-en"
        task = translation_task(data, f"--lang-pairs {pair},{other}")
        task.load_dataset("valid") if pair != "nl-de" else None
        batch_of = pair if pair != "nl-de" else "nl-en"
        run = Run(data, "--lang-pairs", batch_of)
        batch = run.batch(batch_of, split="valid", size=9)
        model = load_model(checkpoint, task)
        stock = FairseqTask.build_model(task, options)
        stock.load_state_dict(by_hand(checkpoint, key))
        stock.eval()
        method = task.method_of(model)
        for _ in range(2):  # A, B, A
            with method.using(other), torch.no_grad():
                model(**batch["net_input"])
            with method.using(pair), torch.no_grad():
                mine = model(**batch["net_input"])[0]
            with torch.no_grad():
                assert torch.equal(mine, stock(**batch["net_input"])[0])
        method.bake(pair)
        assert model.state_dict().keys() == stock.state_dict().keys()
        with torch.no_grad():
            assert torch.equal(model(**batch["net_input"])[0], mine)
        with pytest.raises(LassError, match="load the checkpoint again"):
            with method.using(other):
                pass
        found[pair] = mine
    del found["nl-de"]
    trained = [by_hand(checkpoint, key) for key in ("de", "en", "nl")]
    name = "decoder.layers.0.self_attn.q_proj.weight"
    assert len({str(weights[name].sum()) for weights in trained}) == 3


def test_a_copied_model_has_parts_of_its_own(own_decoders, data):
    task = translation_task(data, "--lang-pairs en-de,de-en,en-nl")
    model = load_model(own_decoders, task)
    with task.method_of(model).using("en-de"):
        expected = logits(model, task, "test")
    other = copy.deepcopy(model)
    task.method_of(other).bake("en-nl")
    with task.method_of(model).using("en-de"):
        assert torch.equal(logits(model, task, "test"), expected)
    assert not torch.equal(logits(other, task, "test"), expected)


# -- going on ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part", ["decoder", pytest.param("attention", marks=pytest.mark.slow)]
)
def test_a_killed_training_goes_on_to_the_bit(commands, base, tmp_path, part):
    flags = (*OWN, "--own", part, "--finetune-from-model", base)
    flags += ("--max-update", 14, "--disable-validation", "--update-freq", 2, *SAVING)
    folders = [tmp_path / name for name in "ab"]
    commands.train(folders[0], *flags)
    dead = commands.train(folders[1], *flags, prepare=("die_at_update", 9), check=False)
    assert dead.returncode == -SIGKILL
    commands.train(folders[1], *flags)
    whole, killed = (load(folder / "checkpoint_last.pt") for folder in folders)
    assert whole["task_state"]["own_parts"]["keys"] == ["de", "en", "nl"]
    assert whole["last_optimizer_state"]["state"]
    assert differences(whole, killed) == []


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--lang-pairs", "de-en,en-de"), "own decoder of each target (de, en)"),
        (("--own", "attention"), "this training own attention of each target"),
        (("--own-by", "pair"), "this training own decoder of each pair"),
    ],
)
def test_another_training_is_refused(commands, own_decoders, tmp_path, flags, told):
    shutil.copy(own_decoders, tmp_path / "checkpoint_last.pt")
    ended = commands.train(tmp_path, *OWN, *flags, "--max-update", 62, check=False)
    assert ended.returncode == 1
    assert "has own decoder of each target (de, en, nl)" in ended.told
    assert told in ended.told and "Traceback" not in ended.stderr


def test_a_base_training_does_not_begin_from_it(commands, own_decoders, tmp_path):
    flags = ("--finetune-from-model", own_decoders, "--max-update", 2)
    ended = commands.train(tmp_path, *flags, check=False)
    assert ended.returncode == 1, ended.stderr
    print(ended.stderr[-1500:])


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--own", "head"), "unknown part of a model 'head'; choose from decoder"),
        (("--own", "decoder,decoder"), "listed more than once"),
        (("--masks", "x"), "--masks is for sub-networks"),
        (("--mixed-batches",), "exclude each other"),
        (("--optimizer", "adafactor"), "cannot keep the weights"),
        (("--zero-sharding", "os"), "the update could not be strict"),
    ],
)
def test_options_without_effect_are_refused(data, flags, told):
    with pytest.raises(LassError, match=told):
        run = Run(data, *OWN, *flags)
        run.update("de-en")


# -- files ---------------------------------------------------------------------------


def test_export_is_a_stock_model_of_the_target(
    commands, own_decoders, tmp_path, capsys
):
    out = tmp_path / "en-nl.pt"
    assert (
        main(["export", str(own_decoders), "--pair", "en-nl", "--out", str(out)]) == 0
    )
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"en-nl: own decoder of nl -> {out}"
    assert_same(load(out)["model"], by_hand(own_decoders, "nl"))
    stock = in_stock_fairseq(told[-1])
    ours = with_the_plugin(commands, own_decoders, "en-nl")
    assert len(stock) == 13 and stock == ours


def refused(capsys, *words) -> str:
    """What a command says that ends with 1."""
    assert main(list(map(str, words))) == 1
    return capsys.readouterr().err


def test_what_is_not_in_it_is_refused(own_decoders, tmp_path, capsys):
    words = ("export", own_decoders, "--out", tmp_path / "a.pt", "--pair")
    assert "no decoder for uk, which en-uk needs" in refused(capsys, *words, "en-uk")
    assert "--compact has no" in refused(capsys, *words, "en-de", "--compact")


def test_a_damaged_checkpoint_is_named(own_decoders, tmp_path, capsys):
    state = load(own_decoders)
    name = next(name for name in state["model"] if name.startswith("own.nl."))
    del state["model"][name]
    torch.save(state, tmp_path / "a.pt")
    words = ("export", tmp_path / "a.pt", "--pair", "en-de", "--out")
    assert "a.pt is damaged" in refused(capsys, *words, tmp_path / "b.pt")
    for change in ({"keys": ["nl", "de"]}, {"by": "word"}, {"parts": []}):
        entry = {**state["task_state"]["own_parts"], **change}
        with pytest.raises(LassError, match="a.pt cannot be read"):
            method_of({"own_parts": entry}, "a.pt")
    with pytest.raises(LassError, match="version 2"):
        entry = {**state["task_state"]["own_parts"], "version": 2}
        method_of({"own_parts": entry}, "a.pt")


def test_evaluate_translate_and_table_cost(
    commands, own_decoders, base, data, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "report"
    commands.run(
        *("lass", "evaluate", data, "--cpu", "--beam", 3, "--out", out),
        *("--system", f"base={base}", "--system", f"decoders={own_decoders}"),
    )
    report = json.loads((out / "scores.json").read_text())
    assert "own decoder of each target (de, en, nl)" in json.dumps(report)
    assert "pt`, `own decoder of each target" in (out / "scores.md").read_text()
    written = out / "translations" / "decoders" / "test.en-nl.nl"
    ours = with_the_plugin(
        commands, own_decoders, "en-nl", "--beam", 3, "--max-len-b", 20
    )
    assert written.read_text().splitlines() == [ours[n][1] for n in sorted(ours)]
    lines = "de-en\tde1 de2 de3\nde-nl\tde1 de2\nen-de\ten1 en2\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    words = ["translate", str(own_decoders), "--data", str(data), "--cpu"]
    words += ["--max-len-b", "20", "--pairs", "de-en,de-nl,en-de"]
    assert main(words) == 0
    assert capsys.readouterr().out.count("\n") == 3
    words = ["table", "cost", "--system", f"base={base}"]
    words += ["--system", f"decoders={own_decoders}", "--out", str(tmp_path)]
    assert main(words) == 0
    table = json.loads((tmp_path / "table-cost.json").read_text())
    stock, own = table["size"] if "size" in table else table["tables"][0]["records"]
    one = Checkpoint.read(base).parameters
    total = sum(weight.numel() for weight in one.values())
    decoder = sum(w.numel() for n, w in one.items() if n.startswith("decoder.layers"))
    assert (stock["parameters"], stock["of_a_pair"]) == (total, total)
    assert (own["parameters"], own["of_a_pair"]) == (total + 2 * decoder, total)
    assert own["weight_bytes"] == 4 * own["parameters"]


@pytest.mark.parametrize("command", ["evaluate", "generate"])
def test_without_its_parts_there_is_nothing_to_translate_with(
    commands, own_decoders, data, command
):
    told = "there is nothing to translate with without them"
    if command == "evaluate":
        words = (data, "--system", f"a={own_decoders}", "--dense", "a", "--cpu")
        ended = commands.run("lass", "evaluate", *words, check=False)
        assert told in ended.told
    else:
        with pytest.raises(LassError, match=told):
            task = translation_task(data, "-s de -t en --dense")
            load_model(own_decoders, task)


def test_ctranslate2_takes_each_target(own_decoders, data, tmp_path):
    pytest.importorskip("ctranslate2")
    plain = {"beam": 1, "max_len_b": 20, "cpu": True}
    fast = Decoding(**plain, engine="ctranslate2", converted=tmp_path)
    found = [
        evaluate(data, [System("own", own_decoders)], decoding=decoding)
        for decoding in (Decoding(**plain), fast)
    ]
    first, second = (each.outputs[0].hypotheses for each in found)
    assert first == second and len({*map(str, first.values())}) == 4
