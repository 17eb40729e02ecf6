"""Jobs, their queue, their logs and what is told of them; with made-up commands."""

import io
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.console import Console, status_line
from lass_plugin.experiments.launching.jobs import LAST, Job
from lass_plugin.experiments.launching.processes import end_all
from lass_plugin.experiments.launching.progress import TrainingProgress, reason
from lass_plugin.experiments.launching.queue import run_jobs
from lass_plugin.experiments.launching.trainings import make_job, run_trainings
from lass_plugin.experiments.searches.settings import SearchSettings
from lass_plugin.experiments.stage import Stage
from lass_plugin.languages import parse_pairs
from lass_plugin.places.devices import Device, devices_to_translate, find_devices
from lass_plugin.settings import parse_words

SETTLED = (
    "2026-01-01 10:00:00 | INFO | lass_plugin.tasks.translation_subnetwork_search | "
    "search of de-en after 40 updates: ratio in use 0.481; masks of even and odd "
    "updates share 0.571; mask now and at half the updates share 0.683 (chance 0.400)"
)
JSON = (
    '2026-01-01 10:00:00 | INFO | train_inner | {"epoch": 1, "update": 0.4, "loss": '
    '"5.497", "nll_loss": "4.1", "pruned": "0.4815", "num_updates": "44", "lr": "3e-3"}'
)
SIMPLE = (
    "2026-01-01 10:00:00 | INFO | train_inner | epoch 001:      4 / 9 loss=5.5, "
    "nll_loss=4.1, pruned=0.48, ppl=45.17, num_updates=44, lr=0.003"
)


class Listener(Console):
    """Keeps what it is told."""

    def __init__(self):
        self.events: list[str] = []
        self.statuses: list[str] = []

    def event(self, text: str) -> None:
        self.events.append(text)

    def status(self, text: str) -> None:
        self.statuses.append(text)


def job(tmp_path: Path, key: str, code: str, updates: int = 10) -> Job:
    stage = Stage(tmp_path / key, f"search of {key}", {})
    return Job(key, stage, [sys.executable, "-c", code], updates)


def devices(count: int) -> list[Device]:
    return [Device(None, 1) for _ in range(count)]


def settings(tmp_path: Path, **changes) -> SearchSettings:
    values = {
        "data": str(tmp_path),
        "base": tmp_path / "base.pt",
        "out": tmp_path / "out",
        "pairs": tuple(parse_pairs("de-en,en-de")),
    }
    return SearchSettings(**{**values, **changes})


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and " Z " in status.read_text())


# -- logs ------------------------------------------------------------------------


def test_progress_is_read_from_the_searchs_own_lines():
    progress = TrainingProgress()
    assert progress.read(SETTLED)
    assert (progress.updates, progress.settled, progress.chance) == (40, 0.571, 0.4)
    losses = f"{SETTLED.partition('ratio')[0]}valid bits a token: own 5.086; mask 6.791"
    assert progress.read(losses) and progress.own == 5.086


@pytest.mark.parametrize("line", [JSON, SIMPLE])
def test_progress_is_read_from_either_format_of_fairseq(line):
    progress = TrainingProgress()
    assert progress.read(line)
    assert progress.updates == 44
    assert progress.loss == pytest.approx(5.5, abs=0.01)
    assert progress.ratio == pytest.approx(0.48, abs=0.01)


def test_other_lines_say_nothing():
    assert not TrainingProgress().read("INFO | train | {'num_updates': '9'} loading")


def test_a_sentence_for_the_user_is_given_as_it_is():
    text = "Traceback\nValueError: old\nerror: there is no train data of de-en; go\n"
    assert reason(text, 1) == "there is no train data of de-en; go"


def test_the_last_exception_is_given_without_its_traceback():
    text = 'Traceback (most recent call last):\n  File "x"\nRuntimeError: out of it\n'
    assert reason(text, 1) == "RuntimeError: out of it"


def test_a_death_by_signal_is_named():
    assert "signal 9" in reason("", -9) and "memory" in reason("", -9)


# -- one job ---------------------------------------------------------------------


def test_the_log_is_appended_and_only_the_new_part_is_read(tmp_path):
    one = job(tmp_path, "de-en", f"print({JSON!r})")
    one.folder.mkdir()
    one.log.write_text(SETTLED + "\n")
    one.start(os.environ)
    while not one.poll():
        time.sleep(0.05)
    assert one.failure is None
    assert one.progress.updates == 44 and one.progress.settled is None
    assert one.log.read_text() == f"{SETTLED}\n{JSON}\n"


