"""The phases of the quick start, each of which is skipped where it has been done."""

import sys
import time
from pathlib import Path

import torch

from lass_plugin.analysis.similarity import overlaps
from lass_plugin.analysis.similarity_files import write_similarity
from lass_plugin.data.preparation import prepare
from lass_plugin.data.preparation_settings import PreparationSettings
from lass_plugin.data.progress import duration
from lass_plugin.evaluation.evaluation import evaluate
from lass_plugin.evaluation.report_tables import render
from lass_plugin.evaluation.settings import Decoding
from lass_plugin.evaluation.systems import System
from lass_plugin.experiments import content
from lass_plugin.experiments.launching.jobs import Job
from lass_plugin.experiments.launching.trainings import make_job, train
from lass_plugin.experiments.quickstart import corpus
from lass_plugin.experiments.quickstart.closing import example_sentences, what_next
from lass_plugin.experiments.quickstart.recipe import QuickstartSettings
from lass_plugin.experiments.searches.run import run_searches
from lass_plugin.experiments.searches.settings import SearchSettings
from lass_plugin.experiments.stage import OR_FRESH, Stage, State
from lass_plugin.files import check_space
from lass_plugin.languages import Pair
from lass_plugin.masks import load_masks
from lass_plugin.places.devices import cores, single_device
from lass_plugin.records.json_record import read_json

RECORD = "quickstart.json"
"""Of earlier versions."""

FOLDERS = ("text", "data", "search", "masks", "checkpoints", "report", "packages")
"""What the quick start makes in its folder, and may remove from it."""

MEGABYTES_NEEDED = 1500


def quickstart(settings: QuickstartSettings) -> Path:
    """Corpus, base, searches, joint training, scores, pictures; returns the report.

    Raises:
        LassError: something is missing, or *out* holds a quick start on other text.
    """
    settings.check()
    began = time.monotonic()
    pairs = corpus.catalogue_pairs()
    if settings.data:
        pairs = corpus.find_pairs(settings.data, settings.pairs)
    stage = _stage_of(settings, pairs)
    with stage.held(settings.fresh, FOLDERS) as state:
        needed = 1e6 * MEGABYTES_NEEDED
        advice = "or choose another --out"
        check_space(needed, settings.out, "the results need", advice)
        report = _run(settings, pairs)
        if state is not State.DONE:
            stage.finish(sorted(report.glob("*.*")))
    print(f"\nThe quick start took {duration(time.monotonic() - began)}.")
    return report


def _run(settings: QuickstartSettings, chosen: list[Pair]) -> Path:
    """All phases, one after another; returns the folder of the report."""
    out, text, recipe = settings.out, settings.data, settings.recipe
    _say(1, "text and subwords")
    source = text or out / "text"
    if not text and not (source / "corpus.json").is_file():
        corpus.write_catalogues(source, out / "packages")
    data = out / "data"
    prepare(
        PreparationSettings(
            text=source,
            out=data,
            pairs=tuple(chosen),
            vocab_size=recipe.vocabulary,
            workers=cores(),
        )
    )

    device = single_device()

    def training(name: str, updates: int, *flags: str) -> Job:
        """The training of that name, of all pairs."""
        folder = out / "checkpoints" / name
        return make_job(folder, data, chosen, device, flags, updates=updates)

    _say(2, f"base model: one network for {len(chosen)} directions")
    base = training("base", recipe.base_updates, *recipe.base_flags())
    train("base training", [base], [device])

    _say(3, "the sub-network of every pair")
    searches = SearchSettings(
        data=str(data),
        base=base.checkpoint,
        out=out / "search",
        pairs=tuple(chosen),
        criterion=recipe.criterion,
        schedule=recipe.schedule,
        ratio=recipe.ratio,
        updates=recipe.search_updates,
        flags=tuple(recipe.search_flags()),
        masks_out=out / "masks",
    )
    run_searches(searches)

    _say(4, "joint training, and the same training without masks beside it")
    start = ("--finetune-from-model", str(base.checkpoint.resolve()))
    flags = (*recipe.joint_flags(), *start)
    dense = training("dense", recipe.joint_updates, *flags)
    with_masks = (*flags, "--masks", str(searches.masks_folder.resolve()))
    joint = training("joint", recipe.joint_updates, *with_masks)
    half = single_device(threads=max(1, cores() // 2))
    beside = [half, half] if cores() > 1 else [device]
    train("joint and dense training", [dense, joint], beside)

    _say(5, "translations and scores")
    report = _report(settings, chosen, dense=dense, joint=joint, base=base)
    print(what_next(out, data, joint.checkpoint, chosen, recipe))
    return report


def _report(
    settings: QuickstartSettings, pairs: list[Pair], dense: Job, joint: Job, base: Job
) -> Path:
    """Scores of the three models, and what the masks of the pairs share."""
    out, recipe = settings.out, settings.recipe
    data, report = out / "data", out / "report"
    torch.set_num_threads(cores())
    result = evaluate(
        data,
        [
            System("dense", dense.checkpoint),
            System("sub-networks", joint.checkpoint),
            System("base", base.checkpoint),
        ],
        pairs,
        "test" if any(data.glob("test.*.idx")) else "valid",
        report,
        Decoding(beam=recipe.beam, max_len_a=1.2, max_len_b=10),
    )
    write_similarity(overlaps(load_masks(out / "masks")), report)
    print(f"\n{example_sentences(result)}\n")
    print(render(result.report))
    print(
        f"base: after {recipe.base_updates} updates. dense: the base trained for "
        f"{recipe.joint_updates} updates more, all weights for every pair.\n"
        f"sub-networks: the same {recipe.joint_updates} updates, every pair its own "
        f"sub-network ({recipe.criterion}, {recipe.schedule}, ratio {recipe.ratio}).\n"
        "The searches are by magnitude, because those by gradient need more updates "
        "than fit in here.\nOne seed: another one alone moves these means by a point "
        "or two of BLEU, so smaller differences are noise (docs/search.md).\n"
    )
    return report


def _stage_of(settings: QuickstartSettings, pairs: list[Pair]) -> Stage:
    """The stage of a quick start; of an earlier version, what its record says."""
    text, recipe = settings.data, settings.recipe.to_dict()
    stage = Stage(
        settings.out,
        "quick start",
        {
            "command": "lass quickstart",
            "options": {"pairs": list(map(str, pairs))},
            "recipe": recipe,
            "text": content.of_text(text, pairs) if text else {"catalogues": True},
        },
        OR_FRESH,
    )
    old = settings.out / RECORD
    if not settings.fresh and stage.record is None and old.is_file():
        before = read_json(old, "the record of a quick start")
        known = {"options": {"pairs": before["pairs"]}, "recipe": before["recipe"]}
        if before["text"] != (str(text.resolve()) if text else "catalogues"):
            known["text"] = before["text"]
        stage.adopt(known)
    return stage


def _say(number: int, what: str) -> None:
    print(f"\n[{number}/5] {what}", file=sys.stderr, flush=True)
