"""What is evaluated on a prepared task, and how."""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.settings import Settings, argument, count, option, required, switch


@dataclass(frozen=True, kw_only=True)
class XtremeEvaluationSettings(Settings):
    """A checkpoint, the data of a task, and where the scores go."""

    data: Path = argument("folder of lass xtreme prepare", metavar="DATA")
    checkpoint: Path = required(
        "fine-tuned on the task (of BUCC and Tatoeba: any encoder)", metavar="FILE"
    )
    out: Path = required("folder for predictions and scores", metavar="DIR")
    name: str = option(
        "system", "name of the system in tables (default: %(default)s)", metavar="NAME"
    )
    split: str = option(
        "test", "what is predicted (default: %(default)s)", choices=("test", "valid")
    )
    batch_size: int = count(32, "examples of a batch (default: %(default)s)")
    layer: int = option(
        8,
        "layer whose mean stands for a sentence (BUCC, Tatoeba; 0: the embeddings; "
        "default: %(default)s)",
        least=0,
        metavar="N",
    )
    neighbours: int = count(
        4, "nearest neighbours in the ratio margin (BUCC; default: %(default)s)"
    )
    longest: int = count(
        30, "most tokens of an answer (questions; default: %(default)s)"
    )
    n_best: int = count(
        20, "starts and ends that are tried (questions; default: %(default)s)"
    )
    sparsity: float | None = option(
        None,
        "share of heads and units to leave out (gates for any sparsity)",
        least=0,
        metavar="SHARE",
    )
    cpu: bool = switch("compute on the CPU where there is a GPU")