def test_two_processes_cannot_run_one_search(tmp_path):
    first = job(tmp_path, "de-en", "import time; time.sleep(60)")
    second = job(tmp_path, "de-en", "pass")
    first.start(os.environ)
    try:
        with pytest.raises(LassError, match="de-en is running already .*process"):
            second.start(os.environ)
    finally:
        end_all([first])
    second.start(os.environ)
    end_all([second])


def test_a_search_whose_starter_was_killed_still_holds_its_folder(tmp_path):
    code = (
        "import os, pathlib, sys;"
        "from lass_plugin.experiments.launching.jobs import Job;"
        "from lass_plugin.experiments.stage import Stage;"
        f"stage = Stage(pathlib.Path({str(tmp_path / 'de-en')!r}), 'search', {{}});"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)'];"
        "Job('de-en', stage, sleep, 1).start(os.environ);"
        "os._exit(9)"
    )
    root = str(Path(__file__).resolve().parents[2])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root})
    orphan = int((tmp_path / "de-en" / ".running").read_text())
    try:
        with pytest.raises(LassError, match=f"process {orphan}"):
            job(tmp_path, "de-en", "pass").start(os.environ)
    finally:
        os.kill(orphan, signal.SIGKILL)


def checkpoint(folder: Path, updates: int, name: str = LAST) -> None:
    """Write what the end of a training of so many *updates* would leave."""
    history = [{"num_updates": updates}]
    folder.mkdir(parents=True, exist_ok=True)
    content = {"model": {"a": torch.zeros(2)}, "optimizer_history": history}
    torch.save(content, folder / name)


def test_a_finished_training_is_not_started_again(tmp_path):
    one = job(tmp_path, "de-en", "raise SystemExit('it ran')")
    assert not one.is_done()
    one.stage.begin()
    checkpoint(one.folder, 9)
    assert not job(tmp_path, "de-en", "").is_done()
    with pytest.raises(LassError, match="it ended after 9 of 10 updates"):
        one.finish()
    checkpoint(one.folder, 10)  # its starter was killed before it could say so
    assert job(tmp_path, "de-en", "").is_done()
    assert not one.start(os.environ) and not one.log.exists()
    one.finish()
    before = one.stage.path.read_bytes()
    again = job(tmp_path, "de-en", "")
    assert again.is_done()
    again.finish()
    assert again.stage.path.read_bytes() == before


def test_a_training_that_went_on_too_long_is_named(tmp_path):
    one = job(tmp_path, "de-en", "")
    one.stage.begin()
    checkpoint(one.folder, 11)
    with pytest.raises(LassError, match="has had 11 updates, more than --updates 10"):
        one.is_done()


def test_a_training_that_another_process_finishes_first_is_not_repeated(tmp_path):
    waiting = job(tmp_path, "de-en", "raise SystemExit('it ran')")
    assert not waiting.is_done()
    other = job(tmp_path, "de-en", "")
    other.stage.begin()
    checkpoint(other.folder, 10)
    other.finish()
    run_trainings([waiting], devices(1), Listener(), "trainings")
    assert not waiting.log.exists()


@pytest.fixture
def made(tmp_path):
    """Makes a training by flags, of data and a base that lie in *tmp_path*."""
    data, base = tmp_path / "data", tmp_path / "base"
    data.mkdir()
    (data / "train.de-en.de.bin").write_text("text")
    checkpoint(base, 7, "base.pt")

    def make(*words: str, updates: int = 10) -> Job:
        words = ("--finetune-from-model", str(base / "base.pt"), *words)
        pairs = parse_pairs("de-en")
        folder = tmp_path / "out" / "joint"
        return make_job(folder, data, pairs, Device(None, 1), words, updates=updates)

    return make


