"""Stages: done, to be continued, or refused by the name of what differs."""

import json
import operator
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lass_plugin.errors import LassError
from lass_plugin.experiments import content, once
from lass_plugin.experiments.stage import RECORD, Stage, State
from lass_plugin.languages import parse_pairs
from lass_plugin.locks import FolderLock

OPTIONS = {"ratio": 0.6, "updates": 6, "targets": ["attention", "feed-forward"]}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("dict.de.txt", "train.de-en.de.bin", "train.fr-en.fr.bin"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def stage(tmp_path: Path, inputs: Path):
    """Makes the stage of one folder, with an identity that may be changed."""

    def make(options=None, **changes) -> Stage:
        identity = {
            "command": "lass search",
            "options": {**OPTIONS, **(options or {})},
            "inputs": content.of_data([inputs], parse_pairs("de-en")),
        }
        return Stage(tmp_path / "out", "search of de-en", identity, **changes)

    return make


def finish(stage: Stage) -> Path:
    result = stage.folder / "result.pt"
    with stage.held() as state:
        assert state is not State.DONE
        result.write_text("result")
        stage.finish([result])
    return result


# -- the three answers ---------------------------------------------------------------


def test_a_stage_is_new_then_continued_then_done(stage):
    assert stage().state() is State.NEW
    with stage().held() as state:
        assert state is State.NEW  # and the process ends without a result
    assert stage().state() is State.CONTINUE
    finish(stage())
    assert stage().state() is State.DONE


def test_a_finished_stage_started_again_changes_nothing(stage):
    result = finish(stage())
    times = {p: p.stat().st_mtime_ns for p in (result, stage().path)}
    with stage().held() as state:
        assert state is State.DONE
    assert {p: p.stat().st_mtime_ns for p in times} == times


@pytest.mark.parametrize("change", [lambda p: p.unlink(), lambda p: p.write_text("x")])
def test_a_result_that_is_gone_or_another_is_made_again(stage, change):
    change(finish(stage()))
    assert stage().state() is State.CONTINUE


def test_a_copied_folder_is_still_done(stage, tmp_path):
    result = finish(stage())
    os.utime(result, ns=(0, 0))
    (tmp_path / "out").rename(tmp_path / "moved")
    moved = stage()
    moved.folder = tmp_path / "moved"
    assert moved.state() is State.DONE


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ratio": 0.5}, "was begun with --ratio 0.6, not 0.5; go on with the same"),
        ({"targets": ["fc1"]}, "--targets attention,feed-forward, not fc1"),
        ({"move_pruned": True}, "no --move-pruned, and not True"),
        ({"ratio": 0, "updates": 7}, "--ratio 0.6, not 0; --updates 6, not 7"),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, "; 1 further differences"),
    ],
)
def test_another_call_is_refused_by_what_differs(stage, options, said):
    with stage().held():
        pass
    with pytest.raises(LassError) as begun:
        stage(options).state()
    finish(stage())
    with pytest.raises(LassError) as finished:
        stage(options).state()
    assert said in begun.value.message == finished.value.message
    assert "search of de-en in " in begun.value.message


def test_a_refused_call_leaves_the_folder_as_it_is(stage):
    finish(stage())
    before = stage().path.read_bytes()
    with pytest.raises(LassError), stage({"ratio": 0.1}).held():
        pytest.fail("the folder was given away")
    assert stage().path.read_bytes() == before


def test_inputs_are_compared_by_content(stage, inputs):
    finish(stage())
    path = inputs / "train.de-en.de.bin"
    os.utime(path, ns=(0, 0))
    (inputs / "train.fr-en.fr.bin").write_text("of another pair")
    assert stage().state() is State.DONE
    path.write_text("other text of that size"[: path.stat().st_size])
    with pytest.raises(LassError, match=r"another train.de-en.de.bin \(content \w{8}"):
        stage().state()
    path.unlink()
    with pytest.raises(LassError, match="a train.de-en.de.bin that is gone now"):
        stage().state()


def test_some_values_may_change_on_the_way(stage):
    finish(stage())
    more = {"continues": {"options.updates": operator.le}}
    assert stage({"updates": 8}, **more).state() is State.CONTINUE
    with pytest.raises(LassError, match="--updates 6, not 5"):
        stage({"updates": 5}, **more).state()


def test_a_hint_is_given_where_it_helps(stage):
    finish(stage())
    hints = {"options.ratio": "'lass extract' takes a mask at any ratio"}
    with pytest.raises(LassError, match=r"\('lass extract' takes a mask"):
        stage({"ratio": 0.1}, hints=hints).state()
    with pytest.raises(LassError) as error:
        stage({"updates": 1}, hints=hints).state()
    assert "lass extract" not in error.value.message


def test_a_fresh_start_does_not_ask(stage):
    finish(stage())
    with stage({"ratio": 0.1}).held(fresh=True) as state:
        assert state is State.NEW
    assert stage({"ratio": 0.1}).state() is State.CONTINUE


def test_a_fresh_start_removes_what_the_command_has_made(stage):
    result = finish(stage())
    (stage().folder / "theirs").mkdir()
    with stage({"ratio": 0.1}).held(fresh=True, made=("result.pt", "theirs")):
        assert not result.exists() and not (stage().folder / "theirs").exists()


