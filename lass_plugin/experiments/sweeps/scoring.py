"""Scores of all variants of a sweep after joint training."""

import json
from pathlib import Path
from typing import Any, Sequence

from lass_plugin import files
from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.comparison import Report
from lass_plugin.evaluation.systems import System
from lass_plugin.experiments.sweeps.joint import JointTrainings
from lass_plugin.experiments.sweeps.settings import ComparisonSettings
from lass_plugin.experiments.sweeps.variants import Variant
from lass_plugin.languages import parse_pairs


def score_variants(
    settings: ComparisonSettings,
    variants: Sequence[Variant],
    trainings: JointTrainings,
) -> Report:
    """Translate and score every variant, the dense baseline first, in one process.

    Skipped where the same checkpoints have been scored in the same way.
    """
    from lass_plugin.evaluation.evaluation import evaluate

    folder, path = settings.out / "scores", settings.out / "scores" / "scored.json"
    systems = [
        System(variant.name, trainings.checkpoint(variant)) for variant in variants
    ]
    record = {
        "systems": {s.name: _stamp(s.checkpoint) for s in systems},
        "pairs": trainings.pairs,
        "split": settings.split,
        "decoding": repr(settings.decoding),
    }
    try:
        if json.loads(path.read_text(encoding="utf-8")) == record:
            return report_file.read(folder / "scores.json")
    except (OSError, ValueError, LassError):
        pass  # not scored before, or not whole
    path.unlink(missing_ok=True)
    result = evaluate(
        settings.folders[0],
        systems,
        parse_pairs(trainings.pairs),
        settings.split,
        folder,
        settings.decoding,
    )
    files.write_json(path, record)
    return result.report


def _stamp(path: Path) -> list[Any]:
    """What changes when a checkpoint is written again."""
    try:
        state = path.stat()
    except OSError as error:
        raise LassError(
            f"the joint training has left no {path}; run the same command again"
        ) from error
    return [str(path), state.st_size, state.st_mtime_ns]