def test_a_training_is_known_by_its_flags_its_data_and_its_base(made, tmp_path):
    one = made("--lr", "0.1")
    assert one.command[-2:] == ["--lr", "0.1"] and "--cpu" in one.command
    one.stage.begin()
    checkpoint(one.folder, 10)
    one.finish()
    assert made("--lr", "0.1").is_done()
    for call, said in (
        (lambda: made("--lr", "0.2"), "begun with --lr 0.1, not 0.2"),
        (lambda: made("--lr", "0.1", updates=11), "--updates 10, not 11"),
    ):
        with pytest.raises(LassError, match=said):
            call().is_done()
    (tmp_path / "data" / "train.de-en.de.bin").write_text("other")
    with pytest.raises(LassError, match="another data/train.de-en.de.bin"):
        made("--lr", "0.1").is_done()
    (tmp_path / "data" / "train.de-en.de.bin").write_text("text")
    base = {"model": {"a": torch.ones(2)}}
    torch.save(base, tmp_path / "base" / "base.pt")
    with pytest.raises(LassError, match="another .* --finetune-from-model/base.pt"):
        made("--lr", "0.1").is_done()


def test_a_training_of_an_earlier_version_is_known_by_its_length(made):
    one = made("--lr", "0.1")
    checkpoint(one.folder, 10)
    (one.folder / "done.json").write_text('{"updates": 10}')
    assert made("--lr", "0.1").is_done()
    with pytest.raises(LassError, match="--updates 10, not 12"):
        made("--lr", "0.1", updates=12).is_done()


def test_ending_a_job_ends_its_children_too(tmp_path):
    code = (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', "
        "'import time; time.sleep(60)']); print(p.pid, flush=True); time.sleep(60)"
    )
    one = job(tmp_path, "de-en", code)
    one.start(os.environ)
    while not one.log.read_text().strip():
        time.sleep(0.05)
    child = int(one.log.read_text())
    end_all([one])
    deadline = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)


# -- the queue -------------------------------------------------------------------


def test_every_job_runs_once_and_no_more_at_a_time_than_devices(tmp_path):
    code = (
        f"import os, pathlib, time; here = pathlib.Path({str(tmp_path)!r});"
        "(here / f'r{os.getpid()}').touch(); n = len(list(here.glob('r*')));"
        "print('at once', n, flush=True); time.sleep(.5);"
        "(here / f'r{os.getpid()}').unlink()"
    )
    jobs = [job(tmp_path, f"a{n}-b", code) for n in range(5)]
    finished = []
    run_jobs(
        jobs, devices(2), Listener(), lambda one: finished.append(one.key) or "done"
    )
    assert sorted(finished) == [one.key for one in jobs]
    counts = [int(one.log.read_text().split()[-1]) for one in jobs]
    assert max(counts) <= 2


def test_the_last_thing_told_is_an_event_so_that_no_status_line_is_left(tmp_path):
    told = []
    listener = Listener()
    listener.event = lambda text: told.append(text)
    listener.status = lambda status: told.append(status)
    jobs = [job(tmp_path, "de-en", "import time; time.sleep(.5)")]
    run_jobs(jobs, devices(1), listener, lambda one: "done")
    assert told[1].startswith("0/1 pairs") and told[-1] == "de-en: done"


def test_a_job_begins_when_what_it_needs_is_done_and_never_if_that_has_failed(tmp_path):
    codes = {"a": "1", "b": "raise SystemExit('error: no')", "c": "1", "d": "1"}
    jobs = {name: job(tmp_path, name, code) for name, code in codes.items()}
    needs = {jobs["a"]: [jobs["c"]], jobs["d"]: [jobs["a"], jobs["b"]]}
    done: list[str] = []

    def finish(one: Job) -> str:
        done.append(one.key)
        return "done"

    run_jobs([*jobs.values()], devices(2), Listener(), finish, needs=needs)
    assert done == ["c", "a"]
    assert jobs["b"].failure == "no"
    assert jobs["d"].failure == "not begun, since b has failed"
    assert not (tmp_path / "d" / "train.log").exists()


def test_a_job_alone_waits_for_all_places_and_nothing_passes_it(tmp_path):
    jobs = [job(tmp_path, name, "import time; time.sleep(.4)") for name in "abc"]
    jobs[1].alone = True
    listener = Listener()
    run_jobs(jobs, devices(3), listener, lambda one: "done")
    events = [event.split(":")[0] for event in listener.events]
    assert events == ["a", "a", "b", "b", "c", "c"]


def test_a_failing_job_does_not_stop_the_others(tmp_path):
    jobs = [
        job(tmp_path, "de-en", "import sys; sys.exit('error: no data of de-en; go')"),
        job(tmp_path, "en-de", "print('fine')"),
    ]
    listener, finished = Listener(), []
    run_jobs(jobs, devices(1), listener, lambda one: finished.append(one.key) or "done")
    assert finished == ["en-de"]
    assert jobs[0].failure == "no data of de-en; go"
    assert "de-en: failed: no data of de-en; go" in listener.events


