"""Options of a search, and what of them is refused."""

from dataclasses import dataclass
from typing import Any, Optional

import torch
from fairseq.dataclass import ChoiceEnum
from omegaconf import II

from lass_plugin.anatomy.targets import DEFAULT_TARGETS, parse_targets
from lass_plugin.errors import LassError
from lass_plugin.languages import parse_pairs
from lass_plugin.methods.search.pair_losses import BATCHES
from lass_plugin.methods.search.plan import OPTIONS, SCHEDULES, SearchPlan, stages_of
from lass_plugin.options import TranslationSubnetworkConfig, check_training, flag


@dataclass
class TranslationSubnetworkSearchConfig(TranslationSubnetworkConfig):
    pruning_criterion: str = flag(
        "magnitude",
        "score of a weight: magnitude, gradient, sensitivity, fisher, or your own",
    )
    pruning_schedule: ChoiceEnum(list(SCHEDULES)) = flag(  # type: ignore[valid-type]
        "oneshot", "prune once at the end, or more and more during training"
    )
    pruning_ratio: float = flag(0.5, "share of each matrix removed in the end")
    pruning_start: Optional[int] = flag(
        None,
        "T1: updates of a pair before pruning begins (gradual; default: a twentieth of "
        "--max-update, 0 where only T2 is given)",
    )
    pruning_ramp: Optional[int] = flag(
        None,
        "T2: updates of a pair until the ratio is reached (gradual; default: nine "
        "twentieths of --max-update)",
    )
    pruning_interval: int = flag(10, "select the mask anew every N updates (gradual)")
    mask_targets: str = flag(
        ",".join(DEFAULT_TARGETS),
        "matrices to search in: attention, feed-forward, embeddings, output-projection",
    )
    move_pruned: bool = flag(False, "update weights that are masked out too (gradual)")
    stop_when_settled: float = flag(
        0.0,
        "end the search once its mask agrees with itself so well, above chance, in "
        "(0, 1] (0: never; gradual: not before the ramp ends)",
    )
    stop_when_growth_below: float = flag(
        0.0,
        "end the search once that agreement has grown, and doubling the updates adds "
        "less than this to it (0: never)",
    )
    stop_patience: int = flag(
        0,
        "end the search once the validation loss of its weights under its mask has not "
        "fallen at so many reports in a row (0: never; gradual: after the ramp)",
    )
    loss_batches: Optional[int] = flag(
        None,
        f"validation batches of a pair on which losses under masks are measured "
        f"(default: {BATCHES}, or fewer that take a twentieth of the search; 0: none)",
    )
    loss_interval: int = flag(
        0,
        "measure the losses of the base under the mask and under its controls at the "
        "end and at a report every N updates (0: four times, or every 5000 where "
        "--max-update is open)",
    )
    scores_on_cpu: bool = flag(
        False,
        "keep the scores in the CPU's memory, not the GPU's (8 bytes a weight and "
        "pair); those of an update are copied beside its forward and backward pass",
    )
    scores_on_gpu: Optional[int] = flag(
        None,
        "with --scores-on-cpu, how many sums of scores (two a pair, 4 bytes a weight "
        "each) the GPU has room for; those used last stay there (default: 1)",
    )
    report_interval: int = flag(
        0,
        "say every N updates how settled the mask is (0: 20 times, or every 1000 where "
        "--max-update is open)",
    )
    update_freq: list[int] = II("optimization.update_freq")


def plan_of(cfg: Any, key: str) -> SearchPlan:
    """The plan that the options of *cfg* describe; see :func:`derived_stages`."""
    values = {name: getattr(cfg, option) for name, option in OPTIONS.items()}
    values["schedule"] = str(values["schedule"])  # of an enumeration
    if derived_stages(cfg):
        own = cfg.max_update // len(parse_pairs(cfg.lang_pairs))
        values["start"], values["ramp"] = stages_of(own, cfg.pruning_start, None)
    values["start"], values["ramp"] = values["start"] or 0, values["ramp"] or 0
    values["targets"] = parse_targets(values["targets"])
    return SearchPlan(key, **values)


def places_of(cfg: Any) -> int | None:
    """Sums of scores that the GPU has room for; None for all."""
    return (cfg.scores_on_gpu or 1) if cfg.scores_on_cpu else None


def derived_stages(cfg: Any) -> tuple[str, ...]:
    """The parts of the plan that follow from ``--max-update``: T2, and T1 with it.

    A pair then counts as drawn as often as every other.
    """
    gradual = str(cfg.pruning_schedule) == "gradual"
    if not gradual or cfg.pruning_ramp is not None or not cfg.max_update:
        return ()
    return ("ramp",) if cfg.pruning_start is not None else ("start", "ramp")


def check_search(cfg: Any) -> None:
    """Refuse options that a search cannot carry out or would ignore.

    Raises:
        LassError: names the option.
    """
    check_training(cfg, strict=True)
    keys = [str(pair) for pair in parse_pairs(cfg.lang_pairs)]
    if cfg.extend or cfg.hold:
        raise LassError(
            "--extend and --hold are for joint training and have no effect in a "
            "search; leave them out"
        )
    if cfg.masks:
        raise LassError(
            "a search makes a mask and takes none; leave --masks out, or use "
            "--task translation_subnetwork for joint training"
        )
    for name in ("report_interval", "loss_interval", "loss_batches"):
        if (getattr(cfg, name) or 0) < 0:
            raise LassError(
                f"--{name.replace('_', '-')} {getattr(cfg, name)} is below 0"
            )
    if cfg.loss_batches == 0 and (cfg.stop_patience or cfg.loss_interval):
        needs = "--stop-patience" if cfg.stop_patience else "--loss-interval"
        raise LassError(
            f"{needs} has no effect with --loss-batches 0, which measures no loss; "
            "leave one of them out"
        )
    stops = cfg.stop_when_settled or cfg.stop_when_growth_below or cfg.stop_patience
    if stops and 0 < (cfg.max_update or 0) < cfg.report_interval:
        raise LassError(
            f"--report-interval {cfg.report_interval} is longer than the search of "
            f"{cfg.max_update} updates, which would never stop because it has "
            "settled; lower it, or leave it out"
        )
    plan = plan_of(cfg, keys[0])
    plan.check(cfg.max_update)
    if len(keys) > 1:
        plan.check_together(dict.fromkeys(keys, 1 / len(keys)), cfg.max_update)
    if cfg.scores_on_gpu is not None:
        if cfg.scores_on_gpu < 1:
            raise LassError(
                f"--scores-on-gpu {cfg.scores_on_gpu} is below 1, the sum that an "
                "update adds to"
            )
        if not cfg.scores_on_cpu:
            raise LassError(
                "--scores-on-gpu has no effect without --scores-on-cpu, since all "
                "scores are on the GPU then; leave it out"
            )
    if cfg.scores_on_cpu and (cfg.cpu or not torch.cuda.is_available()):
        raise LassError(
            "--scores-on-cpu has no effect where the training is on the CPU; leave it "
            "out"
        )
    if cfg.scores_on_cpu and not plan.score.accumulates:
        raise LassError(
            f"--scores-on-cpu has no effect with --pruning-criterion {plan.criterion}, "
            "which keeps no scores; leave it out"
        )
