"""Scores of all variants of a sweep after joint training."""

from collections.abc import Sequence

from lass_plugin.errors import LassError
from lass_plugin.evaluation import report_file
from lass_plugin.evaluation.comparison import Report
from lass_plugin.evaluation.systems import System
from lass_plugin.experiments import content
from lass_plugin.experiments.stage import Stage, State
from lass_plugin.experiments.sweeps.joint import JointTrainings
from lass_plugin.experiments.sweeps.settings import ComparisonSettings
from lass_plugin.experiments.sweeps.variants import Variant, stamp
from lass_plugin.languages import parse_pairs
from lass_plugin.records.plain_settings import record


def score_variants(
    settings: ComparisonSettings,
    variants: Sequence[Variant],
    trainings: JointTrainings,
) -> Report:
    """Translate and score every variant, the dense baseline first, in one process.

    Skipped where the same checkpoints have been scored in the same way.
    """
    from lass_plugin.evaluation.evaluation import evaluate

    folder = settings.out / "scores"
    systems = [
        System(variant.name, trainings.checkpoint(variant)) for variant in variants
    ]
    stage = Stage(
        folder,
        "scores",
        {
            "command": "scores of a sweep",
            "options": {
                "pairs": trainings.pairs,
                "split": settings.split,
                "decoding": record(settings.decoding),
            },
            "inputs": content.of_data(
                settings.folders[:1], trainings.pairs, [settings.split]
            ),
            "references": content.of_folder(
                settings.folders[0], [f"raw/{settings.split}.*"]
            ),
            "systems": {s.name: stamp(s.checkpoint) for s in systems},
        },
    )
    try:
        if stage.state() is State.DONE:
            return report_file.read(folder / "scores.json")
    except LassError:
        pass  # of other variants, or not whole
    stage.begin()
    result = evaluate(
        settings.folders[0],
        systems,
        parse_pairs(trainings.pairs),
        settings.split,
        folder,
        settings.decoding,
    )
    stage.finish([folder / "scores.json"])
    return result.report
