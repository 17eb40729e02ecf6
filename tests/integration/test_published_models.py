"""Checkpoints with the layout of the published M2M-100 and M2M-124: as base, in
evaluation, and their own files in preparation."""

import json
import shutil

import pytest
import torch
from conftest import ROOT, TRAIN_FLAGS, load
from fairseq import checkpoint_utils, options
from fairseq.tasks import translation_multi_simple_epoch
from published import LANGUAGES, publish, write_text

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.languages import Pair, parse_pairs

PAIRS = "de-en,en-de,en-nl,nl-en,de-nl,nl-de"
ARCH = (
    "--arch m2m_124_175m --encoder-layers 2 --decoder-layers 2 --encoder-embed-dim 32 "
    "--decoder-embed-dim 32 --encoder-ffn-embed-dim 64 --decoder-ffn-embed-dim 64 "
    "--encoder-attention-heads 4 --decoder-attention-heads 4"
).split()
TOKENS = ("--encoder-langtok", "src", "--decoder-langtok")
STRICT = [*TRAIN_FLAGS[: TRAIN_FLAGS.index("--sampling-method")], *TOKENS]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    write_text(folder)
    return folder


@pytest.fixture(scope="module", params=["m2m_124", "m2m_100"])
def model(request, text, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "published"
    return publish(folder, text, tokens_in_dictionary=request.param == "m2m_100")


def prepare(commands, text, out, model, *more, pairs=PAIRS, check=True):
    return commands.run(
        *("lass", "prepare", "--text", text, "--out", out, "--pairs", pairs),
        *("--spm-model", model.pieces, "--dict", model.dictionary, "--workers", 1),
        *more,
        check=check,
    )


@pytest.fixture(scope="module")
def prepared(commands, text, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("data")
    prepare(commands, text, out, model, "--langs", model.pairs)
    return out


def train(commands, prepared, save_dir, *flags, check=True):
    return commands.run(
        *("train", prepared, "--user-dir", ROOT / "lass_plugin", *STRICT, *ARCH),
        *("--lang-pairs", PAIRS, "--save-dir", save_dir, "--disable-validation"),
        *("--max-update", 2, "--no-epoch-checkpoints", *flags),
        check=check,
    )


@pytest.fixture(scope="module")
def tuned(commands, prepared, model, tmp_path_factory):
    """The checkpoint of low-rank modules in the published model."""
    folder = tmp_path_factory.mktemp("tuned")
    train(
        *(commands, prepared, folder, "--task", "translation_lslo"),
        *("--base", model.model, "--lslo-ranks", 2),
    )
    return folder / "checkpoint_last.pt"


def test_nothing_is_learned_and_nothing_unknown(prepared, model):
    record = json.loads((prepared / "preparation.json").read_text())
    assert (prepared / "dict.de.txt").read_bytes() == model.dictionary.read_bytes()
    assert (prepared / "spm.model").read_bytes() == model.pieces.read_bytes()
    assert (prepared / "langs.txt").read_text().split() == list(LANGUAGES)
    assert not (prepared / "dict.af.txt").exists()  # no text of it
    assert record["languages"] == ["de", "en", "nl"]
    for counts in record["counts"].values():
        assert all(side["unknown"] == 0 for side in counts["languages"].values())


def test_the_languages_are_read_from_the_pairs(model):
    tokens = Checkpoint.read(model.model).language_tokens
    assert tokens.languages == LANGUAGES
    assert (tokens.encoder, tokens.decoder, tokens.style) == (
        "src",
        True,
        "multilingual",
    )


def stock_logits(model, prepared, pair: Pair):
    """Of the first test sentences, by stock fairseq alone."""
    parser = options.get_generation_parser(
        default_task="translation_multi_simple_epoch"
    )
    arguments = options.parse_args_and_arch(
        parser,
        [
            *(str(prepared), "--path", str(model.model), "-s", pair.source),
            *("-t", pair.target, "--lang-pairs", str(model.pairs), *TOKENS),
            *("--fixed-dictionary", str(model.dictionary)),
        ],
    )
    kind = translation_multi_simple_epoch.TranslationMultiSimpleEpochTask
    task = kind.setup_task(arguments)
    (built,), _ = checkpoint_utils.load_model_ensemble([str(model.model)], task=task)
    task.load_dataset("test")
    return _logits(built, task.dataset("test"))


def our_logits(checkpoint, prepared, pair: Pair):
    """The same, as ``lass evaluate`` does it; and the task."""
    ready = Saved(System("it", checkpoint)).set_up(prepared, [pair])
    model, task = ready.build_model(torch.device("cpu"), fp16=False), ready.task
    task.load_dataset("test")
    with task.method_of(model).using(str(pair)):
        return _logits(model, task.dataset("test").parts[str(pair)]), task


def _logits(model, dataset):
    batch = dataset.collater([dataset[number] for number in range(5)])
    order = batch["id"].argsort()
    model.eval()
    with torch.no_grad():
        return model(**batch["net_input"])[0][order]


@pytest.mark.parametrize("key", ["de-en", "en-nl"])
def test_logits_are_those_of_stock_fairseq(model, prepared, key):
    pair = Pair.parse(key)
    ours, task = our_logits(model.model, prepared, pair)
    assert torch.equal(ours, stock_logits(model, prepared, pair))
    rows = len(load(model.model)["model"]["encoder.embed_tokens.weight"])
    assert len(task.source_dictionary) == ours.shape[-1] == rows


def test_options_in_sections_say_the_same(model, prepared, tmp_path):
    """As checkpoints of fairseq 1.0 have them, instead of one namespace."""
    state = load(model.model)
    everything = state.pop("args")
    state["cfg"] = {"task": everything, "model": everything}
    torch.save(state, tmp_path / "model.pt")
    pair = Pair.parse("en-de")
    ours, _ = our_logits(tmp_path / "model.pt", prepared, pair)
    assert torch.equal(ours, our_logits(model.model, prepared, pair)[0])


def test_new_modules_change_nothing(commands, prepared, model, tmp_path):
    """B is zero: the base under --task translation_lslo is the published model."""
    train(
        *(commands, prepared, tmp_path, "--task", "translation_lslo", "--lr", 0),
        *("--base", model.model, "--lslo-ranks", 2, "--max-update", 1),
    )
    pair = Pair.parse("nl-de")
    ours, _ = our_logits(tmp_path / "checkpoint_last.pt", prepared, pair)
    dense, _ = our_logits(model.model, prepared, pair)
    # through the same weights, but one product after the other
    assert torch.allclose(ours, dense, atol=1e-4)


def test_the_published_model_and_its_modules_side_by_side(
    commands, prepared, model, tuned, tmp_path
):
    commands.run(
        *("lass", "evaluate", prepared, "--pairs", PAIRS, "--cpu", "--limit", 3),
        *("--system", f"Pretrain={model.model}", "--system", f"LSLo={tuned}"),
        *("--max-len-b", 20, "--out", tmp_path / "report"),
    )
    done = commands.run(
        *("lass", "table", "scores", tmp_path / "report", "--tables", "types"),
        *("--resource-types", "H=de,en;M=nl", "--metrics", "BLEU", "--no-test"),
    )
    assert "H2M" in done.stdout
    rows = [line.split()[0] for line in done.stdout.splitlines()[3:5]]
    assert rows == ["Pretrain", "LSLo"]


def test_translation_finds_the_tokens_in_the_checkpoint(prepared, model, tuned):
    pair = Pair.parse("de-nl")
    ours, task = our_logits(tuned, prepared, pair)
    dense, _ = our_logits(model.model, prepared, pair)
    assert task.tokens.languages == LANGUAGES
    assert not torch.equal(ours, dense) and torch.allclose(ours, dense, atol=1)


def test_full_fine_tuning(commands, prepared, model, tmp_path):
    task = ("--task", "translation_subnetwork", "--finetune-from-model", model.model)
    train(commands, prepared, tmp_path, *task)
    state = load(tmp_path / "checkpoint_last.pt")
    tokens = state["task_state"]["language_tokens"]
    assert tokens["languages"] == list(LANGUAGES)
    before = load(model.model)["model"]["encoder.layers.0.fc1.weight"].float()
    after = state["model"]["encoder.layers.0.fc1.weight"]
    assert 0 < (after - before).abs().max() < 0.1


def test_a_language_that_the_model_lacks(commands, text, prepared, model, tmp_path):
    write_text(tmp_path, ("en", "oc"))
    done = prepare(
        *(commands, tmp_path, tmp_path / "data", model, "--langs", model.pairs),
        pairs="en-oc,oc-en",
        check=False,
    )
    assert done.returncode == 1
    assert "the model has no token for the language oc" in done.told
    more = ("--task", "translation_lslo", "--base", model.model, "--lslo-ranks", 2)
    done = train(
        commands, prepared, tmp_path, *more, "--lang-pairs", "en-oc", check=False
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "has no token for the language oc" in done.told


def test_other_tokens_than_those_of_the_base(commands, prepared, model, tmp_path):
    more = ["--task", "translation_lslo", "--base", model.model, "--lslo-ranks", 2]
    done = train(
        *(commands, prepared, tmp_path, *more, "--encoder-langtok", "tgt"), check=False
    )
    assert "was trained with --encoder-langtok src" in done.told
    done = train(
        *(commands, prepared, tmp_path, *more, "--langs", "nl,fr,en,de,af"), check=False
    )
    if "__de__" in model.dictionary.read_text():  # M2M-100: they have their numbers
        assert done.returncode == 0
    else:
        assert "give the language tokens other numbers" in done.told


def test_a_dictionary_of_which_nobody_says_the_languages(
    commands, prepared, model, tmp_path
):
    """The language list is lost: only the number of embeddings is left."""
    state = load(model.model)
    state["args"].lang_pairs = None
    torch.save(state, tmp_path / "model.pt")
    shutil.copytree(prepared, tmp_path / "data")
    (tmp_path / "data" / "langs.txt").write_text("af\nde\nen\nfr\nnl\noc\n")
    done = train(
        *(commands, tmp_path / "data", tmp_path / "run", "--task", "translation_lslo"),
        *("--base", tmp_path / "model.pt", "--lslo-ranks", 2),
        check=False,
    )
    assert done.returncode == 1
    assert "none for __oc__, a language that its dictionary lacks" in done.told


def test_a_dictionary_with_the_tokens_of_other_languages(
    commands, text, model, tmp_path
):
    write_text(tmp_path, ("en", "oc"))
    done = prepare(
        *(commands, tmp_path, tmp_path / "data", model), pairs="en-oc", check=False
    )
    if "__en__" in model.dictionary.read_text():
        assert "the dictionary lacks the language oc" in done.told
    else:
        assert done.returncode == 0


def test_languages_without_a_dictionary_are_refused(commands, text, model, tmp_path):
    done = commands.run(
        *("lass", "prepare", "--text", text, "--out", tmp_path, "--pairs", "de-en"),
        *("--langs", model.pairs),
        check=False,
    )
    assert "add its --dict" in done.told


def test_all_directions_of_m2m_124_are_read_at_once():
    codes = [f"x{number}" for number in range(124)]
    pairs = parse_pairs(f"{a}-{b}" for a in codes for b in codes if a != b)
    assert len(pairs) == 124 * 123
