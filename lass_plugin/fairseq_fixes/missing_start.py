"""A start from a checkpoint that is not there.

Symptom: a training that was to go on from a model begins from scratch. fairseq says so
in one line of many where ``--restore-file`` does not exist.
"""

import os

from lass_plugin.errors import LassError


def check_start(
    restore_file: str, finetune_from_model: str | None, folder: str
) -> None:
    """Refuse a start from a checkpoint that is not there.

    A path inside the run's own folder may be missing: that is how scripts ask to go on
    from where a run was. A run that goes on needs its base no more.

    Args:
        restore_file: ``--restore-file``.
        finetune_from_model: ``--finetune-from-model``.
        folder: ``--save-dir``.

    Raises:
        LassError: names the file.
    """
    default = "checkpoint_last.pt"
    if restore_file != default and finetune_from_model:
        raise LassError(
            "--finetune-from-model and --restore-file exclude each other; give one"
        )
    inside = os.path.abspath(os.path.dirname(restore_file)) == os.path.abspath(folder)
    goes_on = os.path.exists(os.path.join(folder, default))
    starts = {
        "--restore-file": None if inside else restore_file,
        "--finetune-from-model": None if goes_on else finetune_from_model,
    }
    for option, path in starts.items():
        if not path or path == default or "://" in path:
            continue
        if not os.path.exists(path):
            raise LassError(f"{option} {path} does not exist")
