"""The quick start on a made-up corpus: what it leaves, a second run, other settings."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from lass_plugin.errors import LassError
from lass_plugin.experiments.quickstart.corpus import catalogue_pairs, find_pairs
from lass_plugin.experiments.quickstart.recipe import QuickstartSettings, Recipe
from lass_plugin.experiments.quickstart.run import quickstart
from lass_plugin.languages import Pair, parse_pairs


def write_text(folder: Path) -> Path:
    """Two languages that spell English words their own way."""
    generator = random.Random(7)
    syllables = ["ba", "do", "ki", "lu", "me", "po", "ra", "su", "ti", "we"]
    words = ["".join(generator.sample(syllables, 3)) for _ in range(60)]
    folder.mkdir()
    for other in ("de", "nl"):
        for split, count in (("train", 200), ("valid", 9), ("test", 11)):
            lines = [
                " ".join(generator.sample(words, generator.randint(2, 8)))
                for _ in range(count)
            ]
            texts = {"en": lines, other: [f"{line} {other}" for line in lines]}
            for language, content in texts.items():
                path = folder / f"{split}.en-{other}.{language}"
                path.write_text("".join(f"{line}\n" for line in content))
    return folder


def test_the_catalogues_give_eight_directions_with_english():
    pairs = catalogue_pairs()
    assert len(pairs) == 8
    assert all("en" in (pair.source, pair.target) for pair in pairs)


def test_the_users_text_gives_both_directions_of_every_bitext(tmp_path):
    text = write_text(tmp_path / "text")
    assert [str(pair) for pair in find_pairs(text)] == [
        "en-de",
        "de-en",
        "en-nl",
        "nl-en",
    ]
    assert find_pairs(text, parse_pairs("de-en,en-de")) == [
        Pair("de", "en"),
        Pair("en", "de"),
    ]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_text_is_refused_by_name(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LassError, match=name):
        find_pairs(tmp_path / name)


def test_a_folder_that_it_did_not_make_is_left_alone(tmp_path):
    theirs = tmp_path / "out" / "data" / "precious.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    with pytest.raises(LassError, match="did not make"):
        quickstart(
            QuickstartSettings(
                out=tmp_path / "out", data=write_text(tmp_path / "text"), fresh=True
            )
        )
    assert theirs.read_text() == "mine"


def write_record_of_an_earlier_version(out: Path, text: Path, recipe: Recipe) -> None:
    record = {
        "text": str(text.resolve()),
        "pairs": list(map(str, find_pairs(text))),
        "recipe": recipe.to_dict(),
    }
    (out / "quickstart.json").write_text(json.dumps(record))


def test_the_folder_of_an_earlier_version_is_compared(tmp_path):
    text, out = write_text(tmp_path / "text"), tmp_path / "out"
    (out / "data").mkdir(parents=True)
    write_record_of_an_earlier_version(out, text, Recipe(base_updates=13))
    with pytest.raises(LassError, match="base_updates 13, not 1000.*--fresh"):
        quickstart(QuickstartSettings(out=out, data=text))
    elsewhere = write_text(tmp_path / "elsewhere")
    settings = QuickstartSettings(out=out, data=elsewhere)
    with pytest.raises(LassError, match=f"begun with text {text}, not that of now"):
        quickstart(replace(settings, recipe=Recipe(base_updates=13)))


@pytest.mark.slow
def test_it_leaves_scores_pictures_masks_and_checkpoints(tmp_path, capfd):
    text = write_text(tmp_path / "text")
    out = tmp_path / "out"
    recipe = Recipe(
        vocabulary=70, base_updates=12, warmup=4, search_updates=4, joint_updates=4
    )
    settings = QuickstartSettings(out=out, data=text, recipe=recipe)
    quickstart(settings)
    said = capfd.readouterr()
    for name in ("scores.json", "scores.csv", "scores.md", "similarity.png"):
        assert (out / "report" / name).stat().st_size > 0
    for pair in ("en-de", "de-en", "en-nl", "nl-en"):
        assert (out / "masks" / f"{pair}.safetensors").is_file()
        assert pair in said.out
    for name in ("base", "dense", "joint"):
        assert (out / "checkpoints" / name / "checkpoint_last.pt").is_file()
    assert "What to run next" in said.out and "base: started" in said.err

    times = {
        path: path.stat().st_mtime_ns for path in (out / "checkpoints").rglob("*.pt")
    }
    quickstart(settings)  # nothing is trained again
    for record in out.rglob("stage.json"):
        record.unlink()
    write_record_of_an_earlier_version(out, text, recipe)
    for name, updates in (("base", 12), ("dense", 4), ("joint", 4)):
        done = out / "checkpoints" / name / "done.json"
        done.write_text(json.dumps({"updates": updates}))
    quickstart(settings)
    assert times == {
        path: path.stat().st_mtime_ns for path in (out / "checkpoints").rglob("*.pt")
    }
    with pytest.raises(LassError, match="--fresh"):
        quickstart(replace(settings, recipe=Recipe(base_updates=13)))
