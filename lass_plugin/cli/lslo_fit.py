"""Fit low-rank modules of individual ranks to a base, from first to last.

    lass lslo fit DATA --base pretrained.pt --pairs de-en,en-de,oc-en,en-oc \\
        --out fit/ --budget-rank 4 -- --lr 0.003 --max-tokens 4096 --fp16

1  weight learning        fit/learned, fit/placement         (left out with --placement)
2  subspace estimation    fit/estimation, fit/estimate
3  ranks under a budget   fit/plan.json
4  training of that plan  fit/final

The options of the model and of its language tokens are the base's; what follows -- goes
to fairseq-train. All GPUs that are visible train together. A run that is killed goes on
when it is started again, and steps that are done are kept.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from lass_plugin.cli import lslo_estimate, lslo_placement, lslo_ranks
from lass_plugin.experiments.low_rank_fit_settings import FitSettings
from lass_plugin.methods.lowrank.planning.placement import LEARN

if TYPE_CHECKING:
    from lass_plugin.experiments.low_rank_fit import Trainings

HELP = "weight learning, estimation, ranks and training in one command"
USAGE = (
    "lass lslo fit DATA --base BASE.pt --pairs SRC-TGT,… --out DIR "
    "(--budget N | --budget-rank R) [options] [-- fairseq-train flags]"
)
SETTINGS = FitSettings
QUIET = True


def run(settings: FitSettings) -> int:
    """Run the steps; say where the results are."""
    from lass_plugin.experiments.low_rank_fit import MADE, Trainings
    from lass_plugin.experiments.stage import State

    trainings = Trainings(settings)
    with trainings.stage.held(made=MADE) as state:
        final, plan = _fit(settings, trainings)
        if state is not State.DONE:
            trainings.stage.finish([final, plan])
    print(
        f"\n{final}\ntranslate: fairseq-generate {settings.data} --user-dir "
        f"lass_plugin --task translation_subnetwork --path {final} "
        f"-s {settings.pairs[0].source} -t {settings.pairs[0].target}"
    )
    return 0


def _fit(settings: FitSettings, trainings: "Trainings") -> tuple[Path, Path]:
    """Run the steps; returns the checkpoint and the plan that it was trained by."""
    out = settings.out
    common = ["--lslo-ranks", str(settings.rank)]
    if settings.matrices:
        common += ["--lslo-matrices", settings.matrices]
    placement = settings.placement
    if placement is None:
        learn = ("--lslo-placement", LEARN)
        learned = trainings.run("learned", "weight learning", *common, *learn)
        lslo_placement.run(
            lslo_placement.PlacementSettings(checkpoint=learned, out=out / "placement")
        )
        placement = str((out / "placement" / "placement.json").resolve())
    common += ["--lslo-placement", placement]
    pruning = ["--lslo-pruning", "layer", "--lslo-pruning-ratio", str(settings.ratio)]
    pruning += ["--lslo-pruning-start", str(settings.start)]
    pruning += ["--lslo-pruning-length", str(settings.length)]
    estimated = trainings.run("estimation", "estimation", *common, *pruning)
    demands, plan = out / "estimate", out / "plan.json"
    lslo_estimate.run(lslo_estimate.EstimateSettings(checkpoint=estimated, out=demands))
    lslo_ranks.run(
        lslo_ranks.RanksSettings(estimate=demands, cost=settings.cost, out=plan)
    )
    return trainings.run("final", "training", "--lslo-plan", str(plan.resolve())), plan
