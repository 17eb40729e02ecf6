"""The importance of every neuron for every pair, and its file.

What is kept are sums over the data and the numbers of sentences and tokens, so that
parts of the data that were gone through apart add up, and any criterion and average can
be asked for without another pass.
"""

import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

import torch
from torch import Tensor

from lass_plugin.anatomy.neurons import unit_of
from lass_plugin.errors import DAMAGED, LassError
from lass_plugin.languages import Pair
from lass_plugin.masks import Fingerprint
from lass_plugin.masks.fingerprint import same_weights
from lass_plugin.masks.neurons import base_of, weight_shapes
from lass_plugin.neurons.recording import SOURCE, TARGET
from lass_plugin.neurons.settings import AVERAGES, check_criterion
from lass_plugin.scores.neuron import ACTIVATION, CRITERIA
from lass_plugin.tensor_files import OtherKind, Unreadable, read_tensors, write_tensors

VERSION = 2
"""The first had no digest of its contents, and is read all the same."""
_ENTRY = "lass_importance"
NAME = "importance.safetensors"


@dataclass(frozen=True)
class Counts:
    """The data of one pair that were gone through."""

    sentences: int
    source: int
    """Tokens that the encoder reads, language token and end of sentence included."""
    target: int
    """Tokens that the decoder is to give, end of sentence included."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.sentences + other.sentences,
            self.source + other.source,
            self.target + other.target,
        )


@dataclass(frozen=True)
class Importance:
    """Sums of the scores of every neuron over the data of every pair."""

    sums: dict[str, dict[str, Tensor]]
    """Criterion -> site -> ``(pairs, neurons)`` float64."""
    counts: dict[str, Counts]
    """Pair -> its data; the order is that of the rows of the sums."""
    sides: dict[str, str]
    """Site -> ``source`` or ``target``: what its positions are."""
    base: Fingerprint
    """Of the model, see :func:`.masks.neurons.base_of`."""
    note: str = ""
    """For people: the data and the sample."""

    @property
    def pairs(self) -> list[str]:
        return list(self.counts)

    @property
    def neurons(self) -> dict[str, int]:
        """Site -> number of neurons."""
        first = next(iter(self.sums.values()))
        return {site: sums.shape[1] for site, sums in first.items()}

    def theta(
        self, criterion: str = "taylor", average: str = "token"
    ) -> dict[str, Tensor]:
        """Θ^m(i) of Eq. 7 or 8: site -> ``(pairs, neurons)`` float64.

        Args:
            criterion: see :data:`.scores.neuron.CRITERIA`.
            average: divide the sums by the tokens that the site's positions are, so
                that a pair of long sentences does not count for more, or by the
                sentences.

        Raises:
            LassError: an unknown criterion or average, or one that was not measured.
        """
        check_criterion(criterion)
        if criterion not in self.sums:
            raise LassError(
                f"the importance was measured without the criterion '{criterion}' (it "
                f"has {', '.join(self.sums)}); measure it again with 'lass neurons "
                f"importance --criterion {criterion}' and another --out"
            )
        if average not in AVERAGES:
            raise LassError(
                f"an average is over each {' or '.join(AVERAGES)}, not '{average}'"
            )
        found = {}
        for site, sums in self.sums[criterion].items():
            unit = "sentences" if average == "sentence" else self.sides[site]
            divisors = [getattr(counts, unit) for counts in self.counts.values()]
            found[site] = sums / torch.tensor(divisors, dtype=torch.float64)[:, None]
        return found


def add_parts(parts: Sequence[Importance]) -> Importance:
    """The importance over all the data of *parts*, which are of one pair.

    The sums are added in the order given, so the same parts give the same bits.
    """
    first, counts = parts[0], Counts(0, 0, 0)
    (pair,) = first.counts
    sums = {
        criterion: {
            site: torch.zeros_like(value)
            for site, value in first.sums[criterion].items()
        }
        for criterion in _measured_in_all(parts)
    }
    for part in parts:
        counts += part.counts[pair]
        for criterion, sites in sums.items():
            for site, value in sites.items():
                value += part.sums[criterion][site]
    return Importance(sums, {pair: counts}, first.sides, first.base, first.note)


def _measured_in_all(parts: Sequence[Importance]) -> list[str]:
    """Criteria of all *parts*: an earlier release, which began them, had fewer."""
    return [each for each in CRITERIA if all(each in part.sums for part in parts)]


def side_by_side(pairs: Sequence[Importance], note: str = "") -> Importance:
    """The importance for several pairs out of that for each."""
    first = pairs[0]
    sums = {
        criterion: {
            site: torch.cat([each.sums[criterion][site] for each in pairs])
            for site in first.sums[criterion]
        }
        for criterion in _measured_in_all(pairs)
    }
    counts = {pair: value for each in pairs for pair, value in each.counts.items()}
    return Importance(sums, counts, first.sides, first.base, note)


def save_importance(path: str | os.PathLike, importance: Importance) -> None:
    """Write *importance* to *path* atomically; the same sums give the same bytes."""
    header = {
        "version": VERSION,
        "counts": [
            {"pair": pair, **asdict(counts)}
            for pair, counts in importance.counts.items()
        ],
        "criteria": list(importance.sums),
        "sites": list(importance.sides),
        "sides": importance.sides,
        "base": importance.base,
        "note": importance.note,
    }
    tensors = {
        f"{criterion}/{site}": value
        for criterion, sites in importance.sums.items()
        for site, value in sites.items()
    }
    write_tensors(path, _ENTRY, header, tensors)


def load_importance(path: str | os.PathLike) -> Importance:
    """Read what :func:`save_importance` wrote: a file, or the folder it is in.

    Raises:
        LassError: missing, damaged, or not a file of importance.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / NAME).is_file() and list(path.glob("parts/*")):
            raise LassError(
                f"the importance in {path} is not whole yet; run the same 'lass "
                "neurons importance' again, and it goes on"
            )
        path = path / NAME
    if not path.is_file():
        raise LassError(
            f"there is no {path}; make it with 'lass neurons importance --out'"
        )
    try:
        header, tensors = read_tensors(path, _ENTRY)
        return _restore(header, tensors, path)
    except OtherKind as error:
        raise LassError(
            f"{path} is a safetensors file but not of the importance of neurons; give "
            "what 'lass neurons importance' wrote"
        ) from error
    except (Unreadable, *DAMAGED) as error:
        cause = error.cause if isinstance(error, Unreadable) else error
        raise LassError(
            f"{path} cannot be read as the importance of neurons "
            f"({type(cause).__name__}: {cause}); it is damaged, so make it again"
        ) from error