def test_stop_on_error_ends_the_others(tmp_path):
    jobs = [
        job(tmp_path, "de-en", "raise ValueError('broken')"),
        job(tmp_path, "en-de", "import time; time.sleep(60)"),
    ]
    began = time.monotonic()
    run_jobs(jobs, devices(2), Listener(), lambda one: "done", stop_on_error=True)
    assert time.monotonic() - began < 20
    assert jobs[0].failure == "ValueError: broken"
    assert not jobs[1].runs


def test_a_mask_that_cannot_be_taken_is_a_failure_of_that_pair(tmp_path):
    def finish(one):
        raise LassError("it ended after 3 of 10 updates")

    jobs = [job(tmp_path, "de-en", "pass")]
    run_jobs(jobs, devices(1), Listener(), finish)
    assert jobs[0].failure == "it ended after 3 of 10 updates"


def test_sigterm_ends_every_process(tmp_path):
    """The starter is a process of its own, so that it can be sent a signal."""
    code = f"""
import pathlib, sys
from lass_plugin.experiments.launching.console import Console
from lass_plugin.experiments.launching.jobs import Job
from lass_plugin.experiments.launching.queue import run_jobs
from lass_plugin.places.devices import Device
from lass_plugin.experiments.stage import Stage
sleep = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
out = pathlib.Path({str(tmp_path)!r})
jobs = [Job(k, Stage(out / k, k, {{}}), [sys.executable, "-c", sleep], 1)
        for k in ("de-en", "en-de")]
run_jobs(jobs, [Device(None, 1)] * 2, Console(), lambda one: "done")
"""
    root = str(Path(__file__).resolve().parents[2])
    starter = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}
    )
    logs = [tmp_path / key / "train.log" for key in ("de-en", "en-de")]
    while not all(log.is_file() and log.read_text().strip() for log in logs):
        assert starter.poll() is None
        time.sleep(0.1)
    children = [int(log.read_text()) for log in logs]
    starter.send_signal(signal.SIGTERM)
    assert starter.wait(timeout=20) == 128 + signal.SIGTERM
    assert not any(is_alive(child) for child in children)


# -- devices and settings ----------------------------------------------------------


def test_one_job_a_core_and_the_cores_shared_among_the_jobs(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("lass_plugin.places.devices.cores", lambda: 8)
    wanted = settings(tmp_path, cpu=True)
    assert find_devices(wanted, 2) == [Device(None, 4)] * 2
    assert len(find_devices(wanted, 20)) == 8
    told = settings(tmp_path, cpu=True, jobs=3, threads=5)
    assert find_devices(told, 20) == [Device(None, 5)] * 3


def test_one_job_a_gpu_and_more_go_round(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    wanted = settings(tmp_path, devices=("1", "3"))
    assert [device.gpu for device in find_devices(wanted, 8)] == ["1", "3"]
    wanted = settings(tmp_path, devices=("1", "3"), jobs=3)
    assert [device.gpu for device in find_devices(wanted, 8)] == ["1", "3", "1"]
    assert find_devices(wanted, 8)[0].settings()["CUDA_VISIBLE_DEVICES"] == "1"


def test_one_process_translates_on_a_cpu_and_one_on_each_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    on_cpu = partial(settings, tmp_path, cpu=True)
    assert devices_to_translate(on_cpu()) == []  # this process does it
    assert devices_to_translate(on_cpu(threads=3)) == [Device(None, 3)]
    assert devices_to_translate(on_cpu(jobs=2)) == [Device(None, 2)] * 2
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert devices_to_translate(settings(tmp_path)) == []
    # not on the first one, where another is named
    assert devices_to_translate(settings(tmp_path, devices=("3",))) == [Device("3", 2)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    found = devices_to_translate(settings(tmp_path))
    assert [device.gpu for device in found] == ["0", "1"]


def test_a_search_does_not_join_the_processes_of_a_launcher(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    environment = Device(None, 1).environment()
    assert "RANK" not in environment
    assert environment["CUDA_VISIBLE_DEVICES"] == ""


def test_the_default_schedule_is_that_of_the_paper(tmp_path):
    plan = settings(tmp_path).plan_of(parse_pairs("de-en")[0])
    assert (plan.criterion, plan.schedule, plan.ratio) == ("gradient", "gradual", 0.6)
    assert (plan.start, plan.ramp) == (4_000, 36_000)
    oneshot = settings(tmp_path, schedule="oneshot").plan_of(parse_pairs("de-en")[0])
    assert (oneshot.start, oneshot.ramp) == (0, 0)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"ratio": 1.0}, "--ratio 1.0 is outside"),
        ({"updates": 0}, "--updates must be 1 or more"),
        ({"updates": 10, "start": 8, "ramp": 3}, "--start 8 .* more than --updates 10"),
        ({"criterion": "taste"}, "unknown --criterion 'taste'"),
        ({"schedule": "oneshot", "ramp": 5}, "--ramp .*no effect .*--schedule oneshot"),
        ({"jobs": 0}, "--jobs must be 1 or more"),
        ({"cpu": True, "devices": ("0",)}, "--cpu and --devices exclude"),
    ],
)
def test_wrong_settings_are_named_as_the_user_wrote_them(tmp_path, changes, message):
    with pytest.raises(LassError, match=message) as error:
        settings(tmp_path, **changes).check()
    assert "--pruning" not in error.value.message


