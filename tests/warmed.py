"""What every command does first, done once before processes are forked for commands.

Options become a configuration by parsers that keep what they have learned; a process
that is forked behind this begins with that.
"""

import gc
import os
from pathlib import Path

import forked  # noqa: F401, what a forked process is asked for
from in_process import training_config, translation_config

from lass_plugin.cli.main import build_parser

TRAINED = ("subnetwork", "subnetwork_search", "lslo", "gates", "adapters", "decoders")

for name in TRAINED:
    task = ("--task", f"translation_{name}")
    training_config(Path("data"), "--lang-pairs", "de-en", "--max-update", 2, *task)
for name in ("subnetwork", "lslo", "gates"):
    translation_config(Path("data"), f"--task translation_{name} --source-lang de")
build_parser()
gc.collect()
gc.freeze()  # a collection would copy every page that the processes share

folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)[1:]
os.environ["PYTHONPATH"] = os.pathsep.join(folders)  # as it is without these tests
if not folders:
    del os.environ["PYTHONPATH"]
