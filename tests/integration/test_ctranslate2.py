"""CTranslate2 as engine: what it translates, what is kept, what it is refused for."""

import io
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from conftest import LSLO_FLAGS, PAIRS, load
from in_process import random_mask

from lass_plugin.cli.main import main
from lass_plugin.errors import LassError
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import System
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import MaskSet, save_masks

PLAIN = {"beam": 1, "max_len_b": 20, "cpu": True}
LONG = ("--no-epoch-checkpoints", "--disable-validation", "--max-update")


def fast(folder: Path, **more) -> Decoding:
    return Decoding(**PLAIN, engine="ctranslate2", converted=folder, **more)


@pytest.fixture(scope="module")
def dense(commands, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dense")
    commands.train(folder, *LONG, 400)
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def joint(commands, dense, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("joint")
    weights = load(dense)["model"]
    masks = MaskSet(random_mask(key, weights, ratio=0.3) for key in PAIRS)
    save_masks(folder / "masks", masks)
    start = ("--finetune-from-model", dense, "--masks", folder / "masks")
    commands.train(folder, *start, *LONG, 400)
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def modules(commands, dense, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    commands.train(folder, *LSLO_FLAGS, "--base", dense, *LONG, 100)
    return folder / "checkpoint_last.pt"


def translated(data, checkpoint, decoding, **more):
    result = evaluate(data, [System("system", checkpoint, **more)], decoding=decoding)
    return result, result.outputs[0].hypotheses


@pytest.fixture
def library():
    return pytest.importorskip("ctranslate2")


@pytest.fixture(scope="module")
def learned(commands, dense, tmp_path_factory) -> Path:
    """Gates that learned, whose α are parameters beside the weights."""
    folder = tmp_path_factory.mktemp("learned")
    task = ("--task", "translation_gates", "--gates-learn", "--gates-sparsity", 0.5)
    commands.train(folder, *task, "--finetune-from-model", dense, *LONG, 100)
    return folder / "checkpoint_last.pt"


@pytest.mark.parametrize(
    "kind", ["joint", pytest.param("learned", marks=pytest.mark.slow)]
)
def test_what_a_method_added_is_left_out_of_the_dense_model(
    library, kind, request, data, tmp_path
):
    checkpoint = request.getfixturevalue(kind)
    _, expected = translated(data, checkpoint, Decoding(**PLAIN), dense=True)
    assert translated(data, checkpoint, fast(tmp_path), dense=True)[1] == expected
    _, expected = translated(data, checkpoint, Decoding(**PLAIN))
    assert translated(data, checkpoint, fast(tmp_path))[1] == expected


@pytest.mark.slow
def test_a_base_is_not_in_the_checkpoint(library, modules, data, tmp_path):
    with pytest.raises(LassError, match="has no weights of its own.*give its base as"):
        translated(data, modules, fast(tmp_path), dense=True)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("modules", marks=pytest.mark.slow),
        "joint",
        pytest.param("dense", marks=pytest.mark.slow),
    ],
)
def test_translations_are_those_of_fairseq(library, kind, request, data, tmp_path):
    checkpoint = request.getfixturevalue(kind)
    _, expected = translated(data, checkpoint, Decoding(**PLAIN))
    result, found = translated(data, checkpoint, fast(tmp_path))
    assert found == expected and len(found) == len(PAIRS)
    assert f"float32 by ctranslate2 {library.__version__}" in result.report.notes[0]
    lines = [line for each in found.values() for line in each]
    assert len(set(lines)) > 0.8 * len(lines)
    assert len(list(tmp_path.iterdir())) == len(PAIRS)
    # beams end by other rules, so a few of models as poor as these differ
    _, expected = translated(data, checkpoint, Decoding(**{**PLAIN, "beam": 3}))
    beam = replace(fast(tmp_path), beam=3)
    _, found = translated(data, checkpoint, beam)
    same = [
        a == b for key in PAIRS for a, b in zip(expected[key], found[key], strict=True)
    ]
    assert sum(same) >= 0.8 * len(same)


def test_models_are_kept_and_belong_to_weights_masks_and_numbers(
    library, joint, data, tmp_path
):
    def folders():
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    pairs = parse_pairs("de-en,en-nl")

    def run(**more):
        systems = [System("system", joint, **more.pop("system", {}))]
        evaluate(data, systems, pairs=pairs, decoding=fast(tmp_path, **more))

    run()
    first = folders()
    run()
    assert folders() == first and len(first) == 2
    run(quantization="int8")
    assert len(folders()) == 4
    run(system={"dense": True})
    assert len(folders()) == 6 and folders().items() > first.items()
    sizes = {
        path.parent.name: path.stat().st_size for path in tmp_path.glob("*/model.bin")
    }
    assert min(sizes.values()) < 0.7 * max(sizes.values())
    for path in tmp_path.glob("*/lass.json"):
        path.write_text("{}")  # of another model
    run()
    assert {*folders()} == {*first, *folders()}
    assert all(folders()[name] > first[name] for name in first)


def test_lines_are_translated_by_it(
    library, joint, data, tmp_path, monkeypatch, capsys
):
    lines = (data / "raw" / "test.en-de.de").read_text().splitlines()
    text = "".join(f"de-en\t{line}\n" for line in lines) + "en-nl\ten3 en4\n"
    words = ["translate", joint, "--data", data, "--cpu", "--beam", 1]

    def translate(*more):
        stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main([str(word) for word in (*words, "--max-len-b", 20, *more)]) == 0
        return capsys.readouterr().out

    ours = translate("--engine", "ctranslate2", "--converted", tmp_path / "models")
    assert ours == translate() and ours.count("\n") == len(lines) + 1


def test_an_export_is_written_for_it(library, joint, data, tmp_path, commands):
    folder = tmp_path / "model"
    words = ("export", joint, "--pair", "de-en", "--out", tmp_path / "de-en.pt")
    told = commands.run("lass", *words, "--compact", "--ctranslate2", folder).stdout
    assert f"(float32, source prefix __de__, target prefix __en__) -> {folder}" in told
    _, expected = translated(data, joint, Decoding(**PLAIN))
    lines = (data / "raw" / "test.en-de.de").read_text().splitlines()
    model = library.Translator(str(folder))
    found = model.translate_batch(
        [["__de__", *line.split()] for line in lines],
        target_prefix=[["__en__"]] * len(lines),
        beam_size=1,
        max_decoding_length=20,
    )
    texts = [" ".join(each.hypotheses[0][1:]) for each in found]
    assert texts == expected["de-en"]
    again = (*words, "--ctranslate2", folder, "--quantization", "int8")
    commands.run("lass", *again, "--data", data)
    assert library.Translator(str(folder)).compute_type.startswith("int8")


def test_what_it_cannot_do_is_a_sentence(library, joint, data, tmp_path, commands):
    with pytest.raises(LassError, match="does not compute in float16 on this cpu; --q"):
        translated(data, joint, fast(tmp_path, quantization="float16"))
    (tmp_path / "file").write_text("")
    with pytest.raises(LassError, match="cannot write .*file"):
        translated(data, joint, fast(tmp_path / "file"))
    few = ("--no-token-positional-embeddings", *LONG, 1)
    commands.train(tmp_path / "other", *few)
    other = tmp_path / "other" / "checkpoint_last.pt"
    with pytest.raises(LassError, match="CTranslate2 cannot take this model: .*posit"):
        translated(data, other, fast(tmp_path))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_options_that_contradict_the_engine(tmp_path):
    for more, told in (
        ({"bf16_autocast": True}, "--bf16-autocast has no effect with --engine ctran"),
        ({"fp16": True}, "--fp16 has no effect with --engine ctranslate2; --quant"),
    ):
        with pytest.raises(LassError, match=told):
            fast(tmp_path, **more)
    with pytest.raises(LassError, match="--quantization has no effect without --eng"):
        Decoding(**PLAIN, quantization="int8")
    with pytest.raises(LassError, match="--converted has no effect without --engine"):
        Decoding(**PLAIN, converted=tmp_path)


def no_package(name):
    raise PackageNotFoundError(name)


def test_without_the_library_it_says_how_to_get_it(base, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    monkeypatch.setattr("importlib.metadata.version", no_package)
    with pytest.raises(LassError, match=r"pip install 'lass-plugin\[ctranslate2\]'"):
        translated(data, base, fast(tmp_path))
