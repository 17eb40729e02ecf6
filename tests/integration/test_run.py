"""``lass run``: recipes of quick commands, run, killed, edited, pasted into a shell."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from lass_plugin.cli.main import main

WRITES = """
import sys, time
out, seconds, *read = sys.argv[1:]
time.sleep(float(seconds))
text = "".join(open(path).read() for path in read)
open(out, "w").write(text + out.rpartition("/")[2] + " ")
"""
COUNTS = """
import os, sys, time
path, last = sys.argv[2], int(sys.argv[3])
done = open(path).read().split() if os.path.exists(path) else []
for number in range(len(done), last):
    time.sleep(.1)
    open(path, "a").write(f"{number} ")
    print("counted to", number, flush=True)
"""
RECIPE = """
about: a chain beside branches
variables:
  word: start
  branches: [1, 2, 3]
  last: 5
  pause: 0
stages:
  all:
    needs: [branch-*]
    run: >-
      python ${here}/writes.py ${out}/all.txt 0 ${out}/chain.txt
      [ ${out}/branch/${branches}.txt ]...
    results: ${out}/all.txt
  first:
    run: python -c 'import sys; print(sys.argv[1])' ${word}
    output: ${out}/first.txt
    show: true
  branch-${n}:
    for: {n: "${branches}"}
    run: python ${here}/writes.py ${out}/branch/${n}.txt ${pause} ${out}/first.txt
    results: ${out}/branch/${n}.txt
  chain:
    run: python ${here}/counts.py --out ${out}/chain.txt ${last} --read ${out}/first.txt
