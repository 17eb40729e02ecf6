"""What a search has come to, read from its checkpoint; and its mask."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterable, Mapping

from lass_plugin.checkpoints.checkpoint import (
    read_checkpoint,
    search_states,
    searched_mask,
)
from lass_plugin.data.progress import duration
from lass_plugin.errors import LassError
from lass_plugin.experiments.searches.settings import SearchSettings
from lass_plugin.languages import Pair
from lass_plugin.masks import load_mask, save_mask
from lass_plugin.masks.file import SUFFIX, describe
from lass_plugin.masks.fingerprint import Fingerprint, same_weights
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.records.text_tables import in_columns
from lass_plugin.settings import flag_of

CHECKPOINT = "checkpoint_last.pt"
"""Of a finished search only the last checkpoint is of use."""


@dataclass(frozen=True)
class SearchResult:
    """A finished search and its mask."""

    key: str
    updates: int
    ratio: float
    settled: Mapping[str, float]
    """``chance``, ``since_halfway``, ``halves``: see SubnetworkSearch.settled."""
    seconds: float
    """Time of training, however often it was interrupted; of all pairs together."""
    mask: Path
    checkpoint: Path
    unfinished: str = ""
    """What is to be said of a schedule that was not gone through to its end."""


@dataclass(frozen=True)
class Found:
    """A search as its last checkpoint holds it."""

    path: Path
    checkpoint: Mapping[str, Any]
    states: Mapping[str, Mapping[str, Any]]
    """Pair -> state of its search; several pairs if they were searched together."""

    @property
    def updates(self) -> int:
        """Updates of the training."""
        return sum(int(state["updates"]) for state in self.states.values())


def find(settings: SearchSettings, pair: Pair) -> Found | None:
    """The training that searches *pair* so far, or None.

    Raises:
        LassError: the folder holds something else than a search.
    """
    other = replace(settings, together=not settings.together).folder_of(pair)
    if (other / CHECKPOINT).exists():
        how = "a training of its own" if settings.together else "one of several pairs"
        raise LassError(
            f"{other} holds the search of {pair} in {how}; choose another --out, or "
            f"{'leave --together out' if settings.together else 'give --together'}"
        )
    path = settings.folder_of(pair) / CHECKPOINT
    if not path.exists():
        return None
    checkpoint = read_checkpoint(path)
    return Found(path, checkpoint, search_states(checkpoint, path))


def check_same(
    settings: SearchSettings, pair: Pair, found: Found, base: Fingerprint
) -> None:
    """Refuse to go on with, or take a mask from, a search with another plan or base.

    Raises:
        LassError: names the option that differs.
    """
    where = f"the search in {found.path.parent}"
    wanted = list(map(str, settings.pairs)) if settings.together else [str(pair)]
    if list(found.states) != wanted:
        raise LassError(
            f"{where} is of {', '.join(found.states)}; choose another --out"
            + (" or give the same --pairs" if settings.together else "")
        )
    state = found.states[str(pair)]
    saved = SearchPlan.from_dict(state["plan"]).to_dict()
    for name, value in settings.plan_of(pair).to_dict().items():
        if saved[name] == value:
            continue
        hint = " ('lass extract' takes a mask at any ratio)" if name == "ratio" else ""
        raise LassError(
            f"{where} was begun with {flag_of(settings, name)} "
            f"{_shown(saved[name])}, not {_shown(value)}; go on with the same options "
            f"or choose another --out{hint}"
        )
    if found.updates > settings.updates:
        raise LassError(
            f"{where} has had {found.updates} updates, more than --updates "
            f"{settings.updates}; go on with the same options or choose another --out"
        )
    if not same_weights(state["base"], base):
        raise LassError(
            f"{where} was begun from another base than {settings.base}; give that base "
            "or choose another --out"
        )


def is_finished(settings: SearchSettings, found: Found | None) -> bool:
    """Whether the search has had all its updates, or has settled before."""
    if found is None:
        return False
    return found.updates == settings.updates or all(
        state.get("stopped") for state in found.states.values()
    )


def write_mask(
    settings: SearchSettings, pair: Pair, found: Found, before: float = 0.0
) -> SearchResult:
    """Write the mask of a finished search, unless the same is there already.

    Args:
        before: seconds that the base was trained, which fairseq goes on counting from.
    """
    path = settings.masks_folder / f"{pair}{SUFFIX}"
    state = found.states[str(pair)]
    plan = SearchPlan.from_dict(state["plan"])
    mask = searched_mask(found.checkpoint, found.path, key=str(pair))
    seconds = found.checkpoint["extra_state"].get("previous_training_time") or 0.0
    if not _holds(path, mask):
        save_mask(path, mask)
    return SearchResult(
        key=str(pair),
        updates=int(state["updates"]),
        ratio=plan.ratio,
        settled=dict(state["settled"]),
        seconds=max(0.0, float(seconds) - before),
        mask=path,
        checkpoint=found.path,
        unfinished=plan.unfinished(int(state["updates"])),
    )


def table(results: list[SearchResult]) -> str:
    """The results as a table for people."""
    head = ("pair", "updates", "ratio", "halves agree", "since half-way", "chance")
    rows: list[tuple[str, ...]] = [(*head, "time", "mask")]
    for result in results:
        shares = [
            f"{result.settled[name]:.3f}" if name in result.settled else "–"
            for name in ("halves", "since_halfway", "chance")
        ]
        numbers = (result.key, str(result.updates), f"{result.ratio:g}", *shares)
        rows.append((*numbers, duration(result.seconds), str(result.mask)))
    return "\n".join(in_columns(rows, left=(0, len(rows[0]) - 1)))


def _holds(path: Path, mask: Any) -> bool:
    """Whether *path* is this very mask."""
    if not path.is_file():
        return False
    try:
        there = load_mask(path)
    except LassError:
        return False
    return describe(there) == describe(mask) and all(
        there.bits[name].equal(bits) for name, bits in mask.bits.items()
    )


def _shown(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def checkpoint_files(places: Iterable[Path]) -> list[Path]:
    """The files of *places*; a folder stands for the searches in it."""
    files = []
    for place in places:
        if not place.is_dir():
            files.append(place)
            continue
        own = place / "checkpoint_last.pt"
        found = [own] if own.is_file() else sorted(place.glob("*/checkpoint_last.pt"))
        if not found:
            raise LassError(
                f"{place} holds no checkpoint_last.pt, nor do the folders in it; give "
                "the folder that 'lass search' wrote"
            )
        files.extend(found)
    return files
