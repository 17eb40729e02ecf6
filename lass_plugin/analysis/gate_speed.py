"""What gates cost and bring: scores, parameters and speed over the sparsity.

Li 2022, Figure 4: its four panels, of models that are exported at every sparsity.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from lass_plugin.anatomy.places import find_place
from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.parallel_text import read_lines
from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.methods.gates.carried import gates_for
from lass_plugin.methods.gates.export import Export, build, export
from lass_plugin.methods.gates.sets import DYNAMIC
from lass_plugin.records.csv_table import write_csv
from lass_plugin.records.curves import Curve, draw_panels

NAME = "speed.csv"
DENSE = "dense"
"""The first model with all of its gates open."""
FIRST_SYMBOL = 4
"""Behind fairseq's own."""


@dataclass(frozen=True, eq=False)
class Sized:
    """A model at a sparsity."""

    system: str
    asked: float
    sparsity: float
    """Weighted share of heads and hidden units that is gone (App. B)."""
    model: nn.Module
    layers: int
    """Parameters of the layers."""
    whole: int
    """All parameters, a tied one once."""


def at_sparsities(
    name: str, checkpoint: Checkpoint, key: str, sparsities: Sequence[float]
) -> Iterator[Sized]:
    """The exported models of a checkpoint with gates.

    Args:
        sparsities: of gates that serve any; others have their own.

    Raises:
        LassError: see :func:`.export`.
    """
    sets = gates_for(checkpoint, None)
    serves_any = sets.kind == DYNAMIC
    for asked in sparsities if serves_any else (None,):
        made = export(checkpoint, key, sets.values(key, asked))
        yield _sized(name, made, made.sparsity if asked is None else asked)


def dense(checkpoint: Checkpoint, key: str) -> Sized:
    """The model of *checkpoint* with all gates open."""
    return _sized(DENSE, export(checkpoint, key, {}), 0.0)


def _sized(name: str, made: Export, asked: float) -> Sized:
    tensors = made.content["model"]
    model = build(made.options, tensors, name).eval()
    sizes = {name: tensor.numel() for name, tensor in model.named_parameters()}
    layers = sum(n for name, n in sizes.items() if find_place(name).layer is not None)
    return Sized(name, asked, made.sparsity, model, layers, sum(sizes.values()))


def sentences_per_second(
    models: Sequence[nn.Module], tokens: Tensor, rounds: int, label: str
) -> list[float]:
    """The median speed of each model, which compute by turns; they stay on the device.

    Args:
        tokens: (sentences, length) on the device to compute on.
    """
    progress = Progress(label, (rounds + 1) * len(models))
    on_gpu = tokens.device.type == "cuda"
    times: list[list[float]] = [[] for _ in models]
    placed = [model.to(tokens.device) for model in models]
    with torch.no_grad():
        for turn in range(rounds + 1):
            for model, taken in zip(placed, times, strict=True):
                start = time.perf_counter()
                model(tokens, features_only=True)
                if on_gpu:
                    torch.cuda.synchronize()
                if turn:  # the first is slower
                    taken.append(time.perf_counter() - start)
                progress.advance(1)
    progress.finish()
    return [len(tokens) / median(taken) for taken in times]


def random_tokens(symbols: int, sentences: int, words: int, seed: int = 1) -> Tensor:
    """(sentences, words) numbers of symbols, none of them fairseq's own."""
    generator = torch.Generator().manual_seed(seed)
    size = (sentences, words)
    return torch.randint(FIRST_SYMBOL, symbols, size, generator=generator)


def read_scores(path: Path) -> dict[tuple[str, float], float]:
    """(system, sparsity) -> score, from a file with ``SYSTEM SPARSITY SCORE`` lines.

    Raises:
        LassError: a line is something else.
    """
    found = {}
    for line in read_lines(path):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        try:
            name, sparsity, score = words
            place, number = (name, round(float(sparsity), 6)), float(score)
            if not math.isfinite(number) or place in found:
                raise ValueError
            found[place] = number
        except ValueError as error:
            raise LassError(
                f"{path} has the line '{line[:60]}'; write system, sparsity and score, "
                "each pair once, such as dynamic 0.5 81.2"
            ) from error
    return found


def check_scores(
    scores: Mapping[tuple[str, float], float], models: Sequence[Sized]
) -> None:
    """Refuse a score of a model that is not measured.

    Raises:
        LassError: names it, and the models that are.
    """
    known = [_place(each) for each in models]
    for place in scores:
        if place not in known:
            there = ", ".join(f"{name} {asked:g}" for name, asked in known)
            raise LassError(
                f"--scores has a score of {place[0]} {place[1]:g}, which is not "
                f"measured; give scores of {there}"
            )


def _place(model: Sized) -> tuple[str, float]:
    """System and sparsity, by which a score names a model."""
    return model.system, round(model.asked, 6)


def write_speed(
    models: Sequence[Sized],
    speeds: Mapping[str, Sequence[float]],
    scores: Mapping[tuple[str, float], float],
    out: Path,
) -> list[Path]:
    """Write ``speed.csv`` and the picture.

    Args:
        speeds: device -> sentences a second of each model.
        scores: (system, sparsity asked for) -> score, where there is one.
    """
    rows = []
    for number, each in enumerate(models):
        score = scores.get(_place(each))
        rows.append(
            {
                "system": each.system,
                "sparsity": round(each.sparsity, 6),
                "score": "" if score is None else score,
                "layers": each.layers,
                "all": each.whole,
                **{f"{d}_sentences_per_second": s[number] for d, s in speeds.items()},
            }
        )
    panels = {"score": "score"} if any(row["score"] != "" for row in rows) else {}
    panels |= {"parameters of the layers (millions)": "layers"}
    panels |= {f"sentences a second, {d}": f"{d}_sentences_per_second" for d in speeds}
    pictures = draw_panels(
        {title: _curves(rows, column) for title, column in panels.items()},
        out / "speed",
        "what gates cost and bring",
        "sparsity",
        "",
        one_scale=False,
    )
    return [write_csv(out / NAME, rows), *pictures]


def _curves(rows: Sequence[Mapping[str, object]], column: str) -> list[Curve]:
    """A curve for each system; one of a single sparsity is a mark."""
    unit = 1e6 if column == "layers" else 1.0
    curves = []
    for name in dict.fromkeys(str(row["system"]) for row in rows):
        points = sorted(
            (float(str(row["sparsity"])), float(str(row[column])) / unit)
            for row in rows
            if row["system"] == name and row[column] != ""
        )
        if points:
            x, y = zip(*points, strict=True)
            curves.append(Curve(name, x, y))
    return curves
