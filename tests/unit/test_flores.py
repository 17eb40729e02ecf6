"""scripts/flores.py: FLORES-101 in all directions between some languages."""

import gzip
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from lass_plugin.data.parallel_text import find_bitexts
from lass_plugin.languages import parse_pairs
from lass_plugin.resource_types import LANG30

SCRIPT = Path(__file__).parents[2] / "scripts" / "flores.py"


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


@pytest.fixture
def flores(tmp_path: Path) -> Path:
    """The folders of FLORES-101 with few lines of three languages."""
    for split, count in (("dev", 5), ("devtest", 3)):
        folder = tmp_path / "flores101_dataset" / split
        folder.mkdir(parents=True)
        for code in ("eng", "oci", "zho_simpl"):
            lines = [f"{code} {split} {number}" for number in range(count)]
            (folder / f"{code}.{split}").write_text("\n".join(lines) + "\n")
    return tmp_path / "flores101_dataset"


@pytest.fixture
def devtest(tmp_path: Path) -> Path:
    """Devtest alone, by two letters and compressed."""
    folder = tmp_path / "devtest-only"
    folder.mkdir()
    for code in ("en", "de", "zh"):
        with gzip.open(folder / f"devtest.{code}.gz", "wt") as file:
            file.writelines(f"{code} {number}\n" for number in range(10))
    return folder


def test_dev_is_train_and_devtest_is_test(flores, tmp_path):
    done = run(flores, tmp_path / "out", "--languages", "en,oc,zh")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 languages, 6 directions; lines: train 5, test 3\n"
    out = tmp_path / "out"
    assert (out / "train.en-zh.zh").read_text().splitlines()[4] == "zho_simpl dev 4"
    assert (out / "test.oc-zh.oc").read_text().splitlines()[0] == "oci devtest 0"
    pairs = (out / "pairs.txt").read_text()
    assert pairs == "en-oc,oc-en,en-zh,zh-en,oc-zh,zh-oc\n"
    bitexts, absent = find_bitexts(out, parse_pairs(pairs))
    assert len(bitexts) == 6 and len(absent) == 6  # no valid of six directions


def test_each_text_is_stored_once(flores, tmp_path):
    run(flores, tmp_path / "out", "--languages", "en,oc,zh")
    stored = {path.stat().st_ino for path in (tmp_path / "out").glob("t*")}
    assert len(list((tmp_path / "out").glob("t*"))) == 12 and len(stored) == 6


def test_the_end_of_dev_for_valid(flores, tmp_path):
    out = tmp_path / "out"
    assert run(flores, out, "--languages", "en,oc", "--valid", 2).returncode == 0
    assert len((out / "train.en-oc.en").read_text().splitlines()) == 3
    assert (out / "valid.en-oc.oc").read_text() == "oci dev 3\noci dev 4\n"


def test_again_with_fewer_lines(flores, tmp_path):
    out = tmp_path / "out"
    for valid in (0, 2):
        done = run(flores, out, "--languages", "en,oc,zh", "--valid", valid)
        assert done.returncode == 0, done.stderr
    assert len((out / "train.oc-zh.zh").read_text().splitlines()) == 3


def test_devtest_alone_is_divided(devtest, tmp_path):
    out = tmp_path / "out"
    done = run(devtest, out, "--languages", "en,de,zh", "--dev", 7, "--valid", 1)
    assert done.stdout.endswith("train 6, valid 1, test 3\n"), done.stderr
    assert (out / "test.en-de.de").read_text() == "de 7\nde 8\nde 9\n"


@pytest.mark.parametrize(
    "options, told",
    [
        (["--languages", "en,wo"], "no dev text of the language wo"),
        (["--languages", "en"], "at least two"),
        (["--languages", "wo,yo"], "no devtest text of wo, yo"),
        (["--languages", "en,oc", "--valid", "5"], "dev has 5 lines"),
        (["--languages", "en,oc", "--dev", "2"], "leave --dev out"),
    ],
)
def test_what_cannot_be_done(flores, tmp_path, options, told):
    done = run(flores, tmp_path / "out", *options)
    assert done.returncode == 1 and told in done.stderr
    assert "Traceback" not in done.stderr


def test_devtest_alone_must_be_divided(devtest, tmp_path):
    done = run(devtest, tmp_path / "out", "--languages", "en,de")
    assert done.returncode == 1 and "how many of the 10 lines" in done.stderr


def test_unequal_numbers_of_lines(flores, tmp_path):
    (flores / "dev" / "oci.dev").write_text("one\n")
    done = run(flores, tmp_path / "out", "--languages", "en,oc")
    assert done.returncode == 1
    assert "oci.dev has 1 lines and" in done.stderr and "has 5" in done.stderr


def test_no_such_folder(tmp_path):
    done = run(tmp_path / "nowhere", tmp_path / "out")
    assert done.returncode == 1 and "does not exist" in done.stderr


def test_every_language_of_the_paper_has_a_code():
    spec = importlib.util.spec_from_file_location("flores_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert set(LANG30) <= script.CODES.keys()
    assert len(script.CODES) == len(set(script.CODES.values())) == 101
