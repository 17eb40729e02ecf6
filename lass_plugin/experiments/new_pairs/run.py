"""All of it from one call: extend, search, train, score."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lass_plugin.experiments import content
from lass_plugin.experiments.new_pairs.models import check, extend_models
from lass_plugin.experiments.new_pairs.report import read_bilingual, write_report
from lass_plugin.experiments.new_pairs.scores import score
from lass_plugin.experiments.new_pairs.settings import STAGES, ExtendSettings
from lass_plugin.experiments.new_pairs.training import flags_of, train_ways
from lass_plugin.experiments.searches.run import run_searches
from lass_plugin.experiments.stage import OR_FRESH, Stage, State
from lass_plugin.languages import Pair
from lass_plugin.places.devices import cores, single_device
from lass_plugin.records.json_record import read_json
from lass_plugin.records.plain_settings import identity, option_of

RECORD = "settings.json"
"""Of earlier versions."""

MADE = (
    "data",
    "casing",
    "search",
    "masks",
    "checkpoints",
    "scores",
    "extended.pt",
    "dense.pt",
)
"""What is made in ``--out``, and removed for ``--fresh``."""


def extend(settings: ExtendSettings) -> list[Path]:
    """Add pairs to a model and show what it costs; a second call goes on.

    Returns:
        The files of the report; empty if ``until`` is an earlier stage.

    Raises:
        LassError: something is missing, or ``out`` was made with other settings.
    """
    settings.check()
    last = STAGES.index(settings.until)
    _say(1, "room for the new pairs: data, dictionary, checkpoints")
    plan = check(settings)
    read_bilingual(settings)
    on_gpu = single_device(settings.cpu).gpu is not None
    choice = settings.scored.choice(on_gpu)
    choice.check([*settings.pairs, *plan.watched])
    stage = stage_of(settings, plan.watched)
    with stage.held(settings.fresh, MADE) as state:
        extend_models(settings, plan)
        if last < 1:
            return []
        _say(2, "the sub-networks of the new pairs")
        run_searches(settings.search())
        if last < 2:
            return []
        _say(3, f"training: {', '.join(settings.all_ways)}")
        found = train_ways(settings)
        if last < 3:
            return []
        _say(4, "translations and scores")
        torch.set_num_threads(settings.threads or cores())
        scores = score(settings, found, plan.watched, choice)
        written = write_report(settings, scores)
        if state is not State.DONE:
            stage.finish(written)
        return written


def stage_of(settings: ExtendSettings, watched: Sequence[Pair]) -> Stage:
    """The stage of an extension; of an earlier version, what its record says.

    Args:
        watched: the older pairs that are scored.

    Raises:
        LassError: a flag of the user is wrong.
    """
    stage = Stage(
        settings.out,
        "extension",
        {
            "command": "lass extend",
            "options": identity(settings),
            "flags": flags_of(settings, settings.checkpoint).identity(),
            "checkpoint": content.of_weights(settings.checkpoint),
            "dense": settings.dense and content.of_weights(settings.dense),
            "data": content.of_data([settings.data], watched, [settings.split]),
            "text": content.of_text(settings.text, settings.pairs),
            "spm-model": settings.spm_model and content.of_file(settings.spm_model),
        },
        OR_FRESH,
    )
    old = settings.out / RECORD
    if settings.fresh:
        return stage
    if stage.record is None and old.is_file():
        before = read_json(old, "the settings of an extension")
        now = settings.record()
        places = ("checkpoint", "data", "text", "dense", "spm_model", "flags")
        known = {n: before[n] for n in places if n in before and before[n] != now[n]}
        rest = {option_of(settings, n): before[n] for n in before if n not in places}
        stage.adopt({"options": rest, **known})
    if stage.record is not None:
        options, wanted = stage.record["identity"]["options"], stage.identity["options"]
        if watches_fewer(options["old-pairs"], wanted["old-pairs"]):
            wanted["old-pairs"] = options["old-pairs"]  # their data are all there
            data, known = stage.identity["data"], stage.record["identity"].get("data")
            if isinstance(known, dict):  # those of pairs that are not watched now, too
                data.update({name: known[name] for name in known if name not in data})
    return stage


def watches_fewer(before: Any, now: list[str]) -> bool:
    """Whether the older pairs to watch are among those that ``out`` was begun with.

    Args:
        before: as they were recorded; empty for all, as *now*.
    """
    return isinstance(before, list) and bool(now) and set(now) <= set(before or now)


def _say(number: int, what: str) -> None:
    print(f"\n[{number}/{len(STAGES)}] {what}", file=sys.stderr, flush=True)
