"""A mistake is one sentence and status 1; a file is the old one or the new one."""

import argparse
import errno
import json
import logging
import os
import shlex
import stat
import subprocess
import sys

import pytest
from conftest import ROOT

from lass_plugin import files
from lass_plugin.errors import LassError


def names(directory):
    return sorted(path.name for path in directory.iterdir())


class TestLassError:
    def test_str_is_the_sentence(self):
        error = LassError("mask set m.safetensors has no pair de-en")
        assert str(error) == "mask set m.safetensors has no pair de-en"
        assert error.message == str(error)

    def test_uncaught_it_is_one_sentence_on_stderr_and_status_1(self):
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                "from lass_plugin.errors import LassError\n"
                "raise LassError('no pair de-en; name one of en-fr, fr-en')",
            ],
            capture_output=True,
            text=True,
        )
        assert result.returncode == 1
        assert result.stdout == ""
        assert result.stderr == "error: no pair de-en; name one of en-fr, fr-en\n"

    def test_except_exception_does_not_swallow_it(self):
        with pytest.raises(LassError):
            try:
                raise LassError("told")
            except Exception:
                pass


class TestAtomicPath:
    def test_writes_a_new_file_and_makes_its_directory(self, tmp_path):
        target = tmp_path / "a" / "b" / "masks.bin"
        with files.atomic_path(target) as path:
            path.write_bytes(b"\x01")
            assert not target.exists()
        assert target.read_bytes() == b"\x01"
        assert names(target.parent) == ["masks.bin"]

    def test_replaces_an_old_file(self, tmp_path):
        target = tmp_path / "masks.bin"
        target.write_bytes(b"old, and longer")
        files.write_bytes(target, b"new")
        assert target.read_bytes() == b"new"
        assert names(tmp_path) == ["masks.bin"]

    def test_temporary_file_lies_beside_the_target(self, tmp_path):
        with files.atomic_path(tmp_path / "masks.bin") as path:
            assert path.parent == tmp_path  # a rename between disks is not atomic

    def test_a_link_stays_and_what_it_points_to_is_written(self, tmp_path):
        disk, run = tmp_path / "disk", tmp_path / "run"
        disk.mkdir()
        run.mkdir()
        (disk / "masks.bin").write_bytes(b"old")
        (run / "one").symlink_to("two")
        (run / "two").symlink_to(disk / "masks.bin")
        (run / "new").symlink_to(disk / "new.bin")
        with files.atomic_path(run / "one") as path:
            assert path.parent == disk  # so that the rename is atomic
            path.write_bytes(b"new")
        files.write_bytes(run / "new", b"new")
        for name in ("one", "two", "new"):
            assert (run / name).is_symlink()
            assert (run / name).read_bytes() == b"new"
        assert names(disk) == ["masks.bin", "new.bin"]
        assert names(run) == ["new", "one", "two"]

    @pytest.mark.parametrize("name", ["pipe", "link", "folder", "."])
    def test_what_is_no_file_is_not_replaced_by_one(self, tmp_path, name):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "folder").mkdir()
        (tmp_path / "link").symlink_to("pipe")
        before = names(tmp_path)
        with pytest.raises(LassError, match="cannot write .*(a pipe|directory)"):
            files.write_bytes(tmp_path / name, b"new")
        (tmp_path / "source").write_bytes(b"new")
        with pytest.raises(LassError, match="cannot write .*(a pipe|directory)"):
            files.move(tmp_path / "source", tmp_path / name)
        (tmp_path / "source").unlink()
        assert names(tmp_path) == before
        assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)

    def test_what_a_link_points_to_survives_an_error(self, tmp_path):
        (tmp_path / "old").write_bytes(b"old")
        (tmp_path / "link").symlink_to("old")
        with pytest.raises(ValueError):
            with files.atomic_path(tmp_path / "link") as path:
                path.write_bytes(b"half of the n")
                raise ValueError
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "old").read_bytes() == b"old"
        assert names(tmp_path) == ["link", "old"]

    @pytest.mark.parametrize("points_to", ["gone/masks.bin", "link"])
    def test_a_link_to_nowhere_is_refused_and_stays(self, tmp_path, points_to):
        (tmp_path / "link").symlink_to(points_to)
        with pytest.raises(LassError, match="cannot write .*link: "):
            files.write_bytes(tmp_path / "link", b"new")
        assert names(tmp_path) == ["link"] and (tmp_path / "link").is_symlink()

    @pytest.mark.parametrize("other_disk", [False, True])
    def test_a_moved_file_keeps_the_link_in_its_place(
        self, tmp_path, monkeypatch, other_disk
    ):
        rename = os.replace

        def replace(source, target):
            if other_disk and os.path.dirname(source) != os.path.dirname(target):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            rename(source, target)

        monkeypatch.setattr(files.os, "replace", replace)
        (tmp_path / "disk").mkdir()
        (tmp_path / "link").symlink_to("disk/masks.bin")
        for content in (b"first", b"second"):
            (tmp_path / "new").write_bytes(content)
            files.move(tmp_path / "new", tmp_path / "link")
            assert (tmp_path / "disk" / "masks.bin").read_bytes() == content
        assert names(tmp_path) == ["disk", "link"] and (tmp_path / "link").is_symlink()
        assert names(tmp_path / "disk") == ["masks.bin"]

    def test_what_cannot_be_moved_stays_where_it_is(self, tmp_path):
        (tmp_path / "new").write_bytes(b"new")
        with pytest.raises(LassError, match="cannot write .*gone/masks.bin"):
            files.move(tmp_path / "new", tmp_path / "gone" / "masks.bin")
        assert (tmp_path / "new").read_bytes() == b"new"

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, LassError])
    def test_old_file_survives_an_exception_in_the_block(self, tmp_path, error):
        target = tmp_path / "masks.bin"
        target.write_bytes(b"old")
        with pytest.raises(error):
            with files.atomic_path(target) as path:
                path.write_bytes(b"half of the n")
                raise error("interrupted")
        assert target.read_bytes() == b"old"
        assert names(tmp_path) == ["masks.bin"]

    @pytest.mark.parametrize("fails", ["fsync", "replace"])
    def test_full_disk_costs_the_new_file_never_the_old(
        self, tmp_path, monkeypatch, fails
    ):
        target = tmp_path / "masks.bin"
        target.write_bytes(b"old")

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(files.os, fails, full)
        with pytest.raises(LassError) as caught:
            files.write_bytes(target, b"new")
        assert str(target) in caught.value.message
        assert os.strerror(errno.ENOSPC) in caught.value.message
        assert target.read_bytes() == b"old"
        assert names(tmp_path) == ["masks.bin"]

    def test_full_disk_while_the_block_writes(self, tmp_path):
        target = tmp_path / "masks.bin"
        target.write_bytes(b"old")
        with pytest.raises(LassError, match="cannot write"):
            with files.atomic_path(target) as path:
                path.write_bytes(b"half of the n")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert target.read_bytes() == b"old"
        assert names(tmp_path) == ["masks.bin"]

    @pytest.mark.skipif(
        not os.path.exists("/dev/full"), reason="this system has no /dev/full"
    )
    def test_write_to_a_device_that_is_full(self, tmp_path):
        target = tmp_path / "masks.bin"
        target.write_bytes(b"old")
        with pytest.raises(LassError, match="No space left"):
            with files.atomic_path(target):
                with open("/dev/full", "wb", buffering=0) as device:
                    device.write(b"new")
        assert target.read_bytes() == b"old"
        assert names(tmp_path) == ["masks.bin"]

    def test_a_directory_that_cannot_be_made_is_told(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(LassError, match="cannot write"):
            files.write_text(tmp_path / "file" / "masks.txt", "new")

    def test_permissions_follow_the_umask(self, tmp_path):
        old = os.umask(0o027)
        try:
            files.write_text(tmp_path / "a.txt", "a")
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_text_is_utf8(tmp_path):
    files.write_text(tmp_path / "a.txt", "Müller\n")
    assert (tmp_path / "a.txt").read_bytes() == "Müller\n".encode()


def test_json_reads_back_and_keeps_the_order_of_keys(tmp_path):
    value = {"pair": "de-en", "ratio": 0.4, "a": ["ü", None, True]}
    files.write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert list(json.loads(text)) == ["pair", "ratio", "a"]
    assert "ü" in text and text.endswith("}\n")


def test_a_reader_that_has_gone_is_no_error(monkeypatch, tmp_path):
    from lass_plugin.cli import main as cli

    def run(arguments):
        logging.disable(logging.WARNING)
        raise BrokenPipeError

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=run, subcommand="list")
    monkeypatch.setattr(cli, "build_parser", lambda: parser)
    with open(tmp_path / "out", "w", encoding="utf-8") as out:
        monkeypatch.setattr(cli.sys, "stdout", out)
        assert cli.main([]) == 141
    assert not logging.root.manager.disable  # left as it was


