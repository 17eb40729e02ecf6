"""Joining: one checkpoint to translate with, of the differences of several trainings.

So a language is added without training the others again, and what is kept on disk is
the differences alone: no optimizer, and values in half precision where that is asked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from lass_plugin.checkpoints.checkpoint import Checkpoint, changed_options
from lass_plugin.checkpoints.trained_with import ENTRY as DICTIONARIES
from lass_plugin.errors import LassError
from lass_plugin.languages import Pair, parse_pairs, sides_of, written
from lass_plugin.masks.fingerprint import same_weights
from lass_plugin.methods.sparse_tuning.stored import (
    ENTRY,
    NAME,
    PARTS,
    Entry,
)


@dataclass(frozen=True)
class Joined:
    """A checkpoint, and what its differences take on disk."""

    content: dict[str, Any]
    entry: Entry
    bits: dict[str, float]
    """Key -> bits for each weight of its difference: value and position."""


def join(paths: Sequence[Path], keys: Iterable[str] = (), half: bool = False) -> Joined:
    """The differences of the checkpoints at *paths* in one.

    Args:
        keys: the differences to keep; none for all.
        half: store values in half precision.

    Raises:
        LassError: they do not go together, or a difference is missing or there twice.
    """
    first, *others = [Checkpoint.read_whole(path) for path in paths]
    entry = entry_of(first)
    owners = dict.fromkeys(entry.positions, first)
    for other in others:
        more = entry_of(other)
        _check_together(entry, first, more, other)
        for key in more.positions:
            if key in owners:
                raise LassError(
                    f"{owners[key].path} and {other.path} both have a difference of "
                    f"{key}; leave one out with the other's --keys first"
                )
            owners[key] = other
        positions = {**entry.positions, **more.positions}
        entry = replace(entry, positions=positions, made={**entry.made, **more.made})
    wanted = list(keys) or sorted(owners)
    for key in wanted:
        if key not in owners:
            raise LassError(
                f"there is no difference of {key}; there are those of "
                f"{', '.join(sorted(owners))}"
            )
    positions = {key: entry.positions[key] for key in wanted}
    made = {key: entry.made[key] for key in wanted}
    entry = replace(entry, positions=positions, made=made)
    model, bits, state = {}, {}, entry.to_state()
    for key in wanted:
        values: Tensor = entry.values_in(owners[key], key)
        values = values.half() if half else values.clone()
        model[f"{NAME}.{written(key)}"] = values
        size = values.numel() * values.element_size()
        size += state["keys"][key]["positions"].numel()
        bits[key] = 8 * size / max(1, values.numel())
    pairs = [pair for each in (first, *others) for pair in _pairs_of(each)]
    listed = ",".join(computed_with(entry, dict.fromkeys(pairs)))
    content = first.as_start(
        cfg=_with_pairs(first.content.get("cfg"), listed),
        model=model,
        task_state={**first.task_state, ENTRY: state},
    )
    return Joined(content, entry, bits)


def entry_of(checkpoint: Checkpoint) -> Entry:
    """What *checkpoint* says of its differences.

    Raises:
        LassError: it has none, or the entry is damaged.
    """
    entry = checkpoint.task_state.get(ENTRY)
    if entry is None:
        raise LassError(
            f"{checkpoint.path} holds no {PARTS}; give a checkpoint of --task "
            "translation_sparse_tuning"
        )
    return Entry.from_state(entry, str(checkpoint.path))


def _check_together(
    entry: Entry, first: Checkpoint, more: Entry, other: Checkpoint
) -> None:
    """Refuse differences to another base, or of other languages or dictionaries."""
    both = f"{first.path} and {other.path}"
    if entry.shapes != more.shapes or not same_weights(
        entry.fingerprint, more.fingerprint
    ):
        raise LassError(f"{both} have differences to other bases; join those to one")
    if entry.by_pair != more.by_pair:
        raise LassError(
            f"{both} have differences of pairs and of languages; join one kind"
        )
    for name, what in (("language_tokens", "language tokens"), (DICTIONARIES, "text")):
        if first.task_state.get(name) != other.task_state.get(name):
            raise LassError(
                f"{both} were trained with other {what} (dictionary or languages); "
                "join those that were trained with the same"
            )


def _pairs_of(checkpoint: Checkpoint) -> list[Pair]:
    return parse_pairs((checkpoint.task_options or {}).get("lang_pairs") or "")


def computed_with(entry: Entry, pairs: Iterable[Pair]) -> list[str]:
    """Pairs, of *pairs*, whose differences are all there; all of them if there are
    none: then others were left out, and directions without training are wanted."""
    there = entry.positions.keys()
    kept = [p for p in pairs if str(p) in there or there >= set(sides_of(p))]
    return list(map(str, kept or pairs))


def _with_pairs(cfg: Any, pairs: str) -> Any:
    """The options of a training, with the pairs of all that are joined."""
    return changed_options(
        cfg, {"task": changed_options(cfg["task"], {"lang_pairs": pairs})}
    )
