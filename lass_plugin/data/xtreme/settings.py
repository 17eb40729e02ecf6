"""What of a task is prepared, and for which model."""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.corpora.xtreme.tasks import TASKS
from lass_plugin.settings import Settings, argument, count, option, required, switch


@dataclass(frozen=True, kw_only=True)
class XtremePreparationSettings(Settings):
    """The original files of a task, the model that reads them, and the folder."""

    task: str = argument("task of XTREME", choices=tuple(TASKS), metavar="TASK")
    data: Path = required("folder of the task's original files", metavar="DIR")
    out: Path = required("data folder to make", metavar="DIR")
    model: Path = required(
        "folder with the model's dict.txt and sentencepiece.bpe.model (or spm.model)",
        metavar="DIR",
    )
    languages: tuple[str, ...] = option(
        (),
        "languages to test (default: XTREME's, which must all be there)",
        metavar="CODES",
    )
    train_languages: tuple[str, ...] = option(
        ("en",),
        "languages to train on: English alone is cross-lingual transfer, all are "
        "translate-train-all (default: %(default)s)",
        metavar="CODES",
    )
    length: int | None = count(
        None,
        "most tokens of an example (default: 384 for questions, 512 for BUCC and "
        "Tatoeba, else 128)",
    )
    stride: int = count(128, "tokens from a window of a context to the next")
    test_only: bool = switch("prepare no training and dev data")
    fresh: bool = switch("replace what the folder holds")
