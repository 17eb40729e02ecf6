"""Law 16: masks given to translate under are of the model, or it is said.

The weights of a joint training have left those of the search, so that they cannot
tell; the masks that the checkpoint carries can.
"""

from pathlib import Path

import pytest
import torch
from conftest import load
from in_process import load_model, random_mask, translation_task

from lass_plugin.cli import agreement, export
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import MaskSet, save_masks
from lass_plugin.masks.file import load_masks
from lass_plugin.settings import parse_words

PAIR = "de-en"
TOLD = "the masks of de-en were searched on weights"


@pytest.fixture(scope="module")
def others(base, tmp_path_factory) -> Path:
    """A mask of the pair that was made on other weights of the same shapes."""
    generator = torch.Generator().manual_seed(9)
    weights = {
        name: torch.randn(weight.shape, generator=generator)
        for name, weight in load(base)["model"].items()
    }
    folder = tmp_path_factory.mktemp("others")
    save_masks(folder, MaskSet([random_mask(PAIR, weights)]))
    return folder


@pytest.mark.parametrize("model", ["joint", "base"])
def test_evaluating(request, model, others, masks, data, capsys):
    checkpoint = request.getfixturevalue(model)
    pairs = parse_pairs(PAIR)
    for given in (masks, None if model == "joint" else masks):
        told = None if given is None else str(given)
        Saved(System("s", checkpoint, told)).set_up(data, pairs)
    assert TOLD not in capsys.readouterr().err
    Saved(System("s", checkpoint, str(others))).set_up(data, pairs)
    assert f"{TOLD} (" in (said := capsys.readouterr().err)
    assert str(checkpoint) in said


def test_fairseq_generate(others, masks, data, joint, caplog):
    flags = "--source-lang de --target-lang en --inference-masks"
    load_model(joint, translation_task(data, f"{flags} {masks}"))
    assert TOLD not in caplog.text
    load_model(joint, translation_task(data, f"{flags} {others}"))
    assert TOLD in caplog.text


def test_exporting(others, masks, base, tmp_path, capsys):
    for given, said in ((masks, False), (others, True)):
        words = f"{base} --pair {PAIR} --masks {given} --out {tmp_path / 'out.pt'}"
        export.run(parse_words(export.SETTINGS, words.split()))
        assert (TOLD in capsys.readouterr().err) == said


def test_two_sets_of_masks(others, masks, capsys):
    for second, said in ((masks, False), (others, True)):
        words = [str(masks), str(second)]
        agreement.run(parse_words(agreement.SETTINGS, words))
        assert ("2 different base models" in capsys.readouterr().out) == said
    assert load_masks(others)[PAIR].base
