"""The importance of neurons as a stage: measured part by part, by several processes."""

from collections.abc import Sequence

from lass_plugin.data.progress import Progress
from lass_plugin.errors import LassError
from lass_plugin.evaluation.systems import Saved, System
from lass_plugin.experiments import content
from lass_plugin.experiments.stage import Stage, State
from lass_plugin.files import read_json
from lass_plugin.languages import parse_pairs
from lass_plugin.masks.fingerprint import same_weights
from lass_plugin.neurons.importance import (
    NAME,
    Importance,
    add_parts,
    load_importance,
    save_importance,
    side_by_side,
)
from lass_plugin.neurons.measuring import Measuring, Part
from lass_plugin.neurons.settings import MeasuringSettings
from lass_plugin.records.plain_settings import record


def measure_importance(settings: MeasuringSettings) -> Importance | None:
    """Measure the parts of this process that have not been measured.

    Returns:
        The importance for all pairs, also written to ``out``; None while parts of
        other processes are missing.

    Raises:
        LassError: names what does not fit, before anything is measured; or a pair or
            an activation that is at fault.
    """
    saved = Saved(System("base", settings.checkpoint, dense=True))
    saved.refuse_parts("lass neurons importance")
    pairs = list(map(str, settings.pairs or saved.trained_pairs))
    ready = saved.set_up(settings.data, parse_pairs(pairs))
    stage, whole = _stage(settings, pairs), settings.out / NAME
    if stage.state() is State.DONE:
        stage.keep()
        return load_importance(whole)
    stage.begin()  # without a lock: other processes measure other parts
    measuring = Measuring(settings, ready)
    number, processes = settings.share
    mine = measuring.parts[number - 1 :: processes]
    missing = [part for part in mine if not part.path.is_file()]
    progress = Progress("importance", sum(len(part.sentences) for part in missing))
    for part in missing:
        save_importance(part.path, measuring.measure(part, progress.advance))
    progress.finish()
    if not all(part.path.is_file() for part in measuring.parts):
        return None
    importance = _put_together(settings, pairs, measuring.parts)
    save_importance(whole, importance)
    stage.finish([whole])
    return importance


def _stage(settings: MeasuringSettings, pairs: Sequence[str]) -> Stage:
    """What must be the same for parts to be added up.

    Raises:
        LassError: what an earlier version has begun there is damaged.
    """
    names = ("units", "split", "sample", "part", "seed", "precision")
    options = {name: record(settings)[name] for name in names}
    if settings.criteria != MeasuringSettings.criteria:  # an earlier release had all
        options["criterion"] = list(settings.criteria)
    stage = Stage(
        settings.out,
        "importance",
        {
            "command": "lass neurons importance",
            "options": {"pairs": pairs, **options},
            "inputs": content.of_data([settings.data], pairs, [settings.split]),
            "base": content.of_weights(settings.checkpoint),
        },
    )
    before = settings.out / "plan.json"  # of an earlier version, which knew no contents
    if before.is_file():
        try:
            known = read_json(before)
            stated = {name: known[name] for name in ("pairs", *names)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LassError(
                f"{before} is damaged ({error}); remove {settings.out} or choose "
                "another --out"
            ) from error
        whole = settings.out / NAME
        stage.adopt({"options": stated}, [whole] if whole.is_file() else None)
    return stage


def _put_together(
    settings: MeasuringSettings, pairs: Sequence[str], parts: Sequence[Part]
) -> Importance:
    of_pairs = []
    for pair in pairs:
        own = [load_importance(part.path) for part in parts if part.pair == pair]
        of_pairs.append(add_parts(own))
    if not all(same_weights(each.base, of_pairs[0].base) for each in of_pairs):
        raise LassError(
            f"the parts in {settings.out} were measured with different models; choose "
            "another --out"
        )
    note = f"{settings.split} data of {settings.data.resolve().name}"
    note += f", {settings.precision}"
    if settings.sample:
        note += f", at most {settings.sample} sentences a pair, seed {settings.seed}"
    return side_by_side(of_pairs, note)
