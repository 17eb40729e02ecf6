"""Translations of the made-up data by ``fairseq-generate``, by our task or stock."""

import re
import shlex
from pathlib import Path

from conftest import ROOT, Commands


def hypotheses(output: str) -> dict[int, tuple[str, str]]:
    """Number of the sentence -> score and text of its H- line."""
    lines = [line for line in output.splitlines() if line.startswith("H-")]
    fields = [line.split("\t") for line in lines]
    return {int(number[2:]): (score, text) for number, score, text in fields}


def in_stock_fairseq(commands, command: str) -> dict:
    """Run a printed command, and see that it imports nothing of this package."""
    program, *words = shlex.split(command)
    assert program == "fairseq-generate" and "--user-dir" not in words
    result = Commands(commands.data).run(
        "generate",
        *words,
        "--cpu",
        env={"PYTHONPATH": "", "PYTHONPROFILEIMPORTTIME": "1"},
        cwd="/",
    )
    imported = re.findall(r"^import time:.*\| +(\S+)$", result.stderr, re.MULTILINE)
    assert "fairseq" in imported
    assert not [name for name in imported if name.startswith("lass")]
    return hypotheses(result.stdout)


def with_the_plugin(commands, joint: Path, pair: str, *more: object) -> dict:
    """What ``fairseq-generate`` makes of the test set of *pair*."""
    source, target = pair.split("-")
    result = commands.run(
        "generate",
        commands.data,
        *("--user-dir", ROOT / "lass_plugin", "--task", "translation_subnetwork"),
        *("--path", joint, "-s", source, "-t", target, "--cpu", *more),
    )
    return hypotheses(result.stdout)