def test_control_characters_of_a_file_do_not_reach_the_terminal():
    error = LassError("the key '\x1b[2Jde\u202e-en\x9b\r' of a.json\nand more\t.")
    assert error.message == (
        "the key '\\x1b[2Jde\\u202e-en\\x9b\\r' of a.json\nand more\\t."
    )


# -- how a command ends ----------------------------------------------------------------

NO_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def in_shell(line, **environment):
    """Run *line* by bash; Python buffers what it prints, as it does for users."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    environment.pop("PYTHONUNBUFFERED", None)
    line = line.replace("lass ", f"{sys.executable} -m lass_plugin.cli ", 1)
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        capture_output=True,
        env=environment,
        encoding="utf-8",
    )


@pytest.mark.parametrize("where", [">/dev/full", ">&-", "<&- >&-"])
def test_what_cannot_be_printed_is_one_sentence_and_status_1(where):
    done = in_shell(f"lass list --help {where}")
    assert done.returncode == 1
    assert done.stderr.startswith("lass: what it prints cannot be written (")
    assert done.stderr.count("\n") == 1


def test_a_closed_stream_is_not_the_next_file_that_is_opened(tmp_path):
    code = (
        "from lass_plugin.streams import open_streams; open_streams()\n"
        f"file = open({str(tmp_path / 'a')!r}, 'w'); print(file.fileno() > 2)"
    )
    done = in_shell(f"{sys.executable} -c {shlex.quote(code)} <&- 2>&-")
    assert (done.returncode, done.stdout) == (0, "True\n")


def test_messages_without_a_place_do_not_become_output():
    done = in_shell("lass list nowhere 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_a_closed_input_is_one_sentence(monkeypatch):
    code = (
        "from lass_plugin.streams import lines_of_input, open_streams; open_streams()\n"
        "list(lines_of_input())"
    )
    done = in_shell(f"{sys.executable} -c {shlex.quote(code)} <&-")
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard input cannot be read (Bad file")


def test_output_is_utf8_in_every_locale():
    code = (
        "import sys; from lass_plugin.streams import open_streams; open_streams()\n"
        "print('M\\xfc\\udcff\\ud800'); print('\\xfc\\ud800', file=sys.stderr)"
    )
    line = f"{sys.executable} -c {shlex.quote(code)} | od -An -c"
    done = in_shell(line, **NO_UTF8)
    assert done.stdout.split()[:4] == ["M", "303", "274", "377"]  # a name's own byte
    assert "\\ud800" in "".join(done.stdout.split()[4:]).replace("\\\\", "\\")
    assert done.stderr == "ü\\ud800\n"


def test_names_of_files_that_are_no_utf8_are_kept_in_what_is_written(tmp_path):
    name = os.fsdecode(b"m\xfcll")
    files.write_json(tmp_path / "a.json", {"path": name})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"path": name}
    files.write_text(tmp_path / "a.md", name)
    assert (tmp_path / "a.md").read_bytes() == b"m\xfcll"


def run_main(monkeypatch, error):
    """The status of a command that raises *error*."""
    from lass_plugin.cli import main as cli

    def run(arguments):
        raise error

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=run, subcommand="list")
    monkeypatch.setattr(cli, "build_parser", lambda: parser)
    return cli.main([])


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    ],
)
def test_too_little_memory_is_one_sentence(error, monkeypatch, capsys):
    assert run_main(monkeypatch, error) == 1
    assert "lass list: there is not enough memory" in capsys.readouterr().err


def test_too_little_memory_is_not_called_damage(tmp_path, monkeypatch):
    from lass_plugin.checkpoints import torch_files

    def load(*_, **__):
        raise RuntimeError("unable to mmap 8 bytes: Cannot allocate memory (12)")

    monkeypatch.setattr(torch_files.torch, "load", load)
    (tmp_path / "a.pt").write_bytes(b"8")
    with pytest.raises(LassError, match="^there is not enough memory"):
        torch_files.load_tensors(tmp_path / "a.pt", "a checkpoint")


def test_what_the_system_refuses_names_the_file(monkeypatch, capsys):
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "masks/de-en")
    assert run_main(monkeypatch, error) == 1
    told = capsys.readouterr().err
    assert told.startswith("lass list: masks/de-en: Permission denied")


def test_a_fault_of_our_own_keeps_its_traceback(monkeypatch):
    with pytest.raises(KeyError):
        run_main(monkeypatch, KeyError("de-en"))


@pytest.mark.parametrize(
    "error",
    ["MemoryError()", pytest.param("KeyboardInterrupt", marks=pytest.mark.slow)],
)
def test_commands_of_fairseq_end_in_a_sentence_too(error):
    code = (
        "from lass_plugin.fairseq_fixes.uncaught import end_in_a_sentence\n"
        f"end_in_a_sentence(); print('\\xfc', flush=True); raise {error}"
    )
    done = in_shell(f"{sys.executable} -c {shlex.quote(code)}", **NO_UTF8)
    assert done.returncode and done.stdout == "ü\n"
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