def test_a_folder_that_others_have_made_is_left_alone(stage):
    theirs = stage().folder / "result.pt"
    theirs.parent.mkdir()
    theirs.write_text("theirs")
    for fresh in (False, True):
        said = "holds result.pt, which lass search did not make"
        with pytest.raises(LassError, match=said):
            with stage().held(fresh, made=("result.pt",)):
                pytest.fail("the folder was given away")
    assert theirs.read_text() == "theirs" and not stage().path.exists()


def test_another_call_may_begin_where_nothing_has_been_made(stage):
    with stage().held(made=("result.pt",)):
        pass
    with stage({"ratio": 0.1}).held(made=("result.pt",)) as state:
        assert state is State.NEW


# -- folders of earlier versions -----------------------------------------------------


def test_a_folder_without_a_record_is_taken_over_by_what_is_known(stage):
    result = finish(stage())
    stage().path.unlink()
    old = stage({"ratio": 0.5})
    old.adopt({"options": {"updates": 6}}, [result])
    assert old.state() is State.DONE and not old.path.exists()
    with old.held() as state:
        assert state is State.DONE
    assert stage({"ratio": 0.5}).state() is State.DONE  # it is known from now on
    with pytest.raises(LassError, match="--ratio 0.5, not 0.6"):
        stage().state()
    old.path.unlink()
    other = stage()
    other.adopt({"options": {"updates": 9}})
    with pytest.raises(LassError, match="--updates 9, not 6"):
        other.state()


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("results"),
        lambda record: record.update(identity=[]),
        lambda record: record.update(format="other"),
        lambda record: record.update(seen=[1]),
    ],
)
def test_a_damaged_record_is_named(stage, change):
    finish(stage())
    record = json.loads(stage().path.read_text())
    change(record)
    stage().path.write_text(json.dumps(record))
    with pytest.raises(LassError, match=f"{RECORD} is not the record of what"):
        stage().state()
    stage().path.write_text('{"format": ')
    with pytest.raises(LassError, match="is not the record of what"):
        stage().state()


def test_the_record_of_a_later_version_is_refused(stage):
    finish(stage())
    record = json.loads(stage().path.read_text())
    stage().path.write_text(json.dumps({**record, "version": 99}))
    with pytest.raises(LassError, match="of version 99"):
        stage().state()


# -- two at once ---------------------------------------------------------------------


def test_a_second_run_in_the_folder_is_refused_in_one_sentence(stage):
    with stage().held():
        said = rf"search of de-en is running already in .*\(process {os.getpid()}\)"
        with pytest.raises(LassError, match=said), stage().held():
            pytest.fail("the folder was given away twice")
    with stage().held() as state:
        assert state is State.CONTINUE


