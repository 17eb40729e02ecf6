"""Random erasure: what pairs lose without some of the neurons (Xie 2021, §5.4)."""

from dataclasses import dataclass
from pathlib import Path

import torch

from lass_plugin.errors import LassError
from lass_plugin.evaluation.choice import Choice
from lass_plugin.evaluation.evaluation import Evaluation, evaluate
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.languages import parse_pairs
from lass_plugin.masks import MaskSet
from lass_plugin.neurons.allocation import Allocation, read_allocation
from lass_plugin.neurons.erased_neurons import Erased, choose, without
from lass_plugin.neurons.settings import ErasureSettings

NOTHING = "nothing"


@dataclass(frozen=True)
class Erasure:
    """The scores of all pairs without the neurons of each of *erased*.

    The systems of *evaluation* are the whole model and then *erased*, in their order.
    """

    settings: ErasureSettings
    allocation: Allocation
    masks: MaskSet
    erased: tuple[Erased, ...]
    evaluation: Evaluation
    notes: tuple[str, ...]
    """What could not be erased, in sentences."""


def erase(settings: ErasureSettings) -> Erasure:
    """Translate every pair with the whole model and without neurons, in one process.

    What was translated is kept under ``out/kept``, so a run that was killed goes on.

    Raises:
        LassError: the checkpoint has other masks than the allocation, or nothing can be
            erased; before anything is translated.
    """
    checkpoint, scoring = settings.checkpoint, settings.scoring
    allocation = read_allocation(settings.allocation)
    masks = Saved(System(NOTHING, checkpoint)).masks()
    check_masks(masks, allocation, checkpoint, settings.allocation)
    assert masks is not None
    erased, notes = choose(allocation, settings)
    systems = [System(NOTHING, checkpoint)] + [
        System(each.name, checkpoint, without(masks, each)) for each in erased
    ]
    evaluation = evaluate(
        settings.data,
        systems,
        parse_pairs(masks),
        scoring.split,
        settings.out,
        scoring.decoding,
        references=scoring.references,
        choice=Choice(scoring.tokenize),
        kept=settings.out / "kept",
    )
    return Erasure(settings, allocation, masks, tuple(erased), evaluation, tuple(notes))


def check_masks(
    masks: MaskSet | None, allocation: Allocation, checkpoint: Path, folder: Path
) -> None:
    """Refuse a checkpoint whose masks are not those of the allocation.

    Raises:
        LassError: names the pair, and the site where its neurons differ.
    """
    advice = f"give a checkpoint that was trained jointly with --masks {folder}"
    if masks is None:
        raise LassError(f"{checkpoint} carries no masks; {advice}")
    for pair in sorted(masks.keys() ^ allocation.kept.keys()):
        where, other = (checkpoint, folder) if pair in masks else (folder, checkpoint)
        raise LassError(f"{where} has a mask of {pair}, but {other} has none; {advice}")
    for pair, sites in allocation.kept.items():
        for site in sorted(masks.shapes.keys() ^ sites.keys()):
            where = checkpoint if site in masks.shapes else folder
            raise LassError(
                f"the masks of {checkpoint} and {folder} are not the same (only "
                f"{where} covers {site}); {advice}"
            )
        for site, kept in sites.items():
            if not torch.equal(masks[pair].unpack(site), kept):
                raise LassError(
                    f"the masks of {checkpoint} and {folder} are not the same ({pair} "
                    f"has other neurons of {site}); {advice}"
                )