def _pair(text: str) -> str:
    try:
        return str(Pair.parse(text))
    except LassError as error:
        raise ValueError(error.message) from error


def _restore(header: Any, tensors: Mapping[str, Tensor], path: Path) -> Importance:
    if header["version"] not in range(1, VERSION + 1):
        raise LassError(
            f"{path} is of format version {header['version']}; this release reads "
            f"versions up to {VERSION}, so use the release that wrote it"
        )
    counts = {}
    for entry in header["counts"]:
        pair = _pair(entry["pair"])
        numbers = Counts(*(entry[name] for name in ("sentences", "source", "target")))
        if any(type(n) is not int or n < 1 for n in asdict(numbers).values()):
            raise ValueError(f"it counts {numbers} for {pair}")
        counts[pair] = numbers
    # an earlier release did not say which, and did not count activations
    measured = header.get("criteria", [each for each in CRITERIA if each != ACTIVATION])
    if not measured or not set(measured) <= set(CRITERIA):
        raise ValueError(f"it has the criteria {measured}")
    sums = {
        criterion: {site: tensors[f"{criterion}/{site}"] for site in header["sites"]}
        for criterion in CRITERIA
        if criterion in measured
    }
    neurons = {site: value.shape[1] for site, value in sums[measured[0]].items()}
    for sites in sums.values():
        for site, value in sites.items():
            if unit_of(site) is None or header["sides"][site] not in (SOURCE, TARGET):
                raise ValueError(f"{site} is no row of neurons")
            if value.dtype != torch.float64 or value.shape != (
                len(counts),
                neurons[site],
            ):
                raise ValueError(f"{site} has {value.dtype} of {tuple(value.shape)}")
            if not bool(torch.isfinite(value).all()) or float(value.min()) < 0.0:
                raise ValueError(f"{site} has an importance that is no number")
    if not (counts and header["sites"]):
        raise ValueError("it is empty")
    base = {site: float(header["base"][site]) for site in header["sites"]}
    if not all(map(math.isfinite, base.values())):
        raise ValueError("its fingerprint is broken")
    sides = {site: str(header["sides"][site]) for site in header["sites"]}
    return Importance(sums, counts, sides, base, str(header["note"]))


def check_model(
    importance: Importance, tensors: Mapping[str, Tensor], what: str
) -> dict[str, tuple[int, ...]]:
    """Refuse importance that was measured on another model.

    Args:
        tensors: name -> stored weight of the model.
        what: the model, for the message.

    Returns:
        Parameter -> shape of all that the neurons own.

    Raises:
        LassError: it is another model, or the same one with other weights.
    """
    shapes = {site: (count,) for site, count in importance.neurons.items()}
    owned = weight_shapes(shapes, tensors, what)
    if not same_weights(importance.base, base_of(shapes, tensors)):
        raise LassError(
            f"the importance was measured on other weights than those of {what}; give "
            "the model that it was measured on"
        )
    return owned
