"""What systems cost: parameters, bytes, speed (He 2023, Tables 12 and 13)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.evaluation.choice import digits_of
from lass_plugin.evaluation.individual import Individual
from lass_plugin.evaluation.systems import System
from lass_plugin.evaluation.throughput import Throughput
from lass_plugin.masks.file import SUFFIX, masks_at
from lass_plugin.methods.registry import method_of
from lass_plugin.methods.subnetworks.method import Subnetworks
from lass_plugin.records.table import Table


@dataclass(frozen=True)
class Cost:
    """Parameters and bytes of one system, as in He 2023, Table 12.

    Attributes:
        parameters: in all; a tensor that the model uses twice counts once.
        maskable: those that the masks cover, 0 without masks.
        kept: pair -> parameters that its sub-network uses; empty without masks.
        weight_bytes: of the parameters as the checkpoint stores them.
        mask_bytes: of all masks: their files, or their bits in the checkpoint.
        file_bytes: the checkpoint on disk. fairseq writes the optimizer's state into it
            too, unless it is told ``--no-save-optimizer-state``.
        carried: the masks are inside the checkpoint.
        base_parameters: of the base that low-rank modules or the like stand in, part
            of *parameters*; 0 without them. Its bytes are not counted.
        parts: what stands in the base, in words.
        of_keys: key -> those that it computes with, where that is not all of them: each
            key has whole parts of its own, or a model.
    """

    name: str
    checkpoint: str
    parameters: int
    maskable: int
    kept: Mapping[str, int]
    weight_bytes: int
    mask_bytes: int
    file_bytes: int
    carried: bool
    base_parameters: int = 0
    parts: str = ""
    of_keys: Mapping[str, int] = field(default_factory=dict)

    @property
    def parameters_of_a_pair(self) -> int:
        """What a translation computes with: what is in a base is merged for it.

        Of keys that differ, the largest.
        """
        return max(self.sizes_of_pairs)

    @property
    def sizes_of_pairs(self) -> tuple[int, ...]:
        """What translations compute with, of each key where keys differ."""
        alike = self.base_parameters or self.parameters
        return tuple(self.of_keys.values()) or (alike,)

    @property
    def checkpoint_bytes(self) -> int:
        """The checkpoint on disk without the masks that it carries."""
        return self.file_bytes - (self.mask_bytes if self.carried else 0)

    @property
    def mask_bits(self) -> float | None:
        """Bits on disk for each weight and mask, None without masks."""
        if not self.kept:
            return None
        return 8 * self.mask_bytes / (self.maskable * len(self.kept))


def cost_of(
    name: str,
    checkpoint: str | Path,
    inference_masks: str | None = None,
    base: str | Path | None = None,
    sparsity: float | None = None,
) -> Cost:
    """Read what a checkpoint and its masks take.

    Args:
        inference_masks: a folder, files (with commas) or a checkpoint with the masks in
            use; None for those that the checkpoint carries, if any.
        base: of low-rank modules; None for where it was in training.
        sparsity: of gates that serve any.

    Raises:
        LassError: a file is missing or damaged, or the masks are of another model.
    """
    path = Path(checkpoint)
    state = Checkpoint.read(path)
    method = method_of(state.task_state, str(path)).at_sparsity(sparsity)
    tensors = [t for n, t in state.parameters.items() if method.is_parameter(n)]
    own = not inference_masks and method.carries_masks
    if inference_masks:
        method = Subnetworks(masks_at(inference_masks))
    sizes = method.sizes(state, None if base is None else Path(base))
    return Cost(
        name,
        str(path),
        sizes.base_parameters + sum(tensor.numel() for tensor in tensors),
        sizes.maskable,
        sizes.kept,
        sum(tensor.numel() * tensor.element_size() for tensor in tensors),
        _bytes_of_files(inference_masks) or sizes.mask_bytes,
        path.stat().st_size,
        own,
        sizes.base_parameters,
        method.words,
        sizes.of_keys,
    )


def cost_of_system(system: System, inference_masks: str | None = None) -> Cost:
    """Read what a system takes; of one model a pair the sum over its checkpoints.

    Args:
        inference_masks: as for :func:`cost_of`.

    Raises:
        LassError: as :func:`cost_of`.
    """
    if not isinstance(system, Individual):
        how = inference_masks, system.base, system.sparsity
        return cost_of(system.name, system.checkpoint, *how)
    each = {path: cost_of(system.name, path) for path in system.of_pairs.values()}
    of_keys = {
        str(pair): each[path].parameters_of_a_pair
        for pair, path in system.of_pairs.items()
    }
    return Cost(
        system.name,
        str(system.checkpoint),
        sum(cost.parameters for cost in each.values()),
        0,
        {},
        sum(cost.weight_bytes for cost in each.values()),
        0,
        sum(cost.file_bytes for cost in each.values()),
        False,
        of_keys=of_keys,
    )


def _bytes_of_files(places: str | None) -> int:
    """Bytes of the mask files at *places*, 0 where they are not all such files."""
    files: list[Path] = []
    for place in map(Path, places.split(",") if places else ()):
        files += sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else [place]
    if not all(file.suffix == SUFFIX for file in files):
        return 0
    return sum(file.stat().st_size for file in files)


def size_table(
    costs: Sequence[Cost], scores: Mapping[str, tuple[str, float]] | None = None
) -> Table:
    """Parameters and bytes, a row a system (He 2023, Table 12).

    Args:
        scores: system -> metric and its mean, for a column as in the paper.
    """
    scores = scores or {}
    headings = [metric for metric, _ in scores.values()][:1]
    rows, records = [], []
    for cost in costs:
        record: dict[str, Any] = {
            "system": cost.name,
            "checkpoint": cost.checkpoint,
            "parameters": cost.parameters,
            "of_the_base": cost.base_parameters,
            "of_a_pair": cost.parameters_of_a_pair,
            "maskable": cost.maskable,
            "masks": len(cost.kept),
            "checkpoint_bytes": cost.checkpoint_bytes,
            "weight_bytes": cost.weight_bytes,
            "mask_bytes": cost.mask_bytes,
            "masks_in_checkpoint": cost.carried,
            "bits_per_weight": cost.mask_bits,
        }
        cells = ["–"] * len(headings)
        if cost.name in scores:
            metric, score = scores[cost.name]
            record |= {"metric": metric, "score": score}
            cells = [f"{score:.{digits_of(metric)}f}"]
        cells += [_range(cost.sizes_of_pairs), _kept(cost)]
        cells.append(_millions(cost.parameters))
        sizes = (cost.checkpoint_bytes, cost.weight_bytes, cost.mask_bytes)
        cells += map(_mebibytes, sizes)
        cells.append("–" if cost.mask_bits is None else f"{cost.mask_bits:.3f}")
        rows.append((cost.name, *cells))
        records.append(record)
    headings += ["a pair", "kept by a pair", "in all", "checkpoint", "of it weights"]
    notes = [
        "a pair: parameters that its translation computes with; kept by a pair: "
        "without those that its mask removes; in all: of all pairs together",
        "MiB on disk; checkpoint: the file without the masks in it, but with the "
        "optimizer's state where fairseq has saved that; masks: of all pairs",
    ]
    in_a_base = [cost for cost in costs if cost.base_parameters]
    for parts in dict.fromkeys(cost.parts for cost in in_a_base):
        names = ", ".join(cost.name for cost in in_a_base if cost.parts == parts)
        notes.append(
            f"{names}: {parts}, merged into their base to translate; the MiB are those "
            "of what stands in the base alone"
        )
    return Table(
        "size",
        "Parameters and disk",
        ("system", *headings, "masks", "bits/weight"),
        tuple(rows),
        notes=tuple(notes),
        records=tuple(records),
    )


def pair_table(costs: Sequence[Cost]) -> list[Table]:
    """Parameters that each pair's sub-network keeps; no table without masks."""
    masked = [cost for cost in costs if cost.kept]
    rows, records = [], []
    for pair in dict.fromkeys(pair for cost in masked for pair in cost.kept):
        cells = [pair]
        for cost in masked:
            if pair not in cost.kept:
                cells.append("–")
                continue
            kept = cost.kept[pair]
            maskable = kept - (cost.parameters - cost.maskable)
            share = maskable / cost.maskable
            cells.append(f"{_millions(kept)} ({100 * share:.1f} %)")
            records.append(
                {
                    "pair": pair,
                    "system": cost.name,
                    "kept": kept,
                    "parameters": cost.parameters,
                    "kept_of_maskable": maskable,
                    "maskable": cost.maskable,
                    "share_kept": share,
                }
            )
        rows.append(tuple(cells))
    table = Table(
        "pairs",
        "Parameters that each pair keeps",
        ("pair", *(cost.name for cost in masked)),
        tuple(rows),
        notes=("in parentheses: share kept of the weights that masks cover",),
        records=tuple(records),
    )
    return [table] if masked else []


