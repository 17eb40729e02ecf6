"""Translations of the made-up data by ``fairseq-generate``, by our task or stock."""

import shlex
from pathlib import Path

import bare
from conftest import ROOT, shortened


def hypotheses(output: str) -> dict[int, tuple[str, str]]:
    """Number of the sentence -> score and text of its H- line."""
    lines = [line for line in output.splitlines() if line.startswith("H-")]
    fields = [line.split("\t") for line in lines]
    return {int(number[2:]): (score, text) for number, score, text in fields}


GENERATE = """
import sys
from fairseq_cli.generate import cli_main
cli_main()
print(*sys.modules)
"""


def in_stock_fairseq(command: str) -> dict:
    """Run a printed command, and see that it imports nothing of this package."""
    program, *words = shlex.split(command)
    assert program == "fairseq-generate" and "--user-dir" not in words
    result = bare.run(GENERATE, *shortened("generate", (*words, "--cpu")))
    assert result.returncode == 0, result.stderr[-3000:]
    imported = result.stdout.splitlines()[-1].split()
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
