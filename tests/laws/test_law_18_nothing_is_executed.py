"""Law 18: nothing of a file is executed, neither pickles nor strings.

Options of a checkpoint that reach an ``eval``, an import or a shell of fairseq run
nothing, in whichever command, and the option is named. (Pickles: law 9.)
"""

import argparse
import ast
import inspect
from pathlib import Path

import fairseq
import pytest
import torch
from conftest import ROOT, load
from fairseq import checkpoint_utils, utils

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.checkpoints.options import COUNTS_OR_LAYERS, EVALUATED, is_literal
from lass_plugin.errors import LassError
from lass_plugin.fairseq_fixes import prepare_fairseq

EVALUATORS = {"eval", "eval_str_list", "eval_str_dict", "eval_bool", "literal_eval"}
VALUES_OF_TEXT = {"args", "cfg", "self", "strip", "replace", "lr_args_str", "line"}
"""Names in calls of evaluators that are no options: what holds one, or a line read."""
LOCAL = {"x", "val", "temp", "uf", "ref_items", "hyp", "hyp_before", "hyp_words"}
LOCAL |= {"pred_units_arr", "pred_words", "pred_words_raw"}


def changed(checkpoint: Path, target: Path, section: str, **options) -> Path:
    """*checkpoint* with other *options* in a section of its configuration."""
    content = load(checkpoint)
    values = content["cfg"][section]
    values = vars(values) if isinstance(values, argparse.Namespace) else values
    values.update(options)
    torch.save(content, target)
    return target


@pytest.fixture
def trace(tmp_path) -> Path:
    """The file that there is once something was executed."""
    return tmp_path / "trace"


@pytest.fixture
def payload(trace) -> str:
    return f"__import__('pathlib').Path({str(trace)!r}).touch()"


HOSTILE = [
    ("model", "adaptive_softmax_cutoff"),
    ("model", "encoder_xformers_att_config"),
    ("model", "decoder_xformers_att_config"),
    ("optimizer", "adam_betas"),
]


@pytest.mark.parametrize("section, option", HOSTILE)
def test_an_option_that_would_be_evaluated_is_named(
    section, option, base, tmp_path, trace, payload
):
    prepare_fairseq()
    start = changed(base, tmp_path / "hostile.pt", section, **{option: payload})
    for read in (checkpoint_utils.load_checkpoint_to_cpu, Checkpoint.read):
        with pytest.raises(LassError, match=f"the option {option} in {start} is"):
            read(str(start))
    assert not trace.exists()


def test_no_command_evaluates_an_option(
    commands, base, masks, data, tmp_path, trace, payload
):
    start = tmp_path / "hostile.pt"
    changed(base, start, "optimizer", adam_betas=payload)
    task = ("--task", "translation_subnetwork", "--user-dir", ROOT / "lass_plugin")
    changed(start, start, "model", **{name: payload for _, name in HOSTILE[:3]})
    tried = {
        "generate": ("generate", data, *task, "--path", start, "-s", "de", "-t", "en"),
        "translate": ("lass", "translate", start, "--data", data),
        "evaluate": (
            *("lass", "evaluate", data, "--system", f"a={start}", "--dense", "a"),
            *("--pairs", "de-en", "--out", tmp_path / "report"),
        ),
        "export": (
            *("lass", "export", start, "--pair", "de-en", "--masks", masks),
            *("--out", tmp_path / "exported.pt"),
        ),
        "search": (
            *("lass", "search", data, "--base", start, "--out", tmp_path / "s"),
            *("--pairs", "de-en", "--updates", 4, "--print-commands"),
        ),
    }
    for command, words in tried.items():
        said = commands.run(*words, check=False)
        assert not trace.exists(), command
        assert said.returncode == 1, command
        assert "Traceback" not in said.stderr, command
        assert f" in {start} is '__import__(" in said.stderr.replace('"', "'"), command
    for flag in ("--finetune-from-model", "--restore-file"):
        said = commands.train(
            *(tmp_path / "train", "--task", "translation_subnetwork"),
            *("--max-update", 2, flag, start),
            check=False,
        )
        assert not trace.exists(), flag
        assert said.returncode == 1 and "Traceback" not in said.stderr, flag
        assert "the option " in said.stderr and str(start) in said.stderr, flag


