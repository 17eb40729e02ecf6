"""The phases of the quick start, each of which is skipped where it has been done."""

import json
import shutil
import sys
import time
from pathlib import Path

import torch

from lass_plugin.data.preparation import prepare
from lass_plugin.data.preparation_settings import PreparationSettings
from lass_plugin.data.progress import duration
from lass_plugin.errors import LassError
from lass_plugin.experiments.launching.devices import cores, single_device
from lass_plugin.experiments.launching.jobs import Job
from lass_plugin.experiments.launching.trainings import make_job, train
from lass_plugin.experiments.quickstart import corpus
from lass_plugin.experiments.quickstart.closing import example_sentences, what_next
from lass_plugin.experiments.quickstart.recipe import QuickstartSettings, Recipe
from lass_plugin.files import check_space, write_json
from lass_plugin.languages import Pair

RECORD = "quickstart.json"
FOLDERS = ("text", "data", "search", "masks", "checkpoints", "report", "packages")
"""What the quick start makes in its folder, and may remove from it."""

MEGABYTES_NEEDED = 1500


def quickstart(settings: QuickstartSettings) -> Path:
    """Corpus, base, searches, joint training, scores, pictures; returns the report.

    Raises:
        LassError: something is missing, or *out* holds a quick start on other text.
    """
    settings.check()
    out, text, recipe = settings.out, settings.data, settings.recipe
    began = time.monotonic()
    chosen = corpus.catalogue_pairs()
    if text:
        chosen = corpus.find_pairs(text, settings.pairs)
    _take_over(out, settings.fresh, text, chosen, recipe)

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
    masks = _search(out, data, base.checkpoint, chosen, recipe)

    _say(4, "joint training, and the same training without masks beside it")
    start = ("--finetune-from-model", str(base.checkpoint.resolve()))
    flags = (*recipe.joint_flags(), *start)
    dense = training("dense", recipe.joint_updates, *flags)
    with_masks = (*flags, "--masks", str(masks.resolve()))
    joint = training("joint", recipe.joint_updates, *with_masks)
    half = single_device(threads=max(1, cores() // 2))
    beside = [half, half] if cores() > 1 else [device]
    train("joint and dense training", [dense, joint], beside)

    _say(5, "translations and scores")
    report = _report(out, data, base, dense, joint, chosen, recipe, masks)
    print(what_next(out, data, joint.checkpoint, chosen[0]))
    print(f"\nThe quick start took {duration(time.monotonic() - began)}.")
    return report


def _search(
    out: Path, data: Path, base: Path, pairs: list[Pair], recipe: Recipe
) -> Path:
    from lass_plugin.experiments.searches.searches import run_searches
    from lass_plugin.experiments.searches.settings import SearchSettings

    settings = SearchSettings(
        data=str(data),
        base=base,
        out=out / "search",
        pairs=tuple(pairs),
        criterion=recipe.criterion,
        schedule=recipe.schedule,
        ratio=recipe.ratio,
        updates=recipe.search_updates,
        flags=tuple(recipe.search_flags()),
        masks_out=out / "masks",
    )
    run_searches(settings)
    return settings.masks_folder


def _report(
    out: Path,
    data: Path,
    base: Job,
    dense: Job,
    joint: Job,
    pairs: list[Pair],
    recipe: Recipe,
    masks: Path,
) -> Path:
    from lass_plugin.analysis.similarity_files import write_similarity
    from lass_plugin.evaluation.decoding import Decoding
    from lass_plugin.evaluation.evaluation import evaluate
    from lass_plugin.evaluation.report_tables import render
    from lass_plugin.evaluation.systems import System
    from lass_plugin.masks import load_masks

    folder = out / "report"
    torch.set_num_threads(cores())
    split = "test" if any(data.glob("test.*.idx")) else "valid"
    result = evaluate(
        data,
        [
            System("dense", dense.checkpoint),
            System("sub-networks", joint.checkpoint),
            System("base", base.checkpoint),
        ],
        pairs,
        split,
        folder,
        Decoding(beam=recipe.beam, max_len_a=1.2, max_len_b=10),
    )
    write_similarity(load_masks(masks), folder)
    print(f"\n{example_sentences(result)}\n")
    print(render(result.report))
    print(
        f"base: after {recipe.base_updates} updates. dense: the base trained for "
        f"{recipe.joint_updates} updates more, all weights for every pair.\n"
        f"sub-networks: the same {recipe.joint_updates} updates, every pair its own "
        f"sub-network ({recipe.criterion}, {recipe.schedule}, ratio {recipe.ratio}).\n"
    )
    return folder


def _take_over(
    out: Path, fresh: bool, text: Path | None, pairs: list[Pair], recipe: Recipe
) -> None:
    """Make *out* ready: new, the same quick start as before, or cleared for *fresh*."""
    record = {
        "text": str(text.resolve()) if text else "catalogues",
        "pairs": [str(pair) for pair in pairs],
        "recipe": recipe.to_dict(),
    }
    path = out / RECORD
    present = [name for name in FOLDERS if (out / name).exists()]
    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            before = None
        if before != record and not fresh:
            raise LassError(
                f"{out} holds a quick start on other text or with another recipe; give "
                "--fresh to do it again there, or choose another --out"
            )
    elif present:
        raise LassError(
            f"{out} holds {present[0]}/ that the quick start did not make; choose "
            "another --out"
        )
    if fresh:
        for name in present:
            shutil.rmtree(out / name)
    write_json(path, record)
    needed = 1e6 * MEGABYTES_NEEDED
    check_space(needed, out, "the results need", "or choose another --out")


def _say(number: int, what: str) -> None:
    print(f"\n[{number}/5] {what}", file=sys.stderr, flush=True)
