"""Tell what would make an installation with this Python fail, a sentence for each.

Usage: python scripts/check_machine.py [DIRECTORY of the environment]

Exit status 0: nothing was found; 1: something was. Without DIRECTORY only this Python
and the compiler are looked at, not the disk and the memory.
"""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

GIB = 2**30
DISK_GIB = 4.0
TEMPORARY_GIB = 1.0
MEMORY_GIB = 3.0
APT = "(Debian, Ubuntu: apt-get install python3-venv python3-dev g++)"
SKIP = "or set LASS_SKIP_CHECKS=1 to try all the same"


def version() -> str:
    """Such as ``3.11``."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def check_venv() -> str | None:
    """Debian packages ``venv`` and ``ensurepip`` apart from Python."""
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            return (
                f"Python {version()} has no {module} module; install it {APT} or name "
                "another Python with PYTHON=/path/to/python3.11"
            )
    return None


def has_wheel_on_312() -> bool:
    """Whether fairseq is to be had ready compiled for Python 3.12 on this machine."""
    return platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"


def check_compiler() -> str | None:
    """Let the compiler read Python.h, in the C++ standard that PyTorch asks for."""
    reason = f"fairseq is compiled on Python {version()}"
    remedy = f"install what is missing {APT}"
    if has_wheel_on_312():
        remedy += ", or use Python 3.12, which needs no compiler"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    if not header.exists():
        return f"{reason} and {header} is missing; {remedy}"
    for variable, default in (("CC", "cc"), ("CXX", "c++")):
        named = os.environ.get(variable) or sysconfig.get_config_var(variable)
        command = (named or default).split()
        if shutil.which(command[0]) is None:
            return f"{reason} and there is no C++ compiler ({command[0]}); {remedy}"
    standard = "c++20" if sys.version_info >= (3, 11) else "c++11"
    result = subprocess.run(
        [command[0], f"-std={standard}", "-fsyntax-only", f"-I{header.parent}"]
        + ["-x", "c++", "-"],
        input="#include <Python.h>\n#include <string>\n",
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        return (
            f"{reason} and {command[0]} cannot compile "
            f"a line of {standard} with Python.h; {remedy}"
        )
    return None


def check_disk(directory: Path) -> str | None:
    """Room for the environment, and for pip's temporary files."""
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free / GIB
    if free < DISK_GIB:
        return (
            f"{directory} has {free:.1f} GB free and the installation needs "
            f"{DISK_GIB:.0f} there; free some, name another place with LASS_VENV=DIR, "
            f"{SKIP}"
        )
    temporary = tempfile.gettempdir()
    free = shutil.disk_usage(temporary).free / GIB
    if free < TEMPORARY_GIB:
        return (
            f"{temporary} has {free:.1f} GB free and the installation needs "
            f"{TEMPORARY_GIB:.0f} there; free some, set TMPDIR=DIR, {SKIP}"
        )
    return None


def available_memory() -> int | None:
    """Bytes of memory to be had (with swap, under the container's limit)."""
    try:
        fields = dict(
            line.split(":", 1)
            for line in Path("/proc/meminfo").read_text().splitlines()
        )
        available = sum(
            int(fields[name].split()[0]) * 1024 for name in ("MemAvailable", "SwapFree")
        )
    except (OSError, KeyError, ValueError):
        return None
    for limit in (
        Path("/sys/fs/cgroup/memory.max"),
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ):
        try:
            available = min(available, int(limit.read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return available


def check_memory() -> str | None:
    """Memory for the compiler and, later, for a small training."""
    available = available_memory()
    if available is not None and available < MEMORY_GIB * GIB:
        return (
            f"{available / GIB:.1f} GB of memory are free and {MEMORY_GIB:.0f} are "
            f"needed; end other programs, {SKIP}"
        )
    return None


def main(arguments: list) -> int:
    """Print the faults found."""
    faults = [check_venv()]
    if version() != "3.12" or not has_wheel_on_312():
        faults.append(check_compiler())
    if arguments:
        faults += [check_disk(Path(arguments[0])), check_memory()]
    found = [fault for fault in faults if fault]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