def test_the_trace_is_left_when_the_text_is_evaluated(trace, payload):
    utils.eval_str_list(f"[{payload}]", type=str)
    assert trace.exists()


def test_no_module_is_imported_that_a_checkpoint_names(
    commands, base, data, tmp_path, trace
):
    plugin = tmp_path / "hostile_plugin"
    plugin.mkdir()
    (plugin / "__init__.py").write_text(f"open({str(trace)!r}, 'w')")
    start = changed(base, tmp_path / "a.pt", "common", user_dir=str(plugin))
    commands.run(
        *("generate", data, "--task", "translation_subnetwork", "--path", start),
        *("--user-dir", ROOT / "lass_plugin", "-s", "de", "-t", "en", "--cpu"),
    )
    assert not trace.exists()


def test_every_option_that_fairseq_evaluates_is_known():
    found = set()
    for path in Path(inspect.getfile(fairseq)).parent.rglob("*.py"):
        if "examples" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", None))
            if called in EVALUATORS:
                found |= {
                    getattr(part, "attr", getattr(part, "id", None))
                    for part in ast.walk(node.args[0])
                }
    found -= {None, *VALUES_OF_TEXT, *LOCAL}
    assert len(found) > 20
    assert found <= EVALUATED | COUNTS_OR_LAYERS


@pytest.mark.parametrize(
    "text",
    [
        *("(0.9, 0.98)", "[0.9, 0.98]", "0.9,0.98", "10000,20000", "True", "true", ""),
        *("{'name': 'linformer', 'p': 0.1}", "[(512, 3)] * 20", "-1", "1e-3", "None"),
        "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512, 2, 2)]",
    ],
)
def test_literals_go_on_working(text):
    assert is_literal(text)


@pytest.mark.parametrize(
    "text",
    [
        *("print(1)", "[print(1)]", "(1).real", "a", "{**a}", "f'{a}'", "lambda: 1"),
        *("[0] * 10**9", "[[0] * 9] * 1000000000", "(" * 300, "9**9**9", "[" * 9000),
        *("[i for i in ()]", "x := 1", "1 if a else 2", "b'1'", "'a' * 999999999"),
    ],
)
def test_what_is_no_literal_is_known(text):
    assert not is_literal(text)


def test_lists_and_dictionaries_that_fairseq_writes_go_on_working(
    base, tmp_path, commands, data
):
    start = changed(base, tmp_path / "a.pt", "optimizer", adam_betas="(0.9, 0.98)")
    changed(start, start, "optimization", update_freq=[1], lr=[0.001])
    changed(start, start, "model", adaptive_softmax_cutoff=None)
    Checkpoint.read(start).check_types()
    commands.run(
        *("generate", data, "--task", "translation_subnetwork", "--path", start),
        *("--user-dir", ROOT / "lass_plugin", "-s", "de", "-t", "en", "--cpu"),
    )


@pytest.mark.parametrize(
    "section, option, value",
    [
        ("model", "encoder_embed_dim", "wide"),
        ("model", "encoder_embed_dim", [1, 2]),
        ("common", "seed", {"a": 1}),
        ("optimization", "update_freq", "print(1)"),
        ("task", "langs", "de\x1b[2J"),
        ("task", "data", "${oc.env:HOME}"),
    ],
)
def test_an_option_of_another_type_or_form_is_named(
    base, tmp_path, section, option, value
):
    start = changed(base, tmp_path / "a.pt", section, **{option: value})
    with pytest.raises(LassError) as refused:
        Checkpoint.read(start).check_types()
    message = refused.value.message
    assert message.startswith(f"the option {option} in {start} is ")
    assert "\x1b" not in message


def test_checkpoints_of_every_kind_go_on_working(base, joint, low_rank):
    for path in (base, joint, low_rank):
        found = Checkpoint.read(path).check_types()
        assert found.weights
