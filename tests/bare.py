"""fairseq where nothing of this package has been imported, without importing it anew.

One process imports fairseq's commands and forks itself for each program that is to see
them as they are.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SERVER = """
import json, logging, os, sys, traceback
import fairseq_cli.generate, fairseq_cli.train
assert not [name for name in sys.modules if name.startswith("lass")]

def be(asked):
    for number, name in enumerate(("in", "out", "err")):
        flags = os.O_RDWR | os.O_CREAT
        os.dup2(os.open(os.path.join(asked["folder"], name), flags), number)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(n, "rw"[n > 0], encoding="utf-8", closefd=False) for n in range(3)
    )
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, force=True)
    os.chdir(asked["cwd"])
    sys.path[:0] = asked["path"]
    sys.argv = ["-c", *asked["words"]]
    exec(asked["program"], {"__name__": "__main__"})

def status_of(asked):
    try:
        be(asked)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

for line in sys.stdin:
    pid = os.fork()
    if not pid:
        status = status_of(json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@dataclass
class Ended:
    """What a program left behind."""

    returncode: int
    stdout: str
    stderr: str


@cache
def _server() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd="/",
        env={"OMP_NUM_THREADS": "1"},
    )


def run(program: str, *words: object, path: Path | None = None) -> Ended:
    """Run *program*, whose arguments are *words*, and wait for it.

    Args:
        path: a folder that it can import from.
    """
    process = _server()
    assert process.stdin and process.stdout
    with tempfile.TemporaryDirectory() as folder:
        asked = {"program": program, "words": [*map(str, words)], "folder": folder}
        asked |= {"path": [str(path)] if path else [], "cwd": "/"}
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        status = int(process.stdout.readline())
        told = [Path(folder, name).read_text("utf-8") for name in ("out", "err")]
    return Ended(status, told[0], told[1])
