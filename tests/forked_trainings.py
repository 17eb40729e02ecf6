"""The trainings that ``lass`` starts, without the seconds that importing takes.

In tests, a job whose command is ``python -m fairseq_cli.train`` is a fork that has
imported fairseq and the plugin already: with a process group, a log, an environment and
locks of its own, as :class:`subprocess.Popen` makes it. Other commands are started.
"""

import contextlib
import importlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from multiprocessing.reduction import DupFd
from types import SimpleNamespace
from typing import Any, NoReturn

COMMAND = [sys.executable, "-m", "fairseq_cli.train"]


def fork_trainings(fork: Callable) -> None:
    """Let jobs of this process be made by *fork* where they train."""
    from lass_plugin.experiments.launching import processes

    def start(command: Sequence[str], *, env: Mapping[str, str], **more: Any) -> Any:
        if command[:3] != COMMAND or "LASS_PLUGINS" in env:
            return subprocess.Popen(command, env=env, **more)
        log, kept = more["stdout"].fileno(), more["pass_fds"]
        made = fork(command[2:], dict(env), log, kept)
        deadline = time.monotonic() + 30
        while made.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(made.pid) == made.pid:
                    break
            time.sleep(0.001)
        return made

    names = {**vars(subprocess), "Popen": start}
    processes.subprocess = SimpleNamespace(**names)  # type: ignore[attr-defined]


class OfFork:
    """A training in a fork of this process, which has one thread."""

    def __init__(self, words: list, environment: dict, log: int, kept: Iterable[int]):
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            _train(words, environment, log, kept)

    def poll(self) -> int | None:
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        return self._wait(0)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class OfServer:
    """A training in a fork of the server, for a process that has threads."""

    def __init__(self, words: list, environment: dict, log: int, kept: Iterable[int]):
        from forked import server

        descriptors = [_Descriptor(number) for number in (log, *kept)]
        self._process = server().Process(
            target=_train_passed, args=(words, environment, descriptors)
        )
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode


class _Descriptor:
    """An open file on its way to another process."""

    def __init__(self, number: int):
        self.number = number

    def __reduce__(self) -> tuple:
        return _received, (DupFd(self.number),)


def _received(passed: Any) -> int:
    return passed.detach()


def _train_passed(words: list, environment: dict, descriptors: list[int]) -> NoReturn:
    _train(words, environment, descriptors[0], descriptors[1:])


def _train(words: list, environment: dict, log: int, kept: Iterable[int]) -> NoReturn:
    """Be the training *words*, in this process, to its end."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in (1, 2):
            os.dup2(log, number)
        last = 2
        for number in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
            os.closerange(last + 1, number)
            last = number
        os.environ.clear()
        os.environ.update(environment)
        sys.stdout, sys.stderr = (
            os.fdopen(number, "w", buffering=1, encoding="utf-8", closefd=False)
            for number in (1, 2)
        )
        logging.disable(logging.NOTSET)  # as a new process begins
        logging.basicConfig(stream=sys.stdout, level=logging.INFO, force=True)
        sys.argv = list(words)
        importlib.import_module(words[0]).cli_main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