def test_a_lock_is_gone_with_its_process(tmp_path):
    code = (
        "import os, pathlib; from lass_plugin.locks import FolderLock;"
        f"FolderLock(pathlib.Path({str(tmp_path)!r}), 'work').take(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    with FolderLock(tmp_path, "work"):
        pass


# -- contents ------------------------------------------------------------------------


def test_a_file_is_read_once_and_again_when_it_changes(tmp_path, monkeypatch):
    read = []
    blocks = content._blocks
    monkeypatch.setattr(content, "_blocks", lambda p: read.append(p) or blocks(p))
    path = tmp_path / "file"
    path.write_text("one")
    first = content.of_file(path)
    assert content.of_file(path) == first and len(read) == 1
    path.write_text("two")
    assert content.of_file(path) != first and len(read) == 2
    seen = content.remembered({"a": [content.of_file(path)]})
    monkeypatch.setattr(content, "_remembered", {})
    content.remember(seen)
    content.of_file(path)
    assert len(read) == 2


def test_a_checkpoint_counts_by_its_weights_and_what_its_task_keeps(tmp_path):
    weights = {"a": torch.arange(4.0), "b": torch.ones(2, dtype=torch.bfloat16)}

    def digest(name: str, **changes) -> str:
        value = {"model": weights, "task_state": {"symbols": {"de-en": 3}}, **changes}
        torch.save(value, tmp_path / name)
        return content.of_weights(tmp_path / name)

    first = digest("1.pt")
    assert digest("2.pt", last_optimizer_state={"step": 3}, extra_state={}) == first
    assert digest("3.pt", task_state={"symbols": {"de-en": 4}}) != first
    assert digest("4.pt", model={**weights, "a": torch.arange(4.0) + 1}) != first
    assert digest("5.pt", model={**weights, "a": torch.arange(4.0).view(2, 2)}) != first
    assert digest("6.pt", model=dict(reversed(weights.items()))) == first


def test_shards_of_data_are_told_apart(inputs, tmp_path):
    one = content.of_data([inputs], ["en-de"])
    assert set(one) == {"dict.de.txt", "train.de-en.de.bin"}
    (inputs / "train1.de-en.de.bin").write_text("more to train on")
    more = content.of_data([inputs], ["en-de"], ["train"])
    assert set(more) == {*one, "train1.de-en.de.bin"}
    (inputs / "train1.de-en.de.bin").unlink()
    both = content.of_data([inputs, inputs], ["de-en"])
    assert len(both) == 4 and both["shard 2/dict.de.txt"] == one["dict.de.txt"]


# -- commands of shell scripts ---------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path):
    """Runs a command that appends a line to a file, once."""
    (tmp_path / "in.txt").write_text("input")
    folder = tmp_path / "step"

    def start(*words: object, code: str = "pass") -> None:
        lines = f"import sys; open({str(folder / 'ran')!r}, 'a').write('x'); {code}"
        command = [sys.executable, "-c", lines, *words]
        head = [folder, "--result", folder / "ran", "--log", folder / "log", "--"]
        once.main(list(map(str, [*head, *command])))

    start.folder = folder
    start.times = lambda: len((folder / "ran").read_text())
    return start


def test_a_command_is_run_once(run, tmp_path):
    place = tmp_path / "in.txt"
    words = ("--input", place, "--out", tmp_path / "a", "--jobs", 2, f"name={place}")
    run(*words, code="print('said')")
    assert (run.folder / "log").read_text() == "said\n"
    again = ("--input", place, "--out", tmp_path / "b", "--jobs", 1, f"name={place}")
    run(*again, code="print('said')")
    assert run.times() == 1
    place.write_text("other")
    with pytest.raises(LassError, match=r"another 1 --input/in.txt \(content"):
        run(*words, code="print('said')")
    place.write_text("input")
    with pytest.raises(LassError, match="begun with no --ratio, and not 3"):
        run(*words, "--ratio", 3, code="print('said')")
    assert run.times() == 1


def test_what_a_command_prints_is_there_when_it_has_ended(tmp_path):
    def run(code: str) -> None:
        head = [tmp_path, "--name", "step", "--output", tmp_path / "step.txt", "--"]
        once.main(list(map(str, [*head, sys.executable, "-c", code])))

    with pytest.raises(LassError, match="the command has failed"):
        run("print(1); raise SystemExit(2)")
    assert not (tmp_path / "step.txt").exists()
    run("print(2)")  # nothing was made by the other, so nothing of it is reused
    assert (tmp_path / "step.txt").read_text() == "2\n"
    with pytest.raises(LassError, match="words -c print.2., not -c print.3."):
        run("print(3)")


def test_a_command_that_failed_is_run_again(run):
    for _ in range(2):
        with pytest.raises(LassError, match=f"has failed; see {run.folder / 'log'}"):
            run(code="sys.exit(3)")
    assert run.times() == 2


def test_what_was_done_before_there_were_records_stays_done(run):
    run.folder.mkdir()
    (run.folder / "ran").write_text("old")
    run()
    assert (run.folder / "ran").read_text() == "old"
    with pytest.raises(LassError, match="begun with no --other, and not True"):
        run("--other")


def test_a_command_that_is_ended_ends_what_it_runs(run, tmp_path):
    code = "import time, os; print(os.getpid(), flush=True); time.sleep(60)"
    words = [tmp_path / "step", "--log", tmp_path / "log", "--", sys.executable]
    starter = subprocess.Popen(
        [sys.executable, "-m", "lass_plugin.experiments.once", *words, "-c", code]
    )
    while not (tmp_path / "log").is_file() or not (tmp_path / "log").read_text():
        assert starter.poll() is None
        time.sleep(0.05)
    starter.terminate()
    assert starter.wait(timeout=20) == 128 + 15
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "log").read_text()), 0)


def test_how_fast_an_input_was_made_does_not_matter(tmp_path):
    report, record = tmp_path / "report", tmp_path / "out" / RECORD
    report.mkdir()
    for name in ("scores.json", "run.json"):
        (report / name).write_text("{}")

    def made() -> Stage:
        words = ["lass", "table", "--scores", str(report)]
        return once.stage_of(words, record, "table", [record.parent])

    finish(made())
    (report / "run.json").write_text('{"seconds": 2}')
    assert made().state() is State.DONE
    older = json.loads(record.read_text())  # as an earlier version compared it
    for files in older["identity"]["inputs"].values():
        files["report/run.json"] = content.MARK + "0" * 64
    record.write_text(json.dumps(older))
    assert made().state() is State.DONE
    (report / "scores.json").write_text('{"BLEU": 1}')
    with pytest.raises(LassError, match="another .*report/scores.json"):
        made().state()


def test_what_a_word_names_is_an_input_whatever_it_is_called(tmp_path):
    hidden, record = tmp_path / ".sacrebleu", tmp_path / "out" / RECORD
    hidden.mkdir()
    files = [hidden / "wmt14.en", tmp_path / "train.log", tmp_path / "run.json"]
    for path in files:
        path.write_text("1")

    def made() -> Stage:
        words = ["lass", "x", "--sets", str(hidden), str(files[1]), str(files[2])]
        return once.stage_of(words, record, "x", [record.parent])

    finish(made())
    assert made().state() is State.DONE
    for path in files:
        path.write_text("another")
        with pytest.raises(LassError, match=path.name.replace(".", "[.]")):
            made().state()
        path.write_text("1")
