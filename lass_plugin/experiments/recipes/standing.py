"""How far a run is: of each stage whether it is kept, to be continued, or refused."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from lass_plugin.errors import LassError
from lass_plugin.experiments.recipes.jobs import is_done, stage_record
from lass_plugin.experiments.recipes.stages import RecipeStage


class Standing(enum.Enum):
    """What is to be done of a stage."""

    KEPT = "kept"
    CONTINUED = "to be continued"
    LEFT = "to do"
    REFUSED = "refused"


@dataclass(frozen=True)
class Found:
    """What is found of a stage before anything runs."""

    standing: Standing
    why: str = ""
    """A sentence, where it is refused."""


def look(stages: Sequence[RecipeStage]) -> dict[str, Found]:
    """Name -> what is found of each stage, in their order.

    Where something that a stage needs is still to be made, the words of its command are
    compared, and its inputs are believed to become what they were.
    """
    found: dict[str, Found] = {}
    for planned in stages:
        lacking = [n for n in planned.needs if found[n].standing is not Standing.KEPT]
        try:
            found[planned.name] = _found(planned, stages, bool(lacking))
        except LassError as error:
            found[planned.name] = Found(Standing.REFUSED, error.message)
    return found


def _found(planned: RecipeStage, stages: Sequence[RecipeStage], early: bool) -> Found:
    if not any(path.exists() for path in planned.left):
        return Found(Standing.LEFT)
    others = [each for each in stages if each is not planned]
    coming = [path for each in others for path in each.made] if early else []
    stage = stage_record(planned, coming)
    if early and stage.record is not None:
        before = stage.record["identity"].get("inputs")
        stage.identity = {**stage.identity, "inputs": before}
    if is_done(planned, stage) and not early:
        return Found(Standing.KEPT)
    return Found(Standing.CONTINUED if stage.record is not None else Standing.LEFT)
