"""Measure what gates cost and bring: parameters and speed over the sparsity.

    lass gates speed dynamic.pt gradient.pt --key de --out pictures/
    lass gates speed any=dynamic.pt --key de --scores scores.txt --out pictures/

Every checkpoint of an encoder with gates is exported at its sparsity (gates for any: at
each of --sparsities), as 'lass gates export' does, and computes the states of random
sentences, by turns with the others and with the first one's dense model: one sentence
at a time on the CPU, 128 on a GPU where there is one (Li 2022, Fig. 4). DIR gets
speed.csv, .png and .svg; with --scores (lines SYSTEM SPARSITY SCORE) the scores stand
beside.
"""

from dataclasses import dataclass
from pathlib import Path

from lass_plugin.schedules import check_ratio
from lass_plugin.settings import Settings, argument, count, option, required, switch

HELP = "parameters and speed over the sparsity (Li 2022)"


@dataclass(frozen=True, kw_only=True)
class SpeedSettings(Settings):
    """Which models are measured, and how."""

    checkpoints: tuple[str, ...] = argument(
        "checkpoints with gates; NAME=FILE gives a system another name than its file",
        metavar="CHECKPOINT",
        nargs="+",
    )
    key: str = required("language whose model is exported", metavar="KEY")
    out: Path = required("folder for table and picture", metavar="DIR")
    sparsities: tuple[float, ...] = option(
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        "of gates that serve any",
        metavar="S,…",
        check=check_ratio,
    )
    scores: Path | None = option(
        None, "file with a line SYSTEM SPARSITY SCORE for each", metavar="FILE"
    )
    batch_size: int = count(1, "sentences of a batch on the CPU (default: 1)")
    gpu_batch_size: int = count(128, "on a GPU (default: 128)")
    words: int = count(32, "tokens of a sentence (default: 32)")
    rounds: int = count(20, "batches of each model (default: 20)")
    cpu: bool = switch("do not measure on the GPU")


SETTINGS = SpeedSettings


def run(settings: SpeedSettings) -> int:
    """Measure, print the table, and write it with the picture."""
    import torch

    from lass_plugin.analysis.gate_speed import (
        Sized,
        at_sparsities,
        check_scores,
        dense,
        random_tokens,
        read_scores,
        sentences_per_second,
        write_speed,
    )
    from lass_plugin.anatomy.encoders import (
        EMBEDDING_WEIGHT,
        positions_of,
        stands_alone,
    )
    from lass_plugin.anatomy.older_names import todays_names
    from lass_plugin.checkpoints.checkpoint import Checkpoint
    from lass_plugin.cli.gates_draw import named_places
    from lass_plugin.errors import LassError
    from lass_plugin.records.text_tables import print_table

    scores = read_scores(settings.scores) if settings.scores else {}
    models: list[Sized] = []
    symbols = []
    for name, path in named_places(settings.checkpoints):
        checkpoint = Checkpoint.read_whole(path)
        weights = todays_names(checkpoint.weights)
        if not stands_alone(weights):
            raise LassError(
                f"{path} is no encoder alone; models that translate are not measured "
                "here, but exported by 'lass gates export'"
            )
        symbols.append(len(weights[EMBEDDING_WEIGHT]))
        if settings.words > (limit := positions_of(weights)):
            raise LassError(
                f"--words {settings.words} is more than the {limit} positions of "
                f"{path}; give {limit} or fewer"
            )
        if not models:
            models.append(dense(checkpoint, settings.key))
        models += at_sparsities(name, checkpoint, settings.key, settings.sparsities)
    check_scores(scores, models)
    speeds = {}
    of_device = {"CPU": ("cpu", settings.batch_size)}
    if torch.cuda.is_available() and not settings.cpu:
        of_device["GPU"] = ("cuda", settings.gpu_batch_size)
    for device, (place, size) in of_device.items():
        tokens = random_tokens(min(symbols), size, settings.words).to(place)
        modules = [each.model for each in models]
        label = f"measuring on the {device}"
        speeds[device] = sentences_per_second(modules, tokens, settings.rounds, label)
    written = write_speed(models, speeds, scores, settings.out)
    rows = [["system", "sparsity", "parameters of layers", "all", *speeds]]
    for number, each in enumerate(models):
        of_each = [values[number] for values in speeds.values()]
        first = [values[0] for values in speeds.values()]
        times = [
            f"{n:.1f} (x {n / d:.2f})" for n, d in zip(of_each, first, strict=True)
        ]
        sizes = [f"{each.layers:,}", f"{each.whole:,}"]
        rows.append([each.system, f"{each.sparsity:.3f}", *sizes, *times])
    print_table(rows)
    for path in written:
        print(path)
    return 0
