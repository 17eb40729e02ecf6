"""A start from a checkpoint that is not there.

Symptom: a training that was to go on from a model begins from random weights. fairseq
says so in one line of many where a path is empty, a folder, a device, or missing.
"""

import os

from fairseq.file_io import PathManager

from lass_plugin.errors import LassError

DEFAULT = "checkpoint_last.pt"


def check_start(
    restore_file: str,
    finetune_from_model: str | None,
    folder: str,
    continue_once: str | None = None,
) -> None:
    """Refuse a start from a checkpoint that is not there.

    A path inside the run's own folder may be missing: that is how scripts ask to go on
    from where a run was. A run that goes on needs its base no more.

    Args:
        restore_file: ``--restore-file``.
        finetune_from_model: ``--finetune-from-model``.
        folder: ``--save-dir``.
        continue_once: ``--continue-once``.

    Raises:
        LassError: names the option and the file.
    """
    if restore_file != DEFAULT and finetune_from_model:
        raise LassError(
            "--finetune-from-model and --restore-file exclude each other; give one"
        )
    own = os.path.join(folder, DEFAULT)
    if os.path.lexists(own) and not os.path.isfile(own):
        raise LassError(
            f"{own} is no file that a training could go on from; remove it, or choose "
            "another --save-dir"
        )
    begins = not os.path.exists(own)
    starts = {"--restore-file": restore_file if restore_file != DEFAULT else None}
    if begins and restore_file == DEFAULT:
        starts["--finetune-from-model"] = finetune_from_model
        starts["--continue-once"] = continue_once
    for option, path in starts.items():
        if path == "":
            raise LassError(f"{option} is empty; name a checkpoint, or leave it out")
        if path is None or PathManager.isfile(path):
            continue
        if PathManager.exists(path):
            raise LassError(f"{option} {path} is not a file; name a checkpoint")
        inside = os.path.abspath(os.path.dirname(path)) == os.path.abspath(folder)
        if option != "--restore-file" or not inside or os.path.lexists(path):
            raise LassError(f"{option} {path} does not exist")


def start_of(
    restore_file: str,
    finetune_from_model: str | None,
    folder: str,
    continue_once: str | None = None,
) -> str | None:
    """The file that a training begins from or goes on from, None where there is none.

    Args:
        restore_file, finetune_from_model, folder, continue_once: as in
            :func:`check_start`; None also for what is not on this machine's disks.
    """
    own = os.path.join(folder, DEFAULT)
    if restore_file != DEFAULT:
        path: str | None = restore_file
    elif os.path.exists(own):
        path = own
    else:
        path = continue_once or finetune_from_model
    return path if path and os.path.isfile(path) else None
