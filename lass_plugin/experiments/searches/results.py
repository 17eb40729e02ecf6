"""What a search has come to, read from its checkpoint; and its mask."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Iterable, Mapping

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.data.progress import duration
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.jobs import LAST
from lass_plugin.experiments.searches.settings import SearchSettings
from lass_plugin.languages import Pair
from lass_plugin.masks import load_mask, save_mask
from lass_plugin.masks.file import SUFFIX, describe
from lass_plugin.masks.fingerprint import Fingerprint, same_weights
from lass_plugin.methods.search.cut_down import is_cut_down
from lass_plugin.methods.search.figures import LOSSES
from lass_plugin.methods.search.plan import SearchPlan
from lass_plugin.methods.search.searched_masks import search_states, searched_mask
from lass_plugin.methods.search.settling import agreement, churn, last_losses
from lass_plugin.records.plain_settings import option_of
from lass_plugin.records.text_tables import in_columns


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
    losses: Mapping[str, float] = field(default_factory=dict)
    """The last ones, see :data:`.figures.LOSSES`; empty where none were measured."""
    unfinished: str = ""
    """What is to be said of a schedule that was not gone through to its end."""


def find(settings: SearchSettings, pair: Pair) -> Checkpoint | None:
    """The training that searches *pair* so far, or None.

    Raises:
        LassError: the folder holds something else than a search.
    """
    other = replace(settings, together=not settings.together).folder_of(pair)
    if (other / LAST).exists():
        how = "a training of its own" if settings.together else "one of several pairs"
        raise LassError(
            f"{other} holds the search of {pair} in {how}; choose another --out, or "
            f"{'leave --together out' if settings.together else 'give --together'}"
        )
    path = settings.folder_of(pair) / LAST
    return Checkpoint.read(path) if path.exists() else None


def check_goes_on(found: Checkpoint, updates: int) -> None:
    """Refuse to go on with a search that was cut down to its scores.

    Raises:
        LassError: it has had fewer updates than are wanted.
    """
    if is_cut_down(found) and found.updates < updates and not has_settled(found):
        raise LassError(
            f"the search in {found.path.parent} was cut down to its scores (--keep "
            f"scores) after {found.updates} updates, so it cannot go on to {updates}; "
            "choose another --out"
        )


def identity_in(checkpoint: Checkpoint, base: Fingerprint) -> dict[str, Any]:
    """What a search says itself of its identity.

    Args:
        base: of the base that is wanted.
    """
    states = search_states(checkpoint)
    state = next(iter(states.values()))
    options = options_of(SearchPlan.from_dict(state["plan"]))
    options |= {"pairs": list(states), "updates": checkpoint.updates}
    known: dict[str, Any] = {"options": options}
    if not same_weights(state["base"], base):
        known["base"] = "another"
    return known


def options_of(plan: SearchPlan) -> dict[str, Any]:
    """The options of ``lass search`` that make *plan*, and their values.

    One that came later is left out where it is not used, as it was before.
    """
    values = plan.to_dict()
    del values["key"]
    if not plan.stop_patience:
        del values["stop_patience"]
    return {option_of(SearchSettings, n): v for n, v in values.items()}


def has_settled(checkpoint: Checkpoint) -> bool:
    """Whether a search has ended by itself before it had all its updates."""
    return all(state.get("stopped") for state in search_states(checkpoint).values())


def write_mask(
    settings: SearchSettings, pair: Pair, checkpoint: Checkpoint, before: float = 0.0
) -> SearchResult:
    """Write the mask of a finished search, unless the same is there already.

    Args:
        before: seconds that the base was trained, which fairseq goes on counting from.
    """
    path = settings.masks_folder / f"{pair}{SUFFIX}"
    state = search_states(checkpoint)[str(pair)]
    plan = SearchPlan.from_dict(state["plan"])
    mask = searched_mask(checkpoint, key=str(pair))
    if not _holds(path, mask):
        save_mask(path, mask)
    return SearchResult(
        key=str(pair),
        updates=int(state["updates"]),
        ratio=plan.ratio,
        settled=dict(state["settled"]),
        seconds=max(0.0, checkpoint.seconds - before),
        mask=path,
        checkpoint=checkpoint.path,
        losses=last_losses(state.get("history", ())),
        unfinished=plan.unfinished(int(state["updates"])),
    )


def table(results: list[SearchResult]) -> str:
    """The results as a table for people: losses in bits a token, churn, agreement."""
    head = ("pair", "updates", "ratio", *LOSSES, "churn", "agreement")
    rows: list[tuple[str, ...]] = [(*head, "time", "mask")]
    for result in results:
        figures = [result.losses.get(name) for name in LOSSES]
        figures += [churn(result.settled), agreement(result.settled)]
        cells = ["–" if figure is None else f"{figure:.3f}" for figure in figures]
        numbers = (result.key, str(result.updates), f"{result.ratio:g}", *cells)
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


def checkpoint_files(places: Iterable[Path]) -> list[Path]:
    """The files of *places*; a folder stands for the searches in it."""
    files = []
    for place in places:
        if not place.is_dir():
            files.append(place)
            continue
        found = [place / LAST] if (place / LAST).is_file() else []
        found = found or sorted(place.glob(f"*/{LAST}"))
        if not found:
            raise LassError(
                f"{place} holds no {LAST}, nor do the folders in it; give the folder "
                "that 'lass search' wrote"
            )
        files.extend(found)
    return files