# -- the command line ------------------------------------------------------------


def parsed(*words: str):
    start = ["DATA", "--base", "b.pt", "--out", "o", "--pairs", "de-en,en-de,nl-en"]
    return parse_words(SearchSettings, [*start, *words])


def test_what_follows_the_dashes_is_kept_for_fairseq():
    arguments = parsed("--jobs", "2", "--", "--max-tokens", "40", "--lr", "1e-3")
    assert arguments.flags == ("--max-tokens", "40", "--lr", "1e-3")
    assert (arguments.data, arguments.jobs) == ("DATA", 2)
    assert parsed().flags == ()


def test_an_unknown_option_before_the_dashes_is_refused(capsys):
    with pytest.raises(SystemExit):
        parsed("--max-tokens", "40")
    assert "unrecognized arguments: --max-tokens 40" in capsys.readouterr().err


def test_a_task_of_a_job_array_searches_one_pair():
    def pairs(*words):
        return [str(pair) for pair in parsed(*words).of_array().pairs]

    assert pairs() == ["de-en", "en-de", "nl-en"]
    assert pairs("--array", "2") == ["nl-en"]
    assert pairs("--array", "1", "--array-base", "1") == ["de-en"]
    with pytest.raises(LassError, match="--array 3 is outside 0-2"):
        pairs("--array", "3")
    with pytest.raises(LassError, match="--array 0 is outside 1-3"):
        pairs("--array", "0", "--array-base", "1")


# -- what is told ----------------------------------------------------------------


def test_the_status_line_says_pairs_updates_and_how_settled():
    progress = TrainingProgress(
        updates=40, loss=5.4, ratio=0.58, settled=0.71, chance=0.4, own=4.951
    )
    running = (
        progress.described("de-en", 100),
        TrainingProgress().described("a-b", 9),
        TrainingProgress(updates=7, epochs=1.25).described("final", 0, epochs=15),
    )
    assert status_line(4, 1, 0, running, 125.0) == (
        "1/4 pairs, 2 min 5 s left | de-en 40/100 loss 5.40 ratio 0.58 agreement "
        "0.71 (chance 0.40) under its mask 4.95 | a-b starting | final epoch 1.2/15"
    )


def test_elsewhere_than_on_a_terminal_lines_are_plain_and_rare():
    stream = io.StringIO()
    console = Console(stream)
    console.event("de-en: started")
    for _ in range(50):
        console.status("0/1 pairs")
    assert stream.getvalue() == "de-en: started\n"
    often = Console(stream, interval=0)
    often.status("0/1 pairs")
    assert stream.getvalue().endswith("\n0/1 pairs\n")
    assert "\x1b" not in stream.getvalue()


# -- places --------------------------------------------------------------------------


def test_waiting_threads_spin_shortly_unless_the_user_says_how(monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    device = Device(None, 2)
    assert device.settings()["GOMP_SPINCOUNT"] == "10000"
    assert device.settings()["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert device.environment()["GOMP_SPINCOUNT"] == "7"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    assert "GOMP_SPINCOUNT" not in device.environment()
    assert device.environment()["OMP_WAIT_POLICY"] == "ACTIVE"