"""


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """An empty folder with the recipe and its programs."""
    monkeypatch.chdir(tmp_path)
    Path("writes.py").write_text(WRITES)
    Path("counts.py").write_text(COUNTS)
    Path("branch.yaml").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def lass(place, capfd):
    """``lass run`` with words; its status, what it prints, what it says."""

    def run(*words: object, recipe: str = "branch.yaml") -> tuple[int, str, str]:
        (place / "out" / "branch").mkdir(parents=True, exist_ok=True)
        status = main(["run", recipe, "--cpu", "--out", "out", *map(str, words)])
        said = capfd.readouterr()
        return status, said.out, said.err

    return run


def results(folder: Path) -> dict[str, str]:
    found = sorted(folder.rglob("*.txt"))
    return {str(path.relative_to(folder)): path.read_text() for path in found}


WHOLE = {
    "all.txt": "0 1 2 3 4 start\n1.txt start\n2.txt start\n3.txt all.txt ",
    "branch/1.txt": "start\n1.txt ",
    "branch/2.txt": "start\n2.txt ",
    "branch/3.txt": "start\n3.txt ",
    "chain.txt": "0 1 2 3 4 ",
    "first.txt": "start\n",
}


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*.txt")}


def test_everything_runs_once_in_the_order_of_needs(lass):
    status, printed, said = lass("--jobs", 2)
    assert status == 0 and results(Path("out")) == WHOLE
    assert printed == "start\n"  # show: true
    assert said.index("first: done") < said.index("branch-1: started")
    assert said.index("branch-3: done") < said.index("all: started")
    before = times(Path("out"))
    status, _, said = lass("--jobs", 2)
    assert status == 0 and times(Path("out")) == before
    assert "6 of 6 stages are kept" in said and "started" not in said


def test_no_more_run_at_a_time_than_are_asked_for_and_one_alone_has_all(place, lass):
    recipe = """
    stages:
      part-${n}:
        for: {n: [1, 2, 3, 4]}
        run: &spans >-
          python -c 'import os, time; print(time.time(), end=" "); time.sleep(.3);
          print(time.time(), os.environ["OMP_NUM_THREADS"])' ${stage}
        output: ${out}/${stage}.txt
      alone: {run: *spans, output: "${out}/${stage}.txt", alone: true}
      last-${n}: {for: {n: [1, 2]}, run: *spans, output: "${out}/${stage}.txt"}
    """
    (place / "spans.yaml").write_text(recipe)
    assert lass("--jobs", 2, "--threads", 3, recipe="spans.yaml")[0] == 0
    spans = {n: text.split() for n, text in results(Path("out")).items()}
    beside = {
        name: sum(
            float(other[0]) < float(one[1]) and float(one[0]) < float(other[1])
            for other in spans.values()
        )
        for name, one in spans.items()
    }
    assert max(beside.values()) > 1
    for name, one in spans.items():  # at the moment that it begins
        began = float(one[0])
        running = [o for o in spans.values() if float(o[0]) <= began < float(o[1])]
        assert len(running) <= 2, name
    assert beside["alone.txt"] == 1 and spans["alone.txt"][2] == "6"
    assert spans["part-1.txt"][2] == "3"


@pytest.mark.parametrize(
    "kill",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_to_the_same_files(place, lass, kill):
    (place / "out" / "branch").mkdir(parents=True)
    words = [sys.executable, "-m", "lass_plugin.cli", "run", "branch.yaml", "--cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open(place / "said", "w") as log:
        words += ["--out", "out", "--jobs", "2", "--set", "pause=0.5"]
        process = subprocess.Popen(words, env=environment, stderr=log)
    chain = place / "out" / "chain.txt"
    deadline = time.monotonic() + 60
    while not (chain.exists() and len(chain.read_text().split()) >= 2):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(kill)
    assert process.wait(timeout=30) != 0
    assert not (place / "out" / "all.txt").exists()
    if kill == signal.SIGKILL:  # what it had started still works there
        status, _, said = lass("--set", "pause=0.5")
        assert status == 1 or results(Path("out")) == WHOLE
        assert status == 0 or "is running already in" in said
        time.sleep(1.0)
    else:
        assert len(chain.read_text().split()) < 5  # it was ended, too
    assert lass("--set", "pause=0.5")[0] == 0
    assert results(Path("out")) == WHOLE


def test_what_was_printed_half_is_not_kept(place, lass):
    recipe = """
    variables: {status: 1}
    stages:
      a:
        run: python -c 'print("half"); raise SystemExit(${status})'
        output: ${out}/a.txt
    """
    (place / "half.yaml").write_text(recipe)
    assert lass(recipe="half.yaml")[0] == 1
    assert results(Path("out")) == {}
    assert lass("--set", "status=0", recipe="half.yaml")[0] == 0
    assert results(Path("out")) == {"a.txt": "half\n"}


def test_a_stage_that_fails_stops_what_needs_it_and_the_others_go_on(place, lass):
    (place / "counts.py").write_text("raise SystemExit('error: the disk has gone')")
    status, _, said = lass()
    assert status == 1
    assert "2 of 6 stages failed, 4 are done" in said
    assert "  chain: the disk has gone (log: out/stages/chain.log)" in said
    assert "  all: not begun, since chain has failed" in said
    assert "branch/3.txt" in results(Path("out"))
    (place / "counts.py").write_text(COUNTS)
    status, _, said = lass()
    assert status == 0 and results(Path("out")) == WHOLE
    assert "4 of 6 stages are kept" in said


def test_what_a_stage_printed_before_is_not_shown_where_it_has_not_begun(place, lass):
    recipe = """
    stages:
      model:
        run: python ${here}/writes.py ${out}/model.txt 0
        results: ${out}/model.txt
      report:
        run: python -c 'print("scores")' ${out}/model.txt
        output: ${out}/report.txt
        show: true
    """
    (place / "shown.yaml").write_text(recipe)
    assert lass(recipe="shown.yaml")[:2] == (0, "scores\n")
    Path("out/model.txt").unlink()
    Path("out/stages/model.stage.json").unlink()
    (place / "writes.py").write_text("raise SystemExit('error: the disk has gone')")
    status, printed, said = lass(recipe="shown.yaml")
    assert (status, printed) == (1, "") and "report: not begun, since model" in said


def test_a_stage_that_does_not_make_what_it_says_has_failed(place, lass):
    recipe = 'stages: {a: {run: python -c 1, results: "${out}/a.txt"}}'
    (place / "none.yaml").write_text(recipe)
    status, _, said = lass(recipe="none.yaml")
    assert status == 1 and "a: it has not made out/a.txt" in said


# -- what was made with something else ------------------------------------------------


def test_an_edited_stage_is_refused_by_name_before_anything_runs(place, lass):
    assert lass()[0] == 0
    before = times(Path("out"))
    (place / "branch.yaml").write_text(RECIPE.replace("${last} --read", "7 --read"))
    status, _, said = lass("--set", "pause=0.1")
    assert status == 1 and times(Path("out")) == before
    assert "the stage chain in out/stages was begun with words … 5, not … 7" in said
    assert "remove out/chain.txt to do it again" in said
    assert "the stage branch-2 in out/stages was begun with words" in said
    Path("out/chain.txt").unlink()
    Path("out/all.txt").unlink()
    assert lass()[0] == 0
    assert results(Path("out"))["chain.txt"] == "0 1 2 3 4 5 6 "
    assert results(Path("out"))["all.txt"].startswith("0 1 2 3 4 5 6 start")


def test_an_input_that_is_another_now_is_refused_and_lost_ones_are_made_again(lass):
    assert lass()[0] == 0
    Path("out/first.txt").unlink()
    status, _, said = lass()  # the same is made again, so the rest is kept
    assert status == 0 and results(Path("out")) == WHOLE
    Path("out/first.txt").unlink()
    status, _, said = lass("--set", "word=end")
    assert status == 1 and "branch-1: the stage branch-1" in said
    assert "another" in said and "first.txt" in said
    assert results(Path("out"))["all.txt"] == WHOLE["all.txt"]


def test_results_below_a_hidden_folder_count_too(place, lass):
    recipe = """
    stages:
      a: {run: python -c 'print(1)', output: .runs/a.txt}
      b: {run: "python ${here}/writes.py .runs/b/c.txt 0", results: .runs/b}
    """
    (place / "hidden.yaml").write_text(recipe)
    (place / ".runs" / "b").mkdir(parents=True)
    assert lass(recipe="hidden.yaml")[0] == 0
    for name in ("a.txt", "b/c.txt"):
        made = place / ".runs" / name
        before = made.read_text()
        made.write_text("cut o")
        assert "2 stages: 1 kept" in lass("--status", recipe="hidden.yaml")[2]
        assert lass(recipe="hidden.yaml")[0] == 0
        assert made.read_text() == before


def test_a_changed_word_is_found_while_its_inputs_are_still_to_be_made(lass):
    assert lass()[0] == 0
    Path("out/first.txt").unlink()
    status, _, said = lass("--set", "last=8")
    assert status == 1 and "stage chain" in said and "not … 8" in said
    assert not Path("out/first.txt").exists()


def test_a_command_with_a_record_of_its_own_is_asked_again(place, lass):
    recipe = """
    variables: {last: 2}
    stages:
      a:
        run: python ${here}/counts.py --out ${out}/a.txt ${last}
        own_record: true
    """
    (place / "own.yaml").write_text(recipe)
    assert lass(recipe="own.yaml")[0] == 0
    assert lass("--set", "last=4", recipe="own.yaml")[0] == 0
    assert results(Path("out")) == {"a.txt": "0 1 2 3 "}


def test_the_folder_of_another_recipe_is_refused(place, lass):
    assert lass("--only", "first")[0] == 0
    (place / "other.yaml").write_text(
        "stages: {first: {run: python -c 'print(2)', output: '${out}/2.txt'}}"
    )
    status, _, said = lass(recipe="other.yaml")
    assert status == 1 and "out holds a run of another recipe" in said
    (place / "renamed.yaml").write_text((place / "branch.yaml").read_text())
    assert lass(recipe="renamed.yaml")[0] == 0  # by what it says, not by its name


# -- parts, plans and lines -----------------------------------------------------------


def test_only_runs_a_stage_and_what_it_needs(lass):
    status, _, said = lass("--only", "branch-[13]")
    assert status == 0
    assert sorted(results(Path("out"))) == ["branch/1.txt", "branch/3.txt", "first.txt"]
    status, printed, said = lass("--status")
    assert status == 0 and "6 stages: 3 kept, 3 to do" in said
    assert "branch-1  kept\n" in printed
    assert "all       to do, after branch-2, chain\n" in printed
    status, _, said = lass("--only", "chian")
    assert status == 1 and "did you mean chain?" in said


def test_the_lines_of_a_dry_run_make_the_same_in_a_shell(place, lass):
    odd = 'it\'s "$HOME" `x` ; a|b  *'
    assert lass("--set", f"word={odd}")[0] == 0
    there = results(Path("out"))
    assert there["first.txt"] == odd + "\n"
    status, lines, said = lass("--set", f"word={odd}", "--dry-run")
    assert status == 0 and "6 stages: 6 kept" in said and "# chain: kept" in lines
    subprocess.run(["rm", "-r", "out"], check=True)
    status, fresh, _ = lass("--set", f"word={odd}", "--dry-run")
    assert "# chain: to do" in fresh
    assert fresh.replace(": to do", ": kept") == lines
    subprocess.run(["rm", "-r", "out"], check=True)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    subprocess.run(["bash", "-e"], input=lines.encode(), check=True, env=environment)
    assert results(Path("out")) == there


def test_a_dry_run_says_what_would_be_refused_and_writes_nothing(place, lass):
    assert lass()[0] == 0
    before = {str(p): p.stat().st_mtime_ns for p in place.rglob("*")}
    status, lines, said = lass("--dry-run", "--set", "last=9")
    assert status == 1 and "# chain: refused: the stage chain in out/stages" in lines
    assert "1 refused" in said
    assert {str(p): p.stat().st_mtime_ns for p in place.rglob("*")} == before


@pytest.mark.parametrize("given", ["7 8", "7,8", "7  '8'"])
def test_a_list_is_given_with_blanks_or_commas(lass, given):
    printed = lass("--set", f"branches={given}", "--only", "all", "--status")[1]
    names = [line.split()[0] for line in printed.splitlines()]
    assert names == ["first", "branch-7", "branch-8", "chain", "all"]


def test_what_begins_with_a_dash_is_no_list_of_values(place, lass):
    text = "variables: {flags: []}\nstages: {a: {run: 'python ${flags}', output: o}}"
    (place / "flags.yaml").write_text(text)
    words = ["--set", "flags=--adam-betas=(0.9,0.98)", "--dry-run"]
    assert "python '--adam-betas=(0.9,0.98)'" in lass(*words, recipe="flags.yaml")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "wrod=x"], "--set wrod: branch.yaml has no such variable; did you"),
        (["--set", "word"], "--set word must be NAME=VALUE"),
        (["--dry-run", "--status"], "leave out --status"),
        (["--gpus", "1"], "--gpus has no effect without --cluster"),
        (["--cluster", "slurm", "--threads", "2"], "--threads has no effect with"),
        (["--set", "word=${x"], None),
    ],
)
def test_words_that_make_no_sense_are_named(lass, words, message):
    status, _, said = lass("--dry-run", *words)
    assert status == (0 if message is None else 1)
    assert (message or "") in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("variables:\n  a: ???\nstages: {s: {run: e}}", "needs values: add --set a=…"),
        ("variables: {jobs: 1}\nstages: {s: {run: e}}", "jobs has a value already"),
        (
            "stages: {s: {run: no-such-program, output: '${out}/s.txt'}}",
            "there is no program no-such-program",
        ),
        (
            "stages: {s: {run: python -c 1, output: o, needs: [no/such.txt]}}",
            "stage s needs no/such.txt, which is not there",
        ),
        (
            "stages: {s: {run: python -c 1, output: o, disk: 9000T}}",
            "the stages that are left need about 9000000.0 GB of disk",
        ),
    ],
)
def test_what_is_lacking_is_said_before_anything_runs(place, lass, recipe, message):
    (place / "lacks.yaml").write_text(recipe)
    status, _, said = lass(recipe="lacks.yaml")
    assert status == 1 and message in said and "started" not in said


def test_two_runs_at_once_are_refused(place, lass):
    from lass_plugin.locks import FolderLock

    with FolderLock(place / "out" / "stages", "recipe branch.yaml"):
        status, _, said = lass()
    assert status == 1 and "recipe branch.yaml is running already" in said


# -- on a cluster ----------------------------------------------------------------------

SUBMITIT = '''
"""A stand-in for submitit: jobs are processes of this machine, begun by pickles."""
import pathlib, pickle, subprocess, sys

class Job:
    def __init__(self, number, folder, work):
        self.job_id = str(number)
        folder.mkdir(parents=True, exist_ok=True)
        self.place = folder / f"{number}.pkl"
        self.place.write_bytes(pickle.dumps(work))
        code = ("import pickle, sys; work = pickle.load(open(sys.argv[1], 'rb'));"
                "pickle.dump(work(), open(sys.argv[1] + '.result', 'wb'))")
        self.process = subprocess.Popen([sys.executable, "-c", code, str(self.place)])
    def done(self):
        return self.process.poll() is not None
    def result(self):
        if self.process.wait():
            raise RuntimeError("job (task=0) failed with trace:\\nKilled")
        return pickle.load(open(f"{self.place}.result", "rb"))
    def cancel(self):
        self.process.terminate()

class AutoExecutor:
    made = []
    def __init__(self, folder, cluster=None):
        self.folder, self.cluster, self.parameters, self.names = folder, cluster, {}, []
        self.made.append(self)
    def update_parameters(self, **parameters):
        self.parameters.update(parameters)
    def submit(self, work):
        self.names.append(self.parameters["name"])
        return Job(len(self.names), self.folder, work)
'''


@pytest.fixture
def submitit(place, monkeypatch):
    (place / "submitit").mkdir()
    (place / "submitit" / "__init__.py").write_text(SUBMITIT)
    helpers = (
        "class DelayedSubmission:\n    def __init__(self, work): self.work = work\n"
    )
    (place / "submitit" / "helpers.py").write_text(helpers)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield __import__("submitit")
    for name in ("submitit", "submitit.helpers"):
        sys.modules.pop(name, None)


def test_stages_are_jobs_of_a_cluster_in_the_order_of_needs(
    lass, submitit, monkeypatch
):
    monkeypatch.setattr("lass_plugin.experiments.recipes.cluster.EVERY", 0.0)
    words = ["--cluster", "slurm", "--partition", "long", "--gpus", 2, "--hours", 1.5]
    status, _, said = lass(*words, "--cores", 3)
    assert status == 0 and results(Path("out")) == WHOLE, said
    (executor,) = submitit.AutoExecutor.made
    assert executor.cluster == "slurm"
    assert executor.parameters | {"name": ""} == {
        "timeout_min": 90,
        "nodes": 1,
        "tasks_per_node": 1,
        "gpus_per_node": 2,
        "cpus_per_task": 3,
        "slurm_partition": "long",
        "name": "",
    }
    assert executor.names[0] == "first" and executor.names[-1] == "all"
    assert "6 of 6 stages are kept" in lass(*words)[2]


def test_a_job_that_fails_says_why_and_its_time_is_not_the_end(place, lass, submitit):
    from lass_plugin.experiments.recipes.elsewhere import RunsCommand

    (place / "counts.py").write_text("raise SystemExit('error: the disk has gone')")
    status, _, said = lass("--cluster", "local")
    assert status == 1 and "  chain: the disk has gone" in said
    (place / "counts.py").write_text("import os; os.kill(os.getppid(), 9)")
    status, _, said = lass("--cluster", "local")
    assert status == 1 and "chain: its job 1 has ended: Killed" in said
    work = RunsCommand(["true"], ".", {}, "log", None)
    assert work.checkpoint().work is work


def test_without_submitit_one_sentence_says_so(lass, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    status, _, said = lass("--cluster", "slurm")
    assert status == 1 and "install it (pip install submitit)" in said
    assert len(said.strip().splitlines()) == 1


def test_records_say_what_a_stage_was_made_with(lass):
    assert lass("--only", "chain")[0] == 0
    record = json.loads(Path("out/stages/chain.stage.json").read_text())
    assert record["format"] == "lass_plugin stage"
    assert record["identity"]["program"] == "python"
    assert list(record["results"]) == [str(Path("out/chain.txt").resolve())]


def test_the_call_is_written_down_once_with_every_stage(place, lass):
    assert lass("--only", "first", "--set", "word=a b")[0] == 0
    path = Path("out/stages/run.json")
    record = json.loads(path.read_text())
    assert (record["recipe"], record["about"]) == (
        "branch.yaml",
        "a chain beside branches",
    )
    assert record["values"] == ["word=a b"] and record["date"].endswith(" UTC")
    assert record["versions"]["Python"] == sys.version.split()[0]
    stages = {stage["name"]: stage for stage in record["stages"]}
    assert list(stages) == ["first", "branch-1", "branch-2", "branch-3", "chain", "all"]
    assert stages["first"]["command"][-1] == "a b"
    assert stages["chain"]["made"] == ["out/chain.txt"]
    before = path.read_bytes()
    assert lass("--only", "first", "--set", "word=a b", "--jobs", 2)[0] == 0
    assert path.read_bytes() == before  # nothing was to be done
    path.unlink()  # as of an earlier release
    assert lass("--only", "first", "--set", "word=a b")[0] == 0
    record = json.loads(path.read_text())
    assert record["date"] == "" and record["versions"] == {}
