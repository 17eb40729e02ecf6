"""Words of fairseq-hydra-train as the options of fairseq-train that they stand for.

So that a stage of a recipe may begin a configuration of ``configs/``: where it writes,
how long it is and what it was made with are found as of any other training.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

PROGRAM = "fairseq-hydra-train"
_OVERRIDE = re.compile(r"\+{0,2}(?:\w+\.)+(\w+)=(.*)", re.DOTALL)


def as_options(command: Sequence[str]) -> list[str]:
    """*command* with ``checkpoint.save_dir=DIR`` as ``--save-dir DIR``, and so on.

    The folder and the name of the configuration become the file, ``--config FILE``.
    Commands of other programs are left as they are.
    """
    if command[0] != PROGRAM:
        return list(command)
    words = [command[0]]
    if (config := config_of(command)) is not None:
        words += ["--config", str(config)]
    before = ""
    for word in command[1:]:
        option, before = before, word
        if option in _CONFIG or word in _CONFIG:
            continue
        found = _OVERRIDE.fullmatch(word)
        if found is None:
            words.append(word)
            continue
        option = f"--{found[1].replace('_', '-')}"
        value = found[2].strip("'\"")
        words += [option] if value == "true" else [option, value]
    return words


_CONFIG = ("--config-dir", "--config-name")


def config_of(command: Sequence[str]) -> Path | None:
    """The configuration that *command* begins; None where it does not say."""
    given = dict(zip(command, command[1:], strict=False))
    if command[0] != PROGRAM or not all(option in given for option in _CONFIG):
        return None
    name = given["--config-name"].removesuffix(".yaml")
    return Path(given["--config-dir"]) / f"{name}.yaml"


def updates_in(command: Sequence[str]) -> str:
    """``max_update`` of the configuration of *command*; empty where it has none."""
    config = config_of(command)
    if config is None or not config.is_file():
        return ""
    content: Any = yaml.load(config.read_text(encoding="utf-8"), yaml.BaseLoader)
    if not isinstance(content, dict):
        return ""
    group = content.get("optimization")
    return str(group.get("max_update", "")) if isinstance(group, dict) else ""