def speed_table(
    speeds: Mapping[str, Mapping[str, Throughput]], devices: Mapping[str, str]
) -> Table:
    """Tokens a second, a row a system (He 2023, Table 13).

    Args:
        speeds: device (``CPU``, ``GPU``) -> system -> its runs; the systems are the
            same on all devices.
        devices: device -> what it is, in words.
    """
    first = next(iter(speeds.values()))
    rows = {name: [name] for name in first}
    records = []
    for name, cells in rows.items():
        for device, of in speeds.items():
            speed = of[name]
            spread = "" if speed.deviation is None else f" ± {speed.deviation:.2f}"
            cells.append(f"{speed.mean:.2f}{spread}")
            records.append(
                {
                    "system": name,
                    "device": device,
                    "name": devices[device],
                    "tokens_per_second": speed.mean,
                    "deviation": speed.deviation,
                    "runs": len(speed.runs),
                    "tokens": speed.tokens,
                    "sentences": speed.sentences,
                    "each_run": " ".join(f"{value:.4f}" for value in speed.runs),
                }
            )
    one = next(iter(first.values()))
    runs = f"{len(one.runs)} runs" if len(one.runs) > 1 else "1 run"
    notes = [
        f"mean ± standard deviation (n - 1) over {runs} of {one.sentences} sentences; "
        "tokens of the translations, ends of sentences included",
        *(f"{device}: {text}" for device, text in devices.items()),
    ]
    return Table(
        "speed",
        "Tokens a second, one sentence at a time",
        ("system", *speeds),
        tuple(map(tuple, rows.values())),
        notes=tuple(notes),
        records=tuple(records),
    )


def _kept(cost: Cost) -> str:
    """The smallest and largest sub-network."""
    return _range(cost.kept.values() or cost.sizes_of_pairs)


def _range(sizes: Collection[int]) -> str:
    """The smallest and the largest number, as one where they look alike."""
    return "–".join(dict.fromkeys(map(_millions, (min(sizes), max(sizes)))))


def _millions(number: int) -> str:
    digits = 1 if number >= 10_000_000 else 2
    return f"{number / 1_000_000:.{digits}f}M"


def _mebibytes(size: int) -> str:
    value = size / 2**20
    return f"{value:.{0 if value >= 100 else 2}f}" if size else "–"
